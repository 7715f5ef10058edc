"""The exchange's codes that the facade says of itself ("Error Codes"), by name."""

from gateway.exchange import CODES_FOR_THE_OPERATOR

SUCCESS = "00000"
UNKNOWN_SYMBOL = "10037"
MARKET_DISABLED = "10038"
NO_KEY = "20000"
NOT_PROVEN = "20001"
NO_TIMESTAMP = "20003"
WINDOW_PASSED = "20004"
MISSING = "20005"
NOT_A_SYMBOL = "20006"
BAD_PRICE = "20007"
BAD_TARGET = "20008"
BAD_AMOUNT = "20009"
NOT_ALLOWED = "20011"
BAD_TOTAL = "20012"
UNEXPECTED = "90000"
INVALID = "90001"

OF_THE_REAL_KEY = CODES_FOR_THE_OPERATOR | {NO_TIMESTAMP, WINDOW_PASSED}
"""What the exchange says of the gateway's own key and its signature: no caller can mend that."""
