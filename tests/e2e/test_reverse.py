# SPDX-License-Identifier: MIT
"""Reverse mode: an address that stands in for an origin, for programs that know no proxy."""

import subprocess
import threading

import pytest
from harness import SCALE
from harness.conformance import named
from harness.daemon import clean_environment, fields_of
from harness.tls import HOST

GET = b"GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nX-A: 1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n"


class Stand:
    """A daemon that stands in for an origin, looked at as where its clients connect to."""

    def __init__(self, daemon, origin):
        self.hark, self.origin = daemon, origin
        self.port = daemon.reverse_ports[origin]


@pytest.fixture
def reverse(daemon):
    """reverse("http://…", setting, …) is a Stand for that origin."""

    def start(origin, *settings, **options):
        settings = [f"reverse=127.0.0.1:0={origin}", *settings]
        return Stand(daemon(settings=settings, **options), origin)

    return start


class TestForwarding:
    def test_host_is_the_origins(self, origin, reverse, client):
        """… also in the recording, with the URL; other fields pass as they are"""
        server = origin()
        stand = reverse(f"http://localhost:{server.port}")
        peer = client(stand)
        for _ in range(2):
            assert peer.ask(GET).body == b"ok"
        for sent in server.requests:
            assert sent.head.start_line == "GET /x?y=1 HTTP/1.1"
            assert sent.fields == [("Host", f"localhost:{server.port}"), ("X-A", "1")]
        for row in stand.hark.rows_of(peer, count=2):
            assert (row["scheme"], row["host"], row["port"]) == ("http", "localhost", server.port)
            assert (row["path"], row["query"], row["kind"]) == ("/x", "y=1", "http")
            assert fields_of(row, "request_headers")[0] == ("Host", f"localhost:{server.port}")
            assert row["error_text"] is None

    def test_https_origin_is_verified(self, tls_origin, reverse, client, pki):
        server = tls_origin()
        lead = f"connect_to={HOST}:443:127.0.0.1:{server.port}"
        stand = reverse(f"https://{HOST}", lead, f"upstream_ca_file={pki.root.certificate}")
        peer = client(stand)
        assert peer.ask(GET).body == b"ok"
        assert server.requests[0].get("host") == HOST
        row = stand.hark.row_of(peer)
        assert (row["scheme"], row["host"], row["port"]) == ("https", HOST, 443)
        assert row["tls_version"] and row["server_cert"]
        stranger = client(reverse(f"https://{HOST}", lead))
        assert stranger.ask(GET).get("hark-error") == "tls-verify"

    def test_redirects_and_cookies_pass_untouched(self, origin, reverse, client):
        fields = b"Location: http://other.example/\r\nSet-Cookie: a=1; Domain=other.example\r\n"
        answer = b"HTTP/1.1 302 Found\r\n" + fields + b"Content-Length: 0\r\n\r\n"
        stand = reverse(origin(answer).url)
        response = client(stand).ask(GET)
        assert response.get("location") == "http://other.example/"
        assert response.get("set-cookie") == "a=1; Domain=other.example"

    def test_http_1_0_without_host(self, origin, reverse, client):
        server = origin()
        peer = client(reverse(server.url))
        assert peer.ask(b"GET / HTTP/1.0\r\n\r\n").body == b"ok"
        assert server.requests[0].get("host") == server.host
        peer.assert_closed()

    def test_body_that_waits_for_100(self, origin, reverse, client):
        def handle(conn):
            conn.read_head()
            conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            conn.reader.exactly(5, bytearray().extend)
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        peer = client(reverse(origin(handle).url))
        peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert " 100 " in peer.reader.head().start_line
        assert peer.ask(b"hello").body == b"ok"

    def test_answer_is_streamed(self, origin, reverse, client):
        go_on = threading.Event()

        def handle(conn):
            conn.read_head()
            conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            go_on.wait(30)
            conn.send(b"0\r\n\r\n")

        peer = client(reverse(origin(handle).url))
        peer.send(GET).reader.head()
        assert peer.reader.until(b"first\r\n") == b"5\r\nfirst\r\n"
        go_on.set()
        assert peer.reader.until(b"0\r\n\r\n") == b"0\r\n\r\n"

    def test_upgrade(self, origin, reverse, client):
        def handle(conn):
            conn.read_head()
            conn.send(SWITCH)
            conn.send(b"echo " + conn.reader.until(b"\n"))

        stand = reverse(origin(handle).url)
        peer = client(stand)
        head = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n"
        assert peer.ask(head).status == 101
        assert peer.send(b"hi\n").reader.until(b"\n") == b"echo hi\n"

    def test_asterisk(self, origin, reverse, client):
        server = origin()
        client(reverse(server.url)).ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        assert server.requests[0].target == "*"

    def test_origin_that_is_not_there(self, reverse, client):
        response = client(reverse("http://127.0.0.1:1")).ask(GET)
        assert (response.status, response.get("hark-error")) == (502, "connect")


