"""`convert-cellpose`: a checkpoint of Cellpose 1 to 3 as a BioImage.IO package that needs no Cellpose."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from zooscope.decode.cellpose_flows import VERSION
from zooscope.errors import UsageError
from zooscope_zoo.cellpose.checkpoint import read_checkpoint
from zooscope_zoo.cellpose.method import METHOD
from zooscope_zoo.packaging.export import Publisher
from zooscope_zoo.packaging.imported import Imported, import_package
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.config import AugmentConfig, RunConfig

PERCENTILES = (1.0, 99.0)
"""That Cellpose scales each channel of an image by."""

DECODER_PARAMS: Mapping[str, float | int] = {"cellprob_threshold": 0.0, "flow_threshold": 0.4, "min_size_px": 15}
"""Cellpose's own defaults; no images are there to tune them on."""

_LIMITS = """- It was trained elsewhere, and does not tell on which images: whether a data set that it is ranked
  on was among them is not checked.
- The weights are the checkpoint's own, in float32. The style vector is that of what the network is given: a tile's
  differs from the whole image's, as in Cellpose, which averages overlapping tiles besides.
- One gray channel in; a second stain, where the network takes two, is blank."""


def convert(
    checkpoint: Path, output: Path, *, diameter_px: float | None = None, publisher: Publisher | None = None
) -> Path:
    """Write the package; the same bytes each time.

    Parameters
    ----------
    diameter_px : of the objects in the images that the network is given, as Cellpose counts it (of a circle of the
        same area); None takes the checkpoint's own. Images are brought there where the objects' size is known.

    Raises
    ------
    DataError, UsageError : no checkpoint that can be converted, one that does not tell the diameter, or a diameter
        that no package can have.
    """
    found = read_checkpoint(checkpoint)
    told = found.diameter_px if diameter_px is None else diameter_px
    if told is None:
        raise UsageError(f"{checkpoint}: it does not tell the diameter of objects (30 px of cells, 17 px of nuclei); "
                         "give --diameter")  # fmt: skip
    try:
        augment = AugmentConfig(diameter_px=told)
    except ValidationError as error:
        whose = f"{checkpoint}: diam_mean" if diameter_px is None else "--diameter"
        why = f"{whose}: {error.errors()[0]['msg']}, but it is {told:g}"
        raise UsageError(f"{why}; give a --diameter in px (30 of cells, 17 of nuclei)") from error
    config = RunConfig(method=METHOD.id, datasets=(), network=found.config.model_dump(), augment=augment)
    trained = Trained(METHOD, config, found.config, found.weights, data=(), object_percentiles=PERCENTILES)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    about = Imported(
        name=f"Cellpose ({checkpoint.name})",
        summary="Finds cells or nuclei by flows that lead each pixel to its object's centre. "
        "Converted from a checkpoint of Cellpose 1 to 3.",
        source=f"`{checkpoint.name}` (sha256 `{digest[:16]}`)",
        told={"converted_from": {"file": checkpoint.name, "sha256": digest}},
        limits=_LIMITS,
        decoder=f"{METHOD.decoder(found.config)}@{VERSION}",
        params=DECODER_PARAMS,
    )
    return import_package(trained, about, output, publisher=publisher or Publisher())
