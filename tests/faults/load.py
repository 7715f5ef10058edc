"""Callers who go on asking while things break."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def repeated(call: Callable[[int], T], workers: int) -> Iterator[list[T]]:
    """Call with 0, 1, 2… from several threads until the block ends; collect what comes back."""
    results: list[T] = []
    end = Event()

    def work(first: int) -> None:
        number = first
        while not end.is_set():
            results.append(call(number))
            number += workers

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(work, first) for first in range(workers)]
        try:
            yield results
        finally:
            end.set()
        for each in running:
            each.result()
