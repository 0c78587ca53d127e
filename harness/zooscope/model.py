"""Model: a package with its network loaded, which turns an image into dense maps, labels or a restored image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from zooscope import plugins
from zooscope.channels import to_channels
from zooscope.decode import decoder_for, find_decoder, run_decoder
from zooscope.errors import PackageError, UsageError
from zooscope.package import Package, open_package
from zooscope.package_files import RDF_NAMES
from zooscope.predict.backends import BACKENDS
from zooscope.predict.device import resolve_device
from zooscope.predict.failures import network_failure
from zooscope.predict.shrink import Shrinking
from zooscope.predict.tiling import DEFAULT_HALO_PX
from zooscope.promise import refuse_broken_promise
from zooscope.sample import as_image


class Model:
    """A package with its network loaded on a device.

    Attributes
    ----------
    package : what the package says of itself.
    weights_format : which of its weights run.
    device : "cpu" or "cuda:<index>".
    """

    def __init__(
        self, package: Package, *, weights: str | None = None, device: str = "cpu", decoder: str | None = None
    ) -> None:
        self.package = package
        self._decoder = decoder
        self.weights_format = package.choose_weights(weights)
        self.device = device
        self._network = BACKENDS[self.weights_format](package.read_weights(self.weights_format), device=device)
        self._processing = package.processing()
        self._tiles = Shrinking()

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Dense maps (c, y, x) of an image with dims y, x or y, x, c; y and x divided by the network's grid.

        The image is normalised as a whole, predicted in tiles where it is large, stitched, then postprocessed.
        """
        ready, finish = self._processing.begin(to_channels(image, self.package.input.channels))
        halo = self.package.output.halo_px or (DEFAULT_HALO_PX, DEFAULT_HALO_PX)
        maps = self._tiles.predict(self._run, ready, sizes=self.package.input.sizes, halo=halo)
        refuse_broken_promise(maps.shape, ready.shape, self.package)
        return finish(maps)

    @property
    def tile_px(self) -> int | None:
        """The largest tile once memory ran out; None while images are predicted as the policy says."""
        return self._tiles.tile_px

    def predict(self, array: NDArray[np.generic], axes: str = "yx", *, return_maps: bool = False, **params: Any) -> Any:
        """Label image int32 (y, x) of an image.

        Parameters
        ----------
        array : the image, any integer or float dtype.
        axes : "yx", or "yxc" for RGB.
        return_maps : return (labels, maps) with maps float32 (c, y, x).
        params : parameters of the decoder, in place of the package's.

        Raises
        ------
        DataError : an array that is no image.
        PackageError : a package whose maps no decoder fits.
        """
        image = as_image(np.asarray(array), axes=axes, source="the array")
        maps = self.maps(image)
        choice = decoder_for(self.package, self._decoder)
        shape = (image.sizes["y"], image.sizes["x"])
        decoder = find_decoder(choice.id, choice.version)
        labels, _ = run_decoder(choice.id, decoder, maps, shape, **{**choice.params, **params})
        return (labels, maps) if return_maps else labels

    def _run(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tile (c, y, x) through the network, whose axes may stand in another order."""
        axes = self.package.input.axes
        batch = np.expand_dims(tile, 0) if "b" in axes else tile
        source = ("b" if "b" in axes else "") + "cyx"
        if "c" not in axes:
            batch, source = batch.take(0, source.index("c")), source.replace("c", "")
        try:
            ordered = np.transpose(batch, [source.index(letter) for letter in axes])
            out = self._network(np.ascontiguousarray(ordered))
        except PackageError:
            raise
        except Exception as error:
            raise network_failure(error, batch.shape) from error
        return _channels_first(out, self.package.output.axes)


def load_model(
    source: str | Path, *, weights: str | None = None, device: str = "auto", decoder: str | None = None
) -> Model:
    """Load a package for prediction in this process.

    Parameters
    ----------
    source : a package (zip or folder), or the id of a shipped model (`zooscope list`).
    weights : "torchscript" or "onnx"; the first that the package has by default.
    device : "auto", "cpu", "cuda" or "cuda:<index>".
    decoder : id of the decoder that `predict` uses in place of the package's own or the default.

    Raises
    ------
    UsageError : no such package or id. PackageError : a package that cannot run here, with the reason.
    """
    path = find_package(source)
    try:
        return Model(open_package(path), weights=weights, device=resolve_device(device), decoder=decoder)
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from error


def find_package(source: str | Path) -> Path:
    """Path of a package given by the id of a shipped model or by path; an id comes before a file of that name."""
    if isinstance(source, str) and source in plugins.names("models"):
        return plugins.load("models", source)()
    path = Path(source)
    if (path.is_file() and path.suffix == ".zip") or any((path / name).is_file() for name in RDF_NAMES):
        return path
    known = ", ".join(plugins.names("models"))
    what = "is no package" if path.exists() else "does not exist"
    raise UsageError(f"model '{source}' {what}: a .zip, a folder with {RDF_NAMES[0]}, or one of the shipped: {known}")


def _channels_first(out: NDArray[np.float32], axes: str) -> NDArray[np.float32]:
    if out.ndim != len(axes):
        raise PackageError(f"its network answers with {out.ndim} dimensions; it declares '{axes}'")
    index: Mapping[str, Any] = {"b": 0}
    out = out[tuple(index.get(letter, slice(None)) for letter in axes)]
    rest = axes.replace("b", "")
    if "c" not in rest:
        out, rest = out[None], "c" + rest
    return out.transpose([rest.index(letter) for letter in "cyx"])
