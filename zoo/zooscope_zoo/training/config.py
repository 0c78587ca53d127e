"""A training's settings: the method's config.toml, changed by `--set section.key=value`."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from zooscope.errors import UsageError
from zooscope_zoo.method import Method, NetworkConfig

SECTIONS = ("network", "training", "augment")
Model = TypeVar("Model", bound=BaseModel)


class TrainingConfig(BaseModel):
    """How long and how the loop trains.

    Attributes
    ----------
    steps, batch, patch_px : of one process; patches are squares.
    patch_planes : planes of a patch, of volumes.
    learning_rate : reached after `warmup_steps`, then down a cosine to a hundredth at the last step.
    clip_norm : largest norm of the gradient.
    object_fraction : part of the patches that are drawn around an object, where there are objects.
    labelled : of so many images of each data set, drawn by the seed, the labels are learned from; the others are left
        out, or are learned from as images alone where a method can. None takes all.
    labelled_px : of an image with labels only a square of this edge, drawn by the seed around an object, is seen.
    labelled_fraction : part of the patches that are drawn from images with labels, where there are also others.
    normalisation : of images to restore: by mean and deviation of the training set, or each by its own percentiles 3
        and 99.8. Images with objects are scaled by their own percentiles in any case.
    fresh_noise : every patch gets noise of its own, where the data set's card says how its noise is made.
    strata : pattern of the strata to train and validate on, e.g. "fluorescence-*".
    stratum_weights : how often an image of a stratum is drawn, by pattern, where others count 1; the first that fits is
        taken: {"histology-*" = 2.5} where few images of one kind should not be learned last.
    precision : of the arithmetic; weights stay float32.
    workers : processes that make patches beside the training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=4, ge=1)
    patch_px: int = Field(default=256, ge=16)
    patch_planes: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    clip_norm: float = Field(default=5.0, gt=0)
    object_fraction: float = Field(default=0.9, ge=0, le=1)
    labelled: int | None = Field(default=None, ge=1)
    labelled_px: int | None = Field(default=None, ge=16)
    labelled_fraction: float = Field(default=0.5, gt=0, le=1)
    normalisation: Literal["training-set", "percentiles"] = "training-set"
    fresh_noise: bool = False
    validate_every: int = Field(default=200, ge=1)
    strata: str = "*"
    stratum_weights: dict[str, PositiveFloat] = {}
    seed: int = Field(default=0, ge=0)
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    compile: bool = False
    workers: int = Field(default=1, ge=0)


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the first number must not be above the second")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Factors = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ordered)]


class AugmentConfig(BaseModel):
    """Random changes of a patch, after the eight flips and rotations.

    Attributes
    ----------
    gain, offset : the normalised image times U(gain), plus U(offset).
    noise : standard deviation of added Gaussian noise, drawn from U(0, noise).
    zoom : the patch is cut smaller or larger by a factor from this range, drawn log-uniformly, and resized.
    diameter_px : each image is first brought to the scale at which its objects have this median diameter, that of a
        circle of the same area; the package says so, and images to predict are brought there too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flips: bool = True
    gain: Factors = (0.6, 2.0)
    offset: Range = (-0.2, 0.2)
    noise: float = Field(default=0.02, ge=0)
    zoom: Factors = (1.0, 1.0)
    diameter_px: float | None = Field(default=None, ge=4, le=256)


class RunConfig(BaseModel):
    """Everything that a run is made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    datasets: tuple[str, ...]
    network: dict[str, Any]
    training: TrainingConfig = TrainingConfig()
    augment: AugmentConfig = AugmentConfig()


def make_config(
    method: Method, datasets: Sequence[str], changes: Sequence[str] = ()
) -> tuple[RunConfig, NetworkConfig]:
    """A method's config.toml with changes such as "training.steps=1000"; UsageError names a wrong key."""
    package = type(method).__module__.rpartition(".")[0]
    raw = tomllib.loads(files(package).joinpath("config.toml").read_text(encoding="utf-8"))
    for change in changes:
        _apply(raw, change)
    unknown = raw.keys() - SECTIONS
    if unknown:
        raise UsageError(f"section '{min(unknown)}' of the settings is not one of {', '.join(SECTIONS)}")
    network = _validated(method.config, raw.get("network", {}), "network.")
    run = {"method": method.id, "datasets": tuple(datasets), **raw, "network": network.model_dump()}
    return _validated(RunConfig, run), network


def changed_network(method: Method, network: Mapping[str, Any], changes: Sequence[str]) -> NetworkConfig:
    """A run's network settings with changes such as "network.prior_levels=1"; UsageError names a wrong key."""
    raw: dict[str, Any] = {"network": dict(network)}
    for change in changes:
        _apply(raw, change)
        if len(raw) > 1:
            raise UsageError(f"--set {change}: a trained network takes changes of its section network alone")
    return _validated(method.config, raw["network"], "network.")


def _apply(raw: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    section, dot, key = name.partition(".")
    if not (equals and dot and key):
        raise UsageError(f"--set {change}: section.key=value is expected, e.g. training.steps=1000")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    raw.setdefault(section, {})[key] = value


def _validated(model: type[Model], values: Mapping[str, Any], prefix: str = "") -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UsageError("; ".join(_explain(item, prefix) for item in error.errors())) from error


def _explain(item: Any, prefix: str) -> str:
    if not item["loc"]:  # settings that do not go together; the text names them
        return f"settings {prefix.rstrip('.')}: {item['msg']}"
    key = prefix + ".".join(str(part) for part in item["loc"])
    return f"setting '{key}': {item['msg']}, but it is {item['input']!r}"
