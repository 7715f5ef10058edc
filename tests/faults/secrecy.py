"""What must show nowhere, in every form in which it could, and the search for it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from math import ceil
from urllib.parse import quote, urlencode

import httpx

from gateway.sandbox import Account, KeyPair
from tests.functional.exchange import DEMO, VAULT, Exchange
from tests.functional.service import PEOPLE, Service

_MOST_SIGNATURES = 1_000
"""Each is looked for in many forms, in logs of megabytes."""


def forms(secret: str | bytes) -> set[bytes]:
    """The secret as it stands, percent-encoded, in JSON, in hex, and in base64 of any text."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    return {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        quote(raw, safe="").encode(),
        json.dumps(raw.decode("latin-1"))[1:-1].encode(),
        *_in_base64(raw),
    }


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """What of it shows for certain in the base64 of a text that it is in the midst of."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        whole = text[ceil(before * 8 / 6) : (before + len(raw)) * 8 // 6]
        yield from (whole, whole.translate(bytes.maketrans(b"+/", b"-_")))


def held(accounts: Iterable[Account] = (DEMO, VAULT)) -> set[str]:
    """The keys and secrets that a gateway holds, and the frames' signatures that log it in."""
    pairs = [keys for account in accounts for keys in account.keys]
    logins = {signature(keys, keys.api_key) for keys in pairs}
    return logins | {part for keys in pairs for part in (keys.api_key, keys.api_secret)}


def tokens() -> set[str]:
    """What the principals prove themselves with."""
    return {member.token for member in PEOPLE}


def signature(keys: KeyPair, text: str) -> str:
    """The signature of a text, as the document's "Security" section says."""
    return hmac.new(keys.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signatures(exchange: Exchange, accounts: Iterable[Account] = (DEMO, VAULT)) -> set[str]:
    """Signatures of requests that the exchange still knows of: of very many, some of all times."""
    try:
        rows = exchange.http.get("/control/requests").json()["requests"]
    except httpx.TransportError:  # it has been stopped, and remembers nothing
        return set()
    signed = [row for row in rows if "timestamp" in row["parameters"]]
    pairs = {account.account_id: account.keys for account in accounts}
    return {
        signature(keys, urlencode(row["parameters"]))
        for row in signed[:: len(signed) // _MOST_SIGNATURES + 1]
        for keys in pairs.get(row["account"], ())
    }


def leaks(places: dict[str, bytes], secrets: Iterable[str | bytes]) -> list[str]:
    """Where a secret shows; the secret itself is not repeated."""
    needles = {form for secret in secrets for form in forms(secret)}
    return [name for name, text in places.items() if any(needle in text for needle in needles)]


def check_log(service: Service) -> None:
    """See that the log of a gateway shows no key, secret, token or signature of its own."""
    accounts = service.accounts
    tokens = {member.token for member in service.members.values()}
    known = held(accounts) | tokens | signatures(service.exchange, accounts)
    assert leaks({service.log.name: service.log.read_bytes()}, known) == []
