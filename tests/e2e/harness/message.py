# SPDX-License-Identifier: MIT
"""HTTP/1 messages read from a socket as they stand, with nothing tidied up.

Field names and values are str in Latin-1, so that every byte survives; bodies are bytes.
"""

import socket
from dataclasses import dataclass, field

from .wait import SCALE


class Aborted(Exception):
    """The peer closed or reset the connection in the middle of something."""

    def __init__(self, how, partial=b""):
        super().__init__(f"connection {how} after {partial[-80:]!r}")
        self.how = how  # "eof" or "reset"
        self.partial = partial


@dataclass
class Head:
    raw: bytes
    start_line: str
    fields: list

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def names(self):
        return [n.lower() for n, _ in self.fields]

    @classmethod
    def parse(cls, raw):
        lines = raw.decode("latin-1").split("\r\n")
        return cls(raw, lines[0], parse_fields(lines[1:]))


def parse_fields(lines):
    fields = []
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.append((name, value.strip(" \t")))
    return fields


@dataclass
class Response:
    head: Head
    body: bytes = b""
    trailers: list = field(default_factory=list)
    framing: str = "none"  # none, length, chunked, close
    complete: bool = True
    interim: list = field(default_factory=list)  # heads of the 1xx responses before it
    chunks: list = field(default_factory=list)

    @property
    def status(self):
        return int(self.head.start_line.split(" ")[1])

    @property
    def reason(self):
        return self.head.start_line.split(" ", 2)[2]

    def get(self, name, default=None):
        return self.head.get(name, default)

    def all(self, name):
        return self.head.all(name)

    @property
    def closes(self):
        return "close" in (self.get("connection") or "").lower()


class Reader:
    """Buffered reading from one socket; every read ends by the deadline or raises."""

    def __init__(self, sock, seconds=10):
        self.sock = sock
        self.seconds = seconds
        self.buffer = bytearray()
        self.received = bytearray()
        self.keep = True  # whether .received grows; off for very large bodies

    def fill(self, seconds=None):
        """Read once. Returns False at the end of the stream."""
        self.sock.settimeout((seconds or self.seconds) * SCALE)
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            raise Aborted("reset", bytes(self.buffer)) from None
        except socket.timeout:
            raise TimeoutError(f"nothing more came after {bytes(self.buffer[-200:])!r}") from None
        self.buffer += data
        if self.keep:
            self.received += data
        return bool(data)

    def until(self, mark, seconds=None):
        start = 0
        while (at := self.buffer.find(mark, start)) < 0:
            start = max(0, len(self.buffer) - len(mark))
            if not self.fill(seconds):
                raise Aborted("eof", bytes(self.buffer))
        return self.take(at + len(mark))

    def take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def exactly(self, count, sink):
        while count:
            if not self.buffer and not self.fill():
                raise Aborted("eof")
            part = self.take(min(count, len(self.buffer)))
            count -= len(part)
            sink(part)

    def rest(self, sink):
        sink(self.take(len(self.buffer)))
        while self.fill():
            sink(self.take(len(self.buffer)))

    def head(self, seconds=None):
        return Head.parse(self.until(b"\r\n\r\n", seconds))

    def chunked(self, sink, on_chunk=None):
        """Read a chunked body into sink; returns the trailer fields."""
        while True:
            line = self.until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            if on_chunk:
                on_chunk(size)
            self.exactly(size, sink)
            if self.until(b"\r\n") != b"\r\n":
                raise AssertionError("chunk data runs past its size")
        lines = []
        while (line := self.until(b"\r\n")) != b"\r\n":
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        return parse_fields(lines)


def body_framing(head, request_method=None):
    """How the body behind this head ends (RFC 9112 section 6.3); request_method for a response."""
    if request_method:
        status = int(head.start_line.split(" ")[1])
        if request_method == "HEAD" or status in (204, 304) or status < 200:
            return "none"
    if (head.get("transfer-encoding") or "").lower().endswith("chunked"):
        return "chunked"
    if head.get("content-length") is not None:
        return "length"
    return "close" if request_method else "none"
