"""The wires that the fault grid meets the gateway's orders on."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.retry import Retry

from tests.faults.journal_wire import BEGIN, CHANGE, JournalWire, Moment, Write
from tests.faults.order_wire import OrderWire
from tests.faults.resp import Commands, Replies
from tests.faults.tcp_wire import WireLog
from tests.valkey import ValkeyServer

SCRIPT = "-- journal.begin\nredis.call('SET', KEYS[1], ARGV[1]) return {1, {ok='fine'}, false}"
RECORD = {"command": {"account": "demo"}, "state": "SENDING", "digest": "d1", "epoch": 0}
ORDER = "/v3/api/market/limit-buy?symbol=BTCTRY&timestamp=1"


@pytest.fixture
def log() -> WireLog:
    return WireLog({"k1": "demo"})


@pytest.fixture
def wire(valkey: ValkeyServer, log: WireLog) -> Iterator[JournalWire]:
    with closing(JournalWire(valkey.port, log)) as made:
        yield made


@pytest.fixture
def client(wire: JournalWire) -> Iterator[redis.Redis]:
    with redis.Redis(port=wire.port, protocol=3, retry=Retry(NoBackoff(), 0)) as made:
        yield made


def begin(client: redis.Redis) -> object:
    return client.eval(SCRIPT, 1, "key", json.dumps(RECORD))


def test_commands_and_replies_are_told_apart_however_they_are_cut() -> None:
    asked = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n"
    commands = Commands()
    found = [each for byte in asked for each in commands.feed(bytes([byte]))]
    assert [words for _, words in found] == [[b"GET", b"a\r\nb"], [b"PING"]]
    assert b"".join(raw for raw, _ in found) == asked
    told = b"%1\r\n+a\r\n*2\r\n:1\r\n_\r\n>1\r\n+push\r\n$-1\r\n$0\r\n\r\n"
    replies = Replies()
    answers = [each for byte in told for each in replies.feed(bytes([byte]))]
    assert [answering for _, answering in answers] == [True, False, True, True]
    assert b"".join(raw for raw, _ in answers) == told


def test_a_write_of_the_journal_is_met_before_it_arrives_and_before_its_answer_goes_back(
    wire: JournalWire, client: redis.Redis, valkey: ValkeyServer
) -> None:
    met: list[tuple[Write, Moment, bytes]] = []

    def hook(write: Write, moment: Moment) -> bool:
        met.append((write, moment, valkey.command("EXISTS", "key")))
        return True

    wire.hook = hook
    pipeline = client.pipeline(transaction=False)
    pipeline.exists("key")
    pipeline.eval(SCRIPT, 1, "key", json.dumps(RECORD))
    pipeline.get("key")
    assert pipeline.execute()[2] == json.dumps(RECORD).encode()
    write = Write(BEGIN, "demo", None, "SENDING", "d1")
    assert met == [(write, Moment.ASKED, b":0\r\n"), (write, Moment.ANSWERED, b":1\r\n")]


@pytest.mark.parametrize(("moment", "written"), [(Moment.ASKED, 0), (Moment.ANSWERED, 1)])
def test_a_write_can_be_lost_with_its_connection_before_or_after_it_is_done(
    wire: JournalWire, client: redis.Redis, log: WireLog, moment: Moment, written: int
) -> None:
    wire.hook = lambda write, now: now is not moment
    with pytest.raises(ConnectionLost):
        begin(client)
    assert client.exists("key") == written
    log.sent("k1", "d1")
    assert log.ahead == [("demo", "d1")]


def test_what_a_change_makes_of_a_record_is_told_not_what_it_was(
    wire: JournalWire, client: redis.Redis
) -> None:
    met: list[Write] = []

    def hook(write: Write, moment: Moment) -> bool:
        met.append(write)
        return True

    wire.hook = hook
    text, lapsed = "-- journal.change\nreturn 1", {"state": "UNKNOWN", "epoch": 1}
    client.eval(text, 1, "key", json.dumps(RECORD), json.dumps(RECORD | lapsed))
    assert met == [Write(CHANGE, "demo", "SENDING", "UNKNOWN", "d1", taken_over=True)] * 2


def test_a_wire_can_be_led_to_another_server(
    wire: JournalWire, client: redis.Redis, own_valkey: ValkeyServer
) -> None:
    client.set("where", "first")
    wire.target = own_valkey.port
    wire.cut()
    assert client.get("where") is None


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def order_wire(log: WireLog) -> Iterator[OrderWire]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    with closing(OrderWire(server.server_port, log)) as made:
        yield made
    server.shutdown()
    server.server_close()


def send_order(wire: OrderWire) -> int:
    with closing(HTTPConnection("127.0.0.1", wire.port)) as connection:
        connection.request("POST", f"{ORDER}&signature=00", headers={"X-APNK-APIKEY": "k1"})
        return connection.getresponse().status


def test_an_order_passes_a_toll_that_knows_its_key_and_is_told_if_no_record_went_before(
    order_wire: OrderWire, log: WireLog
) -> None:
    keys: list[str] = []

    def toll(api_key: str) -> bool:
        keys.append(api_key)
        return True

    order_wire.toll = toll
    assert send_order(order_wire) == httpx.codes.OK
    assert keys == ["k1"]
    digest = hashlib.sha256(ORDER.partition("?")[2].encode()).hexdigest()
    assert log.ahead == [("demo", digest)]
    log.begun("demo", digest)
    assert send_order(order_wire) == httpx.codes.OK
    assert log.ahead == [("demo", digest)]


def test_an_order_can_be_torn_on_its_way(order_wire: OrderWire) -> None:
    order_wire.toll = lambda key: False
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        send_order(order_wire)


def test_a_wire_refuses_connections_until_it_listens_again(order_wire: OrderWire) -> None:
    order_wire.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", order_wire.port))
    order_wire.listen()
    assert send_order(order_wire) == httpx.codes.OK
