"""The Direct Denoiser learns the mean of its teacher's draws, in the teacher's units, and is packaged without it."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from zooscope.data import load_dataset
from zooscope.data.folder import write_folder
from zooscope.errors import UsageError
from zooscope.sample import Task
from zooscope_zoo.direct_denoiser.method import METHOD, DirectDenoiserConfig
from zooscope_zoo.direct_denoiser.teacher import drawn, weights_sha256
from zooscope_zoo.packaging.export import export
from zooscope_zoo.packaging.trained import Trained, read_run
from zooscope_zoo.train import train
from zooscope_zoo.training.run_folder import RunFolder

QUICK = ("training.batch=4", "training.patch_px=64", "training.warmup_steps=5", "training.workers=0")
HDN = ("network.levels=2", "network.width=16", "network.latent=8")


def trained(method: str, data: str | Path, folder: Path, *changes: str, steps: int = 1, resume: bool = False) -> Path:
    settings = (*QUICK, f"training.steps={steps}", f"training.validate_every={steps}", *changes)
    train(method, [data], folder, changes=settings, resume=resume, progress=False, say=lambda line: None)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "hdn"
    return trained("hdn", "demo-noisy", folder, *HDN, "training.learning_rate=3e-3", steps=150)


@pytest.fixture(scope="module")
def brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, three times as bright as those that the teacher knows."""
    folder = tmp_path_factory.mktemp("data") / "brighter"
    gray = [sample for sample in load_dataset("demo-noisy", split="test") if sample.axes == "yx"][:2]
    samples = [replace(sample, image=3 * sample.image, target=3 * sample.target) for sample in gray]
    write_folder(folder, [(sample, "test") for sample in samples], task=Task.RESTORATION)
    return folder


