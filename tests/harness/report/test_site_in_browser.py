"""The site's pages in headless Chromium, opened as files: scripts draw tables and plots without an error."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from zooscope.data import Dataset
from zooscope.report.write import write_reports
from zooscope.store import Results

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"]


@pytest.fixture(scope="session")
def site(reports: Path, demo: Dataset) -> Path:
    """The site of the demo's rows."""
    list(write_reports(Results(reports), dataset="demo", own=demo, site_alone=True))
    return reports / "site"


def drawn(page: Path, tmp_path: Path) -> str:
    """The page's elements after its scripts ran; the test fails where one of them said anything on the console."""
    words = [
        str(CHROMIUM),
        *QUIET,
        "--virtual-time-budget=4000",
        "--dump-dom",
        f"--user-data-dir={tmp_path}",
        page.resolve().as_uri(),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not said, said
    assert done.returncode == 0
    return done.stdout


def test_a_data_sets_page_draws_its_table_and_its_plots(site: Path, tmp_path: Path):
    (page,) = site.glob("benchmarks/*/index.html")
    dom = drawn(page, tmp_path)
    table = dom[dom.index('id="table"') : dom.index('id="plots"')]
    assert {"baseline-otsu-watershed", "baseline-local-threshold"} <= set(re.findall(r"baseline-[a-z-]+", table))
    assert 'aria-sort="' in table
    for plot in ("curve", "cost", "strata", "spread", "pairs"):
        assert "<svg" in dom[dom.index(f'id="plot-{plot}"') :], plot
    assert "needs TensorFlow or Keras" in dom, "the failure stands with its reason"


def test_the_first_page_and_each_models_page_open(site: Path, tmp_path: Path):
    assert "benchmarks/demo" in drawn(site / "index.html", tmp_path)
    pages = sorted((site / "models").glob("*.html"))
    assert len(pages) == 3
    assert "zooscope run" in drawn(pages[0], tmp_path)


def test_pages_need_nothing_from_elsewhere(site: Path):
    for page in [*site.rglob("*.html"), *site.rglob("*.js"), *site.rglob("*.css")]:
        text = page.read_text()
        assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', text), page
        assert not re.search(r"url\(https?:|fetch\(", text), page
