# SPDX-License-Identifier: MIT
"""What SIGHUP changes in a running daemon, and that nobody's connection notices."""

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from harness import SCALE, wait_until
from harness.client import RawClient
from harness.conformance import fill
from harness.load import Load
from harness.nginx import free_port

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"


def status(hark):
    return json.loads(hark.cli("status", "--json").stdout)


def reload_quietly(hark, text):
    """One HUP, waited for by its line in the log."""

    def told():
        return sum("reload: read" in x or "configuration stays" in x for x in list(hark.lines))

    before = told()
    hark.config_file.write_text(text)
    hark.signal(signal.SIGHUP)
    wait_until(lambda: told() > before, "the reload's line")


def reload(hark, text):
    """The status after a reload with this file."""
    reload_quietly(hark, text)
    return status(hark)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def own(daemon):
    """A daemon whose file alone says where it listens."""

    def start(text="", listen=None, ui="off"):
        listen = listen or f"127.0.0.1:{free_port()}"
        hark = daemon(config=f"listen = {listen}\nui = {ui}\n{text}", listen=None, ui=None)
        hark.asked = listen
        return hark

    return start


def test_file_that_is_gone_keeps_the_old_configuration(daemon, origin, client, tmp_path):
    """What must not reach the disk does not, even while an editor has the file moved away."""
    folder = tmp_path / "xdg/hark"
    folder.mkdir(parents=True)
    file = folder / "hark.conf"
    file.write_text("redact_headers = Authorization\n")
    hark, server = daemon(env={"XDG_CONFIG_HOME": folder.parent}), origin()
    hark.wait_log(f"serve: read {file}$")
    moved = file.rename(folder / "hark.conf.bak")
    hark.signal(signal.SIGHUP)
    hark.wait_log(rf"reload: config: {file}, which was read before, is gone; .*old configuration stays")
    ask = GET.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer secret\r\n\r\n")
    assert client(hark).ask(fill(ask, server)).status == 200
    moved.rename(file)
    hark.signal(signal.SIGHUP)
    hark.wait_log(f"reload: read {file}")
    hark.stop()
    assert b"secret" not in hark.db.read_bytes()


class TestListen:
    def test_address_is_added_and_the_first_stays(self, own, origin, client):
        hark, server, port = own(), origin(), free_port()
        old = client(hark)
        assert old.ask(fill(GET, server)).status == 200
        now = reload(hark, f"listen = {hark.asked} 127.0.0.1:{port}\nui = off\n")
        assert now["proxy"] == [f"http://{hark.asked}", f"http://127.0.0.1:{port}"]
        assert now["reload"]["changed"] == "listen"
        first = hark.proxy_port
        hark.proxy_port = port
        assert client(hark).ask(fill(GET, server)).status == 200
        hark.proxy_port = first
        assert client(hark).ask(fill(GET, server)).status == 200
        assert old.ask(fill(GET, server)).status == 200

    def test_removed_address_lets_its_connections_end(self, own, origin, client):
        hark, server, port = own(), origin(), free_port()
        old, idle = client(hark), client(hark)
        assert old.ask(fill(GET, server)).status == 200
        assert reload(hark, f"listen = 127.0.0.1:{port}\nui = off\n")["proxy"] == [
            f"http://127.0.0.1:{port}"
        ]
        wait_until(lambda: not is_open(hark.proxy_port), "the old address to be closed")
        assert old.ask(fill(GET, server)).status == 200
        assert idle.ask(fill(GET, server)).status == 200

    def test_address_widens_and_narrows_without_losing_anybody(self, own, origin):
        hark, server = own(), origin()
        port = hark.proxy_port
        load = Load(port, server.url, clients=2)
        for address in ("0.0.0.0", "127.0.0.1", "[::]", "0.0.0.0"):
            text = f"listen = {address}:{port}\nui = off\nallow = 127.0.0.0/8\n"
            now = reload(hark, text)
            assert (now["reload"]["problem"], now["proxy"]) == (None, [f"http://{address}:{port}"])
            count = len(load.answered)
            wait_until(lambda: len(load.answered) > count + 20 or load.broken, "more traffic")
            with RawClient(port) as peer:
                assert peer.ask(fill(GET, server)).status == 200
        load.stop()
        assert not load.broken, load.broken[0]
        assert set(load.statuses) == {200}

    def test_second_daemon_is_told_after_a_move(self, own, daemon):
        hark = own()
        reload(hark, f"listen = 0.0.0.0:{hark.proxy_port}\nui = off\nallow = 127.0.0.0/8\n")
        for address in ("127.0.0.1", "0.0.0.0"):
            done = hark.cli("serve", "--listen", f"{address}:{hark.proxy_port}", "--ui", "off",
                            "--set", "allow=127.0.0.0/8", "--data-dir", hark.home / "other")
            assert done.returncode == 1 and "Address already in use" in done.stderr

    def test_address_in_use_changes_nothing_at_all(self, own, origin, client):
        hark, server = own(), origin()
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            now = reload(hark, f"listen = {free_port() and taken}\nui = off\nvia = on\n")
        assert now["proxy"] == [f"http://{hark.asked}"]
        assert taken in now["reload"]["problem"] and not now["reload"]["changed"]
        hark.wait_log(rf"reload: listen on {taken}.*old configuration stays")
        assert client(hark).ask(fill(GET, server)).status == 200
        assert server.requests[0].get("Via") is None

    def test_loop_is_seen_at_an_added_address(self, own, client):
        hark, port = own(), free_port()
        reload(hark, f"listen = {hark.asked} 127.0.0.1:{port}\nui = off\n")
        ask = f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        assert client(hark).ask(ask.encode()).status in (403, 508)


