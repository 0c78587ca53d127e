"""Contenders: packages and baselines behind one face, and who has seen the images that it is ranked on."""

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zooscope import plugins
from zooscope.baselines import find_baseline
from zooscope.contender import baseline_ids, contender, trained_on
from zooscope.data import Dataset
from zooscope.data.card import find_card
from zooscope.errors import UsageError
from zooscope.runkey import PREDICT_VERSION, digest_of
from zooscope.sample import Task

MakePackage = Callable[..., Path]


def test_a_baseline_stands_like_a_model(demo: Dataset):
    found = contender("baseline:local-threshold@1")
    assert (found.name, found.reason) == ("baseline-local-threshold", None)
    assert found.search == find_baseline("baseline:local-threshold@1").search
    assert set(found.search) == set(found.params)
    assert found.digest != contender("baseline:otsu-watershed@1").digest
    assert found.open is not None
    assert found.decode is not None
    sample = next(s for s in demo if s.axes == "yx")
    with found.open() as predictor:
        maps = predictor.maps(sample.image)
    labels, objects = found.decode(maps, sample.target.shape)
    np.testing.assert_array_equal(labels, find_baseline("baseline:local-threshold@1").function(maps[0]))
    assert objects == {}


def test_a_package_says_what_runs(make_package: MakePackage):
    path = make_package(tags=["nuclei", "2d"])
    found = contender(str(path))
    assert (found.name, found.reason) == ("sigmoid", None)
    assert found.protocol == {
        "weights": "torchscript",
        "precision": "float32",
        "device": "cpu",
        "tiles": "reflect-pad, whole up to 1024 px else 1024 px tiles@1",
        "channels": "luminance-rec709@1,repeat@1",
        "decoder": "threshold-components@1",
    }
    assert found.about["licence"] == "MIT"
    assert found.about["tags"] == ["nuclei", "2d"]
    assert found.about["size_bytes"] > 0
    assert found.params == {"threshold": 0.5, "min_size_px": 0}
    assert set(found.search) == {"threshold", "min_size_px"}


def test_a_package_that_names_its_decoder_is_not_tuned(make_package: MakePackage):
    decoder = {"id": "threshold-components", "version": 1, "params": {"threshold": 0.7}}
    path = make_package(config={"zooscope": {"decoder": decoder}})
    named = contender(str(path))
    assert named.params == {"threshold": 0.7, "min_size_px": 0}
    assert named.search == {}
    other = contender(str(path), decoder="boundary-watershed")
    assert other.protocol["decoder"] == "boundary-watershed@1"
    assert set(other.search) == {"threshold", "seed_threshold", "min_size_px"}


def test_a_shipped_model_goes_by_its_id():
    found = contender("nuclei-tiny")
    assert found.name == "nuclei-tiny"
    assert found.search == {}
    assert found.protocol["decoder"] == "boundary-watershed@1"


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        ({"files": {"weights.pt": b"damaged"}}, {}, "its torchscript weights are damaged"),
        ({}, {"weights": "onnx"}, "has no onnx weights that run here, only torchscript"),
        ({}, {"decoder": "magic"}, "names the decoder 'magic'"),
        ({"channels_out": 3}, {}, "gives 3 channels and names no decoder"),
    ],
)
def test_a_package_that_cannot_be_ranked_comes_back_with_its_reason(
    make_package: MakePackage, change: dict[str, Any], options: dict[str, str], reason: str
):
    for folder in (False, True):
        found = contender(str(make_package(folder=folder, **change)), **options)
        assert found.name == "sigmoid"
        assert reason in str(found.reason)
        assert len(found.digest) == 64
        assert (found.open, found.decode) == (None, None)


def test_a_file_that_is_no_zip_comes_back_with_its_reason(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    found = contender(str(tmp_path / "a.zip"))
    assert found.name == "a"
    assert "not a whole zip archive" in str(found.reason)
    (tmp_path / "a.zip").write_bytes(b"another")
    assert contender(str(tmp_path / "a.zip")).digest != found.digest


def test_a_folder_that_is_no_package_is_an_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"is no package: a \.zip, a folder with rdf.yaml, or one of the shipped"):
        contender(str(tmp_path))


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip", "baseline:otsu", "baseline:otsu-watershed@2", "baseline:"])
def test_a_name_that_does_not_exist_is_an_error(name: str):
    with pytest.raises(UsageError, match=rf"model '{name}' (is not|does not exist).* one of "):
        contender(name)


def test_all_baselines_are_contenders():
    assert baseline_ids(Task.INSTANCE_SEGMENTATION) == ["baseline:otsu-watershed@1", "baseline:local-threshold@1"]
    for task in (Task.INSTANCE_SEGMENTATION, Task.RESTORATION):
        assert all(contender(id, task=task).reason is None for id in baseline_ids(task))
    assert set(baseline_ids(Task.RESTORATION)) < set(baseline_ids())


def committed() -> list[Path]:
    """Rows of models that zooscope ran, not of images that another tool made."""
    root = Path(__file__).parents[2] / "reports" / "results"
    rows = {path: json.loads(path.read_text()) for path in sorted(root.rglob("run.json"))}
    ran = ("package", "baseline")
    return [path for path, run in rows.items() if run["status"] == "done" and run["model"]["kind"] in ran]


