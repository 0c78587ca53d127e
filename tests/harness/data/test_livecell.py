"""LIVECell the whole way: a server in the source's layout, fetch, decoded cache, a baseline's row; and what is broken.

The images are tiled of the demo's, of LIVECell's size and names; LIVECell itself is not for tests.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from skimage import measure

import zooscope
from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.data.card import card_ids, find_card
from zooscope.errors import DataError
from zooscope.store import Results

SHAPE = (520, 704)
HOST = "http://livecell-dataset.s3.eu-central-1.amazonaws.com"
ANNOTATIONS = "/LIVECell_dataset_2021/annotations/LIVECell"
IMAGES = "/LIVECell_dataset_2021/images.zip"
CROWD, PACKED, COUNTS, TWO_PARTS = 0, 1, 2, 3
"""Objects of the first test image that are stored otherwise than as one polygon."""

TEST = ["A172_Phase_B7_1_00d00h00m_1.tif", "SkBr3_Phase_E5_2_01d08h00m_3.tif"]
BOTH = "A172_Phase_C7_1_00d04h00m_2.tif"
"""Listed in validation and twice in train."""

TRAIN = "MCF7_Phase_D4_1_00d12h00m_4.tif"


def tiled(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and its labels of LIVECell's size: objects that lie whole in one of the tiles."""
    height, width = labels.shape
    canvas, number = np.zeros(SHAPE, np.int32), 0
    for y in range(0, SHAPE[0] - height + 1, height):
        for x in range(0, SHAPE[1] - width + 1, width):
            kept = np.where(labels > 0, labels + number, 0)
            canvas[y : y + height, x : x + width] = kept
            number += int(labels.max())
    noise = np.random.default_rng(seed).normal(0, 3, SHAPE)
    return np.clip(np.where(canvas > 0, 170, 90) + noise, 0, 255).astype(np.uint8), canvas


def polygon(mask: np.ndarray) -> list[float]:
    """Its longest outline, at the corners of pixels, as COCO has it: x, y, x, y ..."""
    outlines = measure.find_contours(np.pad(mask, 1).astype(float), 0.5)
    return (max(outlines, key=len)[:, ::-1] - 0.5).round(2).ravel().tolist()


def counts(mask: np.ndarray) -> list[int]:
    """COCO's run lengths, spelt out: off, on, off ... down the columns."""
    flat = mask.ravel(order="F")
    found, value, run = list[int](), False, 0
    for pixel in flat.tolist():
        if pixel != value:
            found.append(run)
            value, run = pixel, 0
        run += 1
    return [*found, run]


def packed(numbers: list[int]) -> str:
    """Run lengths as text: the difference from the one two before, five bits a character, low ones first."""
    text = ""
    for place, number in enumerate(numbers):
        value, more = number - (numbers[place - 2] if place > 2 else 0), True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits | 0x20 * more))
    return text


def grown(labels: np.ndarray, label: int) -> np.ndarray:
    """An object made larger by 2 px, so that it overlaps its neighbours."""
    ys, xs = np.nonzero(labels == label)
    box = np.s_[max(ys.min() - 2, 0) : ys.max() + 3, max(xs.min() - 2, 0) : xs.max() + 3]
    mask = np.zeros(labels.shape, bool)
    inside = labels[box] == label
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            mask[box] |= np.roll(inside, (dy, dx), (0, 1))
    return mask


