# SPDX-License-Identifier: MIT
"""A daemon that is about to end while what is in flight ends: nobody is led to it, and the next one
begins when it is gone."""

import json
import signal
import threading

import pytest
from harness import Daemon
from harness.api import Api
from harness.conformance import fill
from harness.running import Running, Summary

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
CURL = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}\\n"]


class Ending:
    """A daemon that was told to end, and cannot until its last answer is let through."""

    def __init__(self, daemon, origin, client, **options):
        self.gate = threading.Event()
        self.hark, self.server = daemon(**options), origin(self.answer)
        self.peer = client(self.hark).send(fill(GET, self.server))
        self.peer.reader.head()
        self.hark.signal(signal.SIGTERM)
        self.hark.wait_log("stopping")

    def answer(self, conn):
        while conn.read_request():
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            self.gate.wait(60)
            conn.send(b"world")

    def let_through(self):
        self.gate.set()
        self.peer.reader.until(b"helloworld")


@pytest.fixture
def ending(daemon, origin, client):
    one = Ending(daemon, origin, client)
    yield one
    one.gate.set()


def test_run_is_not_led_to_it(ending, origin, tmp_path):
    server = origin()
    ran = Running(ending.hark.data_dir, tmp_path / "home", *CURL, server.url)
    try:
        said = ran.process.stderr.readline().decode()
        assert "waiting" in said and "about to end" in said
        ending.let_through()
        status, out, err = ran.finish()
    finally:
        ran.close()
    assert (status, out, Summary(err).count) == (0, "200\n", 1), err


def test_it_opens_no_session(ending):
    answer = Api(ending.hark, over_socket=True).ask(
        "/api/v1/sessions", "POST", body=b'{"command": "true"}'
    )
    assert answer.status == 409 and "about to end" in answer.json["detail"]


def test_env_and_status_say_so(ending):
    done = ending.hark.cli("env")
    assert (done.returncode, done.stdout) == (4, "") and "about to end" in done.stderr
    assert json.loads(ending.hark.cli("status", "--json").stdout)["is_ending"] is True
    assert "\nstate        ending" in ending.hark.cli("status").stdout


def test_the_next_one_waits_for_its_end(ending, tmp_path):
    old, started = ending.hark, []
    begin = threading.Thread(target=lambda: started.append(Daemon(tmp_path, data_dir=old.data_dir)))
    begin.start()
    begin.join(1)
    assert not started and begin.is_alive()
    ending.let_through()
    begin.join(30)
    assert started and started[0].value("SELECT count(*) FROM session") == 2
    assert old.wait_exit() == 0
    started[0].close()


def test_the_next_one_can_begin_at_once(daemon, tmp_path):
    """As in "kill PID; hark serve": the signal has been sent, and that is all."""
    old = daemon(ui="127.0.0.1:0", config="log_level = info\n")
    listen, page = f"127.0.0.1:{old.proxy_port}", f"127.0.0.1:{old.page_port}"
    for _ in range(5):
        old.signal(signal.SIGTERM)
        new = daemon(data_dir=old.data_dir, listen=listen, ui=page)
        assert old.wait_exit() == 0
        old = new


def test_one_that_goes_on_is_not_waited_for(daemon):
    hark = daemon()
    done = hark.cli("serve", "--listen", "127.0.0.1:0", "--ui", "off", seconds=5)
    assert done.returncode == 1 and "another hark serves from" in done.stderr
