from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from zooscope import plugins
from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import DataError, UsageError
from zooscope.metrics import measure
from zooscope.sample import Sample
from zooscope_zoo.train import train
from zooscope_zoo.training.images import TrainingImage, load_images, normalise, notes, object_sizes, split_samples


def own(path: Path, samples: list[tuple[Sample, str]]) -> Dataset:
    write_folder(path, samples)
    return load_dataset(path)


def no_planes(labels: np.ndarray) -> np.ndarray:
    return np.zeros((0, *labels.shape), np.float32)


def test_training_never_sees_test_images_nor_validation_ones(demo: Dataset, tmp_path: Path) -> None:
    parts = ("train", "train", "validation", "test")
    data = own(tmp_path / "a", list(zip(list(demo)[:4], parts, strict=True)))
    train_ids, validation_ids = split_samples(data, strata="*")
    assert set(train_ids) == set(data.only("train").ids)
    assert validation_ids == data.only("validation").ids


def test_without_a_validation_split_whole_groups_are_held_out(demo: Dataset) -> None:
    data = demo.only("test")
    train_ids, validation_ids = split_samples(data, strata="*")
    assert sorted([*train_ids, *validation_ids]) == data.ids
    groups = data.table["group"]
    assert validation_ids
    assert not set(groups[train_ids]) & set(groups[validation_ids])


def test_one_image_is_not_enough_and_says_so(demo: Dataset, tmp_path: Path) -> None:
    data = own(tmp_path / "one", [(next(iter(demo)), "train")])
    with pytest.raises(DataError, match="1 group of images to train on; at least two are needed"):
        split_samples(data, strata="*")


def test_a_pattern_that_matches_no_stratum_is_named(demo: Dataset) -> None:
    with pytest.raises(DataError, match="no stratum matches 'fluo'"):
        split_samples(demo, strata="fluo")


def test_a_stratum_that_holds_test_images_alone_is_not_trained_on(demo: Dataset, tmp_path: Path) -> None:
    samples = [replace(sample, stratum=part) for sample, part in zip(demo, ("train", "test"), strict=False)]
    data = own(tmp_path / "a", [(sample, sample.stratum) for sample in samples])
    with pytest.raises(DataError, match="its train split has no image of a stratum 'test'"):
        split_samples(data, strata="test")


def loaded(path: Path, images: list[np.ndarray], labels: list[np.ndarray]) -> list[TrainingImage]:
    """Of a folder with these images (y, x) and labels."""
    samples = [
        Sample(f"i{number}", xr.DataArray(image, dims=("y", "x")), mask, group=f"i{number}")
        for number, (image, mask) in enumerate(zip(images, labels, strict=True))
    ]
    data = own(path, [(sample, "train") for sample in samples])
    return load_images(data, data.ids, channels=1, planes=no_planes, label="training", progress=False)


def test_images_of_one_value_are_counted_and_refused_where_all_are(demo: Dataset, tmp_path: Path) -> None:
    sample = next(sample for sample in demo if sample.axes == "yx")
    blank, image = np.full(sample.target.shape, 7, np.uint8), sample.image.values
    images = loaded(tmp_path / "some", [blank, image], [sample.target] * 2)
    said = notes(demo, images, channels=1, field_px=2000, patch_px=64)
    assert any("1 of 2 images are of one value" in note for note in said)
    with pytest.raises(DataError, match="all of its 2 training images are of one value each"):
        loaded(tmp_path / "all", [blank, blank], [sample.target] * 2)


def test_an_image_that_its_percentiles_cannot_scale_is_named(demo: Dataset, tmp_path: Path) -> None:
    sample = next(sample for sample in demo if sample.axes == "yx")
    sparse = np.full(sample.target.shape, 7, np.uint16)
    sparse[3, 3:6] = 900
    with pytest.raises(DataError, match="image 'i1': almost all of it is 7"):
        loaded(tmp_path / "sparse", [sample.image.values, sparse], [sample.target] * 2)
    beyond = np.where(sample.target > 0, 1e300, 0.0)
    with pytest.raises(DataError, match=r"image 'i0': values up to 1e\+300 cannot be scaled"):
        loaded(tmp_path / "beyond", [beyond], [sample.target])


