# SPDX-License-Identifier: MIT
"""SOCKS 5 on the proxy's address (RFC 1928): its handshake, and what the tunnels carry."""

import shutil
import socket
import struct
import subprocess
import sys

import pytest
from harness import SCALE
from harness.conformance import named
from harness.daemon import clean_environment
from harness.origin import greet, talk_with_greeter
from harness.programs import node_modules
from harness.tls import HOST, client_context, start_tls

GREETING = b"\5\1\0"
NO_AUTHENTICATION = b"\5\0"
GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


def by_name(host, port):
    return b"\5\1\0\3" + bytes([len(host)]) + host.encode() + struct.pack(">H", port)


def by_ipv4(address, port):
    return b"\5\1\0\1" + socket.inet_aton(address) + struct.pack(">H", port)


def by_ipv6(address, port):
    return b"\5\1\0\4" + socket.inet_pton(socket.AF_INET6, address) + struct.pack(">H", port)


def read(peer, count):
    taken = bytearray()
    peer.reader.exactly(count, taken.extend)
    return bytes(taken)


def answer(peer):
    """The answer to a request: its code."""
    reply = read(peer, 10)
    assert reply[0] == 5 and reply[2:] == b"\0\1\0\0\0\0\0\0"
    return reply[1]


def ask(peer, request):
    peer.send(GREETING)
    assert read(peer, 2) == NO_AUTHENTICATION
    peer.send(request)
    return answer(peer)


class TestTunnel:
    @named(
        name=lambda port: by_name("localhost", port),
        ipv4=lambda port: by_ipv4("127.0.0.1", port),
        address_as_name=lambda port: by_name("127.0.0.1", port),
    )
    def test_plain_http_is_recorded(self, hark, origin, client, given):
        server = origin()
        peer = client(hark)
        assert ask(peer, given(server.port)) == 0
        for _ in range(2):
            assert peer.ask(GET).body == b"ok"
        rows = hark.rows_of(peer, count=2)
        for row in rows:
            assert (row["kind"], row["scheme"], row["method"]) == ("http", "http", "GET")
            assert (row["path"], row["port"], row["status"]) == ("/x", server.port, 200)

    def test_tls_is_intercepted(self, tls_origin, https_daemon, client):
        hark = https_daemon(tls_origin())
        peer = client(hark)
        assert ask(peer, by_name(HOST, 443)) == 0
        start_tls(peer, client_context(hark.data_dir / "ca.pem"), HOST)
        assert peer.ask(b"GET /s HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n").body == b"ok"
        row = hark.row_of(peer)
        assert (row["scheme"], row["host"], row["path"]) == ("https", HOST, "/s")
        assert row["error_text"] is None

    def test_anything_else_is_relayed(self, hark, origin, client):
        peer = client(hark)
        assert ask(peer, by_name("localhost", origin(greet).port)) == 0
        talk_with_greeter(peer, b"\1\2\3\r\n")
        row = hark.row_of(peer)
        assert (row["kind"], row["method"], row["request_version"]) == ("tunnel", "CONNECT", "SOCKS5")
        assert (row["request_size"], row["response_size"]) == (5, 20)

    def test_ipv6(self, hark, client):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as server:
            try:
                server.bind(("::1", 0))
            except OSError:
                pytest.skip("no IPv6 here")
            server.listen()
            peer = client(hark)
            assert ask(peer, by_ipv6("::1", server.getsockname()[1])) == 0
            peer.send(GET)
            server.settimeout(10 * SCALE)
            with server.accept()[0] as accepted:
                assert accepted.recv(4096).startswith(b"GET /x HTTP/1.1\r\n")
                accepted.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert peer.response().status == 204
            assert hark.row_of(peer)["host"] == "::1"

    def test_server_that_cannot_be_reached_is_told_inside(self, hark, client):
        """As with CONNECT, the client is told that its tunnel is there before the server is asked."""
        peer = client(hark)
        assert ask(peer, by_name("no-such-host.invalid", 80)) == 0
        response = peer.ask(GET)
        assert (response.status, response.get("hark-error")) == (502, "dns")


