"""One browser for all tests that need one, and the look of axe at a page."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
# What is expected of a page comes at once or, while other tests keep both processors busy, a little later.
expect.set_options(timeout=20_000)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once for a file of tests; without it the tests that need it are not run.

    Playwright keeps an event loop running in this thread, beside which no other can: it ends with the file.
    """
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI_REQUIRE") == "1":
            pytest.fail("not run: Chromium is not here")
        pytest.skip("not run: Chromium is not here")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


def axe_findings(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return what axe finds on a page, by all our rules or only by some."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    chosen = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
    options = {"runOnly": chosen, "resultTypes": ["violations"]}
    # Only what is told crosses to this process: the whole result is large, and slow to carry over.
    found: list[str] = page.evaluate(
        "options => axe.run(document, options).then(all => all.violations.flatMap("
        "fault => fault.nodes.map(node => `${fault.id}: ${node.html.slice(0, 160)}`)))",
        options,
    )
    return found


@pytest.fixture
def axe_check() -> Callable[[Page], None]:
    """Return a function that fails when axe finds anything on a page, or when it is wider than its window."""

    def axe_check(page: Page) -> None:
        told = axe_findings(page)
        assert not told, f"{page.url}\n" + "\n".join(told)
        too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not too_wide, f"{page.url} is wider than its window"

    return axe_check
