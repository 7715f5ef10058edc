"""The drop copy of an account: followed on one replica, resumed on another, nothing missed."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeAlias

import pytest
from redis import Redis

from gateway.cli.operations import operation
from gateway.store.journal_keys import events_key
from tests.functional.callers import Json, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import VAULT, Trader
from tests.functional.ordering import accepted
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.processes import eventually

WATCH = operation("watch-account-events")
PEOPLE = (
    Member("trader", (MARKET, READ, TRADE_ALL)),
    Member("keeper", (MARKET, READ, TRADE_ALL), account="vault"),
)

Replicas: TypeAlias = tuple[Service, Service]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two gateways on one Redis."""
    with (
        running_service(tmp_path_factory, people=PEOPLE) as one,
        closing(one.replica()) as other,
    ):
        other.start()
        yield one, other


@contextmanager
def following(service: Service, after: str | None = None) -> Iterator[Socket]:
    """Follow the account demo, from an event on."""
    with open_socket(service.ws_url, service.members["trader"].token) as socket:
        socket.subscribe(WATCH, account="demo", after=after)
        yield socket


def until(socket: Socket, found: Callable[[Json], bool]) -> list[Json]:
    """The changes that are told up to the one that is meant."""
    events = [socket.next()["accountEvents"]]
    while not found(events[-1]["change"]):
        events.append(socket.next()["accountEvents"])
    return events


def is_order(order_id: str) -> Callable[[Json], bool]:
    return lambda change: (
        change["__typename"] == "AccountOrder" and change["order"]["orderId"] == order_id
    )


def newest(service: Service) -> str:
    """The number of an event from which on all is the test's own."""
    with following(service, after="0") as socket:
        order_id = service.exchange.demo.limit("buy", "ETHTRY", "10000", "0.1")
        return str(until(socket, is_order(order_id))[-1]["sequence"])


def test_an_order_is_told_with_its_placement_on_whichever_replica_one_follows(
    replicas: Replicas,
) -> None:
    one, other = replicas
    with following(other, newest(other)) as socket:
        placed = accepted(one.caller(), "told-everywhere")
        order_id, placement_id = placed["order"]["orderId"], placed["placement"]["id"]
        (*_, told) = until(socket, is_order(order_id))
    change = told["change"]
    assert (change["origin"], change["placementId"]) == ("GATEWAY", placement_id)
    assert (change["order"]["status"], change["order"]["quantity"]) == ("NEW", "0.001")


def test_an_order_that_nobody_here_placed_is_external_to_its_end(replicas: Replicas) -> None:
    one, _ = replicas
    with following(one, newest(one)) as socket:
        order_id = one.exchange.demo.limit("buy", "BTCTRY", "290500", "0.001")
        (*_, opened) = until(socket, is_order(order_id))
        one.exchange.demo.cancel(order_id)
        (*_, ended) = until(socket, is_order(order_id))
    told = [
        (each["change"]["origin"], each["change"]["order"]["status"]) for each in (opened, ended)
    ]
    assert told == [("EXTERNAL", "NEW"), ("EXTERNAL", "CANCELLED")]
    assert opened["change"]["placementId"] is None


def test_who_resumes_on_the_other_replica_gets_each_event_once_and_without_a_hole(
    replicas: Replicas,
) -> None:
    one, other = replicas
    begin = newest(one)
    with following(one, begin) as socket:
        first = accepted(one.caller(), "before-the-break")["order"]["orderId"]
        seen = until(socket, is_order(first))
    # While nobody follows.
    second = accepted(other.caller(), "during-the-break")["order"]["orderId"]
    with following(other, seen[-1]["sequence"]) as socket:
        resumed = until(socket, is_order(second))
    told = [int(event["sequence"]) for event in (*seen, *resumed)]
    assert told == list(range(int(begin) + 1, int(begin) + 1 + len(told)))
    with following(one, begin) as socket:
        assert until(socket, is_order(second)) == [*seen, *resumed]


def test_where_events_are_no_longer_kept_a_gap_comes_in_their_place(replicas: Replicas) -> None:
    one, _ = replicas
    vault = Trader(one.exchange.http, VAULT.keys[0])
    order_id, key = vault.limit("buy", "BTCTRY", "290500", "0.001"), events_key("vault")
    with Redis.from_url(one.valkey.url) as redis:
        assert eventually(lambda: order_id in repr(redis.xrange(key)))
        redis.xtrim(key, maxlen=1, approximate=False)
    with open_socket(one.ws_url, one.members["keeper"].token) as socket:
        socket.subscribe(WATCH, account="vault", after="0")
        gap, kept = (socket.next()["accountEvents"] for _ in range(2))
    assert (gap["sequence"], gap["change"]["__typename"]) == (None, "Gap")
    assert "no longer kept" in gap["change"]["reason"]
    assert kept["sequence"] is not None
