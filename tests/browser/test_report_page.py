"""The report in a real browser, opened from disk without a network."""

import re
import shutil
from itertools import pairwise

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from trainsize.common.tables import read_table
from trainsize.report.page_tables import by_size
from trainsize.report.stage import write_report
from trainsize.study.reader import load_study

TITLE = "<script>window.broken = true</script> & <b>sizes</b>"
PHONE = {"viewport": {"width": 390, "height": 844}}
SIZES = "table[data-name=sizes]"


@pytest.fixture(scope="module")
def results(finished_project, tmp_path_factory):
    """The results of the tiny study, whose report has a hostile title and a figure that also comes as a page."""
    folder = tmp_path_factory.mktemp("browser") / "tiny"
    shutil.copytree(finished_project.results, folder)
    (folder / "figures" / "curve-accuracy.html").write_text("<!doctype html><title>to be turned</title>")
    card = load_study("tiny", finished_project.folder / "studies").card() | {"title": TITLE, "source": TITLE}
    manifest = finished_project.folder / "results" / "datasets" / "digits" / "manifest.json"
    write_report(card, folder, manifest, folder / "report.html")
    return folder


@pytest.fixture
def page(visit, results):
    return visit(results / "report.html")


def column(page, key: str) -> list[float]:
    """Return the values of the shown rows of the table of sizes."""
    place = page.locator(f"{SIZES} th[scope=col]").evaluate_all(
        "(all, key) => all.findIndex(h => h.dataset.key === key)", key
    )
    cells = page.locator(f"{SIZES} tbody tr:not([hidden]) > :nth-child({place + 1})")
    return cells.evaluate_all("all => all.map(cell => Number(cell.dataset.value))")


def test_it_is_complete_and_names_stay_text(page, results):
    assert page.title() == TITLE
    assert page.locator("h1").inner_text() == TITLE
    assert page.evaluate("window.broken") is None
    widths = page.locator("figure img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert len(widths) == len(list((results / "figures").glob("*.png")))
    assert min(widths) > 500
    assert all(len(text) > 30 for text in page.locator("figure img").evaluate_all("all => all.map(i => i.alt)"))
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_every_link_leads_somewhere(page, results):
    links = page.locator("a").evaluate_all("all => all.map(link => link.getAttribute('href'))")
    assert "figures/curve-accuracy.html" in links
    assert {"figures/curve-accuracy.pdf", "metrics/runs.parquet", "regressions/answers.txt"} <= set(links)
    for link in links:
        there = page.locator(link).count() == 1 if link.startswith("#") else (results / link).exists()
        assert there, link


def test_a_table_sorts_with_mouse_and_keyboard(page):
    heading = page.locator(f"{SIZES} th[data-key=test_accuracy]")
    before = column(page, "test_accuracy")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(page, "test_accuracy") == sorted(before)
    heading.locator("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, "test_accuracy") == sorted(before, reverse=True)
    page.locator(f"{SIZES} th[data-key=n] button").press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert column(page, "n") == [20, 20, 40, 40, 80, 80]


def test_a_table_filters_and_is_saved_as_csv(page, results):
    expected = by_size(read_table(results / "metrics" / "runs.parquet"))
    field = page.get_by_label("Filter the rows of “Test metrics by model and size”")
    for text, rows in (("", expected), ("MLP", expected[3:]), ("nothing like this", [])):
        field.fill(text)
        assert page.locator(f"{SIZES} tbody tr:visible").count() == len(rows)
        with page.expect_download() as saved:
            page.locator(".tools", has=field).get_by_role("button", name="Save as CSV").click()
        assert saved.value.suggested_filename == "sizes.csv"
        table = pd.read_csv(saved.value.path())
        assert len(table) == len(rows)
        for row, found in zip(rows, table.to_dict("records"), strict=True):
            mean, low, high = row["test_accuracy"]
            assert (found["model"], found["n"], found["gap"]) == (row["model"], row["n"], row["gap"])
            assert (found["test_accuracy"], found["test_accuracy_low"], found["test_accuracy_high"]) == (
                mean,
                low,
                high,
            )
    assert page.locator("output").first.inner_text() == "0 of 6 rows"


def test_a_figure_opens_enlarged(page):
    first = page.locator(".zoom").first
    image = page.locator("dialog img")
    first.click()
    assert image.get_attribute("alt") == first.locator("img").get_attribute("alt")
    assert image.bounding_box()["width"] > first.bounding_box()["width"]
    page.keyboard.press("ArrowRight")
    assert image.get_attribute("alt") == page.locator(".zoom img").nth(1).get_attribute("alt")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.wait_for_function("document.activeElement === document.querySelectorAll('.zoom')[1]")
    page.keyboard.press("Enter")
    image.click()
    assert not page.locator("dialog").is_visible()


def test_the_keyboard_skips_to_the_answer(page):
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("link => link === document.activeElement")
    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_everyone_can_read_it(visit, results, options):
    """Axe finds nothing; the colours follow the scheme; nothing but tables and code is wider than the screen."""
    page = visit(results / "report.html", **options)
    brightness = [
        sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{name}"))[:3])) / 3
        for name in ("backgroundColor", "color")
    ]
    assert (
        (brightness[0] < 60 and brightness[1] > 200)
        if "color_scheme" in options
        else brightness == [255, pytest.approx(32, abs=20)]
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("details").evaluate_all("all => all.forEach(part => (part.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page).response["violations"]
    assert [(entry["id"], entry["impact"], entry["nodes"][0]["html"]) for entry in found] == []


def test_it_prints(page):
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator(".tools").first.is_visible()
    assert page.locator(".table").first.evaluate("part => getComputedStyle(part).overflowX") == "visible"
    assert page.pdf().startswith(b"%PDF")
