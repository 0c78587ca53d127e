"""The classes of objects that a training is to tell apart, against those that its data sets hold."""

from collections.abc import Sequence

from zooscope.data import Dataset
from zooscope.data.classes import CLASSES
from zooscope.errors import UsageError


def refuse_other_classes(data: Dataset, classes: Sequence[str]) -> list[str]:
    """What to know of a data set's classes before a training that learns `classes`, which may be none.

    Raises
    ------
    UsageError : no classes in the data, or one that is not learned.
    """
    told = [found for found in data.table["classes"] if found is not None]
    held = sorted({name for found in told for name in found.values()})
    if not classes:
        return [f"its objects have classes, which network.classes={','.join(held)} would learn"] if held else []
    if not held:
        raise UsageError(f"data set '{data.card.id}' has no {CLASSES} (id, label, class), which network.classes needs")
    others = sorted(set(held) - set(classes))
    if others:
        raise UsageError(
            f"data set '{data.card.id}': class '{others[0]}' is not one of network.classes ({', '.join(classes)})"
        )
    return []


def refuse_unseen_classes(training: Sequence[tuple[Dataset, Sequence[str]]], classes: Sequence[str]) -> None:
    """UsageError where no object of a class is in the images to train on."""
    told = [found for data, ids in training for found in data.table.loc[list(ids), "classes"]]
    seen = {name for found in told for name in (found or {}).values()}
    for name in classes:
        if name not in seen:
            raise UsageError(f"network.classes: no object of class '{name}' is in the images to train on")
