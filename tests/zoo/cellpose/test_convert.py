"""`convert-cellpose`: a checkpoint under Cellpose's own names becomes a package that answers as its network does."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from torch import Tensor
from typer.testing import CliRunner

from zooscope.check import check
from zooscope.errors import DataError, UsageError
from zooscope.model import load_model
from zooscope_zoo.cellpose.checkpoint import read_checkpoint, upstream_name
from zooscope_zoo.cellpose.convert import convert
from zooscope_zoo.cellpose.network import CellposeNetwork
from zooscope_zoo.cli import convert_cellpose
from zooscope_zoo.packaging.trained import Trained
from zooscope_zoo.train import train

SETTINGS = {"width": 4, "depth": 2, "style": True, "blank_channels": 1}


@pytest.fixture(scope="module")
def network() -> CellposeNetwork:
    """Untrained, of a seed, with statistics of batch norms that are not those of a new network."""
    torch.manual_seed(0)
    network = CellposeNetwork(**SETTINGS).train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.rand(4, 1, 32, 32))
    return network.eval()


def named_as_upstream(network: CellposeNetwork, **more: Tensor) -> dict[str, Tensor]:
    """A checkpoint's content."""
    depth = len(network.down) - 1
    return {upstream_name(name, depth=depth): value for name, value in network.state_dict().items()} | more


