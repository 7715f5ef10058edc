"""A transport whose peer takes what a test says."""

import asyncio
from typing import Any


class StandInTransport(asyncio.Transport):
    """`waiting` are the bytes that wait at each look at them, the last for ever after."""

    def __init__(self, *waiting: int) -> None:
        super().__init__()
        self.waiting = list(waiting)
        self.written = b""
        self.closed = False
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]

    def write(self, data: Any) -> None:  # noqa: ANN401 - any buffer
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.aborted = True
