# SPDX-License-Identifier: MIT
"""A client that sends exactly the bytes it is told to, and reads what comes back.

Each client has a loopback address of its own (127.x.y.z), so that its rows can be told from those
of every other client by client_addr.
"""

import itertools
import socket
import struct

from .message import Aborted, Reader, Response, body_framing
from .wait import SCALE

_numbers = itertools.count(1)


def _own_address():
    number = next(_numbers)
    return f"127.{100 + (number >> 14)}.{number >> 7 & 127}.{(number & 127) + 1}"


class RawClient:
    def __init__(self, port, seconds=10, receive_buffer=None, source=None):
        self.address = source or _own_address()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.bind((self.address, 0))
        self.sock.settimeout(seconds * SCALE)
        self.sock.connect(("127.0.0.1", port))
        self.reader = Reader(self.sock, seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *pieces):
        """Send each piece with a write of its own. A peer that has closed already is no error."""
        try:
            for piece in pieces:
                self.sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def response(self, method="GET", seconds=None, sink=None, interim=True):
        """The next response, complete or not; raises Aborted if not even a head came."""
        before = []
        while True:
            head = self.reader.head(seconds)
            if not interim or not 100 <= int(head.start_line.split(" ")[1]) < 200:
                break
            if head.start_line.split(" ")[1] == "101":
                break
            before.append(head)
        answer = Response(head, interim=before, framing=body_framing(head, method))
        body = bytearray()
        try:
            self._read_body(answer, sink or body.extend)
        except Aborted:
            answer.complete = False
        answer.body = bytes(body)
        return answer

    def _read_body(self, answer, sink):
        if answer.framing == "chunked":
            answer.trailers = self.reader.chunked(sink, answer.chunks.append)
        elif answer.framing == "length":
            self.reader.exactly(int(answer.get("content-length")), sink)
        elif answer.framing == "close":
            self.reader.rest(sink)

    def ask(self, *pieces, method="GET", seconds=None):
        """Send and read one response."""
        return self.send(*pieces).response(method, seconds)

    def assert_closed(self, seconds=None):
        """The proxy closes the connection without another byte."""
        try:
            while self.reader.fill(seconds):
                pass
        except Aborted:
            pass
        assert not self.reader.buffer, f"unexpected bytes: {bytes(self.reader.buffer[:300])!r}"

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()
