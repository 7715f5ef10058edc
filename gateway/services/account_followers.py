"""Those who follow an account, each with what it wants to be told of."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from gateway.domain.account import Balance, Fill
from gateway.domain.errors import GatewayError
from gateway.domain.orders import Order
from gateway.domain.streams import Gap
from gateway.services.mailbox import Mailbox

AccountNews: TypeAlias = Order | Balance | Fill | Gap
"""What an account's stream tells."""


class Follower:
    """Gets what is of its `kinds`; more than `capacity` tellings that wait end it."""

    def __init__(self, kinds: tuple[type, ...], capacity: int) -> None:
        self._kinds = kinds
        self._mailbox: Mailbox[tuple[AccountNews, ...]] = Mailbox(capacity)

    def tell(self, news: tuple[AccountNews, ...], *, even_nothing: bool = False) -> None:
        """Tell it all as one event: however much there is, it fits where one change does."""
        told = tuple(each for each in news if isinstance(each, self._kinds))
        if told or even_nothing:
            self._mailbox.put(told)

    def end(self, reason: GatewayError) -> None:
        """A reason that lasts is better told than waited for."""
        self._mailbox.fail(reason)

    def tellings(self) -> AsyncIterator[tuple[AccountNews, ...]]:
        """What was told at once, one after the other; raises the reason of the end."""
        return aiter(self._mailbox)


class Followers:
    """All who follow one account; `capacity` tellings may wait for each."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._followers: set[Follower] = set()

    @contextmanager
    def joined(self, kinds: tuple[type, ...]) -> Iterator[Follower]:
        """One more, for the length of the context."""
        follower = Follower(kinds, self._capacity)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def tell(self, *news: AccountNews, even_nothing: bool = False) -> None:
        """Tell each of them."""
        for follower in self._followers:
            follower.tell(news, even_nothing=even_nothing)

    def end(self, reason: GatewayError) -> None:
        """End what each of them is told."""
        for follower in self._followers:
            follower.end(reason)
