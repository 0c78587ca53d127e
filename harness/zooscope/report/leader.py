"""Who leads a leaderboard, how surely, and what should be known of it, in one sentence."""

from collections.abc import Sequence

from zooscope.report import tables
from zooscope.report.board import Board, Standing
from zooscope.report.scale import scale_of
from zooscope.report.shown import Shown
from zooscope.stats import LEVEL

NAMED = 5
"""Of many models that cannot be told apart from the leader, so many are named."""


def leader(board: Board, subset: str) -> str:
    """The ranking's first place on a subset."""
    ordered = board.best_first(subset)
    if not ordered:
        return "No model could be ranked."
    best = ordered[0]
    ties = [row.name for row in ordered[1:] if not _surely_behind(row.standings[subset], board.shown)]
    score = best.standings[subset].scores[board.shown.ranked_by]
    scale = scale_of(board.shown.ranking)
    text = f"{best.name} leads: {board.shown.ranking.label} of {scale.say(score.score)}"
    if score.low is None or score.high is None:
        return f"{text}. Too few groups to say how sure that is."
    text += f" ({LEVEL:.0%} interval {scale.write(score.low)} to {scale.say(score.high)})"
    if ties:
        text += f"; the data cannot tell it apart from {_listed(ties)}."
    else:
        text += f", surely ahead of the {_count(len(ordered) - 1)}." if len(ordered) > 1 else "."
    unmarked = [row for row in ordered if not row.result.run["trained_on"]]
    if best.result.run["trained_on"]:
        text += f" {tables.MARK} It may have been trained on these very images"
        if unmarked:
            other = unmarked[0].standings[subset].scores[board.shown.ranked_by].score
            text += f"; best of those that were not: {unmarked[0].name}, {scale.say(other)}"
        text += "."
    return text


def _surely_behind(standing: Standing, shown: Shown) -> bool:
    behind = standing.behind
    if behind is None or behind.low is None or behind.high is None:
        return False
    return behind.high < 0 if shown.sign > 0 else behind.low > 0


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED:
        return f"{', '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int) -> str:
    return "other" if number == 1 else f"other {number}"
