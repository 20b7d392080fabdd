# SPDX-License-Identifier: MIT
"""hark diff: what differs between two answers that went through hark."""

import gzip
import itertools
import json

import pytest
from harness import Daemon, RawClient, RawOrigin
from harness.daemon import run_hark

ITEMS = [{"id": number, "price": number * 10, "tags": ["a", "b"]} for number in range(5)]
CHANGED = json.loads(json.dumps(ITEMS))
CHANGED[3]["price"] = 31
REORDERED = [dict(reversed(item.items())) for item in ITEMS]


def reply(body, *fields, status="200 OK"):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


JSON = "Content-Type: application/json"
ANSWERS = {
    "/json": reply(ITEMS, JSON, "Date: Mon, 01 Jan 2026 00:00:00 GMT", "X-Kind: a"),
    "/same": reply(ITEMS, JSON, "Date: Tue, 02 Jan 2026 00:00:00 GMT", "X-Kind: a", "Age: 5"),
    "/reordered": reply(REORDERED, JSON, "X-Kind: a"),
    "/price": reply(CHANGED, JSON, "X-Kind: a"),
    "/kind": reply(ITEMS, JSON, "X-Kind: b"),
    "/gzip": reply(gzip.compress(json.dumps(ITEMS).encode()), JSON, "X-Kind: a",
                   "Content-Encoding: gzip"),
    "/gone": reply(b"", JSON, "X-Kind: a", status="410 Gone"),
    "/text": reply(b"one\ntwo\nthree\n", "Content-Type: text/plain"),
    "/text2": reply(b"one\ntwo and a half\nthree\nfour\n", "Content-Type: text/plain"),
    "/png": reply(b"\x89PNG\x00\x01", "Content-Type: image/png"),
    "/png2": reply(b"\x89PNG\x00\x02", "Content-Type: image/png"),
    "/ansi": reply({"a": "\x1b[31m"}, JSON),
    "/ansi2": reply(b'{"a":"\xe2\x80\xae"}', JSON),
}
IDS = {path: number for number, path in enumerate(ANSWERS, 1)}


def serve(conn):
    while request := conn.read_request():
        conn.send(ANSWERS[request.target])


class Recording:
    def __init__(self, home):
        with RawOrigin(serve) as server, Daemon(home) as daemon:
            with RawClient(daemon.proxy_port) as client:
                for path in ANSWERS:
                    head = f"GET {server.url}{path} HTTP/1.1\r\nHost: {server.host}\r\n\r\n"
                    client.ask(head.encode())
            daemon.wait_rows("state = 'done'", count=len(ANSWERS))
        self.home = home

    def diff(self, first, second, *options, env=None):
        """(exit status, the differences as JSON or the text)"""
        words = [str(IDS.get(word, word)) for word in (first, second)]
        done = run_hark("diff", *words, *options, "--data-dir", self.home / "data", home=self.home,
                        env=env)
        if "--json" in options:
            return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("diff"))


@pytest.mark.parametrize(("first", "second"), [
    ("/json", "/json"), ("/json", "/same"), ("/json", "/reordered"), ("/text", "/text"),
    ("/png", "/png")])
def test_nothing_differs(recording, first, second):
    assert recording.diff(first, second) == (0, "")
    assert recording.diff(first, second, "--json") == (0, [])


def test_field_deep_in_json(recording):
    assert recording.diff("/json", "/price") == (1, "body $[3].price: 30 -> 31\n")
    assert recording.diff("/reordered", "/price", "--json") == (1, [
        {"side": "response", "where": "body", "path": "$[3].price", "kind": "changed", "old": 30,
         "new": 31}])


def test_header(recording):
    assert recording.diff("/json", "/kind") == (1, "header x-kind: a -> b\n")
    assert recording.diff("/json", "/kind", "--ignore-header", "X-KIND") == (0, "")
    status, text = recording.diff("/json", "/same", "--all-headers")
    assert status == 1 and "header date: Mon" in text and "header age\n  + 5\n" in text
    status, text = recording.diff("/json", "/same", "--all-headers", "--ignore-header=date",
                                  "--ignore-header", "age")
    assert (status, text) == (0, "")


def test_headers_that_the_configuration_ignores(recording):
    ignoring = {"HARK_DIFF_IGNORE_HEADERS": "etag X-KIND"}
    assert recording.diff("/json", "/kind", env=ignoring) == (0, "")
    assert recording.diff("/json", "/same", env=ignoring) == (0, "")
    status, text = recording.diff("/json", "/kind", "--all-headers", env=ignoring)
    assert status == 1 and "header x-kind: a -> b\n" in text
    status, text = recording.diff("/json", "/kind", env={"HARK_DIFF_IGNORE_HEADERS": "X:Kind"})
    assert status == 2 and "diff_ignore_headers" in text.lower()


