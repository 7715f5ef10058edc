"""The account that a stream connection follows ("User Data Streams")."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from gateway.access.principal import Caller
from gateway.domain.account import BalanceChange
from gateway.domain.errors import GatewayError, RateLimited
from gateway.domain.orders import Order
from gateway.domain.streams import Gap
from gateway.services.account_changes import AccountChange
from gateway.services.accounts import Accounts
from gateway.web.facade import frames
from gateway.web.facade.requests import Body
from gateway.web.facade.stream_protocol import write

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """The connection: `tell` waits until there is room for a frame.

    `lose` hears that frames are missing, `overflow` that too many wait.
    """

    tell: Callable[[str], Awaitable[None]]
    lose: Callable[[], None]
    overflow: Callable[[], None]


class AccountFollowing:
    """Tells a listener each change of one account, as its caller may see it, until it is closed.

    What happens before `start` is told then. `stack` lets go of the changes.
    """

    def __init__(
        self, changes: AsyncIterator[AccountChange], stack: AsyncExitStack, listener: Listener
    ) -> None:
        self._changes = changes
        self._stack = stack
        self._listener = listener
        self._telling: asyncio.Task[None] | None = None

    @classmethod
    async def begin(
        cls, accounts: Accounts, caller: Caller, account: str, listener: Listener
    ) -> "AccountFollowing":
        """Follow the account from now on; raises what `Accounts.changes` does."""
        async with AsyncExitStack() as stack:
            changes = await stack.enter_async_context(accounts.changes(caller, account))
            return cls(changes, stack.pop_all(), listener)

    def start(self) -> None:
        """Tell the changes."""
        self._telling = asyncio.create_task(self._tell())

    async def aclose(self) -> None:
        """Tell nothing more."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._stack.aclose()

    async def _tell(self) -> None:
        try:
            async for change in self._changes:
                if isinstance(change, Gap):
                    break
                for body in _frames(change):
                    await self._listener.tell(write(body))
        except RateLimited:
            self._listener.overflow()
        except GatewayError as ended:
            _log.info("stream.account_ended", code=ended.code)
        except Exception:  # noqa: BLE001  # whatever it is: the peer must not wait for ever
            _log.exception("stream.failed")
        self._listener.lose()


def _frames(change: Order | BalanceChange) -> list[Body]:
    if isinstance(change, Order):
        return [frames.order(change)]
    told: list[Body] = []
    if change.available is not None:
        told.append(frames.available(change.asset, change.available))
    if change.held is not None:
        told.append(frames.reserved(change.asset, change.held))
    return told
