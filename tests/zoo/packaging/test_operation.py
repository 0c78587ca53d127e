"""Cellpose with the format's own operation: labels by Cellpose's code, which zooscope does not install."""

import importlib.util
import io
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from zooscope.check import check
from zooscope.contender import contender
from zooscope.decode.cellpose_flows import decode
from zooscope.errors import UsageError
from zooscope_zoo.packaging.export import Publisher, export
from zooscope_zoo.packaging.operation import stardist_kwargs
from zooscope_zoo.packaging.trained import read_run

CELLPOSE = (
    *("training.steps=80", "training.validate_every=40", "training.warmup_steps=5", "training.learning_rate=0.01"),
    *("training.batch=2", "training.patch_px=96", "training.workers=0", "training.strata=fluorescence-*"),
    *("network.width=8", "network.depth=2"),
)
INSTALLED = importlib.util.find_spec("cellpose") is not None
PUBLISHER = Publisher(authors=("a test",), tags=("nuclei",))


@pytest.fixture(scope="module")
def cellpose_run(make_run: Callable[..., Path]) -> Path:
    """Flows that have begun to lead somewhere."""
    return make_run("cellpose", *CELLPOSE)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Cellpose is not installed, our decoder under the names by which bioimageio.core calls Cellpose's."""
    if INSTALLED:
        return

    def compute_masks(flows: np.ndarray, cellprob: np.ndarray, *, do_3D: bool, **params: float) -> np.ndarray:  # noqa: N803
        assert not do_3D
        return decode(np.concatenate([flows, cellprob[None]]), cellprob.shape, **params)[0]  # pyright: ignore

    for name, members in {
        "cellpose": {},
        "cellpose.dynamics": {"compute_masks": compute_masks},
        "cellpose.utils": {"fill_holes_and_remove_small_masks": lambda labels, *, min_size: labels},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(members, __spec__=ModuleSpec(name, None))
        monkeypatch.setitem(sys.modules, name, module)


def test_stardists_operation_keeps_the_border_that_tuning_chose(stardist_run: Path) -> None:
    run, params = read_run(stardist_run), {"prob_threshold": 0.5, "nms_threshold": 0.4}
    assert stardist_kwargs(run, {**params, "border_px": 0}, 33)["b"] == 0
    assert stardist_kwargs(run, params, 33)["b"] == 2, "StarDist's own"


@pytest.mark.skipif(INSTALLED, reason="cellpose is installed")
def test_without_cellpose_one_line_says_what_to_install(cellpose_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cellpose_flow_dynamics runs by cellpose, .* \(pip install cellpose\)"):
        export(cellpose_run, tmp_path / "out.zip", with_postprocessing=True)


def test_the_package_gives_labels_and_is_ranked_by_our_decoder_with_the_same_parameters(
    cellpose_run: Path, stand_in: None, tmp_path: Path
) -> None:
    path = export(cellpose_run, tmp_path / "labels.zip", with_postprocessing=True, publisher=PUBLISHER)
    with zipfile.ZipFile(path) as archive:
        rdf = yaml.safe_load(archive.read("rdf.yaml"))
        labels = np.load(io.BytesIO(archive.read("test_output.npy")))
        image = np.load(io.BytesIO(archive.read("test_input.npy")))
        card = archive.read("README.md").decode()
    (output,) = rdf["outputs"]
    (operation,) = output["postprocessing"]
    assert operation["id"] == "cellpose_flow_dynamics"
    assert labels.shape == image.shape
    assert labels.dtype == output["data"]["type"] == "uint16"
    assert labels.max() > 3
    assert "decoder" not in rdf["config"]["zooscope"]
    assert "needs the package `cellpose`" in card
    found, kwargs = contender(str(path)), operation["kwargs"]
    assert found.protocol["decoder"] == "cellpose-flows@2"
    assert found.params == {
        "cellprob_threshold": kwargs["cellprob_threshold"],
        "flow_threshold": kwargs["flow_threshold"],
        "min_size_px": kwargs["min_size"],
    }
    if INSTALLED:  # core's own test, in a process of its own
        assert [str(finding) for finding in check(path, trust=True) if finding.level == "error"] == []
