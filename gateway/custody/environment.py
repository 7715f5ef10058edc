"""Reads keys from a JSON text, as the environment gives it."""

import json

from gateway.custody.findings import UNNAMED_PURPOSES, Findings, account_fault
from gateway.custody.sources import FoundKeys
from gateway.domain.signing import KeySlot, Purpose
from gateway.settings import PREFIX

_TEXT = f"{PREFIX}CREDENTIALS"
_PAIR = ("api_key", "api_secret")
_FORM = '{"<account>": {"<purpose>": {"api_key": "…", "api_secret": "…"}}}'


def read_text(text: str) -> FoundKeys:
    """Read `text`: {"<account>": {"<purpose>": {"api_key": …, "api_secret": …}}}.

    A pair in place of the purposes is for reading and trading.
    """
    found = Findings()
    try:
        accounts = json.loads(text)
    except (ValueError, RecursionError):
        accounts = None
    if not isinstance(accounts, dict):
        found.faults.append(f"{_TEXT}: is not the JSON expected; write {_FORM}.")
        return found.result()
    for account, content in accounts.items():
        _read_account(account, content, found)
    return found.result()


def _read_account(account: str, content: object, found: Findings) -> None:
    place = f"{_TEXT}, account {account[:64]!r}"
    if (fault := account_fault(account, place)) is not None:
        found.faults.append(fault)
    elif isinstance(content, dict) and content and content.keys() <= set(Purpose):
        for purpose, pair in content.items():
            slot = KeySlot(account, Purpose(purpose))
            _read_pair((slot,), pair, f"{place}, {purpose}", found)
    else:
        slots = tuple(KeySlot(account, purpose) for purpose in UNNAMED_PURPOSES)
        _read_pair(slots, content, place, found)


def _read_pair(slots: tuple[KeySlot, ...], pair: object, place: str, found: Findings) -> None:
    if not isinstance(pair, dict) or pair.keys() != set(_PAIR):
        found.faults.append(f"{place}: needs api_key and api_secret, and only these: {_FORM}.")
        return
    key, secret = (found.checked(pair[name], f"{place}, {name}") for name in _PAIR)
    found.add(slots, place, key, secret)
