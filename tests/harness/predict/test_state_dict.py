"""State dicts: built by the package's own Python or a library, only with trust, and never unpickled freely."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from zooscope import load_model
from zooscope.contender import contender
from zooscope.data import Dataset
from zooscope.errors import PackageError
from zooscope.package import open_package

MakePackage = Callable[..., Path]

ARCHITECTURE = b"""
import torch


class Foreground(torch.nn.Module):
    def __init__(self, steep=1.0):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)
        self.steep = steep

    def forward(self, x):
        return torch.sigmoid(self.steep * self.conv(x))
"""


class Bomb:
    """Makes a file when it is unpickled freely."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def state_dict() -> dict[str, torch.Tensor]:
    kernel = torch.full((1, 1, 3, 3), 1 / 9)
    return {"conv.weight": kernel, "conv.bias": torch.tensor([-0.3])}


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def make_state_dict(make_package: MakePackage) -> Callable[..., Path]:
    """A package with a state dict alone, or (`beside`) beside TorchScript."""

    def make(
        weights: bytes | None = None,
        *,
        code: bytes = ARCHITECTURE,
        architecture: dict[str, Any] | None = None,
        name: str = "weights.pth",
        beside: bool = False,
        **others: Any,
    ) -> Path:
        weights = saved(state_dict()) if weights is None else weights
        own = {"source": "arch.py", "callable": "Foreground", "sha256": hashlib.sha256(code).hexdigest()}
        entry = {
            "source": name,
            "sha256": hashlib.sha256(weights).hexdigest(),
            "architecture": architecture or {**own, "kwargs": {"steep": 20.0}},
            "pytorch_version": "2.5.1",
        }

        def edit(rdf: dict[str, Any]) -> None:
            rdf["weights"] = {"pytorch_state_dict": entry, **(rdf["weights"] if beside else {})}

        return make_package(edit=edit, files={name: weights, "arch.py": code, **others.pop("files", {})}, **others)

    return make


def convolved(image: np.ndarray) -> np.ndarray:
    """What the convolution makes of a normalised image, computed apart."""
    return ndimage.uniform_filter(np.pad(image, 1), 3)[1:-1, 1:-1] - 0.3


def test_a_state_dict_runs_with_trust_and_gives_what_its_architecture_computes(
    make_state_dict: MakePackage, demo: Dataset
):
    model = load_model(make_state_dict(), trust=True, device="cpu")
    assert model.weights_format == "pytorch_state_dict"
    image = next(s for s in demo if s.axes == "yx" and max(s.target.shape) == 256).image
    ready, _ = model.package.processing().begin(image.values[None].astype(np.float32))
    np.testing.assert_allclose(model.maps(image)[0], 1 / (1 + np.exp(-20 * convolved(ready[0]))), atol=2e-5)


def test_without_trust_the_refusal_says_what_would_run(make_state_dict: MakePackage):
    told = r"runs the package's own Python, which --trust allows: Foreground of arch\.py \(pytorch_state_dict\)"
    path = make_state_dict()
    with pytest.raises(PackageError, match=told):
        load_model(path, device="cpu")
    assert "Foreground of arch.py" in str(contender(str(path)).reason)


def test_torchscript_is_preferred_also_with_trust(make_state_dict: MakePackage):
    package = open_package(make_state_dict(beside=True))
    assert package.choose_weights(trust=True) == "torchscript"
    assert package.choose_weights("pytorch_state_dict", trust=True) == "pytorch_state_dict"
    with pytest.raises(PackageError, match="which --trust allows"):
        package.choose_weights("pytorch_state_dict")


def test_the_key_names_the_format_and_its_weights_but_not_the_trust(make_state_dict: MakePackage):
    path = str(make_state_dict(beside=True))
    plain, trusted = contender(path), contender(path, trust=True)
    assert plain.protocol == trusted.protocol
    found = contender(path, weights="pytorch_state_dict", trust=True)
    assert (found.digest, found.protocol["weights"]) == (plain.digest, "pytorch_state_dict")
    other = make_state_dict(saved({**state_dict(), "conv.bias": torch.tensor([0.0])}), beside=True, at="b.zip")
    assert contender(str(other)).protocol == plain.protocol
    changed = contender(str(other), weights="pytorch_state_dict", trust=True)
    assert changed.protocol["weights_digest"] != found.protocol["weights_digest"]


def test_another_architecture_is_another_model(make_state_dict: MakePackage):
    one, two = make_state_dict(), make_state_dict(code=ARCHITECTURE + b"\n", at="b.zip")
    assert open_package(one).digest != open_package(two).digest


