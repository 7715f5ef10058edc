import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from gateway.web.graphql_ws import SocketLimits
from gateway.web.sockets import Sockets
from tests.unit.schema.examples import Desk
from tests.unit.schema.examples import desk_of as schema_desk
from tests.unit.services.examples import policy, turns
from tests.unit.web.examples import Peer, parts_of, with_token

pytestmark = pytest.mark.anyio

SUBSCRIBED = {"operation": "subscription", "code": "OK"}

PAGE = "https://desk.example.com"


class House:
    """The sockets, and the tasks in which they are served."""

    def __init__(self, desk: Desk, *, most: int, most_waiting: int, most_of_principal: int) -> None:
        self.desk = desk
        self.sockets = Sockets(
            parts_of(desk),
            SocketLimits(init_s=20, subscriptions=10, outbox=10),
            allowed_origins=(PAGE,),
            most=most,
            most_waiting=most_waiting,
            most_of_principal=most_of_principal,
        )
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
        await house.sockets.drain()
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
            assert closed == (4403, "Origin not allowed")
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
        await house.sockets.recheck()
        assert peer.closed is None
        house.desk.policy = policy()
        await house.sockets.recheck()
        assert peer.closed == (4403, "Forbidden")
        assert waiting.closed is None


async def test_a_peer_that_reads_nothing_holds_up_no_other_s_end() -> None:
    async with house_of() as house:
        deaf, other = await house.greeted(), await house.greeted()
        deaf.go_deaf()
        house.desk.policy = policy()
        await house.sockets.recheck()
        assert other.closed == (4403, "Forbidden")
        await asyncio.gather(*house.tasks)
        assert house.open == 0
        deaf.hear_again()


async def test_nothing_that_a_peer_says_while_it_is_shut_out_is_done() -> None:
    async with house_of() as house:
        peer = await house.greeted()
        peer.go_deaf()
        closing = asyncio.create_task(house.sockets.drain())
        await asyncio.sleep(0)
        peer.subscribe("subscription { tickers { symbol } }")
        await closing
        requests = house.desk.metrics.registry.get_sample_value
        assert requests("gateway_graphql_requests_total", SUBSCRIBED) is None
        peer.hear_again()


async def test_draining_closes_all_and_lets_nobody_in() -> None:
    async with house_of() as house:
        peers = [await house.greeted() for _ in range(3)]
        await house.sockets.drain()
        assert [peer.closed for peer in peers] == [(1001, "Going away")] * 3
        late = house.serve(Peer())
        assert await late.is_closed() == (1013, "Try again later")
