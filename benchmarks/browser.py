"""From the click on "submit" to the score on the page, in a real browser, the machine otherwise idle."""

import os
import signal
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from benchmarks.course import PORT, cookies, opened, workers
from benchmarks.submissions import distinct
from lms.demo.processes import web_of
from lms.supervisor import answers

STUDENTS, WARM_UP = 32, 2
ADDRESS = f"http://127.0.0.1:{PORT}"
LAB = f"{ADDRESS}/courses/grading-speed/labs/realistic"
CHROMIUM = "/usr/bin/chromium"
SCORE_IS_THERE = "!['–', undefined].includes(document.querySelector('#state .score b')?.textContent.trim())"
READ_SECONDS = 1.5  # the page is drawn and the machine idle when the student clicks
SETTLE_SECONDS = 3.0  # what the student sees is executed too, and the next pair of processes made


def main() -> None:
    """Hand in once per student, each in a browser of their own, and print how long the score took."""
    with opened(STUDENTS) as (group, _worker), ExitStack() as stack:
        web = web_of(group.installation.settings, PORT)
        web.start()
        stack.callback(web.tell, signal.SIGTERM)
        stack.enter_context(workers(group, 1))
        if not answers(f"{ADDRESS}/", seconds=60):
            raise SystemExit("the web server does not answer")
        folder = Path(stack.enter_context(TemporaryDirectory()))
        playwright = stack.enter_context(sync_playwright())
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.callback(chromium.close)
        works = distinct(group.template("realistic"))
        seconds = []
        for number, cookie in enumerate(cookies(group)):
            file = folder / "realistic.ipynb"
            file.write_bytes(works[number % len(works)])
            seconds.append(_until_the_score(chromium, cookie, file))
            time.sleep(SETTLE_SECONDS)
        _print(seconds[WARM_UP:])


def _until_the_score(chromium: Browser, cookie: str, file: Path) -> float:
    context = chromium.new_context(locale="en-GB", timezone_id="Asia/Seoul", bypass_csp=True)
    context.add_cookies([{"name": "session", "value": cookie, "url": ADDRESS}])
    page = context.new_page()
    page.goto(LAB)
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_load_state("networkidle")
    time.sleep(READ_SECONDS)
    begun = time.perf_counter()
    page.locator("form:has(input[type=file]) button").last.click()
    page.wait_for_function(SCORE_IS_THERE, polling=10)
    taken = time.perf_counter() - begun
    context.close()
    return taken


def _print(seconds: list[float]) -> None:
    parts = statistics.quantiles(seconds, n=20)
    print(f"{os.cpu_count()} CPUs; realistic lab, {len(seconds)} students, one after the other")
    print(
        f"from click to score: median {statistics.median(seconds) * 1000:.0f} ms, "
        f"p95 {parts[18] * 1000:.0f} ms, most {max(seconds) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
