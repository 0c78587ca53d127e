"""Decoders: dense maps -> objects, or a restored image.

Each is one file that imports only numpy, scipy, scikit-image, torch or stardist: a module (an entry point of the group
`zooscope.decoders`) with `VERSION`, `decode(maps, shape, **params)`, `SEARCH`, the values of each parameter that tuning
tries, `TASK` where that is not instance segmentation, `VOLUMES` where it also takes maps (c, z, y, x), and `OF_IMAGE`,
the parameters that are the image's own (`zooscope.levels`), with `in_units(maps, **params)` of all maps.
"""

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zooscope import plugins
from zooscope.errors import PackageError
from zooscope.levels import of_image
from zooscope.package import DecoderChoice, Package
from zooscope.sample import Task

Labels = NDArray[np.int32]
Objects = dict[str, NDArray[np.generic]]
"""Columns with one value an object, in the order of the labels 1..n; `score` is the decoder's own confidence."""


class Decoder(Protocol):
    """What a decoder's module offers."""

    VERSION: int
    SEARCH: dict[str, tuple[Any, ...]]

    def decode(self, maps: NDArray[np.float32], shape: Any, **params: Any) -> tuple[NDArray[Any], Objects]:
        """Labels int32 of `shape` (y, x), numbered 1..n, and their objects; or a restored image float32 of `shape`."""
        ...


RESTORES = {"denoising", "restoration", "image-restoration", "image restoration", "deblurring", "deconvolution", "n2v"}
"""Tags by which packages say that their maps are a restored image."""

_DEFAULTS = {1: "threshold-components", 2: "boundary-watershed"}
"""What decodes the maps of a package that names no decoder: one channel is taken for the probability of foreground,
two for foreground and boundary, the convention of the zoo's instance segmentation models."""


def find_decoder(id: str, version: int | None = None) -> Decoder:
    """The installed decoder of that name; PackageError if there is none or it has another version."""
    if id not in plugins.names("decoders"):
        raise PackageError(f"names the decoder '{id}', which is not one of {', '.join(plugins.names('decoders'))}")
    decoder: Decoder = plugins.load("decoders", id)
    if version not in (None, decoder.VERSION):
        raise PackageError(f"names the decoder {id}@{version}, but {id}@{decoder.VERSION} is installed")
    return decoder


def task_of(decoder: Decoder) -> Task:
    """What a decoder's answer is an answer to."""
    return Task(getattr(decoder, "TASK", Task.INSTANCE_SEGMENTATION))


def restores(package: Package, wanted: str | None = None) -> bool:
    """Whether a package, decoded as wanted or as it says itself, gives restored images."""
    choice = decoder_for(package, wanted)
    return task_of(find_decoder(choice.id, choice.version)) is Task.RESTORATION


def decoder_for(package: Package, wanted: str | None = None, *, task: Task | None = None) -> DecoderChoice:
    """The decoder of a package: the wanted one, its own, or the default for its number of channels.

    Parameters
    ----------
    task : what is asked of the package; None leaves it to the package's decoder and tags.

    Raises
    ------
    PackageError : parameters that the decoder does not have, no default, or a package made for another task.
    """
    choice = package.decoder
    tagged = bool(RESTORES & {str(tag).lower() for tag in package.tags})
    if choice is None and wanted is None and (task is Task.RESTORATION or (task is None and tagged)):
        choice = DecoderChoice("image", find_decoder("image").VERSION, {})
    if wanted and not (choice and choice.id == wanted):
        choice = DecoderChoice(wanted, find_decoder(wanted).VERSION, {})
    if choice is None:
        channels = package.output.channels
        if channels not in _DEFAULTS:
            raise PackageError(f"gives {channels} channels and names no decoder; choose one with --decoder")
        choice = DecoderChoice(_DEFAULTS[channels], find_decoder(_DEFAULTS[channels]).VERSION, {})
    decoder = find_decoder(choice.id, choice.version)
    found = task_of(decoder)
    if task not in (None, found):
        raise PackageError(f"its decoder {choice.id} is one of {found}; {task} is asked for")
    unknown = set(choice.params) - set(parameters(decoder.decode)) | set(choice.params) & set(of_image(decoder))
    if unknown:
        raise PackageError(f"gives decoder {choice.id} the parameter '{min(unknown)}', which it does not have")
    return choice


def decode_test(package: Package) -> Callable[[NDArray[np.float32], tuple[int, int]], Labels] | None:
    """What makes labels of a package's maps as its own operation does; None where its test output are maps."""
    if package.operation is None:
        return None
    choice = decoder_for(package)
    decoder = find_decoder(choice.id, choice.version)
    return lambda maps, shape: run_decoder(choice.id, decoder, maps, shape, **choice.params)[0]


def run_decoder(
    id: str, decoder: Decoder, maps: NDArray[np.float32], shape: tuple[int, ...], **params: Any
) -> tuple[NDArray[Any], Objects]:
    """What a decoder makes of a model's maps; PackageError where they are not what it needs (too few channels, say)."""
    try:
        return decoder.decode(maps, shape, **params)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise PackageError(f"decoder {id} failed on its maps {maps.shape}: {type(error).__name__}: {text}") from error


def parameters(decode: Any) -> dict[str, Any]:
    """Keyword parameters of a decoder's or baseline's function with their defaults.

    One whose default is None is left to the decoder, and stands in a run's key only when it is set.
    """
    found = inspect.signature(decode).parameters.values()
    return {item.name: item.default for item in found if item.kind is inspect.Parameter.KEYWORD_ONLY}
