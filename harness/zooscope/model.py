"""Model: a package with its network loaded, which turns an image or a volume into maps, labels or a restored image."""

import math
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from zooscope import plugins
from zooscope.channels import to_channels
from zooscope.decode import Objects, decode_test, decoder_for, find_decoder, restores, run_decoder, task_of
from zooscope.errors import PackageError
from zooscope.levels import teller
from zooscope.package import Package, open_package
from zooscope.padding import BARE, find_padding, halo_around, padded
from zooscope.predict.device import resolve_device
from zooscope.predict.failures import network_failure
from zooscope.predict.networks import load_network
from zooscope.predict.precision import FLOAT32, IN_TORCH, autocast, refuse_precision, resolve_precision
from zooscope.predict.shrink import Shrinking
from zooscope.predict.tiling import DEFAULT_DEPTH_HALO_PX, DEFAULT_HALO_PX, MOST_DEPTH_HALO_PX, AxisSize
from zooscope.promise import refuse_broken_promise
from zooscope.resampling import scaled_image, scaled_labels, scaled_shape
from zooscope.sample import Task, as_image
from zooscope.sizing import Sizing, find_scale, sizing_for
from zooscope.sources import find_package

ON_DEVICE = (*IN_TORCH, "onnx")
"""Weights formats whose networks take tensors where they lie on a GPU."""

GPU_BATCH = 16
"""The most tiles that a GPU is given together; chosen, not measured."""


