"""A headless Chromium with a page of ours: clicks, keys, sizes, colours, and what it asked the network for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
WAIT_S = 20


class Page:
    """One browser with one page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, file: Path, route: str = "") -> None:
        """Open a file at a route of ours, afresh."""
        self.driver.get("about:blank")
        self.driver.get(f"{file.as_uri()}{route}")

    def go(self, route: str) -> None:
        """Go to a route within the page."""
        self.run("location.hash = arguments[0]", route)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """The elements that fit a CSS selector and are seen."""
        return [each for each in self.driver.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]

    def one(self, selector: str) -> WebElement:
        """The first element that fits a selector and is seen; waits for it."""
        return WebDriverWait(self.driver, WAIT_S).until(lambda _: self.all(selector))[0]

    def gone(self, selector: str) -> None:
        """Wait until no element that fits is seen."""
        WebDriverWait(self.driver, WAIT_S).until(lambda _: not self.all(selector))

    def until(self, wanted: Callable[[], object]) -> None:
        """Wait until something is so."""
        WebDriverWait(self.driver, WAIT_S).until(lambda _: wanted())

    def wait_for(self, promise: str) -> Any:
        """What a promise of JavaScript comes to."""
        script = f"const done = arguments[0]; ({promise}).then(done, (error) => done(String(error)));"
        return self.driver.execute_async_script(script)

    def keys(self, *keys: str) -> None:
        """Type into whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    @property
    def focused(self) -> WebElement:
        """What has the focus."""
        return self.driver.switch_to.active_element

    def size(self, width: int, height: int = 900) -> None:
        """The size of the page, in pixels of CSS."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", metrics)

    def colours(self, scheme: str) -> None:
        """What the person prefers: light or dark."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", {"features": features})

    def command(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """A command of the Chrome DevTools Protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, arguments)
        return answer

    def picture(self, clip: dict[str, float] | None = None) -> bytes:
        """A PNG of what is seen, or of a part of the page."""
        arguments: dict[str, Any] = {"format": "png", "captureBeyondViewport": clip is not None}
        if clip is not None:
            arguments["clip"] = {**clip, "scale": 1}
        return base64.b64decode(self.command("Page.captureScreenshot", arguments)["data"])

    def _log(self, name: str) -> list[dict[str, Any]]:
        """What was written into a log of the browser since it was last asked."""
        entries: list[dict[str, Any]] = self.driver.execute("getLog", {"type": name})["value"]
        return entries

    def complaints(self) -> list[str]:
        """What the console said since it was last asked, errors and warnings."""
        return [f"{each['level']}: {each['message']}" for each in self._log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since it was last asked, but pages from disk and data in memory."""
        events = [json.loads(each["message"])["message"] for each in self._log("performance")]
        sent = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("about:", "blob:", "data:"))]


@contextmanager
def browser(chromium: str, chromedriver: str, profile: Path) -> Iterator[Page]:
    """A browser with a fresh profile, which is over when the block is left."""
    options = ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(chromedriver))
    try:
        yield Page(driver)
    finally:
        driver.quit()