def test_same_content_in_another_coding(recording):
    assert recording.diff("/json", "/gzip") == (1, "header content-encoding\n  + gzip\n")


def test_status(recording):
    status, text = recording.diff("/json", "/gone")
    assert status == 1 and text.startswith("status: 200 -> 410\nreason: OK -> Gone\n")


def test_text(recording):
    assert recording.diff("/text", "/text2") == (
        1, "body line 2: two -> two and a half\nbody line 4\n  + four\n")


def test_binary(recording):
    status, [told] = recording.diff("/png", "/png2", "--json")
    assert status == 1
    assert told["old"].startswith("6 bytes, SHA-256 ") and told["old"] != told["new"]
    assert "as a whole" in told["note"]


def test_requests(recording):
    status, told = recording.diff("/json", "/same", "--request", "--json")
    assert (status, [(one["side"], one["where"]) for one in told]) == (1, [("request", "url")])


class Sockets:
    """Three conversations over WebSockets: what the client says, what it hears."""

    SAID = [
        ([(1, b"hello"), (9, b"ping"), (2, b"\x00\x01"), (1, b"")], [(1, b'{"n": 1}'), (1, b"x\ny")]),
        ([(1, b"hello"), (2, b"\x00\x01"), (1, b"")], [(1, b'{"n": 1}'), (10, b""), (1, b"x\ny")]),
        ([(1, b"hello"), (2, b"\x00\x02"), (1, b"")], [(1, b'{"n": 2}'), (1, b"x\ny"), (1, b"more")]),
    ]

    CLOSE = (8, b"\x03\xe8")

    def __init__(self, home):
        self.home = home
        with RawOrigin(self.serve) as server, Daemon(home) as daemon:
            for sent, _ in self.SAID:
                with RawClient(daemon.proxy_port) as client:
                    client.send(self.upgrade("GET", f"{server.url}/chat", server.host))
                    client.reader.head()
                    client.send(self.frames([*sent, self.CLOSE], mask=True))
                    client.reader.rest(bytearray().extend)
            daemon.wait_rows("kind = 'websocket' AND state = 'done'", count=len(self.SAID))

    @staticmethod
    def upgrade(method, url, host):
        return (f"{method} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n").encode()

    @staticmethod
    def frames(messages, mask=False):
        key = b"\0\0\0\0" if mask else b""
        return b"".join(bytes([0x80 | opcode, (0x80 if mask else 0) | len(data)]) + key + data
                        for opcode, data in messages)

    def serve(self, conn):
        number = len(conn.origin.requests)
        conn.read_head()
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                  b"Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
        sent, answered = self.SAID[number]
        conn.send(self.frames([*answered, self.CLOSE]))
        conn.reader.exactly(len(self.frames([*sent, self.CLOSE], mask=True)), bytearray().extend)

    diff = Recording.diff


@pytest.fixture(scope="module")
def sockets(tmp_path_factory):
    return Sockets(tmp_path_factory.mktemp("sockets"))


def test_messages_of_websockets(sockets):
    assert sockets.diff(1, 2, "--request") == (0, "")
    assert sockets.diff(1, 3) == (
        1, 'message 1: "{\\"n\\": 1}" -> "{\\"n\\": 2}"\nmessage 3\n  + "more"\n')
    status, told = sockets.diff(1, 3, "--request", "--json")
    assert [(one["side"], one["where"], one["path"]) for one in told] == [
        ("request", "message", "2"), ("response", "message", "1"), ("response", "message", "3")]
    assert told[0]["old"].startswith("binary 2 bytes, SHA-256 ")


def test_nothing_moves_the_cursor(recording):
    status, text = recording.diff("/ansi", "/ansi2")
    assert status == 1 and "\x1b" not in text and "\u202e" not in text


def test_colours_for_a_terminal(recording):
    status, text = recording.diff("/json", "/price", env={"CLICOLOR_FORCE": "1"})
    assert status == 1 and "\x1b[31m30\x1b[0m" in text and "\x1b[32m31\x1b[0m" in text


def test_ids_that_are_not_there(recording):
    status, text = recording.diff("/json", 999)
    assert (status, "no exchange 999" in text) == (3, True)
    assert recording.diff("@-2", "@-2") == (0, "")
    assert recording.diff("@-1000", "@last")[0] == 3


@pytest.mark.parametrize("words", list(itertools.chain(
    [[], ["1"], ["1", "2", "3"], ["1", "x"], ["1..2", "3"]],
    [["1", "2", *more] for more in (["-o", "tsv"], ["--ignore-header"], ["--bogus"])])))
def test_wrong_usage(recording, words):
    done = run_hark("diff", *words, "--data-dir", recording.home / "data", home=recording.home)
    assert done.returncode == 2 and "--help" in done.stderr and not done.stdout
