"""A page in Chromium as a user has it, by clicks, at a screen's size, light or dark: spoken to by WebDriver."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import browser

# Whatever is asked of a host that is not this machine fails at once.
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Of every text that can be seen: its contrast with what it stands on, and its size; and what the page fetched.
FINDINGS = """
const rgb = colour => colour.match(/[\\d.]+/g).map(Number);
const light = colour => rgb(colour).slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
const paper = element => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if ((rgb(colour)[3] ?? 1) > 0) return colour;
  }
};
const own = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
const seen = [...document.querySelectorAll('body *')].filter(e => (own(e) || e.value) && e.checkVisibility());
return {
  texts: seen.map(element => {
    const style = getComputedStyle(element), [a, b] = [light(style.color), light(paper(element))].sort((x, y) => y - x);
    return [element.textContent.trim().slice(0, 40), (a + .05) / (b + .05), parseFloat(style.fontSize)];
  }),
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  targets: [...document.querySelectorAll('button, fieldset span')].filter(e => e.checkVisibility())
    .map(e => e.getBoundingClientRect().height),
  hosts: [...new Set(performance.getEntriesByType('resource').map(entry => new URL(entry.name).host))],
};
"""


class Page:
    """A window of Chromium."""

    def __init__(self, driver: str, session: str) -> None:
        self._session = f"{driver}/session/{session}"

    def ask(self, path: str, **values: object) -> Any:
        """What a command of the protocol answers."""
        return post(f"{self._session}/{path}", values)

    def open(self, url: str, *, width: int, scheme: str) -> None:
        """Go to a page, on a screen of ``width`` that is light or dark."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.ask("goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=screen)
        self.ask("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=media)
        self.ask("url", url=url)

    def run(self, script: str) -> Any:
        """What JavaScript returns."""
        return self.ask("execute/sync", script=script, args=[])

    def text(self, selector: str) -> str:
        """What can be read in an element, empty where it cannot be seen."""
        return str(
            self.run(f"const e = document.querySelector({selector!r}); return e.checkVisibility() ? e.innerText : ''")
        )

    def click(self, selector: str) -> None:
        """A click where a user would click."""
        (element,) = self.ask("element", using="css selector", value=selector).values()
        self.ask(f"element/{element}/click")

    def wait(self, condition: str) -> None:
        """Wait until an expression of JavaScript holds. Fails with what the page shows after two minutes."""
        end = time.monotonic() + 120
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end, self.run("return document.body.innerText")
            time.sleep(0.1)

    def picture(self, target: Path) -> None:
        """Write the whole page as a PNG."""
        answer = self.ask("goog/cdp/execute", cmd="Page.captureScreenshot", params={"captureBeyondViewport": True})
        target.write_bytes(base64.b64decode(answer["data"]))


def post(url: str, values: object) -> Any:
    request = urllib.request.Request(url, json.dumps(values).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"][:1000]) from None


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A window, whose files lie in ``profile``. Skips where Chromium or its driver is missing."""
    program = shutil.which("chromedriver")
    if program is None:
        pytest.skip("needs Chromium's driver: install Debian's package chromium-driver")
    options = {"binary": browser(), "args": [*OPTIONS, f"--user-data-dir={profile}"]}
    with subprocess.Popen(
        [program, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        try:
            assert driver.stdout is not None
            port = next(
                line.split("port ")[1].strip(" .\n") for line in driver.stdout if "successfully on port" in line
            )
            url = f"http://127.0.0.1:{port}"
            opened = post(f"{url}/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
            page = Page(url, opened["sessionId"])
            yield page
            urllib.request.urlopen(urllib.request.Request(page._session, method="DELETE"), timeout=30).close()
        finally:
            driver.terminate()
