"""The codes as they stand in the exchange's document, written down a second time."""

from gateway.exchange.error_codes import (
    CODES_FOR_THE_OPERATOR,
    ERROR_CODES,
    UNCLEAR_CODES,
    UNKNOWN_SYMBOL_CODES,
)

# Heading 'Error Codes'.
TABLE = """
10010 Account not registered
10026 Identity verification required
10028 Withdraw disabled
10029 Invalid withdraw channel
10030 Amount is lower than minimum withdraw limit
10031 Insufficient balance
10035 Channel monthly limit exceeded
10037 Invalid symbol
10038 Market disabled
10039 Order total is under limit
10040 Order amount is under limit
10041 Wash trading cancelled
10042 Market order not available
10051 Requested action is not available for your country
10054 Step-1 verified user monthly withdraw limit exceeded
10055 Step-2 verified user monthly withdraw limit exceeded
10060 Fast order not available
10061 Sell Price is not higher than %250
10062 Buy Price is not lower than %40
20000 Authorization required
20001 Invalid API key or secret
20002 Unauthorized IP
20003 Timestamp parameter is missing
20004 Timestamp difference limit exceeded
20005 Missing parameters
20006 Invalid Symbol
20007 Price must be float and higher than 0
20008 Target must be float and higher than 0
20009 Amount must be float and higher than 0
20010 Address can not be empty
20011 API is not allowed to this action
20012 Total must be float and higher than 0
90000 Unexpected Error
90001 Invalid Request
"""
# Headings 'Get Deposit Addresses', 'Create Withdraw', 'Cancel An Active Order'.
ELSEWHERE = """
10027 Deposit disabled
10063 Withdraw address is not valid
10064 Extra parameter is not valid(Tag, Memo etc...)
10075 Order not found
"""


def test_every_documented_code_is_there_with_its_meaning_and_no_other() -> None:
    documented = dict(line.split(" ", 1) for line in (TABLE + ELSEWHERE).splitlines() if line)
    assert {code: row.meaning for code, row in ERROR_CODES.items()} == documented


def test_who_runs_the_gateway_is_told_of_exactly_what_only_they_can_mend() -> None:
    theirs = {code for code, row in ERROR_CODES.items() if "whoever runs the gate" in row.advice}
    assert theirs == CODES_FOR_THE_OPERATOR


def test_names_are_constants_and_each_stands_for_one_code() -> None:
    names = [row.name for row in ERROR_CODES.values()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.upper() for name in names)


def test_every_code_comes_with_advice() -> None:
    assert all(row.advice and not row.advice.endswith(".") for row in ERROR_CODES.values())


def test_the_codes_that_mean_something_else_than_a_refusal_are_documented_ones() -> None:
    assert ERROR_CODES.keys() >= UNCLEAR_CODES | UNKNOWN_SYMBOL_CODES
    assert not UNCLEAR_CODES & UNKNOWN_SYMBOL_CODES
