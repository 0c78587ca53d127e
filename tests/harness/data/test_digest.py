"""Digests: one content, one digest, however it is stored."""

import hashlib

import numpy as np

from zooscope.data import Dataset
from zooscope.data.digest import array_digest, rows_digest

ROW = {"id": "a", "group": "g", "stratum": "all", "split": "test", "image_sha256": "1", "target_sha256": "2"}


def test_the_digest_is_sha256_over_dtype_shape_and_bytes():
    array = np.array([[1, 2, 3], [4, 5, 256]], np.uint16)
    content = b"<u2[2, 3]" + b"\1\0\2\0\3\0\4\0\5\0\0\1"
    assert array_digest(array) == hashlib.sha256(content).hexdigest()


def test_memory_layout_and_byte_order_make_no_difference(demo: Dataset):
    image = demo[demo.ids[0]].image.values.astype(np.uint16) * 200
    digest = array_digest(image)
    assert array_digest(np.asfortranarray(image)) == digest
    assert array_digest(image.astype(">u2")) == digest
    assert array_digest(np.repeat(image, 2, axis=0)[::2]) == digest


def test_one_pixel_the_dtype_or_the_shape_makes_a_difference(demo: Dataset):
    image = demo[demo.ids[0]].image.values
    changed = image.copy()
    changed[-1, -1] ^= 1
    others = [changed, image.astype(np.uint16), image.reshape(-1, 2 * image.shape[1]), image.astype(np.float32)]
    assert len({array_digest(array) for array in [image, *others]}) == 5


def test_the_order_of_rows_and_further_keys_make_no_difference():
    other = {**ROW, "id": "b"}
    assert rows_digest([ROW, other]) == rows_digest([{**other, "mask": "b.tif"}, ROW])


def test_every_key_of_a_row_makes_a_difference():
    digests = {rows_digest([{**ROW, key: "changed"}]) for key in ROW}
    assert len(digests | {rows_digest([ROW]), rows_digest([ROW, ROW]), rows_digest([])}) == len(ROW) + 3


def test_the_demo_set_holds_what_its_card_says(demo: Dataset):
    rows = []
    for sample in demo:
        split = str(demo.table.loc[sample.id, "split"])
        digests = {"image_sha256": array_digest(sample.image.values), "target_sha256": array_digest(sample.target)}
        rows.append({"id": sample.id, "group": sample.group, "stratum": sample.stratum, "split": split, **digests})
    assert rows_digest(rows) == demo.card.digest == demo.digest
