# SPDX-License-Identifier: MIT
"""A WebSocket server of somebody else's making: Debian's python3-websockets."""

import asyncio
import threading

import websockets

from .wait import SCALE


class Echo:
    """A websockets server that says back what it hears; "bye" makes it close with 4001."""

    def __init__(self, tls=None):
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.tls = tls
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self.serve(),))
        self.thread.start()
        assert self.ready.wait(10 * SCALE)

    async def handle(self, connection, _path=None):  # newer versions do not pass the path
        async for message in connection:
            if message == "bye":
                await connection.close(4001, "so long")
                return
            await connection.send(message)

    async def serve(self):
        self.ended = asyncio.Event()
        async with websockets.serve(
            self.handle, "127.0.0.1", 0, ssl=self.tls, max_size=None, close_timeout=1
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.ended.wait()

    def close(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10 * SCALE)
        self.loop.close()
