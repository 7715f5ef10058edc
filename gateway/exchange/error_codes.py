"""The exchange's error codes: the union of its tables.

The heading 'Error Codes' leaves out 10027, 10063, 10064 and 10075, which stand in the tables of
'Get Deposit Addresses', 'Create Withdraw' and 'Cancel An Active Order'.
"""

from dataclasses import dataclass

UNCLEAR_CODES = frozenset({"90000", "90001"})
"""'Unexpected Error' and 'Invalid Request' do not prove that nothing was done."""

CODES_TO_RECONCILE = frozenset({"10041"})
"""'Wash trading cancelled' refuses an order, of which part may have traded before."""

KEY_REFUSED_CODES = frozenset({"20000", "20001", "20002", "20011"})
"""What the exchange says of a key that it does not take, or not for this."""

CODES_FOR_THE_OPERATOR = KEY_REFUSED_CODES | {"10010"}
"""What no caller can mend: the account's API key, its rights, and where requests come from."""

WINDOW_PASSED = "20004"
"""'Timestamp difference limit exceeded': the exchange got the request after its window."""

ORDER_NOT_OPEN = "10075"
"""'Order not found': what a cancel names is not open, and that is all that this says."""

UNKNOWN_SYMBOL_CODES = frozenset({"10037", "20006"})


@dataclass(frozen=True, slots=True)
class ExchangeCode:
    """One code: our stable `name`, the exchange's `meaning`, and what to do about it.

    `retryable`: the same request can succeed later without anybody changing anything.
    """

    code: str
    name: str
    meaning: str
    advice: str
    retryable: bool = False


