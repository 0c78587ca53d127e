"""The site as a reader uses it, in headless Chromium; skipped where that or its driver is not installed."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zooscope.data import Dataset, load_dataset
from zooscope.data.folder import write_folder
from zooscope.report.board import Board
from zooscope.report.write import board_of, write_board
from zooscope.rows import plan_rows, run_row
from zooscope.store import Results

selenium = pytest.importorskip("selenium", reason="needs selenium (the extra `test`)")
CHROMIUM = next((found for name in ("chromium", "google-chrome", "chrome") if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Chromium and its driver (Debian: chromium, chromium-driver)"
)

PAGES = (
    "index.html",
    "benchmarks/demo/index.html",
    "benchmarks/demo/image.html",
    "models/baseline-otsu-watershed.html",
)
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900", "--no-first-run"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The browser on no page; whatever a test does, its console must stay without an error."""
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.get("about:blank")
    chromium.get_log("browser")
    yield chromium
    assert [line["message"] for line in chromium.get_log("browser")] == []


def wait(browser: Any, script: str) -> Any:
    """What a script returns as soon as that is true of the page."""
    end = time.monotonic() + 15
    while not (found := browser.execute_script(script)):
        assert time.monotonic() < end, f"never came true: {script}"
        time.sleep(0.05)
    return found


def column(browser: Any, name: str) -> list[str]:
    """The first number or word of a column's cells."""
    cells = "[...document.querySelectorAll(`tbody .c-${arguments[0]}`)]"
    return browser.execute_script(
        f"return {cells}.map(one => (one.querySelector('.value, a') ?? one).textContent)", name
    )


@pytest.fixture
def benchmark(browser: Any, site: Path) -> Any:
    browser.get((site / "benchmarks" / "demo" / "index.html").as_uri())
    wait(browser, "return document.querySelector('.ranking')")
    return browser