def test_an_architecture_of_a_library_is_imported(make_state_dict: MakePackage, demo: Dataset):
    library = {"callable": "Conv2d", "import_from": "torch.nn"}
    library["kwargs"] = {"in_channels": 1, "out_channels": 1, "kernel_size": 3, "padding": 1}  # type: ignore[assignment]
    weights = {name.removeprefix("conv."): value for name, value in state_dict().items()}
    path = make_state_dict(saved(weights), architecture=library)
    with pytest.raises(PackageError, match=r"Conv2d of the installed library torch\.nn"):
        load_model(path, device="cpu")
    image = next(s for s in demo if s.axes == "yx" and max(s.target.shape) == 256).image
    model = load_model(path, trust=True, device="cpu")
    ready, _ = model.package.processing().begin(image.values[None].astype(np.float32))
    np.testing.assert_allclose(model.maps(image)[0], convolved(ready[0]), atol=1e-5)


def test_safetensors_are_read(make_state_dict: MakePackage, demo: Dataset):
    from safetensors.torch import save

    image = demo[demo.ids[0]].image
    plain = load_model(make_state_dict(), trust=True, device="cpu").maps(image)
    path = make_state_dict(save(state_dict()), name="weights.safetensors", at="safe.zip")
    np.testing.assert_array_equal(load_model(path, trust=True, device="cpu").maps(image), plain)


def test_a_pickle_is_not_unpickled_even_with_trust(make_state_dict: MakePackage, tmp_path: Path):
    path = make_state_dict(saved({"conv.weight": Bomb(tmp_path / "ran")}))
    with pytest.raises(PackageError, match=r"its state dict does not fit Foreground of arch\.py \(Weights only load"):
        load_model(path, trust=True, device="cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": saved({"other": torch.zeros(1)})}, "its state dict does not fit Foreground of arch.py"),
        ({"code": b"import nowhere_to_be_found\n"}, "needs nowhere_to_be_found, which is not installed"),
        ({"code": b"Foreground = dict\n"}, "gives dict; a torch module is expected"),
        ({"code": b"a = 1\n"}, "cannot be built (AttributeError"),
        ({"code": b"def :\n"}, "cannot be built (SyntaxError"),
        ({"architecture": {"callable": "a", "import_from": "not_there"}}, "needs not_there, which is not installed"),
    ],
)
def test_what_cannot_be_built_is_a_reason(make_state_dict: MakePackage, options: dict[str, Any], reason: str):
    with pytest.raises(PackageError) as error:
        load_model(make_state_dict(**options), trust=True, device="cpu")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_architecture_file_is_refused(make_state_dict: MakePackage):
    with pytest.raises(PackageError, match=r"its architecture file 'arch\.py' is damaged"):
        open_package(make_state_dict(files={"arch.py": b"import os\n"}))


def test_a_row_of_a_state_dict_is_run_in_its_worker(
    make_state_dict: MakePackage, demo: Dataset, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    code = ARCHITECTURE + b"\nimport os, pathlib\npathlib.Path(os.environ['TOLD']).write_text(str(os.getpid()))\n"
    told = fresh_cache.parent / "told"
    monkeypatch.setenv("TOLD", str(told))
    found = contender(str(make_state_dict(code=code)), trust=True)
    assert found.open is not None
    assert not told.exists(), "nothing of it runs before the row does"
    with found.open() as predictor:
        maps = predictor.maps(demo[demo.ids[0]].image)
    assert maps.shape[0] == 1
    assert int(told.read_text()) != os.getpid()


CUSTOM = b"""
def brighten(amount):
    def run(array):
        return array + amount
    return run
"""


def test_a_custom_operation_runs_with_trust_alone(make_package: MakePackage, demo: Dataset):
    digest = hashlib.sha256(CUSTOM).hexdigest()
    operation = {"id": "custom", "callable": "brighten", "source": "op.py", "sha256": digest, "kwargs": {"amount": 2.0}}
    path = make_package(postprocessing=[operation], files={"op.py": CUSTOM})
    with pytest.raises(PackageError, match=r"which --trust allows: brighten of op\.py in its postprocessing"):
        load_model(path, device="cpu")
    image = demo[demo.ids[0]].image
    plain = load_model(make_package(at="plain.zip"), device="cpu").maps(image)
    np.testing.assert_allclose(load_model(path, trust=True, device="cpu").maps(image), plain + 2, atol=1e-6)
