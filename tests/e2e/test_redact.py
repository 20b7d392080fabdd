# SPDX-License-Identifier: MIT
"""Redaction: what the configuration names passes through and never reaches the disk."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import zlib

import brotli
import pytest
import requests
from harness import SCALE, wait_stable, wait_until
from harness.daemon import fields_of, run_hark
from harness.origin import OK

websockets = pytest.importorskip("websockets")
from harness.echo import Echo  # noqa: E402

MARK = re.compile(r"^redacted:[0-9a-f]{16}$")
HEADERS = "redact_headers=Authorization Cookie Set-Cookie X-*-Token Proxy-Authorization"
# A sanitizer keeps freed memory for a while: there the figure says nothing.
MEMORY_ALLOWED = (48 if SCALE == 1 else 1024) << 20
QUERY = "redact_query=token api_key"


def files_of(hark):
    return [p for p in hark.home.rglob("*") if p.is_file() and not p.is_symlink()]


def assert_nowhere(hark, *secrets, but=()):
    """No secret is in any file below the daemon's home, nor in what it has said."""
    for path in files_of(hark):
        content = b"" if path in but else path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in content, f"{secret} in {path}"
    for secret in secrets:
        assert secret not in hark.stderr, secret


def ask(hark, client, request):
    peer = client(hark)
    peer.send(request)
    return peer.response()


@pytest.fixture
def redacting(daemon):
    def start(*settings, **options):
        return daemon(settings=[HEADERS, QUERY, "log_level=debug", *settings], **options)

    return start


