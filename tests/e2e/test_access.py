# SPDX-License-Identifier: MIT
"""Who may connect: `allow`, connections in all and of one client."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import requests
from harness import Aborted, RawClient, run_hark, wait_until
from harness.api import Api
from harness.conformance import fill
from harness.network import (NEIGHBOUR, NEIGHBOUR6, STRANGER, STRANGER6, enter_network,
                             needs_network, peer_curl)

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
HELP = "http://hark.internal/"


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["listen", "ui"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[fd00::1]:0"])
def test_other_addresses_than_loopback_need_allow(tmp_path, key, address):
    file = tmp_path / "hark.conf"
    file.write_text(f"\n{key} = {address}\n")
    done = run_hark("serve", "--config", file, home=tmp_path)
    assert done.returncode == 2
    assert f"{file}:2: " in done.stderr and "allow" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0/8", "name.example", "::/129", "10.0.0.0/"])
def test_range_that_is_none_is_refused_with_its_place(tmp_path, text):
    done = run_hark("serve", "--check-config", "--set", f"allow={text}", home=tmp_path)
    assert done.returncode == 2
    assert f"--set allow={text}" in done.stderr and "192.168.1.0/24" in done.stderr


# --- allow ---------------------------------------------------------------------------------------


@pytest.fixture
def open_daemon(daemon):
    """open_daemon(allow) listens on all addresses of a network of its own."""

    def start(allow, **options):
        return daemon("--set", f"allow={allow}", listen="[::]:0", ui="[::]:0",
                      preexec=enter_network, **options)

    return start


def url_of(address, port):
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def ask_proxy(hark, source):
    """The status that a client with that address gets; 0: none."""
    done = peer_curl(hark, source, "-w", "\n%{http_code}", "-x", url_of(source, hark.proxy_port), HELP)
    return int(done.stdout.rsplit("\n", 1)[1]), done.stdout


def ask_page(hark, source, path="/livez"):
    done = peer_curl(hark, source, "-o", "/dev/null", "-w", "%{http_code}",
                     url_of(source, hark.page_port) + path)
    return int(done.stdout)


STAY = """
import socket, sys
crowd = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 10, (sys.argv[1], 0))
         for _ in range(4)]
