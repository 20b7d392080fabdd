# SPDX-License-Identifier: MIT
"""hark replay: requests go out again as they were recorded, and what came of it is a row."""

import gzip
import hashlib
import http.client
import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest
from harness import SCALE, wait_stable, wait_until
from harness.daemon import HARK, clean_environment
from harness.origin import OK, replies
from harness.tls import HOST

MIB = 1 << 20
GZIPPED = gzip.compress(b'{"name": "hark"}' * 50, mtime=0)


def request(url, method="GET", version="HTTP/1.1", fields=b"", body=b""):
    """A request for `url`, absolute as proxies get it."""
    host = url.split("/")[2]
    lines = b"%s %s %s\r\nHost: %s\r\n" % (
        method.encode(), url.encode("latin-1"), version.encode(), host.encode(),
    )
    return lines + fields + b"\r\n" + body


def with_length(url, body, method="POST", fields=b""):
    return request(url, method, fields=fields + b"Content-Length: %d\r\n" % len(body), body=body)


def record(daemon, client, *requests, method="GET"):
    """Send requests through the daemon, one connection each; their ids, once they are written."""
    ids = []
    for raw in requests:
        peer = client(daemon)
        peer.ask(raw, method=method)
        peer.close()
        ids.append(daemon.row_of(peer)["id"])
    return ids


def replay(daemon, *words, status=0, **options):
    """Run hark replay; its results, as it printed them."""
    done = daemon.cli("replay", "--json", *words, **options)
    assert done.returncode == status, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(params=["with-daemon", "without-daemon"])
def ready(request):
    """ready(daemon): what the tests do between recording and sending again."""

    def prepare(daemon):
        if request.param == "without-daemon":
            daemon.stop()

    return prepare


EXPECT = b"Expect: 100-continue\r\n"
SAME = {
    "order-case-repeats": lambda url: request(
        url + "/a?b=%31&c", fields=b"X-b: 2\r\nx-A: 1\r\nX-b: 3\r\nAccept: */*\r\n"
    ),
    "no-user-agent": lambda url: request(url + "/"),
    "dots-in-path": lambda url: request(url + "/a/../b/./c//d?x=/../"),
    "empty-value": lambda url: request(url + "/", fields=b"X-Empty:\r\nX-After: 1\r\n"),
    "latin1-header": lambda url: request(url + "/", fields=b"X-Name: caf\xe9\r\nX-Plain: a\r\n"),
    "utf8-header": lambda url: request(url + "/", fields=b"X-Name: caf\xc3\xa9\r\n"),
    "bytes-in-target": lambda url: request(url + "/\xff\xfe?q=\xe9"),
    "credentials": lambda url: request(
        url + "/", fields=b"Authorization: Basic dTpw\r\nCookie: a=b; c=d\r\n"
    ),
    "length": lambda url: with_length(url + "/p", b"name=hark"),
    "empty-body": lambda url: with_length(url + "/p", b""),
    "nul-in-body": lambda url: with_length(url + "/p", b"\x00\xff\x00", "PUT"),
    "gzip-body": lambda url: with_length(url + "/p", GZIPPED, fields=b"Content-Encoding: gzip\r\n"),
    "chunked": lambda url: request(
        url + "/c", "POST", fields=b"Transfer-Encoding: chunked\r\n", body=b"5\r\nhello\r\n0\r\n\r\n"
    ),
    "trailers": lambda url: request(
        url + "/c", "POST", fields=b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n",
        body=b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n",
    ),
    "delete": lambda url: request(url + "/it", "DELETE"),
    "head": lambda url: request(url + "/h", "HEAD"),
    "options-server": lambda url: request(url, "OPTIONS"),
    "odd-method": lambda url: request(url + "/", "PURGE"),
    "http-1.0": lambda url: request(url + "/old", version="HTTP/1.0"),
    "hop-by-hop": lambda url: request(
        url + "/", fields=b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Stay: 2\r\nTE: trailers\r\n"
    ),
}


