"""Reports in a real browser: they open without a word of complaint, and can be read wide, narrow, light and dark.

It takes the time that Chromium needs to start, about a second, and as much again for each page.
"""

import shutil
from io import BytesIO

import numpy as np
import page_runs
import pytest
from matplotlib.image import imread

from mdisim.report import save_page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KINDS = ("run", "comparison", "sweep")
VIEWS = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]
SETTLED = """
const done = arguments[0];
const decoded = () => Promise.all([...document.images].map(image => image.decode()));
requestAnimationFrame(() => setTimeout(() => decoded().then(() => done(true), () => done(false)), 50));
"""
INKED = """
return [...document.images].map(image => {
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    [canvas.width, canvas.height] = [300, 200];
    pen.drawImage(image, 0, 0, 300, 200);
    const seen = new Set(), data = pen.getImageData(0, 0, 300, 200).data;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 128) seen.add(data.slice(i, i + 3).join());
    return [image.alt, image.naturalWidth, seen.size];
});
"""
WIDE = """
return [...document.querySelectorAll("main > section, figure, img, .scroll, dl, pre, .warnings")]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(e => e.outerHTML.slice(0, 80));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "run": page_runs.run(),
        "comparison": page_runs.comparison(),
        "sweep": page_runs.sweep(folder / "sweep"),
    }
    return {kind: save_page(results, folder / f"{kind}.html") for kind, results in made.items()}


@pytest.fixture
def view(browser, paths):
    def open_page(kind, width=1280, scheme="light"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        liked = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": liked})
        browser.get(paths[kind].as_uri())
        assert browser.execute_async_script(SETTLED), "an image cannot be read"
        return browser

    return open_page


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_without_complaint_and_fetches_nothing(kind, view):
    page = view(kind)
    assert page.get_log("browser") == []
    fetched = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:40] for name in fetched if not name.startswith("data:")] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1280, 400])
def test_every_section_and_figure_is_there_and_not_empty(kind, width, view):
    page = view(kind, width)
    for name in ("setting", "verdicts", "tables", "figures", "provenance"):
        section = page.find_element("id", name)
        assert section.is_displayed()
        assert len(section.text) > 30
        assert section.size["height"] > 50
    figures = page.execute_script(INKED)
    assert len(figures) >= 4
    for told, natural, colours in figures:
        assert natural > 100, told
        assert colours > 5, f"hardly anything is drawn: {told}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_it_fits_the_screen_and_can_be_read_in_its_colours(kind, width, scheme, view):
    page = view(kind, width, scheme)
    page.execute_script("for (const folded of document.querySelectorAll('details')) folded.open = true")
    across = page.execute_script("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    assert across[0] <= across[1]
    assert page.execute_script(WIDE) == []
    for figure in page.find_elements("css selector", "figure img"):
        light = imread(BytesIO(figure.screenshot_as_png))[:, :, :3].mean(axis=2)
        if scheme == "dark":
            light = 1.0 - light
        paper, ink = np.median(light[0]), light.min()  # the first row of pixels is the edge of the figure
        assert paper > 0.85, figure.get_attribute("alt")
        assert ink < 0.4, figure.get_attribute("alt")
