"""A run's folder: config, what it was made with, checkpoints, weights, curves, previews."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from zooscope import atomic
from zooscope.bundled import bundled
from zooscope.environment import environment
from zooscope.errors import DataError, UsageError
from zooscope_zoo.training.config import RunConfig
from zooscope_zoo.training.normalisation import from_json
from zooscope_zoo.training.own_percentiles import AnyNormalisation, OwnPercentiles


@dataclass(frozen=True)
class RunFolder:
    """`config.json`, `about.json` (data digests, commit, versions), `state.pt`, `best.safetensors`, `last.safetensors`,
    `curves.csv`, `curves.png`, `previews/`, TensorBoard's events.
    """

    path: Path

    @property
    def started(self) -> bool:
        """Whether a training began here."""
        return (self.path / "config.json").is_file()

    @property
    def finished(self) -> bool:
        """Whether a training here came to its last step; needs nothing that only resuming needs."""
        curves = self.curves() if self.started else None
        return curves is not None and int(curves["step"].iloc[-1]) == self.config().training.steps

    def begin(
        self,
        config: RunConfig,
        data: list[dict[str, Any]],
        *,
        started_from: Mapping[str, Any] | None = None,
        taught_by: Mapping[str, Any] | None = None,
        normalisation: AnyNormalisation | None = None,
    ) -> None:
        """Write what the run is made from; `started_from` and `taught_by` are a model each, and the data that it has
        seen.
        """
        gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
        about: dict[str, Any] = {"data": data, "environment": {**environment(), "cores": os.cpu_count(), **gpu}}
        if started_from:
            about["started_from"] = started_from
        if taught_by:
            about["taught_by"] = taught_by
        if normalisation:
            about["normalisation"] = normalisation.as_json()
        atomic.write_text(self.path / "config.json", config.model_dump_json(indent=1) + "\n")
        atomic.write_text(self.path / "about.json", json.dumps(about, indent=1, sort_keys=True) + "\n")

    def config(self) -> RunConfig:
        """The run's config; UsageError where no training began."""
        if not self.started:
            raise UsageError(f"{self.path}: no training here (config.json is missing)")
        return RunConfig.model_validate_json((self.path / "config.json").read_text(encoding="utf-8"))

    def about(self) -> dict[str, Any]:
        """Data digests, environment, and what it started from where there is something."""
        return json.loads((self.path / "about.json").read_text(encoding="utf-8"))

    def normalisation(self) -> AnyNormalisation | None:
        """By which images were scaled that the run learned to restore, or None."""
        found = self.about().get("normalisation")
        if found and "percentiles" in found:
            return OwnPercentiles(*found["percentiles"])
        return from_json(found) if found else None

    def started_from(self) -> str | None:
        """The model that it started from, or None."""
        return self.about().get("started_from", {}).get("model")

    def refuse_other(self, config: RunConfig, *, started_from: str | None) -> None:
        """UsageError unless a training with this config, from the same model (None: whichever it was), began here."""
        own, asked = _flat(self.config().model_dump()), _flat(config.model_dump())
        other = [
            f"{key} is {own.get(key)}, not {asked.get(key)}" for key in asked | own if own.get(key) != asked.get(key)
        ]
        if started_from not in (None, self.started_from()):
            other.append(f"it started from {self.started_from() or 'the seed'}, not from {started_from}")
        if other:
            raise UsageError(
                f"{self.path}: another training began here ({'; '.join(other)}); resume with the same settings"
            )

    def refuse_other_data(self, data: list[dict[str, Any]]) -> None:
        """DataError unless the training that began here began with these data."""
        for now, then in zip(data, self.about()["data"], strict=True):
            if now != then:
                raise DataError(
                    f"data set '{now['dataset']}': its content's digest is {now['digest'][:12]} with {now['images']} "
                    f"images to train on, but {self.path} began with {then['digest'][:12]} and {then['images']}; "
                    "train into another folder"
                )

    def curves(self) -> pd.DataFrame | None:
        """Losses of each validation, or None where nobody kept them."""
        path = self.path / "curves.csv"
        return pd.read_csv(path) if path.is_file() else None

    def last_step(self) -> int:
        """The step that resuming goes on from."""
        state = self.read_state()
        return int(state["step"]) if state else 0

    @property
    def has_state(self) -> bool:
        """Whether there is something to resume from."""
        return (self.path / "state.pt").is_file()

    def write_state(self, state: dict[str, Any]) -> None:
        """All that resuming needs, whole or not at all."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        atomic.write_bytes(self.path / "state.pt", buffer.getvalue())

    def read_state(self) -> dict[str, Any] | None:
        """The last state, or None."""
        return torch.load(self.path / "state.pt", map_location="cpu", weights_only=True) if self.has_state else None

    def write_weights(self, which: str, weights: dict[str, Tensor]) -> None:
        """`best` or `last`."""
        tensors = {name: value.detach().to("cpu").contiguous() for name, value in weights.items()}
        atomic.write_bytes(self.path / f"{which}.safetensors", save(tensors))

    def read_weights(self, which: str = "best") -> dict[str, Tensor]:
        """Weights by name; UsageError before the first validation."""
        path = self.path / f"{which}.safetensors"
        if not path.is_file():
            raise UsageError(f"{path}: not there yet; it is written at the first validation")
        return load_file(path)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by `section.key`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def find_run(source: str | Path) -> RunFolder:
    """The folder of a run, or of shipped weights by their id; an id comes before a folder of that name."""
    if isinstance(source, str) and "/" not in source and (bundled("weights") / source / "config.json").is_file():
        return RunFolder(bundled("weights") / source)
    return RunFolder(Path(source))
