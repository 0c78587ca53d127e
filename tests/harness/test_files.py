"""Image files in, label images out, and never over what is there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from zooscope.data import Dataset
from zooscope.errors import DataError, PackageError, UsageError
from zooscope.files import predict_files
from zooscope.model import load_model

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
    written = dict(predict_files(package, images, out, device="cpu"))
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


def test_an_image_that_cannot_be_read_is_named(make_package: MakePackage, images: list[Path], tmp_path: Path):
    images[1].write_bytes(b"damaged")
    found = predict_files(make_package(), images, tmp_path / "out", device="cpu")
    assert next(found)[0].name == "gray.tif"
    with pytest.raises(DataError, match=r"colour.tiff: cannot be read"):
        next(found)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["gray.tif"]


def test_a_package_that_cannot_run_writes_nothing(make_package: MakePackage, images: list[Path], tmp_path: Path):
    with pytest.raises(PackageError, match="its torchscript weights are damaged"):
        list(predict_files(make_package(files={"weights.pt": b"x"}), images, tmp_path / "out", device="cpu"))
    assert not (tmp_path / "out").exists()
