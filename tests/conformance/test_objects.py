"""What every method's package must find: most objects, and the same in tiles as in the whole image."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import zooscope
from zooscope.check import parity_limit
from zooscope.data import Dataset
from zooscope.metrics import measure
from zooscope.model import Model
from zooscope.package_weights import RUNS_HERE
from zooscope.predict import tiling
from zooscope.predict.tiling import spans
from zooscope.sample import Sample
from zooscope_zoo.method import Method
from zooscope_zoo.packaging.trained import MAX_HALO_PX, Trained

pytestmark = pytest.mark.task("instance-segmentation")


@dataclass(frozen=True)
class Answer:
    """Labels (y, x) and maps (c, y, x) of one image."""

    labels: NDArray[np.int32]
    maps: NDArray[np.float32]


@dataclass(frozen=True)
class Tiled(Answer):
    """The same, from tiles that meet at these rows and columns."""

    cuts: tuple[list[int], list[int]]


@pytest.fixture(scope="session")
def crowded(demo: Dataset) -> Sample:
    """The gray image with the most objects."""
    return max((sample for sample in demo if sample.axes == "yx"), key=lambda sample: int(sample.target.max()))


@pytest.fixture(scope="session")
def model(package: Path) -> Model:
    """The package, loaded."""
    return zooscope.load_model(package, device="cpu")


@pytest.fixture(scope="session")
def whole(model: Model, crowded: Sample) -> Answer:
    """The answer to the whole image."""
    return Answer(*model.predict(crowded.image.values, return_maps=True))


@pytest.fixture(scope="session")
def tiled(model: Model, crowded: Sample) -> Tiled:
    """The answer from tiles that keep 32 px between the package's own halos."""
    assert model.package.output.halo_px
    sizes, halo = model.package.input.sizes, model.package.output.halo_px
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "MAX_TILE_PX", 2 * max(halo) + 32)
        y, x = (
            [span.keep_end for span in spans(length, size, px)][:-1]
            for length, size, px in zip(crowded.target.shape, sizes, halo, strict=True)
        )
        return Tiled(*model.predict(crowded.image.values, return_maps=True), (y, x))


def across(labels: NDArray[np.int32], cuts: tuple[list[int], list[int]]) -> set[int]:
    """Objects on both sides of a cut."""
    pairs = [(labels[cut - 1], labels[cut]) for cut in cuts[0]]
    pairs += [(labels[:, cut - 1], labels[:, cut]) for cut in cuts[1]]
    return {int(label) for before, after in pairs for label in np.intersect1d(before, after)} - {0}


@pytest.mark.parametrize("weights", RUNS_HERE)
def test_either_format_finds_most_objects_as_its_author_set_it(package: Path, demo: Dataset, weights: str):
    model = zooscope.load_model(package, weights=weights, device="cpu")
    assert model.package.decoder is not None
    counts: Counter[str] = Counter()
    for sample in demo:
        if sample.axes == "yx":
            labels, maps = model.predict(sample.image.values, return_maps=True)
            assert (labels.dtype, labels.shape) == (np.int32, sample.target.shape)
            assert np.isfinite(maps).all()
            counts.update(measure(labels, sample.target))
    assert counts["tp50"] > 0.5 * max(counts["true"], counts["predicted"])


def test_tiles_give_the_maps_of_the_whole_image(method: Method, trained: Trained, whole: Answer, tiled: Tiled):
    field = method.describe(trained.settings).receptive_field_px
    if field // 2 > MAX_HALO_PX:
        pytest.skip(f"its receptive field of {field} px reaches beyond the largest halo")
    np.testing.assert_allclose(tiled.maps, whole.maps, atol=parity_limit(whole.maps), rtol=0)


def test_tiles_give_the_objects_of_the_whole_image_also_across_their_borders(whole: Answer, tiled: Tiled):
    assert all(len(cuts) > 1 for cuts in tiled.cuts)
    assert len(across(whole.labels, tiled.cuts)) > 10
    record = measure(tiled.labels, whole.labels)
    assert record["true"] == record["predicted"] == record["tp90"]