@pytest.fixture(scope="module")
def pictures(demo: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """File name -> image and labels."""
    gray = sorted((s for s in demo if s.axes == "yx" and s.target.shape[0] <= 256), key=lambda s: s.target.max())
    names = [*TEST, BOTH, TRAIN]
    return {name: tiled(sample.target, n) for n, (name, sample) in enumerate(zip(names, gray, strict=False))}


@pytest.fixture(scope="module")
def objects(pictures: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, list[dict[str, Any]]]:
    """File name -> annotations; those of the first test image are of every kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (_, labels) in pictures.items():
        masks = [grown(labels, label) for label in range(1, labels.max() + 1)]
        found[name] = [
            {"segmentation": [polygon(mask)], "area": float(mask.sum()), "iscrowd": 0, "category_id": 1}
            for mask in masks
        ]
        if name == TRAIN:
            found[name].append({"segmentation": [[650, 512, 655, 512, 655, 517, 650, 517]], "area": 25.0, "iscrowd": 0})
        if name == TEST[0]:
            size, items = list(SHAPE), found[name]
            items[CROWD] |= {"iscrowd": 1, "segmentation": {"size": size, "counts": counts(masks[CROWD])}}
            items[PACKED]["segmentation"] = {"size": size, "counts": packed(counts(masks[PACKED]))}
            items[COUNTS]["segmentation"] = {"size": size, "counts": counts(masks[COUNTS])}
            items[TWO_PARTS]["segmentation"] = [polygon(masks[TWO_PARTS]), [600, 500, 610, 500, 610, 510, 600, 510]]
    return found


def coco(names: list[str], objects: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A COCO file of these images; a name that comes again has one object, which is not right."""
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, name in enumerate(names):
        images.append({"id": 1000 + number, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]})
        listed = objects[name][:1] if name in names[:number] else objects[name]
        annotations += [
            {"id": len(annotations) + n, "image_id": 1000 + number, **item} for n, item in enumerate(listed)
        ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]}


