"""Bundled files in an editable install; the wheel's are looked at where the wheel is built."""

from pathlib import Path

import pytest

import zooscope.bundled
from zooscope.bundled import bundled

REPOSITORY = Path(__file__).resolve().parents[2]
editable = pytest.mark.skipif(
    not Path(zooscope.bundled.__file__).is_relative_to(REPOSITORY),
    reason="zooscope is not installed from this checkout",
)


@editable
def test_an_editable_install_finds_the_folders_of_the_repository():
    assert bundled("datasets") == REPOSITORY / "datasets"
    assert bundled("weights") == REPOSITORY / "zoo" / "weights"
    assert (bundled("datasets") / "demo.toml").is_file()


def test_a_packaged_folder_comes_before_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    installed = tmp_path / "site-packages" / "zooscope"
    (installed / "bundled" / "datasets").mkdir(parents=True)
    monkeypatch.setattr(zooscope.bundled, "__file__", str(installed / "bundled.py"))
    assert bundled("datasets") == installed.resolve() / "bundled" / "datasets"
