"""What the members of the exchange's replies are.

A member of one object alone is named with it, as in "candles.open"; "reply" is the whole reply.
"""

WHOLE = frozenset(
    {
        "activeConfirmation",
        "closetime",
        "count",
        "data",
        "firstSymbolMaxLength",
        "maxLength",
        "openTime",
        "orderType",
        "secondSymbolMaxLength",
        "side",
        "state",
        "time",
        "totalConfirmation",
        "tradeCount",
        "type",
    }
)
"""Members that are whole numbers where they are numbers; all other numbers have decimals."""

MAY_BE_NULL = frozenset({"firstAsk", "firstBid"})
"""An empty side of a book has no best price."""

_OF_24_HOURS = (
    *("changeAmount", "changePercent", "open", "high", "low", "avg", "volume", "volumeQty"),
    *("openTime", "tradeCount"),
)
_OF_FEES_AND_DECIMALS = (
    *("firstSymbolMaxLength", "secondSymbolMaxLength"),
    *("commission", "commissionPercentage", "commissionTierBased"),
)
_OF_SOME_ORDERS = (
    *("status", "orderId", "stopType", "target", "price", "amount", "filledAmount"),
    *("total", "filledTotal"),
)
_OF_SOME_TRANSFERS = ("maxLength", "real", "totalConfirmation", "activeConfirmation")

MAY_BE_MISSING = frozenset(
    {
        "reply.order",
        *(f"market.{name}" for name in _OF_24_HOURS),
        *(f"markets.{name}" for name in _OF_24_HOURS),
        *(f"info.{name}" for name in _OF_FEES_AND_DECIMALS),
        *("bids.count", "asks.count"),
        *(f"order.{name}" for name in _OF_SOME_ORDERS),
        *("orders.filledAmount", "orders.orderId"),
        *("wallet.maxLength", "currency.id", "currency.maxLength"),
        *(f"history.{name}" for name in _OF_SOME_TRANSFERS),
    }
)
"""Members that a reply is without where the exchange said nothing; all others are always there.

What has become of an order or a cancel may be known without the order itself.
"""

MEANINGS = {
    "activeConfirmation": "confirmations so far",
    "amount": "quantity of the first asset",
    "available": "what can be spent",
    "avg": "average price of the last 24 hours",
    "cancelEnable": '"true" while orders can be cancelled',
    "changeAmount": "last less open",
    "changePercent": "last less open, in percent of open",
    "candles.open": "first price",
    "candles.openTime": "when it begins, in ms",
    "candles.volume": "traded, in the first asset",
    "channels.commission": "fee of a withdrawal, in the asset",
    "channels.enable": "whether this way is open",
    "closetime": "when it ends, in ms",
    "commissionMaker": "fee of the order that was there first, in percent",
    "commissionPercentage": "true when fees are in percent",
    "commissionSymbol": "the asset that the fee was paid in",
    "commissionTaker": "fee of the order that came and met it, in percent",
    "commissionTierBased": "true when fees depend on the account",
    "count": "orders at this price",
    "currencies.symbol": "the asset",
    "currency.enable": "whether this is open for the asset",
    "currency.symbol": "the asset",
    "explorer": "where the network's transactions can be looked at",
    "filledAmount": "quantity that has traded",
    "filledTotal": "what was spent so far",
    "firstAsk": "lowest price that somebody sells at",
    "firstBid": "highest price that somebody buys at",
    "firstSymbol": "the asset that is bought and sold",
    "firstSymbolMaxLength": "decimals of the first asset",
    "history.amount": "quantity of the asset",
    "history.symbol": "the asset",
    "info.commission": "fee in percent, where there is but one",
    "info.enable": '"true" while it is open',
    "market": "the market",
    "maxLength": "decimals of the asset",
    "minAmount": "least quantity of an order",
    "minTradeTotal": "least price times quantity of an order",
    "open": "first price of the last 24 hours",
    "openTime": "when the 24 hours began, in ms",
    "order.orderType": "LIMIT, MARKET, STOP LIMIT, FAST",
    "order.side": "BUY, SELL",
    "order.total": "what to spend, in the second asset",
    "orderEnable": '"true" while orders are taken',
    "orderId": "the exchange's id of the order",
    "orderType": "0 LIMIT, 1 MARKET, 2 STOP LIMIT, 3 FAST",
    "precision.amount": "decimals of a quantity",
    "precision.price": "decimals of a price",
    "precision.total": "decimals of a sum to spend",
    "price": "price of one of the first asset",
    "reply.market": "statistics of its last 24 hours",
    "reserved": "what open orders and withdrawals hold",
    "secondSymbol": "the asset that is paid with",
    "secondSymbolMaxLength": "decimals of the second asset",
    "side": "0 BUY, 1 SELL",
    "state": "11, 21 pending; 12, 22 validating; 13, 23 resuming; 14, 24 completed; 98 rejected; "
    "99 cancelled",
    "status": "NEW, PARTIALLY_FILLED, FILLED, CANCELLED, CANCELLED_ALL",
    "stopType": "GREATER, LESS: the side from which the target is reached",
    "symbol": "the market",
    "target": "the price that sets the order going",
    "targetPrice": "the price that sets the order going; 0 without one",
    "time": "when it happened, in ms",
    "totalConfirmation": "confirmations that are wanted",
    "trades.commission": "fee, in commissionSymbol",
    "type": "0 the buyer is the maker, 1 the taker",
    "volume": "traded in 24 hours, in the second asset; in the first, where no volumeQty stands "
    "beside it",
    "volumeQty": "traded in 24 hours, in the first asset",
    "wallet.symbol": "the asset",
    "wallet.total": "available and reserved",
}
"""What a member says, where its name does not say it all; with its object it goes before."""