def test_labels_with_huge_numbers_are_the_same_objects(demo: Dataset, tmp_path: Path) -> None:
    sample = next(sample for sample in demo if sample.axes == "yx")
    huge = np.where(sample.target > 0, 2_000_000_000 + sample.target, 0).astype(np.int32)
    (image,) = loaded(tmp_path / "huge", [sample.image.values], [huge])
    assert image.labels.max() < 1000
    record = measure(image.labels, sample.target)
    assert record["tp95"] == record["true"] == record["predicted"] == len(image.objects)
    np.testing.assert_array_equal(object_sizes(huge), object_sizes(sample.target))


def test_images_that_fill_the_memory_are_refused_before_the_system_ends_it(
    demo: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2**28))
    with pytest.raises(DataError, match="1 of its 13 training images fill this machine's memory; crop or shrink"):
        load_images(demo, demo.ids, channels=1, planes=no_planes, label="training", progress=False)


def test_masks_without_any_object_are_refused(demo: Dataset, tmp_path: Path) -> None:
    empty = [Sample(s.id, s.image, np.zeros_like(s.target), group=s.group) for s in list(demo)[:2]]
    data = own(tmp_path / "empty", [(sample, "train") for sample in empty])
    with pytest.raises(DataError, match="none of its 2 training images has an object in its mask"):
        load_images(data, data.ids, channels=1, planes=no_planes, label="training", progress=False)


def test_colour_where_gray_is_trained_and_objects_beyond_the_receptive_field_are_said(
    demo: Dataset, tmp_path: Path
) -> None:
    demo = own(tmp_path / "all", [(sample, "train") for sample in demo])
    images = load_images(demo, demo.ids, channels=1, planes=no_planes, label="training", progress=False)
    said = notes(demo, images, channels=1, field_px=12, patch_px=64)
    assert any("3 of 13 images are colour" in note and "network.channels=3" in note for note in said)
    assert any("larger than the network's receptive field of 12 px" in note for note in said)
    assert notes(demo, images, channels=3, field_px=2000, patch_px=64) == []
    (small,) = notes(demo, images, channels=3, field_px=2000, patch_px=352)
    assert "12 of 13 images are smaller than the patches of 352 px" in small


def test_data_without_a_training_part_are_told_that_no_test_is_left(demo: Dataset) -> None:
    images = load_images(demo, demo.ids, channels=3, planes=no_planes, label="training", progress=False)
    (said,) = notes(demo, images, channels=3, field_px=2000, patch_px=64)
    assert "none is left for an honest test" in said
    assert "`zooscope split`" in said


def test_images_are_normalised_as_their_packages_will(demo: Dataset) -> None:
    image = next(iter(demo.only("test"))).image.values.astype(np.float32)[None]
    low, high = np.percentile(image, (1, 99.8))
    np.testing.assert_allclose(normalise(image), (image - low) / (high - low + 1e-6), rtol=1e-5, atol=1e-6)
    assert (normalise(np.full((1, 8, 8), 7, np.float32)) == 0).all()


def test_a_patch_that_the_network_cannot_take_and_a_folder_in_use_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"training\.patch_px=250 is not a multiple of 16"):
        train("stardist", ["demo"], tmp_path, changes=["training.patch_px=250"], progress=False, say=lambda line: None)
    assert not any(tmp_path.iterdir())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="a training began here; --resume goes on with it"):
        train("stardist", ["demo"], tmp_path, progress=False, say=lambda line: None)


def test_an_unknown_method_is_named_beside_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'unett' is not one of .*stardist.*unet"):
        train("unett", ["demo"], tmp_path)
    assert plugins.names("methods")