@pytest.mark.parametrize("path", committed(), ids=lambda path: path.parents[1].name)
def test_the_rows_in_git_are_still_found_by_their_request(path: Path, request: pytest.FixtureRequest):
    run = json.loads(path.read_text())
    if run["environment"]["versions"]["torch"] != version("torch"):
        pytest.skip("another torch writes other TorchScript, which is a model of another digest")
    name = run["model"].get("id") or run["model"]["name"]
    if name not in (*plugins.names("models"), *baseline_ids()):
        package = request.getfixturevalue("mirror") / "packages" / f"{name}.zip"
        if not package.is_file():
            pytest.skip(f"{name} is not shipped, and its package is not in the mirror")
        name = str(package)
    found = contender(name, task=Task(run["dataset"]["card"]["task"]))
    assert {**found.protocol, "predict_version": PREDICT_VERSION} == run["protocol"]
    tuning = None if run["tuning"] is None else {k: v for k, v in run["tuning"].items() if k != "score"}
    data, split = run["dataset"]["digest"], run["dataset"]["split"]
    asked = digest_of(found.digest, data, split, dict(found.protocol), dict(found.params), tuning, PREDICT_VERSION)
    assert asked == run["request"]


DECLARED = "its training data is declared as "
RELATED = "which shares images with this data set"


@pytest.mark.parametrize(
    ("about", "split", "reason"),
    [
        ({}, "test", None),
        ({"tags": ["nuclei", "unet"]}, "test", None),
        ({"tags": ["nuclei", "dsb2018"]}, "test", "its tag 'dsb2018' names this data set"),
        ({"tags": ["DSB2018"]}, "test", "its tag 'DSB2018' names this data set"),
        ({"tags": ["spicy-cucumber"]}, "test", "its tag 'spicy-cucumber' names this data set"),
        ({"training_data": [{"dataset": "dsb2018"}]}, "test", DECLARED + "'dsb2018'"),
        ({"training_data": [{"dataset": "luscious-sushi"}]}, "test", None),
        ({"training_data": [{"dataset": "a"}, {"dataset": "bbbc038"}]}, "test", DECLARED + "'bbbc038', " + RELATED),
        ({"training_data": [{"dataset": "bbbc038", "splits": ["a"]}]}, "test", DECLARED + "'bbbc038', " + RELATED),
        ({"training_data": [{"dataset": "dsb2018", "splits": ["train"]}]}, "test", None),
        (
            {"training_data": [{"dataset": "dsb2018", "splits": ["train"]}]},
            "train",
            DECLARED + "'dsb2018', split train",
        ),
        (
            {"training_data": [{"dataset": "dsb2018", "splits": ["train", "test"]}]},
            "test",
            DECLARED + "'dsb2018', split test",
        ),
        ({"training_data": [{"dataset": "dsb2018", "splits": ["train"]}], "tags": ["dsb2018"]}, "test", None),
        (
            {"training_data": [{"dataset": "other"}], "tags": ["dsb2018"]},
            "test",
            "its tag 'dsb2018' names this data set",
        ),
    ],
)
def test_a_model_that_may_have_seen_the_split_is_marked_with_the_reason(
    demo: Dataset, about: dict[str, Any], split: str, reason: str | None
):
    assert trained_on(about, demo.card, split=split) == reason


def test_nuclei_tiny_is_not_marked_on_the_test_split_for_it_saw_the_training_split_alone(demo: Dataset):
    about = contender("nuclei-tiny").about
    assert trained_on(about, demo.card, split="test") is None
    assert trained_on(about, demo.card, split="train") == "its training data is declared as 'dsb2018', split train"


def test_the_broad_unet_is_marked_by_its_tag(mirror: Path, demo: Dataset):
    path = mirror / "packages" / "unet2d-nuclei-broad-v0.5.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    assert trained_on(contender(str(path)).about, demo.card, split="test") == "its tag 'dsb2018' names this data set"


def test_splits_of_a_folder_that_was_divided_anew_are_no_excuse(demo: Dataset):
    about = {"training_data": [{"dataset": "mine", "splits": ["train"], "digest": "a" * 64}]}
    card = demo.card.model_copy(update={"id": "mine", "part_of": None})
    assert trained_on(about, card, split="test", digest="a" * 64) is None
    said = f"{DECLARED}'mine' with other images or splits (content {'a' * 12}, here {'b' * 12})"
    assert trained_on(about, card, split="test", digest="b" * 64) == said


@pytest.mark.parametrize("card", ["dsb2018-stardist", "bbbc038"])
def test_splits_of_a_related_data_set_are_no_excuse_for_they_cut_elsewhere(card: str):
    found = trained_on(contender("nuclei-tiny").about, find_card(card)[0], split="test")
    assert found == "its training data is declared as 'dsb2018', which shares images with this data set"


@pytest.mark.parametrize("card", ["dsb2018", "demo", "bbbc038"])
def test_training_on_stardists_subset_marks_every_data_set_that_shares_its_images(card: str):
    about = {"training_data": [{"dataset": "dsb2018-stardist", "splits": ["train"]}]}
    assert trained_on(about, find_card(card)[0], split="test")
