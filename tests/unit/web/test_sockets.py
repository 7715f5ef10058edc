import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.stopping import StopDeadline
from gateway.web.graphql_ws import SocketLimits
from gateway.web.open_sockets import OpenSockets, SocketPlaces
from gateway.web.sockets import Sockets
from tests.unit.schema.examples import Desk
from tests.unit.schema.examples import desk_of as schema_desk
from tests.unit.services.examples import policy, turns, until
from tests.unit.web.examples import Peer, parts_of, stop_now, with_token

pytestmark = pytest.mark.anyio

SUBSCRIBED = {"operation": "subscription", "field": "tickers", "code": "OK"}

MARKETS = "{ markets { symbol } }"
PAGE = "https://desk.example.com"


class House:
    """The sockets, and the tasks in which they are served."""

    def __init__(self, desk: Desk, *, most: int, most_waiting: int, most_of_principal: int) -> None:
        self.desk = desk
        self.stop = StopDeadline(1, time.monotonic)
        self.opened = OpenSockets(
            SocketPlaces(
                allowed_origins=(PAGE,),
                most=most,
                most_waiting=most_waiting,
                most_of_principal=most_of_principal,
            )
        )
        limits = SocketLimits(init_s=20, subscriptions=10, outbox=10)
        self.sockets = Sockets(parts_of(desk, stop=self.stop), limits, self.opened)
        self.tasks: list[asyncio.Task[None]] = []

    def serve(self, peer: Peer) -> Peer:
        self.tasks.append(asyncio.create_task(self.sockets.serve(peer.socket)))
        return peer

    async def greeted(self, **headers: str) -> Peer:
        peer = self.serve(Peer(**headers))
        peer.init()
        await peer.hears("connection_ack")
        return peer

    @property
    def open(self) -> float:
        return self.desk.metrics.registry.get_sample_value("gateway_sockets") or 0


@asynccontextmanager
async def house_of(
    *, most: int = 10, most_waiting: int = 10, most_of_principal: int = 10
) -> AsyncIterator[House]:
    async with schema_desk(with_token()) as desk:
        house = House(
            desk, most=most, most_waiting=most_waiting, most_of_principal=most_of_principal
        )
        yield house
        await house.opened.drain(house.stop)
        await asyncio.gather(*house.tasks)
        assert house.open == 0


async def test_a_program_and_an_allowed_page_may_connect_and_another_page_may_not() -> None:
    async with house_of() as house:
        await house.greeted()
        await house.greeted(origin=PAGE)
        assert house.open == 2
        for origin in ("https://evil.example.com", "null", PAGE + ".evil.example.com", ""):
            with capture_logs() as lines:
                peer = house.serve(Peer(origin=origin))
                closed = await peer.is_closed()
            assert closed == (1008, "Origin not allowed")
            assert [
                (line["event"], "NGW_ALLOWED_ORIGINS" in line["problem"]) for line in lines
            ] == [("socket.refused", True)]
            assert peer.accepted is None


@pytest.mark.parametrize("subprotocol", [None, "graphql-ws", "soap"])
async def test_another_subprotocol_closes_with_4406(subprotocol: str | None) -> None:
    async with house_of() as house:
        closed = await house.serve(Peer(subprotocol=subprotocol)).is_closed()
        assert closed is not None
        assert closed[0] == 4406


async def test_more_connections_than_allowed_are_told_to_try_later() -> None:
    async with house_of(most=1) as house:
        first = await house.greeted()
        second = house.serve(Peer())
        assert await second.is_closed() == (1013, "Try again later")
        first.hang_up()
        await house.tasks[0]
        await house.greeted()


async def test_those_who_were_silent_longest_make_room_for_who_comes_now() -> None:
    async with house_of(most_waiting=2) as house:
        known = await house.greeted()
        silent = [house.serve(Peer()) for _ in range(4)]
        assert await silent[1].is_closed() == (1013, "Try again later")
        newcomer = await house.greeted()
        others = [silent[0].closed, silent[2].closed, silent[3].closed]
        assert others == [(1013, "Try again later")] * 2 + [None]
        assert (known.closed, newcomer.closed) == (None, None)


