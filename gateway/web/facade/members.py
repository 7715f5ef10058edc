"""What the members of the exchange's replies are."""

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

MEANINGS = {
    "activeConfirmation": "confirmations so far",
    "amount": "quantity of the first asset; of a transfer, of its asset",
    "available": "what can be spent",
    "avg": "average price of the last 24 hours",
    "cancelEnable": '"true" while orders can be cancelled',
    "changeAmount": "last less open",
    "changePercent": "last less open, in percent of open",
    "closetime": "when it ends, in ms",
    "commission": "fee: in percent of a market, in commissionSymbol of a trade",
    "commissionMaker": "fee of the order that was there first, in percent",
    "commissionPercentage": "true when fees are in percent",
    "commissionSymbol": "the asset that the fee was paid in",
    "commissionTaker": "fee of the order that came and met it, in percent",
    "commissionTierBased": "true when fees depend on the account",
    "count": "orders at this price",
    "enable": "whether it is open; of a market as a text",
    "explorer": "where the network's transactions can be looked at",
    "filledAmount": "quantity that has traded",
    "filledTotal": "what was spent so far",
    "firstAsk": "lowest price that somebody sells at",
    "firstBid": "highest price that somebody buys at",
    "firstSymbol": "the asset that is bought and sold",
    "firstSymbolMaxLength": "decimals of the first asset",
    "market": "the market; of statistics, the statistics",
    "maxLength": "decimals of the asset",
    "minAmount": "least quantity of an order",
    "minTradeTotal": "least price times quantity of an order",
    "open": "first price of the time",
    "openTime": "when it begins, in ms",
    "orderEnable": '"true" while orders are taken',
    "orderId": "the exchange's id of the order",
    "orderType": "LIMIT, MARKET, STOP LIMIT, FAST; in lists 0, 1, 2, 3",
    "price": "price of one of the first asset; in precision, its decimals",
    "reserved": "what open orders and withdrawals hold",
    "secondSymbol": "the asset that is paid with",
    "secondSymbolMaxLength": "decimals of the second asset",
    "side": "BUY, SELL; in lists 0, 1",
    "state": "11, 21 pending; 12, 22 validating; 13, 23 resuming; 14, 24 completed; 98 rejected; "
    "99 cancelled",
    "status": "NEW, PARTIALLY_FILLED, FILLED, CANCELLED, CANCELLED_ALL",
    "stopType": "GREATER, LESS: the side from which the target is reached",
    "symbol": "the market or the asset",
    "target": "the price that sets the order going",
    "targetPrice": "the price that sets the order going; 0 without one",
    "time": "when it happened, in ms",
    "total": "available and reserved; of a fast buy, what to spend",
    "totalConfirmation": "confirmations that are wanted",
    "type": "0 the buyer is the maker, 1 the taker",
    "volume": "traded in 24 hours, in the second asset; in the first of a candle, and where no "
    "volumeQty stands beside it",
    "volumeQty": "traded in 24 hours, in the first asset",
}
"""What a member says, where its name does not say it all."""
