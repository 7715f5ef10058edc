"""One call under way for a key, however many ask."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Joins callers of the same key to one task.

    The task does not belong to the caller that began it: whoever is cancelled, the others still
    get their answer.
    """

    def __init__(self) -> None:
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def begin(self, key: K, call: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        """Return the task under way for `key`, or begin one with `call`."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(call))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    def under_way(self, key: K) -> bool:
        """True while the call for `key` has no answer yet."""
        return key in self._tasks

    async def join(self, key: K, call: Callable[[], Awaitable[V]]) -> V:
        """Wait for the answer of the one call for `key`; its failure is raised to each caller."""
        return await asyncio.shield(self.begin(key, call))

    def _landed(self, key: K, task: asyncio.Task[V]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # a failure that nobody waits for any more is not an error

    async def landed(self, within_s: float, which: Callable[[K], bool] = lambda _: True) -> None:
        """Wait for what is under way, or some of it, for `within_s` seconds at the most."""
        tasks = [task for key, task in self._tasks.items() if which(key)]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)

    async def aclose(self) -> None:
        """Cancel what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(call: Callable[[], Awaitable[V]]) -> V:
    return await call()
