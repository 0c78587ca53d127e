"""Compare the metrics of objects with other people's code on all test images of DSB 2018; write reports/metrics.

usage: PYTHONPATH=peers python tools/metric_references.py

`peers` is a folder made by `pip install --target peers --no-deps cellpose==3.1.1.2 fastremap roifile fill-voids natsort
opencv-python-headless`. The predictions compared are those of Otsu's threshold and a watershed.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cellpose import metrics as cellpose  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, jaccard_score
from stardist.matching import matching

from zooscope.atomic import write_text
from zooscope.baselines.thresholds import otsu_watershed
from zooscope.channels import to_channels
from zooscope.data import load_dataset
from zooscope.metrics import METRICS, measure
from zooscope.metrics.matching import THRESHOLDS

Labels = NDArray[np.int32]
Reference = Callable[[Labels, Labels], float]
"""(prediction, truth) -> the score of one image."""

REPORTS = Path(__file__).parents[1] / "reports" / "metrics"


def references() -> Iterator[tuple[str, str, Reference]]:
    """(our metric, whose code, that code)."""
    fields = {"ap": "accuracy", "f1-": "f1", "precision": "precision", "recall": "recall"}
    for percent in THRESHOLDS:
        for ours, field in fields.items():
            yield f"{ours}{percent}", f"stardist.matching, {field}", _stardist(field, percent)
        yield f"ap{percent}", "cellpose.metrics.average_precision", _cellpose_ap(percent)
    yield "pq50", "stardist.matching, panoptic_quality", _stardist("panoptic_quality", 50)
    yield "sq50", "stardist.matching, mean_matched_score", _stardist("mean_matched_score", 50)
    yield "aji-cellpose", "cellpose.metrics.aggregated_jaccard_index", _cellpose_aji
    yield "fg-iou", "sklearn jaccard_score", lambda p, t: float(jaccard_score(t.ravel() > 0, p.ravel() > 0))
    yield "dice", "sklearn f1_score", lambda p, t: float(f1_score(t.ravel() > 0, p.ravel() > 0))
    yield "pixel-accuracy", "sklearn accuracy_score", lambda p, t: float(accuracy_score(t.ravel() > 0, p.ravel() > 0))


def _stardist(field: str, percent: int) -> Reference:
    return lambda prediction, truth: float(getattr(matching(truth, prediction, thresh=percent / 100), field))


def _cellpose_ap(percent: int) -> Reference:
    return lambda prediction, truth: float(cellpose.average_precision(truth, prediction, threshold=percent / 100)[0][0])


def _cellpose_aji(prediction: Labels, truth: Labels) -> float:
    return float(cellpose.aggregated_jaccard_index([_numbered(truth)], [_numbered(prediction)])[0])


def _numbered(labels: Labels) -> Labels:
    """Without gaps, which Cellpose's code does not take."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def compare() -> list[dict[str, object]]:
    """Largest difference of each score over all images."""
    samples = list(load_dataset("dsb2018", split="test"))
    pairs = [(otsu_watershed(to_channels(s.image, 1)[0].astype(np.float32)), s.target) for s in samples]
    records = [measure(*pair) for pair in pairs]
    found = []
    for name, source, reference in references():
        metric = METRICS[f"{name}.per-image@1"]
        ours = [metric.reduce({key: np.array([value]) for key, value in record.items()}) for record in records]
        theirs = [reference(*pair) for pair in pairs]
        known = ~np.isnan(ours)
        largest = float(np.abs(np.array(ours) - np.array(theirs))[known].max())
        found.append({"metric": metric.name, "reference": source, "images": int(known.sum()), "difference": largest})
        print(*found[-1].values())
    return found


if __name__ == "__main__":
    table = compare()
    write_text(REPORTS / "references.json", json.dumps(table, indent=1) + "\n")
    rows = [f"| `{r['metric']}` | {r['reference']} | {r['images']} | {r['difference']:.1e} |" for r in table]
    head = ["| our metric | reference | images | largest difference |", "|---|---|---:|---:|"]
    title = "# Metrics of objects beside other people's code\n\nTest images of DSB 2018, answers of Otsu's threshold.\n"
    write_text(REPORTS / "references.md", "\n".join([title, *head, *rows]) + "\n")
