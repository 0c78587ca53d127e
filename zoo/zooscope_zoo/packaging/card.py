"""The model card: the package's README."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zooscope.metrics import find_metric
from zooscope.sample import Task
from zooscope_zoo.packaging import restored_card
from zooscope_zoo.packaging.measured import Measured
from zooscope_zoo.packaging.method_card import Citation, MethodCard
from zooscope_zoo.packaging.operation import Operation
from zooscope_zoo.packaging.parity import Agreement
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.training.normalisation import Normalisation

_PICTURES = {
    Task.INSTANCE_SEGMENTATION: """![An image, and what was found in it](cover.png)

An image of the Data Science Bowl 2018 (CC0). Outlines: blue found (IoU >= 0.5), orange missed, pink false.""",
    Task.RESTORATION: """![A noisy image, and what it was restored to](cover.png)

An image of the Data Science Bowl 2018 (CC0) under noise that was added to it, and restored. It shows how the package is
run, not how well it does: these are not the images that it was trained for.""",
}


def model_card(
    name: str,
    trained: Trained,
    method: MethodCard,
    measured: Measured,
    parity: Sequence[Agreement],
    *,
    output: str,
    licence: str | None,
    cite: Sequence[Citation],
) -> str:
    """Markdown with the sections intended use, training data, validation, receptive field, formats, limits, citation.

    Parameters
    ----------
    output : what the package gives, as sentences.
    """
    title = f"# {name}\n\n{method.summary} Trained on {_names(trained)}.\n\n{_PICTURES[trained.method.task]}"
    sections = {
        "Intended use": method.intended_use,
        "Input and output": input_text(trained) + "\n" + output,
        "Training data": _training_data(trained),
        "Validation": _validation(trained, measured),
        "Receptive field": _field(trained, measured),
        "Agreement of the weights formats": agreement(parity),
        "Limits": method.limits + "\n" + _own_limits(trained),
        "Citation": "\n".join(f"- {item.text}. https://doi.org/{item.doi}" for item in cite),
        "Licence": _licence(trained, licence),
    }
    return "\n\n".join([title, *(f"## {heading}\n{text}" for heading, text in sections.items())]) + "\n"


def _names(trained: Trained) -> str:
    return ", ".join(trained.names)


def input_text(trained: Trained) -> str:
    """What a package takes, as a sentence."""
    kind = "RGB" if trained.settings.channels == 3 else "gray"
    step = trained.sizes.step
    low, high = trained.percentiles or (0, 0)
    centred = isinstance(trained.normalisation, Normalisation) and any(trained.normalisation.mean)
    scaled = "mean and standard deviation scale" if centred else "standard deviation scales"
    scaling = (
        f"of any range: first the percentiles {low:g} and {high:g} of each channel of the whole image become 0 and 1"
        if trained.percentiles
        else f"in the range of the training images: their {scaled} every image alike"
    )
    lengths = f"y and x are multiples of {step} px, at least {trained.sizes.minimum} px"
    if trained.space == "zyx":
        return f"Volumes, {kind}, {scaling}. z is a multiple of {step} planes, given whole; {lengths}."
    return f"2D images, {kind}, {scaling}. {lengths}."


def _training_data(trained: Trained) -> str:
    lines = [_data_line(item) for item in trained.data]
    if trained.taught_by:
        others = ", which was also trained on\n" if trained.earlier and not trained.started_from else "."
        lines.append(f"\nIt learned from what `{Path(trained.taught_by).name}` makes of these images{others}")
    if trained.started_from:
        lines.append(f"\nIt started from the weights of `{Path(trained.started_from).name}`, which were trained on\n")
    lines += [_data_line(item) for item in trained.earlier]
    settings = trained.config.training
    weights = "the weights with the lowest validation loss" if trained.method.keeps == "best" else "the last weights"
    planes = f"{settings.patch_planes} planes of " if trained.space == "zyx" else ""
    steps = "One step" if settings.steps == 1 else f"Up to {settings.steps} steps"
    lines.append(
        f"\n{steps} of {settings.batch} patches of {planes}{settings.patch_px} px; {weights}, rounded to "
        "half precision."
    )
    if trained.curves is not None:
        lines.append("\n![Loss of the training and of the validation images by step](curves.png)")
    return "\n".join(lines)


def _data_line(item: Mapping[str, Any]) -> str:
    strata = "" if item["strata"] == "*" else f", strata `{item['strata']}`"
    images = f"{item['images']} images" if "images" in item else ""  # a package does not tell how many
    labelled = len(item.get("labelled", ()))
    if images:
        few = f", labels of {labelled} of them" if 0 < labelled < item["images"] else ""
        square = f", of each with labels a square of {item['labelled_px']} px" if "labelled_px" in item else ""
        images += f"{few}{square}; "
    return (
        f"- `{item['dataset']}` version {item['version']}, splits {', '.join(item['splits'])}{strata}: "
        f"{images}licence {item['licence']}; content's digest `{item['digest'][:16]}`"
    )


def _validation(trained: Trained, measured: Measured) -> str:
    if trained.method.task is Task.RESTORATION:
        return restored_card.validation(trained, measured)
    params = ", ".join(f"{name} {value:g}" for name, value in measured.params.items() if not isinstance(value, list))
    found = [(find_metric(name), value) for name, value in measured.scores.items()]
    rows = [f"| {metric.label} | {value:.3f} | {metric.definition} |" for metric, value in found]
    return (
        f"{measured.images} validation images of {_names(trained)} with {measured.objects} objects. "
        f"The best weights and the parameters of the decoder `{measured.decoder}` ({params}) were chosen on these very "
        "images, so the figures are optimistic; scores on held-out test images stand in zooscope's leaderboards.\n\n"
        "| score | value | definition |\n|---|---|---|\n" + "\n".join(rows) + _classes(measured)
    )


def _classes(measured: Measured) -> str:
    """Which class the found objects were given, as a table; nothing of a network that tells none apart."""
    if measured.classes is None:
        return ""
    names = list(measured.classes)
    right = sum(measured.classes[name][name] for name in names)
    count = sum(sum(given.values()) for given in measured.classes.values())
    rows = [f"| {name} | {' | '.join(str(measured.classes[name][other]) for other in names)} |" for name in names]
    share = f", {right / count:.1%} of them the right one" if count else ""
    return (
        f"\n\nClasses of the {count} objects of a known class that were found (IoU > 0.5){share}:\n\n"
        f"| true class | {' | '.join(f'given {name}' for name in names)} |\n|---|{'---:|' * len(names)}\n"
    ) + "\n".join(rows)


def _field(trained: Trained, measured: Measured) -> str:
    field = trained.method.describe(trained.settings).receptive_field_px
    sizes = ""
    if measured.object_px is not None:
        median, high, largest = measured.object_px
        sizes = (
            f"The validation objects' longer edge is {median} px (median), {high} px (95th percentile), "
            f"{largest} px (largest); rescale images whose objects are of quite another size. "
        )
    if trained.config.augment.diameter_px is not None:
        sizes += (
            f"The network knows objects of a median diameter of {trained.config.augment.diameter_px:g} px: zooscope "
            "brings each image there by itself, for other tools scale it first. "
        )
    return f"{field} px. {sizes}Tiles want a halo of {trained.halo_px} px."


def agreement(parity: Sequence[Agreement]) -> str:
    """How far the weights formats differ, as a table."""
    rows = [f"| {p.format} | {'x'.join(map(str, p.size))} | {p.difference:.1e} | {p.limit:.1e} |" for p in parity]
    axes = "z, y and x" if any(len(item.size) == 3 for item in parity) else "y and x"
    return (
        "Largest difference from the state dict, in batches of two images:\n\n"
        f"| format | {axes}, px | difference | allowed |\n|---|---|---|---|\n" + "\n".join(rows)
    )


def _own_limits(trained: Trained) -> str:
    advice = f"{restored_card.ADVICE}\n" if trained.method.task is Task.RESTORATION else ""
    return (
        f"{advice}- It has seen {_names(trained)} alone. Look at its results on your images before you count with them."
    )


def _licence(trained: Trained, licence: str | None) -> str:
    data = "; ".join(f"{item['dataset']}: {item['licence']}" for item in (*trained.data, *trained.earlier))
    return f"Weights: {licence or 'not stated'}. Training data: {data}."


def output_text(trained: Trained, decoder: str, *, tta: bool) -> str:
    """What a package of dense maps, or of a restored image, gives."""
    names, grid = trained.method.map_names(trained.settings), trained.method.grid(trained.settings)
    if trained.method.task is Task.RESTORATION:
        return restored_card.output(trained, names, decoder, tta=tta)
    size = "the image's size" if grid == 1 else f"one value for {grid}x{grid} px"
    shown: list[Any] = [*names[:2], f"... ({len(names)} channels)"] if len(names) > 4 else list(names)
    turned = f" Each is {restored_card.MEAN_OF_TURNS}." if tta else ""
    if trained.classes:
        turned = f" The last {len(trained.classes)} are the classes {', '.join(trained.classes)}.{turned}"
    return (
        f"Dense maps, {size}: {', '.join(shown)}.{turned} Activations are inside the network. The decoder `{decoder}` "
        "makes objects of the stitched maps; its parameters stand in `config.zooscope.decoder`, its source in "
        "`decoder.py`."
    )


def labels_text(operation: Operation, *, tta: bool) -> str:
    """What a package with the spec's own operation gives."""
    whole = (
        "bioimageio.core cannot join blocks of a network whose maps are smaller than the image"
        if operation.channels_last
        else "labels of blocks cannot be joined"
    )
    needs = "" if operation.channels_last else f" It needs the package `{operation.needs}`."
    turned = f" of maps that are {restored_card.MEAN_OF_TURNS}" if tta else ""
    return (
        f"A label image, by the operation `{operation.id}`{turned}: 0 is background, every other value one object. Run "
        f"it on whole images: {whole}.{needs}"
    )
