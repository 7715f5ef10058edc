import asyncio

import pytest

from gateway.domain.errors import NotSent
from gateway.services.account_rereads import AccountRereads
from tests.unit.services.examples import StandInExchange, balance, order, until
from tests.unit.services.reading import reads_of_all

pytestmark = pytest.mark.anyio

BOTH = ["open orders", "balances"]


@pytest.fixture
def exchange() -> StandInExchange:
    return StandInExchange({"open orders": (order(),), "balances": (balance("BTC", 1, 2),)})


@pytest.fixture
def rereads(exchange: StandInExchange) -> AccountRereads:
    return AccountRereads(exchange.client, reads_of_all())


async def test_a_reading_has_the_open_orders_and_the_balances(rereads: AccountRereads) -> None:
    read = await rereads.of("demo")
    assert (read.open_orders, read.balances) == ((order(),), {"BTC": balance("BTC", 1, 2)})


async def test_who_asks_at_once_shares_a_reading(
    rereads: AccountRereads, exchange: StandInExchange
) -> None:
    await asyncio.gather(*(rereads.of("demo") for _ in range(50)))
    # The first one's may have begun when the others came.
    assert exchange.asked in (BOTH, BOTH * 2)


async def test_nobody_gets_a_reading_that_began_before_it_was_asked_for(
    rereads: AccountRereads, exchange: StandInExchange
) -> None:
    exchange.hold("open orders")
    first = asyncio.create_task(rereads.of("demo"))
    await until(lambda: exchange.waiting)
    exchange.answers["open orders"] = ()
    second = asyncio.create_task(rereads.of("demo"))
    await asyncio.sleep(0)
    exchange.release()
    assert len((await first).open_orders) == 1
    assert (await second).open_orders == ()


async def test_a_reading_that_fails_is_begun_anew_by_the_next(
    rereads: AccountRereads, exchange: StandInExchange
) -> None:
    exchange.answers["balances"] = NotSent("wallet", "connect")
    with pytest.raises(NotSent):
        await rereads.of("demo")
    exchange.answers["balances"] = ()
    assert (await rereads.of("demo")).balances == {}
