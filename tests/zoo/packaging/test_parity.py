"""Parity: a package whose weights formats disagree is never written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from zooscope.errors import ZooscopeError
from zooscope.predict.tiling import AxisSize
from zooscope_zoo.packaging import formats
from zooscope_zoo.packaging.export import export
from zooscope_zoo.packaging.parity import parity_sizes, prove_parity
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.packaging.weights import STATE_DICT, state_dict_bytes


@pytest.fixture(scope="module")
def made(unet_run: Path) -> formats.Formats:
    """All formats of the small U-Net."""
    return formats.make_formats(read_run(unet_run))


def moved(trained: Trained) -> bytes:
    """Weights of another network: the head's bias a little higher."""
    return state_dict_bytes({**trained.weights, "head.bias": trained.weights["head.bias"] + 0.01})


def test_sizes_are_allowed_ones_and_not_all_square():
    sizes = AxisSize(120, 8)
    found = parity_sizes([sizes, sizes])
    assert found[0] == (120, 120)
    assert all(sizes.at_least(edge) == edge for size in found for edge in size)
    assert any(y > x for y, x in found)
    assert any(y < x for y, x in found)
    for volume in parity_sizes([AxisSize(4, 4), sizes, sizes]):
        assert [size.at_least(edge) for size, edge in zip((AxisSize(4, 4), sizes, sizes), volume, strict=True)] == [
            *volume
        ]


def test_a_format_that_differs_is_named_with_size_and_figure(made: formats.Formats, unet_run: Path):
    trained = read_run(unet_run)
    files = {**made.files, STATE_DICT: moved(trained)}
    line = r"parity: TorchScript at \d+x\d+ px differs from the state dict by 0\.00\d+; allowed is 0\.0001"
    with pytest.raises(ZooscopeError, match=line):
        prove_parity(files, made.architecture, made.ready, sizes=[trained.sizes, trained.sizes])


def test_an_export_whose_formats_disagree_leaves_no_package(
    made: formats.Formats, unet_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def damaged(trained: Trained, code: Any) -> Mapping[str, bytes]:
        return {**made.files, STATE_DICT: moved(trained)}

    monkeypatch.setattr(formats, "weights_files", damaged)
    with pytest.raises(ZooscopeError, match="parity"):
        export(unet_run, tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []
