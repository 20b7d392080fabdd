# SPDX-License-Identifier: MIT
"""Name servers that fail: the daemon runs with a resolv.conf of its own, which names a server that
does what the name asked for says. That takes a mount namespace and port 53: root."""

import contextlib
import ctypes
import os
import socket
import struct
import threading

import pytest
from harness import wait_until

OK, SERVFAIL, NXDOMAIN = 0, 2, 3
TYPE_A = 1
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


class NameServer:
    """good.test is 127.0.0.1, servfail.test fails, what ends in silent.test is never answered, nothing else is."""

    def __init__(self):
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.53.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}"
        self.sock.bind((self.address, 53))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                query, client = self.sock.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            if answer := self._answer(query):
                self.sock.sendto(answer, client)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, question = ".".join(labels), query[12 : at + 5]
        self.asked.append(name)
        if name.endswith("silent.test"):
            return None
        code = {"good.test": OK, "servfail.test": SERVFAIL}.get(name, NXDOMAIN)
        records = b""
        if code == OK and question[-4:-2] == TYPE_A.to_bytes(2, "big"):
            records = b"\xc0\x0c" + struct.pack(">HHIH", TYPE_A, 1, 60, 4) + bytes([127, 0, 0, 1])
        counts = struct.pack(">HHHH", 1, 1 if records else 0, 0, 0)
        return query[:2] + struct.pack(">H", 0x8180 | code) + counts + question + records

    def close(self):
        with contextlib.suppress(OSError):  # "not connected", but it wakes the thread
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()


@pytest.fixture
def names():
    try:
        server = NameServer()
    except OSError as failure:
        pytest.skip(f"no name server of one's own: {failure}")
    yield server
    server.close()


@pytest.fixture
def resolving(daemon, names, tmp_path):
    """A daemon that asks that server."""
    if os.geteuid() != 0:
        pytest.skip("a resolv.conf of one's own takes root")
    own = tmp_path / "resolv.conf"
    own.write_text(f"nameserver {names.address}\noptions timeout:30 attempts:1\n")
    libc = ctypes.CDLL(None, use_errno=True)

    def enter_namespace():
        for result in (
            libc.unshare(CLONE_NEWNS),
            libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None),
            libc.mount(str(own).encode(), b"/etc/resolv.conf", None, MS_BIND, None),
        ):
            if result != 0:
                raise OSError(ctypes.get_errno(), "a mount namespace")

    return daemon(settings=["connect_timeout=2s", "workers=1"], preexec=enter_namespace)


def ask(peer, host):
    return peer.ask(f"GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), seconds=20)


def test_a_name_that_resolves(resolving, names, client, origin):
    assert ask(client(resolving), f"good.test:{origin().port}").status == 200
    assert "good.test" in names.asked


@pytest.mark.parametrize("host, status, code", [
    ("missing.test", 502, "dns"),
    ("servfail.test", 502, "dns"),
    ("silent.test", 504, "connect-timeout"),
])
def test_a_name_that_does_not(resolving, names, client, host, status, code):
    peer = client(resolving)
    response = ask(peer, host)
    assert (response.status, response.get("hark-error")) == (status, code)
    row = resolving.row_of(peer)
    assert (row["state"], row["error"]) == ("upstream-error", code)
    assert host in names.asked


def test_others_flow_while_a_name_server_is_silent(resolving, names, client, origin):
    server = origin()
    waiting = [client(resolving) for _ in range(20)]
    for peer in waiting:
        peer.send(b"GET http://silent.test/x HTTP/1.1\r\nHost: silent.test\r\n\r\n")
    wait_until(lambda: "silent.test" in names.asked, "the name server to be asked")
    flowing = client(resolving)
    for _ in range(20):
        assert ask(flowing, server.host).status == 200
    assert ask(client(resolving), f"good.test:{server.port}").status == 200
    assert resolving.value("SELECT count(*) FROM exchange WHERE status = 504") == 0
    for peer in waiting:
        assert peer.response(seconds=20).status == 504


def test_names_without_end_begin_no_threads_without_end(resolving, client, origin):
    """More names than are looked up at a time (256 by each worker)."""
    server = origin()
    waiting = [client(resolving) for _ in range(400)]
    for number, peer in enumerate(waiting):
        host = f"{number}.silent.test"
        peer.send(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    wait_until(lambda: int(resolving.status_field("Threads")) >= 256, "many names to be looked up")
    flowing = client(resolving)
    assert ask(flowing, server.host).status == 200
    assert ask(flowing, f"localhost:{server.port}").status == 200
    answers = [peer.response(seconds=30) for peer in waiting]
    assert {answer.status for answer in answers} == {504}
    assert any(b"too many names" in answer.body for answer in answers)
    assert int(resolving.status_field("Threads")) < 300