print(*(peer.recv(100).split()[1].decode() for peer in crowd), flush=True)
sys.stdin.read()
"""


@needs_network
class TestAllow:
    @pytest.mark.parametrize("allow,let_in,kept_out", [
        ("198.51.100.0/24", [NEIGHBOUR], [STRANGER, NEIGHBOUR6, STRANGER6]),  # mapped into IPv6
        ("fd00:1::/32", [NEIGHBOUR6], [NEIGHBOUR, STRANGER6]),
        ("198.51.100.7 fd00:2::9", [NEIGHBOUR, STRANGER6], [STRANGER, NEIGHBOUR6]),
    ])
    def test_only_those_in_allow_get_through(self, open_daemon, allow, let_in, kept_out):
        hark = open_daemon(allow)
        for source in [*let_in, "127.0.0.1", "::1", "127.9.9.9"]:
            assert ask_proxy(hark, source)[0] == 200, source
            assert ask_page(hark, source) == 200, source
        for source in kept_out:
            status, text = ask_proxy(hark, source)
            assert status == 403 and "allow" in text, (source, text)
            assert ask_page(hark, source) == 0, source
        assert hark.value("SELECT count(*) FROM exchange") == 3 + len(let_in)

    def test_those_kept_out_are_counted_and_logged_once_in_a_while(self, open_daemon):
        hark = open_daemon("198.51.100.0/24")
        for _ in range(5):
            assert ask_proxy(hark, STRANGER)[0] == 403
        hark.wait_log(rf"refused a connection of \S*{STRANGER}\S*: its address is not in allow")
        assert sum("not in allow" in line for line in hark.lines) == 1
        metrics = peer_curl(hark, "127.0.0.1", f"http://127.0.0.1:{hark.page_port}/metrics").stdout
        assert 'hark_refused_connections_total{reason="allow"} 5\n' in metrics

    def test_those_kept_out_take_nobodys_place(self, open_daemon):
        hark = open_daemon("198.51.100.0/24", settings=["max_connections=2"])
        network = f"--net=/proc/{hark.pid}/ns/net"
        with subprocess.Popen(
            ["nsenter", network, sys.executable, "-c", STAY, STRANGER, str(hark.proxy_port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as crowd:
            assert crowd.stdout.readline() == b"403 403 403 403\n"
            assert ask_proxy(hark, NEIGHBOUR)[0] == 200
            crowd.stdin.close()
            assert crowd.wait(10) == 0

    @pytest.mark.parametrize("own", [NEIGHBOUR, NEIGHBOUR6, "127.0.0.1", "[::1]", "0.0.0.0"])
    def test_those_let_in_do_not_get_around_through_the_proxy(self, open_daemon, own):
        hark = open_daemon("198.51.100.0/24")
        own = f"[{own}]" if own == NEIGHBOUR6 else own
        for port, expected in ((hark.page_port, "403"), (hark.proxy_port, "508")):
            done = peer_curl(hark, NEIGHBOUR, "-o", "/dev/null", "-w", "%{http_code}",
                             "-x", url_of(NEIGHBOUR, hark.proxy_port), f"http://{own}:{port}/livez")
            assert done.stdout == expected

    @pytest.mark.parametrize("host,status", [("evil.example", 403), ("localhost.evil.example", 403),
                                             (NEIGHBOUR, 200), ("127.0.0.1", 200)])
    def test_page_answers_under_addresses_only(self, open_daemon, host, status):
        """A name may be pointed anywhere by its owner."""
        hark = open_daemon("198.51.100.0/24")
        done = peer_curl(hark, NEIGHBOUR, "-o", "/dev/null", "-w", "%{http_code}",
                         "-H", f"Host: {host}:{hark.page_port}",
                         url_of(NEIGHBOUR, hark.page_port) + "/livez")
        assert done.stdout == str(status)

    def test_no_password_is_warned_of(self, open_daemon):
        open_daemon("198.51.100.0/24").wait_log("can use the proxy at .* without a password")

    def test_reload_changes_it(self, daemon):
        hark = daemon(config="allow = 198.51.100.0/24\n", listen="[::]:0", ui="[::]:0",
                      preexec=enter_network)
        assert ask_proxy(hark, NEIGHBOUR)[0] == 200
        hark.config_file.write_text("allow = 203.0.113.9\n")
        hark.signal(signal.SIGHUP)
        hark.wait_log("reload: read")
        wait_until(lambda: ask_proxy(hark, STRANGER)[0] == 200, "the new range to count")
        assert ask_proxy(hark, NEIGHBOUR)[0] == 403
        assert ask_page(hark, NEIGHBOUR) == 0


# --- connections ---------------------------------------------------------------------------------


def test_one_client_has_no_more_than_its_connections(daemon, origin):
    hark, server = daemon(settings=["max_connections_per_client=2"]), origin()
    first = RawClient(hark.proxy_port)
    second = RawClient(hark.proxy_port, source=first.address)
    for peer in (first, second):
        assert peer.ask(fill(GET, server)).status == 200
    third = RawClient(hark.proxy_port, source=first.address)
    refused = third.response()
    assert (refused.status, refused.get("hark-error")) == (503, "too-many-connections")
    assert b"max_connections_per_client" in refused.body
    with RawClient(hark.proxy_port) as other:
        assert other.ask(fill(GET, server)).status == 200
    first.close()

    def is_served():
        with RawClient(hark.proxy_port, source=second.address) as peer:
            try:
                return peer.ask(fill(GET, server)).status == 200
            except Aborted:
                return False

    wait_until(is_served, "the place of the one that left")
    second.close()


def connect_again(hark, source):
    """A connection that is not turned away: hark learns of the end of another in its own time."""

    def connect():
        peer = RawClient(hark.proxy_port, source=source)
        peer.send(b"GET / HTTP/1.1\r\n")
        if not select.select([peer.sock], [], [], 0.05)[0]:
            return peer
        peer.close()
        return None

    return wait_until(connect, "the place of another connection")


@pytest.mark.parametrize("rest", [
    pytest.param(b"Host: x\r\n\r\n", id="answered"),
    pytest.param(b"Host:\x01\r\n\r\n", id="refused"),
    pytest.param(b"", id="head broken off"),
])
def test_place_is_given_back(daemon, rest):
    hark = daemon(settings=["max_connections_per_client=1"])
    source = "127.0.0.77"
    for _ in range(3):
        peer = connect_again(hark, source)
        if rest:
            assert peer.ask(rest).status in (200, 400)
        peer.close()


@pytest.mark.parametrize("inside", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00relayed", b""])
def test_place_of_a_tunnel_is_given_back(daemon, origin, inside):
    hark, server = daemon(settings=["max_connections_per_client=1"]), origin()
    source = "127.0.0.77"
    for _ in range(3):
        connect_again(hark, source).close()

        def tunnel():
            peer = RawClient(hark.proxy_port, source=source)
            peer.send(fill(b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n", server))
            return peer if " 200 " in peer.reader.head().start_line else peer.close()

        peer = wait_until(tunnel, "a tunnel")
        if inside.startswith(b"GET"):
            assert peer.ask(inside).status == 200
        else:
            peer.send(inside)
        peer.close()


def connections_of(hark):
    return int(re.search(r"(?m)^hark_connections (\d+)$",
                         requests.get(f"{hark.page_url}/metrics", timeout=5).text)[1])


def test_who_is_turned_away_takes_nobodys_place(daemon, origin):
    hark = daemon(settings=["max_connections=4", "max_connections_per_client=1"], ui="127.0.0.1:0")
    server = origin()
    greedy = [RawClient(hark.proxy_port, source="127.0.0.77") for _ in range(8)]
    assert greedy[0].ask(fill(GET, server)).status == 200
    for peer in greedy[1:]:
        assert peer.response().status == 503
    assert connections_of(hark) == 1
    others = [RawClient(hark.proxy_port) for _ in range(3)]
    for peer in others:
        assert peer.ask(fill(GET, server)).status == 200
    assert connections_of(hark) == 4
    for peer in [*greedy, *others]:
        peer.close()
    wait_until(lambda: connections_of(hark) == 0, "all of them to be gone")


def test_clients_beyond_max_connections_are_told(daemon, origin):
    hark, server = daemon(settings=["max_connections=4"], ui="127.0.0.1:0"), origin()
    crowd = [RawClient(hark.proxy_port) for _ in range(4)]
    for peer in crowd:
        assert peer.ask(fill(GET, server)).status == 200
    with RawClient(hark.proxy_port) as beyond:
        began = time.monotonic()
        refused = beyond.ask(fill(GET, server))
        assert (refused.status, refused.get("hark-error")) == (503, "too-many-connections")
        assert time.monotonic() - began > 0.5, "a place could have become free"
    metrics = requests.get(f"{hark.page_url}/metrics", timeout=5).text
    assert 'hark_refused_connections_total{reason="max_connections"} 1\n' in metrics
    hark.wait_log("refused a connection of .*max_connections")
    for peer in crowd:
        peer.close()
    with RawClient(hark.proxy_port) as peer:
        assert peer.ask(fill(GET, server)).status == 200


def test_burst_beyond_max_connections_waits_for_its_turn(daemon, origin):
    """Places that become free within a second go to those who wait."""
    hark, server = daemon(settings=["max_connections=4"]), origin()
    crowd = [RawClient(hark.proxy_port).send(fill(GET, server)) for _ in range(24)]
    statuses = []
    for peer in crowd:
        statuses.append(peer.response().status)
        peer.close()
    assert statuses == [200] * 24


# --- other users of the machine ------------------------------------------------------------------

TRY_ALL = """
import os, socket, sys
folder, page = sys.argv[1], int(sys.argv[2])
got = []
for name in os.listdir(folder) if os.access(folder, os.R_OK | os.X_OK) else sys.argv[3:]:
    path = os.path.join(folder, name)
    try:
        open(path, "rb").read(1)
        got.append(name)
    except OSError:
        pass
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        got.append(name)
    except OSError:
        pass
