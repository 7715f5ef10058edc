"""Of all replicas, one looks after an account: it holds a lease, and works while it does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import structlog

from gateway.domain.leadership import Leadership
from gateway.services.loops import end_all, kept_up
from gateway.store.leases import AccountLeases
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

Duty: TypeAlias = Callable[[Leadership], Awaitable[None]]
"""What a leader does for an account, until it is cancelled."""


class AccountLeaders:
    """Leads the accounts that nobody else leads, and does each one's `duties` while it does.

    `owner` is a name that no other process has or had. A lease that could not be renewed within
    `ttl_s`, by this process's own clock, is given up before anybody else can have it: the duties
    end. A duty that fails is logged and begun again, and `on_failed` is told its name. What one
    still writes while it ends is fenced by its epoch in Redis.
    """

    def __init__(
        self,
        *,
        leases: AccountLeases,
        owner: str,
        ttl_s: float,
        duties: Mapping[str, Duty],
        server: Callable[[], str | None],
        on_failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._leases = leases
        self._owner = owner
        self._ttl_s = ttl_s
        self._duties = duties
        self._server = server
        self._on_failed = on_failed
        self._until: dict[str, float] = {}

    @property
    def duties(self) -> tuple[str, ...]:
        """What a leader does, by the names that `on_failed` is told."""
        return tuple(self._duties)

    def leads(self, account: str) -> bool:
        """Whether this process leads the account now."""
        return _now() < self._until.get(account, 0.0)

    async def run(self, accounts: Callable[[], Iterable[str]]) -> None:
        """Lead what `accounts` gives, as they come and go; let all go when cancelled."""
        leading: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                wanted = set(accounts())
                for account in wanted - leading.keys():
                    leading[account] = asyncio.create_task(self._kept_up(account))
                await end_all([leading.pop(account) for account in leading.keys() - wanted])
                await asyncio.sleep(self._ttl_s / 3)
        finally:
            await end_all(list(leading.values()))

    async def _kept_up(self, account: str) -> None:
        async with kept_up({f"lead of {account}": partial(self._lead, account)}):
            await asyncio.Event().wait()

    async def _lead(self, account: str) -> None:
        while True:
            begun, server = _now(), self._server()
            with suppress(StoreUnavailable):
                leadership = await self._leases.acquire(account, self._owner, self._ttl_ms)
                if leadership is not None:
                    await self._hold(leadership, server, begun + self._ttl_s)
            await asyncio.sleep(self._ttl_s / 3)

    async def _hold(self, leadership: Leadership, server: str | None, until: float) -> None:
        account = leadership.account
        of_account = f" of {account}"
        duties = {
            f"{name}{of_account}": partial(duty, leadership) for name, duty in self._duties.items()
        }
        self._until[account] = until
        _log.info("account.lead_taken", account=account, epoch=leadership.epoch)
        try:
            async with kept_up(duties, lambda name: self._on_failed(name.removesuffix(of_account))):
                await self._renew_until_lost(leadership, server)
        finally:
            del self._until[account]
            _log.info("account.lead_ended", account=account, epoch=leadership.epoch)
            with suppress(StoreUnavailable):
                await self._leases.release(leadership)

    async def _renew_until_lost(self, leadership: Leadership, server: str | None) -> None:
        account = leadership.account
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout_at(self._until[account]):
                    await asyncio.sleep(self._ttl_s / 3)
                    begun = _now()
                    with suppress(StoreUnavailable):
                        renewed = await self._leases.renew(leadership, self._ttl_ms)
                        if not renewed or self._server() != server:
                            return
                        self._until[account] = begun + self._ttl_s

    @property
    def _ttl_ms(self) -> int:
        return int(self._ttl_s * 1000)


def _now() -> float:
    return asyncio.get_running_loop().time()