class TestHandshake:
    def test_single_bytes(self, hark, origin, client):
        peer = client(hark)
        sent = GREETING + by_name("localhost", origin().port) + GET
        peer.send(*(sent[at : at + 1] for at in range(len(sent))))
        assert read(peer, 2) == NO_AUTHENTICATION
        assert answer(peer) == 0
        assert peer.response().body == b"ok"

    def test_all_in_one_write(self, hark, origin, client):
        peer = client(hark)
        peer.send(GREETING + by_name("localhost", origin().port) + GET)
        assert read(peer, 2) == NO_AUTHENTICATION
        assert answer(peer) == 0
        assert peer.response().body == b"ok"

    def test_password_nobody_asked_for(self, hark, origin, client):
        peer = client(hark)
        peer.send(b"\5\1\2")
        assert read(peer, 2) == b"\5\2"
        assert read(peer.send(b"\1\2me\6secret"), 2) == b"\1\0"
        peer.send(by_name("localhost", origin().port))
        assert answer(peer) == 0

    def test_no_method_in_common(self, hark, client):
        peer = client(hark)
        assert read(peer.send(b"\5\1\1"), 2) == b"\5\xff"
        peer.assert_closed()
        assert hark.row_of(peer)["error"] == "bad-request"

    @named(
        bind=(b"\5\2\0\1\x7f\0\0\1\0\x50", 7, "not-supported"),
        udp=(b"\5\3\0\1\0\0\0\0\0\0", 7, "not-supported"),
        no_command=(b"\5\x63\0\1\x7f\0\0\1\0\x50", 7, "not-supported"),
        address_type=(b"\5\1\0\2abcdef", 8, "bad-request"),
        smtp=(by_name("localhost", 25), 2, "forbidden"),
        port_0=(by_name("localhost", 0), 1, "bad-request"),
        bad_name=(by_name("a b", 80), 1, "bad-request"),
        empty_name=(by_name("", 80), 1, "bad-request"),
        version=(b"\4\1\0\1\x7f\0\0\1\0\x50", 1, "bad-request"),
    )
    def test_refused(self, hark, client, given):
        request, code, error = given
        peer = client(hark)
        assert ask(peer, request) == code
        peer.assert_closed()
        row = hark.row_of(peer)
        assert (row["kind"], row["error"]) == ("tunnel", error)
        assert row["error_text"]

    def test_own_address(self, hark, client):
        peer = client(hark)
        assert ask(peer, by_ipv4("127.0.0.1", hark.proxy_port)) == 2
        assert hark.row_of(peer)["error"] == "forbidden"
        peer = client(hark)
        assert ask(peer, by_name("localhost", hark.proxy_port)) == 0
        assert peer.ask(GET).status == 508

    def test_closed_in_the_middle(self, hark, client):
        peer = client(hark)
        peer.send(GREETING)
        assert read(peer, 2) == NO_AUTHENTICATION
        peer.send(b"\5\1\0").finish_sending()
        peer.assert_closed()

    def test_silent_client_is_closed(self, daemon, client):
        peer = client(daemon(settings=["header_timeout=300ms"]))
        peer.send(GREETING)
        assert read(peer, 2) == NO_AUTHENTICATION
        peer.assert_closed()

    def test_socks_4_is_told_so(self, hark, client):
        peer = client(hark)
        peer.send(b"\4\1\0\x50\x7f\0\0\1me\0")
        assert read(peer, 8) == b"\0\x5b\0\0\0\0\0\0"
        peer.assert_closed()
        hark.wait_log("SOCKS 4")


