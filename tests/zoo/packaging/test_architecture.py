"""The architecture file: one text that stands on its own."""

import sys
import types
from pathlib import Path

import pytest
import torch

from zooscope.errors import ZooscopeError
from zooscope_zoo.packaging.architecture import architecture, merge
from zooscope_zoo.packaging.trained import read_run


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


def test_with_test_time_augmentation_a_turned_image_gets_the_turned_answer(unet_run: Path):
    trained = read_run(unet_run)
    image = torch.rand(2, 1, 64, 96)
    once, turned = architecture(trained).build(), architecture(trained, tta=True).build()
    for network in (once, turned):
        network.load_state_dict(trained.weights)
    with torch.no_grad():
        rotations = [torch.rot90(once(torch.rot90(image, k, (2, 3))), -k, (2, 3)) for k in range(4)]
        mirrored = [torch.rot90(once(torch.rot90(image.flip(3), k, (2, 3))), -k, (2, 3)).flip(3) for k in range(4)]
        torch.testing.assert_close(turned(image), torch.stack([*rotations, *mirrored]).mean(0))


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
