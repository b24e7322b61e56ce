"""The pages are built as a site without a warning, and every link in it leads to a file and a place that are there."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support import ROOT


class Page(HTMLParser):
    """The links of a page, what it loads, and the places in it that links can lead to."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.loaded, self.places = set(), set(), {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.add(value)
                if tag != "a":
                    self.loaded.add(value)
            elif name == "id":
                self.places.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--conf-dir", "docs", ".", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_page_is_in_it(site):
    written = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "published" / "README.md"]
    missing = [path for path in written if not (site / path.relative_to(ROOT)).with_suffix(".html").is_file()]
    assert missing == []
    assert (site / "index.html").is_file()


def test_every_link_leads_somewhere(site, pages):
    lost, followed = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            places = pages[target].places if target in pages else {""}
            followed += 1
            if not target.is_file() or unquote(parts.fragment) not in places:
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []
    assert followed > 500


def test_no_page_needs_a_network(pages):
    for path, page in pages.items():
        assert [link for link in page.loaded if urlsplit(link).scheme] == [], path
