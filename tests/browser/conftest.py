"""Fixtures of the tests in a real browser: headless Chromium, from Debian's packages where there is none."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")


class Unavailable(Exception):
    """Why there is no browser here."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, installed first if need be. Skips without; fails if TRAINSIZE_REQUIRE_BROWSER."""
    try:
        return find() or install()
    except Unavailable as reason:
        (pytest.fail if os.environ.get("TRAINSIZE_REQUIRE_BROWSER") else pytest.skip)(str(reason))


def find() -> str | None:
    return next(filter(None, map(shutil.which, COMMANDS)), None)


def install() -> str:
    """Install Debian's package and return the browser's path. Raises Unavailable."""
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable("there is no Chromium, and installing Debian's package takes apt-get and root")
    # The tests on SLURM fetch packages too, maybe now.
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *PACKAGES]
    for before in ([], ["apt-get", "update"]):
        if before:
            _quiet(before)
        done = _quiet(command)
        if done.returncode == 0 and (path := find()):
            return path
    raise Unavailable(f"Debian's package chromium cannot be installed: {done.stdout.strip().splitlines()[-1:]}")


def _quiet(command: list[str]) -> subprocess.CompletedProcess:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not run as root.
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser):
    """Open a file without a network, in a context with the given options; fail on errors and outside requests."""
    contexts, errors, requests = [], [], []

    def opened(file: Path, **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        requests.remove(file.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == []
