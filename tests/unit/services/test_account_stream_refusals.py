import pytest
from structlog.testing import capture_logs

from gateway.domain.errors import NotSent, Refused, SourceUnavailable, StreamRefused
from gateway.services.account_stream import ACCOUNT
from tests.unit.services.examples import order, turns, until
from tests.unit.services.following import READS, Listener, desk_of

pytestmark = pytest.mark.anyio

REFUSED = Refused("user-trades", "10038", "INVALID", "not valid", "look", retry=False)
AWAY = NotSent("user-trades", "connect")


async def test_who_waits_in_vain_for_the_stream_is_told_that_the_exchange_is_away() -> None:
    async with desk_of(start_within_s=0.05) as desk:
        await Listener(desk.stream.orders()).ends_with(SourceUnavailable)


@pytest.mark.parametrize("missing", READS)
async def test_who_waits_in_vain_for_a_reading_is_told_why_it_failed(missing: str) -> None:
    async with desk_of(start_within_s=0.05, reread_pauses=(0.0, 60.0)) as desk:
        desk.exchange.answers[missing] = REFUSED
        listener = Listener(desk.stream.balances())
        await turns()
        assert desk.stream.problem is None
        desk.feed.start(ACCOUNT)
        await listener.ends_with(Refused)
        assert desk.stream.problem == str(REFUSED)


async def test_a_refusal_of_a_reading_that_lasts_ends_the_subscriptions_with_it() -> None:
    async with desk_of(reread_pauses=(0.0, 0.01, 0.01)) as desk:
        orders, balances = Listener(desk.stream.orders()), Listener(desk.stream.balances())
        await turns()
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.mirror.fills.current)
        desk.feed.cut(since=7)
        desk.exchange.answers["fills"] = REFUSED
        asked = desk.times_asked("fills")
        desk.feed.start(ACCOUNT)
        await orders.ends_with(Refused)
        await balances.ends_with(Refused)
        assert desk.times_asked("fills") == asked + 3
        desk.exchange.answers["fills"] = ()
        desk.list(order("o1"))
        again = Listener(desk.stream.orders())
        await again.has(order("o1"))
        assert desk.stream.problem is None
        await again.leave()


async def test_an_outage_is_told_once_as_the_problem_and_ends_no_subscription() -> None:
    async with desk_of(reread_pauses=(0.0, 0.01)) as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.exchange.answers["fills"] = AWAY
        with capture_logs() as lines:
            desk.feed.start(ACCOUNT)
            await until(lambda: desk.times_asked("fills") > 3)
            assert desk.stream.problem == str(AWAY)
            desk.list(order("o1"))
            desk.exchange.answers["fills"] = ()
            await listener.has(order("o1"))
        assert desk.stream.problem is None
        assert [line["event"] for line in lines] == ["account.not_read", "account.read"]
        await listener.leave()


async def test_what_could_not_be_read_is_no_problem_once_the_stream_is_cut() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.stream.orders())
        await turns()
        desk.exchange.answers["fills"] = AWAY
        desk.feed.start(ACCOUNT)
        await until(lambda: desk.stream.problem)
        desk.feed.cut()
        assert desk.stream.problem is None
        await listener.leave()


async def test_a_login_that_is_refused_ends_every_subscription_at_once_until_it_is_accepted() -> (
    None
):
    async with desk_of() as desk:
        orders, balances = Listener(desk.stream.orders()), Listener(desk.stream.balances())
        await turns()
        with capture_logs() as lines:
            desk.feed.refuse_login()
            await orders.ends_with(StreamRefused)
            await balances.ends_with(StreamRefused)
            await Listener(desk.stream.orders()).ends_with(StreamRefused)
            desk.feed.refuse_login()
            desk.list(order("o1"))
            desk.feed.start(ACCOUNT)
        again = Listener(desk.stream.orders())
        await again.has(order("o1"))
        await again.leave()
        assert [(line["event"], line["log_level"]) for line in lines] == [
            ("account.login_refused", "error"),
            ("account.login_accepted", "info"),
        ]
