# SPDX-License-Identifier: MIT
"""What stands in the log about an exchange: its number, and nothing that is a secret."""

import contextlib
import fcntl
import json
import re

from harness import Daemon
from harness.conformance import fill
from harness.daemon import READY

SECRET = "s3cr3t-value"
ASK = (
    "GET {url}/x?token=s3cr3t-value HTTP/1.1\r\nHost: {host}\r\n"
    "Authorization: Bearer s3cr3t-value\r\nCookie: a=s3cr3t-value\r\n\r\n"
).encode()


def dead(text):
    return text.replace(b"{url}", b"http://127.0.0.1:1").replace(b"{host}", b"127.0.0.1:1")


def test_debug_lines_bear_the_number_and_no_secret(daemon, origin, client):
    hark, server = daemon(settings=["log_level=debug"]), origin()
    assert client(hark).ask(fill(ASK, server)).status == 200
    assert client(hark).ask(dead(ASK)).status == 502
    hark.stop()
    assert SECRET not in hark.stderr
    about = [line for line in hark.lines if " exchange: " in line]
    assert about and all(re.search(r" exchange: #\d+ ", line) for line in about)


def test_every_line_is_json_where_that_is_wanted(daemon, origin, client):
    hark, server = daemon(settings=["log_level=debug", "log_format=json"]), origin()
    assert client(hark).ask(fill(ASK, server)).status == 200
    client(hark).ask(b"GET http://127.0.0.1:1/\xff\x1b[31m\x85 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
    hark.stop()
    lines = [json.loads(line) for line in hark.lines if not line.startswith("hark: ready")]
    assert lines and all({"time", "level", "part", "message"} <= set(line) for line in lines)


def test_a_miss_bears_the_number_and_no_query(daemon, origin, client):
    hark, server = daemon(), origin()
    assert client(hark).ask(fill(b"GET {url}/kept HTTP/1.1\r\nHost: {host}\r\n\r\n", server)).status == 200
    hark.wait_rows("status = 200", count=1)
    hark.stop()
    player = daemon("--db", str(hark.db), "--mode", "playback")
    assert client(player).ask(dead(ASK)).status == 504
    line = player.wait_log(r"playback: #\d+ miss: GET http://127.0.0.1:1/x: ").string
    assert SECRET not in line.split(": ", 3)[2]


def test_clients_that_mistake_the_proxy_fill_no_log(daemon, client):
    hark = daemon(settings=["workers=1"])
    for _ in range(20):
        for mistake in (b"\x16\x03\x01\0\5hello", b"\4\1\0\x50\x7f\0\0\1me\0"):
            peer = client(hark)
            peer.send(mistake)
            with contextlib.suppress(ConnectionResetError):
                peer.sock.recv(64)
    hark.stop()
    assert sum("spoke TLS" in line for line in hark.lines) == 1
    assert sum("SOCKS 4" in line for line in hark.lines) == 1


def test_misses_without_end_fill_no_log(daemon, origin, client):
    hark = daemon()
    assert client(hark).ask(fill(b"GET {url}/kept HTTP/1.1\r\nHost: {host}\r\n\r\n", origin())).status == 200
    hark.wait_rows("status = 200", count=1)
    hark.stop()
    player = daemon("--db", str(hark.db), "--mode", "playback", settings=["workers=1"])
    peer = client(player)
    for number in range(300):
        answer = peer.ask(f"GET http://127.0.0.1:1/{number} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n".encode())
        assert answer.status == 504 and b"playback-miss" in answer.body
    player.stop()
    logged = [line for line in player.lines if " miss: " in line]
    assert 100 <= len(logged) < 300, "a hundred, and again after ten seconds"


class UnreadDaemon(Daemon):
    """Nobody reads what it says once it is ready."""

    def _collect(self):
        for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))
            if READY.search(self.lines[-1]):
                return


def test_log_that_nobody_reads_holds_up_nothing(tmp_path, origin, client):
    def with_a_small_pipe():
        fcntl.fcntl(2, fcntl.F_SETPIPE_SZ, 4096)

    server = origin()
    with UnreadDaemon(tmp_path, settings=["log_level=debug"], preexec=with_a_small_pipe) as hark:
        peer = client(hark)
        for _ in range(100):
            assert peer.ask(fill(b"GET {url}/ HTTP/1.1\r\nHost: {host}\r\n\r\n", server)).status == 200
        hark.stop()
