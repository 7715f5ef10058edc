"""An exchange account's own client: signs as the document's section 'Security' says."""

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx


@dataclass(frozen=True, slots=True)
class Trader:
    """Sends signed requests directly to the exchange; raises unless they succeed."""

    http: httpx.AsyncClient
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    async def place(self, side: str, symbol: str, price: str, quantity: str) -> str:
        """Place a limit order, `side` buy or sell; return its id ('New Limit Buy Order')."""
        pairs = {"symbol": symbol, "price": price, "amount": quantity}
        reply = await self._post(f"market/limit-{side}", pairs)
        order_id: str = reply["order"]["orderId"]
        return order_id

    async def cancel(self, order_id: str) -> None:
        """Cancel an order ('Cancel An Active Order')."""
        await self._post("market/cancel-order", {"orderId": order_id})

    async def _post(self, path: str, pairs: dict[str, str]) -> dict[str, Any]:
        query = urlencode({**pairs, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        reply = await self.http.post(
            f"/v3/api/{path}?{query}&signature={signature}",
            headers={"X-APNK-APIKEY": self.api_key},
        )
        body: dict[str, Any] = reply.json()
        assert body["code"] == "00000", body
        return body
