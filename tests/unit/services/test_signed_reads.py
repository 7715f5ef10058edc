import asyncio

import pytest

from gateway.domain.audit import AuditKind
from gateway.domain.errors import NotSent, RateLimited, UnknownAccount
from gateway.domain.signing import Sign, SigningRequest
from tests.unit.services.desks import CALLER, Watch, reads_of

pytestmark = pytest.mark.anyio

WALLET = SigningRequest("balance/wallet", ())


async def wallet(sign: Sign) -> str:
    sign(WALLET)
    return "the wallet"


async def test_a_read_is_on_record_with_whose_it_was_and_what_came_of_it() -> None:
    watch = Watch()
    assert await reads_of(watch).read("demo", wallet, CALLER) == "the wallet"
    (event,) = watch.audit.events
    assert (event.kind, event.principal, event.account) == (AuditKind.READ, "app", "demo")
    assert (event.action, event.outcome, event.trace_id) == ("wallet", "OK", CALLER.trace_id)
    assert event.detail == {"key": "demo/trade@1", "signatures": "1"}
    assert watch.rates.taken == ["call demo"]


async def test_what_nobody_asked_for_is_the_gateway_s_own_read_and_never_refused() -> None:
    watch = Watch()
    await reads_of(watch).read("demo", wallet)
    assert watch.audit.events[0].principal == "gateway"
    assert watch.rates.taken == ["own call demo"]


async def test_a_read_that_fails_is_on_record_with_how_often_it_was_signed() -> None:
    async def failing(sign: Sign) -> str:
        for _ in range(3):
            sign(WALLET)
        raise NotSent("wallet", "connect")

    watch = Watch()
    with pytest.raises(NotSent):
        await reads_of(watch).read("demo", failing, CALLER)
    (event,) = watch.audit.events
    assert (event.outcome, event.detail["signatures"]) == ("EXCHANGE_UNAVAILABLE", "3")


async def test_a_read_beyond_the_account_s_rate_is_not_signed() -> None:
    watch = Watch()
    watch.rates.refusal = RateLimited("calls demo", 1)
    with pytest.raises(RateLimited):
        await reads_of(watch).read("demo", wallet, CALLER)
    assert watch.audit.events == []


async def test_a_read_that_is_given_up_is_on_record_all_the_same() -> None:
    async def endless(sign: Sign) -> None:
        sign(WALLET)
        await asyncio.Event().wait()

    watch = Watch()
    reading = asyncio.create_task(reads_of(watch).read("demo", endless, CALLER))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert watch.audit.events[0].outcome == "CANCELLED"


async def test_an_account_without_a_key_is_unknown() -> None:
    watch = Watch()
    with pytest.raises(UnknownAccount):
        await reads_of(watch).read("other", wallet, CALLER)
    assert watch.rates.taken == []
