"""Image files in, label images out, and never over what is there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from zooscope import tiffpixels
from zooscope.data import Dataset
from zooscope.errors import PackageError, UsageError
from zooscope.files import predict_files
from zooscope.model import Model, load_model
from zooscope.outputfile import write_prediction
from zooscope.predict import large, tiling
from zooscope.stack import PixelSize, open_stack

MakePackage = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path, demo: Dataset) -> list[Path]:
    """A gray TIFF, a colour TIFF and a gray NPY."""
    gray, colour = (next(s for s in demo if s.axes == axes) for axes in ("yx", "yxc"))
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "gray.tif", gray.image.values)
    tifffile.imwrite(tmp_path / "in" / "colour.tiff", colour.image.values, photometric="rgb")
    np.save(tmp_path / "in" / "array.npy", gray.image.values.astype(np.float32))
    return [tmp_path / "in" / name for name in ("gray.tif", "colour.tiff", "array.npy")]


def test_each_image_becomes_a_label_image_of_its_name_and_size(
    make_package: MakePackage, images: list[Path], tmp_path: Path
):
    package, out = make_package(), tmp_path / "out" / "labels"
    written = {done.path: done.objects for done in predict_files(package, images, out, device="cpu")}
    assert list(written) == [out / "gray.tif", out / "colour.tif", out / "array.tif"]
    expected = load_model(package, device="cpu").predict(tifffile.imread(images[0]))
    np.testing.assert_array_equal(tifffile.imread(out / "gray.tif"), expected)
    np.testing.assert_array_equal(tifffile.imread(out / "array.tif"), expected)
    assert tifffile.imread(out / "colour.tif").shape == tifffile.imread(images[1]).shape[:2]
    for path, objects in written.items():
        assert objects == tifffile.imread(path).max() > 0
    assert {path.name for path in out.iterdir()} == {"gray.tif", "colour.tif", "array.tif"}


def test_what_is_there_is_not_overwritten_unless_told(make_package: MakePackage, images: list[Path], tmp_path: Path):
    package, out = make_package(), tmp_path / "out"
    out.mkdir()
    (out / "array.tif").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"array.tif: exists; --overwrite replaces it"):
        list(predict_files(package, images, out, device="cpu"))
    assert [path.name for path in out.iterdir()] == ["array.tif"], "found before anything is predicted"
    assert (out / "array.tif").read_bytes() == b"precious"
    assert len(list(predict_files(package, images, out, device="cpu", overwrite=True))) == 3
    assert tifffile.imread(out / "array.tif").ndim == 2


def test_an_image_is_never_replaced_by_its_labels(make_package: MakePackage, images: list[Path]):
    before = images[0].read_bytes()
    with pytest.raises(UsageError, match="its labels would replace the image; choose another --output"):
        list(predict_files(make_package(), images[:1], images[0].parent, device="cpu", overwrite=True))
    assert images[0].read_bytes() == before


def test_labels_never_replace_another_of_the_images(make_package: MakePackage, images: list[Path], tmp_path: Path):
    np.save(images[0].with_suffix(".npy"), np.load(images[2]))  # gray.npy beside gray.tif: its labels would be gray.tif
    before = images[0].read_bytes()
    with pytest.raises(UsageError, match="gray"):
        list(predict_files(make_package(), [images[0].with_suffix(".npy"), images[2]], images[0].parent, device="cpu"))
    with pytest.raises(UsageError, match="another image would be written to"):
        list(predict_files(make_package(), [images[0], images[0].with_suffix(".npy")], tmp_path / "out", device="cpu"))
    assert images[0].read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_an_image_that_cannot_be_read_is_named_and_costs_no_other(
    make_package: MakePackage, images: list[Path], tmp_path: Path
):
    images[1].write_bytes(b"damaged")
    gray, colour, array = predict_files(make_package(), images, tmp_path / "out", device="cpu")
    assert (gray.reason, array.reason) == ("", "")
    assert colour.reason.startswith(f"{images[1]}: cannot be read as tif")
    assert colour.objects is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"gray.tif", "array.tif"}, "the others are done"


def test_a_package_that_cannot_run_writes_nothing(make_package: MakePackage, images: list[Path], tmp_path: Path):
    with pytest.raises(PackageError, match="its torchscript weights are damaged"):
        list(predict_files(make_package(files={"weights.pt": b"x"}), images, tmp_path / "out", device="cpu"))
    assert not (tmp_path / "out").exists()


def test_planes_of_a_stack_are_predicted_one_by_one_and_axes_and_pixel_size_are_kept(
    make_package: MakePackage, tmp_path: Path, demo: Dataset
):
    image = next(s.image.values for s in demo if s.axes == "yx")
    stack = np.stack([image, image[::-1], np.zeros_like(image)])
    about = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(4, 5), metadata=about)
    package = make_package()
    (done,) = predict_files(package, [tmp_path / "a.tif"], tmp_path / "out", device="cpu")
    labels, model = tifffile.imread(done.path), load_model(package, device="cpu")
    for plane, found in zip(stack, labels, strict=True):
        np.testing.assert_array_equal(found, model.predict(plane))
    assert done.objects == sum(int(plane.max()) for plane in labels)
    with open_stack(done.path) as written:
        assert (written.lead, written.shape) == ("z", stack.shape)
        assert written.pixel_size == PixelSize(y_um=0.2, x_um=0.25, z_um=2.0)


def test_several_channels_need_one_to_be_chosen(make_package: MakePackage, tmp_path: Path, demo: Dataset):
    image = next(s.image.values for s in demo if s.axes == "yx")
    named = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, "PhysicalSizeX": 500, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.stack([image, image // 2]), metadata=named)
    package, paths = make_package(), [tmp_path / "a.ome.tif"]
    (refused,) = predict_files(package, paths, tmp_path / "out", device="cpu")
    assert "2 channels (0 is DAPI, 1 is GFP); choose one with --channel" in refused.reason
    (done,) = predict_files(package, paths, tmp_path / "out", device="cpu", channel=1)
    assert done.path.name == "a.tif"
    np.testing.assert_array_equal(tifffile.imread(done.path), load_model(package, device="cpu").predict(image // 2))
    with pytest.raises(UsageError, match=r"--channel 2: .* has 2 channels, counted from 0"):
        list(predict_files(package, paths, tmp_path / "other", device="cpu", channel=2))


def test_a_pattern_stands_for_its_images_and_nothing_found_is_one_line(
    make_package: MakePackage, images: list[Path], tmp_path: Path
):
    folder, package = images[0].parent, make_package()
    done = list(predict_files(package, [str(folder / "*.tif*")], tmp_path / "out", device="cpu"))
    assert {item.path.name for item in done} == {"gray.tif", "colour.tif"}
    with pytest.raises(UsageError, match=r"\*.png: no image matches"):
        list(predict_files(package, [str(folder / "*.png")], tmp_path / "out", device="cpu"))


def test_resume_keeps_what_is_there_and_does_the_others(make_package: MakePackage, images: list[Path], tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "array.tif").write_bytes(b"precious")
    done = list(predict_files(make_package(), images, out, device="cpu", resume=True))
    assert {item.path.name for item in done} == {"gray.tif", "colour.tif"}
    assert (out / "array.tif").read_bytes() == b"precious"


@pytest.mark.parametrize("options", [{"compression": "zlib", "tile": (64, 64)}, {"bigtiff": True}, {"rowsperstrip": 7}])
def test_parts_of_a_tiff_are_its_pixels_however_they_lie_in_it(
    tmp_path: Path, demo: Dataset, monkeypatch: pytest.MonkeyPatch, options: dict
):
    monkeypatch.setattr(tiffpixels, "WHOLE_PAGE_BYTES", 0)
    image = next(s.image.values for s in demo if s.axes == "yx")
    tifffile.imwrite(tmp_path / "a.tif", image, **{"compression": "zlib", **options})
    with open_stack(tmp_path / "a.tif") as stack:
        (plane,) = stack
        for y, x in ((slice(0, 10), slice(0, 10)), (slice(50, 140), slice(60, 200)), (slice(None), slice(None))):
            np.testing.assert_array_equal(plane.read(y, x), image[y, x])


def test_more_labels_than_16_bits_hold_are_an_ome_tiff(tmp_path: Path):
    labels = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    write_prediction(tmp_path / "a.tif", labels, top=89_999, axes="yx", pixel_size=PixelSize(y_um=0.5, x_um=0.5))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_ome
        assert file.asarray().dtype == np.uint32
        np.testing.assert_array_equal(file.asarray(), labels)
    with open_stack(tmp_path / "a.tif") as stack:
        assert stack.pixel_size == PixelSize(y_um=0.5, x_um=0.5)


def test_ome_zarr_goes_in_and_out(make_package: MakePackage, images: list[Path], tmp_path: Path):
    pytest.importorskip("zarr", reason="the extra zarr is not installed")
    package, out = make_package(), tmp_path / "out"
    (done,) = predict_files(package, images[:1], out, device="cpu", format="ome-zarr")
    expected = load_model(package, device="cpu").predict(tifffile.imread(images[0]))
    with open_stack(done.path) as stack:
        np.testing.assert_array_equal(next(iter(stack)).read(), expected)


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_a_large_file_is_read_by_tiles_and_a_killed_prediction_goes_on(
    suffix: str, make_package: MakePackage, demo: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if suffix == ".ome.zarr":
        pytest.importorskip("zarr", reason="the extra zarr is not installed")
    image = np.tile(next(s for s in demo if s.axes == "yx").image.values, (3, 3))[:563, :589]
    path, package, out = tmp_path / f"large{suffix}", make_package(), tmp_path / "out"
    if suffix == ".tif":
        tifffile.memmap(path, shape=image.shape, dtype=image.dtype)[:] = image
    else:
        about = {"axes": "yx", "pixel_size": PixelSize(None, None), "format": "ome-zarr"}
        write_prediction(path, image.astype(np.int32), top=int(image.max()), **about)
    monkeypatch.setattr(tiling, "MAX_TILE_PX", 320)
    expected = load_model(package, device="cpu").predict(image)
    monkeypatch.setattr(large, "LARGE_PX", 1000)
    run, done = Model.run_tile, list[int]()

    def killed(model: Model, tile: np.ndarray) -> np.ndarray:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return run(model, tile)

    monkeypatch.setattr(Model, "run_tile", killed)
    with pytest.raises(KeyboardInterrupt):
        list(predict_files(package, [path], out, device="cpu"))
    (outcome,) = predict_files(package, [path], out, device="cpu")
    found = tifffile.imread(outcome.path)
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == found.max() + 1 == expected.max() + 1 > 10
    assert len(done) == 6 + 1, "of 2 x 3 tiles only the killed one was begun twice"
    assert [item.name for item in out.iterdir()] == ["large.tif"]
