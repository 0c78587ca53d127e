"""Material: what a training learns from and validates on, made of data sets as a method's task asks for it."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from zooscope.data import Dataset
from zooscope.errors import DataError, UsageError
from zooscope.sample import Task
from zooscope_zoo.method import LearnsClasses, LearnsFromRun, LearnsUnlabelled, Method, NetworkConfig, Taught
from zooscope_zoo.training import images as objects
from zooscope_zoo.training import pairs
from zooscope_zoo.training.config import RunConfig
from zooscope_zoo.training.images import TrainingImage, draw_labelled, load_images, split_samples
from zooscope_zoo.training.normalisation import Normalisation, measure_deviation, measure_normalisation
from zooscope_zoo.training.object_classes import refuse_other_classes, refuse_unseen_classes
from zooscope_zoo.training.object_patches import ObjectPatches, labelled_squares
from zooscope_zoo.training.own_percentiles import AnyNormalisation, OwnPercentiles
from zooscope_zoo.training.pairs import RestorationPatches, Scene, load_scenes
from zooscope_zoo.training.patches import Patches

Say = Callable[[str], None]


@dataclass(frozen=True)
class Material:
    """Patches of all data sets together.

    Attributes
    ----------
    about : of each data set, what a run keeps of it.
    normalisation : of images that are restored; None of those with objects, each scaled by its own percentiles.
    taught : by which run, where there is one.
    """

    training: Patches
    validation: Patches
    about: list[dict[str, Any]]
    normalisation: AnyNormalisation | None = None
    taught: Taught | None = None


def prepare(
    method: Method, config: RunConfig, settings: NetworkConfig, data: Sequence[Dataset], *, say: Say, progress: bool
) -> Material:
    """Load all data sets.

    Parameters
    ----------
    say : called with each thing that a user should know of the data before training.

    Raises
    ------
    UsageError : a data set of another task, or a normalisation that is not for the method. DataError : data to learn
        nothing from.
    """
    if config.training.normalisation == "percentiles":
        _refuse_percentiles(method)
    make = _restoration if method.task is Task.RESTORATION else _objects
    return make(method, config, settings, data, say=say, progress=progress)


def _objects(
    method: Any, config: RunConfig, settings: NetworkConfig, data: Sequence[Dataset], *, say: Say, progress: bool
) -> Material:
    for item in data:
        item.refuse_without_truth(item.ids)
        if item.card.task is not Task.INSTANCE_SEGMENTATION:
            raise UsageError(f"data set '{item.card.id}' is of {item.card.task}; {method.id} learns to find objects")
    _refuse_unknown_strata(config, data)
    classes = _classes(method, settings)
    wanted, edge = config.training.labelled, config.training.labelled_px
    unlabelled = _takes_unlabelled(method, settings)
    both: tuple[list[TrainingImage], list[TrainingImage]] = ([], [])
    about: list[dict[str, Any]] = []
    for item in data:
        ids = split_samples(item, strata=config.training.strata)
        if classes is not None:
            for note in refuse_other_classes(item, classes):
                say(f"note: {item.name}: {note}")
        labelled = ids[0] if wanted is None else draw_labelled(ids[0], wanted, seed=config.training.seed)
        if len(labelled) < len(ids[0]):
            rest = "the others train without labels" if unlabelled else "the others are left out"
            say(f"note: {item.name}: labels of {len(labelled)} of {len(ids[0])} images are learned from; {rest}")
        if not unlabelled:
            ids = labelled, ids[1]
        for found, part, label in zip(both, ids, ("training", "validation"), strict=True):
            found += load_images(
                item, part, channels=settings.channels, planes=partial(method.planes, config=settings),
                label=label, progress=progress, labelled=labelled if label == "training" else None,
                weights=config.training.stratum_weights, classes=classes or (),
            )  # fmt: skip
        told: dict[str, Any] = {} if wanted is None else {"labelled": labelled}
        own = both[0][-len(ids[0]) :]
        if edge is not None:
            own = both[0][-len(ids[0]) :] = labelled_squares(own, edge, seed=config.training.seed)
            told["labelled_px"] = edge
        about.append(_about(item, config, *ids) | told)
        sizes = {"patch_px": config.training.patch_px, "diameter_px": config.augment.diameter_px}
        field = method.describe(settings).receptive_field_px
        for note in objects.notes(item, own, channels=settings.channels, field_px=field, **sizes):
            say(f"note: {item.name}: {note}")
    parts = [(item, split_samples(item, strata=config.training.strata)[0]) for item in data]
    refuse_unseen_classes(parts, classes or ())
    targets = partial(method.targets, config=settings)  # no closure, so that workers can also be spawned
    training, validation = (ObjectPatches(found, targets, config.training, config.augment) for found in both)
    return Material(training, validation, about)


def _restoration(
    method: Any, config: RunConfig, settings: NetworkConfig, data: Sequence[Dataset], *, say: Say, progress: bool
) -> Material:
    if config.training.stratum_weights:
        raise UsageError(f"training.stratum_weights: {method.id} restores images, and draws all alike; leave it out")
    teacher, fresh = method.teacher, config.training.fresh_noise
    taught = _taught(method, config, settings)  # asked first, because loading takes a while
    for item in data:
        if teacher != "itself" and item.card.task is not Task.RESTORATION:
            raise UsageError(
                f"data set '{item.card.id}' is of {item.card.task}; {method.id} learns from pairs of images "
                "(a folder with images/ and clean/), noise2void from noisy ones alone"
            )
    both: tuple[list[Scene], list[Scene]] = ([], [])
    about: list[dict[str, Any]] = []
    for item in data:
        ids = split_samples(item, strata=config.training.strata)
        if teacher != "itself":
            item.refuse_without_truth([*ids[0], *ids[1]])
        for found, part, label in zip(both, ids, ("training", "validation"), strict=True):
            found += load_scenes(
                item, part, channels=settings.channels, space=settings.space, teacher=teacher, label=label,
                progress=progress,
            )  # fmt: skip
        about.append(_about(item, config, *ids))
        own = [scene for scene in both[0] if scene.dataset == item.name]
        sizes = {"patch_px": config.training.patch_px, "patch_planes": config.training.patch_planes}
        for note in pairs.notes(item, own, teacher=teacher, fresh=fresh, **sizes):
            say(f"note: {item.name}: {note}")
    percentiles = config.training.normalisation == "percentiles"
    measured = taught.normalisation if taught else _of_training_set(method, both[0])
    normalisation = OwnPercentiles() if percentiles else measured
    training, validation = (
        RestorationPatches(found, teacher, normalisation, config.training, config.augment) for found in both
    )
    return Material(training, validation, about, normalisation, taught)


def _of_training_set(method: Any, scenes: Sequence[Scene]) -> Normalisation:
    noisy = [image for scene in scenes for image in scene.noisy]
    clean = [scene.clean for scene in scenes if scene.clean is not None] if method.teacher == "clean" else []
    return measure_normalisation(noisy, clean) if method.centred else measure_deviation(noisy)


def _taught(method: object, config: RunConfig, settings: NetworkConfig) -> Taught | None:
    return method.taught(settings, patch_px=config.training.patch_px) if isinstance(method, LearnsFromRun) else None


def _refuse_percentiles(method: Any) -> None:
    if method.task is not Task.RESTORATION:
        told = "its images are scaled by their own percentiles in any case; leave the setting out"
        raise UsageError(f"training.normalisation=percentiles: {method.id} finds objects, and {told}")
    if method.scaled_alike:
        told = f"{method.id} wants all images scaled alike, for {method.scaled_alike}"
        raise UsageError(f"training.normalisation=percentiles: {told}")


def _refuse_unknown_strata(config: RunConfig, data: Sequence[Dataset]) -> None:
    strata = sorted({str(stratum) for item in data for stratum in item.table["stratum"]})
    for pattern in config.training.stratum_weights:
        if not fnmatch.filter(strata, pattern):
            raise UsageError(f"training.stratum_weights: no stratum matches '{pattern}'; there are {', '.join(strata)}")


def _takes_unlabelled(method: object, settings: NetworkConfig) -> bool:
    return isinstance(method, LearnsUnlabelled) and method.takes_unlabelled(settings)


def _classes(method: object, settings: NetworkConfig) -> tuple[str, ...] | None:
    """Of objects, that it learns; None where it cannot learn any."""
    return method.classes(settings) if isinstance(method, LearnsClasses) else None


def _about(data: Dataset, config: RunConfig, train_ids: list[str], validation_ids: list[str]) -> dict[str, Any]:
    if not train_ids:
        raise DataError(f"data set '{data.card.id}': no image to train on")
    return {
        "dataset": data.card.id,
        "version": data.card.version,
        "digest": data.digest,
        "licence": data.card.licence,
        "strata": config.training.strata,
        "splits": sorted(set(data.table.loc[train_ids, "split"])),
        "images": len(train_ids),
        "validation_images": len(validation_ids),
    }