class TestPage:
    def page(self, port, path="/livez"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read()

    def test_page_moves_and_its_connections_end_by_themselves(self, own):
        first, second = free_port(), free_port()
        hark = own(ui=f"127.0.0.1:{first}")
        ask = f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{first}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", first)) as old:
            old.sendall(ask)
            assert old.recv(4096).startswith(b"HTTP/1.1 200")
            now = reload(hark, f"listen = {hark.asked}\nui = 127.0.0.1:{second}\n")
            assert now["page"] == f"http://127.0.0.1:{second}"
            assert self.page(second) == b"ok\n"
            wait_until(lambda: not is_open(first), "the old page to be closed")
            old.sendall(ask)
            assert old.recv(4096).startswith(b"HTTP/1.1 200")

    def test_page_widens_on_its_port(self, own):
        port = free_port()
        hark = own(ui=f"127.0.0.1:{port}")
        for address in ("0.0.0.0", "127.0.0.1"):
            now = reload(hark, f"listen = {hark.asked}\nui = {address}:{port}\nallow = 127.0.0.0/8\n")
            assert now["page"] == f"http://{address}:{port}"
            assert self.page(port) == b"ok\n"

    def test_page_is_turned_off_and_on_and_is_never_proxied(self, own, client):
        port = free_port()
        hark = own(ui=f"127.0.0.1:{port}")
        ask = f"GET http://127.0.0.1:{port}/livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        assert reload(hark, f"listen = {hark.asked}\nui = off\n")["page"] is None
        assert client(hark).ask(ask.encode()).status == 502
        assert reload(hark, f"listen = {hark.asked}\nui = 127.0.0.1:{port}\n")["page"]
        assert self.page(port) == b"ok\n"
        assert client(hark).ask(ask.encode()).status == 403


class TestKeys:
    def test_what_changed_is_told_in_the_log_and_the_status(self, own):
        hark = own()
        text = f"listen = {hark.asked}\nui = off\nvia = on\nworkers = 1\nidle_timeout = 5m\n"
        now = reload(hark, text)["reload"]
        assert (now["changed"], now["waiting"]) == ("idle_timeout via", "workers")
        assert now["problem"] is None
        hark.wait_log(r"reload: read .*hark\.conf, changed: idle_timeout via$")
        hark.wait_log(r"with the next start will change: workers$")
        shown = hark.cli("status").stdout
        assert "idle_timeout via" in shown and "workers" in shown

    def test_bad_file_is_told_with_its_line_until_a_good_one_comes(self, own):
        hark = own()
        now = reload(hark, f"listen = {hark.asked}\nui = off\nvia = perhaps\n")["reload"]
        assert "hark.conf:3" in now["problem"] and "via" in now["problem"]
        assert "hark.conf:3" in hark.cli("status").stdout
        good = reload(hark, f"listen = {hark.asked}\nui = off\n")["reload"]
        assert good["problem"] is None and good["count"] == 2

    def test_log_turns_to_json(self, own):
        hark = own()
        reload(hark, f"listen = {hark.asked}\nui = off\nlog_format = json\n")
        line = hark.wait_log(r"^\{.*reload").string
        assert json.loads(line)["part"] == "serve"

    def test_interception_is_turned_on(self, own, tls_origin, tls_client, pki):
        server = tls_origin()
        way = f"connect_to = api.example.com:443:{server.host}\n"
        trust = f"upstream_ca_file = {pki.root.certificate}\n"
        hark = own("intercept = off\n" + way + trust)
        assert not (hark.data_dir / "ca.pem").exists()
        reload(hark, f"listen = {hark.asked}\nui = off\nintercept = on\n" + way + trust)
        ask = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
        assert tls_client(hark).ask(ask).status == 200

    def test_roots_that_are_none_are_refused(self, own, tls_origin, tls_client, pki, tmp_path):
        server = tls_origin()
        way = f"connect_to = api.example.com:443:{server.host}\n"
        hark = own(f"{way}upstream_ca_file = {pki.root.certificate}\n")
        empty = tmp_path / "empty.pem"
        empty.write_text("no certificate\n")
        for file in (empty, tmp_path):
            text = f"listen = {hark.asked}\nui = off\n{way}upstream_ca_file = {file}\n"
            assert f'"{file}" holds no certificate in PEM' in reload(hark, text)["reload"]["problem"]
        ask = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
        assert tls_client(hark).ask(ask).status == 200

    def test_connections_are_limited_anew(self, own, origin, client):
        hark, server = own("max_connections = 1\n"), origin()
        first = client(hark)
        assert first.ask(fill(GET, server)).status == 200
        reload(hark, f"listen = {hark.asked}\nui = off\nmax_connections = 100\n")
        assert client(hark).ask(fill(GET, server)).status == 200
        assert first.ask(fill(GET, server)).status == 200

    def test_queue_limit_changes(self, own):
        hark = own("queue_bytes = 1M\n")
        assert status(hark)["queue_limit_bytes"] == 1 << 20
        now = reload(hark, f"listen = {hark.asked}\nui = off\nqueue_bytes = 3M\n")
        assert now["queue_limit_bytes"] == 3 << 20

    def test_mode_off_is_ready_and_says_so(self, own):
        port = free_port()
        hark = own(ui=f"127.0.0.1:{port}")
        now = reload(hark, f"listen = {hark.asked}\nui = 127.0.0.1:{port}\nmode = off\n")
        assert (now["mode"], now["is_recording"]) == ("off", False)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200


def test_hundred_reloads_under_traffic_fail_no_request(own, origin):
    hark, server = own(), origin()
    spare = free_port()
    load = Load(hark.proxy_port, server.url, clients=4)
    for number in range(100):
        wait_until(lambda: number % 2 == 0 or not is_open(spare), "the spare address to be free")
        also = f" 127.0.0.1:{spare}" if number % 2 else ""
        reload_quietly(
            hark,
            f"listen = {hark.asked}{also}\nui = off\nheader_timeout = {number + 10}s\n"
            f"connect_to = nowhere.example:80:127.0.0.1:{number + 1}\n",
        )
    assert status(hark)["reload"]["count"] == 100
    load.stop()
    assert not load.broken, load.broken[0]
    assert set(load.statuses) == {200}
    hark.wait_rows("status = 200", count=len(load.answered))


def resident_bytes(hark):
    pages = Path(f"/proc/{hark.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.skipif(SCALE > 1, reason="a sanitizer keeps what was freed for a while")
def test_older_configurations_are_freed(own, origin, client):
    """Each of these files makes a configuration of more than a megabyte."""
    hark, server = own(), origin()
    peer = client(hark)
    hosts = "\n".join(f" host-{n}.{'x' * 150}.example" for n in range(150))
    measured = []
    for number in range(60):
        reload_quietly(
            hark,
            f"listen = {hark.asked}\nui = off\nidle_timeout = {number + 60}s\n"
            f"passthrough = first.example\n{hosts}\n",
        )
        assert peer.ask(fill(GET, server)).status == 200
        measured.append(resident_bytes(hark))
    assert measured[-1] - measured[19] < 15_000_000, measured[::10]
