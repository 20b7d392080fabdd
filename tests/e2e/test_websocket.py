# SPDX-License-Identifier: MIT
"""WebSocket and other protocols that a connection changes to with a 101."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import threading
import zlib

import pytest
from harness import SCALE, wait_stable, wait_until
from harness.daemon import fields_of

websockets = pytest.importorskip("websockets")
from harness.echo import Echo  # noqa: E402

KEY = base64.b64encode(bytes(range(16))).decode()
ACCEPT = base64.b64encode(
    hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
).decode()
SWITCH = (
    f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}\r\nX-Own: kept\r\n\r\n"
).encode()
ROUTES = ["absolute", "tunnel", "tls"]
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MIB = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A server certificate for localhost that signs itself: (certificate, key)."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        " -keyout key.pem -out cert.pem".split(),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def echo(certificate):
    """echo(route) starts an Echo that is reached by that route."""
    started = []

    def start(route):
        context = None
        if route == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        started.append(Echo(context))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def proxy(daemon, certificate):
    return daemon(settings=[f"upstream_ca_file={certificate[0]}"])


def read_head(sock):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"the connection ended inside the head: {head!r}"
        head += byte
    return head


def connect(proxy, route, port):
    """A connection through hark, and the target that a request on it has to name."""
    sock = socket.create_connection(("127.0.0.1", proxy.proxy_port))
    sock.settimeout(20 * SCALE)
    if route == "absolute":
        return sock, f"http://localhost:{port}/chat?a=1"
    sock.sendall(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    assert b" 200 " in read_head(sock)
    if route == "tls":
        context = ssl.create_default_context(cadata=ca_of(proxy))
        sock = context.wrap_socket(sock, server_hostname="localhost")
    return sock, "/chat?a=1"


def ca_of(proxy):
    return next(proxy.data_dir.rglob("*ca*.pem")).read_text()


def upgrade(sock, target, port, extra=""):
    sock.sendall(
        (
            f"GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{extra}\r\n"
        ).encode()
    )
    return read_head(sock)


def frame(opcode, payload, fin=True, rsv1=False, mask=None):
    first = opcode | 0x80 * fin | 0x40 * rsv1
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    if not mask:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


def messages(proxy, exchange_id):
    """The recorded messages: (direction, opcode, bytes), the parts of long ones joined."""
    joined, last = [], {}
    for row in proxy.sql("SELECT * FROM message WHERE exchange_id = ? ORDER BY seq", exchange_id):
        data = row["data"].encode() if isinstance(row["data"], str) else row["data"]
        if row["opcode"] == 0:
            last[row["direction"]][2] += data
            continue
        joined.append([row["direction"], row["opcode"], data])
        if row["opcode"] < CLOSE:
            last[row["direction"]] = joined[-1]
    return [tuple(one) for one in joined]


def talk(proxy, route, port, conversation, **options):
    """Run a coroutine with a websockets client that goes through hark."""

    async def run():
        sock, target = connect(proxy, route, port)
        if route == "tls":  # asyncio makes its own TLS
            sock.close()
            sock, target = connect(proxy, "tunnel", port)
            options["ssl"] = ssl.create_default_context(cadata=ca_of(proxy))
            options["server_hostname"] = "localhost"
        scheme = "wss" if route == "tls" else "ws"
        uri = f"{scheme}://localhost:{port}/chat?a=1"
        async with websockets.connect(uri, sock=sock, max_size=None, **options) as connection:
            await asyncio.wait_for(conversation(connection), 30 * SCALE)

    asyncio.run(run())


@pytest.mark.parametrize("route", ["tunnel", "tls"])
class TestConversations:
    def test_messages_pass_and_are_recorded(self, proxy, echo, route):
        async def conversation(connection):
            await connection.send("grüß dich")
            assert await connection.recv() == "grüß dich"
            await connection.send(b"\x00\xff")
            assert await connection.recv() == b"\x00\xff"
            await connection.send(["in ", "three ", "pieces"])
            assert await connection.recv() == "in three pieces"
            await (await connection.ping(b"there?"))
            await connection.send("bye")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await connection.recv()
            assert (closed.value.code, closed.value.reason) == (4001, "so long")

        talk(proxy, route, echo(route).port, conversation, compression=None)
        row = proxy.wait_row("kind = 'websocket'")
        assert (row["state"], row["error"], row["status"]) == ("done", None, 101)
        assert row["scheme"] == ("https" if route == "tls" else "http")
        bye = struct.pack("!H", 4001) + b"so long"
        seen = messages(proxy, row["id"])
        assert [m for m in seen if m[0] == "send"] == [
            ("send", TEXT, "grüß dich".encode()),
            ("send", BINARY, b"\x00\xff"),
            ("send", TEXT, b"in three pieces"),
            ("send", PING, b"there?"),
            ("send", TEXT, b"bye"),
            ("send", CLOSE, bye),
        ]
        assert [m for m in seen if m[0] == "receive"] == [
            ("receive", TEXT, "grüß dich".encode()),
            ("receive", BINARY, b"\x00\xff"),
            ("receive", TEXT, b"in three pieces"),
            ("receive", PONG, b"there?"),
            ("receive", CLOSE, bye),
        ]

    def test_a_large_message_comes_whole(self, proxy, echo, route):
        text = "".join(chr(65 + i % 26) for i in range(MIB))

        async def conversation(connection):
            await connection.send(text)
            assert await connection.recv() == text

        talk(proxy, route, echo(route).port, conversation, compression=None)
        row = proxy.wait_row("kind = 'websocket'")
        assert row["state"] == "done"
        assert messages(proxy, row["id"])[:2] == [
            ("send", TEXT, text.encode()),
            ("receive", TEXT, text.encode()),
        ]
        longest = proxy.value("SELECT max(length(CAST(data AS BLOB))) FROM message")
        assert longest == 256 * 1024

    def test_a_thousand_small_messages_keep_their_order(self, proxy, echo, route):
        async def conversation(connection):
            for number in range(1000):
                await connection.send(str(number))
            for number in range(1000):
                assert await connection.recv() == str(number)

        talk(proxy, route, echo(route).port, conversation, compression=None)
        row = proxy.wait_row("kind = 'websocket'")
        for direction in ("send", "receive"):
            texts = [m[2] for m in messages(proxy, row["id"]) if m[:2] == (direction, TEXT)]
            assert texts == [str(number).encode() for number in range(1000)]

    def test_compressed_messages_are_shown_inflated(self, proxy, echo, route):
        async def conversation(connection):
            for _ in range(3):
                await connection.send("the same again and again and again")
                await connection.recv()

        talk(proxy, route, echo(route).port, conversation)
        row = proxy.wait_row("kind = 'websocket'")
        compressed = proxy.value("SELECT count(*) FROM message WHERE is_compressed = 1")
        assert compressed == 6
        shown = proxy.cli("show", str(row["id"]))
        assert shown.stdout.count("the same again and again and again") == 6, shown.stdout
        listed = json.loads(proxy.cli("show", str(row["id"]), "--json").stdout)["messages"]
        texts = [m["text"] for m in listed if m["opcode"] == TEXT]
        assert texts == ["the same again and again and again"] * 6


def serve_frames(*frames, then=None):
    def handle(conn):
        conn.read_request()
        conn.send(SWITCH)
        for one in frames:
            conn.send(one)
        (then or type(conn).wait_peer_closes)(conn)

    return handle


class TestHandshake:
    @pytest.mark.parametrize("route", ["absolute", "tunnel"])
    def test_heads_are_as_they_were(self, proxy, origin, route):
        server = origin(serve_frames())
        sock, target = connect(proxy, route, server.port)
        assert upgrade(sock, target, server.port) == SWITCH
        (request,) = server.requests
        assert request.target == "/chat?a=1"
        names = [name.lower() for name, _ in request.fields]
        assert names == [
            "host",
            "upgrade",
            "connection",
            "sec-websocket-key",
            "sec-websocket-version",
        ]
        assert request.get("connection") == "keep-alive, Upgrade"
        assert request.get("upgrade") == "websocket"
        sock.close()
        row = proxy.wait_row("kind = 'websocket'")
        assert ("X-Own", "kept") in fields_of(row, "response_headers")

    @pytest.mark.parametrize("status", [200, 204, 400, 404, 426])
    def test_another_answer_is_an_answer(self, proxy, origin, status):
        body = b"" if status == 204 else b"no"
        length = b"" if status == 204 else b"Content-Length: 2\r\n"
        server = origin(b"HTTP/1.1 %d Whatever\r\n%s\r\n%s" % (status, length, body))
        sock, target = connect(proxy, "absolute", server.port)
        head = upgrade(sock, target, server.port)
        assert b" %d " % status in head
        assert sock.recv(10) == body if body else True
        row = proxy.wait_row("status = ?", status)
        assert (row["kind"], row["state"]) == ("http", "done")
        assert proxy.body(row["id"], "response") == body
        # The client's connection goes on.
        assert b" %d " % status in upgrade(sock, target, server.port)
        sock.close()

    def test_no_answer_in_time_is_an_error(self, daemon, origin):
        proxy = daemon(settings=["header_timeout=300ms"])
        server = origin(lambda conn: (conn.read_request(), conn.wait_peer_closes()))
        sock, target = connect(proxy, "absolute", server.port)
        assert b" 504 " in upgrade(sock, target, server.port)
        sock.close()
        assert proxy.wait_row("status = 504")["error"] == "upstream-timeout"


class TestFrames:
    def test_fragments_with_control_frames_between(self, proxy, origin):
        sent = [
            frame(TEXT, b"one ", fin=False),
            frame(PING, b"now"),
            frame(0, b"two ", fin=False),
            frame(0, b"three"),
            frame(CLOSE, struct.pack("!H", 1000)),
        ]
        server = origin(serve_frames(*sent))
        sock, target = connect(proxy, "tunnel", server.port)
        upgrade(sock, target, server.port)
        whole = b"".join(sent)
        got = b""
        while len(got) < len(whole):
            got += sock.recv(65536)
        assert got == whole
        answer = frame(CLOSE, struct.pack("!H", 1000), mask=b"abcd")
        sock.sendall(answer)
        wait_until(lambda: answer in server.received, "the close message at the origin")
        sock.close()
        row = proxy.wait_row("kind = 'websocket'")
        assert row["state"] == "done"
        assert messages(proxy, row["id"]) == [
            ("receive", PING, b"now"),
            ("receive", TEXT, b"one two three"),
            ("receive", CLOSE, struct.pack("!H", 1000)),
            ("send", CLOSE, struct.pack("!H", 1000)),
        ]

    def test_compressed_messages_share_a_window(self, proxy, origin):
        deflater = zlib.compressobj(wbits=-15)
        packed = []
        for text in (b"hello hello hello", b"hello hello hello"):
            data = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
            packed.append(data[:-4])
        assert len(packed[1]) < len(packed[0])
        middle = len(packed[1]) // 2
        server = origin(
            serve_frames(
                frame(TEXT, packed[0], rsv1=True),
                frame(TEXT, packed[1][:middle], rsv1=True, fin=False),
                frame(0, packed[1][middle:]),
                frame(TEXT, b"plain"),
            )
        )
        sock, target = connect(proxy, "tunnel", server.port)
        upgrade(sock, target, server.port)
        wait_until(lambda: proxy.value("SELECT count(*) FROM message") == 3, "three messages, live")
        (row,) = proxy.sql("SELECT * FROM exchange")
        assert (row["state"], row["kind"]) == ("pending", "websocket")
        listed = json.loads(proxy.cli("show", str(row["id"]), "--json").stdout)["messages"]
        assert [(m["direction"], m["text"], m["is_compressed"]) for m in listed] == [
            ("receive", "hello hello hello", True),
            ("receive", "hello hello hello", True),
            ("receive", "plain", False),
        ]
        sock.close()


class TestEnds:
    def test_an_origin_that_leaves_without_a_word(self, proxy, origin):
        server = origin(serve_frames(frame(TEXT, b"last"), then=lambda conn: None))
        sock, target = connect(proxy, "tunnel", server.port)
        upgrade(sock, target, server.port)
        assert sock.recv(100) == frame(TEXT, b"last")
        assert sock.recv(100) == b""
        sock.close()
        row = proxy.wait_row("kind = 'websocket'")
        assert (row["state"], row["error"]) == ("truncated", "upstream-reset")
        assert messages(proxy, row["id"]) == [("receive", TEXT, b"last")]

    def test_a_client_that_leaves_without_a_word(self, proxy, origin):
        server = origin(serve_frames())
        sock, target = connect(proxy, "tunnel", server.port)
        upgrade(sock, target, server.port)
        sock.sendall(frame(TEXT, b"last", mask=b"wxyz"))
        sock.close()
        row = proxy.wait_row("kind = 'websocket'")
        assert (row["state"], row["error"]) == ("client-abort", "client-abort")
        assert messages(proxy, row["id"]) == [("send", TEXT, b"last")]
        wait_until(lambda: server.connections[0].closed_by_peer.is_set(), "the origin's end")

    def test_a_client_that_resets(self, proxy, origin):
        server = origin(serve_frames())
        sock, target = connect(proxy, "tunnel", server.port)
        upgrade(sock, target, server.port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        assert proxy.wait_row("kind = 'websocket'")["state"] == "client-abort"
        wait_until(lambda: server.connections[0].closed_by_peer.is_set(), "the origin's end")

    @pytest.mark.parametrize("route", ROUTES[1:])
    def test_hark_stops_meanwhile(self, proxy, echo, route):
        server = echo(route)
        sock, target = connect(proxy, route, server.port)
        assert b" 101 " in upgrade(sock, target, server.port)
        proxy.signal(signal.SIGTERM)
        while sock.recv(4096):
            pass
        sock.close()
        assert proxy.wait_exit() == 0
        (row,) = proxy.sql("SELECT * FROM exchange WHERE kind = 'websocket'")
        assert row["state"] == "interrupted"

    def test_descriptors_are_given_back(self, daemon, origin):
        proxy = daemon(settings=["workers=1"])
        server = origin(serve_frames())
        with socket.create_connection(("127.0.0.1", proxy.proxy_port)):
            sock, target = connect(proxy, "absolute", server.port)
            upgrade(sock, target, server.port)
            sock.close()
            proxy.wait_row("kind = 'websocket'")
            before = proxy.descriptors()
            for _ in range(10):
                sock, target = connect(proxy, "absolute", server.port)
                upgrade(sock, target, server.port)
                sock.close()
            proxy.wait_rows("kind = 'websocket'", count=11)
            wait_until(lambda: proxy.descriptors() <= before, "descriptors to be given back")

    def test_a_silent_connection_stays(self, daemon, origin):
        proxy = daemon(settings=["idle_timeout=1s", "header_timeout=1s"])
        hold = threading.Event()
        server = origin(
            serve_frames(then=lambda conn: (hold.wait(20), conn.send(frame(TEXT, b"at last"))))
        )
        sock, target = connect(proxy, "absolute", server.port)
        upgrade(sock, target, server.port)
        # Another exchange that is cut for its silence tells that the time has passed.
        silent = origin(lambda conn: (conn.read_request(), conn.wait_peer_closes()))
        for _ in range(2):
            other, other_target = connect(proxy, "absolute", silent.port)
            other.sendall(f"GET {other_target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert b" 504 " in read_head(other)
            other.close()
        hold.set()
        assert sock.recv(100) == frame(TEXT, b"at last")
        sock.close()


class TestOtherProtocols:
    def test_bytes_are_recorded_as_bodies(self, proxy, origin):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 101 Switching\r\nUpgrade: echo/1\r\nConnection: Upgrade\r\n\r\n")
            conn.wait_peer_closes()
            conn.send(b"you said: " + bytes(conn.reader.buffer))

        server = origin(handle)
        sock, target = connect(proxy, "absolute", server.port)
        sock.sendall(
            f"GET {target} HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: echo/1\r\n"
            "Connection: upgrade\r\n\r\n".encode()
        )
        assert b"Upgrade: echo/1\r\n" in read_head(sock)
        sock.sendall(b"half a word")
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
        sock.close()
        assert answer == b"you said: half a word"
        row = proxy.wait_row("status = 101")
        assert (row["kind"], row["state"]) == ("http", "done")
        assert proxy.body(row["id"], "request") == b"half a word"
        assert proxy.body(row["id"], "response") == answer
        assert (row["request_size"], row["response_size"]) == (11, len(answer))

    def test_a_slow_reader_slows_the_writer_down(self, proxy, origin):
        block = os.urandom(MIB)

        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 101 Switching\r\nUpgrade: flood\r\nConnection: Upgrade\r\n\r\n")
            for _ in range(64):
                conn.send(block)

        server = origin(handle)
        sock, target = connect(proxy, "absolute", server.port)
        sock.sendall(
            f"GET {target} HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: flood\r\n"
            "Connection: upgrade\r\n\r\n".encode()
        )
        read_head(sock)
        sent = wait_stable(lambda: server.connections[0].sent, "the origin's sending")
        assert sent < 48 * MIB
        digest, total = hashlib.sha256(), 0
        while piece := sock.recv(1 << 20):
            digest.update(piece)
            total += len(piece)
        sock.close()
        assert total == 64 * MIB
        assert digest.digest() == hashlib.sha256(block * 64).digest()
        assert proxy.wait_row("status = 101", seconds=20)["state"] == "done"
