"""The verbs train and export: offered without being imported, one line an error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zooscope import cli, plugins
from zooscope_zoo.training.run_folder import RunFolder

QUICK = ("training.steps=2", "training.validate_every=2", "training.patch_px=64", "network.width=4")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def zooscope(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process; gives exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zooscope", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_help_tells_of_both_verbs_and_imports_neither_torch_nor_bioimageio():
    code = (
        "import sys; sys.argv = ['zooscope', '--help']\n"
        "from zooscope.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "print(*[name for name in ('torch', 'bioimageio', 'zooscope_zoo.cli', 'numpy') if name in sys.modules])"
    )
    wide = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=wide
    )
    assert done.stdout.splitlines()[-1] == ""
    assert "Train a method on data sets or on your own images and masks." in done.stdout
    assert "Package a run's best weights for BioImage.IO" in done.stdout


def test_the_line_shown_is_the_commands_own():
    assert plugins.summary("commands", "train") == "Train a method on data sets or on your own images and masks."


def test_train_writes_a_run_resumes_it_and_refuses_other_settings(zooscope: Run, tmp_path: Path):
    words = ["train", "unet", "demo", "-o", tmp_path / "run"]
    settings = [word for change in QUICK for word in ("--set", change)]
    code, out, _ = zooscope(*words, *settings)
    assert code == 0
    assert f"zooscope export {tmp_path / 'run'} -o run.zip makes a package" in out
    assert RunFolder(tmp_path / "run").config().training.steps == 2
    assert zooscope(*words, *settings, "--resume")[0] == 0
    code, _, err = zooscope(*words, *settings, "--set", "training.steps=3", "--resume")
    assert code == 2
    assert err.startswith("zooscope: ")
    assert "training.steps is 2, not 3" in err
    code, _, err = zooscope(*words, *settings)
    assert (code, "--resume goes on with it" in err) == (2, True)


def test_a_stopped_training_says_how_to_go_on(zooscope: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from zooscope_zoo.training import loop

    def stop(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_step", stop)
    words = ["train", "unet", "demo", "-o", tmp_path / "run", *(w for change in QUICK for w in ("--set", change))]
    code, out, _ = zooscope(*words)
    assert code != 0
    assert "stopped; the same command with --resume goes on from step 0" in out


def test_memory_that_runs_out_is_one_line(zooscope: Run, monkeypatch: pytest.MonkeyPatch):
    def full(*args: object, **more: object) -> None:
        raise MemoryError("Unable to allocate 8.00 GiB")

    monkeypatch.setattr("zooscope_zoo.train.train", full)
    code, _, err = zooscope("train", "unet", "demo")
    assert code == 2
    assert err == "zooscope: memory ran out (Unable to allocate 8.00 GiB); smaller images, or fewer at a time\n"


def test_an_unet_that_diverges_says_so_and_keeps_the_last_good_weights(zooscope: Run, tmp_path: Path):
    changes = (*QUICK, "training.learning_rate=1e30", "training.warmup_steps=0", "training.workers=0")
    words = ["train", "unet", "demo", "-o", tmp_path / "run", *(w for change in changes for w in ("--set", change))]
    code, _, err = zooscope(*words)
    assert code == 2
    assert "at step 2; lower training.learning_rate" in err.splitlines()[-1]
    assert not (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("train", "nothing", "demo"), "methods: 'nothing' is not one of"),
        (("train", "unet", "nowhere"), "data set 'nowhere' is neither a folder nor one of"),
        (("train", "unet", "demo", "--set", "training.stepz=1"), "setting 'training.stepz'"),
        (("export", "nowhere", "-o", "out.zip"), "nowhere: no training here"),
        (("export", "nowhere", "-o", "out.tar"), "out.tar: a package is a file that ends in .zip"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    zooscope: Run,
    words: tuple[str, ...],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    code, out, err = zooscope(*words)
    assert (code, out) == (2, "")
    assert line in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
