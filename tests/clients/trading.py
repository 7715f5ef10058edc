"""'Signed Market Endpoints', and what the streams tell of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from tests.clients.accounting import Accounting, Traded, reserved
from tests.clients.connections import Keys, Rest, Stream
from tests.clients.shapes import Json, Number

SYMBOL = "BTCUSDT"
BASE, QUOTE = "BTC", "USDT"
MARKET, BALANCE = "v3/api/market", "v3/api/balance"

# The numbers of 'User Order Update Messages'.
LIMIT, MARKET_ORDER, STOP_LIMIT, FAST = "0", "1", "2", "3"
SIDES = {"buy": "0", "sell": "1"}
STOP_TYPES = {"LESS": "0", "GREATER": "1"}

# Orders that are refused while the book is empty and the last price is near 54000.
REFUSED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("10037", "limit-buy", {"symbol": "BTCBTC", "price": "1", "amount": "1"}),
    ("20006", "limit-buy", {"symbol": "btc/usdt", "price": "1", "amount": "1"}),
    ("20007", "limit-buy", {"price": "-1", "amount": "1"}),
    ("20009", "limit-sell", {"price": "53000", "amount": "0"}),
    ("20005", "limit-buy", {"price": "53000"}),
    ("10031", "limit-buy", {"price": "53000", "amount": "1000"}),
    ("10039", "limit-buy", {"price": "53000", "amount": "0.0001"}),
    ("10040", "limit-sell", {"price": "53000", "amount": "0.0000001"}),
    ("10061", "limit-sell", {"price": "150000", "amount": "1"}),
    ("10062", "limit-buy", {"price": "20000", "amount": "1"}),
    ("20008", "stop-limit-buy", {"price": "53000", "target": "0", "amount": "1"}),
    ("10042", "market-buy", {"amount": "1"}),
    ("10042", "market-sell", {"amount": "1"}),
    ("20012", "fast-buy", {"total": "0"}),
    ("10060", "fast-buy", {"total": "54"}),
    ("10060", "fast-sell", {"amount": "1"}),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The two accounts, REST, what each of the three connections hears, and what they traded.

    `no_withdrawal` is the code with which every withdrawal is refused, where it is.
    """

    trader: Keys
    counterparty: Keys
    rest: Rest
    public: Stream
    own: Stream
    others: Stream
    accounting: Accounting
    no_withdrawal: str | None


