"""TorchScript of strangers: it computes, but its code reaches no file, also where it tries to hide that."""

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zooscope.errors import PackageError
from zooscope.package import open_package
from zooscope.predict import torchscript_code
from zooscope.predict.backends import torchscript_network
from zooscope.predict.torchscript_code import looked_over

BATCH = np.ones((1, 1, 8, 8), np.float32)
HIDDEN = [
    'torch.save(x, "{path}")',
    'ops.aten.save(x, "{path}")',
    'getattr(torch, "save")(x, "{path}")',
    'getattr(torch, "sa" "ve")(x, "{path}")',
    'getattr(ops.aten, "\\163ave")(x, "{path}")',
    'torch.save # (\n    (x, "{path}")',
    "write = torch.save\n    write(x, '{path}')",
]


def reason(weights: bytes) -> str:
    with pytest.raises(PackageError) as error:
        torchscript_network(weights, device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def rewritten(weights: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """An archive with each member changed, or left out where that gives None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights)) as archive, zipfile.ZipFile(out, "w") as copy:
        for name in archive.namelist():
            if (content := change(name, archive.read(name))) is not None:
                copy.writestr(name, content)
    return out.getvalue()


def with_statement(weights: bytes, old: str, statement: str) -> bytes:
    """An archive whose code has another statement in place of the line that holds `old`."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(".py"):
            return content
        lines = [f"    {statement}" if old in line else line for line in content.decode().splitlines()]
        return "\n".join(lines).encode() + b"\n"

    return rewritten(weights, change)


@pytest.mark.parametrize("statement", HIDDEN)
def test_code_that_writes_a_file_is_refused_however_it_is_written(
    torchscript: Callable[..., bytes], tmp_path: Path, statement: str
):
    path = tmp_path / "written"
    weights = torchscript("writes-file", path="elsewhere")
    hostile = with_statement(weights, "torch.save", statement.format(path=path))
    assert reason(hostile) == "its TorchScript code uses 'save', which reaches beyond the network; refused"
    assert not path.exists()
    # and it is no fancy: torch itself runs it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "#" not in statement:
            torch.jit.load(io.BytesIO(hostile))(torch.zeros(1))
            assert path.exists()


def test_code_that_maps_a_file_is_refused(torchscript: Callable[..., bytes], tmp_path: Path):
    weights = torchscript("maps-file", path=str(tmp_path / "mapped"))
    assert "uses 'from_file', which reaches beyond the network" in reason(weights)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("y = ops.image.read_file('/etc/passwd')", "ops.image"),
        ("y = getattr(ops, 'image').read_file('/etc/passwd')", "ops.image"),
        ("y = __torch__.torch.classes.dist_c10d.Store()", "dist_c10d"),
        ("y = getattr(x, name)", "getattr"),
    ],
)
def test_other_ways_out_are_refused(torchscript: Callable[..., bytes], statement: str, named: str):
    hostile = with_statement(torchscript("writes-file", path=""), "torch.save", statement)
    assert reason(hostile).startswith(f"its TorchScript code uses '{named}'")


def test_code_that_is_not_understood_is_refused(torchscript: Callable[..., bytes]):
    hostile = with_statement(torchscript("writes-file", path=""), "torch.save", "torch.\0save(x)")
    assert "its TorchScript weights cannot be loaded" in reason(hostile)


def test_a_bomb_inside_is_refused(torchscript: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torchscript_code, "MAX_BYTES", 2**24)
    with zipfile.ZipFile(out := io.BytesIO(torchscript("sigmoid")), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/9", bytes(2**24))
    assert "its TorchScript weights: claims to unpack from" in reason(out.getvalue())


def test_an_archive_of_the_old_kind_is_refused(torchscript: Callable[..., bytes]):
    with zipfile.ZipFile(out := io.BytesIO(torchscript("sigmoid")), "a") as archive:
        archive.writestr("archive/model.json", "{}")
    assert "no TorchScript archive" in reason(out.getvalue())


def test_a_pickle_of_a_state_dict_is_no_torchscript():
    torch.save({"a": torch.zeros(1)}, out := io.BytesIO())
    assert "no TorchScript archive" in reason(out.getvalue())


class Nested(nn.Module):
    """Layers by number, a buffer, an integer type and a saved name: what ordinary archives hold."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()))
        self.saved = 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() != 4:
            raise ValueError("a batch is expected; save( it")
        return self.layers(x) * self.saved


def test_ordinary_archives_compute_what_they_did():
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(Nested().eval())
        torch.jit.save(scripted, out := io.BytesIO())
    expected = scripted(torch.from_numpy(BATCH)).detach().numpy()
    np.testing.assert_array_equal(torchscript_network(out.getvalue(), device="cpu")(BATCH), expected)


@pytest.mark.parametrize("name", ["unet2d-nuclei-broad-v0.4.zip", "unet2d-nuclei-broad-v0.5.zip"])
def test_real_weights_pass_unchanged(mirror: Path, name: str):
    path = mirror / "packages" / name
    if not path.is_file():
        pytest.skip(f"{path} is not in the mirror")
    weights = open_package(path).read_weights("torchscript")
    with (
        zipfile.ZipFile(io.BytesIO(weights)) as one,
        zipfile.ZipFile(io.BytesIO(looked_over(weights))) as two,
    ):
        assert one.namelist() == two.namelist()
        assert all(one.read(member) == two.read(member) for member in one.namelist())
