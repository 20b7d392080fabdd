# SPDX-License-Identifier: MIT
"""The origin of the soak: a process of its own that does what the path asks for.

A target is /soak/KIND/NUMBER?size=BYTES; the functions answer_KIND below say what each kind gets.
"""

import asyncio
import base64
import contextlib
import hashlib
import multiprocessing
import socket
import struct

BLOCK = b'{"hark": "a flight recorder for HTTP", "answer": 4275}\n' * 1200
GARBAGE = [
    b"\x00\x01\x02\x03",
    b"SSH-2.0-OpenSSH_9.2p1\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, wooden\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 20",
    b"",
]
WEBSOCKET_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Gone(Exception):
    """The connection is not to be used any further."""


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def serve(self):
        # ValueError: what comes through a tunnel need not be HTTP
        with contextlib.suppress(Gone, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            while True:
                await self.answer()
        self.writer.close()

    async def answer(self):
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = {name.lower(): value.strip()
                  for name, _, value in (line.partition(":") for line in lines[1:])}
        path, _, query = target.partition("?")
        kind, number = path.split("/")[2:4]
        size = int(query.rpartition("=")[2] or 0)
        handler = getattr(self, f"answer_{kind}")
        await handler(int(number), size, fields)
        await self.writer.drain()
        if method == "HEAD":
            raise Gone

    async def read_body(self, fields):
        """How many bytes came."""
        if "chunked" not in fields.get("transfer-encoding", ""):
            return await self.read_blocks(int(fields.get("content-length", 0)))
        total = 0
        while size := int(await self.reader.readline(), 16):
            total += await self.read_blocks(size)
            await self.reader.readline()
        await self.reader.readline()
        return total

    async def read_blocks(self, size):
        left = size
        while left:
            block = await self.reader.read(min(left, 65536))
            if not block:
                raise Gone
            left -= len(block)
        return size

    async def send_blocks(self, size):
        while size:
            block = BLOCK[:size]
            self.writer.write(block)
            await self.writer.drain()
            size -= len(block)

    # -- what goes well --------------------------------------------------------------------------

    async def answer_get(self, _number, size, _fields):
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n" % size)
        await self.send_blocks(size)

    answer_litter = answer_get

    async def answer_post(self, number, size, fields):
        await self.read_body(fields)
        await self.answer_get(number, size, fields)

    async def answer_chunked(self, _number, size, fields):
        await self.read_body(fields)
        self.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size:
            block = BLOCK[: min(size, 10_000)]
            self.writer.write(b"%x\r\n%b\r\n" % (len(block), block))
            await self.writer.drain()
            size -= len(block)
        self.writer.write(b"0\r\n\r\n")

    async def answer_close(self, _number, size, _fields):
        self.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await self.send_blocks(size)
        raise Gone

    async def answer_events(self, _number, size, _fields):
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for _ in range(size // 20):
            self.writer.write(b"data: a small event\n")
            await self.writer.drain()
            await asyncio.sleep(0.1)
        raise Gone

    async def answer_websocket(self, _number, _size, fields):
        key = fields["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_SALT).digest())
        self.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept)
        while True:
            first, length = await self.reader.readexactly(2)
            mask = await self.reader.readexactly(4)
            data = await self.reader.readexactly(length & 127)
            plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            self.writer.write(bytes([first, len(plain)]) + plain)
            await self.writer.drain()
            if first & 15 == 8:
                raise Gone

    # -- what does not ---------------------------------------------------------------------------

    async def answer_reset(self, number, _size, _fields):
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + b"x" * 40
        self.writer.write(whole[: number % len(whole)])
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Gone

    async def answer_short(self, _number, size, _fields):
        self.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        await self.send_blocks(size // 2)
        raise Gone

    async def answer_garbage(self, number, _size, _fields):
        self.writer.write(GARBAGE[number % len(GARBAGE)])
        raise Gone

    async def answer_stall(self, _number, _size, _fields):
        await self.reader.read(1)  # until hark has had enough
        raise Gone

    async def answer_early(self, _number, size, _fields):
        """Before it has read the body, of which the rest is never read."""
        self.writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n" % size)
        await self.send_blocks(size)
        await self.writer.drain()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.read_to_end(), 2)
        raise Gone

    async def read_to_end(self):
        while await self.reader.read(65536):
            pass


async def _serve(tls, told):
    async def serve(reader, writer):
        await Connection(reader, writer).serve()

    plain = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    secure = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512, ssl=tls)
    told.send([server.sockets[0].getsockname()[1] for server in (plain, secure)])
    await asyncio.Event().wait()


class Origin:
    """Two ports: `port` in the clear, `tls_port` with the certificate of `pair`."""

    def __init__(self, pair):
        heard, told = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self._run, args=(pair, told), daemon=True)
        self.process.start()
        self.port, self.tls_port = heard.recv()

    @staticmethod
    def _run(pair, told):
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(pair.server_context(), told))

    def close(self):
        self.process.terminate()
        self.process.join()
