"""The spec's own operation that makes objects, where there is one for a decoder."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooscope.errors import UsageError, ZooscopeError
from zooscope_zoo.packaging.trained import Trained

OPERATIONS = {"stardist": "stardist_postprocessing"}
"""Decoder -> operation."""

BORDER = 2
"""Maps' pixels along the border in which StarDist starts no object: its own default, and our decoder's."""


def refuse_without_operation(trained: Trained) -> None:
    """UsageError for a method whose decoder the spec has no operation for."""
    decoder = trained.decoder
    if decoder not in OPERATIONS:
        raise UsageError(
            f"--with-postprocessing: the format has no operation that does what {trained.config.method}'s decoder "
            f"{decoder} does, only {', '.join(OPERATIONS.values())}; export the maps"
        )


def stardist_kwargs(trained: Trained, params: Mapping[str, Any], *, channels: int) -> dict[str, Any]:
    """Keyword arguments of stardist_postprocessing for maps of so many channels."""
    grid = trained.method.grid(trained.settings)
    return {
        "prob_threshold": params["prob_threshold"],
        "nms_threshold": params["nms_threshold"],
        "n_rays": channels - 1,
        "grid": [grid, grid],
        "b": BORDER,
    }


def prove_labels(
    maps: NDArray[np.float32], others: NDArray[np.float32], kwargs: Mapping[str, Any]
) -> NDArray[np.int32]:
    """Labels (1, y, x, 1) of a network's maps (1, y, x, c), if another format's maps give the very same.

    Raises
    ------
    ZooscopeError : they do not: probabilities lie so close together that rounding decides which polygon wins.
    """
    labels = stardist_labels(maps, kwargs)
    different = int((labels != stardist_labels(others, kwargs)).sum())
    if different:
        raise ZooscopeError(
            f"parity: the state dict and ONNX give different labels in {different} of {labels.size} pixels of the test "
            "image; train longer, or export the maps"
        )
    return labels


def stardist_labels(maps: NDArray[np.float32], kwargs: Mapping[str, Any]) -> NDArray[np.int32]:
    """The operation's labels (1, y, x, 1) of maps (1, y, x, c), made by bioimageio.core itself."""
    from bioimageio.core.proc_ops import StardistPostprocessing2D
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor
    from bioimageio.spec.model.v0_5 import TensorId

    id = TensorId("labels")
    sample = Sample(members={id: Tensor.from_numpy(maps, dims=("batch", "y", "x", "channel"))}, stat={}, id=None)
    arguments = {**kwargs, "grid": tuple(kwargs["grid"])}
    StardistPostprocessing2D(prob_dist_input_id=id, instance_labels_output_id=id, **arguments)(sample)
    return sample.members[id].data.to_numpy().astype(np.int32)
