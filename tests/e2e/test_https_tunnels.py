# SPDX-License-Identifier: MIT
"""CONNECT (RFC 9110 section 9.3.6): its answer, what its first bytes decide, and blind relays."""

import contextlib
import hashlib
import os
import socket
import ssl
import threading
import time

import pytest
from harness import SCALE, RawClient, wait_until
from harness.conformance import cases
from harness.daemon import fields_of
from harness.origin import OK, greet, reply_and_close, talk_with_greeter
from harness.tls import HOST, client_context, hello_bytes, open_tunnel, start_tls

MIB = 1 << 20
TCP_CLOSE = 7  # of <linux/tcp.h>
GET = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"


def echo(conn):
    """A protocol of its own: every byte comes back, and the end with it."""
    while conn.reader.fill():
        conn.send(conn.reader.take(len(conn.reader.buffer)))


def read_all(peer):
    with contextlib.suppress(ConnectionResetError):
        while peer.reader.fill():
            pass
    return bytes(peer.reader.buffer)


class TestHead:
    def test_200_without_framing_fields(self, hark, client, origin):
        """56"""
        peer = client(hark)
        head = open_tunnel(peer, origin().host)
        assert " 200 " in head.start_line
        assert head.fields == []

    @cases(
        l57_no_port=(b"api.example.com", 400, "bad-request"),
        l57_empty_port=(b"api.example.com:", 400, "bad-request"),
        l57_word=(b"api.example.com:https", 400, "bad-request"),
        l57_sign=(b"api.example.com:+443", 400, "bad-request"),
        l57_zero=(b"api.example.com:0", 400, "bad-request"),
        l57_too_high=(b"api.example.com:70000", 400, "bad-request"),
        l57_huge=(b"api.example.com:18446744073709552059", 400, "bad-request"),
        l57_no_host=(b":443", 400, "bad-request"),
        l57_url=(b"https://api.example.com/", 400, "bad-request"),
        l57_path=(b"api.example.com:443/x", 400, "bad-request"),
        l57_userinfo=(b"me@api.example.com:443", 400, "bad-request"),
        l57_bare_ipv6=(b"::1:443", 400, "bad-request"),
        l57_smtp=(b"api.example.com:25", 403, "forbidden"),
        l57_smtp_zeros=(b"api.example.com:0025", (400, 403), None),
    )
    def test_bad_authority(self, hark, client, case, given):
        authority, status, code = given
        peer = client(hark)
        response = peer.ask(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        assert response.status in (status if isinstance(status, tuple) else (status,))
        assert response.closes
        assert code is None or response.get("hark-error") == code
        peer.assert_closed()
        row = hark.row_of(peer)
        assert (row["status"], row["error"]) == (response.status, response.get("hark-error"))
        assert row["error_text"]

    def test_authority_in_another_case_and_ipv6(self, hark, client):
        peer = client(hark)
        assert " 200 " in open_tunnel(peer, "LOCALHOST:1").start_line
        assert " 200 " in open_tunnel(client(hark), "[::1]:1").start_line


class TestFirstBytes:
    def test_tls_hello_right_behind_the_head(self, tls_origin, https_daemon, client):
        """56: in the same packet"""
        hark = https_daemon(tls_origin())
        peer = client(hark)
        hello, session, incoming, outgoing = hello_bytes(
            HOST, client_context(hark.data_dir / "ca.pem")
        )
        assert " 200 " in open_tunnel(peer, f"{HOST}:443", behind=hello).start_line
        incoming.write(peer.reader.take(len(peer.reader.buffer)))
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                assert peer.reader.fill()
                incoming.write(peer.reader.take(len(peer.reader.buffer)))
        session.write(GET)
        peer.send(outgoing.read())
        row = hark.row_of(peer)
        assert (row["kind"], row["scheme"], row["status"]) == ("http", "https", 200)

    def test_plain_http_right_behind_the_head(self, hark, origin, client):
        """56, 58"""
        server = origin()
        peer = client(hark)
        open_tunnel(peer, server.host, behind=GET)
        assert peer.response().body == b"ok"
        row = hark.row_of(peer)
        assert (row["kind"], row["scheme"], row["method"]) == ("http", "http", "GET")

    def test_plain_http_later(self, hark, origin, client):
        """58: recorded as what it is, two requests in one tunnel"""
        server = origin()
        peer = client(hark)
        open_tunnel(peer, server.host)
        request = b"GET /p HTTP/1.1\r\nHost: %s\r\nX-A: 1\r\n\r\n" % server.host.encode()
        for _ in range(2):
            assert peer.ask(request).body == b"ok"
        rows = hark.rows_of(peer, count=2)
        for row in rows:
            assert (row["kind"], row["scheme"], row["path"]) == ("http", "http", "/p")
            assert row["port"] == server.port and row["error_text"] is None
            assert fields_of(row, "request_headers") == [("Host", server.host), ("X-A", "1")]

    def test_hello_in_single_bytes(self, tls_origin, https_daemon, client):
        hark = https_daemon(tls_origin())
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443")
        hello = hello_bytes(HOST)[0]
        peer.send(*(hello[at : at + 1] for at in range(len(hello))))
        assert peer.reader.fill() and peer.reader.buffer[0] == 0x16  # the server's hello

    def test_server_that_speaks_first(self, hark, origin, client):
        peer = client(hark)
        open_tunnel(peer, origin(greet).host)
        talk_with_greeter(peer, b"EHLO me\r\n")
        row = hark.row_of(peer)
        assert (row["kind"], row["state"], row["error"]) == ("tunnel", "done", None)
        assert (row["request_size"], row["response_size"]) == (9, 24)

    def test_server_that_speaks_first_hears_what_was_sent_behind_the_head(
        self, hark, origin, client
    ):
        server = origin(echo)
        peer = client(hark)
        open_tunnel(peer, server.host, behind=b"\x00\x01early")
        assert peer.reader.until(b"early") == b"\x00\x01early"


class TestRelays:
    def test_half_close_of_the_client_drains(self, hark, origin, client):
        """56: the answer comes after the client has finished sending"""
        answer = os.urandom(4 * MIB)

        def handle(conn):
            while conn.reader.fill():
                pass
            conn.send(answer)

        server = origin(handle)
        peer = client(hark)
        open_tunnel(peer, server.host)
        peer.send(b"\x00question").finish_sending()
        assert read_all(peer) == answer
        assert server.received == b"\x00question"
        row = hark.row_of(peer)
        assert (row["kind"], row["state"], row["method"]) == ("tunnel", "done", "CONNECT")
        assert (row["request_size"], row["response_size"]) == (9, len(answer))
        assert row["server_addr"] == server.host
        assert row["duration_us"] > 0

    def test_slow_client_gets_all_of_a_server_that_is_gone(self, hark, origin, client):
        """56: both ways of the server's connection are shut before the client has read all"""
        answer, is_gone = os.urandom(8 * MIB), threading.Event()

        def tcp_state(sock):
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

        def handle(conn):
            while conn.reader.fill():
                pass
            conn.send(answer)
            conn.sock.shutdown(socket.SHUT_WR)
            wait_until(lambda: tcp_state(conn.sock) == TCP_CLOSE, "hark to have the end", 20)
            is_gone.set()

        server = origin(handle, send_buffer=65536)
        peer = client(hark, receive_buffer=16384)
        open_tunnel(peer, server.host)
        peer.send(b"\x00question").finish_sending()
        while not is_gone.wait(0.005):
            assert peer.reader.fill()
        assert read_all(peer) == answer
        assert hark.row_of(peer)["state"] == "done"

    def test_half_close_of_the_server_drains(self, hark, origin, client):
        def handle(conn):
            conn.send(b"\x00bye")
            conn.sock.shutdown(socket.SHUT_WR)
            conn.wait_peer_closes()

        server = origin(handle)
        peer = client(hark)
        sent = os.urandom(4 * MIB - 1)
        open_tunnel(peer, server.host, behind=b"\x00")
        assert read_all(peer) == b"\x00bye"
        peer.send(sent).finish_sending()
        wait_until(lambda: len(server.received) == 4 * MIB, "all bytes at the server", 20)
        assert server.received == b"\x00" + sent
        assert hark.row_of(peer)["state"] == "done"

    def test_reset_of_the_server(self, hark, origin, client):
        def handle(conn):
            conn.reader.fill()
            conn.reset()

        peer = client(hark)
        open_tunnel(peer, origin(handle).host, behind=b"\x00")
        peer.assert_closed()
        row = hark.row_of(peer)
        assert (row["kind"], row["error"]) == ("tunnel", "upstream-reset")

    def test_outlives_the_idle_connections_of_libcurl(self, daemon, client, origin):
        """When it connects somewhere, libcurl closes those of its idle connections whose origin has
        closed its side. To it, that of a relay would be one."""

        def handle(conn):
            conn.reader.fill()
            conn.send(b"\x00bye")
            conn.sock.shutdown(socket.SHUT_WR)
            conn.wait_peer_closes()

        hark = daemon(settings=["workers=1"])
        peer, server, others = client(hark), origin(handle), origin(reply_and_close(OK))
        open_tunnel(peer, server.host, behind=b"\x00")
        assert read_all(peer) == b"\x00bye"
        # It looks at most once a second.
        enough = time.monotonic() + 1.5
        while time.monotonic() < enough:
            with RawClient(hark.proxy_port) as other:
                head = f"GET {others.url}/ HTTP/1.1\r\nHost: {others.host}\r\n\r\n"
                assert other.ask(head.encode()).status == 200
        peer.send(b"still here").finish_sending()
        assert hark.row_of(peer)["state"] == "done"
        assert server.received == b"\x00still here"

    def test_server_that_is_not_there(self, hark, client):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            peer = client(hark)
            open_tunnel(peer, "127.0.0.1:%d" % taken.getsockname()[1], behind=b"\x00")
            peer.assert_closed()
        row = hark.row_of(peer)
        assert (row["kind"], row["state"], row["error"]) == ("tunnel", "upstream-error", "connect")

    def test_client_that_sends_nothing_and_leaves(self, hark, origin, client):
        server = origin()
        peer = client(hark)
        open_tunnel(peer, server.host)
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["state"]) == ("tunnel", "client-abort")

    @pytest.mark.parametrize("mib", [64, pytest.param(1024, marks=pytest.mark.soak)])
    def test_bulk_through_a_relay(self, daemon, origin, client, mib):
        piece = os.urandom(MIB)

        def handle(conn):
            conn.reader.fill()
            for _ in range(mib):
                conn.send(piece)

        hark = daemon()
        before = hark.rss()
        peer = client(hark, seconds=60)
        peer.reader.keep = False
        open_tunnel(peer, origin(handle).host, behind=b"\x00")
        received, sent = hashlib.sha256(), hashlib.sha256()
        peer.reader.exactly(mib * MIB, received.update)
        for _ in range(mib):
            sent.update(piece)
        assert received.digest() == sent.digest()
        peer.close()
        assert hark.row_of(peer)["response_size"] == mib * MIB
        assert SCALE > 1 or hark.peak_rss() - before < 16 * MIB


