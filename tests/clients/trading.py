"""'Signed Market Endpoints', and what the streams tell of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.clients.connections import Keys, Rest, Stream
from tests.clients.shapes import Json, Number

SYMBOL = "BTCUSDT"
BASE, QUOTE = "BTC", "USDT"
MARKET, BALANCE = "v3/api/market", "v3/api/balance"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The two accounts, REST, and what each of the three connections hears."""

    trader: Keys
    counterparty: Keys
    rest: Rest
    public: Stream
    own: Stream
    others: Stream


class Trading:
    """'Signed Market Endpoints', every POST in one of the carriers; the book is left empty."""

    def __init__(self, exchange: Exchange, carrier: str) -> None:
        self._exchange = exchange
        self._carrier = carrier

    def run(self) -> None:
        """Place orders of every type, cancel them, fill them, and look at what follows."""
        self._rest_and_cancel()
        offer = self._fill()
        self._sell()
        self._stop(offer)
        self._exchange.rest.get(f"{MARKET}/user-trades", self._exchange.trader)

    def _rest_and_cancel(self) -> None:
        for side, price, asset in (("buy", "53000", QUOTE), ("sell", "55000", BASE)):
            order_id = self._limit(side, price, "0.002")
            self._changed(order_id, "NEW")
            self._look(asset)
            (row,) = self._open_orders()
            assert (row["orderId"], row["orderType"]) == (order_id, Number("0")), row
            self._cancel(order_id)
            self._look(asset)
            self._post("cancel-order", code="10075", orderId=order_id)
        self._post("limit-buy", code="10037", symbol="BTCBTC", price="1", amount="1")
        self._post("limit-buy", code="20007", symbol=SYMBOL, price="-1", amount="1")
        self._post("limit-buy", code="20005", symbol=SYMBOL, price="53000")

    def _fill(self) -> str:
        """Buy what the counterparty sells: limit, market, fast; the last 0.004 are left."""
        offer = self._limit("sell", "54000", "0.01", self._exchange.counterparty)
        self._changed(offer, "NEW", self._exchange.others)
        bought = self._limit("buy", "54000", "0.004")
        self._changed(bought, "FILLED")
        self._traded("54000", "0.004", taker="1")
        self._changed(offer, "PARTIALLY_FILLED", self._exchange.others)
        self._look_after_trade()
        self._post("market-buy", symbol=SYMBOL, amount="0.001")
        self._done_at_once(order_type="1", side="0")
        self._traded("54000", "0.001", taker="1")
        self._post("fast-buy", symbol=SYMBOL, total="54")
        self._done_at_once(order_type="3", side="0")
        self._traded("54000", "0.001", taker="1")
        self._look_after_trade()
        return offer

    def _sell(self) -> None:
        """Sell into what the counterparty bids: market, fast; and take the bid away."""
        bid = self._limit("buy", "53500", "0.01", self._exchange.counterparty)
        self._post("market-sell", symbol=SYMBOL, amount="0.001")
        self._done_at_once(order_type="1", side="1")
        self._traded("53500", "0.001", taker="0")
        self._post("fast-sell", symbol=SYMBOL, amount="0.001")
        self._done_at_once(order_type="3", side="1")
        self._traded("53500", "0.001", taker="0")
        self._cancel(bid, self._exchange.counterparty)
        self._look_after_trade()

    def _stop(self, offer: str) -> None:
        """Let trades reach two stops, and cancel a third that none reaches."""
        rise = self._stop_limit("buy", target="54500", price="54600", stop_type="GREATER")
        fall = self._stop_limit("sell", target="53000", price="52900", stop_type="LESS")
        hidden = self._stop_limit("buy", target="60000", price="60100", stop_type="GREATER")
        rows = self._open_orders()
        assert {row["orderId"] for row in rows} == {rise, fall, hidden}, rows
        assert {row["orderType"] for row in rows} == {Number("2")}, rows
        self._look()
        self._cancel(hidden)
        self._limit("buy", "54000", "0.004")
        self._traded("54000", "0.004", taker="1")
        self._changed(offer, "FILLED", self._exchange.others)
        self._trigger(rise, ("sell", "buy"), "54500", taker="1")
        self._trigger(fall, ("buy", "sell"), "53000", taker="0")

    def _trigger(self, stop: str, sides: tuple[str, str], price: str, taker: str) -> None:
        """The counterparty offers 0.003: 0.001 reaches the stop, which takes another 0.001."""
        offered, wanted = sides
        offer = self._limit(offered, price, "0.003", self._exchange.counterparty)
        self._limit(wanted, price, "0.001")
        self._traded(price, "0.001", taker)
        self._traded(price, "0.001", taker)
        self._changed(stop, "FILLED")
        self._cancel(offer, self._exchange.counterparty)
        self._look_after_trade()

    def _limit(self, side: str, price: str, amount: str, keys: Keys | None = None) -> str:
        reply = self._post(f"limit-{side}", keys, symbol=SYMBOL, price=price, amount=amount)
        return str(reply["order"]["orderId"])

    def _stop_limit(self, side: str, target: str, price: str, stop_type: str) -> str:
        reply = self._post(
            f"stop-limit-{side}", symbol=SYMBOL, price=price, target=target, amount="0.001"
        )
        order = reply["order"]
        assert order["stopType"] == stop_type, order
        order_id = str(order["orderId"])
        self._changed(order_id, "NEW")
        return order_id

    def _cancel(self, order_id: str, keys: Keys | None = None) -> None:
        self._post("cancel-order", keys, orderId=order_id)
        stream = self._exchange.own if keys is None else self._exchange.others
        self._changed(order_id, "CANCELLED", stream)

    def _post(
        self, name: str, keys: Keys | None = None, code: str = "00000", **parameters: str
    ) -> Json:
        account = keys or self._exchange.trader
        path = f"{MARKET}/{name}"
        return self._exchange.rest.post(path, account, self._carrier, code, **parameters)

    def _open_orders(self) -> list[Json]:
        reply = self._exchange.rest.get(f"{MARKET}/user-orders", self._exchange.trader)
        rows: list[Json] = reply["orders"]
        return rows

    def _changed(self, order_id: str, status: str, stream: Stream | None = None) -> None:
        changed(stream or self._exchange.own, order_id, status)

    def _done_at_once(self, order_type: str, side: str) -> None:
        """Wait for the end of an order whose reply has no id."""
        due = {"orderType": Number(order_type), "side": Number(side), "status": "FILLED"}
        self._exchange.own.event("orderUpdate", lambda frame: _holds(due)(frame["order"]))

    def _traded(self, price: str, amount: str, taker: str) -> None:
        frame = self._exchange.public.event("trade", lambda _: True)
        seen = frame["price"], frame["amount"], frame["tradeType"]
        assert seen == (Number(price), Number(amount), Number(taker)), frame

    def _look(self, *assets: str) -> None:
        look_at_market(self._exchange)
        look_at_wallet(self._exchange, assets or (BASE, QUOTE))

    def _look_after_trade(self) -> None:
        self._look()
        look_at_candle(self._exchange)


