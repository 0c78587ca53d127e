"""Images brought to the size of objects that a network knows: found out for each, or given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import zooscope
from zooscope.contender import contender
from zooscope.data import Dataset, load_dataset
from zooscope.errors import PackageError, UsageError
from zooscope.metrics import measure
from zooscope.package import open_package
from zooscope.predict import large
from zooscope.resampling import scaled_image, scaled_labels
from zooscope.rows import plan_rows, run_row
from zooscope.sample import Sample
from zooscope.sizing import View, diameters_px, scale_between, scales_ahead
from zooscope.store import Results
from zooscope.verify import verify

KNOWN_PX = 20.0


@pytest.fixture
def blobs(make_package: Callable[..., Path]) -> Callable[..., Path]:
    """A package whose network finds what is about 20 px wide, and says so unless told otherwise."""

    def make(diameter_px: object = KNOWN_PX, at: str = "blobs.zip") -> Path:
        ours = {} if diameter_px is None else {"object_diameter_px": diameter_px}
        return make_package("blobs", at=at, config={"zooscope": ours})

    return make


@pytest.fixture(scope="module")
def small_nuclei(demo: Dataset) -> list[Sample]:
    """Images of which the network sees little at their own scale."""
    gray = [sample for sample in demo if sample.axes == "yx"]
    return [sample for sample in gray if np.median(diameters_px(sample.target)) < 15][1:4]


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Share of objects that agree at IoU >= 0.75."""
    record = measure(one, other)
    return 2 * record["tp75"] / (record["true"] + record["predicted"])


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_an_image_and_its_zoom_have_the_same_labels(
    blobs: Callable[..., Path], small_nuclei: list[Sample], zoom: float
):
    model = zooscope.load_model(blobs(), device="cpu")
    for sample in small_nuclei:
        image = scaled_image(sample.image, zoom)
        expected, _ = scaled_labels(model.predict(sample.image.values), {}, image.shape)
        assert expected.max() > 5
        assert agreement(model.predict(image.values), expected) > (0.95 if zoom > 1 else 0.6)


def test_an_image_of_large_objects_is_not_looked_at_enlarged(
    blobs: Callable[..., Path], small_nuclei: list[Sample], monkeypatch: pytest.MonkeyPatch
):
    model, sizes = zooscope.load_model(blobs(), device="cpu"), list[float]()
    look = model.maps

    def counted(image: xr.DataArray) -> np.ndarray:
        sizes.append(image.shape[0])
        return look(image)

    monkeypatch.setattr(model, "maps", counted)
    small, blank = small_nuclei[0].image, np.zeros((64, 64), np.uint8)
    for image, looks in ((small.values, 3), (scaled_image(small, 3).values, 2), (blank, 3)):
        sizes.clear()
        model.predict(image)
        assert [size / len(image) for size in sizes[:-1]] == [0.5, 1, 2][:looks]


def test_a_third_look_is_taken_only_where_the_second_shows_the_most_and_shows_it_small():
    def ahead(half: tuple[float, float], whole: tuple[float, float]) -> tuple[float, ...]:
        return scales_ahead([View(0.5, *half), View(1.0, *whole)], KNOWN_PX)

    assert scales_ahead([], KNOWN_PX) == (0.5, 1.0)
    assert ahead((10, 7), (20, 13)) == ahead((0, 0), (0, 0)) == (2.0,)
    assert ahead((10, 7), (20, 15)) == ahead((20, 13), (10, 9)) == ahead((20, 25), (10, 45)) == ()
    assert scales_ahead([View(0.5, 1, 5), View(1.0, 2, 9), View(2.0, 3, 9)], KNOWN_PX) == ()


def test_a_given_diameter_is_taken(blobs: Callable[..., Path], small_nuclei: list[Sample]):
    image = small_nuclei[0].image
    _, maps = zooscope.load_model(blobs(), device="cpu", diameter=10).predict(image.values, return_maps=True)
    assert maps.shape[1:] == tuple(2 * length for length in image.shape)
    for wanted, error in (("broad", UsageError), (4, UsageError), ("nan", UsageError)):
        with pytest.raises(error, match="diameter"):
            zooscope.load_model(blobs(), device="cpu", diameter=wanted)
    with pytest.raises(PackageError, match="does not say which diameter"):
        zooscope.load_model(blobs(None, "plain.zip"), device="cpu", diameter=10)


@pytest.mark.parametrize("value", ["30", True, 0, -3, float("inf"), [30]])
def test_a_diameter_that_is_none_is_refused(blobs: Callable[..., Path], value: object):
    with pytest.raises(PackageError, match="object_diameter_px"):
        open_package(blobs(value))


def test_it_decides_the_key_where_it_is_used_and_nowhere_else(blobs: Callable[..., Path]):
    plain, sized = blobs(None, "a/blobs.zip"), blobs(KNOWN_PX, "b/blobs.zip")
    assert [contender(str(plain), diameter=name).protocol for name in ("auto", "off")] == [
        contender(str(sized), diameter="off").protocol
    ] * 2
    told = [contender(str(sized), diameter=name).protocol["diameter"] for name in ("auto", "10")]
    assert told == ["auto px@2", "10 px@2"]
    assert open_package(plain).digest != open_package(sized).digest


def test_a_row_says_at_which_scale_and_can_be_verified(
    blobs: Callable[..., Path], make_folder: Callable[..., Path], tmp_path: Path, fresh_cache: Path
):
    package, folder = blobs(), make_folder("vttt")
    data, results = load_dataset(folder), Results(tmp_path / "reports")
    (row,) = plan_rows([str(package)], data, device="cpu")
    result = run_row(row, results)
    for id, scale in result.images["scale"].to_dict().items():
        truth = scale_between(float(np.median(diameters_px(data[str(id)].target))), KNOWN_PX)
        assert truth / 1.3 < scale < truth * 1.3
    stored = {id: result.prediction(id) for id in row.data.ids}
    model = zooscope.load_model(package, device="cpu")
    for id, labels in stored.items():
        if labels is not None:
            np.testing.assert_array_equal(model.predict(data[id].image.values, **result.run["params"]), labels)
    findings = list(verify(result.folder, dataset=folder, model=str(package), images=2))
    assert not [str(finding) for finding in findings if finding.level == "error"]
    (again,) = plan_rows([str(package)], data, device="cpu", diameter="off")
    assert again.request != row.request


def test_an_image_too_large_for_memory_is_refused_with_the_remedy(
    blobs: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(large, "WHOLE_PX", 1000)
    with pytest.raises(PackageError, match="--diameter off"):
        zooscope.load_model(blobs(), device="cpu").predict(np.zeros((100, 100), np.uint8))