class TestUntouchedTls:
    @pytest.mark.parametrize("setting", ["passthrough=api.example.com", "passthrough=*.com",
                                         "intercept=off"])
    def test_relayed(self, tls_origin, https_daemon, client, pki, setting):
        server = tls_origin()
        hark = https_daemon(server, setting)
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443")
        start_tls(peer, client_context(pki.root.certificate, strict=False), HOST)
        own = ssl.PEM_cert_to_DER_cert(pki.leaf.certificate.read_text())
        assert peer.sock.getpeercert(binary_form=True) == own
        assert peer.ask(GET).body == b"ok"
        with contextlib.suppress(ssl.SSLEOFError):  # the origin need not say that it ends
            peer.sock.unwrap()
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["sni"], row["host"]) == ("tunnel", HOST, HOST)
        assert row["request_size"] > len(GET) and row["response_size"] > 800
        assert hark.segments(row["id"], "response") == []

    def test_passthrough_of_the_name_in_the_hello(self, tls_origin, https_daemon, client, pki):
        server = tls_origin()
        hark = https_daemon(server, f"passthrough={HOST}")
        peer = client(hark)
        open_tunnel(peer, f"127.0.0.1:{server.port}")
        start_tls(peer, client_context(pki.root.certificate, strict=False), HOST)
        assert peer.ask(GET).body == b"ok"
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["sni"], row["host"]) == ("tunnel", HOST, "127.0.0.1")

    def test_name_that_cannot_be_intercepted(self, https_daemon, client, pki, tls_origin):
        """GnuTLS takes no underscore in the name of a hello: such hosts work, but unread."""
        server = tls_origin(pair=pki.issue("underscore", pki.root, names="DNS:under_score.test"))
        hark = https_daemon(server, f"connect_to=under_score.test:443:127.0.0.1:{server.port}")
        peer = client(hark)
        open_tunnel(peer, "under_score.test:443")
        context = client_context(pki.root.certificate, strict=False)
        assert start_tls(peer, context, "under_score.test").ask(GET).body == b"ok"
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["sni"]) == ("tunnel", "under_score.test")
        assert "underscore" in row["error_text"]


