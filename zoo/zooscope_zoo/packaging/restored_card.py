"""The model card's parts that only packages have which restore images."""

from collections.abc import Sequence
from typing import Any

from zooscope.metrics import find_metric
from zooscope_zoo.packaging.measured import Measured
from zooscope_zoo.packaging.trained import Trained

ADVICE = """- A restored image is meant for what comes after it (looking, segmenting), not for measuring intensities:
  those need the raw data.
- It knows the structures, the scale and the noise that it was trained on; other data needs a training of its own."""

MEAN_OF_TURNS = "the mean over the image's eight flips and rotations (test-time augmentation)"


def output(trained: Trained, names: Sequence[str], decoder: str, *, tta: bool) -> str:
    """What the package gives."""
    channels = trained.settings.channels
    what, shown = "volume" if trained.space == "zyx" else "image", ", ".join(names[:channels])
    text = f"The restored {what}, of the {what}'s size and in its units: {shown}."
    if trained.percentiles:
        text = f"The restored {what}, of the {what}'s size: {shown}. {_normalised(trained.percentiles, decoder)}"
    if tta:
        text += f" It is {MEAN_OF_TURNS}."
    if len(names) > channels:
        method: Any = trained.method
        text += f" Further channels: {', '.join(names[channels:])}, {method.further_maps(trained.settings)}."
    return text


def _normalised(percentiles: tuple[float, float], decoder: str) -> str:
    low, high = percentiles
    return (
        "Outputs are normalised; tools without zooscope's decoder show them so. The decoder "
        f"`{decoder}`, whose source is `decoder.py`, brings them back into the image's units: times (high - low), plus "
        f"low, where low and high are the percentiles {low:g} and {high:g} of each channel of the whole image."
    )


def validation(trained: Trained, measured: Measured) -> str:
    """Scores of the validation images, before and after."""
    if not measured.scores:
        return "The data has no clean images, so nothing was scored: look at the results."
    chosen = (
        "The weights were chosen on these very images, so the figures are optimistic; scores"
        if trained.method.keeps == "best"
        else "The last weights were taken, whatever they score here. Scores"
    )
    rows: list[str] = []
    for name, value in measured.scores.items():
        if not name.startswith("noisy "):
            metric, before = find_metric(name), measured.scores[f"noisy {name}"]
            rows.append(f"| {metric.label} | {before:.3f} | {value:.3f} | {metric.definition} |")
    return (
        f"{measured.images} validation images of {', '.join(trained.names)}. {chosen} on held-out test images stand in "
        "zooscope's leaderboards.\n\n| score | noisy | restored | definition |\n|---|---|---|---|\n" + "\n".join(rows)
    )
