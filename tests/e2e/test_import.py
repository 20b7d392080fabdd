# SPDX-License-Identifier: MIT
"""hark import: HAR files of browsers and of hark, JSON lines, files with mistakes; what comes of an
export that is imported and exported again."""

import base64
import gzip
import json
import sqlite3
import urllib.error
import urllib.request

import pytest
from harness import Daemon, RawClient, RawOrigin
from harness.daemon import run_hark
from harness.nginx import free_port
from harness.recording import held
from harness.terminal import OnTerminal
from test_export import ASKED, TEXT, assert_is_har, request_bytes, serve

CHROME = {
    "log": {
        "version": "1.2",
        "creator": {"name": "WebInspector", "version": "537.36"},
        "pages": [{"startedDateTime": "2026-01-31T12:00:00.000Z", "id": "page_1", "title": "ü",
                   "pageTimings": {"onContentLoad": 12.5, "onLoad": -1}}],
        "entries": [
            {
                "_initiator": {"type": "script"},
                "_priority": "High",
                "_resourceType": "fetch",
                "cache": {},
                "connection": "443",
                "pageref": "page_1",
                "request": {
                    "method": "GET",
                    "url": "https://api.example.com/v1/items?q=%C3%BC#part",
                    "httpVersion": "h2",
                    "headers": [
                        {"name": ":authority", "value": "api.example.com"},
                        {"name": "accept-encoding", "value": "gzip, br"},
                    ],
                    "queryString": [{"name": "q", "value": "%C3%BC"}],
                    "cookies": [],
                    "headersSize": -1,
                    "bodySize": 0,
                },
                "response": {
                    "status": 200,
                    "statusText": "",
                    "httpVersion": "h2",
                    "headers": [
                        {"name": "content-type", "value": "application/json; charset=utf-8"},
                        {"name": "content-encoding", "value": "br"},
                    ],
                    "cookies": [],
                    "content": {"size": 15, "mimeType": "application/json", "text": '{"name":"größe"}'},
                    "redirectURL": "",
                    "headersSize": -1,
                    "bodySize": -1,
                    "_transferSize": 312,
                    "_error": None,
                },
                "serverIPAddress": "[2606:2800:220:1::1]",
                "startedDateTime": "2026-01-31T13:01:00.123456+01:00",
                "time": 45.25,
                "timings": {"blocked": 3.1, "dns": 1.5, "ssl": 10, "connect": 15, "send": 0.25,
                            "wait": 20, "receive": 5.4, "_blocked_queueing": 1},
            },
            {
                "request": {"method": "GET", "url": "data:image/png;base64,AAAA", "headers": []},
                "response": {"status": 200},
                "startedDateTime": "2026-01-31T12:01:01.000Z",
            },
            {
                "request": {"method": "GET", "url": "https://example.com/x.png", "headers": []},
                "response": {
                    "status": 200,
                    "headers": [],
                    "content": {"size": 4, "mimeType": "image/png", "text": "iVBORw==",
                                "encoding": "base64"},
                    "bodySize": 4,
                },
                "startedDateTime": "2026-01-31T12:01:02Z",
                "time": -1,
                "timings": {"send": -1, "wait": -5, "receive": 1e300},
            },
            {
                "_resourceType": "websocket",
                "_webSocketMessages": [
                    {"type": "send", "time": 1769860862.5, "opcode": 1, "data": "grüße"},
                    {"type": "receive", "time": 1769860862.75, "opcode": 2, "data": "AAH/"},
                ],
                "request": {"method": "GET", "url": "wss://example.com/ws", "headers": []},
                "response": {"status": 101, "statusText": "Switching Protocols", "headers": [],
                             "content": {"size": 0, "mimeType": "x-unknown"}},
                "startedDateTime": "2026-01-31T12:01:02.250Z",
            },
            {
                "request": {"method": "GET", "url": "https://dead.example/", "headers": []},
                "response": {"status": 0, "statusText": "", "headers": [], "bodySize": -1,
                             "content": {"size": 0, "mimeType": "x-unknown"},
                             "_error": "net::ERR_NAME_NOT_RESOLVED"},
                "startedDateTime": "2026-01-31T12:01:03.000Z",
            },
        ],
    }
}

