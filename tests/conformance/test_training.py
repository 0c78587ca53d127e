"""What every method's training must do."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from zooscope.data import load_dataset
from zooscope.errors import DataError
from zooscope.sample import Task
from zooscope_zoo.method import Method
from zooscope_zoo.training.material import prepare
from zooscope_zoo.training.patches import Pair, Patches, validation_batches
from zooscope_zoo.training.run_folder import RunFolder

Train = Callable[..., list[dict[str, float]]]


def losses(history: list[dict[str, float]]) -> list[tuple[float, float]]:
    return [(entry["train/loss"], entry["validation/loss"]) for entry in history]


class Both:
    """The patches of two images, one of each."""

    def __init__(self, *each: Patches) -> None:
        self._each = each

    def __len__(self) -> int:
        return len(self._each)

    def fixed(self, index: int, rng: np.random.Generator) -> Pair:
        """A patch of that image as it is."""
        return self._each[index].fixed(0, rng)


def loss_of(method: Method, run: Path, folder: Path, *, mirrored: bool = False) -> float:
    """Of a run's last weights on a folder's images, or on the images mirrored while the targets are not."""
    config = RunFolder(run).config()
    settings = method.config.model_validate(config.network)
    material = prepare(method, config, settings, [load_dataset(folder)], say=lambda line: None, progress=False)
    network = method.network(settings).eval()
    network.load_state_dict(RunFolder(run).read_weights("last"))
    ((images, targets),) = validation_batches(
        Both(material.training, material.validation), config.training.model_copy(update={"batch": 4})
    )
    torch.manual_seed(0)
    with torch.inference_mode():
        seen = images.flip(-1) if mirrored else images
        return float(sum(method.terms(network, seen, targets, settings).values()))


def steps_and_rate(method: Method) -> tuple[int, str]:
    """To overfit with: 150 at 1e-2, or those of its `small` settings where a method names a rate of its own there."""
    small = dict(change.split("=", 1) for change in method.small)
    rate = small.get("training.learning_rate")
    return (150, "1e-2") if rate is None else (int(small.get("training.steps", 150)), rate)


def test_it_overfits_two_images(method: Method, train_quickly: Train, two_images: Path, tmp_path: Path) -> None:
    steps, rate = steps_and_rate(method)
    steady = ("augment.gain=[1, 1]", "augment.offset=[0, 0]", "augment.zoom=[1, 1]", "training.validate_every=10")
    history = train_quickly(method, tmp_path, steps, *steady, f"training.learning_rate={rate}")
    if method.task is not Task.RESTORATION:  # else the noise of the target is the floor of some losses
        assert history[-1]["train/loss"] < 0.5 * history[0]["train/loss"]
    assert loss_of(method, tmp_path, two_images) < 0.7 * loss_of(method, tmp_path, two_images, mirrored=True), (
        "a network that does not look at the image would lose as much on the mirrored one"
    )


def test_the_same_seed_gives_the_same_losses_and_another_seed_others(
    method: Method, train_quickly: Train, tmp_path: Path
) -> None:
    first, again, other = (
        losses(train_quickly(method, tmp_path / name, 4, "training.validate_every=2", f"training.seed={seed}"))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first != other


def test_half_precision_learns_alike_and_the_next_training_in_the_process_is_its_own_again(
    method: Method, train_quickly: Train, tmp_path: Path
) -> None:
    full, half, again = (
        losses(
            train_quickly(method, tmp_path / name, 4, "training.validate_every=2", f"training.precision={precision}")
        )
        for name, precision in (("a", "float32"), ("b", "bf16"), ("c", "float32"))
    )
    assert half != full
    assert half == [pytest.approx(pair, rel=0.1) for pair in full]
    assert again == full


def test_the_number_of_workers_changes_nothing(method: Method, train_quickly: Train, tmp_path: Path) -> None:
    none, two = (
        losses(train_quickly(method, tmp_path / str(n), 4, "training.validate_every=2", f"training.workers={n}"))
        for n in (0, 2)
    )
    assert none == two


def test_a_training_that_was_stopped_resumes_to_the_same_losses(
    method: Method, train_quickly: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = losses(train_quickly(method, tmp_path / "whole", 6, "training.validate_every=2"))
    from zooscope_zoo.training import loop

    real, calls = loop._step, []

    def dies(*args: object, **more: object) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(loop, "_step", dies)
    with pytest.raises(KeyboardInterrupt):
        train_quickly(method, tmp_path / "cut", 6, "training.validate_every=2")
    monkeypatch.setattr(loop, "_step", real)
    assert losses(train_quickly(method, tmp_path / "cut", 6, "training.validate_every=2", resume=True)) == whole
    finished, cut = (RunFolder(tmp_path / name).read_weights("last") for name in ("whole", "cut"))
    assert all((finished[name] == cut[name]).all() for name in finished)


def test_workers_may_be_spawned_instead_of_forked(
    method: Method, train_quickly: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zooscope_zoo.training import loop

    def sent(steps: object, **settings: object) -> DataLoader:
        return DataLoader(pickle.loads(pickle.dumps(steps)), **settings)

    monkeypatch.setattr(loop, "DataLoader", sent)
    assert len(train_quickly(method, tmp_path, 1)) == 1


def test_images_changed_since_a_training_began_are_not_gone_on_with(
    method: Method, train_quickly: Train, two_images: Path, tmp_path: Path
) -> None:
    train_quickly(method, tmp_path, 2, "training.validate_every=1")
    about = (tmp_path / "about.json").read_text()
    (tmp_path / "about.json").write_text(about.replace(load_dataset(two_images).digest, "0" * 64))
    with pytest.raises(DataError, match="began with 000000000000 and 1; train into another folder"):
        train_quickly(method, tmp_path, 2, "training.validate_every=1", resume=True)


def test_a_run_keeps_what_it_was_made_from_curves_and_an_early_picture(
    method: Method, train_quickly: Train, tmp_path: Path
) -> None:
    train_quickly(method, tmp_path, 2, "training.validate_every=1")
    for name in ("config.json", "about.json", "state.pt", "best.safetensors", "last.safetensors", "curves.csv"):
        assert (tmp_path / name).is_file()
    for name in ("curves.png", "previews/step-000001.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "tensorboard").iterdir())
    about = RunFolder(tmp_path).about()
    assert len(about["data"][0]["digest"]) == 64
    assert about["environment"]["versions"]["torch"]
