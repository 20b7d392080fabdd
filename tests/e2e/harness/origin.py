# SPDX-License-Identifier: MIT
"""An origin server under the test's full control.

A handler (one call a connection, each on its own thread) reads requests and sends whatever bytes it
likes, when it likes. All that arrived is kept, byte for byte, by connection and by request.
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

from .message import Aborted, Head, Reader, body_framing
from .wait import SCALE, wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


GREETING = b"220 ready\r\n"


def greet(conn):
    """A protocol in which the server speaks first, and answers one line."""
    conn.send(GREETING)
    conn.send(b"250 " + conn.reader.until(b"\r\n"))


def talk_with_greeter(peer, line):
    assert peer.reader.until(b"\r\n") == GREETING
    assert peer.send(line).reader.until(b"\r\n") == b"250 " + line
    peer.close()


@dataclass
class OriginRequest:
    head: Head
    body: bytes = b""
    trailers: list = field(default_factory=list)
    complete: bool = False

    @property
    def method(self):
        return self.head.start_line.split(" ")[0]

    @property
    def target(self):
        return self.head.start_line.split(" ")[1]

    @property
    def fields(self):
        return self.head.fields

    def get(self, name, default=None):
        return self.head.get(name, default)

    def all(self, name):
        return self.head.all(name)


class OriginConnection:
    def __init__(self, sock, origin):
        self.sock = sock
        self.origin = origin
        self.reader = Reader(sock, 30)
        self.sent = 0
        self.closed_by_peer = threading.Event()

    @property
    def received(self):
        return bytes(self.reader.received)

    def read_head(self):
        """The next request's head, or None when the peer is done."""
        try:
            head = self.reader.head()
        except (Aborted, OSError):
            self.closed_by_peer.set()
            return None
        request = OriginRequest(head)
        self.origin.requests.append(request)
        return request

    def read_body(self, request, sink=None):
        body = bytearray()
        sink = sink or body.extend
        framing = body_framing(request.head)
        try:
            if framing == "chunked":
                request.trailers = self.reader.chunked(sink)
            elif framing == "length":
                self.reader.exactly(int(request.get("content-length")), sink)
            request.complete = True
        except Aborted:
            self.closed_by_peer.set()
        request.body = bytes(body)
        return request

    def read_request(self):
        request = self.read_head()
        return request and self.read_body(request)

    def send(self, *pieces):
        """Send each piece with a write of its own; returns False if the peer has gone."""
        for piece in pieces:
            view = memoryview(piece)
            while view:
                try:
                    count = self.sock.send(view[:65536])
                except OSError:
                    self.closed_by_peer.set()
                    return False
                self.sent += count
                view = view[count:]
        return True

    def wait_peer_closes(self, seconds=10):
        """True once the peer has closed or reset; bytes that still come are kept."""
        try:
            while self.reader.fill(seconds):
                pass
        except (Aborted, OSError):
            pass
        self.closed_by_peer.set()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        # shutdown first: it wakes a thread that sits in recv() on this socket
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def replies(*answers):
    """A handler that answers one request after another with these bytes, whichever connection they
    come on; the last one repeats."""

    def handle(conn):
        while conn.read_request():
            position = min(len(conn.origin.requests), len(answers)) - 1
            if not conn.send(answers[position]):
                return

    return handle


def reply_and_close(answer):
    """A handler that answers one request and closes the connection."""

    def handle(conn):
        if conn.read_request():
            conn.send(answer)

    return handle


class RawOrigin:
    """RawOrigin(handler), RawOrigin(b"HTTP/1.1 …"); without argument it answers 200 "ok"."""

    def __init__(self, handler=OK, send_buffer=None, receive_buffer=None):
        self.handler = replies(handler) if isinstance(handler, bytes) else handler
        self.send_buffer = send_buffer
        self.connections = []
        self.requests = []
        self.failures = []
        self.is_stopping = False
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.threads = []
        self._spawn(self._accept)

    def _spawn(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(30 * SCALE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.send_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
            conn = OriginConnection(sock, self)
            self.connections.append(conn)
            self._spawn(self._serve, conn)

    def _serve(self, conn):
        try:
            self.handler(conn)
        except (Aborted, ConnectionError):
            conn.closed_by_peer.set()
        except OSError:
            pass  # closed under us by stop()
        except Exception as failure:
            self.failures.append(failure)
        finally:
            conn.close()

    @property
    def received(self):
        """Everything that any connection sent, in the order of the connections."""
        return b"".join(conn.received for conn in self.connections)

    def wait_requests(self, count, seconds=5):
        return wait_until(
            lambda: len(self.requests) >= count and self.requests,
            f"{count} requests at the origin",
            seconds,
        )

    def stop(self):
        self.is_stopping = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.connections:
            conn.close()
        for thread in self.threads:
            thread.join(5 * SCALE)
        if self.failures:
            raise self.failures[0]

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        try:
            self.stop()
        except Exception:
            if not failed:
                raise
