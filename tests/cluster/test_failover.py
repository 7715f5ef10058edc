"""The state Redis fails over under load, by real Sentinels of the system."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from gateway.cli.operations import operation
from tests.cluster.programs import program
from tests.cluster.reading import Reader
from tests.cluster.subscribing import listening
from tests.cluster.test_rolling_restart import LIVELY
from tests.cluster.trading import Order, trading
from tests.cluster.watched_redis import WatchedRedis
from tests.functional.callers import Caller
from tests.functional.exchange import Exchange
from tests.functional.ordering import PLACE, command
from tests.functional.service import Service
from tests.functional.under_load import UNBOUNDED
from tests.processes import eventually


@contextmanager
def gateways(folder: Path, redis: WatchedRedis, exchange: Exchange) -> Iterator[list[Service]]:
    addresses = {"NGW_STATE_REDIS_URL": f"{redis.url}/0", "NGW_CACHE_REDIS_URL": f"{redis.url}/1"}
    given = {**UNBOUNDED, **addresses}
    with (
        closing(Service(folder, exchange, redis.master, given)) as first,
        closing(first.replica()) as second,
    ):
        services = [first, second]
        for each in services:
            each.start(("ready", "degraded"))
        yield services


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with closing(Exchange(LIVELY)) as running:
        yield running


@pytest.mark.timeout(300)
def test_a_failover_under_load_loses_nothing_acknowledged_and_stops_orders_alone(
    tmp_path: Path, exchange: Exchange
) -> None:
    redis, folder = WatchedRedis(tmp_path), tmp_path / "gateway"
    folder.mkdir()
    with redis.running(), gateways(folder, redis, exchange) as services, ExitStack() as load:
        one, other = services
        caller = one.caller()
        token = caller.token or ""
        url = f"http://127.0.0.1:{one.port}"
        audience = load.enter_context(listening(f"127.0.0.1:{one.port}", token, 20, 10))
        reader = load.enter_context(Reader(f"http://127.0.0.1:{other.port}", token).running())
        trade = load.enter_context(trading(url, token, apps=4))
        assert eventually(lambda: len(trade.accepted()) >= 50)

        killed = time.monotonic()
        redis.master.kill()
        assert eventually(redis.promoted)
        promoted = time.monotonic() - killed
        assert eventually(lambda: all("quarantine" in each.problems() for each in services))
        quarantined = time.monotonic() - killed

        before = len(trade.accepted())
        for account in ("demo", "vault"):
            reopen = {"account": account, "reason": "failover: compared, nothing missing"}
            answer = one.caller("operator").answer(operation("reopen-account"), **reopen)
            assert answer["reopenAccount"]["__typename"] == "AccountReopened"
        assert eventually(lambda: len(trade.accepted()) >= before + 1)
        trading_again = time.monotonic() - killed
        redis.master.start()  # the Sentinels make it a replica
        assert eventually(lambda: b"role:slave" in redis.master.command("INFO", "replication"))
        assert eventually(lambda: len(trade.accepted()) >= before + 50)
        load.close()

        remembered = [_is_remembered(other.caller(), order) for order in trade.accepted()]
        print(
            f"\nfailover: replica promoted after {promoted:.1f} s, quarantine told after "
            f"{quarantined:.1f} s, reopened and trading after {trading_again:.1f} s"
            f"\nfailover: {trade.figures()}"
            f"\nfailover: acknowledged orders {len(remembered)}, forgotten "
            f"{remembered.count(False)}; refused in quarantine "
            f"{sum(order.outcome == 'ACCOUNT_QUARANTINED' for order in trade.orders)}"
            f"\nfailover: market data read {reader.read} times, failed {reader.failed}; "
            f"{audience.figures()}"
        )
        assert all(remembered)
        assert trade.lost() == []
        assert trade.untrue(exchange) == []
        assert reader.failed == 0
        assert not audience.endings
        for each in services:
            each.signal(signal.SIGTERM)
            assert each.exit_code() == 0


@pytest.mark.timeout(120)
def test_a_redis_without_waitaof_takes_no_orders_with_a_replica_and_fails_over_for_the_rest(
    tmp_path: Path, exchange: Exchange
) -> None:
    redis, folder = WatchedRedis(tmp_path, program("redis-server")), tmp_path / "gateway"
    folder.mkdir()
    with redis.running(), gateways(folder, redis, exchange) as services, ExitStack() as load:
        one, other = services
        if b"redis_version:7.0" not in redis.master.command("INFO", "server"):
            pytest.fail("the system's Redis is another: say here what it does")
        refused = one.caller().answer(PLACE, **command("refused"))["placeOrder"]
        assert refused["code"] == "JOURNAL_NOT_DURABLE"
        assert "WAITAOF must be there" in one.problems()["journal"]
        token = one.caller().token or ""
        reader = load.enter_context(Reader(f"http://127.0.0.1:{other.port}", token).running())
        assert eventually(lambda: reader.read > 20)
        redis.master.kill()
        assert eventually(redis.promoted)
        # Without a replica there is nothing to wait for but its own disk.
        assert eventually(lambda: "journal" not in one.problems())
        load.close()
        print(f"\nRedis 7.0: market data read {reader.read} times, failed {reader.failed}")
        assert reader.failed == 0
        assert exchange.orders("demo") == []


def _is_remembered(caller: Caller, order: Order) -> bool:
    """Whether it is answered from the journal when it is sent again, and with the same."""
    given = command(order.client_order_id, price=str(order.price))
    return bool(caller.answer(PLACE, **given)["placeOrder"]["__typename"] == order.outcome)
