# SPDX-License-Identifier: MIT
"""The API's reading routes: lists page by page, one exchange, its bodies and its messages."""

import base64
import gzip
import http.client
import os
import socket
import sqlite3
import threading

import pytest
from harness import LARGE_MIB, SCALE, wait_until
from harness.api import Api, assert_problem
from harness.conformance import fill
from harness.load import Load
from harness.origin import OK

DAEMON = {"ui": "127.0.0.1:0"}
MIB = 1 << 20
GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"
LIST = "/api/v1/exchanges"
COLUMNS = ["id", "started_at", "method", "url", "status", "ms", "request_size", "response_size",
           "type", "state", "error", "client", "source", "kind", "session_id", "replay_of",
           "is_marked"]


@pytest.fixture
def api(hark):
    return Api(hark)


@pytest.fixture
def record(hark, origin, client):
    """record(answer, request) sends one request through the proxy; returns its finished row."""

    def once(answer=OK, request=GET):
        peer = client(hark)
        peer.ask(fill(request, origin(answer)))
        return hark.row_of(peer)

    return once


def answer(body, *fields):
    head = "".join(f"{field}\r\n" for field in (*fields, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body


def body_path(row, side="response"):
    return f"{LIST}/{row['id']}/{side}/body"


class TestList:
    def test_rows_have_the_columns_of_traffic_and_more(self, api, record):
        row = record()
        first = api.exchanges(limit=1)[0]
        assert list(first) == COLUMNS
        assert (first["id"], first["url"][-2:], first["status"]) == (row["id"], "/x", 200)
        assert (first["kind"], first["is_marked"]) == ("http", 0)

    def test_newest_come_first(self, api, record):
        ids = [record()["id"] for _ in range(3)]
        assert [row["id"] for row in api.exchanges(limit=3)] == ids[::-1]

    def test_before_and_after_limit_the_ids(self, api, record):
        ids = [record()["id"] for _ in range(4)]
        rows = api.exchanges(before=ids[3], after=ids[0])
        assert [row["id"] for row in rows] == [ids[2], ids[1]]

    def test_the_oldest_are_read_upwards(self, api, record):
        ids = [record()["id"] for _ in range(4)]
        page = api.read(LIST, after=ids[0], limit=2, oldest=1)
        assert [row["id"] for row in page["exchanges"]] == [ids[2], ids[1]]
        page = api.read(LIST, after=page["next"], limit=2, oldest=1)
        assert [row["id"] for row in page["exchanges"]] == [ids[3]]
        assert page["next"] is None

    def test_next_is_null_on_the_last_page(self, api, record):
        row = record()
        page = api.read(LIST, after=row["id"] - 1, limit=5)
        assert page["next"] is None
        page = api.read(LIST, after=row["id"] - 1, limit=1)
        assert page["next"] == row["id"]
        page = api.read(LIST, after=row["id"] - 1, before=page["next"])
        assert page == {"exchanges": [], "next": None}

    def test_a_filter_chooses(self, api, record):
        row = record(request=b"PUT {url}/only-this-one HTTP/1.1\r\nHost: {host}\r\n"
                             b"Content-Length: 0\r\n\r\n")
        rows = api.exchanges(filter="method:PUT only-this-one")
        assert [r["id"] for r in rows] == [row["id"]]
        assert api.exchanges(filter="no-such-thing-anywhere") == []

    def test_a_mistake_in_the_filter_is_answered_with_its_column(self, api):
        problem = assert_problem(api.ask(LIST, filter="method:GET stats:5"), 400)
        assert problem["column"] == 12
        assert "status:" in problem["detail"]

    @pytest.mark.parametrize("name,value", [
        ("limit", "0"), ("limit", "1001"), ("limit", "ten"), ("limit", "-1"), ("limit", ""),
        ("limit", "1e3"), ("limit", " 1"), ("before", "0"), ("before", "x"), ("after", "-3"),
        ("before", "99999999999999999999"),
    ])
    def test_bad_numbers_are_told_what_is_expected(self, api, name, value):
        problem = assert_problem(api.ask(LIST, **{name: value}), 400)
        assert f"{name}={value}" in problem["detail"] and "whole number" in problem["detail"]

    def test_unknown_and_repeated_parameters_are_refused(self, api):
        problem = assert_problem(api.ask(LIST, fliter="x"), 400)
        assert "filter" in problem["detail"]
        assert_problem(api.ask(LIST + "?limit=1&limit=2"), 400)

    @pytest.mark.parametrize("filter", ["\0", "id:1\0..2"])
    def test_a_parameter_with_a_nul_is_refused(self, api, filter):
        answer = api.ask(LIST, filter=filter)
        assert answer.status == 400
        assert "NUL" in answer.json["detail"]

    def test_paging_through_many_has_no_gap_and_no_repeat_while_new_ones_come(self, daemon, origin):
        hark, server = daemon(ui="127.0.0.1:0"), origin()
        api = Api(hark)
        load = Load(hark.proxy_port, server.url, clients=2)
        wait_until(lambda: len(load.answered) >= 1500, "1,500 answers", seconds=30)
        seen, pages, before = [], 0, None
        while True:
            page = api.read(LIST, limit=37, **({"before": before} if before else {}))
            seen += [row["id"] for row in page["exchanges"]]
            pages += 1
            before = page["next"]
            if before is None:
                break
        load.stop()
        assert len(seen) >= 1000 and pages >= 1000 // 37
        assert seen == sorted(seen, reverse=True)
        known = [row[0] for row in hark.sql("SELECT id FROM exchange WHERE id <= ? ORDER BY id DESC",
                                            seen[0])]
        # Rows are written in batches: what was not there when its page was read came later.
        assert set(seen) <= set(known) and len(seen) == len(set(seen))
        assert seen[-1] == 1
        assert seen[200:] == known[-len(seen[200:]):]


class TestOne:
    def test_has_every_column_and_no_content(self, api, hark, record):
        row = record(answer(b'{"a":1}', "Content-Type: application/json", "X-Twice: 1",
                            "X-Twice: 2"))
        one = api.read(f"{LIST}/{row['id']}")
        columns = {r["name"] for r in hark.sql("SELECT name FROM pragma_table_info('exchange')")}
        assert columns <= set(one)
        assert one["url"].endswith("/x")
        assert [v for n, v in one["response_headers"] if n == "X-Twice"] == ["1", "2"]
        assert one["response_body"] == {"size": 7, "wire_size": 7, "is_text": True,
                                        "truncated": False, "problem": None}
        assert one["request_body"]["size"] == 0
        assert [(side, size) for side, _, size in one["chunks"]] == [("response", 7)]
        assert (one["message_count"], one["notes"]) == (0, [])

    def test_sizes_are_of_the_decoded_body_and_of_the_wire(self, api, record):
        coded = gzip.compress(b"x" * 1000)
        row = record(answer(coded, "Content-Encoding: gzip"))
        body = api.read(f"{LIST}/{row['id']}")["response_body"]
        assert (body["size"], body["wire_size"], body["is_text"]) == (1000, len(coded), True)

    def test_without_an_answer_there_is_no_response_body(self, api, record):
        row = record(request=b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
        one = api.read(f"{LIST}/{row['id']}")
        assert one["state"] == "upstream-error" and one["error"] == "connect"

    @pytest.mark.parametrize("number,status", [("999999", 404), ("0", 400), ("-1", 400), ("x", 400),
                                               ("1x", 400), ("9" * 30, 400), ("@last", 400)])
    def test_a_number_that_is_none_or_of_nothing(self, api, number, status):
        for path in ("", "/response/body", "/request/body", "/messages"):
            assert_problem(api.ask(f"{LIST}/{number}{path}"), status)


class TestBody:
    def test_is_decoded_unless_it_is_asked_for_raw(self, api, record):
        text = "grüße ".encode() * 100
        coded = gzip.compress(text)
        row = record(answer(coded, "Content-Encoding: gzip", "Content-Type: text/html"))
        decoded = api.ask(body_path(row))
        assert decoded.body == text
        assert decoded.get("Content-Type") == "text/plain; charset=utf-8"
        raw = api.ask(body_path(row), raw=1)
        assert raw.body == coded
        assert raw.get("Content-Type") == "application/octet-stream"

    def test_text_comes_as_utf_8(self, api, record):
        row = record(answer("grüße".encode("latin-1"), "Content-Type: text/plain; charset=latin1"))
        assert api.ask(body_path(row)).body == "grüße".encode()

    @pytest.mark.parametrize("sent,told", [
        ("image/png", "image/png"), ("IMAGE/JPEG; q=1", "image/jpeg"),
        ("image/svg+xml", "application/octet-stream"), ("video/mp4", "application/octet-stream"),
        ("text/html", "text/plain; charset=utf-8"),
    ])
    def test_only_images_keep_their_type(self, api, record, sent, told):
        row = record(answer(b"\x89PNG\xff\xfe", f"Content-Type: {sent}"))
        answered = api.ask(body_path(row))
        if sent == "image/svg+xml":
            assert answered.get("Content-Type") in (told, "text/plain; charset=utf-8")
        else:
            assert answered.get("Content-Type") == told
        assert "sandbox" in answered.get("Content-Security-Policy")
        assert answered.get("X-Content-Type-Options") == "nosniff"

    @pytest.mark.parametrize("query,part", [
        ({"offset": 2}, slice(2, None)), ({"limit": 3}, slice(3)), ({"limit": 0}, slice(0)),
        ({"offset": 4, "limit": 5}, slice(4, 9)), ({"offset": 100}, slice(0)),
    ])
    def test_a_part_of_it(self, api, record, query, part):
        row = record(answer(b"0123456789", "Content-Type: text/plain"))
        assert api.ask(body_path(row), **query).body == b"0123456789"[part]

    def test_of_the_request(self, api, record):
        row = record(request=b"POST {url}/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nping")
        assert api.ask(body_path(row, "request")).body == b"ping"
        assert api.ask(body_path(row)).body == b"ok"

    def test_head_tells_the_length(self, api, record):
        row = record(answer(b"z" * 200_000))
        told = api.ask(body_path(row), "HEAD")
        assert (told.status, told.body, told.get("Content-Length")) == (200, b"", "200000")

    def test_what_cannot_be_decoded_is_said(self, api, record):
        coded = gzip.compress(os.urandom(5000))
        row = record(answer(coded[:-100], "Content-Encoding: gzip"))
        answered = api.ask(body_path(row))
        assert answered.status == 200 and "decoded" in answered.get("Hark-Problem")
        assert api.read(f"{LIST}/{row['id']}")["response_body"]["problem"]

    def test_a_long_one_streams_in_constant_memory(self, daemon, origin, client):
        mib = LARGE_MIB
        block = os.urandom(MIB)

        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (mib * MIB))
            for _ in range(mib):
                conn.send(block)

        hark = daemon(ui="127.0.0.1:0")
        peer, received = client(hark), [0]

        def count(data):
            received[0] += len(data)

        peer.send(fill(GET, origin(handle))).response(seconds=60, sink=count)
        assert received[0] == mib * MIB
        row = hark.row_of(peer, seconds=30)
        before = hark.rss()
        connection, response = Api(hark).open(body_path(row), connection=Api(hark).connect(60))
        size, most = 0, 0
        while data := response.read(MIB):
            assert data == block
            size += len(data)
            most = max(most, hark.rss())
        connection.close()
        assert size == mib * MIB
        assert most - before < (32 * MIB if SCALE == 1 else 400 * MIB)

    def test_a_client_that_stops_reading_holds_up_nobody(self, hark, api, record):
        row = record(answer(os.urandom(20 * MIB)))
        stalled = []
        for _ in range(20):
            one = socket.create_connection(("127.0.0.1", hark.page_port))
            one.sendall(f"GET {body_path(row)} HTTP/1.1\r\nHost: 127.0.0.1:{hark.page_port}\r\n"
                        f"Authorization: Bearer {api.token}\r\n\r\n".encode())
            stalled.append(one)
        assert api.exchanges(limit=1)
        assert api.ask("/livez").status == 200
        for one in stalled:
            one.close()
        wait_until(lambda: api.ask(body_path(row)).status == 200, "the threads to be free again")

    def test_of_an_exchange_that_goes_on(self, hark, api, origin, client):
        more = threading.Event()

        def handle(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nfirst\r\n")
            more.wait(20 * SCALE)
            conn.send(b"6\r\nsecond\r\n0\r\n\r\n")

        server, peer = origin(handle), client(hark)
        peer.send(fill(GET, server))
        pending = wait_until(lambda: api.exchanges(limit=1)[0]["state"] == "pending"
                             and api.exchanges(limit=1)[0], "the pending row")
        wait_until(lambda: api.ask(body_path(pending)).body == b"first", "the first chunk")
        more.set()
        wait_until(lambda: api.ask(body_path(pending)).body == b"firstsecond", "the rest")


class TestMessages:
    @pytest.fixture
    def websocket(self, hark, origin, client):
        """Records a WebSocket with five messages; returns its row."""
        frames = b"".join(b"\x81" + bytes([len(t)]) + t for t in (b"one", b"two", b"three"))
        binary = b"\x82\x03\x00\xff\x01"

        def handle(conn):
            conn.read_head()
            conn.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      b"Connection: Upgrade\r\n\r\n" + frames + binary + b"\x88\x02\x03\xe8")
            conn.wait_peer_closes()

        peer = client(hark)
        peer.send(fill(b"GET {url}/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
                       b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", origin(handle)))
        peer.response()
        peer.close()
        return hark.row_of(peer)

    def test_are_listed_in_order(self, api, websocket):
        page = api.read(f"{LIST}/{websocket['id']}/messages")
        assert [m.get("text") for m in page["messages"]][:3] == ["one", "two", "three"]
        assert base64.b64decode(page["messages"][3]["base64"]) == b"\x00\xff\x01"
        assert [m["opcode"] for m in page["messages"]] == [1, 1, 1, 2, 8]
        assert {m["direction"] for m in page["messages"]} == {"receive"}
        assert page["next"] is None
        assert api.read(f"{LIST}/{websocket['id']}")["message_count"] == 5

    def test_page_by_page(self, api, websocket):
        path, seqs, after = f"{LIST}/{websocket['id']}/messages", [], None
        while True:
            page = api.read(path, limit=2, **({} if after is None else {"after": after}))
            seqs += [m["seq"] for m in page["messages"]]
            after = page["next"]
            if after is None:
                break
        assert seqs == [0, 1, 2, 3, 4]

    def test_of_what_is_no_websocket_are_none(self, api, record):
        row = record()
        assert api.read(f"{LIST}/{row['id']}/messages") == {"messages": [], "next": None}


class TestStats:
    def test_are_counted_by_host_and_status(self, api, record):
        record(), record()
        rows = api.read("/api/v1/stats", filter="host:127.0.0.1 status:200")["stats"]
        assert [(row["host"], row["status"]) for row in rows] == [("127.0.0.1", 200)]
        assert rows[0]["count"] >= 2 and rows[0]["p50_ms"] is not None

    def test_a_mistake_in_the_filter_is_told(self, api):
        assert_problem(api.ask("/api/v1/stats", filter="status:"), 400)


class TestReading:
    def test_over_the_socket_no_token_is_needed(self, hark, record):
        row = record()
        assert Api(hark, over_socket=True).exchanges(limit=1)[0]["id"] == row["id"]

    def test_a_query_nobody_waits_for_any_more_ends(self, daemon):
        hark = daemon(ui="127.0.0.1:0")
        hark.stop()
        with sqlite3.connect(hark.db) as connection:
            connection.execute(
                "INSERT INTO exchange (id, session_id, source, started_us, kind, state, method,"
                " scheme, host, port, path, request_version, request_headers, headers_latin1,"
                " body_truncated) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                " LIMIT 300000) SELECT i, 1, 'proxy', 1, 'http', 'done', 'GET', 'http', 'a', 80,"
                " '/' || hex(zeroblob(200)), 'HTTP/1.1', '[]', 0, 0 FROM n")
        hark.start()
        api = Api(hark)
        slow = " or ".join(f"no-such-{n}" for n in range(150))
        clients = []
        for _ in range(6):
            connection = api.connect()
            connection.request("GET", f"{LIST}?filter={slow.replace(' ', '+')}",
                               headers={"Authorization": f"Bearer {api.token}"})
            clients.append(connection)
        for connection in clients:
            connection.close()
        assert api.exchanges(limit=1), "a thread is free again"

    def test_the_daemon_ends_while_clients_read(self, daemon, origin, client):
        hark = daemon(ui="127.0.0.1:0")
        peer = client(hark)
        peer.ask(fill(GET, origin(answer(os.urandom(20 * MIB)))))
        row = hark.row_of(peer)
        api = Api(hark)
        opened = [api.open(body_path(row)) for _ in range(6)]
        hark.stop()
        for connection, response in opened:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()
            connection.close()
