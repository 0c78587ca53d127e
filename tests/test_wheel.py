"""The wheel, built and tried outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_cards_demo_set_and_weights_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "zooscope/bundled/datasets/dsb2018.toml" in names
    assert "zooscope/bundled/datasets/splits/dsb2018.csv" in names
    assert sum(name.startswith("zooscope/bundled/datasets/demo/images/") for name in names) == 13
    assert "zooscope/bundled/weights/nuclei-tiny.zip" in names
    assert "zooscope/report/site/templates/benchmark.html.j2" in names
    assert "zooscope/report/site/static/benchmark.js" in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"zooscope", "zooscope_zoo"}


def test_an_installed_wheel_ranks_shipped_models_far_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    env = {**os.environ, "PYTHONPATH": str(target), "ZOOSCOPE_CACHE": str(tmp_path / "cache"), "ZOOSCOPE_MIRROR": ""}

    def run(code: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    assert run("import zooscope; print(zooscope.__file__)").startswith(str(target))
    words = ["zooscope", "run", "--model", "nuclei-tiny", "--model", "unet-dsb2018", "--dataset", "demo"]
    run(f"import sys; sys.argv = {[*words, '--reports', 'reports']}; from zooscope.cli import main; main()")
    words = ["zooscope", "report", "--reports", "reports", "--site"]
    run(f"import sys; sys.argv = {words}; from zooscope.cli import main; main()")
    page = tmp_path / "reports" / "site" / "benchmarks" / "demo" / "index.html"
    board = page.with_name("board.js").read_text()
    assert "nuclei-tiny" in board
    assert "unet-dsb2018" in board
    assert (page.parents[2] / "static" / "benchmark.js").is_file()