FIREFOX = {
    "log": {
        "version": "1.2",
        "creator": {"name": "Firefox", "version": "128.0"},
        "browser": {"name": "Firefox", "version": "128.0"},
        "entries": [
            {
                "startedDateTime": "2026-01-31T12:00:00.000-02:30",
                "request": {
                    "bodySize": 9,
                    "method": "POST",
                    "url": "http://localhost:8080/form",
                    "httpVersion": "HTTP/1.1",
                    "headers": [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}],
                    "cookies": [],
                    "queryString": [],
                    "headersSize": 100,
                    "postData": {
                        "mimeType": "application/x-www-form-urlencoded",
                        "params": [{"name": "a", "value": "1 2"}, {"name": "ü", "value": "&"}],
                    },
                },
                "response": {
                    "status": 302,
                    "statusText": "Found",
                    "httpVersion": "HTTP/1.1",
                    "headers": [{"name": "Location", "value": "/next"}],
                    "cookies": [],
                    "content": {"mimeType": "text/html", "size": 120, "comment": "not kept"},
                    "redirectURL": "/next",
                    "headersSize": 200,
                    "bodySize": 120,
                },
                "cache": {},
                "timings": {"blocked": 0, "dns": 0, "connect": 0, "ssl": 0, "send": 0, "wait": 7, "receive": 0},
                "time": 7,
                "_securityState": "insecure",
                "serverIPAddress": "127.0.0.1",
                "connection": "8080",
            }
        ],
    }
}


class Place:
    """A data folder without a daemon."""

    def __init__(self, home):
        self.home, self.data_dir = home, home / "data"

    def cli(self, command, *args, **options):
        return run_hark(command, "--data-dir", self.data_dir, *args, home=self.home, **options)

    def add(self, content, *flags):
        """Import from standard input."""
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        data = text.encode() if isinstance(text, str) else text
        return self.cli("import", *flags, "-", stdin=data)

    def rows(self, query="SELECT * FROM exchange ORDER BY id"):
        connection = sqlite3.connect(self.data_dir / "hark.db")
        connection.row_factory = sqlite3.Row
        rows = connection.execute(query).fetchall()
        connection.close()
        return rows

    def body(self, exchange_id, side):
        query = f"SELECT data FROM body WHERE exchange_id={exchange_id} AND side='{side}' ORDER BY seq"
        parts = [row[0] for row in self.rows(query)]
        return b"".join(p.encode() if isinstance(p, str) else p for p in parts)

    def export(self, kind):
        done = self.cli("export", "--format", kind, "--include-secrets")
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# --- other tools --------------------------------------------------------------------------------


def test_a_browsers_file(place):
    done = place.add(CHROME)
    assert done.returncode == 0, done.stderr
    assert "added 4 exchanges as session 1" in done.stderr and "left out 1 that are not HTTP" in done.stderr
    item, image, socket, dead = place.rows()
    assert {row["source"] for row in (item, image, socket, dead)} == {"import"}
    assert item["started_us"] == 1769860860123456
    assert (item["scheme"], item["host"], item["port"]) == ("https", "api.example.com", 443)
    assert (item["path"], item["query"]) == ("/v1/items", "q=%C3%BC")
    assert (item["dns_us"], item["connect_us"], item["tls_us"]) == (1500, 5000, 10000)
    assert (item["send_us"], item["wait_us"], item["receive_us"]) == (250, 20000, 5400)
    assert item["duration_us"] == 45250 and item["state"] == "done"
    assert item["server_addr"] == "[2606:2800:220:1::1]:443"
    assert json.loads(item["request_headers"]) == [["accept-encoding", "gzip, br"]]
    # the body is decoded already
    assert item["response_encoding"] is None and item["response_type"] == "application/json"
    assert ["Hark-Undone-Content-Encoding", "br"] in json.loads(item["response_headers"])
    shown = place.cli("show", item["id"], "--response-body")
    assert shown.stdout == '{"name":"größe"}' and shown.returncode == 0
    assert place.body(image["id"], "response") == base64.b64decode("iVBORw==")
    assert [image[k] for k in ("duration_us", "send_us", "wait_us", "receive_us")] == [None] * 4
    assert (socket["kind"], socket["scheme"], socket["path"]) == ("websocket", "https", "/ws")
    messages = place.rows("SELECT at_us, direction, opcode, data FROM message ORDER BY seq")
    assert [tuple(m) for m in messages] == [
        (250000, "send", 1, "grüße"),
        (500000, "receive", 2, b"\x00\x01\xff"),
    ]
    assert dead["status"] is None and dead["error_text"] == "net::ERR_NAME_NOT_RESOLVED"
    assert dead["state"] == "upstream-error"
    har = json.loads(place.export("har"))
    assert_is_har(har)
    assert har["log"]["entries"][3]["response"]["_error"] == "net::ERR_NAME_NOT_RESOLVED"