class TestSameBytes:
    @pytest.mark.parametrize("make", SAME.values(), ids=SAME)
    def test_the_origin_gets_the_same_bytes(self, make, daemon, origin, client, ready):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, make(server.url), method=make("http://h").split()[0].decode())
        first = server.received
        ready(hark)
        [result] = replay(hark, old)
        assert server.received == first * 2
        assert result["replay_of"] == old and result["status"] == 200

    def test_large_body_arrives_whole_without_memory(self, daemon, origin, client, ready):
        digests = []

        def handle(conn):
            conn.reader.keep = False
            while head := conn.read_head():
                digest = hashlib.sha256()
                conn.read_body(head, digest.update)
                digests.append(digest.hexdigest())
                conn.send(OK)

        server = origin(handle)
        hark = daemon()
        body = os.urandom(5 * MIB)
        [old] = record(hark, client, with_length(server.url + "/up", body))
        ready(hark)
        [result] = replay(hark, old)
        assert digests == [hashlib.sha256(body).hexdigest()] * 2
        new = hark.wait_row("id = ?", result["id"])
        assert new["request_size"] == len(body)
        assert hark.body(new["id"], "request") == body

    def test_waits_for_100_continue(self, daemon, origin, client):
        order = []

        def handle(conn):
            while head := conn.read_head():
                order.append("head")
                conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                conn.read_body(head)
                order.append(head.body)
                conn.send(OK)

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, with_length(server.url + "/p", b"later", fields=EXPECT))
        replay(hark, old)
        assert order == ["head", b"later"] * 2

    def test_a_refused_expectation_sends_no_body(self, daemon, origin, client):
        def handle(conn):
            head = conn.read_head()
            if len(server.requests) == 1:
                conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                conn.read_body(head)
                conn.send(OK)
            else:
                conn.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                conn.wait_peer_closes()

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, with_length(server.url + "/p", b"later", fields=EXPECT))
        [result] = replay(hark, old)
        assert result["status"] == 417
        assert hark.wait_row("id = ?", result["id"])["request_size"] == 0
        assert b"later" not in server.connections[-1].received

    def test_https_from_interception(self, tls_origin, https_daemon, tls_client, ready):
        server = tls_origin(OK)
        hark = https_daemon(server)
        peer = tls_client(hark)
        assert peer.ask(b"GET /data?x=%31 HTTP/1.1\r\nHost: api.example.com\r\nX-b: 2\r\n\r\n").status
        old = hark.row_of(peer)
        first = server.received
        ready(hark)
        settings = [] if hark.is_running() else [
            word for setting in hark.settings for word in ("--set", setting)
        ]
        [result] = replay(hark, old["id"], *settings)
        assert server.received == first * 2
        new = hark.wait_row("id = ?", result["id"])
        assert new["scheme"] == "https" and new["host"] == HOST and new["port"] == 443
        assert new["tls_version"] == old["tls_version"]
        assert new["server_cert"] == old["server_cert"]


