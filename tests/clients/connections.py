"""How the exchange is spoken to: signed requests ('Security'), and one WebSocket."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import requests
from websockets.sync.client import connect

from tests.clients.shapes import Json, Misfit, Number, check

DOCUMENT: Json = json.loads(Path(__file__).with_name("document.json").read_text(encoding="utf-8"))
CARRIERS = ("query", "form", "json")

_PATIENCE_S = 20.0
_ENDPOINTS = {(row["method"], row["path"]): row for row in DOCUMENT["endpoints"]}
_FRAMES = {row["type"]: row["frame"] for row in DOCUMENT["topics"] + DOCUMENT["userStreams"]}


@dataclass(frozen=True, slots=True)
class Keys:
    """An account's key pair, and what the transcript calls the account."""

    account: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def sign(self, text: str) -> str:
        """The signature of a text."""
        return hmac.new(self.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Rest:
    """The REST interface. `tell` gets the call, the request and the reply of everything sent."""

    def __init__(self, base_url: str, tell: Callable[[str, Json, Json], None]) -> None:
        self._base_url = base_url
        self._tell = tell
        self._session = requests.Session()
        self._session.trust_env = False  # the address is on this machine: no proxy

    def public(self, path: str, code: str = "00000", **parameters: str) -> Json:
        """Get something that needs no signature; the reply has `code`."""
        assert not _ENDPOINTS["GET", path]["signed"], path
        text = f"?{urlencode(parameters)}" if parameters else ""
        response = self._session.get(f"{self._base_url}/{path}{text}", timeout=_PATIENCE_S)
        return self._read(("GET", path), parameters, response, code)

    def get(self, path: str, keys: Keys, code: str = "00000", **parameters: str) -> Json:
        """Get something of an account."""
        return self._signed("GET", path, keys, "query", code, parameters)

    def post(
        self, path: str, keys: Keys, carrier: str, code: str = "00000", **parameters: str
    ) -> Json:
        """Post in the query string, as a form or as JSON; the signature covers all before it."""
        return self._signed("POST", path, keys, carrier, code, parameters)

    def bare(self, method: str, path: str, text: str, headers: dict[str, str], code: str) -> Json:
        """Send a query just as it is; the reply has `code`."""
        url = f"{self._base_url}/{path}?{text}"
        response = self._session.request(method, url, headers=headers, timeout=_PATIENCE_S)
        return self._read((method, path), {"expected": code}, response, code)

    def _signed(
        self,
        method: str,
        path: str,
        keys: Keys,
        carrier: str,
        code: str,
        parameters: dict[str, str],
    ) -> Json:
        assert _ENDPOINTS[method, path]["signed"], path
        pairs = {**parameters, "timestamp": str(time.time_ns() // 1_000_000)}
        text = urlencode(pairs)
        signature = keys.sign(text)
        whole = f"{text}&signature={signature}"
        url, body, headers = f"{self._base_url}/{path}", "", {"X-APNK-APIKEY": keys.api_key}
        if carrier == "query":
            url = f"{url}?{whole}"
        elif carrier == "form":
            body, headers["Content-Type"] = whole, "application/x-www-form-urlencoded"
        else:
            body = json.dumps({**pairs, "signature": signature})
            headers["Content-Type"] = "application/json"
        response = self._session.request(
            method, url, data=body.encode(), headers=headers, timeout=_PATIENCE_S
        )
        request = {"account": keys.account, "carrier": carrier, **parameters}
        return self._read((method, path), request, response, code)

    def _read(
        self, endpoint: tuple[str, str], request: Json, response: requests.Response, code: str
    ) -> Json:
        known = {name.rstrip("?") for name in _ENDPOINTS[endpoint]["parameters"]}
        assert request.keys() <= known | {"account", "carrier", "expected"}, request
        reply = parse(response.text)
        self._tell(" ".join(endpoint), request, reply)
        assert reply["code"] == code, (endpoint, request, reply)
        success = code == "00000"
        shape = _ENDPOINTS[endpoint]["reply"] if success else {"msg?": DOCUMENT["codes"][code]}
        check({"code": "text", **shape}, reply, f"{endpoint} {request}")
        return reply


class Stream:
    """One WebSocket. Every frame is held to its shape as it comes in."""

    def __init__(self, url: str, tell: Callable[[str, Json, Json], None]) -> None:
        self._tell = tell
        self._socket = connect(url, proxy=None)
        self._answers: list[Json] = []
        self._happened: list[Json] = []
        self._newest: dict[tuple[str, ...], Json] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def heartbeat(self) -> None:
        """Send the live clients' ping, which nothing answers."""
        self._socket.send(json.dumps({"data": "ping"}))

    def ask(self, method: str, *params: dict[str, str], **members: str) -> list[Json]:
        """Send a command; give its acknowledgements, one for each of `params`, or one."""
        request = {"method": method, **({"params": params} if params else {}), **members}
        self._socket.send(json.dumps(request))
        while len(self._answers) < max(1, len(params)):
            self._receive()
        answers, self._answers = self._answers, []
        self._tell(method, {"params": params}, answers)
        return answers

    def state(self, kind: str, agrees: Callable[[Json], bool], **names: str) -> None:
        """Wait until the newest frame of a kind, with these names, is as it should be."""
        key = (kind, *names.values())
        while key not in self._newest or not agrees(self._newest[key]):
            self._receive()
        self._tell(kind, names, self._newest[key])

    def event(self, kind: str, agrees: Callable[[Json], bool]) -> Json:
        """Wait for something that happens once: the first such trade or order not yet taken."""
        while True:
            for frame in self._happened:
                if frame["type"] == kind and agrees(frame):
                    self._happened.remove(frame)
                    self._tell(kind, {}, frame)
                    return frame
            self._receive()

    def left(self, kind: str) -> list[Json]:
        """What happened, and nobody asked about."""
        return [frame for frame in self._happened if frame["type"] == kind]

    def _receive(self) -> None:
        frame = parse(self._socket.recv(timeout=_PATIENCE_S))
        if "method" in frame:
            self._answers.append(frame)
            return
        kind = frame.get("type")
        if kind not in _FRAMES:
            raise Misfit(f"a frame of no documented type: {frame}")
        check({"type": f"text {kind}", **_FRAMES[kind]}, frame, kind)
        if kind in {"trade", "orderUpdate"}:
            self._happened.append(frame)
        else:
            names = (frame[name] for name in ("symbol", "interval") if name in frame)
            self._newest[kind, *names] = frame


def parse(text: str | bytes) -> Json:
    """Read JSON, keeping the digits of each number; NaN and Infinity are none."""

    def refuse(constant: str) -> Json:
        raise Misfit(f"{constant} is no JSON")

    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse)