asked = socket.create_connection(("127.0.0.1", page))
asked.sendall(b"GET /api/v1/exchanges HTTP/1.1\\r\\nHost: 127.0.0.1:%d\\r\\n\\r\\n" % page)
print(" ".join(sorted(got)), asked.recv(100).split()[1].decode(), sep="|")
"""


takes_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes root and setpriv")


def run_as_nobody(program, *arguments):
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c",
         program, *arguments],
        capture_output=True, text=True, timeout=30, check=True).stdout


@takes_root
@pytest.mark.parametrize("mode,readable", [
    pytest.param(None, set(), id="folder as made"),
    pytest.param(0o755, {"ca.pem", "bundle.pem"}, id="folder opened by somebody"),
])
def test_another_user_does_not_get_at_the_recording(daemon, origin, mode, readable):
    with tempfile.TemporaryDirectory(prefix="hark-open-") as folder:
        os.chmod(folder, 0o755)
        data = Path(folder) / "data"
        hark = daemon(data_dir=data, ui="127.0.0.1:0")
        with RawClient(hark.proxy_port) as peer:
            assert peer.ask(fill(GET, origin())).status == 200
            hark.row_of(peer)
        if mode:
            data.chmod(mode)
        names = [file.name for file in data.iterdir() if not file.is_dir()]
        assert {"hark.db", "hark.db-wal", "token", "ca-key.pem", "control.sock"} <= set(names)
        got, status = run_as_nobody(TRY_ALL, data, str(hark.page_port), *names).strip().split("|")
        assert set(got.split()) <= readable, got
        assert status == "401"
        hark.stop()


ASK_WITH_COOKIE = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
connection.request("GET", "/api/v1/status", headers={"Cookie": sys.argv[2]})
print(connection.getresponse().status)
"""


# Browsers send a cookie to all ports of a host, so that a server of another user gets it.
@takes_root
def test_a_cookie_is_of_no_use_to_another_user(daemon):
    hark = daemon(ui="127.0.0.1:0")
    port, cookie = str(hark.page_port), Api(hark).log_in()
    mine = subprocess.run([sys.executable, "-c", ASK_WITH_COOKIE, port, cookie],
                          capture_output=True, text=True, timeout=30, check=True)
    assert mine.stdout.strip() == "200"
    assert run_as_nobody(ASK_WITH_COOKIE, port, cookie).strip() == "401"
    hark.stop()
