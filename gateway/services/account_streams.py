"""The private streams of all accounts: one each, from when the account has a key that reads on."""

import asyncio
from collections.abc import Callable, Iterable

from gateway.domain.errors import GatewayError
from gateway.services.account_stream import AccountStream
from gateway.services.loops import kept_up


class AccountStreams:
    """Runs a stream for each account that there is a key to read; `open_stream` makes one.

    `refusal` gives the error that says why there is no stream of an account.

    Each is held all the time, not by an account's leader alone: who takes over then knows of the
    account since long before, and can tell that an order of the one who died was never placed.
    """

    def __init__(
        self,
        open_stream: Callable[[str], AccountStream],
        refusal: Callable[[str], GatewayError],
    ) -> None:
        self._open_stream = open_stream
        self._refusal = refusal
        self._streams: dict[str, AccountStream] = {}
        self._changed = asyncio.Event()

    def set_accounts(self, accounts: Iterable[str]) -> None:
        """Have a stream for each of `accounts`, and for no other."""
        wanted = set(accounts)
        for account in self._streams.keys() - wanted:
            self._streams.pop(account).end(self._refusal(account))
        for account in sorted(wanted - self._streams.keys()):
            self._streams[account] = self._open_stream(account)
        self._changed.set()

    def of(self, account: str) -> AccountStream:
        """The account's stream; raises `UnknownAccount` or `NoKey` when no key reads it."""
        try:
            return self._streams[account]
        except KeyError:
            raise self._refusal(account) from None

    def open_order_ids(self, account: str) -> frozenset[str] | None:
        """The ids of the account's open orders; None while they are not known."""
        stream = self._streams.get(account)
        if stream is None or stream.whole_since is None:
            return None
        orders = stream.mirror.orders.open_orders()
        return frozenset(each.order_id for each in orders if each.order_id is not None)

    def all(self) -> dict[str, AccountStream]:
        """Every stream, by its account."""
        return dict(self._streams)

    async def run(self) -> None:
        """Run the streams as they come and go, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            running: dict[AccountStream, asyncio.Task[None]] = {}
            while True:
                self._changed.clear()
                for account, stream in self._streams.items():
                    if stream not in running:
                        running[stream] = tasks.create_task(_kept_up(account, stream))
                for gone in running.keys() - set(self._streams.values()):
                    running.pop(gone).cancel()
                await self._changed.wait()


async def _kept_up(account: str, stream: AccountStream) -> None:
    with stream.held():
        async with kept_up({f"account-{account}": stream.run}):
            await asyncio.Event().wait()
