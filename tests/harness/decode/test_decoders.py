"""What every decoder owes, and which one decodes a package."""

import ast
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from zooscope import plugins
from zooscope.decode import decoder_for, find_decoder, parameters, task_of
from zooscope.errors import PackageError
from zooscope.levels import of_image
from zooscope.package import open_package
from zooscope.sample import Task

DECODERS = plugins.names("decoders")
FINDERS = [id for id in DECODERS if task_of(find_decoder(id)) is Task.INSTANCE_SEGMENTATION]
ALLOWED = {"numpy", "scipy", "skimage", "torch", "stardist", "typing", "collections", "__future__"}

MakePackage = Callable[..., Path]


def test_the_three_decoders_are_installed():
    assert {"threshold-components", "boundary-watershed", "stardist"} <= set(DECODERS)


@pytest.mark.parametrize("id", DECODERS)
def test_a_decoder_is_one_file_that_stands_alone(id: str):
    tree = ast.parse(Path(inspect.getfile(find_decoder(id))).read_text())  # type: ignore[arg-type]
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [f"{'.' * node.level}{node.module}"]
        )
    }
    assert {name.partition(".")[0] for name in imported} <= ALLOWED


@pytest.mark.parametrize("id", DECODERS)
def test_what_tuning_tries_are_parameters_with_defaults(id: str):
    decoder = find_decoder(id)
    assert decoder.VERSION >= 1
    assert set(decoder.SEARCH) <= set(parameters(decoder.decode))
    assert all(len(set(values)) == len(values) > 1 for values in decoder.SEARCH.values())


@pytest.mark.parametrize("id", FINDERS)
def test_labels_are_numbered_without_gaps_and_have_one_score_each(id: str):
    rng = np.random.default_rng(0)
    noise = gaussian_filter(rng.random((9, 48, 40)), (0, 2, 2))
    maps = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)
    maps[1:] *= 6 if id in ("embedseg", "stardist", "splinedist") else 0.2
    decoder, seen = find_decoder(id), set()
    for values in itertools.product(*decoder.SEARCH.values()):
        labels, objects = decoder.decode(maps, (48, 40), **dict(zip(decoder.SEARCH, values, strict=True)))
        count = int(labels.max())
        assert set(np.unique(labels)) == set(range(1, count + 1)) | ({0} if (labels == 0).any() else set())
        assert labels.dtype == np.int32
        assert [len(column) for column in objects.values()] == [count] * len(objects)
        seen.add(count)
    assert max(seen) > 1


@pytest.mark.parametrize("id", DECODERS)
def test_the_same_maps_give_the_same_labels_and_are_left_alone(id: str):
    maps = np.random.default_rng(1).random((9, 32, 32)).astype(np.float32)
    kept = maps.copy()
    told = {"low": [3.0], "high": [40.0]} if of_image(find_decoder(id)) else {}
    first, _ = find_decoder(id).decode(maps, (32, 32), **told)
    second, _ = find_decoder(id).decode(maps, (32, 32), **told)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(maps, kept)


def named(id: str, version: int = 1, **params: Any) -> dict[str, Any]:
    return {"zooscope": {"decoder": {"id": id, "version": version, "params": params}}}


@pytest.mark.parametrize(("channels", "id"), [(1, "threshold-components"), (2, "boundary-watershed")])
def test_a_package_that_names_none_gets_the_one_for_its_channels(make_package: MakePackage, channels: int, id: str):
    package = open_package(make_package("twice" if channels == 2 else "sigmoid", channels_out=channels))
    assert package.decoder is None
    choice = decoder_for(package)
    assert (choice.id, dict(choice.params)) == (id, {})


def test_three_channels_and_no_decoder_have_a_reason_that_names_the_remedy(make_package: MakePackage):
    with pytest.raises(PackageError, match="gives 3 channels and names no decoder; choose one with --decoder"):
        decoder_for(open_package(make_package(channels_out=3)))


def test_a_package_that_names_its_decoder_is_run_as_it_says(make_package: MakePackage):
    package = open_package(make_package(config=named("threshold-components", threshold=0.7)))
    choice = decoder_for(package)
    assert (choice.id, choice.version, dict(choice.params)) == ("threshold-components", 1, {"threshold": 0.7})
    assert dict(decoder_for(package, "threshold-components").params) == {"threshold": 0.7}
    assert dict(decoder_for(package, "boundary-watershed").params) == {}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (named("magic"), "names the decoder 'magic', which is not one of boundary-watershed, "),
        (named("stardist", 7), "names the decoder stardist@7, but stardist@1 is installed"),
        (named("denormalise", low=[0.0]), "gives decoder denormalise the parameter 'low', which it does not have"),
        (named("stardist", colour=1), "gives decoder stardist the parameter 'colour', which it does not have"),
    ],
)
def test_a_decoder_that_is_not_here_is_the_packages_reason(make_package: MakePackage, config: object, reason: str):
    with pytest.raises(PackageError, match=reason):
        decoder_for(open_package(make_package(config=config)))


def test_a_wanted_decoder_that_is_not_here_is_an_error(make_package: MakePackage):
    with pytest.raises(PackageError, match="names the decoder 'magic', which is not one of"):
        decoder_for(open_package(make_package()), "magic")
