"""Whether the exchange enforces the window of a request: the fence behind every lost order."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from gateway.domain.errors import GatewayError
from gateway.exchange import ExchangeClient
from gateway.services.signed_reads import SignedReads

_log = structlog.get_logger(__name__)

_NOT_KNOWN = (
    "it is not known yet whether the exchange enforces the window of requests: no unknown order is "
    "found not to be placed"
)
_NOT_ENFORCED = (
    "the exchange took a request after its window: an order may be executed at any time after it "
    "was sent, so no unknown order is found not to be placed"
)


class WindowProbe:
    """Asks by a harmless read that has expired: an exchange that answers it has no fence.

    `accounts` gives the accounts that there are keys to read: the first that gets an answer will
    do. An answer holds until the next one. All in seconds: after an answer it is asked again in
    `every_s`, without one in `again_s`.
    """

    def __init__(
        self,
        *,
        exchange: ExchangeClient,
        reads: SignedReads,
        accounts: Callable[[], Iterable[str]],
        every_s: float = 3600.0,
        again_s: float = 5.0,
    ) -> None:
        self._exchange = exchange
        self._reads = reads
        self._accounts = accounts
        self._every_s = every_s
        self._again_s = again_s
        self._enforced: bool | None = None

    @property
    def fenced(self) -> bool:
        """True once the exchange was seen to refuse what comes after its window."""
        return self._enforced is True

    @property
    def unenforced(self) -> bool:
        """True once the exchange was seen to take what comes after its window."""
        return self._enforced is False

    @property
    def problem(self) -> str | None:
        """Why nothing is concluded from silence; None when it may be."""
        if self._enforced is None:
            # Without a key there is nobody to ask, and no order to be found out about.
            return _NOT_KNOWN if any(self._accounts()) else None
        return None if self._enforced else _NOT_ENFORCED

    async def run(self) -> None:
        """Ask now, and again and again, until cancelled."""
        while True:
            answered = await self._ask()
            await asyncio.sleep(self._every_s if answered else self._again_s)

    async def _ask(self) -> bool:
        for account in tuple(self._accounts()):
            try:
                enforced = await self._reads.read(account, self._exchange.window_enforced)
            except GatewayError as failure:
                _log.info("window.not_probed", account=account, problem=str(failure))
                continue
            self._take(enforced=enforced)
            return True
        return False

    def _take(self, *, enforced: bool) -> None:
        if not enforced:
            _log.error("window.not_enforced", problem=_NOT_ENFORCED)
        elif not self._enforced:
            _log.info("window.enforced")
        self._enforced = enforced