def test_a_form_that_was_taken_apart_and_a_body_that_was_not_kept(place):
    assert place.add(FIREFOX).returncode == 0
    (row,) = place.rows()
    assert place.body(row["id"], "request") == b"a=1+2&%C3%BC=%26".replace(b"+", b"%20")
    assert row["started_us"] == 1769869800000000
    assert (row["response_size"], row["body_truncated"], row["port"]) == (120, 1, 8080)
    assert "of this body only the first 0 bytes" in place.cli("show", 1, "--response-body").stderr


def test_the_session_has_the_files_name(place, tmp_path):
    file = tmp_path / "browser.har"
    file.write_text(json.dumps(FIREFOX))
    assert place.cli("import", file).returncode == 0
    (session,) = place.rows("SELECT * FROM session")
    assert "browser.har" in session["command"] and session["state"] == "ended"


# --- mistakes -----------------------------------------------------------------------------------


def broken(change):
    har = json.loads(json.dumps(CHROME))
    change(har["log"]["entries"][2])
    return har


MISTAKES = [
    (json.dumps(CHROME)[:2500], "entry 5: the file breaks off"),
    (json.dumps(CHROME)[:-2], "breaks off"),
    (json.dumps(CHROME) + "x", "more after the end"),
    ("", "file is empty"),
    ("{}", "no HAR file"),
    ("[]", "neither a HAR file"),
    ('{"log":{"entries":{}}}', "no '['"),
    ("<html>", "neither a HAR file"),
    ('{"log":{"entries":[1]}}', "entry 1: there is no request"),
    ('{"log":{"entries":[{"request":[]}]}}', "entry 1: request is no object"),
    (broken(lambda e: e["request"].pop("method")), "entry 3: request.method"),
    (broken(lambda e: e["request"].update(method="A B")), "entry 3: request.method"),
    (broken(lambda e: e["request"].pop("url")), "entry 3: request.url"),
    (broken(lambda e: e["request"].update(url="http://[")), "entry 3: url"),
    (broken(lambda e: e.update(startedDateTime="yesterday")), "entry 3: startedDateTime"),
    (broken(lambda e: e["response"].update(status="x")), "entry 3: status"),
    (broken(lambda e: e["response"].update(status=99999)), "entry 3: response.status"),
    (broken(lambda e: e["response"].update(headers=[{"name": 1}])), "entry 3: name is no text"),
    (broken(lambda e: e["response"]["content"].update(text="§")), "entry 3: a body is not"),
    (broken(lambda e: e["response"]["content"].update(text=5)), "entry 3: a body is no text"),
    (broken(lambda e: e["response"].update(bodySize=1e40)), "entry 3: bodySize"),
    (broken(lambda e: e["request"].update(url="http://h/\0")), "entry 3: url has a NUL"),
]


@pytest.mark.parametrize("content,words", MISTAKES, ids=[words for _, words in MISTAKES])
def test_a_file_with_a_mistake_adds_nothing_and_says_where(place, content, words):
    done = place.add(content)
    assert done.returncode == 1 and words in done.stderr and "nothing was added" in done.stderr
    assert place.rows() == []


def test_entries_with_mistakes_are_left_out_if_asked(place):
    done = place.add(broken(lambda e: e["request"].pop("url")), "--skip-invalid")
    assert done.returncode == 1
    assert "entry 3: request.url is missing; left out" in done.stderr
    assert "added 3 exchanges" in done.stderr and len(place.rows()) == 3