class TestNamesThatDiffer:
    """61: CONNECT decides where to; what differs is marked."""

    def test_host_field(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark)
        request = b"GET /x HTTP/1.1\r\nHost: other.invalid\r\n\r\n"
        assert peer.ask(request).status == 200
        row = hark.row_of(peer)
        assert (row["host"], row["state"], row["error"]) == (HOST, "done", None)
        assert "other.invalid" in row["error_text"]

    def test_server_name(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark, server_name="other.invalid")
        assert peer.ask(GET).status == 200
        row = hark.row_of(peer)
        assert (row["host"], row["sni"], row["error"]) == (HOST, "other.invalid", None)
        assert "other.invalid" in row["error_text"]

    def test_absolute_target(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark)
        request = b"GET http://other.invalid/x HTTP/1.1\r\nHost: other.invalid\r\n\r\n"
        response = peer.ask(request)
        row = hark.row_of(peer)
        assert response.status in (200, 400)
        assert row["host"] == HOST and "other.invalid" in (row["error_text"] or "")

    def test_address_without_server_name(self, tls_origin, https_daemon, tls_client):
        server = tls_origin()
        hark = https_daemon(server)
        peer = tls_client(hark, f"127.0.0.1:{server.port}", server_name="127.0.0.1")
        request = f"GET /x HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode()
        assert peer.ask(request).status == 200
        row = hark.row_of(peer)
        assert (row["sni"], row["error_text"]) == (None, None)


class TestStopping:
    def test_open_tunnels_of_every_kind_do_not_hold_the_end_up(
        self, tls_origin, origin, https_daemon, client, tls_client
    ):
        hark = https_daemon(tls_origin())
        silent, relayed, stalled = (client(hark) for _ in range(3))
        intercepted = tls_client(hark)
        assert intercepted.ask(GET).status == 200
        server = origin(echo)
        open_tunnel(silent, f"{HOST}:443")
        open_tunnel(relayed, server.host, behind=b"\x00")
        relayed.reader.until(b"\x00")
        open_tunnel(stalled, f"{HOST}:443", behind=hello_bytes(HOST)[0])
        assert stalled.reader.buffer or stalled.reader.fill()
        hark.stop(seconds=15)
        rows = {row["kind"]: row for row in hark.sql("SELECT * FROM exchange")}
        assert not [row for row in rows.values() if row["state"] == "pending"]
        assert rows["http"]["state"] == "done"
        assert hark.value("SELECT count(*) FROM exchange WHERE kind = 'tunnel'") == 3
        for peer in (silent, relayed, stalled, intercepted):
            read_all(peer)