class TestRows:
    def test_a_result_is_a_row_like_any_other(self, daemon, origin, client, ready):
        server = origin(
            b"HTTP/1.1 203 Odd\r\nX-b: 2\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
        )
        hark = daemon()
        [old] = record(hark, client, with_length(server.url + "/p?q=1", b"sent"))
        ready(hark)
        [result] = replay(hark, old)
        before = hark.wait_row("id = ?", old)
        row = hark.wait_row("id = ?", result["id"])
        assert row["source"] == "replay" and row["replay_of"] == old and row["client_addr"] is None
        for column in ("method", "scheme", "host", "port", "path", "query", "request_version",
                       "request_headers", "request_size", "request_type", "status", "reason",
                       "response_headers", "response_size", "state", "error", "server_addr", "kind"):
            assert row[column] == before[column], column
        assert hark.body(row["id"], "request") == b"sent"
        assert hark.body(row["id"], "response") == b"hello"
        assert row["duration_us"] > 0 and row["wait_us"] >= 0
        assert row["session_id"] != before["session_id"]
        assert hark.cli("ls", "is:replay").stdout.count("\n") == 1

    def test_large_answer_is_recorded_whole(self, daemon, origin, client, ready):
        body = os.urandom(3 * MIB)
        server = origin(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/big"))
        ready(hark)
        [result] = replay(hark, old)
        assert result["response_size"] == len(body)
        assert hark.body(result["id"], "response") == body

    def test_failures_are_rows(self, daemon, origin, client, ready):
        answers = [OK, None, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"]

        def handle(conn):
            if conn.read_request():
                answer = answers[min(len(server.requests), 3) - 1]
                conn.send(answer) if answer else conn.reset()

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/x"))
        ready(hark)
        [reset] = replay(hark, old, status=1)
        [short] = replay(hark, old, status=1)
        assert reset["error"] == "upstream-reset" and reset["status"] == 502
        assert short["state"] == "truncated" and short["status"] == 200
        assert hark.wait_row("id = ?", reset["id"])["state"] == "upstream-error"

    def test_nobody_listens(self, daemon, origin, client, ready):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/x"))
        server.stop()
        ready(hark)
        [result] = replay(hark, old, status=1)
        assert result["error"] == "connect"

    def test_durability_commit(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon(settings=["durability=commit"])
        [old] = record(hark, client, request(server.url + "/x"))
        assert [one["status"] for one in replay(hark, old, "--repeat", 5)] == [200] * 5
        assert hark.value("SELECT count(*) FROM exchange WHERE replay_of = ?", old) == 5


class TestChanges:
    @pytest.fixture
    def sent(self, daemon, origin, client):
        """sent(*options): the head that a replayed GET arrives with."""
        server = origin(OK)
        hark = daemon()
        fields = b"X-b: 2\r\nx-A: 1\r\nX-B: 3\r\nAccept: */*\r\n"
        [old] = record(hark, client, request(server.url + "/p?a=1&b=2", fields=fields))
        hark.stop()

        def send(*options):
            replay(hark, old, *options)
            return server.requests[-1].head

        send.server = server
        return send

    def test_set_header_replaces_in_its_place(self, sent):
        head = sent("--set-header", "x-B: 9")
        assert head.fields[1:] == [("x-B", "9"), ("x-A", "1"), ("Accept", "*/*")]

    def test_set_header_adds_at_the_end(self, sent):
        head = sent("--set-header", "X-New: a: b", "--set-header", "X-Empty;")
        assert head.fields[-2:] == [("X-New", "a: b"), ("X-Empty", "")]

    def test_set_header_twice_sends_both(self, sent):
        head = sent("--set-header", "X-B: 7", "--set-header", "X-B: 8")
        assert head.fields[1:] == [("X-B", "7"), ("X-B", "8"), ("x-A", "1"), ("Accept", "*/*")]

    def test_drop_header(self, sent):
        assert sent("--drop-header", "x-b").fields[1:] == [("x-A", "1"), ("Accept", "*/*")]

    def test_set_query(self, sent):
        head = sent("--set-query", "a=x y&", "--set-query", "c=3")
        assert head.start_line == "GET /p?a=x%20y%26&b=2&c=3 HTTP/1.1"

    def test_to_another_origin(self, sent, origin):
        other = origin(OK)
        count = len(sent.server.requests)
        sent("--to", other.url)
        assert len(sent.server.requests) == count
        assert other.requests[0].fields[0] == ("Host", other.host)
        assert other.requests[0].target == "/p?a=1&b=2"

    def test_host_of_ones_own(self, sent, origin):
        other = origin(OK)
        sent("--to", other.url, "--set-header", "Host: api.example.com")
        assert other.requests[0].fields[0] == ("Host", "api.example.com")

    @pytest.mark.parametrize(
        "options",
        [
            ("--set-header", "Content-Length: 3"),
            ("--drop-header", "Transfer-Encoding"),
            ("--drop-header", "Host"),
            ("--set-header", "no colon"),
            ("--set-header", "sp ace: x"),
            ("--set-header", "X: a\nY: b"),
            ("--set-query", "novalue"),
            ("--to", "127.0.0.1:80"),
            ("--to", "http://h/path"),
            ("--to", "ftp://h"),
            ("--concurrency", "0"),
            ("--rate", "0"),
            ("--rate", "fast"),
            ("--rate", "1", "--pace", "recorded"),
            ("--pace", "slow"),
            ("--speed", "2x"),
            ("--repeat", "0"),
        ],
        ids=" ".join,
    )
    def test_wrong_usage_sends_nothing(self, options, sent):
        count = len(sent.server.requests)
        with pytest.raises(AssertionError, match=r"\(2, "):
            sent(*options)
        assert len(sent.server.requests) == count


class TestWhich:
    @pytest.fixture
    def five(self, daemon, origin, client):
        """A stopped daemon that has recorded GET /0, POST /1, GET /2, POST /3, GET /4."""
        server = origin(OK)
        hark = daemon()
        raws = [
            request(f"{server.url}/{i}") if i % 2 == 0 else with_length(f"{server.url}/{i}", b"x")
            for i in range(5)
        ]
        hark.ids = record(hark, client, *raws)
        hark.stop()
        hark.server = server
        del server.requests[:]
        return hark

    def paths(self, five):
        return [one.target for one in five.server.requests]

    def test_ids_in_the_order_given(self, five):
        results = replay(five, five.ids[4], five.ids[0], "@-2")
        assert self.paths(five) == ["/4", "/0", "/3"]
        assert [one["replay_of"] for one in results] == [five.ids[4], five.ids[0], five.ids[3]]

    def test_range_and_filter_keep_the_recorded_order(self, five):
        replay(five, f"{five.ids[1]}..{five.ids[3]}", "--yes")
        assert self.paths(five) == ["/1", "/2", "/3"]
        replay(five, "method:GET", "not", "path:/2")
        assert self.paths(five)[3:] == ["/0", "/4"]

    def test_repeat_sends_all_of_it_again(self, five):
        replay(five, "path:/0", "--repeat", 3)
        assert self.paths(five) == ["/0", "/0", "/0"]

    def test_a_filter_never_meets_its_own_results(self, five):
        assert len(replay(five, "method:GET", "--repeat", 2)) == 6

    def test_unsafe_requests_of_a_filter_want_yes(self, five):
        done = five.cli("replay", "host:127.0.0.1")
        assert done.returncode == 2 and "2 of the 5 requests" in done.stderr
        assert "--yes" in done.stderr and not five.server.requests
        assert len(replay(five, "host:127.0.0.1", "--yes")) == 5

    @pytest.mark.parametrize("said,status,sent", [(b"y\n", 0, 5), (b"n\n", 1, 0), (b"\n", 1, 0)])
    def test_on_a_terminal_it_asks(self, said, status, sent, five):
        master, slave = pty.openpty()
        os.write(master, said)
        command = [HARK, "replay", "--json", "--data-dir", five.data_dir, "host:127.0.0.1"]
        done = subprocess.run(
            list(map(str, command)), env=clean_environment(five.home), stdin=slave, stderr=slave,
            stdout=subprocess.PIPE, timeout=20 * SCALE, check=False,
        )
        asked = os.read(master, 65536)
        os.close(slave)
        os.close(master)
        assert b"2 of the 5 requests" in asked and b"Send them? [y/N]" in asked
        assert (done.returncode, done.stdout.count(b"\n")) == (status, sent), asked
        assert len(five.server.requests) == sent

    def test_one_unsafe_request_is_sent(self, five):
        replay(five, "path:/1")
        replay(five, five.ids[1], five.ids[3])
        assert self.paths(five) == ["/1", "/1", "/3"]

    def test_nothing_matched(self, five):
        assert five.cli("replay", "path:/nowhere").returncode == 3
        assert five.cli("replay", "99").returncode == 3
        assert five.cli("replay", "@-99").returncode == 3
        assert five.cli("replay", "90..99").returncode == 3

    def test_one_of_several_is_missing(self, five):
        results = replay(five, five.ids[0], 99, status=1)
        assert {one["replay_of"]: one["state"] for one in results} == {
            five.ids[0]: "done", 99: "missing"
        }

    @pytest.mark.parametrize("words", [(), ("1", "host:x"), ("hots:x",), ("",), (" ", "")], ids=repr)
    def test_wrong_words(self, words, five):
        assert five.cli("replay", *words).returncode == 2
        assert not five.server.requests

    def test_rows_for_programs_and_a_summary_for_people(self, five):
        done = five.cli("replay", "method:GET")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert [row[2:5:2] for row in rows] == [["GET", "200"]] * 3 and len(rows[0]) == 10
        assert "sent 3 requests" in done.stderr and "200 × 3" in done.stderr
        assert "p50" in done.stderr and "p99" in done.stderr


class TestSkipped:
    def test_cut_and_broken_bodies(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon(settings=["record_bodies=10"])
        [cut] = record(hark, client, with_length(server.url + "/cut", b"x" * 20))
        [whole] = record(hark, client, with_length(server.url + "/whole", b"x" * 10))
        peer = client(hark)
        peer.send(with_length(server.url + "/broken", b"x" * 8)[:-4])
        server.wait_requests(3)
        peer.close()
        broken = hark.row_of(peer)["id"]
        results = replay(hark, cut, broken, whole)
        results = {one["replay_of"]: one for one in results}
        assert "10 of 20 bytes" in results[cut]["error_text"]
        assert "4 of 8 bytes" in results[broken]["error_text"]
        assert results[whole]["status"] == 200
        assert len(server.requests) == 4

    def test_nothing_but_skipped_is_a_failure(self, daemon, origin, client):
        hark = daemon()
        peer = client(hark)
        peer.ask(b"GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n")
        [result] = replay(hark, hark.row_of(peer)["id"], status=1)
        assert result["id"] is None and result["error_text"] == "it is no valid request"

    def test_tunnels(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon(settings=["intercept=off"])
        peer = client(hark)
        peer.send(b"CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n" % server.host.encode())
        peer.reader.head()
        peer.close()
        [result] = replay(hark, hark.row_of(peer)["id"], status=1)
        assert result["state"] == "skipped" and "tunnel" in result["error_text"]

    def test_hark_itself_is_not_asked(self, daemon, origin, client):
        hark = daemon(ui="127.0.0.1:0")
        [loop, page] = record(
            hark, client,
            request(f"http://127.0.0.1:{hark.proxy_port}/"),
            request(f"http://127.0.0.1:{hark.page_port}/"),
        )
        results = replay(hark, loop, page, status=1)
        assert [one["status"] for one in results] == [508, 403]


def since_session(hark, result):
    """Microseconds from the start of the run's session to that of the exchange."""
    return hark.value(
        "SELECT exchange.started_us - session.started_us FROM exchange"
        " JOIN session ON session.id = session_id WHERE exchange.id = ?",
        result["id"],
    )


class TestMany:
    def record_gets(self, hark, client, server, count):
        peer = client(hark)
        for i in range(count):
            assert peer.ask(request(f"{server.url}/{i}")).status == 200
        hark.rows_of(peer, count=count, seconds=20)

    def test_concurrency(self, daemon, origin, client, ready):
        server = origin(OK)
        hark = daemon()
        self.record_gets(hark, client, server, 1000)
        ready(hark)
        before = len(server.connections)
        results = replay(hark, "method:GET", "--concurrency", 64, seconds=60)
        assert len(results) == 1000 and {one["status"] for one in results} == {200}
        assert sorted(one["replay_of"] for one in results) == sorted(
            row["id"] for row in hark.sql("SELECT id FROM exchange WHERE source = 'proxy'")
        )
        assert hark.value("SELECT count(DISTINCT replay_of) FROM exchange") == 1000
        # Idle ones of either worker beside those in use; but nothing like one a request.
        assert 1 < len(server.connections) - before < 500
        assert len(server.requests) == 2000

    def test_so_many_at_once_and_no_more(self, daemon, origin, client):
        at_once, most = set(), []
        gate = threading.Event()

        def handle(conn):
            while one := conn.read_request():
                if gate.is_set():
                    at_once.add(one.target)
                    most.append(len(at_once))
                    if len(at_once) == 4:
                        full.set()
                    full.wait(10 * SCALE)
                    at_once.discard(one.target)
                conn.send(OK)

        full = threading.Event()
        server = origin(handle)
        hark = daemon()
        self.record_gets(hark, client, server, 12)
        gate.set()
        replay(hark, "method:GET", "--concurrency", 4)
        assert max(most) == 4

    def test_two_at_once(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        self.record_gets(hark, client, server, 50)
        runs = [
            threading.Thread(target=replay, args=(hark, "1..50", "--repeat", 4)) for _ in range(2)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert hark.value("SELECT count(*) FROM exchange WHERE source = 'replay'") == 400
        assert hark.value("SELECT count(DISTINCT session_id) FROM exchange") == 3

    def test_recorded_pace(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        first, second = record(
            hark, client, request(server.url + "/1"), request(server.url + "/2")
        )
        hark.stop()
        with sqlite3.connect(hark.db) as database:
            database.execute("UPDATE exchange SET started_us = started_us + 600000 WHERE id = ?",
                             (second,))
        before, after = (hark.sql("SELECT started_us FROM exchange WHERE id = ?", i)[0][0]
                         for i in (first, second))
        results = replay(hark, f"{first}..{second}", "--pace", "recorded", "--speed", "2x")
        assert since_session(hark, results[1]) >= (after - before) / 2

    def test_rate(self, daemon, origin, client):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        results = replay(hark, old, "--repeat", 11, "--rate", "50/s")
        # What it is late with it may catch up on, a little.
        assert max(since_session(hark, one) for one in results) >= 10 / 50 * 1e6 - 60000


class TestDiff:
    def answer(self, **members):
        body = json.dumps(members).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x%d\r\n"
        return head % len(body) + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def test_the_same_answer_is_no_difference(self, daemon, origin, client, ready):
        server = origin(replies(self.answer(a=1, b=[2]), self.answer(b=[2], a=1.0)))
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        done = hark.cli("replay", old, "--diff")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "no answer differs" in done.stderr

    def test_differences_are_shown(self, daemon, origin, client, ready):
        server = origin(replies(self.answer(a={"b": 1}), self.answer(a={"b": 2})))
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        done = hark.cli("replay", old, "--diff")
        assert done.returncode == 1
        title, line = done.stdout.splitlines()
        assert title == f"{old} -> {old + 1} GET {server.url}/1"
        assert "$.a.b" in line and "1 -> 2" in line
        assert "1 answer differs" in done.stderr

    def test_as_json(self, daemon, origin, client):
        server = origin(replies(self.answer(a=1), self.answer(a=1), OK))
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        [same] = replay(hark, old, "--diff")
        [other, missing] = sorted(
            replay(hark, old, 99, "--diff", status=1), key=lambda one: one["replay_of"]
        )
        assert same["same"] is True and same["differences"] == [] and same["status"] == 200
        assert other["same"] is False
        assert {"header", "body"} <= {one["where"] for one in other["differences"]}
        assert missing["state"] == "missing" and "same" not in missing

    def test_headers_that_do_not_count(self, daemon, origin, client):
        one, two = (OK.replace(b"\r\n", b"\r\nETag: %d\r\n" % n, 1) for n in (1, 2))
        server = origin(replies(one, two))
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        replay(hark, old, "--diff", status=1)
        replay(hark, old, "--diff", "--ignore-header", "etag")

    @pytest.mark.parametrize("options", [("--diff", "-o", "tsv"), ("--all-headers",)], ids=" ".join)
    def test_wrong_usage(self, options, daemon, origin, client):
        hark = daemon()
        [old] = record(hark, client, request(origin(OK).url + "/1"))
        assert hark.cli("replay", old, *options).returncode == 2


class TestOverHttp:
    @pytest.fixture
    def api(self, daemon, origin, client):
        """api(body, method, path): status, header fields and lines of the answer; with a daemon
        that has recorded one GET and two POSTs."""
        server = origin(OK)
        hark = daemon(ui="127.0.0.1:0")
        raws = [request(server.url + "/0")] + [with_length(server.url + "/1", b"x")] * 2
        ids = record(hark, client, *raws)
        token = (hark.data_dir / "token").read_text().strip()

        def ask(body=None, method="POST", path="/api/v1/replay"):
            connection = http.client.HTTPConnection("127.0.0.1", hark.page_port, timeout=20 * SCALE)
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            text = body if isinstance(body, str) or body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode().splitlines()

        ask.ids, ask.hark, ask.server = ids, hark, server
        return ask

    def test_results_are_lines(self, api):
        status, headers, lines = api(
            {"ids": [api.ids[2], f"{api.ids[0]}..{api.ids[1]}"], "yes": True,
             "set_headers": [["X-Try", "2"]], "drop_headers": ["content-type"],
             "set_query": [["q", "1"]], "concurrency": 1, "repeat": 1}
        )
        results = [json.loads(line) for line in lines]
        assert status == 200
        assert [one["replay_of"] for one in results] == [api.ids[2], api.ids[0], api.ids[1]]
        row = api.hark.wait_row("id = ?", results[0]["id"])
        assert str(row["session_id"]) == headers["Hark-Session"]
        assert api.server.requests[-1].get("X-Try") == "2"
        assert api.server.requests[-1].target == "/1?q=1"
        command = api.hark.value("SELECT command FROM session WHERE id = ?", row["session_id"])
        assert command == "POST /api/v1/replay"

    @pytest.mark.parametrize("which", ["method:POST", ["method:POST", "path:/1"]], ids=repr)
    def test_consent(self, api, which):
        status, _, lines = api({"filter": which})
        assert status == 409 and "2 of the 2" in json.loads("".join(lines))["detail"]
        assert len(api.server.requests) == 3
        assert len(api({"filter": which, "yes": True})[2]) == 2

    @pytest.mark.parametrize(
        "body",
        [
            "", "[]", "{", "{}", '{"ids":[]}', '{"ids":["1-2"]}', '{"ids":[-1]}', '{"ids":[1.5]}',
            '{"ids":[1],"filter":"x"}', '{"ids":[1],"to":"x"}', '{"ids":[1],"to":7}',
            '{"ids":[1],"set_headers":{"a":"b"}}', '{"ids":[1],"set_headers":[["Host","a b"]]}',
            '{"ids":[1],"drop_headers":"x"}', '{"ids":[1],"concurrency":0}',
            '{"ids":[1],"concurrency":99999}', '{"ids":[1],"rate":"1"}', '{"ids":[1],"rate":0}',
            '{"ids":[1],"pace":"slow"}', '{"ids":[1],"speed":2}', '{"ids":[1],"yes":1}',
            '{"filter":" "}', '{"filter":[]}', '{"ids":[1],"repeat":0}', '{"ids":[1],"concurency":1}', '{"ids":[1],"ids":[2]}',
        ],
    )
    def test_bad_bodies_send_nothing(self, api, body):
        status, headers, lines = api(body)
        assert status == 400, lines
        assert headers["Content-Type"] == "application/problem+json"
        assert json.loads("".join(lines))["detail"]
        assert len(api.server.requests) == 3

    def test_a_mistake_in_the_filter_has_its_column(self, api):
        status, _, lines = api({"filter": "method:GET stauts:200"})
        problem = json.loads("".join(lines))
        assert status == 400 and problem["column"] == 12

    def test_the_token_is_wanted(self, api):
        connection = http.client.HTTPConnection("127.0.0.1", api.hark.page_port, timeout=20 * SCALE)
        connection.request("POST", "/api/v1/replay", '{"ids":[1]}',
                           {"Content-Type": "application/json"})
        assert connection.getresponse().status == 401
        assert len(api.server.requests) == 3

    def test_a_client_that_leaves_stops_its_run(self, api):
        body = json.dumps({"ids": [api.ids[0]], "repeat": 1000000}).encode()
        token = (api.hark.data_dir / "token").read_text().strip().encode()
        with socket.create_connection(("127.0.0.1", api.hark.page_port)) as sock:
            sock.sendall(
                b"POST /api/v1/replay HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (api.hark.page_port, token, len(body), body)
            )
            api.server.wait_requests(20)
        wait_stable(lambda: len(api.server.requests), "requests to end")
        assert len(api.server.requests) < 1000000
        assert api.hark.value("SELECT state FROM session ORDER BY id DESC") == "ended"

    def test_stop_by_session(self, api):
        assert api(None, "DELETE", "/api/v1/replay/77")[0] == 404
        answers = []
        body = {"ids": [api.ids[0]], "repeat": 1000000}
        runner = threading.Thread(target=lambda: answers.append(api(body)))
        runner.start()
        api.server.wait_requests(20)
        session = api.hark.wait_row("source = 'replay'")["session_id"]
        assert api(None, "DELETE", f"/api/v1/replay/{session}")[0] == 204
        runner.join(20 * SCALE)
        status, _, lines = answers[0]
        assert status == 200 and len(lines) == len(api.server.requests) - 3

    def test_the_daemon_may_end_meanwhile(self, api):
        answers = []

        def run():
            try:
                answers.append(api({"ids": [api.ids[0]], "repeat": 1000000})[0])
            except (http.client.HTTPException, OSError):
                answers.append("cut")

        runner = threading.Thread(target=run)
        runner.start()
        api.server.wait_requests(20)
        api.hark.stop()
        runner.join(20 * SCALE)
        assert answers
        assert api.hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'") == 0


class TestInterrupt:
    def test_what_was_done_is_kept_and_told(self, daemon, origin, client, ready, tmp_path):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        command = [HARK, "replay", "--data-dir", hark.data_dir, old, "--repeat", 1000000]
        with open(tmp_path / "out", "wb") as out:
            running = subprocess.Popen(
                list(map(str, command)), env=clean_environment(hark.home), stdout=out,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            )
        server.wait_requests(20)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20 * SCALE)
        assert running.returncode == 1, said
        assert b"interrupted; sent " in said
        wait_until(
            lambda: not hark.value("SELECT count(*) FROM exchange WHERE state = 'pending'"),
            "the last rows",
        )
        told = (tmp_path / "out").read_text().count("\n")
        rows = hark.value("SELECT count(*) FROM exchange WHERE source = 'replay'")
        assert 0 < told <= rows <= len(server.requests) - 1

    def test_an_origin_that_never_answers_is_not_waited_for(self, daemon, origin, client):
        def handle(conn):
            while conn.read_request():
                if len(server.requests) == 1:
                    conn.send(OK)

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        hark.stop()
        command = [HARK, "replay", "--json", "--data-dir", hark.data_dir, old]
        running = subprocess.Popen(
            list(map(str, command)), env=clean_environment(hark.home), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )
        server.wait_requests(2)
        running.send_signal(signal.SIGINT)
        out, said = running.communicate(timeout=30 * SCALE)
        assert running.returncode == 1, said
        [result] = map(json.loads, out.splitlines())
        assert result["state"] == "interrupted"
        assert hark.wait_row("id = ?", result["id"])["state"] == "interrupted"


    def test_what_is_going_on_is_waited_for(self, daemon, origin, client, ready):
        gate = threading.Event()

        def handle(conn):
            while conn.read_request():
                if len(server.requests) > 1:
                    gate.wait(10 * SCALE)
                conn.send(OK)

        server = origin(handle)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        ready(hark)
        command = [HARK, "replay", "--json", "--data-dir", hark.data_dir, old, "--repeat", 9]
        running = subprocess.Popen(
            list(map(str, command)), env=clean_environment(hark.home), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )
        server.wait_requests(2)
        running.send_signal(signal.SIGINT)
        # The signal is seen when it is no longer waiting to be.
        wait_until(lambda: not signal_waits(running.pid, signal.SIGINT), "the signal to be taken")
        gate.set()
        out, said = running.communicate(timeout=20 * SCALE)
        assert running.returncode == 1 and b"interrupted; sent " in said, said
        results = [json.loads(line) for line in out.splitlines()]
        assert [one["status"] for one in results] == [200] * (len(server.requests) - 1)


def signal_waits(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        pending = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return any(int(mask, 16) >> (number - 1) & 1 for mask in pending)


class TestModes:
    def test_nothing_is_sent_that_would_not_be_kept(self, daemon, origin, client, ready):
        server = origin(OK)
        hark = daemon()
        [old] = record(hark, client, request(server.url + "/1"))
        hark.stop()
        words = ["--set", "mode=off"]
        done = hark.cli("replay", old, *words)
        assert done.returncode == 1 and "mode is off" in done.stderr
        assert len(server.requests) == 1