def zipped(members: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in members.items():
            file = io.BytesIO()
            tifffile.imwrite(file, array)
            archive.writestr(name, file.getvalue())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def source(pictures: Mapping[str, Any], objects: Mapping[str, Any]) -> dict[str, bytes]:
    """What the source's server has, by path."""
    members = {}
    for name, (image, _) in pictures.items():
        folder = "livecell_test_images" if name in TEST else "livecell_train_val_images"
        members[f"images/{folder}/{name.partition('_')[0]}/{name}"] = image
    files = {"train": [TRAIN, BOTH, BOTH], "val": [BOTH], "test": TEST}
    texts = {role: json.dumps(coco(names, objects)).encode() for role, names in files.items()}
    found = {f"{ANNOTATIONS}/livecell_coco_{role}.json": text for role, text in texts.items()}
    few = f"{ANNOTATIONS}_dataset_size_split/0_train2percent.json"
    return found | {IMAGES: zipped(members), few: json.dumps(coco([TRAIN], objects)).encode()}


@pytest.fixture
def card(server: Any, source: Mapping[str, bytes], fresh_cache: Path, tmp_path: Path) -> Callable[[str], str]:
    """Path of a bundled card whose sources are on the test's server, with an empty cache."""
    server.files |= source

    def write(id: str) -> str:
        text = (bundled("datasets") / f"{id}.toml").read_text()
        path = tmp_path / f"{id}.toml"
        path.write_text(text.replace(HOST, server.url("")))
        return str(path)

    return write


def test_each_image_comes_once_in_test_before_validation_before_train(card: Callable[[str], str], objects: Any):
    data = load_dataset(card("livecell"), progress=False)
    splits = {**dict.fromkeys(TEST, "test"), BOTH: "validation", TRAIN: "train"}
    assert dict(data.table["split"]) == {Path(name).stem: split for name, split in splits.items()}
    assert dict(zip(data.table["stratum"], data.table["group"], strict=True)) == {
        "A172": "A172-C7", "MCF7": "MCF7-D4", "SkBr3": "SkBr3-E5"}  # fmt: skip
    assert data[Path(TEST[0]).stem].group == "A172-B7"
    both = data[Path(BOTH).stem].objects
    assert both is not None
    assert len(both) == len(objects[BOTH]), "the entry with the most objects"
    assert data.card.subset_of("SkBr3") == ["skbr3"]
    assert not data.leaks()


def test_pixels_and_masks_of_every_kind_come_back(card: Callable[[str], str], pictures: Any):
    data = load_dataset(card("livecell"), progress=False)
    for name in TEST:
        image, labels = pictures[name]
        sample = data[Path(name).stem]
        np.testing.assert_array_equal(sample.image.values, image)
        masks = sample.objects
        assert masks is not None
        assert len(masks) == labels.max()
        owner, index = masks.pixels
        for number in range(len(masks)):
            mask = np.zeros(SHAPE, bool)
            mask.flat[index[owner == number]] = True
            wanted = grown(labels, number + 1)
            if name == TEST[0] and number == TWO_PARTS:
                wanted[500:510, 600:610] = True
            exact = name == TEST[0] and number in (CROWD, PACKED, COUNTS)
            least = 1.0 if exact else 0.85  # outlines cut the corners of pixels
            assert (mask & wanted).sum() / (mask | wanted).sum() >= least
        assert masks.crowd.tolist() == [name == TEST[0] and number == CROWD for number in range(len(masks))]
        assert masks.sizes.sum() > np.count_nonzero(sample.target), "they overlap"
        np.testing.assert_array_equal(sample.target, masks.labels())


def test_the_decoded_cache_needs_no_server_and_notices_a_mask_that_changed(card: Callable[[str], str], server: Any):
    first = load_dataset(card("livecell"), progress=False)
    server.files.clear()
    again = load_dataset(card("livecell"), progress=False)
    assert again.digest == first.digest
    id = Path(TEST[0]).stem
    assert again[id].objects is not None
    other = first.folder / "objects" / f"{Path(TRAIN).stem}.parquet"
    (first.folder / "objects" / f"{id}.parquet").write_bytes(other.read_bytes())
    with pytest.raises(DataError, match=f"sample '{id}' changed since its digest was taken"):
        again[id]
    (first.folder / "objects" / f"{id}.parquet").write_bytes(b"not one")
    with pytest.raises(DataError, match="no table of the runs of masks"):
        again[id]


def test_a_baseline_gets_a_row_by_the_masks_and_another_by_the_label_images(card: Callable[[str], str], tmp_path: Path):
    aps = {}
    for id in ("livecell", "livecell-labels"):
        table = zooscope.evaluate("baseline:otsu-watershed@1", card(id), reports=tmp_path / "reports")
        assert {"a172", "skbr3"} <= set(table["subset"])
        (result,) = Results(tmp_path / "reports").all(dataset=f"{id}@1", split="test")
        assert not result.has_predictions, "the licence does not let them be published"
        assert result.run["dataset"]["card"]["licence"] == "CC-BY-NC-4.0"
        (first, second) = result.detections["mask"]
        aps[id] = (first.protocol.name, first.protocol.max_detections[-1], int(first.truths[0]), second)
    assert aps["livecell"][:2] == aps["livecell-labels"][:2] == ("livecell", 2000)
    assert aps["livecell"][2] >= aps["livecell-labels"][2], "an object that others cover is one by its mask alone"
    assert aps["livecell"][3].truths.tolist() != aps["livecell-labels"][3].truths.tolist(), "sizes are those of masks"


def test_label_images_hold_no_object_under_fifty_pixels(card: Callable[[str], str]):
    masks, labels = (load_dataset(card(id), progress=False) for id in ("livecell", "livecell-labels"))
    for sample in labels:
        assert sample.objects is None
        sizes = np.bincount(sample.target.ravel())[1:]
        assert set(sizes[sizes < 50]) <= {0}
        kept = np.isin(masks[sample.id].target, np.unique(sample.target))
        np.testing.assert_array_equal(sample.target, np.where(kept, masks[sample.id].target, 0))
    small = [np.bincount(sample.target.ravel())[1:] for sample in masks]
    assert any(((sizes > 0) & (sizes < 50)).any() for sizes in small), "there was something to take out"


def test_a_part_of_train_is_a_card_of_its_own_and_shares_the_downloads(card: Callable[[str], str], server: Any):
    whole, few = (load_dataset(card(id), progress=False) for id in ("livecell", "livecell-train02"))
    assert few.only("train").ids == [Path(TRAIN).stem]
    assert few.only("test").ids == whole.only("test").ids
    assert server.requested.count(IMAGES) == 1


def test_every_livecell_card_is_non_commercial_and_scored_by_its_protocol():
    cards = [find_card(id)[0] for id in card_ids() if id.startswith("livecell")]
    assert len(cards) == 7
    for found in cards:
        assert (found.licence, found.detection_protocol) == ("CC-BY-NC-4.0", "livecell")
        assert not found.publish_predictions
        assert found.id == "livecell" or {source.folder for source in found.sources} == {"livecell"}


def refused(card: Callable[[str], str]) -> str:
    with pytest.raises(DataError) as error:
        load_dataset(card("livecell"), progress=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(source: Mapping[str, bytes], role: str, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    path = f"{ANNOTATIONS}/livecell_coco_{role}.json"
    content = json.loads(source[path])
    change(content)
    return {path: json.dumps(content).encode()}


def test_a_json_that_is_cut_is_named_and_nothing_is_left(
    card: Callable[[str], str], server: Any, source: Mapping[str, bytes], fresh_cache: Path
):
    path = f"{ANNOTATIONS}/livecell_coco_val.json"
    server.files[path] = source[path][:-500]
    text = refused(card)
    assert "livecell_coco_val.json: not whole JSON" in text
    assert text.endswith("delete the file and fetch again")
    assert not list((fresh_cache / "data").glob("livecell*"))
    server.files[path] = source[path]
    assert len(load_dataset(card("livecell"), progress=False)) == 4


@pytest.mark.parametrize("path", [f"{ANNOTATIONS}/livecell_coco_val.json", IMAGES])
def test_only_the_source_that_is_broken_is_fetched_again(
    card: Callable[[str], str], server: Any, source: Mapping[str, bytes], fresh_cache: Path, path: str
):
    server.files[path] = source[path][:-500]
    refused(card)
    kept = {file.name for file in (fresh_cache / "downloads" / "livecell").iterdir()} - {".lock"}
    assert kept == {Path(url).name for url in server.requested} - {Path(path).name}
    assert len(kept) == 3
    server.files[path] = source[path]
    server.requested.clear()
    load_dataset(card("livecell"), progress=False)
    assert server.requested == [path]


def test_an_image_that_is_missing_is_named(card: Callable[[str], str], server: Any, source: Mapping[str, bytes]):
    server.files |= changed(
        source, "train", lambda c: c["images"][0].update(file_name="BV2_Phase_A1_1_00d00h00m_1.tif")
    )
    text = refused(card)
    assert "images.zip: has no BV2_Phase_A1_1_00d00h00m_1.tif in livecell_train_val_images/" in text
    assert "livecell_coco_train.json lists; delete both files and fetch again" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda c: c["images"][0].update(height=519),
            r"is \(520, 704\), but .*livecell_coco_test.json says \(519, 704\)",
        ),
        (lambda c: c["images"].pop(), "has objects of 1 images that it does not list, the first is 1001"),
        (lambda c: c["annotations"][4].update(segmentation=[[1, 2, 3]]), "object 4 of A172_.* is neither polygons nor"),
        (lambda c: c["annotations"][4].pop("segmentation"), "object 4 of A172_.*'segmentation'"),
        (lambda c: c.pop("annotations"), "not COCO's images and annotations"),
    ],
)
def test_a_json_that_does_not_fit_is_named(
    card: Callable[[str], str], server: Any, source: Mapping[str, bytes], change: Any, said: str
):
    server.files |= changed(source, "test", change)
    with pytest.raises(DataError, match=said):
        load_dataset(card("livecell"), progress=False)


def test_a_name_of_another_kind_is_named(
    card: Callable[[str], str], server: Any, source: Mapping[str, bytes], pictures: Any
):
    server.files |= changed(source, "train", lambda c: c["images"][0].update(file_name="image1.tif"))
    server.files[IMAGES] = zipped({
        **{f"livecell_test_images/{name}": pictures[name][0] for name in TEST},
        **{f"livecell_train_val_images/{name}": pictures[BOTH][0] for name in (BOTH, "image1.tif")},
    })  # fmt: skip
    assert "'image1.tif' is not <Type>_Phase_<Well>_<Location>_<Time>_<Crop>.tif" in refused(card)
