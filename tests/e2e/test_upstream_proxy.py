# SPDX-License-Identifier: MIT
"""A proxy behind hark (`upstream_proxy`): another hark, asked as an HTTP proxy, inside TLS, by SOCKS."""

import hashlib
import os
import ssl
import struct
from dataclasses import dataclass

import pytest
from harness import SCALE, Daemon
from harness.conformance import fill
from harness.daemon import run_hark
from harness.origin import OK
from harness.tls import HOST, client_context, open_tunnel, pass_on, start_tls

GET = b"GET {url}/x?y=1 HTTP/1.1\r\nHost: {host}\r\n\r\n"
GET_INSIDE = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
MIB = 1 << 20

each_kind = pytest.mark.parametrize("kind", ["http", "https", "socks5h"])


@dataclass
class Chain:
    near: Daemon  # whom clients ask
    far: Daemon  # the proxy behind it


@pytest.fixture
def chain(daemon, pki, tls_origin):
    """chain(kind, settings…) starts both, the proxy inside TLS if it is to be an https:// one."""

    def start(kind, *settings, server=None, pair=None, **options):
        trust = f"upstream_ca_file={pki.root.certificate}"
        lead = [f"connect_to={HOST}:443:127.0.0.1:{server.port}"] if server else []
        far = daemon(settings=["intercept=off", *lead])
        port = far.proxy_port
        if kind == "https":
            port = tls_origin(pass_on(port), pair=pair).port
        url = f"upstream_proxy={kind}://127.0.0.1:{port}"
        return Chain(daemon(settings=[trust, url, *settings], **options), far)

    return start


def echo(conn):
    """A protocol of its own: every byte comes back, and the end with it."""
    while conn.reader.fill():
        conn.send(conn.reader.take(len(conn.reader.buffer)))


@each_kind
class TestRequests:
    def test_http(self, chain, client, origin, kind):
        server, both = origin(), chain(kind)
        peer = client(both.near)
        for _ in range(2):
            assert peer.ask(fill(GET, server)).body == b"ok"
        assert [request.target for request in server.requests] == ["/x?y=1"] * 2
        for row in both.near.rows_of(peer, count=2):
            assert (row["scheme"], row["host"], row["port"]) == ("http", "127.0.0.1", server.port)
            # What is said of TLS is said of the origin.
            assert row["tls_version"] is None and row["tls_us"] is None
            assert row["server_cert"] is None
        both.far.wait_rows("kind = 'http' AND path = '/x'", count=2)

    def test_https(self, chain, tls_client, tls_origin, kind):
        both = chain(kind, server=tls_origin())
        peer = tls_client(both.near)
        assert peer.ask(GET_INSIDE).body == b"ok"
        row = both.near.row_of(peer)
        assert (row["scheme"], row["host"], row["status"]) == ("https", HOST, 200)
        assert row["tls_version"] == "TLSv1.3" and "CN=leaf" in row["server_cert"]
        both.near.stop()
        passed = both.far.wait_row("kind = 'tunnel'")
        assert (passed["host"], passed["port"]) == (HOST, 443)

    def test_environment_makes_no_exceptions(self, chain, client, origin, kind):
        both = chain(kind, env={"NO_PROXY": "*", "no_proxy": "127.0.0.1"})
        assert client(both.near).ask(fill(GET, origin())).body == b"ok"
        both.far.wait_row("kind = 'http'")

    def test_proxy_that_is_not_there(self, daemon, client, origin, kind):
        hark = daemon(settings=[f"upstream_proxy={kind}://127.0.0.1:1"])
        answer = client(hark).ask(fill(GET, origin()))
        assert (answer.status, answer.get("hark-error")) == (502, "connect")