_CODES = (
    ExchangeCode(
        "10010",
        "ACCOUNT_NOT_REGISTERED",
        "Account not registered",
        "whoever runs the gateway must check that the API key belongs to a registered account",
    ),
    ExchangeCode(
        "10026",
        "IDENTITY_VERIFICATION_REQUIRED",
        "Identity verification required",
        "verify the account holder's identity on the exchange",
    ),
    ExchangeCode(
        "10027",
        "DEPOSIT_DISABLED",
        "Deposit disabled",
        "try again when the exchange has opened deposits of this asset",
        retryable=True,
    ),
    ExchangeCode(
        "10028",
        "WITHDRAW_DISABLED",
        "Withdraw disabled",
        "try again when the exchange has opened withdrawals of this asset",
        retryable=True,
    ),
    ExchangeCode(
        "10029",
        "INVALID_WITHDRAW_CHANNEL",
        "Invalid withdraw channel",
        "choose one of the channels that the withdrawal options list",
    ),
    ExchangeCode(
        "10030",
        "WITHDRAW_UNDER_MINIMUM",
        "Amount is lower than minimum withdraw limit",
        "withdraw at least the minimum of this asset",
    ),
    ExchangeCode(
        "10031",
        "INSUFFICIENT_BALANCE",
        "Insufficient balance",
        "lower the quantity, or cancel open orders that hold the asset",
    ),
    ExchangeCode(
        "10035",
        "CHANNEL_MONTHLY_LIMIT",
        "Channel monthly limit exceeded",
        "use another channel, or wait for the next month",
    ),
    ExchangeCode(
        "10037",
        "INVALID_SYMBOL",
        "Invalid symbol",
        "use a symbol from the list of markets",
    ),
    ExchangeCode(
        "10038",
        "MARKET_DISABLED",
        "Market disabled",
        "try again when the exchange has opened the market",
        retryable=True,
    ),
    ExchangeCode(
        "10039",
        "TOTAL_UNDER_MINIMUM",
        "Order total is under limit",
        "raise price times quantity to the market's minimum total",
    ),
    ExchangeCode(
        "10040",
        "QUANTITY_UNDER_MINIMUM",
        "Order amount is under limit",
        "raise the quantity to the market's minimum quantity",
    ),
    ExchangeCode(
        "10041",
        "WASH_TRADING_CANCELLED",
        "Wash trading cancelled",
        "the order would have met an order of the same account: cancel that one, or change the "
        "price; look at the open orders before placing again",
    ),
    ExchangeCode(
        "10042",
        "MARKET_ORDER_UNAVAILABLE",
        "Market order not available",
        "place a limit order",
    ),
    ExchangeCode(
        "10051",
        "COUNTRY_RESTRICTED",
        "Requested action is not available for your country",
        "ask the exchange what the account's country allows",
    ),
    ExchangeCode(
        "10054",
        "STEP_1_MONTHLY_LIMIT",
        "Step-1 verified user monthly withdraw limit exceeded",
        "verify the account further, or wait for the next month",
    ),
    ExchangeCode(
        "10055",
        "STEP_2_MONTHLY_LIMIT",
        "Step-2 verified user monthly withdraw limit exceeded",
        "wait for the next month, or ask the exchange for a higher limit",
    ),
    ExchangeCode(
        "10060",
        "FAST_ORDER_UNAVAILABLE",
        "Fast order not available",
        "place a limit or a market order",
    ),
    ExchangeCode(
        "10061",
        "SELL_PRICE_TOO_HIGH",
        "Sell Price is not higher than %250",
        "sell at no more than 250 % of the last price",
    ),
    ExchangeCode(
        "10062",
        "BUY_PRICE_TOO_LOW",
        "Buy Price is not lower than %40",
        "buy at no less than 40 % of the last price",
    ),
    ExchangeCode(
        "10063",
        "INVALID_WITHDRAW_ADDRESS",
        "Withdraw address is not valid",
        "check the address and its channel",
    ),
    ExchangeCode(
        "10064",
        "INVALID_EXTRA_PARAMETER",
        "Extra parameter is not valid(Tag, Memo etc...)",
        "check the tag or memo that the receiver gave",
    ),
    ExchangeCode(
        "10075",
        "ORDER_NOT_FOUND",
        "Order not found",
        "it is not open any more: filled, cancelled, or of another account; look it up",
    ),
    ExchangeCode(
        "20000",
        "AUTHORIZATION_REQUIRED",
        "Authorization required",
        "whoever runs the gateway must check the account's API key",
    ),
    ExchangeCode(
        "20001",
        "INVALID_CREDENTIALS",
        "Invalid API key or secret",
        "whoever runs the gateway must check the account's API key and secret",
    ),
    ExchangeCode(
        "20002",
        "UNAUTHORIZED_IP",
        "Unauthorized IP",
        "whoever runs the gateway must let the exchange know its outgoing address",
    ),
    ExchangeCode(
        "20003",
        "TIMESTAMP_MISSING",
        "Timestamp parameter is missing",
        "report this: the gateway signs a timestamp into every request",
    ),
    ExchangeCode(
        "20004",
        "TIMESTAMP_EXPIRED",
        "Timestamp difference limit exceeded",
        "try again; if it stays, widen the order window or look at the delay to the exchange",
        retryable=True,
    ),
    ExchangeCode(
        "20005",
        "MISSING_PARAMETERS",
        "Missing parameters",
        "report this: the gateway left a parameter out",
    ),
    ExchangeCode(
        "20006",
        "UNKNOWN_SYMBOL",
        "Invalid Symbol",
        "use a symbol from the list of markets",
    ),
    ExchangeCode(
        "20007",
        "INVALID_PRICE",
        "Price must be float and higher than 0",
        "give a price above 0, with at most the decimals of the market's pricePrecision",
    ),
    ExchangeCode(
        "20008",
        "INVALID_STOP_PRICE",
        "Target must be float and higher than 0",
        "give a stop price above 0",
    ),
    ExchangeCode(
        "20009",
        "INVALID_QUANTITY",
        "Amount must be float and higher than 0",
        "give a quantity above 0, with at most the decimals of the market's quantityPrecision",
    ),
    ExchangeCode(
        "20010",
        "ADDRESS_EMPTY",
        "Address can not be empty",
        "give an address",
    ),
    ExchangeCode(
        "20011",
        "ACTION_NOT_ALLOWED",
        "API is not allowed to this action",
        "whoever runs the gateway must allow the action for this API key on the exchange",
    ),
    ExchangeCode(
        "20012",
        "INVALID_TOTAL",
        "Total must be float and higher than 0",
        "give a total above 0",
    ),
    ExchangeCode(
        "90000",
        "UNEXPECTED_ERROR",
        "Unexpected Error",
        "the outcome is not known: look before trying again",
        retryable=True,
    ),
    ExchangeCode(
        "90001",
        "INVALID_REQUEST",
        "Invalid Request",
        "the outcome is not known: look before trying again",
    ),
)

ERROR_CODES: dict[str, ExchangeCode] = {row.code: row for row in _CODES}
"""Every documented code but "00000" (Success), by its five digits."""
