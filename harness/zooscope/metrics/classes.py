"""Classes: a predicted and a true class map, pixel by pixel."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from zooscope.metrics import boundary
from zooscope.metrics.metric import Array, Metric, Records, Terms, averaged, ratio

CLASSES = range(8)
"""Class 0 (background, where there is one) and seven more; a record has columns for each, of 0 where it is absent."""

Counts = Callable[[Records, int], tuple[Array, Array]]
"""Records, class -> numerator and denominator of each image; 0 / 0 where the class is in neither map."""


def measure(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> dict[str, float]:
    """Counts of pixels of one image, all additive.

    Of each class c: `predicted_c`, `true_c`, `shared_c`; of its boundary `found_edge_c` and `found_near_c` (predicted,
    and near the true one), `true_edge_c` and `true_near_c` (the other way round).

    Parameters
    ----------
    prediction, truth : class maps (y, x) of one shape, whole numbers from 0 to 7.

    Raises
    ------
    ValueError : shapes that differ, numbers that are not whole, classes beyond 0 to 7.
    """
    _check(prediction, truth)
    count = len(CLASSES)
    pairs = truth.ravel().astype(np.int64) * count + prediction.ravel()
    table = np.bincount(pairs, minlength=count * count).reshape(count, count)
    record = dict[str, float]()
    for c, true, predicted in zip(CLASSES, table.sum(axis=1), table.sum(axis=0), strict=True):
        edges = boundary.measure(prediction == c, truth == c) if true + predicted else (0, 0, 0, 0)
        names = ("true", "predicted", "shared", "found_edge", "found_near", "true_edge", "true_near")
        values = (true, predicted, table[c, c], *edges)
        record |= {f"{name}_{c}": float(value) for name, value in zip(names, values, strict=True)}
    return record


def metrics() -> Iterator[Metric]:
    """All of this family. A class that is in neither map is left out, of means too."""
    what = "pixels of the right class / all pixels"
    yield from averaged("class-accuracy", "pixel accuracy of classes", what, accuracy)
    near = f"boundary-f-{boundary.DISTANCE_PX}px"
    f = f"F1 of the boundary's pixels, near the other map's boundary (within {boundary.DISTANCE_PX} px) or not"
    for name, label, definition, counts in (
        ("class-iou", "IoU", "TP / (TP + FP + FN) of pixels", iou),
        ("class-dice", "Dice", "2 TP / (2 TP + FP + FN) of pixels", dice),
    ):
        for c in CLASSES:
            parts = _of(counts, c)
            yield from averaged(f"{name}-{c}", f"{label}, class {c}", f"{definition}, class {c}", parts, nothing=None)
        what = f"mean over classes of {definition}"
        yield from _means(f"{name}-mean", f"mean {label}", what, _each(counts), _mean_ratio)
    for c in CLASSES:
        yield from _means(f"{near}-{c}", f"boundary F, class {c}", f"{f}, class {c}", _edges((c,)), mean_f)
    yield from _means(f"{near}-mean", "mean boundary F", f"mean over classes of {f}", _edges(tuple(CLASSES)), mean_f)


def accuracy(records: Records) -> tuple[Array, Array]:
    """Pixels of the right class, all pixels."""
    return _sum(records, "shared"), _sum(records, "true")


def iou(records: Records, c: int) -> tuple[Array, Array]:
    """TP / (TP + FP + FN) over pixels of a class."""
    shared = records[f"shared_{c}"]
    return shared, records[f"true_{c}"] + records[f"predicted_{c}"] - shared


def dice(records: Records, c: int) -> tuple[Array, Array]:
    """2 TP / (2 TP + FP + FN) over pixels of a class."""
    return 2 * records[f"shared_{c}"], records[f"true_{c}"] + records[f"predicted_{c}"]


def mean_f(*sums: Array) -> Array:
    """Mean over classes of 2 P R / (P + R); four sums a class, as `boundary.measure` gives them.

    Of a class whose boundary is in one map only F is 0; one with none in either is left out; NaN where that is all.
    """
    found, found_near, true, true_near = (np.stack(sums[i::4]) for i in range(4))
    # P, R of a boundary in one map only are 0 / 0 and 0: F is 0 then, as where both are 0
    precision, recall = np.nan_to_num(ratio(found_near, found)), np.nan_to_num(ratio(true_near, true))
    f = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
    counted = found + true > 0
    return ratio(np.where(counted, f, 0).sum(axis=0), counted.sum(axis=0))


def _means(name: str, label: str, definition: str, sums: Terms, combine: Callable[..., Array]) -> Iterator[Metric]:
    """The score of each image, averaged over the images that have one; and that of the sums over images."""

    def terms(records: Records) -> tuple[Array, Array]:
        values = combine(*sums(records))
        known = ~np.isnan(values)
        return np.where(known, values, 0.0), known.astype(np.float64)

    each = f"{definition}; mean of the images' values (nothing to compare: left out)"
    yield Metric(f"{name}.per-image@1", label, each, terms)
    yield Metric(
        f"{name}.pooled@1", f"{label}, pooled", f"{definition}; counts summed over images first", sums, combine
    )


def _mean_ratio(*sums: Array) -> Array:
    """Mean over classes of numerator / denominator, alternating; NaN where no class is there."""
    numerators, denominators = np.stack(sums[::2]), np.stack(sums[1::2])
    counted = denominators > 0
    return ratio(np.where(counted, ratio(numerators, denominators), 0).sum(axis=0), counted.sum(axis=0))


def _of(counts: Counts, c: int) -> Terms:
    return lambda records: counts(records, c)


def _each(counts: Counts) -> Terms:
    return lambda records: tuple(part for c in CLASSES for part in counts(records, c))


def _edges(classes: tuple[int, ...]) -> Terms:
    names = ("found_edge", "found_near", "true_edge", "true_near")
    return lambda records: tuple(records[f"{name}_{c}"] for c in classes for name in names)


def _sum(records: Records, column: str) -> Array:
    return np.sum([records[f"{column}_{c}"] for c in CLASSES], axis=0)


def _check(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> None:
    for name, classes in (("prediction", prediction), ("truth", truth)):
        if classes.dtype.kind not in "iub":
            raise ValueError(f"{name} is {classes.dtype}; classes are whole numbers")
        if classes.size and not (classes.min() >= 0 and classes.max() <= CLASSES[-1]):
            raise ValueError(f"{name} has classes {classes.min()} to {classes.max()}; 0 to {CLASSES[-1]} are expected")
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
