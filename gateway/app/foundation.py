"""What all use cases stand on, built in the order in which each part needs the one before."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.app.given import Given
from gateway.app.governance import Governance, build_governance
from gateway.app.stores import Stores, open_stores
from gateway.app.upstream import Upstream, open_upstream
from gateway.services.key_rotation import KeyHooks, KeyRotation


@dataclass(frozen=True, slots=True)
class Foundation:
    """Redis, the exchange, what watches over every use, and the keys as they change."""

    given: Given
    stores: Stores
    governance: Governance
    upstream: Upstream
    keys: KeyRotation


async def open_foundation(stack: AsyncExitStack, given: Given) -> Foundation:
    """Build it; its connections close with `stack`."""
    stores = await open_stores(stack, given)
    governance = build_governance(given, stores)
    upstream = await stack.enter_async_context(open_upstream(given, governance))
    keys = _key_rotation(given, governance, upstream)
    return Foundation(given, stores, governance, upstream, keys)


def _key_rotation(given: Given, governance: Governance, upstream: Upstream) -> KeyRotation:
    streams = upstream.account_streams

    def changed(account: str) -> None:
        before = streams.all()
        streams.set_accounts(given.keyring.readable)
        if account in before and account in streams.all():
            streams.of(account).renew()

    return KeyRotation(
        keyring=given.keyring,
        sources=given.key_sources,
        exchange=upstream.exchange,
        recheck_s=given.settings.key_recheck_s,
        hooks=KeyHooks(given.redact.learn, governance.audit.note, changed),
        clock=time.monotonic,
    )
