"""Localisation: predicted points against true ones, matched one to one within a gate.

Sage et al. 2019, doi:10.1038/s41592-019-0364-4, and Speiser et al. 2021 (DECODE), doi:10.1038/s41592-021-01236-x.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from zooscope.metrics.metric import Array, Metric, Records, Terms, averaged, ratio

Points = NDArray[np.float64]

GATE_NM = 250.0
LATERAL_PER_NM, AXIAL_PER_NM = 1.0, 0.5
"""How much a nanometre of error counts beside a percent of the Jaccard index."""


def measure(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> dict[str, float]:
    """Counts and squared errors of one image (one frame), additive over images.

    `tp`, `fp`, `fn`; `lateral` and `axial`, the sums of the matches' squared error in y and x, and in z (nm²); `flat`,
    1 where points have no z.

    Parameters
    ----------
    prediction, truth : (n, 2) and (m, 2): y, x in nanometres; or (n, 3) and (m, 3): z, y, x; no points are (0, 2).

    Raises
    ------
    ValueError : another shape, not numbers, NaN or infinity.
    """
    found, real = check_points(prediction, truth)
    predicted, true = match(found, real, gate=GATE_NM)
    squared = (found[predicted] - real[true]) ** 2
    return {
        "tp": float(len(true)),
        "fp": float(len(found) - len(true)),
        "fn": float(len(real) - len(true)),
        "lateral": float(squared[:, -2:].sum()),
        "axial": float(squared[:, :-2].sum()),
        "flat": float(found.shape[1] == 2),
    }


def metrics() -> Iterator[Metric]:
    """All of this family. RMSE and efficiency are of sums over images only; axial ones are NaN where a z is missing."""
    where = f"of points matched one to one within {GATE_NM:g} nm"
    gate = f"{GATE_NM:g}nm"
    for what, label, definition, of in (
        ("jaccard", "Jaccard index", "TP / (TP + FP + FN)", ("fp", "fn")),
        ("precision", "precision of points", "TP / (TP + FP)", ("fp",)),
        ("recall", "recall of points", "TP / (TP + FN)", ("fn",)),
    ):
        yield from averaged(f"{what}-{gate}", label, f"{definition} {where}", _share(of))
    summed = f"{where}; summed over images first"
    for side, what, combine in (("lateral", "y and x", rmse_lateral), ("axial", "z", rmse_axial)):
        definition = f"root of the mean squared distance in {what}, in nm, {summed}"
        name = f"rmse-{side}-{gate}.pooled@1"
        yield Metric(name, f"{side} RMSE", definition, _sums, combine, higher_is_better=False)
    definition = "1 - sqrt((100 (1 - J))^2 + (a RMSE)^2) / 100"
    for side, what, combine in (
        ("lateral", f"{definition}, a = {LATERAL_PER_NM:g} / nm, lateral RMSE,", efficiency_lateral),
        ("axial", f"{definition}, a = {AXIAL_PER_NM:g} / nm, axial RMSE,", efficiency_axial),
        ("3d", "mean of lateral and axial efficiency", efficiency_3d),
    ):
        yield Metric(f"efficiency-{side}-{gate}.pooled@1", f"{side} efficiency", f"{what} {summed}", _sums, combine)


def check_points(prediction: NDArray[np.generic], truth: NDArray[np.generic]) -> tuple[Points, Points]:
    """Both as float64, after a look; see `measure`."""
    for name, points in (("prediction", prediction), ("truth", truth)):
        if points.ndim != 2 or points.shape[1] not in (2, 3):
            raise ValueError(f"{name} has shape {points.shape}; points are (n, 2) or (n, 3), no points are (0, 2)")
        if points.dtype.kind not in "iuf":
            raise ValueError(f"{name} is {points.dtype}; points are numbers")
        if not np.isfinite(points.astype(np.float64)).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if prediction.shape[1] != truth.shape[1]:
        raise ValueError(f"prediction has {prediction.shape[1]} coordinates a point, truth {truth.shape[1]}")
    return prediction.astype(np.float64), truth.astype(np.float64)


def match(prediction: Points, truth: Points, *, gate: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Match one to one: as many as possible, and of all such matchings the one of the least sum of distances.

    Parameters
    ----------
    prediction, truth : (n, d) and (m, d).
    gate : greatest distance (Euclidean, all coordinates) of a match, included; above 0, in the unit of the points.

    Returns
    -------
    Indices of the matched points, in the order of those of the truth.
    """
    near = KDTree(truth).sparse_distance_matrix(KDTree(prediction), gate, output_type="ndarray")
    true, predicted, distance = near["i"], near["j"], near["v"]
    lone = (np.bincount(true)[true] == 1) & (np.bincount(predicted)[predicted] == 1)
    rows, columns = _assign(true[~lone], predicted[~lone], distance[~lone], gate)
    true, predicted = np.r_[true[lone], rows], np.r_[predicted[lone], columns]
    order = np.argsort(true)
    return predicted[order], true[order]