class Trading:
    """'Signed Market Endpoints', every POST in one of the carriers; the book is left empty."""

    def __init__(self, exchange: Exchange, carrier: str) -> None:
        self._exchange = exchange
        self._carrier = carrier
        self._had = {
            asset: row["total"].value - exchange.accounting.moved()[asset]
            for asset, row in wallet(exchange).items()
            if asset in (BASE, QUOTE)
        }

    def run(self) -> None:
        """Place orders of every type, cancel them, fill them, and look at what follows."""
        self._rest_and_cancel()
        offer = self._fill()
        self._sell()
        self._stop(offer)
        taken, made = (
            self._exchange.rest.get(f"{MARKET}/user-trades", keys)["trades"]
            for keys in (self._exchange.trader, self._exchange.counterparty)
        )
        self._exchange.accounting.check_fills(taken, made)

    def _rest_and_cancel(self) -> None:
        for side, price, asset in (("buy", "53000", QUOTE), ("sell", "55000", BASE)):
            order_id = self._limit(side, price, "0.002")
            self._rests(order_id, LIMIT, side, price=price, amount="0.002")
            own = {"symbol": SYMBOL, "price": price, "amount": "0.002"}
            self._refused("10041", "limit-sell" if side == "buy" else "limit-buy", **own)
            self._look(asset)
            self._cancel(order_id)
            self._look(asset)
            self._refused("10075", "cancel-order", orderId=order_id)
        for code, name, parameters in REFUSED:
            self._refused(code, name, **{"symbol": SYMBOL, **parameters})

    def _fill(self) -> str:
        """Buy what the counterparty sells: limit, market, fast; the last 0.004 are left."""
        offer = self._limit("sell", "54000", "0.01", self._exchange.counterparty)
        self._changed(offer, "NEW", self._exchange.others)
        bought = self._limit("buy", "54000", "0.004", filled="0.004")
        self._changed(bought, "FILLED", filledAmount="0.004")
        self._traded("buy", "54000", "0.004", LIMIT)
        self._changed(offer, "PARTIALLY_FILLED", self._exchange.others, filledAmount="0.004")
        self._look_after_trade()
        self._take("market-buy", MARKET_ORDER, "54000", amount="0.001", filledAmount="0.001")
        self._take("fast-buy", FAST, "54000", total="54", filledTotal="54")
        self._look_after_trade()
        return offer

    def _sell(self) -> None:
        """Sell into what the counterparty bids: market, fast; and take the bid away."""
        bid = self._limit("buy", "53500", "0.01", self._exchange.counterparty)
        self._take("market-sell", MARKET_ORDER, "53500", amount="0.001", filledAmount="0.001")
        self._take("fast-sell", FAST, "53500", amount="0.001", filledAmount="0.001")
        self._cancel(bid, self._exchange.counterparty)
        self._look_after_trade()

    def _stop(self, offer: str) -> None:
        """Let trades reach two stops, and cancel a third that none reaches."""
        rise = self._stop_limit("buy", target="54500", price="54600", stop_type="GREATER")
        fall = self._stop_limit("sell", target="53000", price="52900", stop_type="LESS")
        hidden = self._stop_limit("buy", target="60000", price="60100", stop_type="GREATER")
        assert {row["orderId"] for row in self._open_orders()} == {rise, fall, hidden}
        self._look()
        self._cancel(hidden)
        self._limit("buy", "54000", "0.004", filled="0.004")
        self._traded("buy", "54000", "0.004", LIMIT)
        self._changed(offer, "FILLED", self._exchange.others, filledAmount="0.01")
        self._trigger(rise, ("sell", "buy"), "54500")
        self._trigger(fall, ("buy", "sell"), "53000")

    def _trigger(self, stop: str, sides: tuple[str, str], price: str) -> None:
        """The counterparty offers 0.003: 0.001 reaches the stop, which takes another 0.001."""
        offered, wanted = sides
        offer = self._limit(offered, price, "0.003", self._exchange.counterparty)
        self._limit(wanted, price, "0.001", filled="0.001")
        self._traded(wanted, price, "0.001", LIMIT)
        self._traded(wanted, price, "0.001", STOP_LIMIT)
        self._changed(stop, "FILLED", filledAmount="0.001")
        self._cancel(offer, self._exchange.counterparty)
        self._look_after_trade()

    def _limit(
        self, side: str, price: str, amount: str, keys: Keys | None = None, filled: str = "0"
    ) -> str:
        terms = {"symbol": SYMBOL, "price": price, "amount": amount}
        order = self._post(f"limit-{side}", keys, **terms)["order"]
        due = {
            "status": "FILLED" if filled == amount else "NEW",
            "market": SYMBOL,
            **_numbers(price=price, amount=amount, filledAmount=filled),
        }
        assert due.items() <= order.items(), (due, order)
        return str(order["orderId"])

    def _stop_limit(self, side: str, target: str, price: str, stop_type: str) -> str:
        terms = {"price": price, "target": target, "amount": "0.001"}
        order = self._post(f"stop-limit-{side}", symbol=SYMBOL, **terms)["order"]
        due = {"status": "NEW", "market": SYMBOL, "stopType": stop_type, **_numbers(**terms)}
        assert due.items() <= order.items(), (due, order)
        order_id = str(order["orderId"])
        resting = {"price": price, "targetPrice": target, "amount": "0.001"}
        self._rests(order_id, STOP_LIMIT, side, STOP_TYPES[stop_type], **resting)
        return order_id

    def _rests(
        self, order_id: str, order_type: str, side: str, stop_type: str | None = None, **terms: str
    ) -> None:
        """The stream tells an order as it was placed, and the open orders have it just so."""
        due = {"targetPrice": "0", "filledAmount": "0", **terms}
        due |= {"orderType": order_type, "side": SIDES[side]}
        stopped = {} if stop_type is None else {"stopType": stop_type}
        frame = self._changed(order_id, "NEW", **due, **stopped)
        (row,) = (row for row in self._open_orders() if row["orderId"] == order_id)
        assert row.items() <= frame["order"].items(), (row, frame)

    def _take(self, name: str, order_type: str, price: str, **terms: str) -> None:
        """Place an order that takes 0.001; its reply has no id."""
        side = name.partition("-")[2]
        asked = {term: value for term, value in terms.items() if not term.startswith("filled")}
        order = self._post(name, symbol=SYMBOL, **asked)["order"]
        due = {"status": "FILLED", "market": SYMBOL, **_numbers(**terms)}
        assert due.items() <= order.items(), (due, order)
        done = {"status": "FILLED", **_numbers(orderType=order_type, side=SIDES[side])}
        self._exchange.own.event("orderUpdate", lambda frame: _holds(done)(frame["order"]))
        self._traded(side, price, "0.001", order_type)

    def _cancel(self, order_id: str, keys: Keys | None = None) -> None:
        self._post("cancel-order", keys, orderId=order_id)
        stream = self._exchange.own if keys is None else self._exchange.others
        self._changed(order_id, "CANCELLED", stream)

    def _post(self, name: str, keys: Keys | None = None, /, **parameters: str) -> Json:
        account, path = keys or self._exchange.trader, f"{MARKET}/{name}"
        return self._exchange.rest.post(path, account, self._carrier, **parameters)

    def _refused(self, code: str, name: str, /, **parameters: str) -> None:
        account, path = self._exchange.trader, f"{MARKET}/{name}"
        self._exchange.rest.post(path, account, self._carrier, code, **parameters)

    def _open_orders(self) -> list[Json]:
        reply = self._exchange.rest.get(f"{MARKET}/user-orders", self._exchange.trader)
        rows: list[Json] = reply["orders"]
        return rows

    def _changed(
        self, order_id: str, status: str, stream: Stream | None = None, /, **due: str
    ) -> Json:
        frame = changed(stream or self._exchange.own, order_id, status)
        assert _numbers(**due).items() <= frame["order"].items(), (due, frame)
        return frame

    def _traded(self, side: str, price: str, amount: str, order_type: str) -> None:
        """The public stream tells of a trade; the trader took, and so its buyer is the taker."""
        frame = self._exchange.public.event("trade", lambda _: True)
        taker = {"buy": "1", "sell": "0"}[side]
        due = _numbers(price=price, amount=amount, tradeType=taker)
        assert due.items() <= frame.items(), (due, frame)
        numbers = (Decimal(text) for text in (price, amount, SIDES[side], order_type))
        self._exchange.accounting.add(Traded(*numbers))

    def _look(self, *assets: str) -> None:
        look_at_market(self._exchange)
        rows = look_at_wallet(self._exchange, assets or (BASE, QUOTE))
        moved = self._exchange.accounting.moved()
        bound = reserved(self._open_orders(), BASE, QUOTE)
        for asset, had in self._had.items():
            assert rows[asset]["total"].value == had + moved[asset], (asset, rows)
            assert rows[asset]["reserved"].value == bound[asset], (asset, rows)

    def _look_after_trade(self) -> None:
        self._look()
        look_at_candle(self._exchange)