@each_kind
class TestRelays:
    def test_bytes_both_ways(self, chain, client, origin, kind):
        server, both = origin(echo), chain(kind)
        peer = client(both.near)
        open_tunnel(peer, server.host, behind=b"\x00\x01early")
        assert peer.reader.until(b"early") == b"\x00\x01early"
        assert peer.send(b"later").reader.until(b"later") == b"later"
        peer.finish_sending()
        peer.assert_closed()
        row = both.near.row_of(peer)
        assert (row["kind"], row["state"], row["error"]) == ("tunnel", "done", None)
        assert (row["request_size"], row["response_size"]) == (12, 12)
        assert both.far.wait_row("kind = 'tunnel'")["request_size"] == 12

    def test_server_that_speaks_first(self, chain, client, origin, kind):
        def handle(conn):
            conn.send(b"220 mail ready\r\n")
            assert conn.reader.until(b"\r\n") == b"EHLO me\r\n"
            conn.send(b"250 hello\r\n")

        server, both = origin(handle), chain(kind)
        peer = client(both.near)
        open_tunnel(peer, server.host)
        assert peer.reader.until(b"\r\n") == b"220 mail ready\r\n"
        assert peer.send(b"EHLO me\r\n").reader.until(b"\r\n") == b"250 hello\r\n"
        peer.assert_closed()

    def test_untouched_tls(self, chain, client, tls_origin, pki, kind):
        both = chain(kind, f"passthrough={HOST}", server=tls_origin())
        peer = client(both.near)
        open_tunnel(peer, f"{HOST}:443")
        start_tls(peer, client_context(pki.root.certificate, strict=False), HOST)
        own = ssl.PEM_cert_to_DER_cert(pki.leaf.certificate.read_text())
        assert peer.sock.getpeercert(binary_form=True) == own
        assert peer.ask(GET_INSIDE).body == b"ok"

    def test_answer_after_the_client_has_finished(self, chain, client, origin, kind):
        answer = os.urandom(4 * MIB)

        def handle(conn):
            while conn.reader.fill():
                pass
            conn.send(answer)

        server, both = origin(handle), chain(kind)
        peer = client(both.near)
        open_tunnel(peer, server.host)
        peer.send(b"\x00question").finish_sending()
        received = bytearray()
        peer.reader.exactly(len(answer), received.extend)
        assert received == answer and server.received == b"\x00question"
        peer.assert_closed()

    def test_bulk(self, chain, client, origin, kind):
        """Both ways at once, and slow readers on both sides, in little memory."""
        pieces = [os.urandom(MIB) for _ in range(4)]

        def handle(conn):
            conn.reader.exactly(16 * MIB, sent.update)
            for turn in range(16):
                conn.send(pieces[turn % 4])

        sent, received, expected = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        server, both = origin(handle, receive_buffer=65536), chain(kind)
        peer = client(both.near, seconds=60, receive_buffer=65536)
        before = both.near.rss()
        open_tunnel(peer, server.host)
        peer.send(b"\x00" + pieces[0][1:])
        expected.update(b"\x00" + pieces[0][1:])
        for turn in range(1, 16):
            peer.send(pieces[turn % 4])
            expected.update(pieces[turn % 4])
        peer.reader.keep = False
        peer.reader.exactly(16 * MIB, received.update)
        assert sent.digest() == expected.digest()
        expected = hashlib.sha256(b"".join(pieces * 4))
        assert received.digest() == expected.digest()
        assert SCALE > 1 or both.near.peak_rss() - before < 8 * MIB

    def test_proxy_that_leaves(self, chain, client, origin, kind):
        server, both = origin(echo), chain(kind)
        peer = client(both.near)
        open_tunnel(peer, server.host, behind=b"\x00x")
        assert peer.reader.until(b"x") == b"\x00x"
        both.far.kill()
        peer.assert_closed()
        peer.close()
        assert both.near.row_of(peer)["kind"] == "tunnel"


class TestTlsToTheProxy:
    @pytest.fixture
    def strange(self, pki):
        return pki.issue("strange")

    def test_certificate_is_verified(self, chain, client, origin, strange):
        server, both = origin(), chain("https", pair=strange)
        answer = client(both.near).ask(fill(GET, server))
        assert (answer.status, answer.get("hark-error")) == (502, "tls-verify")
        peer = client(both.near)
        open_tunnel(peer, server.host, behind=b"\x00")
        peer.assert_closed()
        row = both.near.row_of(peer)
        assert (row["kind"], row["state"], row["error"]) == ("tunnel", "upstream-error", "tls-verify")

    def test_verification_can_be_switched_off(self, chain, client, origin, strange):
        both = chain("https", "upstream_verify=off", pair=strange)
        assert client(both.near).ask(fill(GET, origin())).body == b"ok"


@pytest.mark.parametrize(("url", "reason"), [
    ("http://me:secret@127.0.0.1:99999", "Port number"),
    ("http://me:secret@127.0.0.1:3128x", "Port number"),
    ("http://me:secret@[::1", "IPv6"),
    ("http://me:secret@", "host"),
    ("http://me%00:secret@127.0.0.1:3128", ""),
])
def test_url_that_libcurl_cannot_use_stops_the_start(tmp_path, url, reason):
    done = run_hark("serve", "--check-config", "--set", f"upstream_proxy={url}", home=tmp_path)
    assert done.returncode == 2
    assert "upstream_proxy: not the URL of a proxy: " in done.stderr and reason in done.stderr
    assert "secret" not in done.stderr


def test_origin_behind_socks_gets_the_origin_form(daemon, client, origin):
    def take(conn, count):
        taken = bytearray()
        conn.reader.exactly(count, taken.extend)
        return taken

    def handle(conn):
        take(conn, take(conn, 2)[1])  # what it can do
        conn.send(b"\5\0")
        take(conn, take(conn, 5)[4] + 2)  # the name and the port
        conn.send(b"\5\0\0\1" + bytes(4) + struct.pack(">H", 80))
        conn.read_request()
        conn.send(OK)

    server = origin(handle)
    hark = daemon(settings=[f"upstream_proxy=socks5h://127.0.0.1:{server.port}"])
    peer = client(hark)
    assert peer.ask(b"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n").body == b"ok"
    assert server.requests[0].target == "/x"
