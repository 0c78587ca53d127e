"""Validation scores that a package tells: those of the package as it is, run as anyone runs it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import zooscope
from zooscope.data import Dataset
from zooscope.metrics import find_metric, measure
from zooscope_zoo.packaging import measured
from zooscope_zoo.packaging.export import export
from zooscope_zoo.training.images import split_samples

SHORT = (
    *("training.steps=60", "training.validate_every=30", "training.warmup_steps=5", "training.learning_rate=0.01"),
    *("training.batch=2", "training.patch_px=96", "training.workers=0", "training.strata=fluorescence-*"),
    *("network.width=8", "network.depth=2"),
)


def test_the_scores_told_are_those_of_the_package_that_finds_its_images_sizes(
    make_run: Callable[..., Path], demo: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # far from the defaults, so that other objects, and so other sizes, are found
    monkeypatch.setattr(measured, "tune", lambda *_, **__: ({"threshold": 0.2, "seed_threshold": 0.9}, 0.0))
    package = export(make_run("unet", *SHORT, "augment.diameter_px=20"), tmp_path / "unet.zip")
    model = zooscope.load_model(package, device="cpu", diameter="auto")
    _, ids = split_samples(demo, strata="fluorescence-*")
    records = [measure(model.predict(demo[id].image.values), demo[id].target) for id in ids]
    columns = {name: np.array([record[name] for record in records]) for name in records[0]}
    told = yaml.safe_load(model.package.read("rdf.yaml"))["config"]["zooscope"]["validation"]["scores"]
    for name, score in told.items():
        assert score == pytest.approx(find_metric(name).reduce(columns), abs=1e-3)
    assert told["ap50.per-image@1"] > 0