def changed(stream: Stream, order_id: str, status: str) -> Json:
    """Wait until an account's stream tells that its order has a status; give the frame."""

    def agrees(frame: Json) -> bool:
        order = frame["order"]
        return bool((order["orderId"], order["status"]) == (order_id, status))

    return stream.event("orderUpdate", agrees)


def look_at_market(exchange: Exchange) -> None:
    """What REST tells of the market is what its streams have told, or will tell soon."""
    told = exchange.public.state
    day = exchange.rest.public(f"{MARKET}/24h", symbol=SYMBOL)["market"]
    exchange.accounting.check_statistics(day)
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
    exchange.accounting.check_candles(candles)
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


def look_at_wallet(exchange: Exchange, assets: Iterable[str]) -> dict[str, Json]:
    """What the wallet tells is what the account's stream has told, or will tell soon."""
    rows = wallet(exchange)
    for asset in assets:
        for kind, part in (("balanceUpdate", "available"), ("reservedUpdate", "reserved")):
            exchange.own.state(kind, _holds({part: rows[asset][part]}), symbol=asset)
    return rows


def wallet(exchange: Exchange) -> dict[str, Json]:
    """The trader's rows of 'Get User Wallet' by asset, each the sum of its two parts."""
    rows = exchange.rest.get(f"{BALANCE}/wallet", exchange.trader)["wallet"]
    for row in rows:
        assert row["total"].value == row["available"].value + row["reserved"].value, row
    return {row["symbol"]: row for row in rows}


def _numbers(**texts: str) -> dict[str, Number]:
    return {name: Number(text) for name, text in texts.items()}
