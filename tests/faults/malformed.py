"""Replies of the exchange that are none: what can be wrong with one, as the sandbox's faults."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

SAMPLES = Path(__file__).parents[1] / "payloads" / "rest"

# The members of a fault of the sandbox, made from a good reply and the name of a member of it that
# cannot be spared.
Break: TypeAlias = Callable[[str, str], dict[str, object]]


def sample(name: str) -> str:
    """The document's sample reply of an endpoint."""
    return (SAMPLES / f"{name}.json").read_text(encoding="utf-8")


def _always(body: str, **more: object) -> Break:
    return lambda _good, _needed: {"outcome": "reply", "body": body, **more}


def _with(value: str) -> Break:
    """Give the first of the needed members another value."""

    def broken(good: str, needed: str) -> dict[str, object]:
        member = re.compile(rf'("{needed}":\s*)("[^"]*"|[^,\s}}]+)')
        body, found = member.subn(rf"\g<1>{value}", good, count=1)
        assert found, needed
        return {"outcome": "reply", "body": body}

    return broken


def _renamed(good: str, needed: str) -> dict[str, object]:
    assert f'"{needed}"' in good
    return {"outcome": "reply", "body": good.replace(f'"{needed}"', '"another"')}


def _half(good: str, _needed: str) -> dict[str, object]:
    return {"outcome": "reply", "body": good[: len(good) // 2]}


def _outcome(name: str) -> Break:
    return lambda _good, _needed: {"outcome": name}


BREAKS: dict[str, Break] = {
    "a needed member is missing": _renamed,
    "a needed member is null": _with("null"),
    "a needed member is an object": _with("{}"),
    "a needed member is a boolean": _with("true"),
    "not a number": _with("NaN"),
    "infinite": _with("-Infinity"),
    "an exponent beyond all bounds": _with("1E+999999999"),
    "nothing but success": _always('{"code": "00000"}'),
    "half a text": _half,
    "empty": _always(""),
    "HTML with status 200": _always("<html>welcome</html>", mediaType="text/html"),
    "a list": _always('[{"code": "00000"}]'),
    "a code that is a list": _always('{"code": ["00000"]}'),
    "a code that is null": _always('{"code": null}'),
    "a code that is a fraction": _always('{"code": 0.0}'),
    "no code": _always('{"data": "PONG"}'),
    "too deep": _always('{"code": "00000", "more": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "eleven megabytes": _always('{"code": "00000", "more": "<filler>"}', filler=11_000_000),
    "cut off": _outcome("truncated"),
    "502 in HTML": _outcome("html-502"),
    "429 in HTML": _outcome("too-many-requests"),
}
"""Each turns a good reply into one that proves nothing."""