@pytest.fixture(scope="module")
def checkpoint(network: CellposeNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network's, with a diameter."""
    path = tmp_path_factory.mktemp("checkpoints") / "cells_of_ours"
    torch.save(named_as_upstream(network, diam_mean=torch.tensor([17.0]), diam_labels=torch.tensor([20.0])), path)
    return path


@pytest.fixture(scope="module")
def package(checkpoint: Path) -> Path:
    """Converted by the command."""
    path = checkpoint.with_suffix(".zip")
    done = CliRunner().invoke(convert_cellpose, [str(checkpoint), "-o", str(path), "--licence", "CC-BY-NC-4.0"])
    assert done.exit_code == 0, done.output
    return path


def test_names_are_those_of_cellposes_own_code() -> None:
    """Of cellpose 3.1.1.2's network, which counts the way up from the finest level."""
    assert upstream_name("down.1.convolutions.2.0.running_var", depth=3) == (
        "downsample.down.res_down_1.conv.conv_2.0.running_var"
    )
    assert upstream_name("down.0.shortcut.1.weight", depth=3) == "downsample.down.res_down_0.proj.1.weight"
    assert upstream_name("up.0.convolutions.0.2.weight", depth=3) == "upsample.up.res_up_3.conv.conv_0.2.weight"
    assert upstream_name("up.3.convolutions.1.2.bias", depth=3) == "upsample.up.res_up_0.conv.conv_1.conv.2.bias"
    assert upstream_name("up.3.styles.0.weight", depth=3) == "upsample.up.res_up_0.conv.conv_1.full.weight"
    assert upstream_name("head.2.weight", depth=3) == "output.2.weight"


def test_a_checkpoint_tells_the_networks_settings_and_the_objects_diameter(
    network: CellposeNetwork, checkpoint: Path
) -> None:
    found = read_checkpoint(checkpoint)
    assert {key: getattr(found.config, key) for key in SETTINGS} == SETTINGS
    assert found.diameter_px == 17
    assert all(torch.equal(found.weights[name], value) for name, value in network.state_dict().items())


def test_the_package_answers_as_the_checkpoints_network_does_to_percentiles_1_and_99(
    network: CellposeNetwork, package: Path
) -> None:
    image = np.random.default_rng(0).gamma(2, 300, (128, 160)).astype(np.float32)
    low, high = np.percentile(image, (1, 99))
    ready = torch.from_numpy((image - low) / (high - low + 1e-6))[None, None].float()
    with torch.inference_mode():
        expected = network(ready)[0].numpy()
    maps = load_model(package, device="cpu").maps(xr.DataArray(image, dims=("y", "x")))
    np.testing.assert_allclose(maps, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_the_package_passes_its_own_check_and_says_what_it_is_made_of(package: Path, checkpoint: Path) -> None:
    findings = list(check(package, trust=True))
    assert not [finding for finding in findings if finding.level == "error"]
    with zipfile.ZipFile(package) as archive:
        rdf, card = yaml.safe_load(archive.read("rdf.yaml")), archive.read("README.md").decode()
    told = rdf["config"]["zooscope"]
    assert told["object_diameter_px"] == 17
    assert told["decoder"]["params"] == {"cellprob_threshold": 0.0, "flow_threshold": 0.4, "min_size_px": 15}
    assert told["converted_from"]["file"] == checkpoint.name
    assert "training_data" not in told
    assert rdf["license"] == "CC-BY-NC-4.0"
    assert "Not told by what it was made of." in card


def test_a_training_goes_on_from_a_converted_package(package: Path, tmp_path: Path) -> None:
    settings = [f"network.{key}={str(value).lower()}" for key, value in SETTINGS.items()]
    quick = ("training.steps=1", "training.batch=1", "training.patch_px=32", "training.workers=0")
    train("cellpose", ["demo"], tmp_path, init=str(package), changes=[*settings, *quick], progress=False)


class Evil:
    """Code that a pickle would run."""

    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("code ran",))


def content_of(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"not a checkpoint", DataError, "no PyTorch file that holds tensors alone"),
        (pickle.dumps(Evil()), DataError, "no PyTorch file that holds tensors alone"),
        (content_of({"a": Evil()}), DataError, "no PyTorch file that holds tensors alone"),
        (content_of([1, 2]), DataError, "no state dict"),
        (content_of({"encoder.pos_embed": torch.zeros(1)}), UsageError, r"weights of Cellpose 4 \(SAM\)"),
        (content_of({"layer.weight": torch.zeros(1)}), UsageError, "weights of another network"),
    ],
)
def test_what_is_no_such_checkpoint_is_one_line(
    content: bytes, kind: type[Exception], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(kind, match=reason):
        read_checkpoint(tmp_path / "file")
    assert "code ran" not in capsys.readouterr().out


def test_a_network_of_another_structure_is_refused_by_the_tensor_that_does_not_fit(
    network: CellposeNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    content = named_as_upstream(network)
    torch.save(content | {"output.2.weight": torch.zeros(5, 4, 1, 1)}, path)
    with pytest.raises(UsageError, match="a network with 5 maps"):
        read_checkpoint(path)
    torch.save({name: value for name, value in content.items() if ".res_up_1.conv.conv_2.full" not in name}, path)
    with pytest.raises(UsageError, match=r"'upsample.up.res_up_1.conv.conv_2.full.weight' is missing"):
        read_checkpoint(path)
    torch.save(content | {"extra.weight": torch.zeros(1)}, path)
    with pytest.raises(UsageError, match=r"'extra.weight' has no place in ours"):
        read_checkpoint(path)
    torch.save({name: value for name, value in content.items() if ".res_down_0." not in name}, path)
    with pytest.raises(UsageError, match=r"'downsample.down.res_down_0.conv.conv_0.2.weight' is missing"):
        read_checkpoint(path)
    torch.save(content | {"downsample.down.res_down_0.conv.conv_0.2.weight": torch.zeros(4)}, path)
    with pytest.raises(UsageError, match=r"res_down_0.conv.conv_0.2.weight' has shape \(4,\), not four dimensions"):
        read_checkpoint(path)
    torch.save(content | {"output.2.weight": torch.tensor(3.0)}, path)
    with pytest.raises(UsageError, match="a network with 0 maps"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 2}, "width: Input should be greater than or equal to 4, but it is 2"),
        ({"depth": 6}, "depth: Input should be less than or equal to 5, but it is 6"),
        ({"depth": 0}, "depth: Input should be greater than or equal to 1, but it is 0"),
    ],
)
def test_a_network_of_a_size_that_ours_has_not_is_refused_by_its_file(
    settings: dict[str, int], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    torch.save(named_as_upstream(CellposeNetwork(width=settings.get("width", 4), depth=settings.get("depth", 1))), path)
    with pytest.raises(UsageError) as error:
        read_checkpoint(path)
    assert str(error.value) == f"{path}: not a network that can be converted: its {said}"


def test_without_a_diameter_in_the_checkpoint_one_is_asked_for(network: CellposeNetwork, tmp_path: Path) -> None:
    torch.save(named_as_upstream(network), tmp_path / "old")
    done = CliRunner().invoke(convert_cellpose, [str(tmp_path / "old"), "-o", str(tmp_path / "out.zip")])
    assert isinstance(done.exception, UsageError)
    assert "give --diameter" in str(done.exception)


@pytest.mark.parametrize("diameter", [float("nan"), 0.0, -30.0, 3.9, 257.0, float("inf")])
def test_a_diameter_in_the_checkpoint_that_no_package_can_have_is_one_line_and_one_of_the_users_helps(
    diameter: float, network: CellposeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = tmp_path / "old", tmp_path / "out.zip"
    made: list[Trained] = []
    monkeypatch.setattr("zooscope_zoo.cellpose.convert.import_package", lambda trained, *_, **__: made.append(trained))
    torch.save(named_as_upstream(network, diam_mean=torch.tensor([diameter])), path)
    with pytest.raises(UsageError) as error:
        convert(path, output)
    assert str(error.value).startswith(f"{path}: diam_mean: Input should be ")
    assert "give a --diameter in px" in str(error.value)
    assert "\n" not in str(error.value)
    convert(path, output, diameter_px=30)
    assert [trained.config.augment.diameter_px for trained in made] == [30]


def test_an_empty_diameter_in_the_checkpoint_is_none(network: CellposeNetwork, tmp_path: Path) -> None:
    torch.save(named_as_upstream(network, diam_mean=torch.zeros(0)), tmp_path / "old")
    with pytest.raises(UsageError, match=r"does not tell the diameter of objects .*; give --diameter"):
        convert(tmp_path / "old", tmp_path / "out.zip")


@pytest.mark.parametrize("diameter", [0, -1, 300, float("nan")])
def test_a_diameter_of_the_users_that_no_package_can_have_is_refused_though_the_checkpoint_has_one(
    diameter: float, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"--diameter: Input should be .*, but it is {diameter}; give a --diameter"):
        convert(checkpoint, tmp_path / "out.zip", diameter_px=diameter)
    assert not (tmp_path / "out.zip").exists()
