"""A page in a real browser, steered over the DevTools protocol."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.processes import eventually
from tests.valkey import die_with_parent

_PATIENCE_S = 30
_LONGEST_MESSAGE = 2**24


class Page:
    """One page; elements are named by CSS selectors, the first of them is meant."""

    def __init__(self, devtools: ClientConnection) -> None:
        self._devtools = devtools
        self._numbers = itertools.count(1)

    def visit(self, url: str) -> None:
        """Go to an address."""
        self._command("Page.navigate", url=url)

    def click(self, selector: str) -> None:
        """Click on an element, as soon as it is there."""
        self._wait_for(selector)
        self._evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """Type into a field, as soon as it is there, and leave it."""
        self._wait_for(selector)
        self._evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._command("Input.insertText", text=text)
        self._evaluate("document.activeElement.blur()")

    def text(self, selector: str) -> str:
        """What an element shows, as soon as it is there."""
        self._wait_for(selector)
        return str(self._evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def values(self, selector: str) -> list[str]:
        """What stands in all such fields."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return list(self._evaluate(f"{found}.map(field => field.value)"))

    def _wait_for(self, selector: str) -> None:
        there = f"document.querySelector({json.dumps(selector)}) !== null"
        assert eventually(lambda: self._evaluate(there) is True), selector

    def _evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page says
        done = self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def _command(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._devtools.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message: dict[str, Any] = json.loads(self._devtools.recv(timeout=_PATIENCE_S))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result


@contextmanager
def open_page(profile: Path) -> Iterator[Page]:
    """Run a browser that keeps its files in `profile`, and open a page."""
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",  # root may not run it otherwise, and it visits nothing but the gateway
        "--disable-gpu",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    with (profile / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
        )
    try:
        with connect(_address(profile), proxy=None, max_size=_LONGEST_MESSAGE) as devtools:
            yield Page(devtools)
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _address(profile: Path) -> str:
    """Where DevTools shows the page, once the browser says it."""
    told = profile / "DevToolsActivePort"
    assert eventually(lambda: told.exists() and "/" in told.read_text()), profile
    port, path = told.read_text().splitlines()
    browser = f"ws://127.0.0.1:{port}{path}"
    with connect(browser, proxy=None, max_size=_LONGEST_MESSAGE) as devtools:
        devtools.send(
            json.dumps({"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}})
        )
        made = json.loads(devtools.recv(timeout=_PATIENCE_S))
    return f"ws://127.0.0.1:{port}/devtools/page/{made['result']['targetId']}"
