"""The probe, by a real client, of an exchange that answers as the test says."""

import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.services.window_probe import WindowProbe
from tests.unit.exchange.calling import bench, code
from tests.unit.exchange.peer import Answer, close
from tests.unit.services.examples import until
from tests.unit.services.governing import StandInAudit
from tests.unit.services.reading import reads_of_all

pytestmark = pytest.mark.anyio

ENFORCED, EXECUTED, KEY_REFUSED = code("20004"), code("00000"), code("20001")


@dataclass
class Probed:
    """What a probe told, and put on record."""

    fenced: bool = False
    problem: str | None = None
    unenforced: bool = False
    audit: StandInAudit = field(default_factory=StandInAudit)


async def probed(
    *answers: Answer, accounts: tuple[str, ...] = ("demo",), requests: int = 1
) -> Probed:
    """What is known once the exchange has got so many requests, and nothing more is coming."""
    found = Probed()
    async with bench(*answers) as it:
        probe = WindowProbe(
            exchange=it.client,
            reads=reads_of_all(found.audit),
            accounts=lambda: accounts,
            again_s=0.001,
        )
        running = asyncio.create_task(probe.run())
        await until(lambda: len(found.audit.events) >= requests)
        await asyncio.sleep(0)
        found.fenced, found.unenforced = probe.fenced, probe.unenforced
        found.problem = probe.problem
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found


async def test_an_exchange_that_refuses_what_has_expired_is_fenced() -> None:
    found = await probed(ENFORCED)
    assert (found.fenced, found.unenforced, found.problem) == (True, False, None)


async def test_an_exchange_that_answers_what_has_expired_is_not() -> None:
    found = await probed(EXECUTED)
    assert (found.fenced, found.unenforced) == (False, True)
    assert "took a request after its window" in str(found.problem)


async def test_where_no_account_can_be_read_nothing_is_wrong() -> None:
    assert (await probed(accounts=(), requests=0)).problem is None


async def test_it_is_asked_again_until_it_answers() -> None:
    found = await probed(close, code("90000"), ENFORCED, requests=3)
    assert found.fenced


async def test_a_key_that_is_refused_tells_nothing_and_the_next_account_is_asked_by() -> None:
    found = await probed(KEY_REFUSED, ENFORCED, accounts=("first", "second"), requests=2)
    assert found.fenced
    assert [event.account for event in found.audit.events] == ["first", "second"]


async def test_each_probe_is_on_record_as_the_gateway_s_own_read() -> None:
    found = await probed(ENFORCED)
    assert [(each.principal, each.action) for each in found.audit.events] == [("gateway", "wallet")]


async def test_before_an_answer_nothing_is_concluded() -> None:
    async with bench() as it:
        probe = WindowProbe(exchange=it.client, reads=reads_of_all(), accounts=lambda: ("demo",))
        assert (probe.fenced, probe.unenforced) == (False, False)
        assert "not known yet" in str(probe.problem)


async def test_the_last_answer_holds_until_the_next_one() -> None:
    looks: list[tuple[str, ...]] = []

    def accounts() -> tuple[str, ...]:
        looks.append(() if looks else ("demo",))
        return looks[-1]

    async with bench(ENFORCED) as it:
        probe = WindowProbe(
            exchange=it.client,
            reads=reads_of_all(),
            accounts=accounts,
            every_s=0.001,
            again_s=0.001,
        )
        running = asyncio.create_task(probe.run())
        await until(lambda: len(looks) > 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert probe.fenced