class Model:
    """A package with its network loaded on a device.

    Attributes
    ----------
    package : what the package says of itself.
    weights_format : which of its weights run.
    device : "cpu" or "cuda:<index>".
    decoder : id of the decoder in place of the package's own, None for that.
    processing : the package's own operations.
    precision : of the network's arithmetic: "float32", "bf16" or "fp16".
    sizing : how `predict` brings images to the size of objects that the network knows, or None.
    padding : "bare", or "halo" where each image is padded as bioimageio.core does (`zooscope.padding`).
    """

    def __init__(
        self,
        package: Package,
        *,
        weights: str | None = None,
        device: str = "cpu",
        decoder: str | None = None,
        padding: str = BARE,
        precision: str = FLOAT32,
        trust: bool = False,
    ) -> None:
        self.package = package
        self.decoder = decoder
        self.sizing: Sizing | None = None
        self.weights_format = package.choose_weights(weights, trust=trust)
        refuse_precision(precision, self.weights_format)
        self.device = device
        self.padding = padding
        self.precision = precision
        self._network = load_network(package, self.weights_format, device=device)
        self.processing = package.processing(trust=trust)
        on_gpu = device != "cpu" and self.weights_format in ON_DEVICE
        self._on = device if on_gpu else None  # where tensors lie; None: arrays, one tile at a time
        self._tiles = Shrinking(batch=GPU_BATCH if on_gpu else 1)

    def maps(self, image: xr.DataArray) -> NDArray[np.float32]:
        """Dense maps (c, y, x) of an image with dims y, x or y, x, c; y and x divided by the network's grid.

        Of a volume with dims z, y, x they are (c, z, y, x). The image is normalised as a whole, predicted in tiles
        where it is large, stitched, then postprocessed.
        """
        return self.maps_together([image])[0]

    def maps_together(self, images: Sequence[xr.DataArray]) -> list[NDArray[np.float32]]:
        """`maps` of images of one shape. On a GPU their tiles share batches, and are normalised and stitched there."""
        space = _space_of(images[0])
        self.package.input.refuse(space)
        arrays = [to_channels(item, self.package.input.channels) for item in images]
        sizes: Sequence[AxisSize] = self.package.input.sizes_of(space)
        given, output = arrays[0].shape[1:], self.package.output
        around = halo_around(output, space, self.padding)
        if any(around):  # before they are normalised
            arrays = [padded(array, self.package.input, around) for array in arrays]
            sizes = [AxisSize(size.minimum + 2 * n, size.step) for size, n in zip(sizes, around, strict=True)]
        begun = [self.processing.begin(array, on=self._on) for array in arrays]
        ready = [image for image, _ in begun]
        halo, margin = self._halo(space), output.margin_of(space)
        found = self._tiles.predict(self._run, ready, sizes=sizes, halo=halo, margin=margin)
        if self.package.operation is None:  # else what is declared are the objects that the operation makes
            refuse_broken_promise(tuple(found[0].shape), tuple(ready[0].shape), self.package)
        done = [finish(maps) for (_, finish), maps in zip(begun, found, strict=True)]
        return [_cut(maps, given, around) if any(around) else maps for maps in done]

    @property
    def halo_px(self) -> tuple[int, int]:
        """What is cut off on each side of a tile, y and x, where it borders on another."""
        y, x = self._halo("yx")
        return y, x

    def _halo(self, space: str) -> tuple[int, ...]:
        output = self.package.output
        undeclared = {"z": DEFAULT_DEPTH_HALO_PX, "y": DEFAULT_HALO_PX, "x": DEFAULT_HALO_PX}
        # valid convolutions need no halo: what they leave out is what they could not see
        cropped = min(output.margin_px) > 0
        halo = output.halo_of(space) or tuple(0 if cropped else undeclared[axis] for axis in space)
        if space == "zyx" and not halo[0] and not cropped:  # it sees as far along z as it says for y and x
            halo = (min(max(halo), MOST_DEPTH_HALO_PX), *halo[1:])
        return halo

    @property
    def together(self) -> int:
        """How many images of one shape `maps_together` is best given."""
        return self._tiles.batch

    @property
    def tile_px(self) -> int | None:
        """The largest tile once memory ran out; None while images are predicted as the policy says."""
        return self._tiles.tile_px

    def padded_as(self, padding: str) -> AbstractContextManager["Model"]:
        """The model itself, which pads its images so from now on."""
        self.padding = padding
        return nullcontext(self)

    def predict(
        self,
        array: NDArray[np.generic],
        axes: str = "yx",
        *,
        return_maps: bool = False,
        return_objects: bool = False,
        **params: Any,
    ) -> Any:
        """Label image int32 (y, x) of an image, or the restored image float32 of the image's shape.

        Of a volume (z, y, x) as well, where the network takes volumes and the decoder finds objects in them. Above
        `large.LARGE_PX` pixels an image is predicted and decoded by blocks, over files in the temporary folder.

        Parameters
        ----------
        array : the image, any integer or float dtype.
        axes : "yx", "yxc" for RGB, or "zyx" for a volume.
        return_maps : return (labels or image, maps) with maps float32 (c, y, x), of the image at the scale at which it
            was predicted, in its units where the decoder brings them there.
        return_objects : return (labels, objects), after the maps if both are asked for: a table with a row an object,
            its `label` and what the decoder tells of it, such as `score` and `class`. Of an image that is decoded part
            by part it tells nothing.
        params : parameters of the decoder, in place of the package's.

        Raises
        ------
        DataError : an array that is no image.
        PackageError : a package whose maps no decoder fits, or a volume for one of 2D images and the reverse.
        """
        # a worker, which only gives maps, need not load what reads files and decodes by blocks
        from zooscope.predict.large import goes_by_blocks, predict_large
        from zooscope.stack import plane_of

        image = as_image(np.asarray(array), axes=axes, source="the array")
        space = _space_of(image)
        self.package.input.refuse(space)
        shape = tuple(image.sizes[axis] for axis in space)
        if space == "yx" and not return_maps and goes_by_blocks(self, (shape[0], shape[1])):
            canvas = np.zeros(shape, np.float32 if restores(self.package, self.decoder) else np.int32)
            plane = plane_of(image.values, "".join(str(dim) for dim in image.dims))
            with tempfile.TemporaryDirectory(prefix="zooscope-") as work:
                count, objects = predict_large(self, plane, canvas, Path(work), identity=(), params=params)
            return (canvas, table_of(count, objects)) if return_objects else canvas
        choice = decoder_for(self.package, self.decoder)
        decoder = find_decoder(choice.id, choice.version)
        if space == "zyx" and (self.sizing is not None or not getattr(decoder, "VOLUMES", False)):
            whose = "bringing objects to a size (--diameter)" if self.sizing else f"the decoder {choice.id}"
            raise PackageError(f"{whose} is for 2D images; this one is a volume")
        decode = partial(run_decoder, choice.id, decoder, **choice.params)
        tell = teller(decoder, self.package, padding=self.padding, processing=self.processing)
        whole = image.shape if task_of(decoder) is Task.RESTORATION else shape
        factor = find_scale(image, self.sizing, self.maps, decode)
        image = scaled_image(image, factor)
        maps, told = self.maps(image), {**params, **tell(image)}
        found, objects = scaled_labels(*decode(maps, scaled_shape(whole, factor), **told), whole)
        in_units = getattr(decoder, "in_units", None)
        answer: list[Any] = [found]
        if return_maps:
            answer.append(in_units(maps, **{**choice.params, **told}) if in_units else maps)
        if return_objects:
            count = 0 if task_of(decoder) is Task.RESTORATION else int(found.max(initial=0))
            answer.append(table_of(count, objects))
        return tuple(answer) if len(answer) > 1 else found

    def run_tile(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's answer (c, y, x) to one normalised tile (c, y, x) of a size that the package takes.

        Where the device's memory runs out, this and all later tiles go through it in smaller parts, unless its answer
        is not the tile's own size or a part of it.
        """
        given, output = self.package.input, self.package.output
        if any(output.margin_px):
            return self._run(tile[None])[0]
        return self._tiles.predict(self._run, [tile], sizes=given.sizes, halo=self.halo_px)[0]

    def _run(self, tiles: Any) -> Any:
        """Tiles (b, c, y, x) through the network, whose axes may stand in another order."""
        axes = self.package.input.axes
        space = "zyx"[-(tiles.ndim - 2) :]
        batch, source = (tiles, f"bc{space}") if "c" in axes else (tiles[:, 0], f"b{space}")
        if "b" not in axes:
            if len(tiles) > 1:
                raise PackageError(f"takes no batch: it declares '{axes}'")
            batch, source = batch[0], source[1:]
        for letter in set(axes) - set(f"bc{space}"):
            batch, source = batch[None], letter + source
        try:
            ordered = _transposed(batch, [source.index(letter) for letter in axes])
            with autocast(self.precision, self.device):
                out = self._network(ordered)
        except PackageError:
            raise
        except Exception as error:
            raise network_failure(error, tuple(batch.shape)) from error
        return _channels_first(out, self.package.output.axes, space)


def load_model(
    source: str | Path,
    *,
    weights: str | None = None,
    device: str = "auto",
    decoder: str | None = None,
    precision: str = FLOAT32,
    diameter: str | float = "auto",
    trust: bool = False,
) -> Model:
    """Load a package for prediction in this process, without a limit of time or memory.

    A network that hangs, crashes or takes all memory does so to your process; `evaluate` and `zooscope run` give each
    model a process of its own with limits (docs/safety.md).

    Parameters
    ----------
    source : a package (zip, folder, rdf.yaml, URL), an id of BioImage.IO, or of a shipped model (`zooscope list`).
    weights : "torchscript", "onnx", "pytorch_state_dict" ...; by default the first that the package has, those that
        run no Python of its own before the others.
    device : "auto", "cpu", "cuda" or "cuda:<index>".
    decoder : id of the decoder that `predict` uses in place of the package's own or the default.
    precision : "float32", or "bf16" or "fp16" of weights that torch runs.
    diameter : "auto", where the package says which diameter of objects its network knows, finds the scale of each image
        at which they have it; "off" predicts images as they are; a number is the median diameter of the objects in px.
    trust : run the package's own Python, in this process: a state dict's architecture, `custom` operations.

    Raises
    ------
    UsageError : no such package, id or device, or a precision that the device lacks. PackageError : a package that
        cannot run here, with the reason.
    """
    device = resolve_device(device)
    precision = resolve_precision(precision, device)
    path = find_package(source)
    try:
        package = open_package(path)
        refuse_precision(precision, package.choose_weights(weights, trust=trust))
        model = Model(package, weights=weights, device=device, decoder=decoder, trust=trust)
        if source not in plugins.names("models"):
            model.padding = find_padding(package, model.weights_format, model.padded_as, decode_test(package)).name
        model.precision = precision
        model.sizing = sizing_for(package.object_diameter_px, diameter)
        return model
    except PackageError as error:
        raise PackageError(f"{path}: {error}") from error


def _cut(maps: NDArray[np.float32], shape: tuple[int, ...], around: Sequence[int]) -> NDArray[np.float32]:
    """Maps without what lies around an image of `shape`."""
    kept = [slice(None)]
    for size, length, n in zip(maps.shape[1:], shape, around, strict=True):
        ratio = size / (length + 2 * n)  # a whole number, or one part of one, up to rounding
        scale = Fraction(round(ratio)) if ratio >= 1 else Fraction(1, round(1 / ratio))
        kept.append(slice(round(n * scale), round(n * scale) + math.ceil(length * scale)))
    return np.ascontiguousarray(maps[tuple(kept)])


def table_of(count: int, objects: Objects) -> pd.DataFrame:
    """A row an object."""
    return pd.DataFrame({"label": np.arange(1, count + 1), **objects})


def _space_of(image: xr.DataArray) -> str:
    """The axes of space that an image has: "yx", or "zyx" of a volume."""
    return "zyx" if "z" in image.dims else "yx"


def _channels_first(out: Any, axes: str, space: str) -> Any:
    """A network's answer as b, c and the axes of space."""
    kept = f"bc{space}"
    if out.ndim != len(axes):
        raise PackageError(f"its network answers with {out.ndim} dimensions; it declares '{axes}'")
    if not set(space) <= set(axes):
        raise PackageError(f"its network answers a volume with '{axes}', which is none")
    if any(size != 1 for letter, size in zip(axes, out.shape, strict=True) if letter not in kept):
        told = "the image is 2D, so one z is expected" if space == "yx" else "one time is expected"
        raise PackageError(f"its network answers with shape {tuple(out.shape)} of '{axes}'; {told}")
    out = out[tuple(slice(None) if letter in kept else 0 for letter in axes)]
    rest = "".join(letter for letter in axes if letter in kept)
    for letter in set("bc") - set(rest):
        out, rest = out[None], letter + rest
    return _transposed(out, [rest.index(letter) for letter in kept])


def _transposed(array: Any, order: list[int]) -> Any:
    """An array, laid out anew in that order, or a tensor."""
    return np.ascontiguousarray(array.transpose(order)) if isinstance(array, np.ndarray) else array.permute(order)
