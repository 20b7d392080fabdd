# SPDX-License-Identifier: MIT
"""The clients of the soak: each request has a number of its own, and the ledger knows what the
recording owes for it."""

import asyncio
import contextlib
import os
import random
import socket
import ssl
import struct
import time

from soak_origin import BLOCK

HOST = "api.example.com"
BEGIN_BYTES = 400
PATIENCE = 60  # seconds for what nothing should hold up
BROKEN = (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError)


class Ledger:
    """For each number what its row must be: DONE exactly one, and in that state; ROW exactly one;
    MAYBE at most one, since the client left early; LITTER as well, since it may have been pruned."""

    DONE, ROW, MAYBE, LITTER = range(1, 5)

    def __init__(self):
        self.codes = bytearray(1)
        self.sent = {}
        self.unexpected = []

    def take(self, kind):
        self.codes.append(self.MAYBE)
        self.sent[kind] = self.sent.get(kind, 0) + 1
        return len(self.codes) - 1

    def settle(self, number, code):
        self.codes[number] = code

    def complain(self, number, kind, what):
        self.unexpected.append(f"{time.strftime('%T')} request {number} ({kind}): {what}")

    def check(self, rows, lost):
        """What is wrong with the (number, state) of `rows`, of which so many may be lost, as text."""
        seen = bytearray(len(self.codes))
        problems, missing = [], []
        for number, state in rows:
            if number >= len(seen) or not self.codes[number]:
                problems.append(f"row of number {number}, which was never sent")
                continue
            seen[number] = min(seen[number] + 1, 255)
            if self.codes[number] == self.DONE and state != "done":
                problems.append(f"number {number} was answered, its row says {state}")
            elif state == "pending":
                problems.append(f"number {number} is still pending")
        for number, (code, count) in enumerate(zip(self.codes, seen)):
            if count > 1:
                problems.append(f"number {number} has {count} rows")
            if count == 0 and code in (self.DONE, self.ROW):
                missing.append(f"number {number} has no row")
        return problems + (missing if len(missing) > lost else [])


class Answer:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.fields = {name.lower(): value.strip()
                       for name, _, value in (line.partition(":") for line in lines[1:])}
        self.size = 0
        self.begin = b""
        self.closes = "close" in self.fields.get("connection", "").lower()


