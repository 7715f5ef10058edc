"""Answers on public data, kept as bytes for as long as they are exactly right."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, ref

from gateway.domain.market import MarketKey, Snapshot
from gateway.services.market_data import MarketData

_LONGEST_REQUEST = 16_384
_EACH = 500
_EACH_SNAPSHOT = 200


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    used: tuple[tuple[MarketKey, ReferenceType[Snapshot[Any]]], ...]
    """Weak: an answer that nobody asks for again must not keep an order book in memory."""
    size: int
    """Bytes, with the request's, and about what Python takes for the rest."""


class KeptAnswers:
    """Finds the answer to a request by the request's bytes.

    An answer remembers the snapshots that it was computed from, and holds until one of them
    changes or is not current any more. So no lifetime is guessed, and none is too long.
    `capacity` bounds the bytes of all: requests, answers, and what is remembered of snapshots.
    """

    def __init__(self, market_data: MarketData, capacity: int) -> None:
        self._market_data = market_data
        self._capacity = capacity
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._size = 0

    def find(self, request: bytes) -> bytes | None:
        """The answer to equal bytes if it still holds."""
        answer = self._answers.get(request)
        if answer is None:
            return None
        current = self._market_data.current
        for key, reference in answer.used:
            snapshot = current(key)
            if snapshot is None or snapshot is not reference():
                self._drop(request)
                return None
        self._answers.move_to_end(request)
        return answer.body

    def keep(
        self, request: bytes, body: bytes, used: Iterable[tuple[MarketKey, Snapshot[Any]]]
    ) -> None:
        """Keep an answer, unless what it was computed from has aged or changed already."""
        # Not a dict: a key that was read twice may have changed in between.
        snapshots = tuple(used)
        current = self._market_data.current
        if len(request) > _LONGEST_REQUEST or not snapshots:
            return
        if any(current(key) is not snapshot for key, snapshot in snapshots):
            return
        self._drop(request)
        weak = {key: ref(snapshot) for key, snapshot in snapshots}
        size = _EACH + len(request) + len(body) + _EACH_SNAPSHOT * len(weak)
        self._answers[request] = _Answer(body, tuple(weak.items()), size)
        self._size += size
        while self._size > self._capacity:
            self._drop(next(iter(self._answers)))

    def _drop(self, request: bytes) -> None:
        answer = self._answers.pop(request, None)
        if answer is not None:
            self._size -= answer.size
