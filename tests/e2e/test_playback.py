# SPDX-License-Identifier: MIT
"""mode = playback: programs get from the recording what they once got from their origins.

Everything is recorded by a first daemon and played back by a second one, which is told of no origin
and finds none: the origins are stopped by then.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from harness import LARGE_MIB, SCALE, wait_until
from harness.daemon import clean_environment, run_hark
from harness.message import Aborted
from harness.running import Running, Summary
from harness.services import Services
from harness.tls import HOST, client_context, open_tunnel, start_tls
from test_https_clients import PYTHON, answer
from test_scenarios_http import API_PROGRAMS
from test_scenarios_http import run as run_program

TEXT = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
JSON = (("Content-Type", "application/json"),)
# A sanitizer keeps freed memory for a while: there the figure says nothing.
MEMORY_ALLOWED = (24 if SCALE == 1 else 1024) << 20


def text(body):
    return TEXT % (len(body), body)


def request(method, url, body=b"", fields=()):
    host = url.split("/")[2]
    lines = [f"{method} {url} HTTP/1.1", f"Host: {host}", *(f"{n}: {v}" for n, v in fields)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(daemon, client, *requests):
    """The answers to requests on one connection, as (status, fields, body)."""
    connection = client(daemon)
    answers = []
    for one in requests:
        connection.send(one)
        got = connection.response()
        answers.append((got.status, got.head.fields, got.body))
    return answers


def read_until_closed(connection):
    with contextlib.suppress(Aborted):
        connection.reader.rest(lambda _: None)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def play(daemon, tmp_path):
    """play(recorder, *settings) stops that daemon, and the player before, and starts one that plays
    its recording back."""
    started = []

    def start(recorder, *settings, mode="playback"):
        for one in (recorder, *started):
            if one.is_running():
                one.stop()
        folder = tmp_path / f"fixture{len(started)}"
        folder.mkdir()
        shutil.copy(recorder.db, folder / "api.db")
        started.append(daemon("--db", folder / "api.db", "--mode", mode, settings=settings,
                              data_dir=recorder.data_dir))
        return started[-1]

    return start


# -- programs --------------------------------------------------------------------------------------

@pytest.mark.parametrize("program", [*API_PROGRAMS, "requests_services.py"])
def test_program_gets_the_same_from_the_recording(daemon, play, tmp_path, program):
    with Services() as services:
        recorder = daemon(settings=services.settings)
        recorded = run_program(program, recorder.proxy_url, tmp_path / "recorded")
        recorder.wait_rows("1", count=2)
    player = play(recorder)
    assert run_program(program, player.proxy_url, tmp_path / "played") == recorded


@pytest.mark.parametrize("library", [*PYTHON, "curl"])
def test_https_program_gets_the_same_from_the_recording(
        tls_origin, https_daemon, play, library):
    if library in ("requests", "httpx", "aiohttp"):
        pytest.importorskip(library)
    server = tls_origin(answer)
    recorder = https_daemon(server)

    def run(hark):
        names = f'URL, PORT = "https://api.example.com", {hark.proxy_port}\n'
        names += f'CA = "{hark.data_dir / "ca.pem"}"\n'
        command = [sys.executable, "-c", names + PYTHON.get(library, "")]
        if library == "curl":
            command = ["curl", "-sS", "https://api.example.com/get", "-d", "a=1"]
        authority = hark.data_dir / "ca.pem"
        trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        environment = clean_environment(
            hark.home, **dict.fromkeys(trust, authority), https_proxy=hark.proxy_url,
            HTTPS_PROXY=hark.proxy_url)
        done = subprocess.run(command, env=environment, cwd=hark.home, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=30 * SCALE, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    recorded = run(recorder)
    assert recorded
    recorder.stop()
    server.stop()
    assert run(play(recorder)) == recorded


# -- finding the answer ----------------------------------------------------------------------------

def test_answers_come_in_their_recorded_order_and_the_last_repeats(daemon, origin, client, play):
    answers = iter([text(b"one"), text(b"two"), text(b"three")])

    def handle(conn):
        while conn.read_request():
            conn.send(next(answers))

    server = origin(handle)
    recorder = daemon()
    ask(recorder, client, *[request("GET", server.url + "/n")] * 3)
    server.stop()
    player = play(recorder)
    got = ask(player, client, *[request("GET", server.url + "/n")] * 5)
    assert [body for _, _, body in got] == [b"one", b"two", b"three", b"three", b"three"]


def test_what_decides_is_the_query_by_parameter_and_json_by_content(daemon, origin, client, play):
    def handle(conn):
        while one := conn.read_request():
            conn.send(text(one.target.encode() + b" " + one.body))

    server = origin(handle)
    recorder = daemon()
    url = server.url
    ask(recorder, client, request("GET", url + "/?a=1&b=x%20y"), request("GET", url + "/?a=2"),
        request("POST", url + "/", b'{"a": 1, "b": [1, {"c": "\xc3\xbc"}]}', JSON),
        request("POST", url + "/", b'{"a": 2}', JSON), request("POST", url + "/", b"a=1"))
    server.stop()
    player = play(recorder)
    got = ask(player, client, request("GET", url + "/?b=x+y&a=1"), request("GET", url + "/?a=2"),
              request("POST", url + "/", b'{"a":2}', JSON),
              request("POST", url + "/", b'{"b":[1,{"c":"\\u00fc"}],"a":1}', JSON),
              request("POST", url + "/", b"a=1"), request("POST", url + "/", b"a= 1"),
              request("POST", url + "/", b'{"b": [{"c": "\xc3\xbc"}, 1], "a": 1}', JSON))
    assert [status for status, _, _ in got] == [200] * 5 + [504] * 2
    assert b"/?a=1&b=x%20y" in got[0][2] and b"/?a=2" in got[1][2]
    assert b'{"a": 2}' in got[2][2] and b'"b": [1' in got[3][2] and got[4][2].endswith(b"a=1")


def test_what_is_ignored_and_what_is_matched_can_be_said(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client,
        request("GET", server.url + "/?key=1&a=1", fields=[("Accept", "x/y"), ("X-Id", "1")]))
    server.stop()
    asked = request("GET", server.url + "/?key=2&a=1", fields=[("Accept", "x/y"), ("X-Id", "2")])
    other = request("GET", server.url + "/?key=2&a=1", fields=[("Accept", "z/z"), ("X-Id", "2")])
    match = "playback_match=method host port path query headers"
    statuses = {}
    for name, settings in {
        "default": [],
        "query": ["playback_ignore_query=key"],
        "headers": ["playback_ignore_query=key", match],
        "some": ["playback_ignore_query=key", match, "playback_ignore_headers=x-id"],
        "one": ["playback_ignore_query=key", "playback_match=path query header:accept"],
        "path": ["playback_match=path"],
    }.items():
        got = ask(play(recorder, *settings), client, asked, other)
        statuses[name] = tuple(status for status, _, _ in got)
    assert statuses == {"default": (504, 504), "query": (200, 200), "headers": (504, 504),
                        "some": (200, 504), "one": (200, 504), "path": (200, 200)}


def test_session_and_filter_choose_what_answers(daemon, origin, client, play):
    answers = iter([text(b"one"), text(b"two")])

    def handle(conn):
        while conn.read_request():
            conn.send(next(answers))

    server = origin(handle)
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/n"))
    recorder.stop()
    recorder.start()
    ask(recorder, client, request("GET", server.url + "/n"))
    server.stop()
    session = recorder.wait_rows("1", count=2)[1]["session_id"]
    chosen = play(recorder, f"playback_filter=session:{session}")
    assert ask(chosen, client, request("GET", server.url + "/n"))[0][2] == b"two"
    other = play(recorder, "playback_filter=path:/other")
    assert ask(other, client, request("GET", server.url + "/n"))[0][0] == 504


def test_miss_names_the_closest_request_and_what_differs(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/items?page=1&size=5"),
        request("POST", server.url + "/items", b'{"a": {"b": [1, 2]}, "c": 3}', JSON))
    server.stop()
    player = play(recorder)
    got = ask(player, client, request("GET", server.url + "/items?page=2&size=5"),
              request("DELETE", server.url + "/items?page=1&size=5"),
              request("POST", server.url + "/items", b'{"c": 3, "a": {"b": [1, 7]}}', JSON),
              request("GET", server.url + "/other?page=1&size=5"))
    for (status, fields, body), needle in zip(got, [
        'query parameter page ("2" here, "1" there)', 'method ("DELETE" here, "GET" there)',
        'body at $.a.b[1] ("7" here, "2" there)', 'path ("/other" here, "/items" there)',
    ]):
        assert status == 504 and dict(fields)["Hark-Error"] == "playback-miss"
        assert needle in body.decode(), body.decode()
        assert re.search(r"the closest, #\d+ (GET|POST) http://", body.decode())
        assert "hark show" not in body.decode()
    assert json.loads(player.cli("status", "--json").stdout)["playback_misses"] == 4


FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
PLAIN = (("Content-Type", "text/plain"),)
BYTES = (("Content-Type", "application/octet-stream"),)


def test_miss_says_exactly_where_repeated_parameters_and_bodies_differ(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    url = server.url
    ask(recorder, client, request("GET", url + "/q?tag=a&tag=b"), request("POST", url + "/form", b"a=1&b=2", FORM),
        request("POST", url + "/text", "grüß\ndich".encode(), PLAIN), request("POST", url + "/bytes", b"\0\1\2", BYTES))
    server.stop()
    got = ask(play(recorder), client, request("GET", url + "/q?tag=a"), request("GET", url + "/q?tag=a&tag=a"),
              request("POST", url + "/form", b"a=1&b=3", FORM), request("POST", url + "/form", b"a=1&b=2&c=", FORM),
              request("POST", url + "/form", b"b=2&a=1", FORM),
              request("POST", url + "/text", "grüß\ndoch".encode(), PLAIN),
              request("POST", url + "/text", "grüß\n".encode(), PLAIN),
              request("POST", url + "/bytes", b"\0\1\3", BYTES))
    for (status, _, body), needle in zip(got, [
        'query parameter tag (not here, "b" there)', 'query parameter tag ("a" here, "b" there)',
        'form field b ("3" here, "2" there)', 'form field c ("" here, not there)',
        'body from byte 1 on ("b=2&a=1" here, "a=1&b=2" there)',
        'body from byte 9 on ("och" here, "ich" there)', 'body from byte 8 on ("" here, "dich" there)',
        'body at byte 3 ("3 bytes" here, "3 bytes" there)',
    ]):
        assert status == 504 and needle in body.decode(), body.decode()


def test_miss_names_the_same_request_that_does_not_answer(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/lost"), request("GET", server.url + "/other"))
    recorder.wait_rows("1", count=2)
    recorder.stop()
    server.stop()
    filtered = play(recorder, "playback_filter=status:500")
    filtered.wait_log("playback_filter status:500 leaves nothing that can answer")
    body = ask(filtered, client, request("GET", server.url + "/lost"))[0][2].decode()
    assert re.search(r"; #\d+ GET \S+/lost is the same, but is left out by playback_filter", body), body
    subprocess.run(["sqlite3", str(recorder.db), "UPDATE exchange SET status = NULL, state = 'client-abort' "
                    "WHERE path = '/lost'"], check=True)
    player = play(recorder)
    player.wait_log("1 recorded exchange can answer")
    body = ask(player, client, request("GET", server.url + "/lost"))[0][2].decode()
    assert re.search(r"; #\d+ GET \S+/lost is the same, but has no answer \(client-abort\)", body), body


def test_field_that_an_import_left_behind_stays_here(daemon, client, tmp_path):
    har = {"log": {"entries": [{"startedDateTime": "2026-01-31T12:00:00Z", "request": {
        "method": "GET", "url": "http://a.example/"}, "response": {"status": 200, "headers": [
            {"name": "Content-Encoding", "value": "gzip"}, {"name": "X-Kept", "value": "1"}],
            "content": {"text": "plain"}}}]}}
    (tmp_path / "a.har").write_text(json.dumps(har))
    db = tmp_path / "a.db"
    assert run_hark("import", "--db", db, tmp_path / "a.har", home=tmp_path).returncode == 0
    player = daemon("--db", db, "--mode", "playback")
    status, fields, body = ask(player, client, request("GET", "http://a.example/"))[0]
    assert (status, body, dict(fields).get("X-Kept")) == (200, b"plain", "1")
    assert not [name for name, _ in fields if "encoding" in name.lower() and name != "Transfer-Encoding"]


# -- as it was on the wire -------------------------------------------------------------------------

def test_answer_is_as_it_was_on_the_wire(daemon, origin, client, play):
    head = (b"HTTP/1.1 203 Odd Reason\r\nX-b: 1\r\nSet-Cookie: a=1\r\nx-B: 2\r\nSet-Cookie: b=2\r\n"
            b"X-Latin: \xe9\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
    server = origin(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head
                    + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n")
    recorder = daemon()

    def exchange(hark):
        connection = client(hark)
        connection.send(request("GET", server.url + "/wire"))
        connection.response()
        return bytes(connection.reader.received)

    recorded = exchange(recorder)
    assert b"103 Early Hints" in recorded and b"X-Sum: 7" in recorded and b"\xe9" in recorded
    server.stop()
    # The size of chunks is each hop's own affair.
    unchunked = [re.sub(rb"\r\n[0-9a-f]+\r\n(?!X)", b"|", one)
                 for one in (recorded, exchange(play(recorder)))]
    assert unchunked[0].replace(b"|", b"") == unchunked[1].replace(b"|", b"")


def test_head_and_no_content_stay_without_body(daemon, origin, client, play):
    answers = iter([b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n",
                    b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
                    b"HTTP/1.1 204 No Content\r\n\r\n"])

    def handle(conn):
        while conn.read_request():
            conn.send(next(answers))

    server = origin(handle)
    asked = [("HEAD", "/h"), ("GET", "/n"), ("DELETE", "/d")]

    def heads(hark):
        connection = client(hark)
        got = []
        for method, path in asked:
            connection.send(request(method, server.url + path))
            got.append(connection.response(method=method))
        return [(one.status, one.head.fields, one.body) for one in got]

    recorder = daemon()
    recorded = heads(recorder)
    server.stop()
    assert heads(play(recorder)) == recorded


def test_large_bodies_stream_both_ways_in_constant_memory(daemon, origin, client, play):
    size = LARGE_MIB << 20
    piece = os.urandom(1 << 20)

    def handle(conn):
        while one := conn.read_head():
            conn.read_body(one, sink=lambda _: None)
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size,
                      *[piece] * (size >> 20))

    server = origin(handle)

    def digest_through(hark):
        connection = client(hark)
        connection.send(b"PUT %s/big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                        % (server.url.encode(), size))
        for _ in range(size >> 20):
            connection.send(piece)
        got = hashlib.sha256()
        connection.response(sink=got.update)
        return got.hexdigest()

    recorder = daemon()
    recorded = digest_through(recorder)
    server.stop()
    player = play(recorder)
    before = player.rss()
    assert digest_through(player) == recorded
    assert player.peak_rss() - before < MEMORY_ALLOWED


def test_errors_are_played_back(daemon, origin, client, play):
    def handle(conn):
        one = conn.read_request()
        if one.target == "/reset":
            conn.reset()
        else:
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    server = origin(handle)
    recorder = daemon()
    urls = ["http://no-such-host.invalid/", server.url + "/reset", "http://127.0.0.1:1/"]
    recorded = [ask(recorder, client, request("GET", url))[0] for url in urls]
    assert [dict(fields)["Hark-Error"] for _, fields, _ in recorded] == [
        "dns", "upstream-reset", "connect"]

    def cut(hark):
        connection = client(hark)
        connection.send(request("GET", server.url + "/cut"))
        read_until_closed(connection)
        return bytes(connection.reader.received)

    broken = cut(recorder)
    assert broken.endswith(b"\r\n\r\nabc")
    server.stop()
    player = play(recorder, "playback_record=on")
    assert [ask(player, client, request("GET", url))[0] for url in urls] == recorded
    assert cut(player) == broken
    rows = player.wait_rows("source = 'playback'", count=4)
    assert [(row["state"], row["error"]) for row in rows] == [
        ("upstream-error", "dns"), ("upstream-error", "upstream-reset"),
        ("upstream-error", "connect"), ("truncated", "upstream-reset")]


# -- the pace --------------------------------------------------------------------------------------

def arrivals(hark, client, url):
    """When each event came, in seconds since the request."""
    connection = client(hark)
    began = time.monotonic()
    times = []

    def take(data):
        times.extend([time.monotonic() - began] * bytes(data).count(b"data:"))

    connection.send(request("GET", url))
    answer = connection.response(sink=take)
    assert answer.status == 200
    return times


def test_recorded_pace_gives_each_event_its_time(daemon, origin, client, play):
    def events(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(4):
            event = b"data: %d\n\n" % number
            conn.send(b"%x\r\n%s\r\n" % (len(event), event))
            wait_until(lambda: len(recorder.segments(1, "response")) > number, "the event's row")
        conn.send(b"0\r\n\r\n")

    server = origin(events)
    recorder = daemon()
    arrivals(recorder, client, server.url + "/events")
    server.stop()
    recorded = recorder.wait_row("1")
    # A machine that is busy may have two events come at once.
    offsets = [row["at_us"] / 1e6 for row in recorder.segments(recorded["id"], "response")
               for _ in range(bytes(row["data"], "utf-8").count(b"data:"))]
    assert len(offsets) == 4
    player = play(recorder, "playback_pace=recorded")
    times = arrivals(player, client, server.url + "/events")
    assert len(times) == 4
    # Started a moment after the request was sent, so never too early.
    assert all(at >= offset for at, offset in zip(times, offsets))


def test_client_that_left_a_stream_gets_as_much_again(daemon, origin, client, play):
    def endless(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  b"9\r\ndata: 0\n\n\r\n", b"9\r\ndata: 1\n\n\r\n")
        conn.wait_peer_closes()

    server = origin(endless)

    def read_two(hark):
        connection = client(hark)
        connection.send(request("GET", server.url + "/events"))
        connection.reader.until(b"data: 1\n\n")
        connection.close()

    recorder = daemon()
    read_two(recorder)
    assert recorder.wait_row("1")["state"] == "client-abort"
    server.stop()
    read_two(play(recorder))


# -- nothing goes out, nothing is written ----------------------------------------------------------

def test_recording_stays_as_it_is(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/"), request("POST", server.url, b"x"))
    server.stop()
    player = play(recorder)
    folder, before = player.db.parent, digest(player.db)
    ask(player, client, request("GET", server.url + "/"), request("GET", server.url + "/miss"),
        request("POST", server.url, b"x"))
    assert player.cli("status", "--json").returncode == 0
    player.stop()
    assert digest(player.db) == before
    assert [one.name for one in folder.iterdir()] == ["api.db"]


def test_playback_rows_are_recorded_if_asked_for(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/"))
    server.stop()
    player = play(recorder, "playback_record=on")
    ask(player, client, *[request("GET", server.url + "/")] * 2)
    rows = player.wait_rows("source = 'playback'", count=2)
    assert {row["replay_of"] for row in rows} == {1}
    assert player.body(rows[0]["id"], "response") == b"ok"


def test_no_connection_and_no_dns(tls_origin, https_daemon, play, client, daemon, origin):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    secure = tls_origin(answer)
    recorder = https_daemon(secure)
    plain = origin()
    ask(recorder, client, request("GET", plain.url + "/"))
    context = client_context(recorder.data_dir / "ca.pem")

    def ask_inside(hark):
        connection = client(hark)
        open_tunnel(connection, f"{HOST}:443")
        start_tls(connection, context, HOST)
        connection.send(b"GET /get HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n")
        return connection.response().status

    assert ask_inside(recorder) == 200
    secure.stop()
    plain.stop()
    player = play(recorder, "passthrough=relayed.example")
    trace = player.home / "trace"
    tracer = subprocess.Popen(
        ["strace", "-f", "-q", "-e", "trace=connect,sendto,sendmsg,sendmmsg,socket",
         "-o", str(trace), "-p", str(player.pid)], stderr=subprocess.PIPE)
    try:
        tasks = len(os.listdir(f"/proc/{player.pid}/task"))

        def traced():
            if tracer.poll() is not None:
                pytest.skip("strace may not attach here")
            states = [open(f"/proc/{player.pid}/task/{task}/status").read()
                      for task in os.listdir(f"/proc/{player.pid}/task")]
            return sum("TracerPid:\t0" not in state for state in states) == tasks

        wait_until(traced, "strace to attach", 10)
        assert ask(player, client, request("GET", plain.url + "/"))[0][0] == 200
        assert ask_inside(player) == 200
        assert ask(player, client, request("GET", "http://nowhere.example/"))[0][0] == 504
        relayed = client(player)
        assert open_tunnel(relayed, "relayed.example:443").start_line.split()[1] == "504"
        player.wait_log("miss: CONNECT relayed.example:443: the host is in passthrough")
    finally:
        tracer.terminate()
        tracer.wait()
    calls = trace.read_text()
    assert "send" in calls
    assert "connect(" not in calls
    assert "htons(53)" not in calls
    assert not re.search(r"socket\(AF_INET6?, ", calls)


# -- playback-or-record and forwarding -------------------------------------------------------------

def test_playback_or_record_forwards_a_miss_and_has_it_from_then_on(daemon, origin, client):
    def handle(conn):
        while one := conn.read_request():
            conn.send(text(b"%d %s" % (len(conn.origin.requests), one.body)))

    server = origin(handle)
    hark = daemon("--mode", "playback-or-record")
    asked = [request("GET", server.url + "/"), request("POST", server.url + "/", b'{"a":1}', JSON),
             request("POST", server.url + "/", b'{"a":2}', JSON)]
    first = [body for _, _, body in ask(hark, client, *asked)]
    assert first == [b"1 ", b'2 {"a":1}', b'3 {"a":2}']
    assert [body for _, _, body in ask(hark, client, *asked)] == first
    assert len(server.requests) == 3
    rows = hark.wait_rows("1", count=3)
    assert [row["source"] for row in rows] == ["proxy"] * 3
    server.stop()
    hark.stop()
    hark.start()
    assert [body for _, _, body in ask(hark, client, *asked)] == first
    assert len(hark.wait_rows("1", count=3)) == 3


# The row of an exchange that lasts is in the recording before its end is.
@pytest.mark.parametrize("pairs, origin_takes", [(100, 0), (10, 0.2)], ids=["quick", "slow"])
@pytest.mark.parametrize("body", [b"", b'{"a":1}'], ids=["GET", "POST"])
def test_whoever_has_an_answer_and_asks_again_elsewhere_gets_the_recorded_one(
        daemon, origin, client, body, pairs, origin_takes):
    def handle(conn):
        while conn.read_request():
            time.sleep(origin_takes)
            conn.send(text(b"%d" % len(conn.origin.requests)))

    server = origin(handle)
    hark = daemon("--mode", "playback-or-record", "--set", "workers=4")
    connections = [client(hark) for _ in range(8)]
    for i in range(pairs):
        url = f"{server.url}/{i}"
        asked = request("POST", url, body, JSON) if body else request("GET", url)
        answers = []
        for k in (i, i + 1):
            connections[k % 8].send(asked)
            answers.append(connections[k % 8].response().body)
        assert answers == [b"%d" % (i + 1)] * 2


def test_a_forwarded_miss_sends_the_whole_body(daemon, origin, client, play):
    def handle(conn):
        while one := conn.read_request():
            conn.send(text(hashlib.sha256(one.body).hexdigest().encode()))

    server = origin(handle)
    recorder = daemon()
    ask(recorder, client, request("POST", server.url + "/", b"x"))
    hark = play(recorder, mode="playback-or-record")
    bodies = [os.urandom(3 << 20), os.urandom(20 << 20)]
    got = ask(hark, client, *[request("POST", server.url + "/", body) for body in bodies])
    assert [body.decode() for _, _, body in got] == [
        hashlib.sha256(body).hexdigest() for body in bodies]
    rows = hark.wait_rows("id > 1", count=2)
    assert [hark.body(row["id"], "request") for row in rows] == bodies


def test_playback_miss_forward_sends_it_on_and_keeps_nothing(daemon, origin, client, play):
    server = origin()
    recorder = daemon()
    ask(recorder, client, request("GET", server.url + "/known"))
    player = play(recorder, "playback_miss=forward")
    before = digest(player.db)
    got = ask(player, client, request("GET", server.url + "/known"),
              request("POST", server.url + "/new", b"x"), request("GET", server.url + "/new"))
    assert [status for status, _, _ in got] == [200] * 3
    assert [one.target for one in server.requests] == ["/known", "/new", "/new"]
    assert digest(player.db) == before


def test_a_recording_that_is_missing_is_said(tmp_path):
    done = run_hark("serve", "--data-dir", tmp_path / "d", "--db", tmp_path / "no.db",
                    "--mode", "playback", "--listen", "127.0.0.1:0", "--ui", "off", home=tmp_path)
    assert done.returncode == 1
    assert "no.db" in done.stderr and "record" in done.stderr
    assert not (tmp_path / "no.db").exists()


# -- hark run --------------------------------------------------------------------------------------

def hark_run(tmp_path, mode, db, *words):
    flags = ["--mode", mode, "--db", db]
    return Running(tmp_path / "data", tmp_path / "home", *words, flags=flags).finish()


def test_run_records_what_is_missing_then_plays_it_back(origin, tmp_path):
    server, db = origin(), tmp_path / "api.db"
    script = ["sh", "-c", f"curl -sS {server.url}/a; curl -sS -d x=1 {server.url}/b; exit 3"]
    first = hark_run(tmp_path, "playback-or-record", db, *script)
    assert first[:2] == (3, "okok") and Summary(first[2]).count == 2
    server.stop()
    again = hark_run(tmp_path, "playback-or-record", db, *script)
    summary = Summary(again[2])
    assert again[:2] == (3, "okok") and (summary.played, summary.count) == (2, 0)
    before = digest(db)
    played = hark_run(tmp_path, "playback", db, *script)
    assert played[:2] == (3, "okok")
    assert played[2].strip().endswith("hark: played back 2 exchanges")
    assert digest(db) == before


def test_run_says_how_many_were_missed_and_keeps_the_programs_status(origin, tmp_path):
    server, db = origin(), tmp_path / "api.db"
    hark_run(tmp_path, "record", db, "curl", "-sS", server.url + "/a?x=1")
    server.stop()
    script = f"curl -sS '{server.url}/a?x=2'; curl -sS '{server.url}/a?x=1'; curl -sS {server.url}/b"
    status, out, err = hark_run(tmp_path, "playback", db, "sh", "-c", script)
    assert status == 0 and out.count("playback-miss") == 2
    log = tmp_path / "data/run.log"
    assert f"hark: played back 1 exchange, 2 misses: what differs is in {log}" in err
    assert 'the query parameter x ("2" here, "1" there)' in log.read_text()


def test_runs_that_share_a_daemon_are_told_of_their_own_misses(origin, tmp_path):
    server = origin()
    here = [tmp_path / "data", tmp_path / "home"]
    Running(*here, "curl", "-sS", server.url + "/a").finish()
    server.stop()

    def start(script):
        script = re.sub(r"/(\w)", rf"curl -sS -o /dev/null {server.url}/\1", script)
        return Running(*here, "sh", "-c", script, env={"HARK_MODE": "playback"},
                       stdin=subprocess.PIPE)

    owner = start("/a; /b; echo ready; read line; /a")
    try:
        assert owner.read_line() == "ready"
        guest = start("/a; /b; /c; /a; /d; /a").finish()
        ended = owner.finish(data=b"go on\n")
    finally:
        owner.close()
    assert "hark: played back 3 exchanges, 3 misses" in guest[2]
    assert "hark: played back 2 exchanges, 1 miss: what differs is in" in ended[2]


def test_runs_play_back_one_recording_at_the_same_time(origin, tmp_path):
    server, db = origin(), tmp_path / "api.db"
    hark_run(tmp_path, "record", db, "curl", "-sS", server.url)
    server.stop()
    runs = [Running(tmp_path / "data", tmp_path / "home", "curl", "-sS", server.url,
                    flags=["--mode", "playback", "--db", db]) for _ in range(3)]
    assert [one.finish()[:2] for one in runs] == [(0, "ok")] * 3
