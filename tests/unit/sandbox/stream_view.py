"""What a client knows who reads REST once at the start and from then on only streams."""

from tests.unit.sandbox.clients import Json

KEPT_TRADES = 100
# A ticker frame lacks them.
UNTOLD = ("changePercent", "openTime")


class StreamView:
    """One account's orders and balances and one market, folded from frames."""

    def __init__(self, wallet: Json) -> None:
        self.orders: dict[str, Json] = {}
        self.available = {row["symbol"]: row["available"] for row in wallet}
        self.held = {row["symbol"]: row["reserved"] for row in wallet}
        self.depth: Json = {"bids": [], "asks": []}
        self.top: Json = {"bids": [], "asks": []}
        self.trades: list[Json] = []
        self.ticker: Json = None
        self.candles: dict[str, Json] = {}
        self.reread = False

    def take(self, frame: Json) -> None:
        """Learn from a frame."""
        match frame["type"]:
            case "orderUpdate":
                self._take_order(frame["order"])
            case "balanceUpdate":
                self.available[frame["symbol"]] = frame["available"]
            case "reservedUpdate":
                self.held[frame["symbol"]] = frame["reserved"]
            case "depth":
                self.depth = frame["depth"]
            case "orderBook":
                self.top = {"bids": _level(frame, "bid"), "asks": _level(frame, "ask")}
            case "trade":
                self._take_trade(frame)
            case "ticker":
                self.ticker = {name: frame[name] for name in frame if name != "type"}
            case "candles":
                self.candles[frame["interval"]] = frame["kline"]

    def _take_order(self, order: Json) -> None:
        status = order.pop("status")
        del order["stopType"]
        if status == "CANCELLED_ALL":
            self.reread = True
        elif status in ("NEW", "PARTIALLY_FILLED"):
            self.orders[order["orderId"]] = order
        else:
            self.orders.pop(order["orderId"], None)

    def _take_trade(self, frame: Json) -> None:
        row = {name: frame[name] for name in ("price", "amount", "time")}
        self.trades.insert(0, {**row, "type": frame["tradeType"]})
        del self.trades[KEPT_TRADES:]


def _level(frame: Json, side: str) -> Json:
    price = frame[f"{side}Price"]
    return [] if price is None else [{"price": price, "amount": frame[f"{side}Amount"]}]
