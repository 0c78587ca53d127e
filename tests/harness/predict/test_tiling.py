"""Tiles: every pixel once, and the answer that the whole image would have given."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.model import load_model
from zooscope.predict import tiling
from zooscope.predict.tiling import AxisSize, Span, predict_tiled, spans

MakePackage = Callable[..., Path]

SIZES = [
    AxisSize(*size) for size in [(64, 8), (104, 8), (16, 16), (1, 1), (200, 32), (512,), (96,), (100,), (2048, 64)]
]
LENGTHS = [1, 2, 7, 63, 64, 65, 95, 96, 97, 100, 101, 127, 200, 255, 256, 257, 360, 511, 512, 513, 600, 1000, 2500]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the largest tile small, so that small images are tiled."""
    return lambda pixels: monkeypatch.setattr(tiling, "MAX_TILE_PX", pixels)


def check(found: list[Span], length: int, size: AxisSize, halo: int, largest: int) -> None:
    kept = [pixel for span in found for pixel in range(span.keep, span.keep_end)]
    assert kept == list(range(length)), "each pixel is kept once, in order"
    for span in found:
        assert span.size == size.minimum if not size.step else (span.size - size.minimum) % size.step == 0
        assert span.start <= span.keep < span.keep_end <= span.start + span.size, "what is kept was seen"
        assert span.start % size.align == 0, "pooling falls on the same pixels"
        assert span.size <= max(largest, size.minimum)
    for one, two in itertools.pairwise(found):
        assert one.start < two.start
        assert one.keep_end <= one.start + one.size - halo, "a halo is cut between tiles"
        assert two.keep >= two.start + halo
    if len(found) == 1:
        assert found[0].start <= 0
        assert found[0].start + found[0].size >= length
    else:
        assert found[0].start == 0
        assert found[-1].start + found[-1].size - length < size.align, "the last tile ends where the image does"


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("largest", [128, 520, 1024])
def test_every_pixel_is_kept_exactly_once_with_its_halo(limit: Callable[[int], None], size: AxisSize, largest: int):
    limit(largest)
    for length, halo in itertools.product(LENGTHS, (0, 1, 8, 15, 32)):
        if max(size.at_most(largest), 1) - 2 * halo < size.align:
            continue
        check(spans(length, size, halo), length, size, halo, largest)


def test_an_image_up_to_1024_px_is_one_tile_padded_only_to_an_allowed_size():
    for length in (1, 63, 64, 65, 256, 360, 520, 1017, 1024):
        (span,) = spans(length, AxisSize(64, 8), 48)
        assert span.size == AxisSize(64, 8).at_least(length)
        assert (span.keep, span.keep_end) == (0, length)
    assert len(spans(1025, AxisSize(64, 8), 48)) == 2


def test_padding_lies_on_both_sides():
    (span,) = spans(256, AxisSize(512), 32)
    assert span == Span(-128, 512, 0, 256)


def test_600_px_through_a_fixed_512_are_two_tiles():
    first, second = spans(600, AxisSize(512), 32)
    assert (first.start, first.size, second.start, second.size) == (0, 512, 96, 512)
    assert first.keep_end == second.keep


def test_a_halo_that_leaves_nothing_is_the_packages_reason():
    with pytest.raises(PackageError, match="its halo of 48 px leaves nothing of a tile of 96 px"):
        spans(300, AxisSize(96), 48)
    assert len(spans(96, AxisSize(96), 48)) == 1, "while an image that fits needs no halo"


Shape = tuple[int, int]


def stitched(network: Callable[[np.ndarray], np.ndarray], image: np.ndarray, **options: Any) -> np.ndarray:
    """One image through a network that is given its tiles one by one, each (c, y, x)."""
    (maps,) = predict_tiled(lambda batch: network(batch[0])[None], [image], **options)
    return maps


def echo(tile: np.ndarray) -> np.ndarray:
    return tile


@pytest.mark.parametrize("shape", [(256, 256), (300, 517), (600, 512), (1, 1), (1, 300), (600, 1), (31, 33)])
@pytest.mark.parametrize("size", [AxisSize(64, 8), AxisSize(96), AxisSize(512)], ids=str)
def test_tiles_of_a_network_that_changes_nothing_give_the_image(
    limit: Callable[[int], None], shape: Shape, size: AxisSize
):
    limit(128)
    image = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    seen: list[Shape] = []

    def network(tile: np.ndarray) -> np.ndarray:
        seen.append(tile.shape[1:])
        assert tile.flags.c_contiguous
        return tile

    np.testing.assert_array_equal(stitched(network, image, sizes=(size, size), halo=(8, 8)), image)
    for seen_shape in seen:
        assert all(
            s == size.minimum if not size.step else s >= size.minimum and (s - size.minimum) % size.step == 0
            for s in seen_shape
        )


def test_padding_reflects_the_image():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    (tile,) = tiles_seen(image, AxisSize(8, 4))
    np.testing.assert_array_equal(tile, np.pad(image, [(0, 0), (0, 5), (0, 4)], mode="reflect"))
    assert tile.shape == (1, 8, 8)


def tiles_seen(image: np.ndarray, size: AxisSize) -> list[np.ndarray]:
    seen: list[np.ndarray] = []

    def network(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return tile

    stitched(network, image, sizes=(size, size), halo=(0, 0))
    return seen


@pytest.mark.parametrize("shape", [(256, 256), (257, 301), (255, 254), (1, 37)])
def test_maps_on_a_grid_of_two_are_stitched_on_that_grid(limit: Callable[[int], None], shape: Shape):
    limit(128)
    image = np.random.default_rng(0).random((1, *shape)).astype(np.float32)

    def grid2(tile: np.ndarray) -> np.ndarray:
        return np.concatenate([tile[:, ::2, ::2], -tile[:, ::2, ::2]])

    maps = stitched(grid2, image, sizes=(AxisSize(64, 8), AxisSize(64, 8)), halo=(16, 16))
    np.testing.assert_array_equal(maps, grid2(image))


@pytest.mark.parametrize("size", [AxisSize(64, 8), AxisSize(96)], ids=str)
def test_tiled_maps_and_objects_are_those_of_the_whole_image(
    limit: Callable[[int], None], make_package: MakePackage, demo: Dataset, size: AxisSize
):
    sizes = {"min": 64, "step": 8} if size.step else size.minimum
    model = load_model(make_package("convs", sizes=sizes, halo_px=16), device="cpu")
    image = max((s for s in demo if s.axes == "yx"), key=lambda s: s.target.size).image.values[:352, :352]
    # a fixed size never sees the whole image, but the same network in another package does
    free = load_model(make_package("convs", at="free.zip"), device="cpu")
    whole, whole_maps = free.predict(image, return_maps=True)
    limit(96)
    assert len(spans(352, model.package.input.sizes[0], 16)) > 3
    tiled, tiled_maps = model.predict(image, return_maps=True)
    np.testing.assert_allclose(tiled_maps, whole_maps, atol=2e-6)
    assert tiled.max() > 5
    np.testing.assert_array_equal(tiled, whole)


def test_a_halo_smaller_than_the_networks_reach_would_have_shown(
    limit: Callable[[int], None], make_package: MakePackage, demo: Dataset
):
    model = load_model(make_package("convs", halo_px=1, sizes={"min": 32, "step": 2}), device="cpu")
    image = next(s for s in demo if s.axes == "yx").image
    whole = model.maps(image)
    limit(32)
    assert np.abs(model.maps(image) - whole).max() > 1e-4


def test_an_undeclared_halo_is_taken_as_32_px(limit: Callable[[int], None], make_package: MakePackage, demo: Dataset):
    model = load_model(make_package("convs"), device="cpu")
    assert model.package.output.halo_px is None
    image = next(s for s in demo if s.axes == "yx").image
    whole = model.maps(image)
    limit(128)
    np.testing.assert_allclose(model.maps(image), whole, atol=2e-6)


@pytest.mark.parametrize("image", [(256, 256), (600, 600)], ids=str)
def test_the_fixed_512_of_a_real_package_takes_smaller_and_larger_images(mirror: Path, demo: Dataset, image: Shape):
    path = mirror / "packages" / "unet2d-nuclei-broad-v0.5.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    model = load_model(path, device="cpu")
    sample = max((s for s in demo if s.axes == "yx"), key=lambda s: s.target.max())
    array = np.tile(sample.image.values, (3, 3))[: image[0], : image[1]]
    labels, maps = model.predict(array, return_maps=True)
    assert labels.shape == maps.shape[1:] == image
    assert labels.max() > 20
    truth = np.tile(sample.target, (3, 3))[: image[0], : image[1]] > 0
    assert (truth == (labels > 0)).mean() > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (3, 5), (63, 65), (70, 104), (105, 103)])
def test_images_of_any_size_come_back_at_their_size(make_package: MakePackage, demo: Dataset, shape: Shape):
    array = next(s for s in demo if s.axes == "yx").image.values[: shape[0], : shape[1]]
    for network, scale in (("sigmoid", 1.0), ("grid2", 2.0)):
        labels, maps = load_model(make_package(network, scale=scale), device="cpu").predict(array, return_maps=True)
        assert labels.shape == array.shape == shape
        assert maps.shape == (1, *(int(np.ceil(n / scale)) for n in shape))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda tile: tile[:, 8:-8, 8:-8],
            "its answer to 64 px is 48 px: neither",
        ),
        (lambda tile: np.where(tile > 0.5, np.nan, tile), "its answer holds NaN or infinity"),
        (lambda tile: tile / np.float32(0), "its answer holds NaN or infinity"),
        (lambda tile: tile[0], r"its answer has shape \(64, 64\); channels and two dimensions are expected"),
        (lambda tile: tile[:, :0, :0], r"its answer has shape \(1, 0, 0\)"),
        (lambda tile: tile[:0], r"its answer has shape \(0, 64, 64\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_an_answer_that_is_no_map_is_the_packages_reason(answer: Callable[[np.ndarray], np.ndarray], reason: str):
    image = np.random.default_rng(0).random((1, 64, 64)).astype(np.float32) + np.float32(0.1)
    with pytest.raises(PackageError, match=reason):
        stitched(answer, image, sizes=(AxisSize(64, 8), AxisSize(64, 8)), halo=(8, 8))


def test_an_answer_that_changes_its_shape_is_the_packages_reason(limit: Callable[[int], None]):
    limit(64)
    answers = itertools.count(1)
    with pytest.raises(PackageError, match=r"its answer to a tile has shape \(2, 64, 64\), unlike its first one"):
        stitched(
            lambda tile: np.repeat(tile, next(answers), 0),
            np.zeros((1, 64, 100), np.float32),
            sizes=(AxisSize(64, 8), AxisSize(64, 8)),
            halo=(8, 8),
        )


def test_the_networks_of_these_tests_reach_less_than_16_px(torchscript: Callable[..., bytes]):
    from zooscope.predict.backends import torchscript_network

    network = torchscript_network(torchscript("convs"), device="cpu")
    image = np.zeros((1, 1, 64, 64), np.float32)
    spot = image.copy()
    spot[0, 0, 32, 32] = 50
    changed = np.abs(network(spot) - network(image))[0, 0] > 0
    reach = ndimage.find_objects(changed.astype(int))[0]
    assert all(part.start > 32 - 16 and part.stop <= 32 + 16 for part in reach)