class TestClients:
    @pytest.fixture
    def services(self, tls_origin, origin, pki, daemon):
        secure, plain = tls_origin(), origin()
        hark = daemon(
            settings=[
                f"connect_to={HOST}:443:127.0.0.1:{secure.port}",
                f"connect_to={HOST}:80:127.0.0.1:{plain.port}",
                f"upstream_ca_file={pki.root.certificate}",
            ]
        )
        return hark

    def assert_recorded(self, hark):
        rows = hark.wait_rows("host = ?", HOST, count=2)
        assert [(row["scheme"], row["path"], row["status"]) for row in rows] == [
            ("http", "/plain", 200),
            ("https", "/secure", 200),
        ]

    def run(self, hark, *command, program=None, **variables):
        done = subprocess.run(
            command,
            input=program,
            env=clean_environment(hark.home, **variables),
            capture_output=True,
            text=True,
            timeout=30 * SCALE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_curl(self, services):
        proxy = f"socks5h://127.0.0.1:{services.proxy_port}"
        for url in (f"http://{HOST}/plain", f"https://{HOST}/secure"):
            ca = services.data_dir / "ca.pem"
            assert self.run(services, "curl", "-sS", "--proxy", proxy, "--cacert", ca, url) == "ok"
        self.assert_recorded(services)

    def test_curl_with_a_password(self, services):
        proxy = f"socks5h://me:secret@127.0.0.1:{services.proxy_port}"
        assert self.run(services, "curl", "-sS", "--proxy", proxy, f"http://{HOST}/plain") == "ok"

    def test_requests(self, services):
        pytest.importorskip("socks")
        program = f"""
import requests
proxy = "socks5h://127.0.0.1:{services.proxy_port}"
with requests.Session() as session:
    session.proxies = {{"http": proxy, "https": proxy}}
    session.verify = {str(services.data_dir / "ca.pem")!r}
    for url in ("http://{HOST}/plain", "https://{HOST}/secure"):
        assert session.get(url).text == "ok"
"""
        self.run(services, "/usr/bin/python3", "-", program=program)
        self.assert_recorded(services)

    def test_httpx(self, services):
        pytest.importorskip("httpx")
        pytest.importorskip("socksio")
        program = f"""
import httpx
for url in ("http://{HOST}/plain", "https://{HOST}/secure"):
    assert httpx.get(url).text == "ok"
"""
        self.run(services, sys.executable, "-", program=program,
                 ALL_PROXY=f"socks5://127.0.0.1:{services.proxy_port}",
                 SSL_CERT_FILE=str(services.data_dir / "ca.pem"))
        self.assert_recorded(services)

    def test_node(self, services):
        program = f"""
const {{ SocksProxyAgent }} = require("socks-proxy-agent");
const agent = new SocksProxyAgent("socks5h://127.0.0.1:{services.proxy_port}");
const get = (url) => new Promise((done, failed) => {{
  require(url.split(":")[0]).get(url, {{ agent }}, async (answer) => {{
    process.stdout.write((await answer.toArray()).join(""));
    done();
  }}).on("error", failed);
}});
get("http://{HOST}/plain").then(() => get("https://{HOST}/secure"));
"""
        modules = node_modules() / "node_modules"
        said = self.run(services, "node", "-", program=program, NODE_PATH=str(modules),
                        NODE_EXTRA_CA_CERTS=str(services.data_dir / "ca.pem"))
        assert said == "okok"
        self.assert_recorded(services)

    @pytest.mark.skipif(SCALE > 1, reason="a sanitizer finds nothing in Chromium")
    def test_chromium(self, services):
        if not shutil.which("chromium"):
            pytest.skip("chromium is not installed")
        proxy = f"socks5://127.0.0.1:{services.proxy_port}"
        page = self.run(
            services, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            f"--user-data-dir={services.home}/chromium", f"--proxy-server={proxy}", "--dump-dom",
            f"http://{HOST}/plain",
        )
        assert "ok" in page
        services.wait_row("host = ? AND path = '/plain' AND status = 200", HOST)
