"""What is put on record of denials, on a real Valkey and a real file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.access.policy import Action
from gateway.access.principal import Caller, Principal, PrincipalKind
from gateway.domain.audit import AuditEvent, AuditKind
from gateway.domain.errors import (
    Forbidden,
    GatewayError,
    NotYours,
    RateLimited,
    UnknownAccount,
    UnknownSymbol,
)
from gateway.services.audit import AuditTrail
from gateway.services.order_audit import deny
from tests.unit.services.audit_examples import in_file, trail_of, writing
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

DESK, OTHER = (Caller(Principal(name, PrincipalKind.APP), "ab" * 16) for name in ("desk", "other"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def trail(valkey: ValkeyServer, path: Path) -> AsyncIterator[AuditTrail]:
    async with trail_of(valkey, path) as made, writing(made):
        yield made


async def denied(trail: AuditTrail, path: Path) -> list[AuditEvent]:
    await trail.finish()
    return [entry.event for entry in in_file(path) if entry.event.kind is AuditKind.DENIED]


async def test_many_denials_whatever_text_the_caller_puts_in_become_two_entries(
    trail: AuditTrail, path: Path
) -> None:
    for number in range(300):
        absent = f"x{number}"
        deny(trail, DESK, Action.ACCOUNT_READ, absent, UnknownAccount(absent), asked="account")
        order = f"o{number}"
        deny(trail, DESK, Action.ORDERS_CANCEL, "demo", NotYours(order), orderId=order)
    told = [(each.outcome, each.account, dict(each.detail)) for each in await denied(trail, path)]
    assert told == [
        ("UNKNOWN_ACCOUNT", "x0", {"asked": "account"}),
        ("ORDER_NOT_FOUND", "demo", {"orderId": "o0"}),
        ("UNKNOWN_ACCOUNT", None, {"asked": "account", "count": "299"}),
        ("ORDER_NOT_FOUND", "demo", {"count": "299"}),
    ]


async def test_denials_that_differ_have_an_entry_each(trail: AuditTrail, path: Path) -> None:
    forbidden, read = Forbidden("account:read", "no-grant"), Action.ACCOUNT_READ
    deny(trail, DESK, read, "demo", forbidden)
    deny(trail, OTHER, read, "demo", forbidden)
    deny(trail, DESK, read, "vault", forbidden)
    deny(trail, DESK, read, "demo", Forbidden("account:read", "never"))
    deny(trail, DESK, read, "demo", RateLimited("calls demo", 1))
    deny(trail, DESK, read, "demo", RateLimited("requests", 1))
    deny(trail, DESK, Action.OPERATE, "demo", forbidden, asked="suspensions")
    deny(trail, DESK, Action.OPERATE, "demo", forbidden, asked="tradingSwitches")
    assert ["count" in each.detail for each in await denied(trail, path)] == [False] * 8


@pytest.mark.parametrize("error", [UnknownSymbol("BTCTRY"), GatewayError()], ids=["input", "fault"])
async def test_what_is_no_denial_is_not_on_record(
    trail: AuditTrail, path: Path, error: GatewayError
) -> None:
    deny(trail, DESK, Action.ORDERS_PLACE, "demo", error)
    assert await denied(trail, path) == []
