"""What a client written from the exchange's document sends, as it comes over a socket."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from gateway.web.facade.signed import api_key_in, claim_in
from tests.clients.connections import CARRIERS, Keys, Rest
from tests.unit.web.facade.carried import SECRET, Carried, is_proven

PATH = "v3/api/balance/create-withdraw"
KEYS = Keys("trader", "virtual-key", SECRET)
AWKWARD = {
    "symbol": "BTC",
    "amount": "0.00000010",
    "address": "ş ü+&=%41/?#~*'\"\\",
    "secondParameter": "\n\U0001f4b0",
    "node": "",
}


class Listener:
    """Answers everything with 00000, and keeps what came last."""

    def __init__(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.take(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name for it
                """Log nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.carried = Carried()
        self.headers: list[tuple[bytes, bytes]] = []

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        query = request.path.partition("?")[2].encode()
        self.carried = Carried(query, request.headers.get("Content-Type", ""), body)
        self.headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        reply = b'{"code":"00000"}'
        request.send_response(200)
        request.send_header("Content-Length", str(len(reply)))
        request.end_headers()
        request.wfile.write(reply)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = Thread(target=listener.server.serve_forever, args=(0.05,))
    thread.start()
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_it_signs_is_proven_however_it_is_carried(listener: Listener, carrier: str) -> None:
    Rest(listener.url, lambda *_: None).post(PATH, KEYS, carrier, **AWKWARD)
    found = listener.carried.read()
    claim = claim_in(api_key_in(listener.headers), found)
    assert (claim.api_key, claim.text) == (KEYS.api_key, found.signed_text)
    assert is_proven(found)
    assert {name: found.values[name] for name in AWKWARD} == AWKWARD
    assert found.values.keys() - AWKWARD.keys() == {"timestamp"}