def press(browser: Any, key: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(key).perform()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_from_a_file_with_all_its_pictures_and_without_an_error(
    browser: Any, site: Path, page: str
) -> None:
    browser.get((site / page).as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    height = browser.execute_script("return document.documentElement.scrollHeight")
    for top in range(0, height, 400):
        browser.execute_script("window.scrollTo(0, arguments[0])", top)
        time.sleep(0.05)
    wait(browser, "return [...document.images].every(image => image.complete && image.naturalWidth)")
    if page != "index.html":
        wait(browser, "return document.images.length")
    wait(browser, "return document.querySelector('#main h1').textContent.trim()")


def test_a_column_sorts_both_ways_and_says_so(benchmark: Any, board: Board) -> None:
    scores = [row.standings["all"].scores["ap75.per-image@1"].score for row in board.rows]
    head = "document.querySelector('thead .c-ap75-per-image-1')"
    for direction, expected in (("descending", sorted(scores, reverse=True)), ("ascending", sorted(scores))):
        benchmark.execute_script(f"{head}.querySelector('button').click()")
        assert column(benchmark, "ap75-per-image-1") == [f"{score:.3f}" for score in expected]
        assert benchmark.execute_script(f"return {head}.getAttribute('aria-sort')") == direction
        assert benchmark.execute_script("return document.activeElement.tagName") in ("BUTTON", "BODY")


def test_filters_leave_what_they_say_and_tell_how_many(benchmark: Any) -> None:
    def count() -> str:
        return benchmark.execute_script("return document.querySelector('[role=status].count').textContent")

    assert count() == "2 of 2 models"
    search = benchmark.find_element("css selector", "input[type=search]")
    search.send_keys("otsu")
    assert column(benchmark, "name") == ["baseline-otsu-watershed"]
    assert count() == "1 of 2 models"
    search.send_keys(" nothing has this name")
    assert (column(benchmark, "name"), count()) == ([], "0 of 2 models")
    search.clear()
    limit = benchmark.find_element("css selector", "input[type=number]")
    limit.send_keys("0")
    assert count() == "0 of 2 models"


def test_a_subset_shows_its_own_scores_and_verdict(benchmark: Any, board: Board) -> None:
    before = benchmark.execute_script("return document.getElementById('verdict').textContent")
    benchmark.execute_script("document.querySelector('input[value=histology]').click()")
    scores = sorted(
        (row.standings["histology"].scores[board.shown.ranked_by].score for row in board.rows), reverse=True
    )
    assert column(benchmark, "ap50-per-image-1") == [f"{score:.3f}" for score in scores]
    after = benchmark.execute_script("return document.getElementById('verdict').textContent")
    assert after != before
    assert "Too few groups" in after


def test_columns_can_be_added(benchmark: Any) -> None:
    benchmark.execute_script("document.querySelector('.columns').open = true")
    assert not column(benchmark, "dice-per-image-1")
    benchmark.execute_script(
        "[...document.querySelectorAll('.columns label')].find(label => label.textContent.trim() === 'Dice').click()"
    )
    assert len(column(benchmark, "dice-per-image-1")) == 2


def test_the_theme_follows_the_system_until_the_reader_chooses(browser: Any, site: Path) -> None:
    def lightness() -> int:
        return browser.execute_script("return +getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")

    browser.get((site / "index.html").as_uri())
    for scheme in ("dark", "light"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        assert (lightness() > 128) == (scheme == "light")
    browser.execute_script("document.getElementById('theme').click()")
    assert lightness() < 128
    assert browser.execute_script("return document.getElementById('theme').ariaLabel") == "Switch to the light theme"
    browser.get((site / "benchmarks" / "demo" / "index.html").as_uri())
    assert lightness() < 128, "the choice holds on other pages"
    browser.execute_script("localStorage.clear()")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


PLOTS = {"curve": "g.series", "cost": "svg a", "strata": "g.series", "spread": "svg a", "pairs": "g.sure, g.unsure"}


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_draws_walks_by_keyboard_and_has_its_numbers_as_a_table(benchmark: Any, plot: str) -> None:
    from selenium.webdriver.common.keys import Keys

    benchmark.execute_script(f"document.getElementById('plot-{plot}').scrollIntoView()")
    items = f"[...document.querySelectorAll('#plot-{plot} .canvas :is({PLOTS[plot]})')]"
    wait(benchmark, f"return {items}.length")
    said = benchmark.execute_script(f"return {items}.map(item => item.getAttribute('aria-label'))")
    assert all(text and "undefined" not in text and "NaN" not in text for text in said)
    stops = benchmark.execute_script(f"return {items}.filter(item => item.tabIndex === 0).length")
    assert stops == 1
    stop = f"{items}.find(item => item.tabIndex === 0)"
    first = benchmark.execute_script(f"{stop}.focus(); return {stop}.ariaLabel")
    assert benchmark.execute_script("return document.getElementById('tip').textContent") == first
    press(benchmark, Keys.ARROW_RIGHT)
    press(benchmark, Keys.ARROW_DOWN)
    second = benchmark.execute_script("return document.activeElement.ariaLabel")
    assert second in said
    assert second != first
    benchmark.execute_script(f"document.querySelector('#plot-{plot} details').open = true")
    wait(benchmark, f"return document.querySelectorAll('#plot-{plot} details tbody tr').length")


def test_a_dot_leads_to_its_image_where_layers_errors_images_and_models_switch_by_keys(
    benchmark: Any, board: Board
) -> None:
    from selenium.webdriver.common.keys import Keys

    benchmark.execute_script("document.getElementById('plot-spread').scrollIntoView()")
    wait(benchmark, "return document.querySelector('#plot-spread svg a')")
    click = "dispatchEvent(new MouseEvent('click', { bubbles: true }))"
    benchmark.execute_script(f"document.querySelector('#plot-spread svg a').{click}")
    wait(benchmark, "return document.querySelector('.stage img')?.naturalWidth")

    def shown(part: str) -> bool:
        style = f"getComputedStyle(document.querySelector('.stage {part}'))"
        return benchmark.execute_script(f"return {style}.display !== 'none'")

    assert (shown(".errors"), shown(".truth"), shown(".prediction")) == (True, False, False)
    press(benchmark, "t")
    assert (shown(".errors"), shown(".truth")) == (False, True)
    press(benchmark, "i")
    assert not any(map(shown, (".errors", ".truth", ".prediction")))
    press(benchmark, "e")
    press(benchmark, "1")
    assert benchmark.execute_script("return document.querySelector('.stage').classList.contains('no-hit')")
    first = benchmark.execute_script("return location.hash")
    press(benchmark, Keys.ARROW_RIGHT)
    assert benchmark.execute_script("return location.hash") != first
    press(benchmark, Keys.ARROW_LEFT)
    assert benchmark.execute_script("return location.hash") == first
    wait(benchmark, f"return document.querySelector('.viewer .pairs a')?.textContent === {board.rows[0].name!r}")
    press(benchmark, Keys.ARROW_DOWN)
    wait(benchmark, f"return document.querySelector('.viewer .pairs a').textContent === {board.rows[1].name!r}")
    press(benchmark, "b")
    wait(benchmark, "return document.querySelector('.right .verdict').textContent.includes('objects hit')")
    assert benchmark.execute_script("return document.querySelector('.stage').ariaLabel").startswith("Image ")


def test_images_of_any_name_open(browser: Any, demo: Dataset, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    names = ("a #1 100%", "Клетка & <b>")
    images = [replace(sample, id=name) for sample, name in zip(demo.only("test"), names, strict=False)]
    write_folder(tmp_path / "my cells", [(sample, "test") for sample in images])
    data, results = load_dataset(tmp_path / "my cells"), Results(tmp_path)
    run_row(plan_rows(["baseline:otsu-watershed@1"], data)[0], results)
    page = write_board(board_of(results, data.only("test")), tmp_path, data.only("test"))
    browser.get(page.with_name("image.html").as_uri())
    seen: set[str] = set()
    for _ in names:
        wait(browser, "return document.querySelector('.stage img')?.naturalWidth")
        seen.add(browser.execute_script("return document.querySelectorAll('.viewer .pairs dd')[1].textContent"))
        address = browser.execute_script("return location.hash")
        press(browser, Keys.ARROW_RIGHT)
        wait(browser, f"return location.hash !== {address!r}")
        shown = "document.querySelectorAll('.viewer dd')[1].textContent.slice(0, 12)"
        wait(browser, f"return document.title.startsWith({shown})")
    assert seen == set(names)


@pytest.mark.parametrize("page", PAGES)
def test_on_a_phone_no_page_scrolls_sideways(browser: Any, site: Path, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.get((site / page).as_uri())
    height = browser.execute_script("return document.documentElement.scrollHeight")
    for top in range(0, height, 400):
        browser.execute_script("window.scrollTo(0, arguments[0])", top)
        time.sleep(0.05)
    page_wide, window_wide = "document.documentElement.scrollWidth", "document.documentElement.clientWidth"
    assert browser.execute_script(f"return {page_wide} - {window_wide}") == 0
    assert browser.execute_script("return window.innerWidth") == 390


@pytest.fixture
def restored_image(browser: Any, restored_site: Path) -> Any:
    browser.get((restored_site / "benchmarks" / "noisy" / "image.html").as_uri())
    wait(browser, "return document.querySelector('.swipe img.right')?.naturalWidth")
    return browser


def sides(browser: Any) -> dict[str, str]:
    """Which layer is seen on which side of the line, of those whose picture is loaded; "" where it is on both."""
    wait(browser, "return [...document.querySelectorAll('.swipe img:not([hidden])')].every(one => one.naturalWidth)")
    images = "document.querySelectorAll('.swipe img:not([hidden])')"
    return dict(browser.execute_script(f"return [...{images}].map(image => [image.className, image.dataset.layer])"))


def seen_left(browser: Any) -> int:
    """How many pixels of the layer on the left its clip leaves to be seen."""
    return browser.execute_script(
        """const image = document.querySelector('.swipe img.left'), box = image.getBoundingClientRect();
        const line = document.querySelector('.swipe .line').getBoundingClientRect();
        const cut = getComputedStyle(image).clipPath;
        return cut.startsWith('inset(') ? Math.round(line.x + line.width / 2 - box.x) : -1"""
    )


def test_a_line_between_noisy_and_restored_moves_by_keyboard_and_by_pointer(restored_image: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    wide = restored_image.execute_script("return document.querySelector('.swipe').clientWidth")
    assert sides(restored_image) == {"left": "noisy", "right": "restored"}
    assert seen_left(restored_image) == pytest.approx(wide / 2, abs=1)
    first = restored_image.execute_script("return location.hash")
    slider = restored_image.find_element("css selector", ".slider input")
    assert slider.accessible_name == "Line between the two sides"
    restored_image.execute_script("arguments[0].focus()", slider)
    for _ in range(5):
        press(restored_image, Keys.ARROW_RIGHT)
    assert seen_left(restored_image) == pytest.approx(0.55 * wide, abs=1)
    assert slider.get_attribute("aria-valuetext") == "55 % noisy, then restored"
    assert "left of a line at 55 %" in restored_image.execute_script(
        "return document.querySelector('.swipe').ariaLabel"
    )
    press(restored_image, Keys.HOME)
    assert seen_left(restored_image) == 0
    assert restored_image.execute_script("return location.hash") == first, "the same image"
    stage = restored_image.find_element("css selector", ".swipe")
    ActionChains(restored_image).move_to_element_with_offset(stage, wide // 4, 0).click_and_hold().release().perform()
    assert seen_left(restored_image) == pytest.approx(0.75 * wide, abs=2)


def test_layers_images_and_models_of_restoration_switch_by_keys(restored_image: Any, restored_board: Board) -> None:
    from selenium.webdriver.common.keys import Keys

    metric = restored_board.shown.judged_by.partition("@")[0]
    order = restored_board.rows[0].result.images[metric].sort_values()
    status = "document.querySelector('.right .verdict').textContent"
    wait(restored_image, f"return {status}.startsWith('{order.iloc[0]:.2f} dB (PSNR, range of the truth)')")
    press(restored_image, "d")
    assert sides(restored_image) == {"left": "noisy", "right": "residual"}
    press(restored_image, "T")
    assert sides(restored_image) == {"left": "truth", "right": "residual"}
    press(restored_image, "t")
    assert sides(restored_image) == {"": "truth"}
    press(restored_image, "r")
    press(restored_image, Keys.ARROW_RIGHT)
    wait(restored_image, f"return {status}.startsWith('{order.iloc[1]:.2f} dB')")
    assert sides(restored_image) == {"left": "truth", "right": "restored"}, "the layers stay"
    press(restored_image, Keys.ARROW_DOWN)
    second = restored_board.rows[1].result.images[metric][order.index[1]]
    wait(restored_image, f"return {status}.startsWith('{second:.2f} dB')")
    press(restored_image, "b")
    text = restored_image.execute_script("return document.getElementById('main').textContent")
    assert not any(word in text for word in ("IoU", "objects", "missed", "undefined", "NaN"))


def test_a_restoration_benchmark_shows_decibels_and_three_images(browser: Any, restored_site: Path) -> None:
    browser.get((restored_site / "benchmarks" / "noisy" / "index.html").as_uri())
    for part in ("plots", "plot-strata", "plot-spread", "plot-pairs", "gallery"):
        browser.execute_script(f"document.getElementById('{part}').scrollIntoView()")
        time.sleep(0.1)
    wait(browser, "return document.querySelectorAll('#gallery .swipe img.right').length === 3")
    shots = browser.execute_script("return [...document.querySelectorAll('.shot b')].map(one => one.nextSibling.data)")
    assert all(text.endswith(" dB (PSNR, range of the truth)") for text in shots)
    bars = browser.execute_script(
        "return [...document.querySelectorAll('.ranking .bar b')].map(one => parseFloat(one.style.left))"
    )
    assert bars
    assert all(0 <= place <= 100 for place in bars)
    text = browser.execute_script("return document.getElementById('main').textContent")
    assert not any(word in text for word in ("IoU", "objects", "undefined", "NaN"))


@pytest.mark.parametrize("page", ["index.html", "image.html"])
def test_restoration_fits_a_phone_and_its_controls_have_names(browser: Any, restored_site: Path, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    browser.get((restored_site / "benchmarks" / "noisy" / page).as_uri())
    browser.execute_script("document.querySelector('#gallery, #viewer').scrollIntoView()")
    wait(browser, "return document.querySelector('.swipe img.right')?.naturalWidth")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(f"return {wide}") == 0
    assert browser.execute_script(UNNAMED) == 0


UNNAMED = """return [...document.querySelectorAll('button, input, select, a, table, section, [role=region]')].filter(
  part => !(part.textContent.trim() || part.ariaLabel || part.labels?.length || part.caption
    || part.getAttribute('aria-labelledby'))).length"""


def test_controls_and_tables_have_names(benchmark: Any, site: Path) -> None:
    assert benchmark.execute_script(UNNAMED) == 0
    assert benchmark.execute_script("return [...document.querySelectorAll('table')].every(table => table.caption)")
    benchmark.get((site / "benchmarks" / "demo" / "image.html").as_uri())
    wait(benchmark, "return document.querySelector('.stage img')")
    assert benchmark.execute_script(UNNAMED) == 0
