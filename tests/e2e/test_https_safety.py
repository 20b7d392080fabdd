# SPDX-License-Identifier: MIT
"""HTTPS and tunnels against clients that are broken, hostile, distrustful or asleep."""

import contextlib
import random
import signal
import socket
import ssl
from pathlib import Path

import pytest
from harness import SCALE, Daemon, RawClient, wait_stable, wait_until
from harness.message import Aborted
from harness.tls import HOST, hello_bytes, open_tunnel, start_tls

GET = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
OWN_NAMES = ["127.0.0.1", "127.1", "127.0.0.2", "0.0.0.0", "0", "2130706433", "0x7f.1", "localhost",
             "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]", "LOCALHOST"]


class TestOwnAddresses:
    """64: CONNECT is no way around; the page listens on IPv4, yet other spellings lead nowhere."""

    @pytest.mark.parametrize("name", OWN_NAMES)
    @pytest.mark.parametrize("kind", ["page", "proxy"])
    @pytest.mark.parametrize("protocol", ["http", "tls", "bytes"])
    def test_not_reached(self, page_hark, client, name, kind, protocol):
        port = getattr(page_hark, f"{kind}_port")
        peer = client(page_hark)
        open_tunnel(peer, f"{name}:{port}")
        if protocol == "tls":
            start_tls(peer, client_context_without_checks(), None)
        if protocol == "bytes":
            peer.send(b"\x00GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").assert_closed()
        else:
            request = f"GET /api/v1/exchanges HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n"
            answer = peer.ask(request.encode())
            assert answer.status in (403, 508, 502), answer
            assert answer.get("hark-error") in ("loop", "forbidden", "connect", "dns")
        row = page_hark.row_of(peer)
        expected = {"page": "forbidden", "proxy": "loop"}[kind]
        if name.startswith("[::") and "ffff" not in name:
            assert row["error"] in (expected, "connect")  # nothing listens there
        else:
            assert row["error"] == expected, row["error_text"]


@pytest.fixture(scope="module")
def page_daemon(tmp_path_factory):
    with Daemon(tmp_path_factory.mktemp("page") / "home", ui="127.0.0.1:0") as daemon:
        yield daemon


@pytest.fixture
def page_hark(page_daemon):
    assert page_daemon.is_running()
    return page_daemon


def client_context_without_checks():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class TestDistrust:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_refused_certificate_is_recorded_with_alert_and_mend(self, hark, client, version):
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443")
        context = ssl.create_default_context()
        context.minimum_version = context.maximum_version = version
        with pytest.raises(ssl.SSLCertVerificationError):
            start_tls(peer, context, HOST)
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["error"], row["state"]) == ("tunnel", "tls", "client-abort")
        assert (row["host"], row["sni"], row["status"]) == (HOST, HOST, 200)
        assert "CA is unknown" in row["error_text"]
        assert f"passthrough = {HOST}" in row["error_text"]

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_alert_with_a_reset_behind_it(self, hark, client, version):
        """A client that leaves bytes unread resets the connection; here one of many handshakes."""
        context = ssl.create_default_context()
        context.minimum_version = context.maximum_version = version
        hello, session, incoming, outgoing = hello_bytes(HOST, context)
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443")
        peer.send(hello)
        flight = wait_stable(lambda: peer.sock.recv(65536, socket.MSG_PEEK), "the flight")
        others = [client(hark) for _ in range(140)]
        for other in others:
            open_tunnel(other, f"{HOST}:443", behind=hello)
            assert other.reader.buffer or other.reader.fill()
        hark.signal(signal.SIGSTOP)
        incoming.write(flight)
        with pytest.raises(ssl.SSLCertVerificationError):
            session.do_handshake()
        peer.send(outgoing.read())
        peer.close()
        hark.signal(signal.SIGCONT)
        assert "CA is unknown" in hark.row_of(peer)["error_text"]

    def test_client_that_just_leaves(self, hark, client):
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443", behind=hello_bytes(HOST)[0])
        assert peer.reader.buffer or peer.reader.fill()
        peer.close()
        row = hark.row_of(peer)
        assert row["error"] == "tls"
        assert f"passthrough = {HOST}" in row["error_text"]

    def test_client_with_nothing_in_common(self, hark, client):
        """A hello that offers only what hark refuses is recorded, not dropped in silence."""
        context = client_context_without_checks()
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("CAMELLIA256-SHA:@SECLEVEL=0")
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443")
        with pytest.raises(ssl.SSLError):
            start_tls(peer, context, HOST)
        peer.close()
        row = hark.row_of(peer)
        assert (row["kind"], row["error"]) == ("tunnel", "tls")
        assert f"passthrough = {HOST}" in row["error_text"]


