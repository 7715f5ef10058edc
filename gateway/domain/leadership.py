"""Which process looks after an account: one at a time, told apart by their epochs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leadership:
    """That `owner` leads `account`, until it is not renewed in time.

    Each one that an account has had is of a higher `epoch` than all before it. What a leader
    writes is written only while its epoch is still the highest.
    """

    account: str
    owner: str
    epoch: int


@dataclass(eq=False)
class Fenced(Exception):
    """Another leadership of the account has begun: what this one wanted written was not."""

    account: str

    def __str__(self) -> str:
        """Name the account."""
        return f"another process leads {self.account} by now"