def test_way_out_is_named_where_it_helps(place):
    """What is no JSON can be left out, too: scripts write halves of characters."""
    half = broken(lambda e: e["request"].update(comment="a\ud800b"))
    done = place.add(half)
    assert done.returncode == 1 and place.rows() == []
    assert "entry 3: invalid Unicode" in done.stderr
    assert "such entries can be left out with --skip-invalid" in done.stderr
    assert "added 3 exchanges" in place.add(half, "--skip-invalid").stderr
    assert "--skip-invalid" not in place.add(json.dumps(CHROME)[:2500]).stderr


def test_lines_whose_members_were_sorted(place):
    line = {"started_us": 1, "body_truncated": False, "method": "GET", "url": "http://h/sorted"}
    assert place.add(json.dumps(line, sort_keys=True) + "\n").returncode == 0
    assert [row["path"] for row in place.rows()] == ["/sorted"]


def test_files_that_are_none(place, tmp_path):
    assert "No such file" in place.cli("import", tmp_path / "none.har").stderr
    assert "is a folder" in place.cli("import", tmp_path).stderr
    assert place.cli("import").returncode == 2
    done = place.add('{"log":{"version":"1.2","entries":[]}}')
    assert done.returncode == 3 and "nothing to add" in done.stderr


def test_white_space_order_and_a_byte_order_mark_do_not_matter(place):
    text = "\ufeff" + json.dumps({"comment": "é", "log": dict(reversed(FIREFOX["log"].items()))}, indent="\t")
    assert place.add(text).returncode == 0 and len(place.rows()) == 1


# --- there and back -----------------------------------------------------------------------------


