"""The spec's own operations that make objects, where there is one for a decoder."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import UsageError, ZooscopeError
from zooscope_zoo.packaging.trained import Trained

BORDER = 2
"""Maps' pixels along the border in which StarDist starts no object, where tuning did not say: its default, and ours."""

Labels = NDArray[np.int32] | NDArray[np.uint16]


@dataclass(frozen=True)
class Operation:
    """An operation of the spec that turns maps into labels.

    Attributes
    ----------
    axes : of the maps that it takes, and of its labels, which have one channel. dtype : of the labels.
    needs : the distribution that bioimageio.core runs it by.
    kwargs : its keyword arguments, for a network with so many maps and the decoder's parameters.
    """

    id: str
    axes: tuple[str, ...]
    dtype: str
    needs: str
    kwargs: Callable[[Trained, Mapping[str, Any], int], dict[str, Any]]

    @property
    def channels_last(self) -> bool:
        """Whether it takes maps (b, y, x, c) instead of (b, c, y, x)."""
        return self.axes[-1] == "channel"


def stardist_kwargs(trained: Trained, params: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """Keyword arguments of stardist_postprocessing for maps of so many channels."""
    grid = trained.method.grid(trained.settings)
    return {
        "prob_threshold": params["prob_threshold"],
        "nms_threshold": params["nms_threshold"],
        "n_rays": channels - 1,
        "grid": [grid, grid],
        "b": params.get("border_px", BORDER),
    }


def cellpose_kwargs(trained: Trained, params: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """Keyword arguments of cellpose_flow_dynamics; its maps are always three."""
    return {
        "cellprob_threshold": params["cellprob_threshold"],
        "flow_threshold": params["flow_threshold"],
        "do_3D": False,
        "min_size": params["min_size_px"],
    }


_LAST, _FIRST = ("batch", "y", "x", "channel"), ("batch", "channel", "y", "x")

OPERATIONS = {
    "stardist": Operation("stardist_postprocessing", _LAST, "int32", "stardist", stardist_kwargs),
    "cellpose-flows": Operation("cellpose_flow_dynamics", _FIRST, "uint16", "cellpose", cellpose_kwargs),
}
"""By decoder."""


def find_operation(trained: Trained) -> Operation:
    """The operation that does what the method's decoder does.

    Raises
    ------
    UsageError : there is none, or what runs it is not installed: its labels of the test image could not be written.
    """
    decoder = trained.decoder
    if decoder not in OPERATIONS:
        raise UsageError(
            f"--with-postprocessing: the format has no operation that does what {trained.config.method}'s decoder "
            f"{decoder} does, only {', '.join(item.id for item in OPERATIONS.values())}; export the maps"
        )
    found = OPERATIONS[decoder]
    if trained.classes:
        raise UsageError(f"--with-postprocessing: {found.id} knows no classes of objects; export the maps")
    if importlib.util.find_spec(found.needs) is None:
        raise UsageError(
            f"--with-postprocessing: {found.id} runs by {found.needs}, which is not installed (pip install "
            f"{found.needs}); export the maps"
        )
    return found


def prove_labels(
    operation: Operation, maps: NDArray[np.float32], others: NDArray[np.float32], kwargs: Mapping[str, Any]
) -> Labels:
    """Labels, with the maps' axes, of a network's maps, if another format's maps give the very same.

    Raises
    ------
    ZooscopeError : they do not: values lie so close together that rounding decides to which object a pixel goes.
    """
    labels = operation_labels(operation, maps, kwargs)
    different = int((labels != operation_labels(operation, others, kwargs)).sum())
    if different:
        raise ZooscopeError(
            f"parity: the state dict and ONNX give different labels in {different} of {labels.size} pixels of the test "
            "image; train longer, or export the maps"
        )
    return labels


def operation_labels(operation: Operation, maps: NDArray[np.float32], kwargs: Mapping[str, Any]) -> Labels:
    """The operation's labels of maps, made by bioimageio.core itself."""
    from bioimageio.core.proc_ops import (
        CellposeFlowDynamics,  # pyright: ignore[reportPrivateImportUsage]
        StardistPostprocessing2D,
    )
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    id = TensorId("labels")
    sample = Sample(members={id: Tensor.from_numpy(maps, dims=operation.axes)}, stat={}, id=None)
    if operation.id == "stardist_postprocessing":
        arguments = {**kwargs, "grid": tuple(kwargs["grid"])}
        run: Any = StardistPostprocessing2D(prob_dist_input_id=id, instance_labels_output_id=id, **arguments)
    else:
        run = CellposeFlowDynamics(labels_id=id, **kwargs)
    run(sample)
    return sample.members[id].data.to_numpy().astype(operation.dtype)