async def test_a_deaf_peer_s_place_is_given_away_once() -> None:
    async with house_of(most_waiting=1) as house:
        deaf = house.serve(Peer())
        await turns()
        deaf.go_deaf()
        peers = [house.serve(Peer()) for _ in range(2)]
        await turns()
        assert await peers[0].is_closed() == (1013, "Try again later")
        assert peers[1].closed is None
        deaf.hear_again()


async def test_the_silent_take_no_place_of_the_authenticated() -> None:
    async with house_of(most=1) as house:
        silent = [house.serve(Peer()) for _ in range(3)]
        first = await house.greeted()
        silent[0].init()
        assert await silent[0].is_closed() == (1013, "Try again later")
        assert [first.closed, silent[1].closed, silent[2].closed] == [None] * 3


async def test_more_connections_of_a_principal_than_allowed_are_told_to_try_later() -> None:
    async with house_of(most_of_principal=1) as house:
        first = await house.greeted()
        second = house.serve(Peer())
        second.init()
        assert await second.is_closed() == (1013, "Too many connections of this principal")
        assert first.closed is None


async def test_a_recheck_closes_those_whose_token_is_not_good_any_longer() -> None:
    async with house_of() as house:
        peer, waiting = await house.greeted(), house.serve(Peer())
        await turns()
        await house.opened.recheck()
        assert peer.closed is None
        house.desk.policy = policy()
        await house.opened.recheck()
        assert peer.closed == (4403, "Forbidden")
        assert waiting.closed is None


async def test_a_peer_that_reads_nothing_holds_up_no_other_s_end() -> None:
    async with house_of() as house:
        deaf, other = await house.greeted(), await house.greeted()
        deaf.go_deaf()
        house.desk.policy = policy()
        await house.opened.recheck()
        assert other.closed == (4403, "Forbidden")
        await asyncio.gather(*house.tasks)
        assert house.open == 0
        deaf.hear_again()


async def test_nothing_that_a_peer_says_while_it_is_shut_out_is_done() -> None:
    async with house_of() as house:
        peer = await house.greeted()
        peer.go_deaf()
        closing = asyncio.create_task(house.opened.drain(house.stop))
        await turns()
        peer.subscribe("subscription { tickers { symbol } }")
        await closing
        requests = house.desk.metrics.registry.get_sample_value
        assert requests("gateway_graphql_requests_total", SUBSCRIBED) is None
        peer.hear_again()


async def test_draining_closes_all_and_lets_nobody_in() -> None:
    async with house_of() as house:
        peers = [await house.greeted() for _ in range(3)]
        await house.opened.drain(house.stop)
        assert [peer.closed for peer in peers] == [(1001, "Going away")] * 3
        late = house.serve(Peer())
        assert await late.is_closed() == (1013, "Try again later")


async def test_a_request_under_way_is_answered_before_its_socket_closes() -> None:
    async with house_of() as house:
        peer, other = await house.greeted(), await house.greeted()
        house.desk.exchange.hold()
        peer.subscribe(MARKETS, "a")
        await until(lambda: house.desk.exchange.waiting == 1)
        leaving = asyncio.create_task(house.opened.drain(house.stop))
        assert await other.is_closed() == (1001, "Going away")
        assert peer.closed is None
        house.desk.exchange.release()
        await leaving
        assert [message["type"] for message in peer.heard[-2:]] == ["next", "complete"]
        assert peer.closed == (1001, "Going away")


async def test_no_request_begins_on_a_socket_that_waits_for_its_end() -> None:
    async with house_of() as house:
        peer = await house.greeted()
        house.desk.exchange.hold()
        peer.subscribe(MARKETS, "a")
        await until(lambda: house.desk.exchange.waiting == 1)
        leaving = asyncio.create_task(house.opened.drain(house.stop))
        peer.subscribe(MARKETS, "b")
        (refused,) = await peer.hears("error")
        assert (refused["id"], refused["payload"][0]["extensions"]["code"]) == ("b", "STOPPING")
        house.desk.exchange.release()
        await leaving
        assert peer.of("complete", "a")


async def test_what_is_not_answered_in_the_time_does_not_keep_its_socket_open() -> None:
    async with house_of() as house:
        peer = await house.greeted()
        house.desk.exchange.hold()
        peer.subscribe(MARKETS, "a")
        await until(lambda: house.desk.exchange.waiting == 1)
        await house.opened.drain(stop_now())
        assert peer.closed == (1001, "Going away")
        house.desk.exchange.release()