@pytest.fixture
def student(teacher: Path, brighter: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run of one step, and a teacher of its own, which may be spoilt."""
    own = Path(shutil.copytree(teacher, tmp_path / "teacher"))
    small = ("network.width=8", "network.depth=1", f"network.teacher={own}")
    return trained("direct-denoiser", brighter, tmp_path / "run", *small), own


def as_it_takes_it(run: Trained) -> torch.Tensor:
    image = next(iter(load_dataset("demo-noisy", split="test"))).image.values[None, :128, :128]
    return torch.from_numpy(run.normalisation.image(image))[None]


def test_it_is_nearer_to_the_mean_of_many_draws_than_a_draw_is(teacher: Path, tmp_path: Path):
    changes = ("network.width=16", f"network.teacher={teacher}", "training.learning_rate=3e-3")
    direct = read_run(trained("direct-denoiser", "demo-noisy", tmp_path / "run", *changes, steps=300))
    image, sha256 = as_it_takes_it(direct), weights_sha256(str(teacher))
    torch.manual_seed(0)
    draws = torch.cat([drawn(str(teacher), sha256, image) for _ in range(120)])
    mean = draws[:100].mean(dim=0)
    with torch.inference_mode():
        found = direct.network()(image)[0]
    of_a_draw = ((draws[100:] - mean) ** 2).mean(dim=(1, 2, 3))
    assert float(((found - mean) ** 2).mean()) < float(of_a_draw.min())


@pytest.mark.parametrize(("loss", "best"), [("squared", "mean"), ("absolute", "median")])
def test_the_squared_error_learns_the_mean_of_the_draws_and_the_absolute_error_the_median(
    loss: str, best: str, monkeypatch: pytest.MonkeyPatch
):
    def skewed(source: str, sha256: str, images: torch.Tensor, prior_levels: int | None) -> torch.Tensor:
        return torch.distributions.Exponential(1.0).sample(images.shape)

    monkeypatch.setattr("zooscope_zoo.direct_denoiser.method.drawn", skewed)
    config = DirectDenoiserConfig.model_validate({"loss": loss})
    torch.manual_seed(0)
    losses = {}
    for name, value in (("mean", 1.0), ("median", 0.693)):
        image = torch.full((1, 1, 400, 400), value)
        torch.manual_seed(1)
        losses[name] = float(sum(METHOD.terms(_Identity(), image, image, config).values()))
    assert min(losses, key=lambda name: losses[name]) == best


class _Identity(torch.nn.Module):
    """A network that gives what it is given."""

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return image


@pytest.mark.parametrize("told_by", ["the teacher's run", "the student's setting"])
def test_structured_noise_that_low_levels_hold_is_left_out_of_the_draws(told_by: str, teacher: Path, tmp_path: Path):
    other = Path(shutil.copytree(teacher, tmp_path / "teacher"))
    if told_by == "the teacher's run":
        config = (other / "config.json").read_text()
        (other / "config.json").write_text(config.replace('"prior_levels": 0', '"prior_levels": 1'))
    run = read_run(other)
    network, image = run.network(), as_it_takes_it(run)
    torch.manual_seed(1)
    levels = 1 if told_by == "the student's setting" else None
    found = drawn(str(other), weights_sha256(str(other)), image, levels)
    torch.manual_seed(1)
    with torch.inference_mode():
        noise = network.standard_noise(image)
        wanted, without = (network.sampled(network.encode(image), noise, prior_levels=levels)[0] for levels in (1, 0))
    torch.testing.assert_close(found, wanted)
    assert (found - without).abs().max() > 1e-3


def test_levels_that_the_teacher_does_not_have_are_refused(teacher: Path, brighter: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="prior_levels"):
        trained("direct-denoiser", brighter, tmp_path / "run", f"network.teacher={teacher}", "network.prior_levels=7")


def test_its_images_are_scaled_as_its_teachers_were_and_it_holds_nothing_of_the_teacher(
    student: tuple[Path, Path], teacher: Path
):
    run, own = student
    assert RunFolder(run).normalisation() == RunFolder(teacher).normalisation()
    settings = RunFolder(run).config().network
    assert settings["teacher_sha256"] == weights_sha256(str(own))
    assert (
        RunFolder(run).read_weights().keys()
        == METHOD.network(DirectDenoiserConfig(width=8, depth=1)).state_dict().keys()
    )


def test_a_training_goes_on_with_the_teacher_that_it_began_with_and_no_other(
    student: tuple[Path, Path], brighter: Path, teacher: Path
):
    run, own = student
    again = ("network.width=8", "network.depth=1", f"network.teacher={own}")
    trained("direct-denoiser", brighter, run, *again, resume=True)
    weights = own / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(UsageError, match=r"another training began here \(network.teacher_sha256 is"):
        trained("direct-denoiser", brighter, run, *again, resume=True)
    shutil.rmtree(own)
    with pytest.raises(UsageError, match=r"network.teacher=.*teacher: no training here"):
        trained("direct-denoiser", brighter, run, *again, resume=True)


def test_its_package_needs_no_teacher_and_tells_what_the_teacher_has_seen(student: tuple[Path, Path], tmp_path: Path):
    run, own = student
    shutil.rmtree(own)
    with zipfile.ZipFile(export(run, tmp_path / "direct.zip")) as archive:
        card, rdf = archive.read("README.md").decode(), yaml.safe_load(archive.read("rdf.yaml"))
    assert "It learned from what `teacher` makes of these images, which was also trained on\n\n- `demo-noisy`" in card
    assert [item["dataset"] for item in rdf["config"]["zooscope"]["training_data"]] == ["brighter", "demo-noisy"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ((), "no teacher; --set network.teacher=RUN"),
        (("network.teacher=nowhere",), "network.teacher=nowhere: nowhere: no training here"),
        (("network.teacher=noise2void-bsd68",), "noise2void gives one answer; a teacher draws many"),
        (("TEACHER", "network.channels=3"), "its images have 1 channels; set network.channels=1"),
        (("TEACHER", "training.patch_px=66"), "training.patch_px=66 is not a multiple of 4, as its teacher needs"),
        (("TEACHER", "network.teacher_sha256=abc"), "the digest of its weights is .* now, not abc"),
        (("TEACHER", "training.normalisation=percentiles"), "its teacher knows them in their units"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused_before_anything_is_written(
    changes: tuple[str, ...], told: str, teacher: Path, brighter: Path, tmp_path: Path
):
    settings = [f"network.teacher={teacher}" if change == "TEACHER" else change for change in changes]
    with pytest.raises(UsageError, match=told):
        trained("direct-denoiser", brighter, tmp_path / "run", "network.depth=1", *settings)
    assert not (tmp_path / "run").exists()