class TestTargets:
    @named(
        origins_own="http://{host}/x",
        listener="http://127.0.0.1:{listen}/x",
        listener_by_name="http://some-name:{listen}/x",
    )
    def test_absolute_form_that_means_the_origin(self, origin, reverse, client, given):
        server = origin()
        stand = reverse(server.url)
        target = given.format(host=server.host, listen=stand.port)
        assert client(stand).ask(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).body == b"ok"
        assert server.requests[0].target == "/x"
        assert server.requests[0].get("host") == server.host

    @named(
        elsewhere=("GET http://other.example/ HTTP/1.1", 421),
        other_scheme=("GET https://{host}/ HTTP/1.1", 421),
        proxys_help=("GET http://hark.internal/ HTTP/1.1", 421),
        connect=("CONNECT {host} HTTP/1.1", 400),
        no_target=("GET x HTTP/1.1", 400),
    )
    def test_refused(self, origin, reverse, client, given):
        line, status = given
        server = origin()
        peer = client(reverse(server.url))
        response = peer.ask(f"{line.format(host=server.host)}\r\nHost: a\r\n\r\n".encode())
        assert (response.status, response.get("hark-error")) == (status, "bad-request")
        peer.assert_closed()
        assert not server.requests

    def test_connect_as_second_request(self, origin, reverse, client):
        server = origin()
        peer = client(reverse(server.url))
        assert peer.ask(GET).status == 200
        assert peer.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").status in (400, 501)
        assert len(server.requests) == 1

    def test_loop(self, daemon, client):
        hark = daemon()
        port = hark.proxy_port
        hark.stop()
        again = daemon(settings=[f"reverse=127.0.0.1:0=http://127.0.0.1:{port}"], listen=f"127.0.0.1:{port}")
        peer = client(Stand(again, f"http://127.0.0.1:{port}"))
        assert peer.ask(GET).status == 508

    def test_socks_is_not_spoken_there(self, origin, reverse, client):
        peer = client(reverse(origin().url, "header_timeout=300ms"))
        peer.send(b"\5\1\0")
        peer.assert_closed()


class TestDaemon:
    def test_several_say_where_they_are(self, origin, daemon):
        first, second = origin(), origin()
        hark = daemon(
            ui="127.0.0.1:0",
            settings=[f"reverse=127.0.0.1:0={first.url}", f"reverse=127.0.0.1:0={second.url}/"],
        )
        assert set(hark.reverse_ports) == {first.url, second.url}
        shown = hark.cli("status").stdout
        for url, port in hark.reverse_ports.items():
            assert f"http://127.0.0.1:{port} for {url}\n" in shown

    @named(
        path=("http://a.example/v1", 'has more than scheme, host and port ("/v1")'),
        query=("http://a.example?x", "has more than"),
        user=("http://me@a.example", "has more than"),
        port=("http://a.example:99999", "no host[:port]"),
        scheme=("ftp://a.example", "is not ADDR:PORT=ORIGIN"),
    )
    def test_bad_origin(self, hark, given):
        text, message = given
        done = hark.cli("serve", "--check-config", "--set", f"reverse=127.0.0.1:0={text}")
        assert done.returncode == 2
        assert message in done.stderr

    def test_replay_and_playback(self, origin, reverse, client, daemon):
        server = origin()
        stand = reverse(server.url)
        client(stand).ask(GET)
        stand.hark.wait_row("path = '/x'")
        assert stand.hark.cli("replay", "@last").returncode == 0
        assert server.requests[1].get("host") == server.host
        stand.hark.stop()
        server.stop()
        again = reverse(server.url, "mode=playback", data_dir=stand.hark.data_dir)
        assert client(again).ask(GET).body == b"ok"

    def test_curl(self, origin, reverse):
        stand = reverse(origin().url)
        done = subprocess.run(
            ["curl", "-sS", f"http://127.0.0.1:{stand.port}/curl"],
            env=clean_environment(stand.hark.home),
            capture_output=True,
            timeout=20 * SCALE,
            check=False,
        )
        assert done.stdout == b"ok"
        assert stand.hark.wait_row("path = '/curl'")["status"] == 200
