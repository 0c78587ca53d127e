"""A user's own folder: what pairs, what is taken for granted, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zooscope.data import Dataset, load_dataset
from zooscope.errors import DataError, UsageError

Own = Callable[..., Path]
Write = Callable[..., Path]


def refused(folder: Path) -> str:
    """What is said of a folder that cannot be used: one line that names it."""
    with pytest.raises(DataError) as error:
        load_dataset(folder)
    text = str(error.value)
    assert str(folder) in text
    assert "\n" not in text
    return text


def write_groups(folder: Path, *lines: str) -> None:
    (folder / "groups.csv").write_text("\n".join(lines) + "\n")


def test_images_and_masks_pair_by_name_without_suffix(own_folder: Own, demo: Dataset):
    folder = own_folder(3, image=".png", mask=".tif")
    dataset = load_dataset(folder)
    gray = [sample for sample in demo if sample.axes == "yx"]
    assert dataset.ids == ["a", "b", "c"]
    for sample, original in zip(dataset, gray, strict=False):
        np.testing.assert_array_equal(sample.image.values, original.image.values)
        np.testing.assert_array_equal(sample.target, original.target)
        assert sample.target.dtype == np.int32
        assert sample.image.dims == ("y", "x")


def test_without_a_table_every_image_is_its_own_group_in_one_stratum_of_test(own_folder: Own):
    dataset = load_dataset(str(own_folder(3)))
    assert [(s.group, s.stratum, s.pixel_size_um) for s in dataset] == [(id, "all", None) for id in "abc"]
    assert dataset.splits == ["test"]
    assert len(dataset.only("test")) == 3
    with pytest.raises(UsageError, match="split 'train' is not one of test"):
        load_dataset(own_folder(3), split="train")


@pytest.mark.parametrize("name", ["My Nuclei (2024)", "Kerne_für_Tests", "細胞", "..weird..", "_"])
def test_any_name_of_a_folder_gives_a_data_set(own_folder: Own, name: str):
    dataset = load_dataset(own_folder(1, at=name))
    assert len(dataset) == 1
    assert dataset.card.title == name
    assert dataset.name.endswith("@0")


@pytest.mark.parametrize(("image", "mask"), [(".png", ".png"), (".tiff", ".npy"), (".npy", ".tif"), (".bmp", ".tiff")])
def test_the_digest_is_one_for_one_content_in_any_format(own_folder: Own, image: str, mask: str):
    digest = load_dataset(own_folder(2)).digest
    assert load_dataset(own_folder(2, image=image, mask=mask, at="other")).digest == digest


def test_labels_in_floats_are_taken_if_they_are_whole(own_folder: Own, write_array: Write):
    folder = own_folder(2)
    dataset = load_dataset(folder)
    labels = dataset["a"].target
    (folder / "masks" / "a.tif").unlink()
    write_array(folder / "masks" / "a.npy", labels.astype(np.float32))
    assert load_dataset(folder).digest == dataset.digest
    write_array(folder / "masks" / "a.npy", labels + np.float32(0.5))
    assert "labels hold NaN, infinity or fractions" in refused(folder)
    write_array(folder / "masks" / "a.npy", np.full(labels.shape, np.nan))
    assert "labels hold NaN, infinity or fractions" in refused(folder)


def test_a_jpeg_is_an_image_but_no_label_image(own_folder: Own, write_array: Write, demo: Dataset):
    colour = next(sample for sample in demo if sample.axes == "yxc")
    folder = own_folder(1, image=".jpg")
    write_array(folder / "images" / "z.jpg", colour.image.values)
    write_array(folder / "masks" / "z.tif", colour.target)
    dataset = load_dataset(folder)
    assert [sample.axes for sample in dataset] == ["yx", "yxc"]
    (folder / "masks" / "z.tif").unlink()
    write_array(folder / "masks" / "z.jpg", colour.target.astype(np.uint8))
    assert f"{folder / 'masks' / 'z.jpg'}: JPEG changes the numbers of objects" in refused(folder)


def test_a_transparent_png_is_a_colour_image(own_folder: Own, write_array: Write, demo: Dataset):
    colour = next(sample for sample in demo if sample.axes == "yxc")
    alpha = np.full((*colour.target.shape, 1), 255, np.uint8)
    folder = own_folder(1)
    write_array(folder / "images" / "z.png", np.concatenate([colour.image.values, alpha], axis=-1))
    write_array(folder / "masks" / "z.tif", colour.target)
    sample = load_dataset(folder)["z"]
    assert sample.axes == "yxc"
    np.testing.assert_array_equal(sample.image.values, colour.image.values)


def test_one_pixel_changes_the_digest(own_folder: Own, write_array: Write):
    folder = own_folder(2)
    digests = [load_dataset(folder).digest]
    for part in ("image", "target"):
        sample = load_dataset(folder)["b"]
        array = (sample.image.values if part == "image" else sample.target.astype(np.uint16)).copy()
        array[7, 9] += 1
        write_array(folder / ("images" if part == "image" else "masks") / "b.tif", array)
        digests.append(load_dataset(folder).digest)
    assert len(set(digests)) == 3


def test_a_file_that_changes_under_a_loaded_data_set_is_found(own_folder: Own, write_array: Write):
    folder = own_folder(2)
    dataset = load_dataset(folder)
    write_array(folder / "images" / "b.tif", 255 - dataset["b"].image.values)
    with pytest.raises(DataError, match="sample 'b' changed since its digest was taken"):
        list(dataset)


def test_a_missing_mask_or_image_is_named(own_folder: Own):
    folder = own_folder(3)
    (folder / "masks" / "b.tif").rename(folder / "masks" / "other.tif")
    assert "'b' is in images/ but not in masks/ (files pair by name without suffix)" in refused(folder)
    (folder / "images" / "b.tif").unlink()
    assert "'other' is in masks/ but not in images/" in refused(folder)


def test_two_images_of_one_name_are_refused(own_folder: Own):
    folder = own_folder(1)
    (folder / "images" / "a.png").write_bytes(b"")
    assert "'a.png' and 'a.tif' share one name" in refused(folder)


def test_other_files_are_left_alone(own_folder: Own):
    folder = own_folder(1)
    for name in ("Thumbs.db", ".DS_Store", "._a.tif", "notes.txt"):
        (folder / "images" / name).write_text("x")
    assert load_dataset(folder).ids == ["a"]


def test_a_folder_without_images_says_what_it_should_hold(tmp_path: Path):
    assert "expected images/ and masks/" in refused(tmp_path)


def test_masks_of_0_and_255_are_refused_with_the_remedy(own_folder: Own, write_array: Write):
    folder = own_folder(2)
    dataset = load_dataset(folder)
    for sample in dataset:
        write_array(folder / "masks" / f"{sample.id}.tif", ((sample.target > 0) * 255).astype(np.uint8))
    text = refused(folder)
    assert "no image has more than one label" in text
    assert "skimage.measure.label" in text


def test_one_empty_mask_among_labels_is_no_fault(own_folder: Own, write_array: Write):
    folder = own_folder(2)
    write_array(folder / "masks" / "a.tif", np.zeros((256, 256), np.uint8))
    assert load_dataset(folder)["a"].target.max() == 0


def test_masks_of_yes_and_no_are_refused_with_the_remedy(own_folder: Own, write_array: Write):
    folder = own_folder(1, mask=".npy")
    write_array(folder / "masks" / "a.npy", load_dataset(folder)["a"].target > 0)
    assert "a yes/no mask, not a label image; number the objects" in refused(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels - 1, "labels from -1 to "),
        (lambda labels: labels[:-1], "labels of shape (255, 256), but the image is (256, 256)"),
        (lambda labels: np.stack([labels] * 3, axis=-1), "labels of shape (256, 256, 3), but the image is (256, 256)"),
        (lambda labels: labels + 2**31, "0 (background) to 2147483647 are expected"),
        (lambda labels: labels.astype(complex), "labels of dtype complex128"),
    ],
)
def test_labels_that_are_none_are_refused(
    own_folder: Own, write_array: Write, change: Callable[..., object], said: str
):
    folder = own_folder(2, mask=".npy")
    labels = load_dataset(folder)["b"].target.astype(np.int64)
    path = write_array(folder / "masks" / "b.npy", change(labels))
    assert f"{path}: " in refused(folder)
    assert said in refused(folder)


def test_an_image_with_nan_is_refused(own_folder: Own, write_array: Write):
    folder = own_folder(2, image=".npy")
    image = load_dataset(folder)["b"].image.values.astype(np.float32)
    image[0, 0] = np.nan
    path = write_array(folder / "images" / "b.npy", image)
    assert f"{path}: the image holds NaN or infinity" in refused(folder)


def test_the_table_gives_groups_strata_splits_and_sizes(own_folder: Own):
    folder = own_folder(3)
    write_groups(folder, "id,split,group,stratum,pixel_size_um", "c,train,1,dim,0.65", "a,train,01,dim,", "b,test,1,,1")
    assert "column 'stratum' has empty cells" in refused(folder)
    write_groups(
        folder, "id,split,group,stratum,pixel_size_um", "c,train,1,dim,0.65", "a,train,01,dim,", "b,test,1,x,1"
    )
    dataset = load_dataset(folder)
    assert [(s.id, s.group, s.stratum, s.pixel_size_um) for s in dataset] == [
        ("a", "01", "dim", None),
        ("b", "1", "x", 1.0),
        ("c", "1", "dim", 0.65),
    ]
    assert dataset.only("train").ids == ["a", "c"]
    assert dataset.leaks() == ["b"]
    assert dataset.only("train").digest == dataset.digest


def test_what_the_table_lacks_is_taken_for_granted(own_folder: Own):
    folder = own_folder(2)
    write_groups(folder, "id,group", "a,field", "b,field")
    assert [(s.group, s.stratum) for s in load_dataset(folder)] == [("field", "all")] * 2
    assert load_dataset(folder).splits == ["test"]


def test_a_table_that_excel_saved_is_read(own_folder: Own):
    folder = own_folder(2)
    (folder / "groups.csv").write_bytes(b"\xef\xbb\xbfid,group\r\na,f\xc3\xbcr\r\nb,x\r\n")
    assert load_dataset(folder)["a"].group == "für"


@pytest.mark.parametrize("word", ["NA", "null", "None", "nan"])
def test_words_that_pandas_takes_for_nothing_are_names(own_folder: Own, word: str):
    folder = own_folder(2)
    (folder / "images" / "b.tif").rename(folder / "images" / f"{word}.tif")
    (folder / "masks" / "b.tif").rename(folder / "masks" / f"{word}.tif")
    write_groups(folder, "id,group", f"a,{word}", f"{word},x")
    dataset = load_dataset(folder)
    assert dataset["a"].group == word
    assert dataset[word].group == "x"


@pytest.mark.parametrize("column", ["group", "stratum", "split"])
def test_empty_cells_are_refused(own_folder: Own, column: str):
    folder = own_folder(2)
    write_groups(folder, f"id,{column}", "a,", "b,x")
    assert f"column '{column}' has empty cells" in refused(folder)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,grup", "a,1", "b,1"], "columns id, grup; 'id' and any of group, stratum, split"),
        (["name,group", "a,1", "b,1"], "columns name, group; 'id' and any of"),
        (["id;group", "a;1", "b;1"], "columns id;group; 'id' and any of"),
        (["id,group", "a,1"], "'b' is not once in the table and once in images/ (1 such)"),
        (["id,group", "a,1", "b,1", "z,1"], "'z' is not once in the table and once in images/"),
        (["id,group", "a,1", "b,1", ",1"], "'' is not once in the table and once in images/"),
        (["id,group", "a,1", "b,1", "b,2"], "'b' is not once in the table and once in images/"),
        (["id,pixel_size_um", "a,0.5", "b,half"], "'b': pixel_size_um 'half' is no length"),
        (["id,pixel_size_um", "a,0.5", "b,0"], "'b': pixel_size_um '0' is no length"),
        (["id,pixel_size_um", "a,-1", "b,1"], "'a': pixel_size_um '-1' is no length"),
        (["id,group", "a,1", "b,1,2,3,4"], "no CSV table"),
        ([""], "no CSV table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(own_folder: Own, lines: list[str], said: str):
    folder = own_folder(2)
    write_groups(folder, *lines)
    text = refused(folder)
    assert f"{folder / 'groups.csv'}: " in text
    assert said in text


def test_a_table_in_another_encoding_is_refused(own_folder: Own):
    folder = own_folder(1)
    (folder / "groups.csv").write_bytes("id,group\na,für\n".encode("latin-1"))
    assert "no CSV table" in refused(folder)


def test_digests_that_the_table_holds_in_part_are_taken_anew(own_folder: Own):
    folder = own_folder(2)
    dataset = load_dataset(folder)
    for column, kept in (("image_sha256", "ab"), ("target_sha256", "ab"), ("image_sha256", "a")):
        rows = [f"{id},{dataset.table.loc[id, column] if id in kept else ''}" for id in "ab"]
        write_groups(folder, f"id,{column}", *rows)
        again = load_dataset(folder)
        assert again.digest == dataset.digest
        assert len(list(again)) == 2
