# SPDX-License-Identifier: MIT
"""The daemon under a service manager: what it reports, the watchdog, sockets passed in, the journal."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import urllib.request

import pytest
from harness import Daemon, RawClient, wait_stable, wait_until
from harness.conformance import fill
from harness.daemon import HARK, clean_environment
from harness.manager import ActivatedDaemon, Manager, StoppedThread

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
WATCHDOG_US = 800_000


def last_status(manager):
    return [line for line in manager.lines() if line.startswith("STATUS=")][-1]


class Signals:
    """One after another to a daemon, until the block ends."""

    def __init__(self, hark, number, every):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send, args=(hark, number, every))

    def _send(self, hark, number, every):
        while not self.over.wait(every):
            hark.signal(number)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *failure):
        self.over.set()
        self.thread.join()


@pytest.fixture
def manager(tmp_path):
    one = Manager(tmp_path)
    yield one
    one.close()


def listening(address="127.0.0.1"):
    sock = socket.socket()
    sock.bind((address, 0))
    sock.listen(16)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


# -- what it reports ----------------------------------------------------------------------------


def test_manager_hears_of_the_whole_life(daemon, manager):
    hark = daemon(env=manager.environment())
    manager.wait("READY=1")
    hark.signal(signal.SIGHUP)
    manager.wait("READY=1", count=2)
    hark.stop()
    told = [line for line in manager.lines() if not line.startswith("STATUS=")]
    assert re.fullmatch(r"MONOTONIC_USEC=\d+", told.pop(2))
    assert told == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_bad_file_ends_a_reload_too(daemon, manager):
    hark = daemon(env=manager.environment(), config="log_level = info\n")
    hark.config_file.write_text("log_level = loud\n")
    hark.signal(signal.SIGHUP)
    hark.wait_log("the old configuration stays")
    manager.wait("READY=1", count=2)
    mistake = re.compile(r"STATUS=Recording; .*; the reload at [\d:]{8} failed, see the log")
    wait_until(lambda: mistake.fullmatch(last_status(manager)), "the status to say so")
    hark.config_file.write_text("log_level = info\n")
    hark.signal(signal.SIGHUP)
    manager.wait("READY=1", count=3)
    wait_until(lambda: not mistake.fullmatch(last_status(manager)), "the status to be good again")


def test_status_says_what_it_does(daemon, manager, origin, client):
    hark, server = daemon(env=manager.environment(WATCHDOG_US)), origin()
    manager.wait("STATUS=Recording; 0 exchanges, 0 in flight")
    assert client(hark).ask(fill(GET, server)).status == 200
    manager.wait("STATUS=Recording; 1 exchanges, 0 in flight")


def test_status_says_why_it_does_not_record(daemon, manager):
    daemon(env=manager.environment(), settings=["mode=off"])
    manager.wait("STATUS=Not recording: mode is off; 0 exchanges, 0 in flight")


def test_run_reports_nothing(manager, tmp_path):
    done = subprocess.run(
        [HARK, "run", "--", "sh", "-c", "echo $NOTIFY_SOCKET"],
        env=clean_environment(tmp_path, **manager.environment(WATCHDOG_US)),
        capture_output=True, text=True, check=True,
    )
    assert done.stdout.strip() == manager.path
    assert manager.messages == []


# -- the watchdog -------------------------------------------------------------------------------


def test_no_watchdog_is_fed_that_nobody_keeps(daemon, manager):
    hark = daemon(env=manager.environment())
    manager.wait("READY=1")
    hark.stop()
    assert manager.count("WATCHDOG=1") == 0


@pytest.mark.parametrize("thread", ["hark-worker", "hark-writer"])
def test_watchdog_starves_with_a_thread_that_hangs(daemon, manager, thread):
    hark = daemon(env=manager.environment(WATCHDOG_US), settings=["workers=2"])
    manager.wait("WATCHDOG=1", count=2)
    with StoppedThread(hark.pid, thread):
        wait_stable(lambda: manager.count("WATCHDOG=1"), "the watchdog's food", still_for=2)
    manager.wait("WATCHDOG=1", count=manager.count("WATCHDOG=1") + 2)


def test_signals_do_not_starve_the_watchdog(daemon, manager):
    """Each one used to begin the pause before the next look anew."""
    hark = daemon(env=manager.environment(4 * WATCHDOG_US))
    fed = manager.count("WATCHDOG=1")
    with Signals(hark, signal.SIGUSR1, every=0.05):
        manager.wait("WATCHDOG=1", count=fed + 3, seconds=20)


def test_watchdog_that_is_too_quick_is_named(daemon, manager):
    hark = daemon(env=manager.environment(500_000))
    hark.wait_log("a watchdog of 500 ms may end hark without need; give it 4 s")


def test_waiting_for_a_locked_file_is_alive(daemon, manager, origin, client):
    hark, server = daemon(env=manager.environment(WATCHDOG_US)), origin()
    other = sqlite3.connect(hark.db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert client(hark).ask(fill(GET, server)).status == 200
    manager.wait("WATCHDOG=1", count=manager.count("WATCHDOG=1") + 10, seconds=20)
    assert hark.value("SELECT count(*) FROM exchange") == 0
    other.execute("COMMIT")
    other.close()
    hark.wait_row("path = '/x'")


def test_playback_has_no_writer_to_wait_for(daemon, manager, origin, client):
    hark, server = daemon(), origin()
    assert client(hark).ask(fill(GET, server)).status == 200
    hark.wait_row("path = '/x'")
    hark.stop()
    daemon("--db", str(hark.db), env=manager.environment(WATCHDOG_US), settings=["mode=playback"])
    manager.wait("WATCHDOG=1", count=2)


# -- sockets passed in --------------------------------------------------------------------------


def test_passed_sockets_take_the_place_of_the_settings(tmp_path, origin):
    proxy, page, server = listening(), listening(), origin()
    with ActivatedDaemon(tmp_path, [("ui", page), ("proxy", proxy)]) as hark:
        assert (hark.proxy_port, hark.page_port) == (port_of(proxy), port_of(page))
        with RawClient(hark.proxy_port) as client:
            assert client.ask(fill(GET, server)).status == 200
        with urllib.request.urlopen(f"{hark.page_url}/livez") as answer:
            assert answer.status == 200
        # Through the proxy the page is not to be reached.
        with RawClient(hark.proxy_port) as client:
            reply = client.ask(f"GET {hark.page_url}/livez HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert reply.status == 403


def test_clients_wait_from_one_daemon_to_the_next(tmp_path, origin):
    proxy, page, server = listening(), listening(), origin()
    sockets = [("proxy", proxy), ("ui", page)]
    with ActivatedDaemon(tmp_path, sockets) as hark:
        hark.stop()
        early = RawClient(port_of(proxy))  # nobody runs, and it is not refused
        early.send(fill(GET, server))
        looking = socket.create_connection(("127.0.0.1", port_of(page)))
        looking.sendall(f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port_of(page)}\r\n\r\n".encode())
        hark.start()
        assert early.response().status == 200
        assert looking.recv(4096).startswith(b"HTTP/1.1 200 ")
        early.close()
        looking.close()


def test_reload_keeps_to_the_passed_sockets(tmp_path, origin):
    proxy, server = listening(), origin()
    with listening() as free:
        other = port_of(free)
    with ActivatedDaemon(tmp_path, [("proxy", proxy)], listen=None, config="listen = 127.0.0.1:0\n") as hark:
        hark.config_file.write_text(f"listen = 127.0.0.1:{other}\n")
        hark.signal(signal.SIGHUP)
        hark.wait_log("reload: read ")
        with RawClient(port_of(proxy)) as client:
            assert client.ask(fill(GET, server)).status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other))


def test_socket_that_other_machines_reach_needs_allow(tmp_path):
    with pytest.raises(AssertionError, match=r'descriptor 3 \(proxy\): other machines can reach 0\.0\.0\.0:\d+'):
        ActivatedDaemon(tmp_path, [("proxy", listening("0.0.0.0"))])


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd is not installed")
def test_systemd_starts_it_with_the_first_client(tmp_path, origin):
    server = origin()
    with listening() as probe:
        port = port_of(probe)
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=proxy",
               str(HARK), "serve", "--data-dir", str(tmp_path / "data"), "--ui", "off"]
    process = subprocess.Popen(command, env=clean_environment(tmp_path), stderr=subprocess.PIPE)
    try:
        wait_until(lambda: is_listening(port), "systemd-socket-activate to listen")
        with RawClient(port) as client:
            assert client.ask(fill(GET, server)).status == 200
    finally:
        process.terminate()
        log = process.communicate(timeout=30)[1].decode()
    assert f"hark: ready: proxy http://127.0.0.1:{port}, recording to" in log


def is_listening(port):
    """Looks without connecting, which would be the first client."""
    with open("/proc/net/tcp") as table:
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


# -- the journal --------------------------------------------------------------------------------


class Journalled(Daemon):
    """Its stderr is what JOURNAL_STREAM names."""

    def command(self):
        script = 'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$@"'
        return ["bash", "-c", script, "bash", *super().command()]


def test_journal_gets_priorities_instead_of_times(tmp_path):
    with Journalled(tmp_path) as hark:
        hark.signal(signal.SIGHUP)
        hark.wait_log("^<6>serve: reload: read ")
    assert "<6>serve: stopping" in hark.lines


def test_json_in_the_journal_stays_json(tmp_path):
    with Journalled(tmp_path, settings=["log_format=json"]) as hark:
        hark.signal(signal.SIGHUP)
        line = hark.wait_log("^<6>({.*})")[1]
    assert json.loads(line)["level"] == "info"


def test_elsewhere_lines_have_their_time(daemon):
    hark = daemon(env={"JOURNAL_STREAM": "1:1"})
    hark.signal(signal.SIGHUP)
    hark.wait_log(r"^\d{4}-\d\d-\d\dT\S+Z info  serve: reload")
