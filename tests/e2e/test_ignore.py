# SPDX-License-Identifier: MIT
"""`ignore`: what matches is forwarded and not recorded, however late it is known to match."""

import threading

import pytest
from harness import wait_until
from harness.conformance import named
from harness.tls import HOST, open_tunnel

MIB = 1 << 20


def get(path, *fields):
    return "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: a", *fields, "")).encode()


def answer(status, body=b"ok", fields=b""):
    return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


def ignored(hark):
    lines = [line.split() for line in hark.cli("status").stdout.splitlines()]
    return next((int(line[1]) for line in lines if line[:1] == ["ignored"]), 0)


@pytest.fixture
def ignoring(daemon):
    """ignoring(filter, setting, …) is a daemon that does not record what matches."""
    return lambda text, *settings, **options: daemon(
        settings=[f"ignore={text}", *settings], **options
    )


class Server:
    """Answers by path: /404, /big, /slow (held until `go`), anything else 200."""

    def __init__(self, origin):
        self.go = threading.Event()
        self.origin = origin(self.handle)
        self.url = self.origin.url

    def handle(self, conn):
        while (request := conn.read_head()) is not None:
            path = request.target
            if path == "/404":
                conn.send(answer(404))
            elif path == "/json":
                conn.send(answer(200, b"{}", b"Content-Type: application/json\r\n"))
            elif path == "/big":
                conn.send(answer(200, b"x" * (3 * MIB)))
            elif path == "/slow":
                self.go.wait(30)
                conn.send(answer(200))
            else:
                conn.send(answer(200))


@pytest.fixture
def server(origin):
    return Server(origin)


@named(
    path=("path:/health*", "/health/x", "/other"),
    host=("host:127.0.0.1 url:health", "/health", "/other"),
    field=("header:x-probe", "/field", "/other"),
    status=("status:404", "/404", "/other"),
    type=("type:json", "/json", "/other"),
    size=("size:>1M", "/big", "/other"),
    not_an_error=("not status:404", "/other", "/404"),
    two=("path:/other status:404 or path:/health", "/health", "/other"),
)
@pytest.mark.parametrize("durability", ["relaxed", "commit"])
def test_ignored_and_kept(ignoring, server, client, durability, given):
    text, dropped, kept = given
    hark = ignoring(text, f"durability={durability}")
    peer = client(hark)
    fields = ["X-Probe: 1"] if dropped == "/field" else []
    first = peer.ask(get(server.url + dropped, *fields))
    second = peer.ask(get(server.url + kept))
    assert first.complete and second.complete
    hark.wait_row("path = ?", kept)
    wait_until(lambda: not hark.sql("SELECT 1 FROM exchange WHERE path = ?", dropped), "its end")
    assert ignored(hark) == 1
    hark.stop()
    assert hark.value("SELECT count(*) FROM exchange") == 1
    assert hark.value("SELECT count(*) FROM body WHERE exchange_id NOT IN (SELECT id FROM exchange)") == 0


def test_what_was_written_is_taken_out_again(ignoring, server, client):
    """It lasts over 100 ms, so it is in the recording as pending before it is known to match."""
    hark = ignoring("status:200")
    peer = client(hark)
    peer.send(get(server.url + "/slow"))
    wait_until(lambda: hark.sql("SELECT 1 FROM exchange WHERE state = 'pending'"), "its row")
    server.go.set()
    assert peer.response().status == 200
    wait_until(lambda: not hark.sql("SELECT 1 FROM exchange"), "its end")
    hark.stop()
    assert hark.value("SELECT count(*) FROM body") == 0


def test_ids_have_no_gaps_where_requests_come_one_by_one(ignoring, server, client):
    """Who follows the recording waits for ids that are missing."""
    hark = ignoring("path:/health")
    peer = client(hark)
    for path in ("/health", "/a", "/health", "/health", "/b"):
        peer.ask(get(server.url + path))
    assert [row["id"] for row in hark.wait_rows("path <> ''", count=2)] == [1, 2]


def test_large_bodies_are_taken_out_in_slices(ignoring, server, client):
    hark = ignoring("size:>1M")
    for _ in range(8):
        assert len(client(hark).ask(get(server.url + "/big")).body) == 3 * MIB
    assert client(hark).ask(get(server.url + "/kept")).status == 200
    hark.wait_row("path = '/kept'")
    wait_until(lambda: hark.value("SELECT count(*) FROM body") == 1, "the end of the others")
    assert hark.value("SELECT count(*) FROM exchange") == 1
    assert hark.value("PRAGMA integrity_check") == "ok"


