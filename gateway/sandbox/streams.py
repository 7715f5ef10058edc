"""The WebSocket edge: one connection's reading and writing, until either ends or it is cut."""

import asyncio
from collections.abc import Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.sandbox.hub import StreamHub, Subscriber


class StreamEdge:
    """Serves the hub's streams; a WebSocket endpoint."""

    def __init__(self, hub: StreamHub) -> None:
        self._hub = hub

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection. Returning without a close frame breaks it off."""
        await websocket.accept()
        subscriber = self._hub.join(websocket.client.host if websocket.client else "")
        try:
            await _until_first(
                self._read(websocket, subscriber),
                _write(websocket, subscriber),
                _cut(subscriber),
            )
        finally:
            self._hub.leave(subscriber)

    async def _read(self, websocket: WebSocket, subscriber: Subscriber) -> None:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            self._hub.receive(subscriber, message["bytes"] if text is None else text)


async def _write(websocket: WebSocket, subscriber: Subscriber) -> None:
    try:
        while True:
            frame = await subscriber.frames.get()
            await websocket.send_text(frame.decode())
    except WebSocketDisconnect:
        return


async def _cut(subscriber: Subscriber) -> None:
    await subscriber.cut.wait()


async def _until_first(*coroutines: Coroutine[None, None, None]) -> None:
    """Run all until one ends, and stop the others; what one raises is raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
