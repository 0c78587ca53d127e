"""Who may import whom, and what `import zooscope` costs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import zooscope

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(importlib.util.find_spec("importlinter") is None, reason="import-linter is not installed")
def test_the_contracts_of_the_import_linter_hold(tmp_path: Path):
    lint = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_importing_zooscope_imports_nothing_heavy():
    code = "import sys, zooscope; print(*[m for m in ('torch', 'numpy', 'bioimageio', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""


def test_every_public_name_is_there_however_often_and_in_whatever_order():
    # A submodule that has a public function's name would take its place once it is imported.
    for _ in range(2):
        for name in zooscope.__all__:
            assert getattr(zooscope, name).__name__ == name
            assert callable(getattr(zooscope, name))
    modules = {path.stem for path in Path(zooscope.__file__).parent.iterdir()}
    assert not modules & set(zooscope.__all__)
    with pytest.raises(AttributeError, match="module 'zooscope' has no attribute 'nonsense'"):
        zooscope.nonsense  # noqa: B018


def test_data_cards_are_not_importable():
    assert not list((ROOT / "datasets").rglob("*.py"))
    code = (
        "import sys; print(*[p for p in sys.path if p and __import__('pathlib').Path(p, 'datasets', 'demo').exists()])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd="/")
    assert done.stdout.strip() == ""
