"""Arithmetic with more digits than any value of the sandbox has, so that no sum is ever rounded.

Prices, quantities and balances begin below 10**12 and have at most eight decimals, a fee is a
percentage of at most six. So the fee of a total has 24 digits before the point and 24 behind it at
most, and a balance is a sum of such.
"""

from decimal import localcontext

from starlette.types import ASGIApp, Receive, Scope, Send

DIGITS = 60


class ExactArithmetic:
    """An application, its requests, its streams and its work, that reckons with that many."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        # Decimals take their context from the task; what it starts inherits it.
        with localcontext(prec=DIGITS):
            await self._app(scope, receive, send)