def test_at_the_end_of_the_daemon(ignoring, server, client):
    """What is to be taken out is taken out before it stops."""
    hark = ignoring("size:>1M")
    for _ in range(4):
        client(hark).ask(get(server.url + "/big"))
    hark.stop()
    assert hark.sql("SELECT * FROM exchange") == []
    assert hark.value("SELECT count(*) FROM body") == 0


def test_failed_exchange(ignoring, client):
    hark = ignoring("is:error")
    assert client(hark).ask(get("http://127.0.0.1:1/")).status == 502
    assert client(hark).ask(b"nonsense\r\n\r\n").status == 400
    hark.stop()
    assert hark.sql("SELECT * FROM exchange") == []


def test_tunnel(ignoring, origin, client):
    def handle(conn):
        conn.send(b"220 hello\r\n")

    server = origin(handle)
    hark = ignoring("is:tunnel")
    peer = client(hark)
    open_tunnel(peer, server.host)
    assert peer.reader.until(b"\n") == b"220 hello\r\n"
    peer.close()
    wait_until(lambda: ignored(hark) == 1, "its end")
    hark.stop()
    assert hark.sql("SELECT * FROM exchange") == []


def test_upgraded_connection(ignoring, origin, client):
    """Nothing of it is written, though it lasts."""

    def handle(conn):
        conn.read_head()
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade)
        while conn.reader.fill():
            conn.send(conn.reader.take(len(conn.reader.buffer)))

    server = origin(handle)
    hark = ignoring("is:websocket")
    peer = client(hark)
    peer.send(get(server.url + "/ws", "Upgrade: websocket", "Connection: Upgrade"))
    assert " 101 " in peer.reader.head().start_line
    assert peer.send(b"\x81\x82abcdhi").reader.until(b"hi") == b"\x81\x82abcdhi"
    assert ignored(hark) == 1
    wait_until(lambda: not hark.sql("SELECT 1 FROM exchange"), "its pending row's end")
    peer.send(b"\x81\x82abcdhi").reader.until(b"hi")
    peer.close()
    hark.stop()
    assert hark.value("SELECT count(*) FROM message") == 0


def test_inside_of_tls(tls_origin, https_daemon, tls_client):
    hark = https_daemon(tls_origin(), "ignore=path:/private*")
    peer = tls_client(hark)
    for path in ("/private/1", "/public"):
        assert peer.ask(get(path).replace(b"Host: a", b"Host: " + HOST.encode())).body == b"ok"
    assert hark.wait_row("path = '/public'")["scheme"] == "https"
    hark.stop()
    assert hark.value("SELECT count(*) FROM exchange") == 1


def test_replays_are_recorded(ignoring, server, client, daemon):
    hark = daemon()
    client(hark).ask(get(server.url + "/x"))
    hark.wait_row("path = '/x'")
    hark.stop()
    again = ignoring("path:/x", data_dir=hark.data_dir)
    assert again.cli("replay", "@last").returncode == 0
    assert again.value("SELECT count(*) FROM exchange WHERE source = 'replay'") == 1


def test_ignored_answers_are_not_played_back(ignoring, server, client):
    hark = ignoring("path:/x", "mode=playback-or-record")
    for _ in range(2):
        assert client(hark).ask(get(server.url + "/x")).body == b"ok"
    assert [sent.target for sent in server.origin.requests] == ["/x", "/x"]
    hark.stop()
    assert hark.sql("SELECT * FROM exchange") == []


def test_reload(daemon, server, client):
    hark = daemon(config="ignore = path:/a\n")
    client(hark).ask(get(server.url + "/a"))
    hark.config_file.write_text("ignore = path:/b\n")
    hark.signal(1)
    hark.wait_log("reload: read")
    wait_until(
        lambda: client(hark).ask(get(server.url + "/a"))
        and hark.sql("SELECT 1 FROM exchange WHERE path = '/a'"),
        "the new filter",
    )
    client(hark).ask(get(server.url + "/b"))
    client(hark).ask(get(server.url + "/c"))
    hark.wait_row("path = '/c'")
    assert hark.sql("SELECT 1 FROM exchange WHERE path = '/b'") == []


@named(
    body=("host:a body:x", "filter: column 8: bodies are not looked into"),
    id=("id:7", "filter: column 1: ids and sessions say nothing"),
    since=("since:1h", "filter: column 1:"),
    unknown=("statsu:404", 'did you mean "status:"?'),
    replay=("is:replay", "always recorded"),
)
def test_words_that_cannot_be_judged(hark, given):
    text, message = given
    done = hark.cli("serve", "--check-config", "--set", f"ignore={text}")
    assert done.returncode == 2
    assert message in done.stderr
    assert "--set ignore=" in done.stderr
