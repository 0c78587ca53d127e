"""What a restoration learns from: noisy images with clean ones, with further noisy ones, or alone."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from zooscope.channels import to_channels
from zooscope.data import Dataset
from zooscope.data.noise import AnyNoise, noisy_patch
from zooscope.errors import DataError, UsageError
from zooscope.progress import track
from zooscope.sample import Sample, Task
from zooscope_zoo.method import Teacher
from zooscope_zoo.training.config import AugmentConfig, TrainingConfig
from zooscope_zoo.training.images import SPARE_BYTES
from zooscope_zoo.training.normalisation import Normalisation
from zooscope_zoo.training.own_percentiles import EPS, AnyNormalisation, OwnPercentiles
from zooscope_zoo.training.patches import Pair, cut, turned


@dataclass(frozen=True)
class Scene:
    """What was imaged once or several times; all arrays float32 (c, y, x), or (c, z, y, x), in the images' own range.

    Attributes
    ----------
    dataset : `id@version` of its data set.
    noisy : its images.
    clean : the truth; None where there is none, or nothing may be learned from it.
    noise : how the noisy images were made of the clean one, where the data set's card says so.
    """

    id: str
    dataset: str
    noisy: tuple[NDArray[np.float32], ...]
    clean: NDArray[np.float32] | None = None
    noise: AnyNoise | None = None


class RestorationPatches:
    """Patches (c, p, p) of noisy images, or (c, z, p, p) of volumes, and their targets, both normalised.

    Parameters
    ----------
    teacher : what the target is.

    Raises
    ------
    DataError : an image that its own percentiles cannot scale.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        teacher: Teacher,
        normalisation: AnyNormalisation,
        training: TrainingConfig,
        augment: AugmentConfig,
    ) -> None:
        _refuse_other_augmentation(augment)
        self._scenes, self._teacher = scenes, teacher
        self._scales = [_scales(scene, normalisation) for scene in scenes]
        self._training, self._augment = training, augment

    def __len__(self) -> int:
        return len(self._scenes)

    def drawn(self, rng: np.random.Generator) -> Pair:
        """A patch at random, flipped and rotated at random; with noise of its own where that is asked for."""
        index = int(rng.integers(len(self._scenes)))
        scene, scales = self._scenes[index], self._scales[index]
        window = _window(scene, self._size(scene), rng)
        pair = self._anew(scene, window, rng) if self._training.fresh_noise else None
        # noise drawn anew is that of a patch: the stored image tells the percentiles of the whole
        (first, second), scale = (pair, scales[0]) if pair else self._stored(scene, scales, window, rng)
        if self._augment.flips:
            first, second = turned((first, second), int(rng.integers(8)))
        return scale.image(first), scale.target(second)

    def fixed(self, index: int, rng: np.random.Generator) -> Pair:
        """A patch of that scene as it was stored."""
        scene = self._scenes[index]
        window = _window(scene, self._size(scene), rng)
        (first, second), scale = self._stored(scene, self._scales[index], window, rng)
        return scale.image(first), scale.target(second)

    def _size(self, scene: Scene) -> tuple[int, ...]:
        """Of a patch, along the scene's axes of space."""
        square = (self._training.patch_px, self._training.patch_px)
        return square if scene.noisy[0].ndim == 3 else (self._training.patch_planes, *square)

    def _stored(
        self, scene: Scene, scales: Sequence[Normalisation], window: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[Pair, Normalisation]:
        """A pair of patches, and the scaling of the image that the first is of."""
        size, own = self._size(scene), int(rng.integers(len(scene.noisy)))
        first, scale = cut(scene.noisy[own], window, size), scales[own]
        if self._teacher == "itself":
            return (first, first), scale
        if self._teacher == "noisy" and len(scene.noisy) > 1:
            other = (own + 1 + int(rng.integers(len(scene.noisy) - 1))) % len(scene.noisy)
            return (first, cut(scene.noisy[other], window, size)), scale
        assert scene.clean is not None
        return (first, cut(scene.clean, window, size)), scale

    def _anew(self, scene: Scene, window: tuple[int, ...], rng: np.random.Generator) -> Pair | None:
        """Noise drawn anew by the card's protocol; None where it says none."""
        if scene.noise is None or scene.clean is None:
            return None
        clean = cut(scene.clean, window, self._size(scene))
        first = noisy_patch(clean, scene.noise, rng)
        if self._teacher == "clean":
            return first, clean
        return first, noisy_patch(clean, scene.noise, rng) if self._teacher == "noisy" else first


def load_scenes(
    dataset: Dataset,
    ids: Sequence[str],
    *,
    channels: int,
    teacher: Teacher,
    label: str,
    progress: bool,
    space: str = "yx",
) -> list[Scene]:
    """Decode and check the images of a data set.

    With a noisy teacher, images that share their truth, pixel by pixel, are frames of one scene.

    Parameters
    ----------
    space : "yx", or "zyx" for a network that takes volumes.

    Raises
    ------
    DataError : no contrast in any image, a volume for a network of images or the reverse, a noisy teacher without a
        second image, memory running out.
    """
    found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    truths: dict[str, NDArray[np.float32]] = {}
    has_truth = dataset.card.task is Task.RESTORATION and teacher != "itself"
    for id in track(ids, f"loading {label} images", len(ids), show=progress):
        sample = dataset[id]
        _refuse_other_space(sample, space, dataset)
        scene = str(dataset.table.loc[id, "target_sha256"]) if has_truth and teacher == "noisy" else id
        found[scene].append(to_channels(sample.image, channels).astype(np.float32))
        if has_truth and scene not in truths:
            target = sample.image.copy(data=sample.target)
            truths[scene] = to_channels(target, channels).astype(np.float32)
        if psutil.virtual_memory().available < SPARE_BYTES:
            raise DataError(
                f"data set '{dataset.card.id}': {sum(map(len, found.values()))} of its {len(ids)} {label} images fill "
                "this machine's memory; crop them, or train on a part (training.strata)"
            )
    # of a blurred image the noise alone does not tell how it was made
    noise = dataset.card.noise if dataset.card.blur is None else None
    scenes = [
        Scene(id, dataset.name, tuple(images), truths.get(id), noise if has_truth else None)
        for id, images in found.items()
    ]
    if not any(np.ptp(image) for scene in scenes for image in scene.noisy):
        raise DataError(f"data set '{dataset.card.id}': all of its {len(ids)} {label} images are of one value each")
    return scenes


def notes(
    dataset: Dataset, scenes: Sequence[Scene], *, teacher: Teacher, patch_px: int, fresh: bool, patch_planes: int = 1
) -> list[str]:
    """What to know before a training: no test part, single frames, noise drawn anew, sizes that do not fit."""
    said: list[str] = []
    if "train" not in dataset.splits and teacher != "itself":
        said.append("it has no split 'train', so all its images train or validate and none is left for an honest test")
    made = any(scene.noise for scene in scenes)
    if fresh and made:
        said.append("each patch gets noise of its own, drawn as the data set's card tells")
    alone = sum(len(scene.noisy) == 1 for scene in scenes)
    if teacher == "noisy" and alone and not (fresh and made):
        said.append(
            f"{alone} of {len(scenes)} scenes have a single noisy image: what lies in clean/ is taken for the second"
        )
    small = sum(min(scene.noisy[0].shape[-2:]) < patch_px for scene in scenes)
    if small:
        said.append(
            f"{small} of {len(scenes)} images are smaller than the patches of {patch_px} px and are continued by their "
            "mirror image; a smaller training.patch_px fits them"
        )
    thin = sum(scene.noisy[0].ndim == 4 and scene.noisy[0].shape[1] < patch_planes for scene in scenes)
    if thin:
        said.append(
            f"{thin} of {len(scenes)} volumes have fewer planes than the patches' {patch_planes} and are continued by "
            "their mirror image; a smaller training.patch_planes fits them"
        )
    return said


def _scales(scene: Scene, normalisation: AnyNormalisation) -> list[Normalisation]:
    """The scaling of each image of a scene."""
    found = [normalisation.of(image) for image in scene.noisy]
    if isinstance(normalisation, OwnPercentiles) and any(EPS in scale.std for scale in found):
        raise DataError(
            f"{scene.dataset}, image '{scene.id}': almost all of it is of one value, so its percentiles "
            f"{normalisation.low:g} and {normalisation.high:g} cannot scale it; crop it, leave it out, or train with "
            "training.normalisation=training-set"
        )
    return found


def _window(scene: Scene, size: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    lengths = scene.noisy[0].shape[1:]
    return tuple(int(rng.integers(0, max(0, length - cut) + 1)) for length, cut in zip(lengths, size, strict=True))


def _refuse_other_space(sample: Sample, space: str, dataset: Dataset) -> None:
    if sample.axes == "zyx" and space == "yx":
        raise DataError(
            f"data set '{dataset.card.id}': '{sample.id}' is a volume of shape {sample.image.shape}; "
            "care and noise2noise learn from volumes with network.dimensions=3"
        )
    if sample.axes != "zyx" and space == "zyx":
        raise DataError(
            f"data set '{dataset.card.id}': '{sample.id}' is a 2D image; network.dimensions=3 learns from volumes, "
            "TIFF stacks (z, y, x)"
        )


def _refuse_other_augmentation(augment: AugmentConfig) -> None:
    neutral = {"gain": (1.0, 1.0), "offset": (0.0, 0.0), "noise": 0.0, "zoom": (1.0, 1.0), "diameter_px": None}
    for key, value in neutral.items():
        if getattr(augment, key) != value:
            raise UsageError(f"augment.{key}={getattr(augment, key)}: it would change the noise; flips alone are taken")
