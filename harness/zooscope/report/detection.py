"""COCO's AP and AR on a leaderboard, with intervals. They are no sums over images, so every resample is scored anew."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from zooscope import atomic
from zooscope.cache import cache_folder
from zooscope.metrics.average_precision import Ranking
from zooscope.metrics.coco import PROTOCOLS
from zooscope.metrics.detected import KINDS
from zooscope.report.board import Board, BoardRow
from zooscope.runkey import digest_of
from zooscope.stats import INTERVAL, Estimate, GroupBootstrap
from zooscope.store import DETECTIONS

RESAMPLES = 1000
"""Each costs a pass over all detections, so there are fewer than for the other scores."""

VERSION = 1
"""Counts changes of what is estimated from the same detections."""


def detection_scores(board: Board, row: BoardRow, subset: str) -> Mapping[str, Estimate]:
    """Estimates by name, e.g. `coco-mask-ap50-own-score.pooled@1`; none of a row that has no detections.

    What was estimated once is found in the cache.
    """
    path = row.result.folder / DETECTIONS
    if not path.is_file():
        return {}
    groups, members = board.groups(subset), board.members[subset]
    about = (hashlib.sha256(path.read_bytes()).hexdigest(), groups, members.tolist(), RESAMPLES, INTERVAL, VERSION)
    cached = cache_folder("estimates") / f"{digest_of(*about)}.json"
    if not cached.is_file():
        bootstrap = GroupBootstrap(groups, resamples=RESAMPLES)
        found: dict[str, Estimate] = {}
        for images in row.result.detections.values():
            mine = [one for one, member in zip(images, members, strict=True) if member]
            found |= bootstrap.rescored(Ranking.of(mine).scores)
        atomic.write_text(cached, json.dumps({name: vars(one) for name, one in found.items()}))
    return {name: Estimate(**one) for name, one in json.loads(cached.read_text()).items()}


@dataclass(frozen=True)
class DetectionRow:
    """One model's AP and AR by kind ("mask", "box") as tables show them, and where its ranking came from.

    Attributes
    ----------
    score_source : "own score", the decoder's confidence, or "constant score" where it has none.
    scores : by column: "AP", "AP50", "AP75", "AP small" ..., and AR of the most detections, e.g. "AR100"; those of a
        size that no true object has are left out.
    """

    row: BoardRow
    kind: str
    score_source: str
    scores: Mapping[str, Estimate]


def detection_rows(board: Board, subset: str) -> list[DetectionRow]:
    """Of each model that has detections, best first by the board's own ranking; masks, then boxes."""
    found: list[DetectionRow] = []
    for row in board.best_first(subset):
        scores = detection_scores(board, row, subset)
        for kind, images in row.result.detections.items():
            source = images[0].score_source.replace("-", " ")
            mine = {_column(name): one for name, one in scores.items() if name.partition("-")[2].startswith(f"{kind}-")}
            told = {column: one for column, one in mine.items() if column.startswith("AP") or column == _recall(board)}
            # which scores there are depends on the true objects alone, so the same are left out for all
            shown = {column: one for column, one in told.items() if not math.isnan(one.score)}
            found.append(DetectionRow(row, kind, source, shown))
    return sorted(found, key=lambda one: list(KINDS).index(one.kind))


def detection_table(board: Board) -> pd.DataFrame:
    """As `Board.table`: one row a model, ranked subset and score."""
    found = [
        {"model": row.name, "subset": subset.name, "metric": name, **vars(one)}
        for subset in board.subsets
        if subset.kind != "stratum"
        for row in board.rows
        for name, one in detection_scores(board, row, subset.name).items()
    ]
    return pd.DataFrame(found, columns=[name for name in board.table().columns if found and name in found[0]])


def detection_title(board: Board) -> str:
    """Whose AP it is, with its limits."""
    protocol = PROTOCOLS[board.card.detection_protocol]
    name = {"coco": "COCO", "livecell": "LIVECell"}[protocol.name]
    return f"AP and AR as {name} defines them (at most {protocol.max_detections[-1]:,} objects an image)"


def _recall(board: Board) -> str:
    return f"AR{PROTOCOLS[board.card.detection_protocol].max_detections[-1]}"


def _column(name: str) -> str:
    """`coco-mask-ap-small-own-score.pooled@1` -> "AP small"."""
    what = name.removesuffix(".pooled@1").split("-")[2:-2]
    return " ".join([what[0].upper(), *what[1:]])
