"""The exchange's reply codes ("Error Codes") and the refusal that carries one."""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A reply code; ``text`` is the document's wording."""

    text: str

    def __new__(cls, value: str, text: str) -> Self:
        """Make a member that is its five digits and knows its wording."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    SUCCESS = "00000", "Success"
    ACCOUNT_NOT_REGISTERED = "10010", "Account not registered"
    VERIFICATION_REQUIRED = "10026", "Identity verification required"
    DEPOSIT_DISABLED = "10027", "Deposit disabled"
    WITHDRAW_DISABLED = "10028", "Withdraw disabled"
    INVALID_CHANNEL = "10029", "Invalid withdraw channel"
    UNDER_WITHDRAW_MINIMUM = "10030", "Amount is lower than minimum withdraw limit"
    INSUFFICIENT_BALANCE = "10031", "Insufficient balance"
    CHANNEL_LIMIT_EXCEEDED = "10035", "Channel monthly limit exceeded"
    INVALID_SYMBOL = "10037", "Invalid symbol"
    MARKET_DISABLED = "10038", "Market disabled"
    TOTAL_UNDER_LIMIT = "10039", "Order total is under limit"
    QUANTITY_UNDER_LIMIT = "10040", "Order amount is under limit"
    WASH_TRADING = "10041", "Wash trading cancelled"
    MARKET_ORDER_NOT_AVAILABLE = "10042", "Market order not available"
    COUNTRY_NOT_SERVED = "10051", "Requested action is not available for your country"
    STEP_1_LIMIT_EXCEEDED = "10054", "Step-1 verified user monthly withdraw limit exceeded"
    STEP_2_LIMIT_EXCEEDED = "10055", "Step-2 verified user monthly withdraw limit exceeded"
    FAST_ORDER_NOT_AVAILABLE = "10060", "Fast order not available"
    SELL_PRICE_TOO_HIGH = "10061", "Sell Price is not higher than %250"
    BUY_PRICE_TOO_LOW = "10062", "Buy Price is not lower than %40"
    INVALID_ADDRESS = "10063", "Withdraw address is not valid"
    INVALID_SECOND_PARAMETER = "10064", "Extra parameter is not valid(Tag, Memo etc...)"
    ORDER_NOT_FOUND = "10075", "Order not found"
    AUTHORIZATION_REQUIRED = "20000", "Authorization required"
    INVALID_KEY_OR_SECRET = "20001", "Invalid API key or secret."
    UNAUTHORIZED_ADDRESS = "20002", "Unauthorized IP"
    TIMESTAMP_MISSING = "20003", "Timestamp parameter is missing"
    TIMESTAMP_EXPIRED = "20004", "Timestamp difference limit exceeded"
    MISSING_PARAMETERS = "20005", "Missing parameters"
    NOT_A_SYMBOL = "20006", "Invalid Symbol"
    INVALID_PRICE = "20007", "Price must be float and higher than 0"
    INVALID_TARGET = "20008", "Target must be float and higher than 0"
    INVALID_QUANTITY = "20009", "Amount must be float and higher than 0"
    ADDRESS_EMPTY = "20010", "Address can not be empty"
    NOT_PERMITTED = "20011", "API is not allowed to this action"
    INVALID_TOTAL = "20012", "Total must be float and higher than 0"
    UNEXPECTED_ERROR = "90000", "Unexpected Error"
    INVALID_REQUEST = "90001", "Invalid Request"


class Refusal(Exception):
    """The exchange says no; nothing was executed."""

    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code} {self.code.text}"
