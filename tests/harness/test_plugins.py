"""Entry points: what other distributions offer, found without importing it."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint

import pytest

from zooscope import plugins
from zooscope.errors import UsageError


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes distributions offer `name = value` in a group."""

    def set_to(group: str, *pairs: tuple[str, str]) -> None:
        points = [EntryPoint(name, value, f"zooscope.{group}") for name, value in pairs]
        monkeypatch.setattr(plugins, "entry_points", lambda *, group: [p for p in points if p.group == group])
        plugins._found.cache_clear()

    yield set_to
    plugins._found.cache_clear()


def test_what_zooscope_itself_offers_is_installed():
    assert {"boundary-watershed", "stardist", "threshold-components"} <= set(plugins.names("decoders"))
    assert "nuclei-tiny" in plugins.names("models")


def test_names_are_sorted_and_nothing_is_imported_for_them(offer: Callable[..., None]):
    offer("methods", ("zeta", "nowhere.at.all:Zeta"), ("alpha", "nowhere.at.all:Alpha"))
    assert plugins.names("methods") == ["alpha", "zeta"]
    assert plugins.names("commands") == []
    with pytest.raises(ModuleNotFoundError):
        plugins.load("methods", "zeta")


def test_an_object_is_imported_when_it_is_loaded(offer: Callable[..., None]):
    offer("methods", ("alpha", "collections:OrderedDict"))
    from collections import OrderedDict

    assert plugins.load("methods", "alpha") is OrderedDict


def test_a_name_that_nobody_offers_is_named_beside_those_that_are(offer: Callable[..., None]):
    offer("methods", ("alpha", "collections:OrderedDict"))
    with pytest.raises(UsageError, match="methods: 'beta' is not one of alpha"):
        plugins.load("methods", "beta")
    with pytest.raises(UsageError, match="decoders: 'beta' is not one of none is installed"):
        plugins.load("decoders", "beta")


def test_two_that_offer_one_name_are_an_error_that_names_both(offer: Callable[..., None]):
    offer("decoders", ("stardist", "one:decoder"), ("stardist", "two:decoder"))
    with pytest.raises(UsageError, match="decoders: 'stardist' is offered twice, by one:decoder and two:decoder"):
        plugins.names("decoders")


def test_one_that_is_installed_twice_is_no_clash(offer: Callable[..., None]):
    offer("decoders", ("stardist", "one:decoder"), ("stardist", "one:decoder"))
    assert plugins.names("decoders") == ["stardist"]