class TestHeads:
    def test_named_fields_and_parameters_are_forwarded_and_not_recorded(
        self, redacting, origin, client
    ):
        answer = (
            b"HTTP/1.1 103 Early Hints\r\nSet-Cookie: early=secret-a\r\n\r\n"
            b"HTTP/1.1 302 Found\r\nLocation: /next?api_key=secret-b&x=1\r\n"
            b"Set-Cookie: sid=secret-c; Path=/; HttpOnly\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-Auth-Token\r\n\r\n2\r\nok\r\n0\r\nX-Auth-Token: secret-d\r\n\r\n"
        )
        hark, server = redacting(), origin(answer)
        request = (
            f"POST {server.url}/a?token=secret-e&b=2 HTTP/1.1\r\nHost: {server.host}\r\n"
            "Authorization: Bearer secret-f\r\nCookie: one=secret-g; two=secret-h\r\n"
            "Referer: http://a.example/?x=1&token=secret-i\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nhi\r\n0\r\nX-My-Token: secret-j\r\n\r\n"
        ).encode()
        response = ask(hark, client, request)
        # The wire has what was sent.
        assert response.head.get("location") == "/next?api_key=secret-b&x=1"
        assert response.head.get("set-cookie") == "sid=secret-c; Path=/; HttpOnly"
        seen = server.requests[0]
        assert seen.target.endswith("/a?token=secret-e&b=2")
        assert seen.get("authorization") == "Bearer secret-f"
        # The recording has marks in its place.
        row = hark.wait_rows("path = '/a'")[0]
        sent, got = dict(fields_of(row, "request_headers")), dict(fields_of(row, "response_headers"))
        assert re.fullmatch(r"token=redacted:[0-9a-f]{16}&b=2", row["query"])
        assert MARK.match(sent["Authorization"].removeprefix("Bearer "))
        assert re.fullmatch(r"one=redacted:\w{16}; two=redacted:\w{16}", sent["Cookie"])
        assert re.fullmatch(r"http://a.example/\?x=1&token=redacted:\w{16}", sent["Referer"])
        assert re.fullmatch(r"/next\?api_key=redacted:\w{16}&x=1", got["Location"])
        assert re.fullmatch(r"sid=redacted:\w{16}; Path=/; HttpOnly", got["Set-Cookie"])
        assert "redacted:" in row["interim"] and "redacted:" in row["request_trailers"]
        assert_nowhere(hark, "secret-")
        hark.stop()
        assert_nowhere(hark, "secret-")

    def test_equal_values_are_equal_marks_over_restarts(self, redacting, origin, client):
        hark, server = redacting(), origin(OK)
        for value in ("secret-a", "secret-b", "secret-a"):
            ask(hark, client, GET_WITH.format(server=server, value=value).encode())
        hark.stop()
        hark.start()
        ask(hark, client, GET_WITH.format(server=server, value="secret-a").encode())
        rows = hark.wait_rows("path = '/'", count=4)
        a, b, c, d = (dict(fields_of(row, "request_headers"))["Authorization"] for row in rows)
        assert a == c == d != b
        key = hark.data_dir / "redact-key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and key.stat().st_size == 32

    @pytest.mark.parametrize("durability", ["relaxed", "commit", "full"])
    def test_the_client_gets_the_answer_as_it_was(self, redacting, origin, client, durability):
        answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=secret-a\r\nContent-Length: 2\r\n\r\nok"
        hark, server = redacting(f"durability={durability}"), origin(answer)
        response = ask(hark, client, GET_WITH.format(server=server, value="secret-b").encode())
        assert response.head.get("set-cookie") == "a=secret-a"
        row = hark.wait_rows("status = 200")[0]
        assert "redacted:" in row["response_headers"]
        assert_nowhere(hark, "secret-")

    def test_a_pending_row_has_marks_and_outlives_kill_9(self, redacting, origin, client):
        def handle(conn):
            conn.read_request()
            conn.send(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: a=secret-a\r\nContent-Length: 100\r\n\r\nbegin"
            )
            conn.wait_peer_closes(30)

        hark, server = redacting(), origin(handle)
        peer = client(hark)
        peer.send(GET_WITH.format(server=server, value="secret-b").encode())
        wait_until(
            lambda: hark.value("SELECT count(*) FROM exchange WHERE status = 200"), "a pending row"
        )
        assert_nowhere(hark, "secret-")
        hark.kill()
        assert_nowhere(hark, "secret-")
        assert "redacted:" in hark.sql("SELECT request_headers FROM exchange")[0][0]

    def test_nothing_is_told_by_an_error(self, redacting, client):
        hark = redacting()
        request = (
            "GET http://127.0.0.1:1/?token=secret-a HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"
            "Cookie: a=secret-b\r\n\r\n"
        )
        response = ask(hark, client, request.encode())
        assert response.status == 502 and b"token=redacted" in response.body
        hark.wait_rows("error = 'connect'")
        assert_nowhere(hark, "secret-")

    @pytest.mark.parametrize(
        "line",
        [
            "GET ftp://a.example/?token=secret-a",
            "GET http://me:secret-a@a.example/?token=secret-b",
            "GET nothing?token=secret-a",
            "CONNECT me:secret-a@a.example:443",
            "GET http://a.example/?token=a secret-a",
            "GET\thttp://a.example/?token=secret-a",
            "GET\thttp://a.example/?token=a secret-a",
            "GET http://a.example/?token=a#secret-a",
            "GET token=secret-a",
            "http://a.example/?token=secret-a",
        ],
    )
    def test_targets_that_are_refused(self, redacting, client, line):
        hark = redacting()
        request = (
            f"{line} HTTP/1.1\r\nHost: a.example\r\nCookie: x=secret-c\r\n"
            "Proxy-Authorization: Basic secret-d\r\n\r\n"
        )
        assert ask(hark, client, request.encode()).status == 400
        hark.wait_rows("error = 'bad-request'")
        assert_nowhere(hark, "secret-")

    @pytest.mark.parametrize("line", [
        "GET {url}/?token=a secret-a HTTP/1.1", "GET {url}/?token=a secret-a",
        "GET\t{url}/?token=secret-a HTTP/1.1", "{url}/?token=secret-a HTTP/1.1",
        "GET {url}/ token=secret-a HTTP/1.1", "CONNECT a.example:443 token=secret-a HTTP/1.1",
        "GET http://me:a secret-a@a.example/ HTTP/1.1", "GET\t{url}/?token=a secret-a HTTP/1.1",
        "GET {url}/?token=a\tsecret-a HTTP/1.1", "GET nothing?token=a\"secret-a HTTP/1.1",
    ])
    def test_later_request_lines_that_are_refused(self, redacting, origin, client, line):
        hark, server = redacting(), origin()
        peer = client(hark)
        assert peer.ask(f"GET {server.url}/ HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()).status == 200
        peer.send(f"{line.format(url=server.url)}\r\nHost: a.example\r\n\r\n".encode())
        assert peer.response().status == 400
        hark.stop()
        assert_nowhere(hark, "secret-")

    @pytest.mark.parametrize(
        "field",
        ["Authorization : Basic secret-a", "Authorization secret-a: b", "Host: u:secret-a@a.example"],
    )
    def test_a_field_that_is_refused(self, redacting, origin, client, field):
        """As the second of a connection, whose head is parsed by another library than the first's."""
        hark, server = redacting(), origin()
        peer = client(hark)
        assert peer.ask(f"GET {server.url}/ HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()).status == 200
        assert peer.ask(f"GET {server.url}/ HTTP/1.1\r\n{field}\r\n\r\n".encode()).status == 400
        hark.wait_rows("status = 400")
        assert_nowhere(hark, "secret-")

    @pytest.mark.parametrize(
        "answer", ["HTTP/1.1 200 OK\r\nCookie secret-a: b\r\n\r\n", "HTTP/1.1 200\r\nsecret-a\r\n\r\n"]
    )
    def test_an_answer_that_is_none(self, redacting, origin, client, answer):
        def handle(conn):
            conn.read_request()
            conn.send(answer.encode())

        hark = redacting()
        url = origin(handle).url
        request = f"GET {url}/ HTTP/1.1\r\nHost: {url[7:]}\r\n\r\n"
        assert ask(hark, client, request.encode()).status == 502
        hark.wait_rows("error = 'bad-response'")
        assert_nowhere(hark, "secret-")

    def test_trace_answered_by_hark(self, redacting, client, origin):
        hark, server = redacting(), origin(OK)
        request = (
            f"TRACE {server.url}/?token=secret-a HTTP/1.1\r\nHost: {server.host}\r\n"
            "Max-Forwards: 0\r\nX-My-Token: secret-b\r\n\r\n"
        )
        assert ask(hark, client, request.encode()).status == 200
        hark.wait_rows("method = 'TRACE'")
        assert_nowhere(hark, "secret-")

    def test_of_a_command_no_arguments_are_kept(self, redacting, origin, tmp_path):
        hark, server = redacting(), origin(OK)
        done = hark.cli(
            "run", "--", "curl", "-sf", "-H", "X-My-Token: secret-a", f"{server.url}/?token=secret-b"
        )
        assert done.returncode == 0, done.stderr
        assert server.requests[0].get("x-my-token") == "secret-a"
        hark.wait_rows("status = 200")
        assert_nowhere(hark, "secret-")

    def test_imported_rows(self, redacting, origin, client, daemon, tmp_path):
        other, server = daemon(home=tmp_path / "other"), origin(OK)
        request = GET_WITH.format(server=server, value="secret-a").replace("/ HTTP", "/?token=secret-b HTTP")
        ask(other, client, request.encode())
        other.wait_rows("status = 200")
        exported = tmp_path / "exported.jsonl"
        other.cli("export", "--format", "jsonl", "--include-secrets", "-o", exported)
        assert "secret-a" in exported.read_text()
        hark = redacting()
        assert hark.cli("import", exported).returncode == 0
        row = hark.wait_rows("source = 'import'")[0]
        assert "redacted:" in row["query"]
        assert_nowhere(hark, "secret-")

    def test_nothing_changes_where_nothing_is_named(self, daemon, origin, client):
        hark, server = daemon(), origin(OK)
        ask(hark, client, GET_WITH.format(server=server, value="open-a").encode())
        row = hark.wait_rows("status = 200")[0]
        assert dict(fields_of(row, "request_headers"))["Authorization"] == "Bearer open-a"
        assert not (hark.data_dir / "redact-key").exists()


BODIES = ["redact_json=password user.pin", "redact_form=password card"]
SECRET = "secret-" + "x" * 20


def body_of(hark, row, side):
    parts = hark.sql(
        "SELECT CAST(data AS BLOB) FROM body WHERE exchange_id = ? AND side = ? ORDER BY seq", row["id"], side
    )
    return b"".join(part[0] for part in parts)


def post(server, body, content_type, *fields):
    lines = [
        f"POST {server.url}/b HTTP/1.1", f"Host: {server.host}", f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}", *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer_with(body, content_type, *fields):
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


JSON_BODY = json.dumps({"a": [1, {"password": SECRET}], "user": {"pin": "secret-1", "name": "n"}})
MULTIPART = (
    "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n%s\r\n"
    "--b\r\nContent-Disposition: form-data; name=\"card\"; filename=\"f.bin\"\r\n"
    "Content-Type: image/png\r\n\r\nsecret-2\r\n--b\r\n"
    "Content-Disposition: form-data; name=\"x\"\r\n\r\n{\"password\": \"secret-3\"}\r\n--b--\r\n" % SECRET
)
EVENTS = "".join(
    f'event: m\ndata: {{"n": {n}, "password": "{SECRET}"}}\n\n' for n in range(5)
) + "data: [DONE]\n\n"


class TestBodies:
    @pytest.fixture
    def hark(self, redacting):
        return redacting(*BODIES)

    @pytest.mark.parametrize(
        "body, content_type, kept",
        [
            (JSON_BODY, "application/json", ['"name": "n"', '"password": "redacted:']),
            (JSON_BODY, "text/plain", ['"name": "n"', '"password": "redacted:']),
            (f"a=1&password={SECRET}&b=2", "application/x-www-form-urlencoded", ["a=1&password=redacted:", "&b=2"]),
            (MULTIPART, "multipart/form-data; boundary=b", ["filename", "redacted:", '{"password": "redacted:']),
        ],
        ids=["json", "text", "form", "multipart"],
    )
    def test_requests(self, hark, origin, client, body, content_type, kept):
        server = origin(OK)
        ask(hark, client, post(server, body.encode(), content_type))
        assert server.requests[0].body == body.encode()
        row = hark.wait_rows("path = '/b'")[0]
        recorded = body_of(hark, row, "request").decode()
        assert all(text in recorded for text in kept), recorded
        assert_nowhere(hark, "secret-")
        # The recorded message is one in itself.
        assert row["request_size"] == len(recorded)
        assert dict(fields_of(row, "request_headers"))["Content-Length"] == str(len(recorded))
        assert not row["body_truncated"]

    @pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
    def test_answers_with_a_content_coding_are_recorded_decoded(self, hark, origin, client, coding):
        coded = encode(coding, JSON_BODY.encode())
        server = origin(answer_with(coded, "application/json", f"Content-Encoding: {coding}"))
        response = ask(hark, client, GET_WITH.format(server=server, value="v").encode())
        assert response.body == coded and response.head.get("content-encoding") == coding
        row = hark.wait_rows("status = 200")[0]
        recorded = body_of(hark, row, "response")
        headers = dict(fields_of(row, "response_headers"))
        assert json.loads(recorded)["user"]["name"] == "n"
        assert row["response_encoding"] is None and "Content-Encoding" not in headers
        assert headers["Content-Length"] == str(len(recorded)) == str(row["response_size"])
        assert_nowhere(hark, "secret-")
        shown = hark.cli("show", "--response-body", "@last")
        assert shown.returncode == 0 and shown.stdout == recorded.decode()

    def test_other_encoded_bodies_stay_as_they_are(self, hark, origin, client):
        coded = encode("gzip", b"<html>password</html>")
        server = origin(answer_with(coded, "text/html", "Content-Encoding: gzip"))
        ask(hark, client, GET_WITH.format(server=server, value="v").encode())
        row = hark.wait_rows("status = 200")[0]
        assert body_of(hark, row, "response") == coded and row["response_encoding"] == "gzip"

    def test_a_value_that_is_split_over_chunks_and_time(self, hark, origin, client):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for n, piece in enumerate((b'{"passw', b'ord": "secret-', b'more-', b'secret-end", "a', b'": 1}')):
                conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                # Each piece is a segment of its own: the one before has been recorded.
                if n in (0, 4):
                    wait_until(lambda: hark.value("SELECT count(*) FROM body WHERE side = 'response'") > n // 4, "a segment")
            conn.send(b"0\r\n\r\n")

        server = origin(handle)
        response = ask(hark, client, GET_WITH.format(server=server, value="v").encode())
        assert json.loads(response.body) == {"password": "secret-more-secret-end", "a": 1}
        row = hark.wait_rows("status = 200")[0]
        recorded = json.loads(body_of(hark, row, "response"))
        assert recorded["a"] == 1 and MARK.match(recorded["password"])
        assert_nowhere(hark, "secret-")

    def test_a_pending_body_outlives_kill_9_without_its_secrets(self, hark, origin, client):
        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b'{"a": 1, "password": "secret-a')
            conn.wait_peer_closes(30)

        server = origin(handle)
        peer = client(hark)
        peer.send(post(server, f"password={SECRET}".encode(), "application/x-www-form-urlencoded"))
        wait_until(lambda: hark.value("SELECT count(*) FROM body") == 3, "what has come")
        hark.kill()
        assert_nowhere(hark, "secret-")
        row = hark.sql("SELECT * FROM exchange")[0]
        assert body_of(hark, row, "request").startswith(b"password=redacted:")
        assert body_of(hark, row, "response") == b'{"a": 1, "password": '

    def test_a_pending_row_tells_that_its_body_is_recorded_decoded(self, hark, origin, client):
        coder = zlib.compressobj(wbits=31)
        coded = coder.compress(b'{"a": 1, "password": "secret-a", "b') + coder.flush(zlib.Z_SYNC_FLUSH)

        def handle(conn):
            conn.read_request()
            conn.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n"
            )
            # The row is there before anything of the body has come.
            coded_rows = "SELECT count(*) FROM exchange WHERE response_encoding = 'gzip'"
            wait_until(lambda: hark.value(coded_rows), "a row")
            conn.send(coded)
            conn.wait_peer_closes(30)

        server = origin(handle)
        client(hark).send(GET_WITH.format(server=server, value="v").encode())
        wait_until(lambda: hark.value("SELECT count(*) FROM body"), "what has come")
        hark.kill()
        row = hark.sql("SELECT * FROM exchange")[0]
        assert body_of(hark, row, "response").startswith(b'{"a": 1, "password": "redacted:')
        assert row["response_encoding"] is None
        assert "Content-Encoding" not in dict(fields_of(row, "response_headers"))
        assert_nowhere(hark, "secret-")

    def test_event_streams(self, hark, origin, client):
        server = origin(answer_with(EVENTS.encode(), "text/event-stream"))
        assert ask(hark, client, GET_WITH.format(server=server, value="v").encode()).body == EVENTS.encode()
        row = hark.wait_rows("status = 200")[0]
        recorded = body_of(hark, row, "response").decode()
        assert recorded.count("redacted:") == 5 and recorded.endswith("data: [DONE]\n\n")
        assert_nowhere(hark, "secret-")

    def test_what_is_no_json_is_not_recorded_from_there_on(self, hark, origin, client):
        body = b'{"a": 1, oops "password": "secret-a"}'
        server = origin(answer_with(body, "application/json"))
        assert ask(hark, client, GET_WITH.format(server=server, value="v").encode()).body == body
        row = hark.wait_rows("status = 200")[0]
        assert body_of(hark, row, "response") == b'{"a": 1, '
        assert row["body_truncated"] == 1 and row["state"] == "done"
        assert "could not be searched" in row["error_text"] and "byte 9" in row["error_text"]
        assert_nowhere(hark, "secret-")

    def test_a_large_body_takes_no_memory(self, hark, origin, client):
        size = 64 << 20
        head = b'{"password": "secret-a", "file": "'
        server = origin(OK)
        before = hark.peak_rss()
        peer = client(hark)
        request = post(server, b"", "application/json").replace(
            b"Content-Length: 0", b"Content-Length: %d" % (len(head) + size + 2)
        )
        peer.send(request, head)
        piece = b"x" * (1 << 20)
        for _ in range(size >> 20):
            peer.send(piece)
        peer.send(b'"}')
        assert peer.response().status == 200
        row = hark.wait_rows("path = '/b'", seconds=30)[0]
        assert row["request_size"] == len(head) + size + 2 - len("secret-a") + 25
        assert hark.peak_rss() - before < MEMORY_ALLOWED

    def test_what_decodes_to_much_is_not_collected(self, redacting, origin, client):
        hark = redacting(*BODIES, "record_bodies=1m")
        body = b'{"password": "secret-a", "file": "' + b"x" * (31 << 20) + b'"}'
        server = origin(answer_with(gzip.compress(body), "application/json", "Content-Encoding: gzip"))
        before = hark.peak_rss()
        ask(hark, client, GET_WITH.format(server=server, value="v").encode())
        row = hark.wait_rows("status = 200")[0]
        recorded = body_of(hark, row, "response")
        assert len(recorded) == 1 << 20 and recorded.startswith(b'{"password": "redacted:')
        assert row["response_size"] == len(body) - len("secret-a") + 25 and row["body_truncated"]
        assert hark.peak_rss() - before < MEMORY_ALLOWED // 3

    def test_what_unpacks_to_much_between_its_codings_is_cut(self, hark, origin, client):
        empty = gzip.compress(b"", mtime=0)
        body = gzip.compress(gzip.compress(empty * ((40 << 20) // len(empty))))
        server = origin(answer_with(body, "application/json", "Content-Encoding: gzip, gzip, gzip"))
        response = ask(hark, client, GET_WITH.format(server=server, value="v").encode())
        assert response.body == body
        row = hark.wait_rows("status = 200")[0]
        assert row["body_truncated"] == 1 and "unpacks to more than 32 MiB" in row["error_text"]

    @pytest.mark.parametrize("side", ["request", "response"])
    @pytest.mark.parametrize("is_stopped", [False, True], ids=["goes on", "is stopped meanwhile"])
    def test_what_decodes_to_much_waits_for_room_in_the_queue(
        self, redacting, origin, client, side, is_stopped
    ):
        hark = redacting(*BODIES, "queue_bytes=1m", ui="127.0.0.1:0")
        body = b'{"password": "secret-a", "file": "' + b"x" * (24 << 20) + b'"}'
        coded, coding = gzip.compress(body), "Content-Encoding: gzip"
        is_answer = side == "response"
        server = origin(answer_with(coded, "application/json", coding) if is_answer else OK)
        request = GET_WITH.format(server=server, value="v").encode()

        def queued():
            text = requests.get(f"{hark.page_url}/metrics", timeout=5).text
            return int(re.search(r"(?m)^hark_recorder_queue_bytes (\d+)$", text)[1])

        with contextlib.closing(sqlite3.connect(hark.db, isolation_level=None, timeout=5)) as other:
            other.execute("BEGIN EXCLUSIVE")
            peer = client(hark)
            peer.send(request if is_answer else post(server, coded, "application/json", coding))
            wait_until(lambda: queued() > 1 << 20, "a full queue")
            assert wait_stable(queued, "the queue") < 2 << 20
            if is_stopped:
                hark.signal(signal.SIGTERM)
            other.execute("COMMIT")
        assert peer.response().status == 200
        if is_stopped:
            assert hark.wait_exit() == 0
        row = hark.wait_rows("status = 200", seconds=30)[0]
        assert (row["state"], row["body_truncated"]) == ("done", 0)
        recorded = body_of(hark, row, side)
        assert len(recorded) == row[f"{side}_size"] == len(body) - len("secret-a") + 25
        assert recorded.startswith(b'{"password": "redacted:') and recorded.endswith(b'xx"}')

    def test_imported_bodies(self, hark, origin, client, daemon, tmp_path):
        other = daemon(home=tmp_path / "other")
        server = origin(answer_with(encode("gzip", JSON_BODY.encode()), "application/json", "Content-Encoding: gzip"))
        ask(other, client, post(server, JSON_BODY.encode(), "application/json"))
        other.wait_rows("status = 200")
        for form in ("jsonl", "har"):
            exported = tmp_path / f"exported.{form}"
            other.cli("export", "--format", form, "--include-secrets", "-o", exported)
            assert SECRET in exported.read_text() or form == "jsonl"
            assert hark.cli("import", exported).returncode == 0
        for row in hark.wait_rows("source = 'import'", count=2):
            for side in ("request", "response"):
                assert json.loads(body_of(hark, row, side))["user"]["name"] == "n"
        assert_nowhere(hark, "secret-")

    def test_imported_body_whose_type_no_field_says(self, hark, tmp_path):
        post_data = {"mimeType": "application/x-www-form-urlencoded; charset=utf-8",
                     "params": [{"name": "password", "value": SECRET}, {"name": "a", "value": "1"}]}
        request = {"method": "POST", "url": "http://a.example/", "httpVersion": "HTTP/1.1",
                   "headers": [], "postData": post_data}
        entry = {"startedDateTime": "2026-01-01T00:00:00Z", "time": 1, "request": request,
                 "response": {"status": 204, "headers": [], "content": {}}}
        har = tmp_path / "no-type.har"
        har.write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
        done = hark.cli("import", har)
        assert done.returncode == 0, done.stderr
        row = hark.wait_rows("status = 204")[0]
        assert re.fullmatch(rb"password=redacted:\w+&a=1", body_of(hark, row, "request"))
        assert row["request_type"] == "application/x-www-form-urlencoded"
        assert_nowhere(hark, SECRET)

    def test_what_is_sent_again(self, hark, origin, client):
        server = origin(answer_with(JSON_BODY.encode(), "application/json"))
        ask(hark, client, post(server, JSON_BODY.encode(), "application/json"))
        hark.wait_rows("status = 200")
        done = hark.cli("replay", "--send-redacted", "@last")
        assert done.returncode == 0, done.stderr
        row = hark.wait_rows("source = 'replay' AND state = 'done'")[0]
        assert '"password": "redacted:' in body_of(hark, row, "response").decode()
        assert_nowhere(hark, "secret-")


class TestMessages:
    @pytest.mark.parametrize("compression", [None, "deflate"])
    def test_messages_of_a_websocket(self, redacting, client, compression, tmp_path):
        echo = Echo()
        hark = redacting(*BODIES)
        # More than a part, with the secret over the seam between two of them.
        long = json.dumps({"x": "y" * ((256 << 10) - 30), "password": "secret-" + "z" * 99, "n": 1})
        sent = [json.dumps({"n": 1, "password": "secret-a"}), "no json: secret", b"\x00\xff", long, '{"n": 2}']

        async def conversation():
            sock = socket.create_connection(("127.0.0.1", hark.proxy_port))
            sock.sendall(f"CONNECT localhost:{echo.port} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while not sock.recv(4096).endswith(b"\r\n\r\n"):
                pass
            async with websockets.connect(
                f"ws://localhost:{echo.port}/", sock=sock, max_size=None, compression=compression
            ) as connection:
                for message in sent:
                    await connection.send(message)
                    assert await asyncio.wait_for(connection.recv(), 20 * SCALE) == message

        try:
            asyncio.run(conversation())
        finally:
            echo.close()
        row = hark.wait_rows("kind = 'websocket'")[0]
        assert_nowhere(hark, "secret-")
        self.check(hark, row["id"])
        exported = tmp_path / "exported.jsonl"
        hark.cli("export", "--format", "jsonl", "--include-secrets", "-o", exported)
        assert hark.cli("import", exported).returncode == 0
        self.check(hark, hark.wait_rows("source = 'import' AND kind = 'websocket'")[0]["id"])

    @pytest.mark.parametrize("compression", [None, "deflate"])
    def test_messages_are_played_back_whatever_was_redacted(self, redacting, daemon, compression):
        echo = Echo()
        recorder = redacting(*BODIES)
        answers = [say(recorder, echo.port, f"secret-{n}", compression) for n in (1, 1)]
        echo.close()
        recorder.wait_rows("kind = 'websocket'", count=2)
        recorder.stop()
        assert answers[0] == '{"n": 1, "password": "secret-1"}'
        player = daemon("--db", recorder.db, "--mode", "playback", settings=BODIES)
        played = say(player, echo.port, "secret-2", compression)
        assert MARK.match(json.loads(played)["password"])

    def check(self, hark, number):
        for direction in ("send", "receive"):
            rows = hark.sql(
                "SELECT opcode, is_compressed, CAST(data AS BLOB) AS data FROM message WHERE exchange_id = ?"
                " AND direction = ? AND opcode < 8 ORDER BY seq", number, direction,
            )
            assert not any(row["is_compressed"] for row in rows)
            assert [row["opcode"] for row in rows] == [1, 1, 2, 1, 0, 1]
            assert MARK.match(json.loads(rows[0]["data"])["password"])
            assert (rows[1]["data"], rows[2]["data"]) == (b"no json: secret", b"\x00\xff")
            assert len(rows[3]["data"]) == 256 << 10
            long = json.loads(rows[3]["data"] + rows[4]["data"])
            assert long["n"] == 1 and MARK.match(long["password"])


def say(hark, port, secret, compression):
    """What an echo answers to a message with that secret."""

    async def conversation():
        sock = socket.create_connection(("127.0.0.1", hark.proxy_port))
        sock.sendall(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while not sock.recv(4096).endswith(b"\r\n\r\n"):
            pass
        async with websockets.connect(
            f"ws://localhost:{port}/", sock=sock, compression=compression
        ) as connection:
            await connection.send(json.dumps({"n": 1, "password": secret}))
            return await asyncio.wait_for(connection.recv(), 20 * SCALE)

    return asyncio.run(conversation())


PROGRAM = """
import os, sys, urllib.request
def ask(path, body, kind, token):
    headers = {"Content-Type": kind, "Authorization": "Bearer " + token}
    request = urllib.request.Request(sys.argv[1] + path, body, headers)
    return urllib.request.urlopen(request).read().decode()
secret = os.environ["SECRET"]
print(ask("/a?x=1&token=" + secret, b'{"n": 1, "password": "%s"}' % secret.encode(), "application/json", secret))
print(ask("/b", b"n=2&password=%s" % secret.encode(), "application/x-www-form-urlencoded", secret))
"""


class TestPlayback:
    """A recording that is kept beside a project's tests, on machines with different keys."""

    @pytest.fixture
    def machine(self, daemon, tmp_path):
        """machine(name, secret, …) runs the program there, and gives what it printed."""
        fixture = tmp_path / "fixtures" / "api.db"
        fixture.parent.mkdir()
        sets = [HEADERS, QUERY, *BODIES, "playback_match=method host port path query body headers"]

        def run(name, secret, url, mode):
            hark = daemon("--db", fixture, "--mode", mode, settings=sets, home=tmp_path / name)
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, url],
                env={"SECRET": secret, "http_proxy": hark.proxy_url}, capture_output=True, text=True,
                timeout=20 * SCALE, check=False,
            )
            hark.stop()
            assert done.returncode == 0, done.stderr
            return done.stdout

        run.db = fixture
        return run

    def test_a_recording_answers_on_another_machine(self, machine, origin, tmp_path):
        def handle(conn):
            while conn.read_request():
                conn.send(answer_with(b'{"password": "secret-9", "n": 1}', "application/json"))

        server = origin(handle)
        recorded = machine("first", "secret-1", server.url, "playback-or-record")
        assert "secret-9" in recorded
        assert len(server.requests) == 2
        server.stop()
        played = machine("second", "secret-2", server.url, "playback")
        assert re.sub(r"redacted:\w{16}", "secret-9", played) == recorded
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert b"secret-" not in path.read_bytes(), path

    def test_a_miss_tells_no_secret(self, machine, origin, daemon, client):
        server = origin(answer_with(b"{}", "application/json"))
        machine("first", "secret-1", server.url, "playback-or-record")
        settings = [HEADERS, QUERY, *BODIES]
        hark = daemon("--db", machine.db, "--mode", "playback", settings=settings)
        body = b'{"n": 3, "password": "secret-3"}'
        request = post(server, body, "application/json").replace(b"/b ", b"/a?x=1&token=secret-4 ")
        response = ask(hark, client, request)
        assert response.head.get("hark-error") == "playback-miss"
        assert b"$.n" in response.body and b"secret-" not in response.body
        assert "secret-" not in hark.stderr

    def test_its_export_is_stable_and_imports(self, machine, origin, redacting, tmp_path):
        server = origin(answer_with(JSON_BODY.encode(), "application/json"))
        machine("first", "secret-1", server.url, "playback-or-record")
        folder = tmp_path / "first"
        files = []
        for n in range(2):
            files.append(tmp_path / f"{n}.jsonl")
            done = run_hark("export", "--db", machine.db, "--format", "jsonl", "--include-secrets",
                            "-o", files[-1], home=folder)
            assert done.returncode == 0, done.stderr
        assert files[0].read_bytes() == files[1].read_bytes()
        assert b"secret-" not in files[0].read_bytes()
        hark = redacting(*BODIES)
        assert hark.cli("import", files[0]).returncode == 0
        # Marks stay the marks they are.
        for row in hark.wait_rows("source = 'import'", count=2):
            assert dict(fields_of(row, "request_headers"))["Authorization"].split()[1] in files[0].read_text()


def encode(coding, data):
    if coding == "zstd":
        return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    return {"gzip": gzip, "br": brotli}[coding].compress(data)


GET_WITH = (
    "GET {server.url}/ HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: Bearer {value}\r\n\r\n"
)


class TestKey:
    @pytest.mark.parametrize(
        "spoil, said",
        [
            (lambda key: key.write_bytes(b"short"), "no key of 32 bytes"),
            (lambda key: key.chmod(0o644), "others can read the key"),
            pytest.param(lambda key: os.chown(key, 65534, 65534), "belongs to another user",
                         marks=pytest.mark.skipif(os.geteuid() != 0, reason="takes root")),
        ],
        ids=["short", "readable", "another's"],
    )
    def test_a_key_that_is_none_stops_the_start(self, redacting, spoil, said):
        hark = redacting()
        hark.stop()
        spoil(hark.data_dir / "redact-key")
        done = run_hark(
            "serve", "--data-dir", hark.data_dir, "--set", HEADERS, "--listen", "127.0.0.1:0",
            "--ui", "off", home=hark.home,
        )
        assert done.returncode == 1 and said in done.stderr
