"""A real browser without a screen: Chromium, driven by ChromeDriver over W3C WebDriver."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import needs
from processes.program import PATIENCE_SECONDS, Program

# https://www.w3.org/TR/webdriver2/#elements
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One window. What is not there yet is waited for."""

    def __init__(self, folder: Path):
        driver, chromium = (
            needs.program("browser", "CHROMEDRIVER"),
            needs.program("browser", "CHROMIUM"),
        )
        self._session = ""
        self._program = Program(
            "chromedriver",
            [driver, "--port=0"],
            folder,
            # What they leave behind goes with the folder.
            environment={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        )
        try:
            found = self._program.wait_until(self._listening, "port")
            assert isinstance(found, re.Match)
            self._url = f"http://127.0.0.1:{found[1]}/session"
            options = {"binary": chromium, "args": _arguments(folder)}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            started = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            assert isinstance(started, dict)
            self._session = f"/{started['sessionId']}"
        except BaseException:
            self.stop()
            raise

    def open(self, url: str) -> None:
        """Loads a page anew, even if only what stands after `#` differs."""
        self._ask("POST", "/url", {"url": "about:blank"})
        self._ask("POST", "/url", {"url": url})

    def click(self, selector: str) -> None:
        """Clicks on the element that the CSS selector names."""
        self.wait_for(selector)
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def press(self, keys: str) -> None:
        """Types into whatever has the focus; `\\ue007` is Enter, `\\ue004` Tab."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        sequence = {"type": "key", "id": "keyboard", "actions": actions}
        self._ask("POST", "/actions", {"actions": [sequence]})

    def text(self, selector: str) -> str:
        """The text of an element, as a reader sees it."""
        self.wait_for(selector)
        return str(self.evaluate("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        """The texts of all such elements."""
        script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)"
        found = self.evaluate(script, selector)
        assert isinstance(found, list)
        return found

    def wait_for(self, selector: str, text: str = "") -> None:
        """Waits until such an element is seen with this in its text."""
        script = """return [...document.querySelectorAll(arguments[0])].some(
          (each) => each.checkVisibility() && each.innerText.includes(arguments[1]))"""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.evaluate(script, selector, text):
            if time.monotonic() > deadline:
                shown = self.evaluate("return document.body.innerText")
                raise AssertionError(f"no {selector!r} with {text!r} in:\n{shown}")
            time.sleep(0.05)

    def evaluate(self, script: str, *arguments: object) -> object:
        """What a script returns, run as the body of a function in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def complaints(self) -> list[str]:
        """Errors and broken policies since the last time that one asked."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        assert isinstance(entries, list)
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def stop(self) -> None:
        # The driver ends the browser with the session, but not when it is ended itself.
        if self._session:
            self._ask("DELETE", "")
        self._program.stop()

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        assert isinstance(found, dict)
        return found[_ELEMENT]

    def _listening(self) -> re.Match | None:
        return re.search(r"started successfully on port (\d+)", self._program.stdout())

    def _ask(self, method: str, path: str, body: dict | None = None) -> object:
        request = urllib.request.Request(
            f"{self._url}{self._session}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError(f"{value['error']}: {value['message']}") from None


def _arguments(folder: Path) -> list[str]:
    return [
        "--headless=new",
        "--window-size=1400,900",
        # It ends with the driver, whatever ends that.
        "--remote-debugging-pipe",
        f"--user-data-dir={folder / 'profile'}",
        "--no-first-run",
        "--disable-gpu",
        # Containers have a small one.
        "--disable-dev-shm-usage",
        # Chromium's own calls to the outside.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # Its sandbox does not work for root, as whom tests run in containers.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
