"""Somebody who reads market data all the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import httpx

from tests.functional.callers import Caller

_MARKETS = '{ markets(symbols: ["BTCTRY", "ETHTRY"]) { ticker { last } } }'


class Reader:
    """Reads market data all the time; counts what fails."""

    def __init__(self, url: str, token: str) -> None:
        self.read, self.failed = 0, 0
        self._url, self._token = url, token
        self._end = Event()

    def run(self) -> None:
        """Go on until `stop`."""
        with httpx.Client(base_url=self._url, trust_env=False, timeout=20) as http:
            caller = Caller(http, self._token)
            while not self._end.wait(0.05):
                response = caller.post(_MARKETS)
                self.read += 1
                self.failed += response.status_code != 200 or "errors" in response.json()

    @contextmanager
    def running(self) -> Iterator["Reader"]:
        """Read until the block ends."""
        thread = Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            self._end.set()
            thread.join()
