"""A leaderboard as one HTML page that needs nothing else: no server, no network."""

import re
from collections.abc import Sequence
from typing import Any

import jinja2
import numpy as np

from zooscope.data.dataset import Dataset
from zooscope.metrics import METRICS
from zooscope.metrics.matching import THRESHOLDS
from zooscope.report import tables
from zooscope.report.board import RANKED_BY, SHOWN, Board, BoardRow, Standing
from zooscope.report.curve import ap_curves
from zooscope.report.overlays import data_uri, overlay
from zooscope.stats import LEVEL, MIN_GROUPS, Estimate

JUDGED_BY = "ap.per-image@1"
"""Best, median and worst images are chosen by this score of each image."""


def html(board: Board, data: Dataset | None) -> str:
    """The page; without `data` (not fetched on this machine) it has no pictures and says so."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("zooscope.report", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["breaks"] = _breaks
    return environment.get_template("page.html.j2").render(
        board=board,
        metrics={name: METRICS[name] for name in SHOWN},
        main=SHOWN[:4],
        more=SHOWN[4:],
        ranked_by=METRICS[RANKED_BY],
        level=f"{LEVEL:.0%}",
        min_groups=MIN_GROUPS,
        tables=tables,
        views=[subset for subset in board.subsets if subset.kind != "stratum"],
        strata=[subset for subset in board.subsets if subset.kind == "stratum"],
        verdicts={subset.name: verdict(board, subset.name) for subset in board.subsets if subset.kind != "stratum"},
        order=lambda subset: sorted(board.rows, key=lambda row: -row.standings[subset].scores[RANKED_BY].score),
        bar=_bar,
        curves={s.name: ap_curves(board, s.name, THRESHOLDS) for s in board.subsets if s.kind != "stratum"},
        galleries=[(row, _gallery(row, data)) for row in board.rows] if data is not None else [],
        has_pictures=data is not None,
        mark=tables.MARK,
    )


def verdict(board: Board, subset: str) -> str:
    """The ranking's first place in one sentence."""
    ordered = sorted(board.rows, key=lambda row: -row.standings[subset].scores[RANKED_BY].score)
    if not ordered:
        return "No model could be ranked."
    best = ordered[0]
    ties = [row.name for row in ordered[1:] if not _surely_behind(row.standings[subset])]
    score = best.standings[subset].scores[RANKED_BY]
    text = f"{best.name} leads: {METRICS[RANKED_BY].label} of {score.score:.3f}"
    if score.low is None or score.high is None:
        return f"{text}. Too few groups to say how sure that is."
    text += f" ({LEVEL:.0%} interval {score.low:.3f} to {score.high:.3f})"
    if ties:
        text += f"; the data cannot tell it apart from {_listed(ties)}."
    else:
        text += f", surely ahead of the {_count(len(ordered) - 1)}." if len(ordered) > 1 else "."
    unmarked = [row for row in ordered if not row.result.run["trained_on"]]
    if best.result.run["trained_on"]:
        text += f" {tables.MARK} It may have been trained on these very images"
        if unmarked:
            other = unmarked[0].standings[subset].scores[RANKED_BY].score
            text += f"; best of those that were not: {unmarked[0].name}, {other:.3f}"
        text += "."
    return text


def _surely_behind(standing: Standing) -> bool:
    behind = standing.behind
    return behind is not None and behind.high is not None and behind.high < 0


def _gallery(row: BoardRow, data: Dataset) -> list[dict[str, Any]]:
    """Best, median and worst image of a row, with its outlines; nothing where the labels are not stored."""
    images = row.result.images.sort_index()
    records = {str(name): images[name].to_numpy(np.float64) for name in images if name not in ("group", "stratum")}
    values, _ = METRICS[JUDGED_BY].terms(records)
    order = np.argsort(-values, kind="stable")
    found: list[dict[str, Any]] = []
    for word, index in (("best", order[0]), ("median", order[len(order) // 2]), ("worst", order[-1])):
        id = str(images.index[index])
        labels = row.result.labels(id)
        if labels is None:
            return []
        sample = data[id]
        record = images.iloc[index]
        found.append(
            {
                "word": word,
                "id": id,
                "stratum": sample.stratum,
                "score": float(values[index]),
                "counts": f"{record['tp50']:.0f} of {record['true']:.0f} objects hit, "
                f"{record['predicted'] - record['tp50']:.0f} false",
                "picture": data_uri(overlay(sample.image, labels, sample.target)),
                "plain": data_uri(overlay(sample.image, np.zeros_like(labels), np.zeros_like(labels))),
            }
        )
    return found


def _bar(estimate: Estimate) -> dict[str, float]:
    """Left edge and width of an interval, and place of its score, in percent of the range 0 to 1."""
    low = estimate.low if estimate.low is not None else estimate.score
    high = estimate.high if estimate.high is not None else estimate.score
    return {"left": 100 * low, "width": 100 * (high - low), "dot": 100 * estimate.score}


def _breaks(text: str) -> Any:
    """Let long names break at hyphens and underscores."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"([-_/])", r"\1<wbr>", str(markupsafe.escape(text))))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int) -> str:
    return "other" if number == 1 else f"other {number}"
