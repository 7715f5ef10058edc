"""What an API key may do."""

from enum import StrEnum


class Permission(StrEnum):
    """What a signed endpoint asks of the key that signed; a key without it is refused by 20011."""

    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"
