"""Cards: what they hold, and what is said of one that is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zooscope.bundled import bundled
from zooscope.data import Dataset, load_dataset
from zooscope.data.card import card_ids, find_card, load_card
from zooscope.data.readers import split_table
from zooscope.errors import DataError, UsageError

WriteCard = Callable[..., Path]
UNPINNED = {
    "bbbc038", "bbbc039", "bsd68-n2v", "care-planaria", "care-tribolium", "cellpose", "convallaria",
    "denoiseg-dsb-n0", "denoiseg-dsb-n10", "denoiseg-dsb-n20", "embedseg-bbbc010-2012", "embedseg-dsb-2018",
    "embedseg-usiigaci-2017", "fmd", "livecell", "livecell-labels", "livecell-train02", "livecell-train04",
    "livecell-train05", "livecell-train25", "livecell-train50", "mouse-actin", "mouse-nuclei", "n2v-sem",
    "struct-convallaria", "w2s"}  # fmt: skip
"""Nobody here has fetched them."""
SOURCE = {"file": "a.zip", "url": "https://example.org/a.zip"}


def refused(path: Path) -> str:
    """What load_card says of a wrong card: one line that names the file."""
    with pytest.raises(DataError) as error:
        load_card(path)
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_the_bundled_cards_are_the_known_ones():
    assert {"bbbc038", "bsd68", "demo", "dsb2018", "dsb2018-stardist", "fmd-mixed", "fmd-split"} <= set(card_ids())


@pytest.mark.parametrize("id", card_ids())
def test_a_bundled_card_loads_and_all_that_it_names_is_there(id: str):
    card, folder = find_card(id)
    assert card.name == f"{id}@{card.version}"
    for table in (card.split_table, card.group_table):
        if table:
            assert {"id", "group", "stratum", "split"} == set(next(iter(split_table(folder / table).values())))
    assert (card.reader is None) == (folder / id).is_dir()
    assert bool(card.sources) == (card.reader not in (None, "demo-images")), "the demo set is embedded"
    assert ("test" in card.splits) != (set(card.without_truth) == set(card.splits)), "what has truth can be ranked on"


def test_every_pinned_source_of_a_bundled_card_names_its_bytes_or_its_content():
    for id in set(card_ids()) - UNPINNED:
        card, _ = find_card(id)
        assert card.digest or all(source.sha256 for source in card.sources)


def test_a_split_without_truth_is_one_of_the_splits(write_card: WriteCard):
    text = refused(write_card(without_truth=["tset"]))
    assert "key 'without_truth': Value error, split 'tset' is not one of test" in text


def test_a_card_by_path_is_the_card_by_id():
    assert find_card(str(bundled("datasets") / "demo.toml")) == find_card("demo")


def test_a_typo_in_a_key_names_file_key_and_the_likely_right_one(write_card: WriteCard):
    text = refused(write_card(licenses="CC0-1.0", licence=None))
    assert "unknown key 'licenses', did you mean 'licence'?" in text
    assert "key 'licence' is missing" in text


def test_a_typo_in_a_source_is_looked_up_among_the_keys_of_a_source(write_card: WriteCard):
    text = refused(write_card(sources=[{**SOURCE, "sha265": "0" * 64}]))
    assert "unknown key 'sources.0.sha265', did you mean 'sha256'?" in text


def test_a_key_like_no_other_is_answered_with_all_that_are_known(write_card: WriteCard):
    text = refused(write_card(zzz=1))
    assert "unknown key 'zzz'; known are id, version, task" in text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", 1, "key 'version': Input should be a valid string, but it is 1"),
        ("known_as", "dsb2018", "key 'known_as': Input should be a valid tuple, but it is 'dsb2018'"),
        ("publish_predictions", "perhaps", "key 'publish_predictions': "),
        ("digest", "abc", "key 'digest': String should match pattern"),
        ("task", "counting", "but it is 'counting'"),
        ("homepage", "example.org", "but it is 'example.org'"),
        ("sources", [{"file": "../a.zip", "url": SOURCE["url"]}], "key 'sources.0.file': "),
        ("sources", [{"file": "a.zip", "url": "file:///etc/passwd"}], "key 'sources.0.url': "),
        ("sources", [{"file": "a.zip"}], "key 'sources.0.url' is missing"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(write_card: WriteCard, key: str, value: object, said: str):
    assert said in refused(write_card(**{key: value}))


def test_a_missing_key_is_named(write_card: WriteCard):
    assert refused(write_card(citation=None)).endswith("key 'citation' is missing")


def test_the_id_of_a_card_is_the_name_of_its_file(write_card: WriteCard):
    path = write_card("tiny")
    other = path.rename(path.with_name("small.toml"))
    assert "id 'tiny' is not the file's name 'small'" in refused(other)


def test_what_is_no_toml_is_refused_with_the_place(tmp_path: Path):
    path = tmp_path / "tiny.toml"
    path.write_text('id = "tiny"\nversion = one\n')
    assert "not TOML" in refused(path)
    assert "line 2" in refused(path)


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "tiny.toml"
    path.write_bytes(b'id = "\xff\xfe"')
    assert "not TOML" in refused(path)


def test_a_card_that_is_not_there_is_refused(tmp_path: Path):
    assert "no such file" in refused(tmp_path / "absent.toml")


@pytest.mark.parametrize(("name", "close"), [("dsb2081", "dsb2018"), ("DSB2018", "dsb2018"), ("dmo", "demo")])
def test_an_unknown_data_set_is_answered_with_a_close_one(name: str, close: str):
    with pytest.raises(UsageError) as error:
        load_dataset(name)
    assert str(error.value) == (
        f"data set '{name}' is neither a folder nor one of {', '.join(card_ids())}; did you mean '{close}'?"
    )


def test_a_data_set_like_no_other_gets_no_suggestion():
    with pytest.raises(UsageError, match="neither a folder nor one of") as error:
        load_dataset("./zebrafish")
    assert "did you mean" not in str(error.value)


def test_an_unknown_split_is_answered_with_the_known_ones(demo: Dataset):
    with pytest.raises(UsageError, match="data set 'demo': split 'tset' is not one of test, validation"):
        load_dataset("demo", split="tset")
    with pytest.raises(UsageError, match="split 'train' is not one of"):
        demo.only("train")