class Peer:
    """One connection to hark."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, receive_buffer=None):
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock))

    async def connect(self, authority):
        self.writer.write(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority))
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        if b" 200 " not in head:
            raise OSError(f"CONNECT: {head!r}")
        return self

    async def answer(self):
        while True:
            answer = Answer(await self.reader.readuntil(b"\r\n\r\n"))
            if answer.status == 101 or answer.status >= 200:
                break
        if answer.fields.get("transfer-encoding") == "chunked":
            await self._read_chunks(answer)
        elif "content-length" in answer.fields:
            await self._read_blocks(answer, int(answer.fields["content-length"]))
        elif answer.closes:
            while block := await self.reader.read(65536):
                answer.size += len(block)
        return answer

    async def _read_blocks(self, answer, size):
        while size:
            block = await self.reader.read(min(size, 65536))
            if not block:
                raise EOFError("short body")
            size -= len(block)
            answer.size += len(block)
            answer.begin += block[: BEGIN_BYTES - len(answer.begin)]

    async def _read_chunks(self, answer):
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            await self._read_blocks(answer, size)
            await self.reader.readexactly(2)
        await self.reader.readuntil(b"\r\n")

    def close(self):
        self.writer.close()

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Caller:
    """One client after another: does what chance says, and keeps its connections meanwhile."""

    # How often each is done, of 10,000 turns.
    KINDS = {
        "get": 6000, "get_medium": 250, "get_large": 1, "post": 1200, "post_chunked": 250,
        "post_large": 1, "close": 150, "get_fresh": 300, "get_secure": 700,
        "get_secure_fresh": 150, "get_in_tunnel": 100, "events": 60, "websocket": 60,
        "read_slowly": 20, "write_slowly": 20, "litter": 250, "leave_in_request": 60,
        "leave_in_answer": 60, "reset": 80, "short": 60, "garbage": 80, "stall": 10, "early": 30,
        "break_hello": 50, "break_head": 30, "relay": 30,
    }

    def __init__(self, traffic, seed):
        self.traffic = traffic
        self.ledger = traffic.ledger
        self.random = random.Random(seed)
        self.kept = {}

    async def run(self):
        kinds, weights = zip(*self.KINDS.items())
        while await self.traffic.turn():
            await getattr(self, self.random.choices(kinds, weights)[0])()
        for peer in self.kept.values():
            peer.close()

    # -- how -------------------------------------------------------------------------------------

    def head(self, kind, number, size, more="", method="GET", is_absolute=True):
        host = f"127.0.0.1:{self.traffic.origin.port}" if is_absolute else HOST
        where = f"http://{host}" if is_absolute else ""
        return (f"{method} {where}/soak/{kind}/{number}?size={size} HTTP/1.1\r\nHost: {host}\r\n"
                f"User-Agent: soak\r\nAccept: */*\r\n{more}\r\n").encode()

    async def plain(self, **options):
        return await Peer.open(self.traffic.hark.proxy_port, **options)

    async def secure(self):
        peer = await (await self.plain()).connect(b"%b:443" % HOST.encode())
        await asyncio.wait_for(
            peer.writer.start_tls(self.traffic.tls, server_hostname=HOST), PATIENCE)
        return peer

    async def keep(self, name, opener):
        if name not in self.kept:
            self.kept[name] = await opener()
        return self.kept[name]

    def drop(self, name):
        if name in self.kept:
            self.kept.pop(name).close()

    async def ask(self, peer, kind, size, body=(), code=Ledger.DONE, **options):
        """A request that must go well; returns whether the connection can be used again."""
        number = self.ledger.take(kind)
        try:
            peer.writer.write(self.head(kind, number, size, **options))
            for part in body:
                peer.writer.write(part)
                await peer.writer.drain()
            answer = await asyncio.wait_for(peer.answer(), PATIENCE)
        except BROKEN as failure:
            self.ledger.complain(number, kind, repr(failure))
            return False
        self.ledger.settle(number, code)
        if (answer.status, answer.size) != (200, size):
            self.ledger.complain(number, kind, f"{answer.status}, {answer.size} of {size} bytes, "
                                 f"{answer.fields.get('hark-error')}: {answer.begin!r}")
            return False
        return not answer.closes

    async def ask_kept(self, name, opener, *args, **options):
        try:
            peer = await self.keep(name, opener)
        except BROKEN as failure:
            self.ledger.complain(0, name, f"no connection: {failure!r}")
            return
        if not await self.ask(peer, *args, **options):
            self.drop(name)

    async def ask_fresh(self, opener, *args, **options):
        await self.ask_kept("fresh", opener, *args, **options)
        self.drop("fresh")

    async def fail(self, kind, size=0, **options):
        """A request whose origin fails: whatever comes, there is a row."""
        number = self.ledger.take(kind)
        peer = await self.plain()
        try:
            peer.writer.write(self.head(kind, number, size, **options))
            answer = await asyncio.wait_for(peer.answer(), PATIENCE)
            if answer.status < 400 and kind != "reset":
                self.ledger.complain(number, kind, f"{answer.status}")
        except EOFError:
            pass
        except BROKEN as failure:
            if isinstance(failure, asyncio.TimeoutError):
                self.ledger.complain(number, kind, repr(failure))
        self.ledger.settle(number, Ledger.ROW)
        peer.close()

    def body_of(self, size):
        return [BLOCK[: min(len(BLOCK), size - start)] for start in range(0, size, len(BLOCK))]

    # -- what goes well --------------------------------------------------------------------------

    async def get(self):
        await self.ask_kept("plain", self.plain, "get", self.random.choice([0, 60, 300, 2000]))

    async def get_medium(self):
        await self.ask_kept("plain", self.plain, "chunked", self.random.randrange(100_000))

    async def get_large(self):
        await self.ask_kept("plain", self.plain, "get", 32 << 20)

    async def get_fresh(self):
        await self.ask_fresh(self.plain, "get", 300)

    async def litter(self):
        await self.ask_kept("plain", self.plain, "litter", 1000, code=Ledger.LITTER)

    async def post(self, size=None):
        size = self.random.randrange(2000) if size is None else size
        await self.ask_kept("plain", self.plain, "post", 20, self.body_of(size), method="POST",
                            more=f"Content-Length: {size}\r\n")

    async def post_large(self):
        await self.post(32 << 20)

    async def post_chunked(self):
        parts = self.body_of(self.random.randrange(1, 100_000))
        body = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts] + [b"0\r\n\r\n"]
        await self.ask_kept("plain", self.plain, "chunked", 500, body, method="PUT",
                            more="Transfer-Encoding: chunked\r\n")

    async def close(self):
        await self.ask_kept("plain", self.plain, "close", 3000)

    async def get_secure(self):
        await self.ask_kept("secure", self.secure, "get", self.random.choice([0, 300, 5000]),
                            is_absolute=False)

    async def get_secure_fresh(self):
        await self.ask_fresh(self.secure, "get", 300, is_absolute=False)

    async def get_in_tunnel(self):
        async def tunnel():
            return await (await self.plain()).connect(b"%b:80" % HOST.encode())

        await self.ask_fresh(tunnel, "get", 300, is_absolute=False)

    async def events(self):
        await self.ask_fresh(self.plain, "events", 400)

    async def read_slowly(self):
        number, size = self.ledger.take("get"), 400_000
        peer = await self.plain(receive_buffer=4096)
        peer.writer.write(self.head("get", number, size))
        try:
            await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            while size:
                size -= len(await peer.reader.readexactly(min(size, 20_000)))
                await asyncio.sleep(0.1)
            self.ledger.settle(number, Ledger.DONE)
        except BROKEN as failure:
            self.ledger.complain(number, "read_slowly", repr(failure))
        peer.close()

    async def write_slowly(self):
        async def pieces(peer, raw):
            for start in range(0, len(raw), 100):
                peer.writer.write(raw[start : start + 100])
                await peer.writer.drain()
                await asyncio.sleep(0.05)

        number = self.ledger.take("post")
        peer = await self.plain()
        head = self.head("post", number, 10, method="POST", more="Content-Length: 2000\r\n")
        try:
            await pieces(peer, head + BLOCK[:2000])
            await asyncio.wait_for(peer.answer(), PATIENCE)
            self.ledger.settle(number, Ledger.DONE)
        except BROKEN as failure:
            self.ledger.complain(number, "write_slowly", repr(failure))
        peer.close()

    async def websocket(self):
        number = self.ledger.take("websocket")
        peer = await self.plain()
        peer.writer.write(self.head(
            "websocket", number, 0, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n"))
        try:
            await asyncio.wait_for(peer.answer(), PATIENCE)
            for turn in range(10):
                text = b"message %d" % turn
                await self.say(peer, 0x81, text)
            await self.say(peer, 0x88, b"\x03\xe8")
            self.ledger.settle(number, Ledger.DONE)
        except BROKEN as failure:
            self.ledger.complain(number, "websocket", repr(failure))
        peer.close()

    async def say(self, peer, first, data):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        peer.writer.write(bytes([first, 0x80 | len(data)]) + mask + masked)
        echoed = await asyncio.wait_for(peer.reader.readexactly(2 + len(data)), PATIENCE)
        if echoed[2:] != data:
            raise OSError(f"said {data!r}, heard {echoed!r}")
        await asyncio.sleep(0.1)

    # -- origins that fail -----------------------------------------------------------------------

    async def reset(self):
        await self.fail("reset")

    async def short(self):
        await self.fail("short", 50_000)

    async def garbage(self):
        await self.fail("garbage")

    async def stall(self):
        await self.fail("stall")

    async def early(self):
        """Answered while the body is still being sent, and never read."""
        number = self.ledger.take("early")
        peer = await self.plain()
        with contextlib.suppress(*BROKEN):
            peer.writer.write(self.head("early", number, 500, method="POST",
                                        more="Content-Length: 500000\r\n"))
            peer.writer.write(BLOCK)
            await asyncio.wait_for(peer.answer(), PATIENCE)
            self.ledger.settle(number, Ledger.ROW)
        peer.close()

    # -- clients that fail -----------------------------------------------------------------------

    async def leave_in_request(self):
        number = self.ledger.take("post")
        peer = await self.plain()
        peer.writer.write(self.head("post", number, 10, method="POST",
                                    more="Content-Length: 300000\r\n") + BLOCK)
        with contextlib.suppress(*BROKEN):
            await peer.writer.drain()
        await asyncio.sleep(self.random.random() / 10)
        self.random.choice([peer.close, peer.reset])()

    async def leave_in_answer(self):
        number = self.ledger.take("get")
        peer = await self.plain(receive_buffer=4096)
        peer.writer.write(self.head("get", number, 2_000_000))
        with contextlib.suppress(*BROKEN):
            await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), PATIENCE)
            self.ledger.settle(number, Ledger.ROW)
        self.random.choice([peer.close, peer.reset])()

    async def break_hello(self):
        peer = await self.plain()
        with contextlib.suppress(*BROKEN):
            await peer.connect(b"%b:443" % HOST.encode())
            junk = self.random.randbytes(self.random.randrange(1, 300))
            peer.writer.write(b"\x16\x03\x01" + junk)
            if self.random.random() < 0.5:
                peer.writer.write_eof()
                await asyncio.wait_for(peer.reader.read(100), 1)
        peer.reset()

    async def break_head(self):
        peer = await self.plain()
        with contextlib.suppress(*BROKEN):
            peer.writer.write(self.random.choice([
                b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\n\r\n",
                b"\x00" * 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT : HTTP/1.1\r\n\r\n",
                b"GET http://a/ HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 9000]))
            await asyncio.wait_for(peer.reader.read(1000), 2)
        peer.close()

    async def relay(self):
        """Something through CONNECT that is neither TLS nor HTTP; the origin hangs up on it."""
        peer = await self.plain()
        with contextlib.suppress(*BROKEN):
            await peer.connect(b"%b:80" % HOST.encode())
            peer.writer.write(b"\x05\x01\x00 no protocol that anybody knows \r\n\r\n")
            await asyncio.wait_for(peer.reader.read(1000), 2)
        peer.close()


class Traffic:
    """Requests at a bounded rate from `callers` clients at once, until the time is over."""

    def __init__(self, hark, origin, rate, callers, seed):
        self.hark, self.origin, self.rate = hark, origin, rate
        self.ledger = Ledger()
        self.tls = ssl.create_default_context(cafile=str(hark.data_dir / "ca.pem"))
        self.callers = [Caller(self, f"{seed}-{number}") for number in range(callers)]

    async def turn(self):
        """Waits for one's turn; False when there is none any more."""
        now = time.monotonic()
        # Turns that were missed while everybody waited are made up for, but not all at once.
        self.next = max(self.next + 1 / self.rate, now - 1)
        if self.next > now:
            await asyncio.sleep(self.next - now)
        return self.next < self.end

    async def run(self, seconds):
        self.next = time.monotonic()
        self.end = self.next + seconds
        await asyncio.gather(*(caller.run() for caller in self.callers))
