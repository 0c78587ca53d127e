"""COCO's annotations: polygons and run lengths as pycocotools reads them, and files that are broken."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import draw, measure

from zooscope.data import Dataset
from zooscope.data.coco import CocoImage, read_coco, runs_of_counts
from zooscope.errors import DataError

SHAPE = (12, 10)
# What pycocotools 2.0.11 packs: mask.encode, or mask.frPyObjects and mask.merge of polygons
PACKED = [
    ([[2, 1, 8, 2, 7.4, 9.9, 2.2, 7]], "i0661O010O000f0"),
    ([[0.5, 0.5, 9.5, 3, 4, 11.5]], "=2:4L3N0ON2O1N3N:"),
    ([[-3, -2, 6, 4, 2, 20]], "0<1O1O001M3K`1"),
    ([[1, 1, 4, 1, 4, 4, 1, 4], [3, 3, 8.2, 3.7, 6, 9.1]], "=3900020N2OO0Mg0"),
    ([[1, 1, 9, 9, 9, 1, 1, 9]], "=76N2N2N10O2N2N2:"),
    ([[5, 2, 5, 2, 9, 8, 1, 10.3, 5, 2]], "e0192N2N1101O2M2O5"),
]
"""Corners within pixels, beyond the image, two polygons that overlap, lines that cross, a corner twice."""


def image(*segmentations: Any, shape: tuple[int, int] = SHAPE, **keys: Any) -> CocoImage:
    return CocoImage("a.tif", shape, [{"segmentation": s, **keys} for s in segmentations], Path("some.json"))


def packed(counts: str) -> dict[str, Any]:
    return {"size": list(SHAPE), "counts": counts}


def test_polygons_have_the_pixels_that_pycocotools_gives_them():
    for polygons, counts in PACKED:
        ours, theirs = image(polygons).masks(), image(packed(counts)).masks()
        assert len(ours) == 1
        np.testing.assert_array_equal(ours.labels(), theirs.labels())


def test_polygons_are_about_those_of_another_library(demo: Dataset):
    for sample in demo.only("validation"):
        mask = sample.target == 1
        outline = measure.find_contours(np.pad(mask, 1).astype(float), 0.5)[0][:, ::-1] - 0.5  # x, y of pixels' corners
        ours = image([outline.ravel().tolist()], shape=mask.shape).masks().labels() > 0
        other = draw.polygon2mask(mask.shape, outline[:, ::-1] - 0.5)
        assert (ours & mask).sum() / (ours | mask).sum() > 0.9
        assert (ours != other).sum() <= len(outline) / 2, "they differ on the outline alone"


def test_run_lengths_are_read_packed_or_not():
    counts = [13, 4, 8, 5, 90]
    plain = image({"size": list(SHAPE), "counts": counts}).masks()
    assert (plain.start.tolist(), plain.length.tolist()) == ([13, 25], [4, 5])
    theirs = image(packed("=481b2")).masks()
    np.testing.assert_array_equal(plain.labels(), theirs.labels())
    assert plain.labels()[1, 1] == 1, "down the columns"


def test_objects_keep_their_order_size_and_crowd_and_empty_ones_drop():
    square, dot = [[1, 1, 5, 1, 5, 5, 1, 5]], [[7, 7, 8, 7, 8, 8, 7, 8]]
    nothing = [[3, 3, 4, 4]]
    masks = image(square, nothing, dot, area=3.5, iscrowd=1).masks()
    assert masks.sizes.tolist() == [16, 1]
    assert masks.area.tolist() == [3.5, 3.5]
    assert masks.crowd.all()
    assert not masks.labels().any(), "a crowd is no object"


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([[1, 1, 5, 1, 5]], "a polygon is a list of x, y"),
        ([["a", 1, 5, 1, 5, 5]], "could not convert"),
        ([[1, 1, float("nan"), 1, 5, 5]], "a polygon is a list of x, y"),
        ({"size": [10, 12], "counts": [120]}, r"image of \[10, 12\], but it is \[12, 10\]"),
        ({"size": [12, 10], "counts": [1, 2]}, "do not fill 12x10 pixels"),
        ({"size": [12, 10], "counts": [200, -80]}, "do not fill"),
        ({"size": [12, 10], "counts": "=48 "}, "in packed run lengths"),
        ({"size": [12, 10], "counts": "=48P"}, "break off"),
        ({"size": [12, 10], "counts": [2**63]}, "too large"),
        ({"size": [12, 10], "counts": [float("inf")]}, "infinity"),
        ({"size": [12, 10], "counts": [2**63 - 1, 2**63 - 1, 122]}, "do not fill"),
        ({"size": [12, 10], "counts": "o" * 12 + "?"}, "too large"),
        ({"size": [12, 10], "counts": "o" * 100_000}, "a number beyond 64 bits"),
        ([[10**400, 1, 5, 1, 5, 5]], "too large"),
        ({"counts": [120]}, "size"),
        (None, "NoneType"),
        (7, "int"),
    ],
)
def test_an_object_that_is_none_is_named(segmentation: Any, said: str):
    with pytest.raises(DataError, match=said) as error:
        image(segmentation, id=17).masks()
    assert str(error.value).startswith("some.json: object 17 of a.tif is neither polygons nor run lengths (")
    assert "delete the file and fetch again" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("area", "said"), [("big", "could not convert"), (10**400, "too large"), ([], "list")], ids=["text", "huge", "list"]
)
def test_an_area_that_is_no_number_is_named(area: Any, said: str):
    with pytest.raises(DataError, match=said) as error:
        image([[1, 1, 5, 1, 5, 5]], id=17, area=area).masks()
    assert str(error.value).startswith("some.json: object 17 of a.tif has an area that is no number (")
    assert str(error.value).endswith("delete the file and fetch again")


def test_an_area_that_is_null_is_the_number_of_pixels():
    masks = image([[1, 1, 5, 1, 5, 5]], area=None).masks()
    assert masks.area.tolist() == masks.sizes.tolist()


def content(**changes: Any) -> dict[str, Any]:
    images = [{"id": 1, "file_name": "a.tif", "height": 12, "width": 10}]
    annotations = [{"id": 5, "image_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]], "category_id": 1}]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1}], **changes}


def sized(height: Any) -> str:
    """A file whose one image is so high."""
    return json.dumps(content(images=[{**content()["images"][0], "height": height}]))


def test_a_name_that_is_listed_twice_is_the_entry_with_most_objects(tmp_path: Path):
    path = tmp_path / "a.json"
    given = content()
    given["images"] += [{**given["images"][0], "id": 2}, {**given["images"][0], "id": 3}]
    given["annotations"] = [
        {**given["annotations"][0], "image_id": id, "id": n} for n, id in enumerate([1, 2, 3, 2, 3])
    ]
    path.write_text(json.dumps(given))
    (found,) = read_coco(path)
    assert [item["image_id"] for item in found.objects] == [2, 2]


def test_annotations_may_be_a_table_by_their_ids(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content(annotations={"5": content()["annotations"][0]})))
    (found,) = read_coco(path)
    assert found.masks().sizes.tolist() == [6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(content())[:-40], "not whole JSON"),
        ("[" * 100_000, "not whole JSON"),
        ("[]", "not COCO's images and annotations (TypeError"),
        (json.dumps(content(images=[{"id": 1}])), "not COCO's images and annotations (KeyError: 'file_name')"),
        (json.dumps({"images": []}), "(KeyError: 'annotations')"),
        (sized(float("inf")), "(ValueError: a.tif of height inf and width 10)"),
        (sized(10**30), f"(ValueError: a.tif of height {10**30} and width 10)"),
        (sized(-12), "(ValueError: a.tif of height -12 and width 10)"),
        (sized(None), "(ValueError: a.tif of height None and width 10)"),
        (json.dumps(content(images=[])), "has objects of 1 images that it does not list, the first is 1"),
    ],
)
def test_a_file_that_is_broken_is_named(tmp_path: Path, text: str, said: str):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        list(read_coco(path))
    assert str(error.value).startswith(f"{path}: ")
    assert said in str(error.value)
    assert str(error.value).endswith("delete the file and fetch again")
    assert "\n" not in str(error.value)


def test_runs_of_nothing_are_nothing():
    starts, lengths = runs_of_counts([120], [12, 10], shape=SHAPE)
    assert len(starts) == len(lengths) == 0