def broken_hellos(count):
    """Bytes that begin like TLS, or should; made from a fixed seed."""
    chance = random.Random(4275)
    hello = hello_bytes(HOST)[0]

    def mutated():
        data = bytearray(hello)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(5, len(data))] = chance.randrange(256)
        return bytes(data)

    makers = [
        lambda: b"\x16\x03\x01\x00\x40" + chance.randbytes(64),
        lambda: hello[: chance.randint(1, len(hello) - 1)],
        lambda: b"\x16\x03\x01\xff\xff" + chance.randbytes(200),
        lambda: b"\x16\x03\x01\x00\x04\x01\xff\xff\xff" + chance.randbytes(100),
        lambda: b"\x15\x03\x01\x00\x02\x02\x28" + hello,
        lambda: b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + chance.randbytes(37),
        lambda: chance.randbytes(chance.randint(1, 600)),
        mutated,
        lambda: hello + chance.randbytes(50),
        lambda: b"\x16\x03\x01\x00\x00" * 20,
        lambda: hello + hello,
        lambda: b"\x16\x02\x00\x00\x05hello",
    ]
    return [makers[number % len(makers)]() for number in range(count)]


def cpu_ticks(hark):
    """Of all its threads, user and system, in clock ticks (1/100 s)."""
    fields = Path(f"/proc/{hark.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def assert_idle(hark):
    """In a second in which nothing is asked of it, it does next to nothing."""
    def used():
        before = cpu_ticks(hark)
        wait_quietly(1)
        return cpu_ticks(hark) - before

    wait_until(lambda: used() <= 20, "a second with at most 0.2 s of CPU", seconds=15)


def wait_quietly(seconds):
    with socket.socketpair()[0] as never:
        never.settimeout(seconds)
        try:
            never.recv(1)
        except TimeoutError:
            pass


class TestBrokenHellos:
    @pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.soak)])
    def test_no_crash_and_no_descriptor_lost(
        self, tls_origin, https_daemon, client, tls_client, count
    ):
        hark = https_daemon(tls_origin(), f"connect_to=x.test:443:127.0.0.1:{unused_port()}")
        with tls_client(hark) as first:
            assert first.ask(GET).status == 200
        idle = wait_stable(hark.descriptors, "descriptors", seconds=30)
        hellos, batch = broken_hellos(count), 50
        for start in range(0, count, batch):
            peers = []
            for hello in hellos[start : start + batch]:
                peers.append(RawClient(hark.proxy_port))
                open_tunnel(peers[-1], "x.test:443")
                peers[-1].send(hello)
            for number, peer in enumerate(peers):
                if number % 3 == 0:
                    peer.reset()
                elif number % 3 == 1:
                    with contextlib.suppress(OSError):  # closed already
                        peer.finish_sending()
                        drain(peer)
                peer.close()
        assert tls_client(hark).ask(GET).status == 200
        wait_until(lambda: hark.descriptors() <= idle + 2, "descriptors to come back", 30)
        assert hark.wait_rows("host = 'x.test'", count=count, seconds=30)
        assert_idle(hark)

    def test_hellos_that_stall_do_not_hold_others_up(
        self, tls_origin, https_daemon, client, tls_client
    ):
        hark = https_daemon(tls_origin(), "idle_timeout=5s")
        idle = wait_stable(hark.descriptors, "descriptors")
        hello = hello_bytes(HOST)[0]
        peers = [client(hark) for _ in range(200)]
        for number, peer in enumerate(peers):
            open_tunnel(peer, f"{HOST}:443")
            peer.send(hello if number % 2 else hello[:100])
        for _ in range(20):
            with tls_client(hark) as other:
                assert other.ask(GET).status == 200
        for peer in peers:
            peer.close()
        wait_until(lambda: hark.descriptors() <= idle + 4, "descriptors to come back", 30)
        assert_idle(hark)

    def test_handshake_that_stalls_is_ended(self, https_daemon, tls_origin, client):
        hark = https_daemon(tls_origin(), "idle_timeout=1s")
        peer = client(hark)
        open_tunnel(peer, f"{HOST}:443", behind=hello_bytes(HOST)[0])
        drain(peer)
        assert hark.row_of(peer)["error"] == "tls"

    def test_stalled_handshakes_cost_no_cpu(self, hark, client):
        hello = hello_bytes(HOST)[0]
        for _ in range(50):
            open_tunnel(client(hark), f"{HOST}:443", behind=hello)
        assert_idle(hark)


def unused_port():
    """A port that nothing listens on: connections are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def drain(peer):
    try:
        while peer.reader.fill(20 * SCALE):
            pass
    except Aborted:
        pass