SAID = 'say "größer"\n<b>and</b> bigger'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Exports of everything that test_export.py records, by format, and a WebSocket."""
    home = tmp_path_factory.mktemp("roundtrip")
    with RawOrigin(serve) as origin, Daemon(home) as hark:
        with RawClient(hark.proxy_port) as peer:
            for method, target, fields, body in ASKED:
                peer.ask(request_bytes(origin.host, method, target, fields, body), method=method)
            large = (bytes(range(256)) * 4096 * 2)[:1_500_000]
            peer.ask(request_bytes(origin.host, "PUT", "/large", [], large))
            dead = f"127.0.0.1:{free_port()}"
            peer.ask(f"GET http://{dead}/dead HTTP/1.1\r\nHost: {dead}\r\n\r\n".encode())
        hark.wait_rows("1", count=len(ASKED) + 2)
        assert hark.cli("note", "1", SAID).returncode == 0
        assert hark.cli("note", "2", "--mark").returncode == 0
        return {
            kind: hark.cli("export", "--format", kind, "--include-secrets").stdout
            for kind in ("har", "jsonl")
        }


def without_what_is_new(kind, text):
    """What docs/export.md says an import changes."""
    if kind == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
        new = rows
    else:
        rows = json.loads(text)
        new = [entry["_hark"] for entry in rows["log"]["entries"]]
    for row in new:
        for name in ("id", "session_id", "source", "replay_of"):
            assert name in row
            del row[name]
    return json.dumps(rows)


@pytest.mark.parametrize("kind", ["har", "jsonl"])
def test_an_export_that_is_imported_and_exported_again_is_the_same(place, recorded, kind):
    done = place.add(recorded[kind])
    assert done.returncode == 0, done.stderr
    again = place.export(kind)
    assert without_what_is_new(kind, again) == without_what_is_new(kind, recorded[kind])
    # from then on byte for byte
    (place.home / "second").mkdir()
    second = Place(place.home / "second")
    assert second.add(again).returncode == 0
    assert second.export(kind) == again


@pytest.mark.parametrize("kind", ["har", "jsonl"])
def test_notes_and_marks_come_along(place, recorded, kind):
    first = json.loads(recorded[kind])["log"]["entries"][0] if kind == "har" else (
        json.loads(recorded[kind].splitlines()[0]))
    assert SAID in (first.get("comment"), *(note["text"] for note in first.get("notes", [])))
    assert place.add(recorded[kind]).returncode == 0
    notes = place.rows("SELECT exchange_id, is_mark, text FROM note ORDER BY exchange_id")
    assert [tuple(dict(note).values()) for note in notes] == [(1, 0, SAID), (2, 1, None)]


def test_empty_comments_of_other_tools_are_none(place):
    har = json.loads(json.dumps(CHROME))
    for entry, said in zip(har["log"]["entries"], ["", None, "slow?"]):
        entry["comment"] = said
    assert place.add(har).returncode == 0
    assert [dict(row) for row in place.rows("SELECT exchange_id, is_mark, text FROM note")] == [
        {"exchange_id": 2, "is_mark": 0, "text": "slow?"}]


def test_what_is_imported_is_what_was_recorded(place, recorded):
    assert place.add(recorded["har"]).returncode == 0
    packed = next(row for row in place.rows() if row["path"] == "/gzip")
    assert packed["response_encoding"] == "gzip"
    assert gzip.decompress(place.body(packed["id"], "response")) == TEXT.encode()
    assert "Content-Encoding" in packed["response_headers"]


# --- the daemon ---------------------------------------------------------------------------------


def test_through_the_daemon(daemon, tmp_path):
    hark = daemon(ui="127.0.0.1:0")
    file = tmp_path / "a b&ü.har"
    file.write_text(json.dumps(CHROME))
    done = hark.cli("import", file)
    assert done.returncode == 0, done.stderr
    assert "added 4 exchanges as session 2" in done.stderr
    assert hark.value("SELECT count(*) FROM exchange WHERE source = 'import'") == 4
    assert "a b&ü.har" in hark.value("SELECT command FROM session WHERE id = 2")
    assert {row["session_id"] for row in hark.sql("SELECT * FROM exchange")} == {2}
    # with the next ids, among what is recorded
    with RawOrigin() as origin, RawClient(hark.proxy_port) as peer:
        peer.ask(request_bytes(origin.host, "GET", "/", [], b""))
        assert hark.row_of(peer)["id"] == 5
    done = hark.cli("import", "-", stdin=b'{"log":{"entries":[{}]}}')
    assert done.returncode == 1 and "entry 1: there is no request" in done.stderr
    assert hark.value("SELECT count(*) FROM exchange") == 5
    done = hark.cli("import", "--skip-invalid", "-", stdin=b'{"log":{"entries":[{}]}}')
    assert done.returncode == 1 and "entry 1: there is no request; left out" in done.stderr


def test_over_the_api(daemon):
    hark = daemon(ui="127.0.0.1:0")
    token = (hark.data_dir / "token").read_text().strip()
    request = urllib.request.Request(
        f"{hark.page_url}/api/v1/import?name=x",
        data=json.dumps(CHROME).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    assert answer == {"added": 4, "foreign": 1, "invalid": 0, "session_id": 2, "problems": []}
    request.remove_header("Authorization")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401


@pytest.mark.parametrize("has_daemon", [True, False])
def test_recording_that_is_played_back_takes_nothing(daemon, tmp_path, has_daemon):
    hark, file = daemon(), tmp_path / "a.har"
    file.write_text(json.dumps(CHROME))
    assert hark.cli("import", file).returncode == 0
    hark.stop()
    before = hark.db.read_bytes()
    hark.settings = ["mode=playback"]
    if has_daemon:
        hark.start()
    done = hark.cli("import", file, env={"HARK_MODE": "playback"})
    assert done.returncode == 1
    assert "the recording is only read: the mode is playback" in done.stderr
    hark.stop()
    assert hark.db.read_bytes() == before


def test_daemon_that_takes_long_is_seen_on_a_terminal(daemon, tmp_path):
    hark, file = daemon(), tmp_path / "a.har"
    file.write_text(json.dumps(CHROME))
    with held(hark):
        run = OnTerminal(hark, "import", str(file))
        run.wait_for("\\r\x1b\\[Khark import: [0-9]+ s")
    assert run.end() == 0
    assert run.text.split("\r\x1b[K")[-1].startswith("hark import: added 4 exchanges")
