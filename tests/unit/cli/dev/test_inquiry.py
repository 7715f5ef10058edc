"""Questions to servers on this machine: yes or no, and an answer or why there is none."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.cli.dev.inquiry import NoAnswer, ask, is_up
from tests.processes import free_port

TOKEN = "ngw_made_up"


@contextmanager
def server(status: int, body: str) -> Iterator[int]:
    """A server that answers everything so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield listener.server_port
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "up"), [(200, True), (503, False), (404, False)])
def test_a_server_is_up_when_it_answers_200(*, status: int, up: bool) -> None:
    with server(status, "") as port:
        assert is_up(port, "/readyz") is up


def test_a_server_that_is_not_there_is_not_up() -> None:
    assert not is_up(free_port(), "/readyz")


def test_an_answer_is_its_data() -> None:
    with server(200, '{"data": {"market": {"symbol": "BTCUSDT"}}}') as port:
        answer = ask(port, TOKEN, "market", {"symbol": "BTCUSDT"})
    assert answer == {"market": {"symbol": "BTCUSDT"}}


@pytest.mark.parametrize(
    "body",
    ['{"errors": [{"message": "no"}]}', '{"data": null}', "<html>", ""],
    ids=["errors", "null", "html", "empty"],
)
def test_what_is_no_answer_is_told_without_the_token(body: str) -> None:
    with server(200, body) as port, pytest.raises(NoAnswer) as none:
        ask(port, TOKEN, "market", {})
    assert str(none.value).startswith("the gateway did not answer 'market' as it should: ")
    assert TOKEN not in str(none.value)
