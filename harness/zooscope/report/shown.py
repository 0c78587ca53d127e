"""What a leaderboard ranks by and shows, of each task."""

from collections.abc import Mapping
from dataclasses import dataclass

from zooscope.data.card import Card
from zooscope.metrics import METRICS
from zooscope.metrics.metric import Metric
from zooscope.sample import Task


@dataclass(frozen=True)
class Shown:
    """Names of metrics.

    Attributes
    ----------
    ranked_by : the score that ranks.
    judged_by : the score by which best, median and worst images are chosen; it tells fine differences apart.
    metrics : what tables and pages show, the ranking one among them.
    """

    ranked_by: str
    judged_by: str
    metrics: tuple[str, ...]

    @property
    def ranking(self) -> Metric:
        """The metric that ranks."""
        return METRICS[self.ranked_by]

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.ranking.higher_is_better else -1


_OF_A_TASK: Mapping[Task, Shown] = {
    Task.INSTANCE_SEGMENTATION: Shown(
        "ap50.per-image@1",
        "ap.per-image@1",
        (
            "ap50.per-image@1",
            "ap75.per-image@1",
            "ap.per-image@1",
            "ap50.pooled@1",
            "f1-50.per-image@1",
            "pq50.per-image@1",
            "fg-iou.per-image@1",
            "dice.per-image@1",
            "pixel-accuracy.per-image@1",
        ),
    ),
    Task.RESTORATION: Shown(
        "psnr.range-gt@1",
        "psnr.range-gt@1",
        (
            "psnr.range-gt@1",
            "psnr.range-gt-affine@1",
            "ssim.gaussian-11-range-gt@1",
            "psnr.range-255@1",
            "psnr.range-255-clamped@1",
            "nrmse.range-gt@1",
        ),
    ),
}


def shown_on(card: Card) -> Shown:
    """What the leaderboard of a data set shows: its task's, ranked by what the card says."""
    shown = _OF_A_TASK[card.task]
    if card.ranked_by is None or card.ranked_by == shown.ranked_by:
        return shown
    judged_by = card.ranked_by if shown.judged_by == shown.ranked_by else shown.judged_by
    rest = (name for name in shown.metrics if name != card.ranked_by)
    return Shown(card.ranked_by, judged_by, (card.ranked_by, *rest))
