"""What an endpoint does with what it is asked for."""

from enum import StrEnum


class Access(StrEnum):
    """It decides who may ask, and what a failure is called."""

    PUBLIC = "public"
    """Answers whoever may read market data, signed or not."""
    READ = "read"
    ORDER = "order"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"

    @property
    def mutates(self) -> bool:
        """True where a captured signature must not be used a second time."""
        return self in (Access.ORDER, Access.CANCEL, Access.WITHDRAW)
