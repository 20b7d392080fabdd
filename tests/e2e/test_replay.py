# SPDX-License-Identifier: MIT
"""hark replay: requests go out again as they were recorded, and what came of it is a row."""

import gzip
import hashlib
import json
import os

import pytest
from harness.origin import OK, replies
from harness.replaying import record, replay, request, with_length
from harness.tls import HOST

MIB = 1 << 20
GZIPPED = gzip.compress(b'{"name": "hark"}' * 50, mtime=0)

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