def rmse_lateral(tp: Array, fp: Array, fn: Array, lateral: Array, axial: Array, flat: Array) -> Array:
    """NaN where nothing is matched."""
    return np.sqrt(ratio(lateral, tp))


def rmse_axial(tp: Array, fp: Array, fn: Array, lateral: Array, axial: Array, flat: Array) -> Array:
    """NaN where nothing is matched, or a z is missing."""
    return np.where(flat > 0, np.nan, np.sqrt(ratio(axial, tp)))


def efficiency_lateral(tp: Array, fp: Array, fn: Array, lateral: Array, axial: Array, flat: Array) -> Array:
    """0 where there are points and none is matched, NaN where there are none."""
    error = np.sqrt(np.where(tp == 0, 0.0, ratio(lateral, tp)))
    return 1 - np.hypot(100 * (1 - ratio(tp, tp + fp + fn)), LATERAL_PER_NM * error) / 100


def efficiency_axial(tp: Array, fp: Array, fn: Array, lateral: Array, axial: Array, flat: Array) -> Array:
    """As `efficiency_lateral`; NaN too where a z is missing."""
    error = np.sqrt(np.where(tp == 0, 0.0, ratio(axial, tp)))
    value = 1 - np.hypot(100 * (1 - ratio(tp, tp + fp + fn)), AXIAL_PER_NM * error) / 100
    return np.where(flat > 0, np.nan, value)


def efficiency_3d(*sums: Array) -> Array:
    """Mean of the two."""
    return (efficiency_lateral(*sums) + efficiency_axial(*sums)) / 2


def _share(rest: tuple[str, ...]) -> Terms:
    return lambda records: (records["tp"], np.sum([records[name] for name in ("tp", *rest)], axis=0))


def _sums(records: Records) -> tuple[Array, ...]:
    return tuple(records[column] for column in ("tp", "fp", "fn", "lateral", "axial", "flat"))


def _assign(
    true: NDArray[np.intp], predicted: NDArray[np.intp], distance: Points, gate: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Solve what is left: points with several others within the gate."""
    if not len(true):
        return true, predicted
    (rows, true), (columns, predicted) = (np.unique(side, return_inverse=True) for side in (true, predicted))
    height, width = len(rows), len(columns)
    nodes = height + width
    graph = csr_array((np.ones(len(true)), (true, height + predicted)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    # To leave a true point without a match costs more than any change of the others of its component can save, so as
    # many as possible are matched; sparse zeros would be no edges, so every cost is one gate higher.
    none = gate * (2 + np.bincount(component[:height])[component[:height]])
    left = np.arange(height)
    costs = (np.r_[distance + gate, none], (np.r_[true, left], np.r_[predicted, width + left]))
    left, right = min_weight_full_bipartite_matching(csr_array(costs, shape=(height, width + height)))
    real = right < width
    return rows[left[real]], columns[right[real]]
