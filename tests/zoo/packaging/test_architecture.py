"""The architecture file: one text that stands on its own."""

import ast
import sys
import types
from pathlib import Path

import pytest
import torch

from zooscope.errors import ZooscopeError
from zooscope_zoo.packaging.architecture import architecture, merge
from zooscope_zoo.packaging.trained import read_run


def test_the_file_builds_the_very_network_and_needs_torch_alone(stardist_run: Path):
    trained = read_run(stardist_run)
    made = architecture(trained)
    imports = [node for node in ast.parse(made.source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {"torch", *sys.stdlib_module_names}
    assert made.callable == "StarDistNetwork"
    network = made.build()
    network.load_state_dict(trained.weights)
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(image), trained.network()(image), rtol=0, atol=0)


def test_settings_of_the_loss_do_not_reach_the_network(unet_run: Path):
    trained = read_run(unet_run)
    assert "loss" in trained.settings.model_dump()
    assert "loss" not in architecture(trained).kwargs


def test_channels_last_is_the_same_network_turned(stardist_run: Path):
    trained = read_run(stardist_run)
    image = torch.rand(2, 1, 64, 96)
    first, last = architecture(trained).build(), architecture(trained, channels_last=True).build()
    for network in (first, last):
        network.load_state_dict(trained.weights)
    with torch.no_grad():
        torch.testing.assert_close(last(image), first(image).permute(0, 2, 3, 1), rtol=0, atol=0)


@pytest.mark.parametrize(
    "line", ["from zooscope.errors import UsageError", "import zooscope_zoo.method", "from . import unet"]
)
def test_an_import_that_would_not_travel_is_refused(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a_network_for_this_test.py").write_text(f"import torch\n{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZooscopeError, match=r"a_network_for_this_test imports .* does not travel in the package"):
        merge(["a_network_for_this_test"])


def test_comments_and_every_other_import_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "part_one.py").write_text('"""One."""\n\nimport math\n\n# why\nA = math.pi\n')
    (tmp_path / "part_two.py").write_text('"""Two."""\n\nimport math\n\nfrom part_one import A\n\nB = 2 * A\n')
    monkeypatch.syspath_prepend(tmp_path)
    source = merge(["part_one", "part_two"])
    assert source.count("import math") == 1
    assert "# why" in source
    assert "part_one" not in source
    module = types.ModuleType("merged")
    exec(source, module.__dict__)
    assert vars(module)["B"] == pytest.approx(2 * 3.14159, abs=1e-4)
    assert "part_one" not in sys.modules
