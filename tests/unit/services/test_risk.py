from dataclasses import dataclass
from decimal import Decimal

import pytest

from gateway.domain.errors import NotSent, SourceUnavailable
from gateway.domain.market import PriceLevel, TopOfBook
from gateway.domain.order_errors import AgainstRules
from gateway.domain.orders import Order, OrderType
from gateway.domain.placements import Baseline
from gateway.services.account_rereads import AccountRereads
from gateway.services.baselines import AccountView
from gateway.services.risk import RiskRules
from tests.unit.services.examples import BTC, TICKER, StandInExchange, balance, listing, ticker
from tests.unit.services.reading import reads_of_all
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.services.test_risk_of_account import resting
from tests.unit.services.test_risk_of_market import RULES, SELL, limit, order

pytestmark = pytest.mark.anyio

NOTHING = Baseline(taken_at=1, stream_since=None, orders=(), fills=(), totals={})
RICH = (balance("BTC", 1000, 0), balance("USD", 100_000, 0), balance("USDT", 100_000, 0))


def view(*open_orders: Order, poor: bool = False) -> AccountView:
    held = () if poor else RICH
    return AccountView(NOTHING, open_orders, {each.asset: each for each in held})


@dataclass
class Desk:
    risk: RiskRules
    exchange: StandInExchange


@pytest.fixture
async def desk() -> Desk:
    """An account that holds enough, in a market whose last price is 100, and best ask 110."""
    market = market_desk()
    ask = TopOfBook(BTC, None, PriceLevel(Decimal(110), Decimal(1)))
    market.exchange.answers |= {
        "markets": listing(BTC),
        f"rules {BTC}": RULES,
        f"top {BTC}": ask,
        f"ticker {BTC}": ticker(100),
        "balances": RICH,
    }
    await market.market_data.read(TICKER)
    rereads = AccountRereads(market.exchange.client, reads_of_all())
    risk = RiskRules(market_data=market.market_data, rereads=rereads, now=market.clock)
    return Desk(risk, market.exchange)


async def refusal(desk: Desk, *asked: object) -> str:
    """The rule that refuses an order."""
    with pytest.raises(AgainstRules) as caught:
        await desk.risk.check(*asked)  # type: ignore[arg-type]
    return caught.value.rule


async def test_an_order_that_nothing_speaks_against_passes_without_a_call(desk: Desk) -> None:
    await desk.risk.check(limit(), view(resting(101)))
    asked = len(desk.exchange.asked)
    await desk.risk.check(limit(), view(resting(101)))
    assert len(desk.exchange.asked) == asked


async def test_each_kind_of_rule_is_asked(desk: Desk) -> None:
    assert await refusal(desk, limit("100.001"), view()) == "market.price_precision"
    assert await refusal(desk, limit("99", "0.1"), view()) == "market.min_total"
    assert await refusal(desk, limit("300", side=SELL), view()) == "market.price_band"


async def test_an_order_at_the_market_is_measured_by_the_far_side(desk: Desk) -> None:
    small = order(OrderType.MARKET, quantity="0.09")
    assert await refusal(desk, small, view()) == "market.min_total"


async def test_an_order_at_the_market_passes_where_no_price_can_be_had(desk: Desk) -> None:
    desk.exchange.answers[f"top {BTC}"] = NotSent("orderbook", "connect")
    await desk.risk.check(order(OrderType.MARKET, quantity="0.09"), view())


@pytest.mark.parametrize("stale", [view(resting(100)), view(poor=True)])
async def test_an_order_passes_where_only_an_older_view_speaks_against_it(
    desk: Desk, stale: AccountView
) -> None:
    await desk.risk.check(limit(), stale)
    assert desk.exchange.asked[-2:] == ["open orders", "balances"]


async def test_an_order_is_refused_by_what_the_account_shows_when_it_is_read_once_more(
    desk: Desk,
) -> None:
    desk.exchange.answers["open orders"] = (resting(100),)
    assert await refusal(desk, limit(), view(poor=True)) == "account.self_cross"
    desk.exchange.answers |= {"open orders": (), "balances": ()}
    assert await refusal(desk, limit(), view(resting(100))) == "account.balance"


async def test_an_account_that_cannot_be_read_once_more_stands_as_it_was_known(desk: Desk) -> None:
    desk.exchange.answers["balances"] = NotSent("wallet", "connect")
    assert await refusal(desk, limit(), view(resting(100))) == "account.self_cross"


async def test_without_the_rules_of_its_market_no_order_passes(desk: Desk) -> None:
    desk.exchange.answers[f"rules {BTC}"] = NotSent("info", "connect")
    with pytest.raises(SourceUnavailable):
        await desk.risk.check(limit(), view())
