"""Shipped weights: a run cut down to what its package is built from; a folder of zoo/weights."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors.torch import save

from zooscope import atomic
from zooscope_zoo.packaging.measured import Measured
from zooscope_zoo.packaging.trained import read_run
from zooscope_zoo.training.run_folder import find_run

_FILE = "shipped.json"


class ShippedWeights(BaseModel):
    """What a package says beyond the run's config: figures that would need the data to find again, tags, authors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measured: Measured
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    minutes: float | None = None
    """That its training took, on the machine that the run's `about.json` tells of; None where nobody wrote it down."""


def read_shipped(source: str | Path) -> ShippedWeights | None:
    """Of shipped weights, by id or folder; None for the folder of an ordinary run."""
    path = find_run(source).path / _FILE
    return ShippedWeights.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_shipped(run: Path, folder: Path, shipped: ShippedWeights) -> None:
    """The run's config, data digests, losses and weights in half precision, and what was measured."""
    trained, source = read_run(run), find_run(run).path
    weights = {name: value.half() if value.is_floating_point() else value for name, value in trained.weights.items()}
    with atomic.new_folder(folder) as building:
        (building / f"{trained.method.keeps}.safetensors").write_bytes(save(weights))
        (building / _FILE).write_text(shipped.model_dump_json(indent=1) + "\n", encoding="utf-8")
        for name in ("config.json", "about.json"):
            (building / name).write_bytes((source / name).read_bytes())
        if trained.curves is not None:
            atomic.write_text(building / "curves.csv", trained.curves.round(6).to_csv(index=False, lineterminator="\n"))
