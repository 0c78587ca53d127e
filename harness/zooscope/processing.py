"""A package's own pre- and postprocessing, for whole images and for images that come in blocks."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import PackageError, one_line
from zooscope.levels import levels_of, scaling_of
from zooscope.operations import Usual, as_dtype, usual
from zooscope.package_tensors import InputTensor, OutputTensor
from zooscope.predict.device import download, upload

_MAKERS = ("StardistPostprocessing2D", "CellposeFlowDynamics")
"""bioimageio.core's classes of the operations that make objects."""


class Processing:
    """A package's own operations on whole images: the usual ones by `zooscope.operations`, others by bioimageio.core.

    Statistics come from the one image, never from a tile of it and never from the images before it, also where a
    package would take them over a batch or a data set that it does not carry.
    """

    def __init__(self, description: Any, given: InputTensor, output: OutputTensor) -> None:
        from bioimageio.core.proc_setup import setup_pre_and_postprocessing

        self._input, self._output = given, output
        # made anew for each image: core would go on averaging statistics over all images that came before
        self._operations = lambda: setup_pre_and_postprocessing(description, dataset_for_initial_statistics=())
        try:
            operations = self._operations()
        except Exception as error:
            raise PackageError(f"its processing cannot be set up ({one_line(error)})") from error
        self._dims = ("batch", "channel", *given.names, "y", "x")
        self._out_dims = ("batch", "channel", *output.names, "y", "x")
        self._scaling = scaling_of(operations.pre)
        self._usual = usual(
            operations.pre, _before_objects(operations.post), member=given.id, dims=self._dims, out_dims=self._out_dims
        )

    @property
    def runs_plain(self) -> bool:
        """Whether all operations are usual ones, which run without bioimageio.core."""
        return self._usual is not None

    def begin(
        self, image: NDArray[np.generic], *, on: str | None = None
    ) -> tuple[Any, Callable[[Any], NDArray[np.float32]]]:
        """Preprocess an image (c, y, x); return it and the function that postprocesses its maps (c, y, x).

        Of a volume both are (c, z, y, x).

        Parameters
        ----------
        on : the device that a tensor of torch is to lie on, in place of an array; maps are then a tensor there too.
        """
        if self._usual is None:
            ready, finish_array = self._begin_with_core(image)
            return (ready, finish_array) if on is None else (upload(ready, on), _downloaded_first(finish_array))
        dims, out_dims, operations = self._dims, self._out_dims, self._usual
        if on is not None and self._input.dtype != "float32":  # whole numbers are an array's business
            ready, finish_array = self.begin(image)
            return upload(ready, on), _downloaded_first(finish_array)
        array: Any = self.cast(_widened(image, dims))
        array = array if on is None else upload(array, on)
        stat = operations.measured(array, image)
        for step in operations.pre:
            array = step(array, stat)

        def finish(maps: Any) -> NDArray[np.float32]:
            done: Any = _widened(maps, out_dims)
            for step in operations.post:
                done = step(done, stat)
            done = _narrowed(done, maps.ndim)
            return done if on is None else download(done)

        return _narrowed(array, image.ndim), finish

    def _begin_with_core(
        self, image: NDArray[np.generic]
    ) -> tuple[NDArray[np.float32], Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
        """`begin` by bioimageio.core's own operations."""
        from bioimageio.core.sample import Sample as CoreSample
        from bioimageio.core.tensor import Tensor
        from bioimageio.spec.model.v0_5 import TensorId

        in_id, out_id = TensorId(self._input.id), TensorId(self._output.id)
        dims, out_dims = self._dims, self._out_dims
        array = self.cast(_widened(image, dims))
        # core's operations change the sample they are given, so each image gets its own
        sample = CoreSample(members={in_id: Tensor.from_numpy(array, dims=dims)}, stat={}, id=None)
        operations = self._operations()
        post = _before_objects(operations.post)
        for operation in operations.pre:
            operation(sample)
        ready = sample.members[in_id].data.transpose(*dims).to_numpy()

        def finish(maps: NDArray[np.float32]) -> NDArray[np.float32]:
            sample.members[out_id] = Tensor.from_numpy(_widened(maps, out_dims), dims=out_dims)
            for operation in post:
                operation(sample)
            done = sample.members[out_id].data.transpose(*out_dims).to_numpy()
            return _narrowed(done, maps.ndim)

        return _narrowed(ready, image.ndim), finish

    def begin_in_blocks(
        self, measure: Callable[[Sequence[Any]], Mapping[Any, NDArray[np.generic]]] | None
    ) -> tuple[
        Callable[[NDArray[np.generic]], NDArray[np.float32]], Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ]:
        """`begin` for an image that comes in blocks (c, y, x): what preprocesses one, and what postprocesses its maps.

        Parameters
        ----------
        measure : gives the values of core's measures over the whole image, arrays of the dims that they leave; None
            to find out whether the operations can be run so.

        Raises
        ------
        PackageError : operations that need the whole image or all maps at once.
        """
        from bioimageio.core.sample import Sample as CoreSample
        from bioimageio.core.tensor import Tensor
        from bioimageio.spec.model.v0_5 import TensorId

        operations = self._operations()
        pre = [item for item in operations.pre if type(item).__name__ != "UpdateStats"]
        post = _before_objects(operations.post)
        if any(type(item).__name__ == "CustomProcessing" for item in (*pre, *post)):
            raise PackageError("its own Python processes whole images")
        if any(item.required_measures for item in post):
            raise PackageError("its postprocessing needs statistics of whole maps")
        needed = list({item: None for operation in pre for item in operation.required_measures})
        dims = self._dims
        stat: Any = {}
        for item, value in (measure(needed) if measure and needed else {}).items():
            left = () if item.axes is None else tuple(dim for dim in dims if dim not in set(map(str, item.axes)))
            stat[item] = Tensor.from_numpy(value.reshape(*value.shape, *[1] * (len(left) - value.ndim)), dims=left)

        def run(
            steps: Sequence[Any], id: str, names: tuple[str, ...], array: NDArray[np.generic]
        ) -> NDArray[np.float32]:
            along = ("batch", "channel", *names, "y", "x")
            tensor = Tensor.from_numpy(_widened(array, along), dims=along)
            sample = CoreSample(members={TensorId(id): tensor}, stat=stat, id=None)
            for operation in steps:
                operation(sample)
            return _narrowed(sample.members[TensorId(id)].data.transpose(*along).to_numpy(), array.ndim)

        return (
            lambda block: run(pre, self._input.id, self._input.names, self.cast(block)),
            lambda maps: run(post, self._output.id, self._output.names, maps),
        )

    def refuse_without_levels(self) -> None:
        """PackageError unless one `scale_range` is all that changes the values of an image."""
        if self._scaling is None:
            raise PackageError("its decoder undoes a scale_range, which is not what its preprocessing does alone")

    def levels(self, image: NDArray[np.generic]) -> dict[str, list[float]]:
        """`low` and `high` of each channel of an image (c, y, x) or volume (c, z, y, x) (`zooscope.levels`).

        Raises
        ------
        PackageError : the package's scaling has none, or other ones for each z.
        """
        self.refuse_without_levels()
        measures = (self._scaling.lower, self._scaling.upper)
        stat = Usual((), (), measures, self._dims).measured(self.cast(_widened(image, self._dims)), image)
        if any(n > 1 and dim != "channel" for n, dim in zip(stat[measures[0]].shape, self._dims, strict=True)):
            raise PackageError("its decoder undoes one scaling of the image, and its scale_range is one for each plane")
        return levels_of(self._scaling, stat, len(image))

    def levels_in_blocks(self, stat: Mapping[Any, NDArray[np.generic]]) -> dict[str, list[float]]:
        """`levels` of an image that comes in blocks, from what the `measure` of `begin_in_blocks` gave."""
        self.refuse_without_levels()
        return levels_of(self._scaling, stat, self._input.channels)

    def cast(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """An image as the dtype that the package declares; PackageError where that would wrap its values around."""
        return _cast(array, self._input.dtype)


def _downloaded_first(finish: Callable[[Any], NDArray[np.float32]]) -> Callable[[Any], NDArray[np.float32]]:
    return lambda maps: finish(download(maps))


def _before_objects(operations: Sequence[Any]) -> list[Any]:
    """Without the one that makes objects, and what casts its labels: these are left to a decoder."""
    return list(itertools.takewhile(lambda item: type(item).__name__ not in _MAKERS, operations))


def _widened(array: Any, dims: Sequence[str]) -> Any:
    """(c, y, x) -> (1, c, 1 ..., y, x) along `dims`; of a volume (c, z, y, x) z keeps its length."""
    depth = array.shape[1] if array.ndim == 4 else 1
    between = [depth if name == "z" else 1 for name in dims[2:-2]]
    return array.reshape(1, array.shape[0], *between, *array.shape[-2:])


def _narrowed(array: Any, ndim: int) -> Any:
    """(1, c, 1 ..., y, x) -> (c, y, x), or (c, z, y, x) of 4 dimensions, float32."""
    depth = [math.prod(array.shape[2:-2])] if ndim == 4 else []
    narrow = as_dtype(array.reshape(array.shape[1], *depth, *array.shape[-2:]), "float32")
    return np.ascontiguousarray(narrow) if isinstance(narrow, np.ndarray) else narrow


def _cast(array: NDArray[np.generic], dtype: str) -> NDArray[np.generic]:
    """The array as the declared dtype; PackageError where that would wrap its values around."""
    if np.dtype(dtype).kind in "ui" and array.size:
        low, high, limits = array.min(), array.max(), np.iinfo(dtype)
        if low < limits.min or high > limits.max:
            raise PackageError(f"takes {dtype} images; this one has values from {low:g} to {high:g}")
        if array.dtype.kind == "f":
            array = np.rint(array)
    return array.astype(dtype)
