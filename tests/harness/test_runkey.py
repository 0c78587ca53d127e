"""Keys: the same work has the same name everywhere."""

import datetime

import pytest

from zooscope.runkey import canonical, digest_of


def test_a_key_is_the_sha256_of_canonical_json():
    assert canonical([{"b": 1, "a": [2.5, None, True, "ü"]}]) == '[{"a":[2.5,null,true,"\\u00fc"],"b":1}]'
    # sha256sum of that text, computed with coreutils
    assert digest_of({"b": 1, "a": [2.5, None, True, "ü"]}) == (
        "85e5d323d4bfc0b9c1841bbe9f2358e83325f1b14d2c3da22fb9cb7c3f5bd485"
    )


def test_the_order_of_keys_does_not_matter():
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (([1, 2],), ([2, 1],)),
        ((1,), ("1",)),
        ((1,), (1.0,)),
        ((None,), ("",)),
        ((["a"], "b"), ("a", ["b"])),
        (({},), ()),
    ],
)
def test_different_parts_have_different_keys(one: tuple[object, ...], two: tuple[object, ...]):
    assert digest_of(*one) != digest_of(*two)


def test_a_date_counts_as_its_text():
    assert digest_of(datetime.date(2026, 1, 2)) == digest_of("2026-01-02")
