"""Image files: what is read, what is refused, and that TIFF gives back what went in."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from zooscope.data import Dataset
from zooscope.errors import DataError
from zooscope.imagefile import decode_array, encode_tiff, read_array, read_image, smallest_labels


@pytest.fixture(scope="module")
def gray(demo: Dataset) -> np.ndarray:
    return next(sample.image.values for sample in demo if sample.axes == "yx")


@pytest.fixture(scope="module")
def colour(demo: Dataset) -> np.ndarray:
    return next(sample.image.values for sample in demo if sample.axes == "yxc")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.float32, np.float64])
def test_tiff_gives_back_a_gray_image_of_any_dtype(gray: np.ndarray, dtype: type):
    array = gray.astype(dtype) * dtype(3 if dtype == np.uint8 else 100)
    back = decode_array(encode_tiff(array), suffix=".tif")
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_gives_back_a_colour_image(colour: np.ndarray, dtype: type):
    content = encode_tiff(colour.astype(dtype))
    np.testing.assert_array_equal(decode_array(content, suffix=".tiff"), colour.astype(dtype))
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        assert tiff.pages[0].photometric == tifffile.PHOTOMETRIC.RGB


def test_the_same_array_gives_the_same_bytes(gray: np.ndarray, colour: np.ndarray):
    for array in (gray, colour):
        assert encode_tiff(array) == encode_tiff(array.copy(order="F"))
        assert encode_tiff(array, description="made here") != encode_tiff(array)


def test_a_description_is_kept(gray: np.ndarray):
    with tifffile.TiffFile(io.BytesIO(encode_tiff(gray, description="zooscope"))) as tiff:
        assert tiff.pages[0].description == "zooscope"


def test_another_reader_sees_the_same_pixels(tmp_path: Path, gray: np.ndarray, colour: np.ndarray):
    for array in (gray, colour):
        (tmp_path / "a.tif").write_bytes(encode_tiff(array))
        np.testing.assert_array_equal(np.array(Image.open(tmp_path / "a.tif")), array)


@pytest.mark.parametrize(
    ("top", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16), (65536, np.uint32)]
)
def test_labels_get_the_smallest_dtype_that_holds_them(top: int, dtype: type):
    labels = np.array([[0, top]], np.int32)
    small = smallest_labels(labels)
    assert small.dtype == dtype
    assert small.tolist() == [[0, top]]


def test_labels_without_pixels_are_small():
    assert smallest_labels(np.zeros((0, 4), np.int32)).dtype == np.uint8


def test_files_that_other_libraries_wrote_are_read(tmp_path: Path, gray: np.ndarray, colour: np.ndarray):
    for name, array in (("gray", gray), ("colour", colour)):
        for suffix in (".png", ".bmp", ".tif"):
            Image.fromarray(array).save(tmp_path / f"{name}{suffix}")
            np.testing.assert_array_equal(read_image(tmp_path / f"{name}{suffix}").values, array)
    np.save(tmp_path / "gray.npy", gray)
    np.testing.assert_array_equal(read_image(tmp_path / "gray.npy").values, gray)


def test_a_jpeg_is_read_as_another_library_reads_it(tmp_path: Path, colour: np.ndarray):
    Image.fromarray(colour).save(tmp_path / "a.JPG", quality=95)
    image = read_image(tmp_path / "a.JPG")
    assert image.dims == ("y", "x", "c")
    assert np.abs(image.values.astype(int) - np.array(Image.open(tmp_path / "a.JPG"))).max() <= 2


@pytest.mark.parametrize("shape", ["1yx", "yx1", "11yx", "1yx1", "1yxc"])
def test_axes_of_one_are_understood(tmp_path: Path, gray: np.ndarray, colour: np.ndarray, shape: str):
    array = colour if "c" in shape else gray
    for axis, letter in enumerate(shape):
        array = np.expand_dims(array, axis) if letter == "1" else array
    np.save(tmp_path / "a.npy", array)
    image = read_image(tmp_path / "a.npy")
    assert image.dims == (("y", "x", "c") if "c" in shape else ("y", "x"))
    np.testing.assert_array_equal(image.values, colour if "c" in shape else gray)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "CYX"])
def test_a_stack_of_three_planes_is_not_taken_for_a_colour_image(tmp_path: Path, gray: np.ndarray, axes: str):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([gray] * 3), imagej=True, metadata={"axes": axes})
    with pytest.raises(DataError, match=f"with axes {axes}; one 2D image, gray or RGB"):
        read_image(tmp_path / "stack.tif")


def test_a_planar_rgb_tiff_is_a_colour_image(tmp_path: Path, colour: np.ndarray):
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, colour)


def test_transparency_is_dropped_and_three_equal_channels_are_one(tmp_path: Path, gray: np.ndarray):
    rgba = np.stack([gray, gray, gray, np.full_like(gray, 255)], axis=-1)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(rgba))
    image = read_image(tmp_path / "a.png")
    assert image.dims == ("y", "x")
    np.testing.assert_array_equal(image.values, gray)


@pytest.mark.parametrize("shape", [(5, 40, 40), (2, 40, 40), (40, 40, 2), (2, 3, 40, 40), (40,), (0, 40)])
def test_what_is_no_single_2d_image_is_refused_with_its_shape(tmp_path: Path, shape: tuple[int, ...]):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(DataError) as error:
        read_image(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(error.value)
    assert f"shape {shape}" in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path: Path, gray: np.ndarray, value: float):
    array = gray.astype(np.float32)
    array[3, 4] = value
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match="the image holds NaN or infinity"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("array", [np.ones((4, 4), complex), np.full((4, 4), "a")])
def test_pixels_that_are_no_numbers_are_refused(tmp_path: Path, array: np.ndarray):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match="integers or floats are expected"):
        read_image(tmp_path / "a.npy")


def test_a_pickled_array_is_never_loaded(tmp_path: Path):
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "loaded",))

    np.save(tmp_path / "a.npy", np.array([[Evil()]], object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as npy"):
        read_image(tmp_path / "a.npy")
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".bmp", ".npy"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_a_file_that_is_not_what_its_name_says_is_refused_in_one_line(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_image(path)
    assert str(error.value).startswith(f"{path}: cannot be read as {suffix[1:]} (")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy"])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, gray: np.ndarray, suffix: str):
    whole = io.BytesIO()
    np.save(whole, gray)
    content = {".tif": encode_tiff(gray), ".png": imagecodecs.png_encode(gray), ".npy": whole.getvalue()}[suffix]
    (tmp_path / f"a{suffix}").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(DataError, match="cannot be read as"):
        read_image(tmp_path / f"a{suffix}")


def test_another_suffix_and_a_missing_file_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"'\.czi' is not one of \.tif, \.tiff, \.png"):
        read_array(tmp_path / "a.czi")
    with pytest.raises(DataError, match=r"a\.tif: no such file"):
        read_array(tmp_path / "a.tif")