def changed(stream: Stream, order_id: str, status: str) -> None:
    """Wait until an account's stream tells that its order has a status."""

    def agrees(frame: Json) -> bool:
        order = frame["order"]
        return bool((order["orderId"], order["status"]) == (order_id, status))

    stream.event("orderUpdate", agrees)


def look_at_market(exchange: Exchange) -> None:
    """What REST tells of the market is what its streams have told, or will tell soon."""
    told = exchange.public.state
    day = exchange.rest.public(f"{MARKET}/24h", symbol=SYMBOL)["market"]
    told("allTickers", _holds(day, "openTime"), symbol=SYMBOL)
    told("ticker", _holds(day, "openTime", "changePercent"), symbol=SYMBOL)
    book = exchange.rest.public(f"{MARKET}/depth", symbol=SYMBOL)["book"]
    told("depth", lambda frame: frame["depth"] == book, symbol=SYMBOL)
    top = exchange.rest.public(f"{MARKET}/orderbook", symbol=SYMBOL)["book"]
    told("orderBook", _holds(_top(top)), symbol=SYMBOL)
    exchange.rest.public(f"{MARKET}/trades", symbol=SYMBOL)


def look_at_candle(exchange: Exchange) -> None:
    """The newest candle is what its stream has told; the two differ in its times."""
    names = {"symbol": SYMBOL, "interval": "d1"}
    candles = exchange.rest.public(f"{MARKET}/candles", **names)["candles"]
    newest = max(candles, key=lambda candle: int(candle["openTime"].text))
    agrees = _holds(newest, "openTime", "closetime")
    exchange.public.state("candles", lambda frame: agrees(frame["kline"]), **names)


def _holds(members: Json, *but: str) -> Callable[[Json], bool]:
    due = {name: value for name, value in members.items() if name not in but}
    return lambda frame: bool(due.items() <= frame.items())


def _top(book: Json) -> Json:
    bid, ask = ((rows or [{"price": None, "amount": None}])[0] for rows in book.values())
    return {
        "bidPrice": bid["price"],
        "bidAmount": bid["amount"],
        "askPrice": ask["price"],
        "askAmount": ask["amount"],
    }


def look_at_wallet(exchange: Exchange, assets: Iterable[str]) -> None:
    """What the wallet tells is what the account's stream has told, or will tell soon."""
    rows = exchange.rest.get(f"{BALANCE}/wallet", exchange.trader)["wallet"]
    balances = {row["symbol"]: row for row in rows}
    for asset in assets:
        for kind, part in (("balanceUpdate", "available"), ("reservedUpdate", "reserved")):
            agrees = _holds({part: balances[asset][part]})
            exchange.own.state(kind, agrees, symbol=asset)
