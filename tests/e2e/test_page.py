# SPDX-License-Identifier: MIT
"""The page in a real browser, as somebody sees and uses it.

After each test the console must be free of errors, no policy may have been broken, and nothing
may have been asked of any other address than the page's own.
"""

import gzip
import json
import struct
import subprocess
import threading
import zlib

import pytest
from harness.api import Api
from harness.browser import Browser, find_chromium
from harness.origin import replies
from harness.terminal import on_terminal
from harness.wait import wait_until

DAEMON = {"ui": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not find_chromium():
        pytest.skip("chromium is not installed")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def open_page(browser):
    """open_page(daemon, path) opens the page as `hark ui` does, in a fresh profile."""
    opened = []

    def start(daemon, path="/", **options):
        address = daemon.cli("ui", "--print").stdout.strip()
        page = browser.open(address, **options)
        opened.append((daemon, page))
        page.wait("document.body.dataset.live === 'on'")
        if path != "/":
            page.go(daemon.page_url + path)
            page.wait("document.body.dataset.live === 'on'")
        return page

    yield start
    for daemon, page in opened:
        wrong = [text for text in page.complaints if not text.startswith("network:")]
        others = [u for u in page.requests if not u.startswith((daemon.page_url, "blob:"))]
        page.close()
        assert not wrong
        assert not others


@pytest.fixture
def recorder(daemon):
    return daemon(ui="127.0.0.1:0")


def response(body, kind="text/plain", status="200 OK", *fields):
    head = "".join(f"{field}\r\n" for field in (f"Content-Type: {kind}", *fields))
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"HTTP/1.1 {status}\r\n{head}{length}".encode("latin-1") + body


def fetch(client, daemon, server, path="/", *fields):
    head = "".join(f"{field}\r\n" for field in (f"Host: {server.host}", *fields))
    return client(daemon).ask(f"GET {server.url}{path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))


def recorded(daemon, count=1):
    """The ids, oldest first."""
    return [row["id"] for row in reversed(Api(daemon).wait_exchanges(count))]


ROWS = ".rows .row"


# --- the list ------------------------------------------------------------------------------------


def test_empty_page_says_how_to_begin(recorder, open_page, origin, client):
    page = open_page(recorder)
    page.wait_text("#empty", f"curl -x {recorder.proxy_url} http://example.com/")
    page.wait_text("#empty", "hark run --")
    fetch(client, recorder, origin(response(b"hi")), "/first")
    page.wait_text(ROWS, "/first")
    assert page.js("document.querySelector('#empty').hidden")


def test_list_shows_exchanges_as_they_come(recorder, open_page, origin, client):
    go_on = threading.Event()

    def slow(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\no")
        go_on.wait(10)
        conn.send(b"k")

    server = origin(slow)
    page = open_page(recorder)
    asking = threading.Thread(target=fetch, args=(client, recorder, server, "/slow"))
    asking.start()
    page.wait_text(".row.pending", "/slow")
    go_on.set()
    asking.join()
    page.wait_text(ROWS, "2 B")
    page.wait("document.querySelectorAll('.row.pending').length === 0")


def test_new_rows_wait_while_somebody_looks_further_down(recorder, open_page, origin, client):
    server = origin(replies(response(b"x")))
    fill_rows(recorder, 300)
    page = open_page(recorder)
    page.wait(f"document.querySelectorAll('{ROWS}').length > 10")
    page.js("document.querySelector('#grid').scrollTop = 3400")
    first = "[...document.querySelectorAll('.rows .row')].find(r => r.getBoundingClientRect().top >= document.querySelector('.rows').parentNode.getBoundingClientRect().top + 30)?.id"
    page.wait(f"![undefined, 'row-300'].includes({first})")
    seen = page.js(first)
    fetch(client, recorder, server, "/new")
    page.wait_text("#pill", "1 new exchange")
    assert page.js(first) == seen
    page.click("#pill")
    page.wait_text(ROWS, "/new")
    assert page.js("document.querySelector('#grid').scrollTop") == 0


def test_paused_list_stands_still(recorder, open_page, origin, client):
    server = origin(replies(response(b"x")))
    fetch(client, recorder, server, "/before")
    page = open_page(recorder)
    page.wait_text(ROWS, "/before")
    page.key("p")
    page.wait_text("#follow", "Paused")
    fetch(client, recorder, server, "/after")
    page.wait_text("#pill", "1 new exchange")
    assert "/after" not in page.text(".rows")
    page.key("p")
    page.wait_text(ROWS, "/after")


def fill_rows(daemon, count):
    """So many exchanges put into the file while no daemon has it open."""
    daemon.stop()
    script = f"""
        INSERT INTO exchange (id, session_id, source, started_us, duration_us, kind, state, method,
            scheme, host, port, path, status, request_headers, response_headers, response_size,
            body_truncated, headers_latin1)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        SELECT i, 1, 'proxy', 1790000000000000 + i * 1000, 1500, 'http', 'done', 'GET', 'http',
            'h.example', 80, '/row/' || i, 200, '[]', '[]', 0, 0, 0 FROM n;
        UPDATE session SET next_exchange_id = {count} + 1;"""
    subprocess.run(["sqlite3", str(daemon.db)], input=script, text=True, check=True)
    daemon.start()


def test_twenty_thousand_rows_are_scrolled_with_few_elements(recorder, open_page):
    fill_rows(recorder, 20000)
    page = open_page(recorder)
    page.wait_text(ROWS, "/row/20000")
    most = page.js(
        """(async () => {
            const grid = document.querySelector('#grid');
            let most = 0;
            for (let round = 0; round < 2000 && !document.querySelector('#row-1'); round += 1) {
                grid.scrollTop = grid.scrollHeight;
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 5)));
                most = Math.max(most, document.querySelectorAll('*').length);
            }
            return most;
        })()"""
    )
    page.wait_text(ROWS, "/row/1")
    assert most < 1500
    # And back up, page by page, to where it began.
    page.js(
        """(async () => {
            const grid = document.querySelector('#grid');
            for (let round = 0; round < 2000 && !document.querySelector('#row-20000'); round += 1) {
                grid.scrollTop = 0;
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 5)));
            }
        })()"""
    )
    page.wait_text(ROWS, "/row/20000")
    shown = page.js("[...document.querySelectorAll('.rows .row')].map(r => Number(r.dataset.id))")
    assert sorted(shown) == list(range(20000 - len(shown) + 1, 20001)), "a page is missing"


def test_file_that_hark_ui_opens_leads_to_the_page(recorder, browser, origin, client, tmp_path):
    fetch(client, recorder, origin(response(b"x")), "/found")
    opener = tmp_path / "xdg-open"
    opener.write_text("#!/bin/sh\n")
    opener.chmod(0o755)
    on_terminal("ui", "--data-dir", recorder.data_dir, home=recorder.home,
                env={"DISPLAY": ":9", "PATH": f"{tmp_path}:/usr/bin:/bin"})
    page = browser.open(f"file://{recorder.data_dir}/open-page.html")
    page.wait_text(ROWS, "/found")
    assert page.js("location.href") == recorder.page_url + "/"
    page.close()


# --- the filter ----------------------------------------------------------------------------------


def test_filter_narrows_the_list_and_is_in_the_address(recorder, open_page, origin, client):
    server = origin(replies(response(b"x"), response(b"", "text/plain", "404 Not Found"), response(b"x")))
    for path in ("/one", "/two", "/three"):
        fetch(client, recorder, server, path)
    page = open_page(recorder)
    page.wait_text(ROWS, "/three")
    page.key("/")
    page.type("status:404")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('{ROWS}').length === 1")
    assert "/two" in page.text(".rows")
    assert page.js("location.search") == "?filter=status%3A404"
    fetch(client, recorder, server, "/four")
    recorded(recorder, 4)
    page.js("history.back()")
    page.wait_text(ROWS, "/four")
    assert page.js("document.querySelector('#filter').value") == ""

    page.go(recorder.page_url + "/?filter=path:/one")
    page.wait_text(ROWS, "/one")
    assert page.js("document.querySelector('#filter').value") == "path:/one"


def test_filter_that_matches_nothing_says_so(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/one")
    page = open_page(recorder, "/?filter=host:nowhere.example")
    page.wait_text("#empty", "Nothing matches")
    page.click("#empty button")
    page.wait_text(ROWS, "/one")


def test_mistake_in_the_filter_is_marked_where_it_is(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/one")
    page = open_page(recorder)
    page.wait_text(ROWS, "/one")
    page.key("/")
    page.type("method:GET statsu:500")
    page.key("Enter")
    page.wait_text("#filter-error", "status")
    assert page.text("#filter-error mark") == "statsu"
    assert page.js("document.querySelector('#filter').getAttribute('aria-invalid')") == "true"
    assert "/one" in page.text(".rows"), "the list went away"


# --- one exchange --------------------------------------------------------------------------------


def test_json_is_laid_out_as_a_tree_that_keeps_the_text(recorder, open_page, origin, client):
    document = {"id": 12345678901234567890, "list": [{"n": n, "pad": "x" * 20} for n in range(300)]}
    text = json.dumps(document).replace('"id"', '"id": 1.50, "id"')
    body = gzip.compress(text.encode())
    server = origin(response(body, "application/json", "200 OK", "Content-Encoding: gzip"))
    fetch(client, recorder, server, "/data")
    recorded(recorder)
    page = open_page(recorder)
    page.wait_text(ROWS, "/data")
    page.click(ROWS)
    page.wait_text(".json", "12345678901234567890")
    assert "1.50" in page.text(".json")
    page.wait_text(".json", "300 items")
    assert page.js("document.querySelectorAll('.j-leaf').length") < 20, "built before it is unfolded"
    page.click(".json .j-box summary")
    page.wait_text(".json", "more")
    assert page.js("document.querySelectorAll('.j-leaf').length") < 1000
    assert page.js("location.search") == "?id=1"


def test_event_stream_is_a_timeline_while_it_streams(recorder, open_page, origin, client):
    sent = threading.Semaphore(0)

    def stream(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in ("one", "two", "three"):
            conn.send(f"event: step\ndata: {event}\n\n".encode())
            sent.acquire(timeout=20)

    server = origin(stream)
    asking = threading.Thread(target=fetch, args=(client, recorder, server, "/events"))
    asking.start()
    page = open_page(recorder)
    page.wait_text(ROWS, "/events")
    page.click(ROWS)
    page.wait_text(".timeline", "one")
    page.wait_text(".live-note", "still going on")
    sent.release()
    page.wait_text(".timeline", "two")
    sent.release()
    page.wait_text(".timeline", "three")
    sent.release()
    asking.join()
    page.wait("document.querySelector('.live-note').innerText === '3 events'")
    times = page.js("[...document.querySelectorAll('.t-time')].map(e => e.innerText)")
    assert len(times) == 3 and all(times)


def frame(opcode, payload, is_masked=False):
    mask = bytes(4) if is_masked else b""
    return struct.pack("BB", 0x80 | opcode, (0x80 if is_masked else 0) | len(payload)) + mask + payload


def test_websocket_is_a_timeline_of_messages(recorder, open_page, origin, client):
    accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    def talk(conn):
        conn.read_request()
        conn.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        conn.send(frame(1, b'{"hello": "page"}'), frame(2, b"\x00\x01\xff"))
        conn.wait_peer_closes()

    server = origin(talk)
    peer = client(recorder)
    peer.ask(
        f"GET {server.url}/socket HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    page = open_page(recorder)
    page.wait_text(ROWS, "/socket")
    page.click(ROWS)
    page.wait_text(".timeline", '{"hello": "page"}')
    page.wait_text(".timeline", "00 01 ff")
    peer.send(frame(1, b"from the client", is_masked=True))
    page.wait_text(".t-sent", "from the client")
    page.click(".t-received summary")
    page.wait_text(".t-item .json", '"hello": "page"')


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress((b"\0" + bytes(9)) * 2))
        + chunk(b"IEND", b"")
    )


def test_image_is_shown(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(png(), "image/png")), "/image")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=response")
    page.wait_text("figcaption", "3 × 2")
    assert page.js("document.querySelector('figure img').src").startswith("blob:")


def test_binary_body_is_a_hex_dump_and_comes_in_parts(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(bytes(range(256)) * 400, "application/octet-stream")), "/bin")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=response")
    page.click(".chooser button:last-child")
    page.wait_text(".body .hex", "00000000  00 01 02 03")
    assert "00004000" not in page.text(".body")
    page.click(".parts + button")
    page.wait_text(".body .hex:last-child", "00004000  00 01 02 03")


def test_timing_shows_phases_and_segments(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x" * 1000)), "/x")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=timing")
    page.wait_text(".phases", "Waiting for the answer")
    page.wait_text(".phases", "Total")
    page.wait_text(".segments", "1000 B")


def test_failed_exchange_says_what_went_wrong(recorder, open_page, client):
    client(recorder).ask(b"GET http://127.0.0.1:9/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait_text("#panel .problem", "connect")


def test_copied_curl_command_sends_the_same_request(recorder, open_page, origin, client, browser):
    server = origin(replies(response(b"x")))
    fields = ("X-Odd: it's \"quoted\" $HOME `id`", "Authorization: Bearer secret")
    fetch(client, recorder, server, "/a?b=%20'c'", *fields)
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    browser.call(
        "Browser.grantPermissions",
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
        browserContextId=page.context,
    )
    page.wait("!!document.querySelector('#panel')")
    page.key("c")
    page.wait_text("#toast", "Copied as curl")
    command = page.js("navigator.clipboard.readText()")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20)
    first, second = server.requests
    assert second.target == first.target
    for name in ("x-odd", "authorization", "host"):
        assert second.get(name) == first.get(name)


def test_mark_and_note_are_kept(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/x")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=overview")
    page.wait("!!document.querySelector('#note-text')")
    page.key("m")
    page.wait_text(".actions", "★ Marked")
    page.wait_text(ROWS, "★")
    page.js("document.querySelector('#note-text').focus()")
    page.type("<b>look</b> here")
    page.click(".note-form button")
    page.wait_text("#toast", "Note saved")
    page.go(recorder.page_url + "/?id=1&tab=overview")
    page.wait("document.querySelector('#note-text')?.value === '<b>look</b> here'")
    page.wait_text(".actions", "★ Marked")
    page.key("m")
    page.wait_text(".actions", "☆ Mark")
    assert recorder.value("SELECT count(*) FROM note WHERE is_mark") == 0


def test_two_exchanges_are_compared(recorder, open_page, origin, client):
    answers = [response(json.dumps({"name": name, "same": 1}).encode(), "application/json")
               for name in ("ada", "grace")]
    server = origin(replies(*answers))
    for path in ("/a", "/b"):
        fetch(client, recorder, server, path)
    first, second = recorded(recorder, 2)
    page = open_page(recorder)
    page.wait_text(ROWS, "/a")
    page.click(f"#row-{first}")
    page.wait_text(".d-url", "/a")
    page.key("x")
    page.wait_text("#compare-note", f"#{first}")
    page.click(f"#row-{second}")
    page.wait_text(".diff", "ada")
    assert "grace" in page.text(".diff") and "same" not in page.text(".diff")
    assert f"compare={first}" in page.js("location.search")
    page.click("#compare-note button")
    page.wait("!document.querySelector('.diff')")


def test_what_is_listed_is_exported(recorder, open_page, origin, client):
    server = origin(replies(response(b"x")))
    for path in ("/a", "/b"):
        fetch(client, recorder, server, path)
    recorded(recorder, 2)
    page = open_page(recorder, "/?filter=path:/b")
    page.wait_text(ROWS, "/b")
    page.click("#actions summary")
    page.wait_text("#actions-box", "HAR")
    urls = page.js("fetch(document.querySelector('#actions-box a').href).then(r => r.json())"
                   ".then(har => har.log.entries.map(e => e.request.url))")
    assert urls == [f"{server.url}/b"]


# --- statistics ----------------------------------------------------------------------------------


def test_statistics_lead_to_the_rows_they_count(recorder, open_page, origin, client):
    server = origin(replies(response(b"x"), response(b"", "text/plain", "404 Not Found"), response(b"x")))
    for path in ("/one", "/two", "/three"):
        fetch(client, recorder, server, path)
    client(recorder).ask(b"GET http://localhost:9/refused HTTP/1.1\r\nHost: localhost:9\r\n\r\n")
    recorded(recorder, 4)
    page = open_page(recorder)
    page.wait_text(ROWS, "/refused")
    page.key("s")
    page.wait_text(".stats-head", "4 exchanges in the recording, 2 errors")
    rows = page.js("[...document.querySelectorAll('.stats-table tbody tr')].map(r => r.innerText.split('\\t'))")
    assert [row[1:4] for row in rows] == [["200", "2", ""], ["404", "1", "1"], ["502", "1", "1"]]
    assert [row[0].strip() for row in rows] == ["127.0.0.1", "127.0.0.1", "localhost"]
    assert all(row[5] for row in rows), "no latency"
    assert page.js("location.search") == "?view=stats"
    page.click(".stats-table tbody tr:nth-child(2) td button")
    page.wait(f"document.querySelector('#stats').hidden && document.querySelectorAll('{ROWS}').length === 1")
    assert "/two" in page.text(".rows")
    assert page.js("document.querySelector('#filter').value") == "host:127.0.0.1 status:404"
    page.js("history.back()")
    page.wait("document.querySelector('#filter').value === '' || location.search.includes('view=stats')")


def test_statistics_follow_the_filter(recorder, open_page, origin, client):
    server = origin(replies(response(b"x"), response(b"", "text/plain", "404 Not Found")))
    for path in ("/one", "/two"):
        fetch(client, recorder, server, path)
    recorded(recorder, 2)
    page = open_page(recorder, "/?view=stats&filter=path:/one")
    page.wait_text(".stats-head", "1 exchange match path:/one, no errors")
    page.key("/")
    page.type("path:/one or path:/two")
    page.key("Enter")
    page.wait_text(".stats-head", "2 exchanges match")
    page.click(".stats-table .st-host")
    page.wait("document.querySelector('#stats').hidden")
    assert page.js("document.querySelector('#filter').value") == "(path:/one or path:/two) host:127.0.0.1"
    page.wait(f"document.querySelectorAll('{ROWS}').length === 2")


# --- sending again -------------------------------------------------------------------------------


def test_open_exchange_is_sent_again_and_compared(recorder, open_page, origin, client):
    server = origin(replies(response(b'{"n": "ada"}', "application/json"), response(b'{"n": "grace"}', "application/json")))
    fetch(client, recorder, server, "/again")
    ident = recorded(recorder)[0]
    page = open_page(recorder, f"/?id={ident}")
    page.wait_text(".actions", "Send again")
    page.key("r")
    page.wait_text("#dialog", f"Send #{ident} again")
    page.key("Enter")
    page.wait_text(".results", f"again #{ident}")
    page.wait_text(ROWS, "replay")
    page.click(".results tr td:last-child button")
    page.wait_text(".diff", "grace")
    assert page.js("document.querySelector('#dialog').open") is False
    page.click("#tab-overview")
    page.wait_text(".facts", f"Replay of\n#{ident}")
    page.click("#compare-note button")
    page.click(".actions button:last-of-type")
    page.wait_text(".diff", "ada")
    assert [r.target for r in server.requests] == ["/again", "/again"]


def test_open_request_goes_to_another_origin(recorder, open_page, origin, client):
    first, second = origin(response(b"first")), origin(response(b"second"))
    fetch(client, recorder, first, "/moved")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait_text(".actions", "Send again")
    page.key("r")
    page.click("#replay-to")
    page.type("nonsense")
    page.key("Enter")
    page.wait_text("#dialog .problem", "nonsense")
    page.js("document.querySelector('#replay-to').select()")
    page.type(second.url)
    page.key("Enter")
    page.wait_text(".results", "200")
    assert [r.target for r in second.requests] == ["/moved"]
    assert len(first.requests) == 1


def post(client, daemon, server, path):
    head = f"POST {server.url}{path} HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: 1\r\n\r\nx"
    return client(daemon).ask(head.encode())


def test_unsafe_requests_want_to_be_agreed_to(recorder, open_page, origin, client):
    server = origin(replies(response(b"x")))
    for path in ("/a", "/b"):
        post(client, recorder, server, path)
    recorded(recorder, 2)
    page = open_page(recorder, "/?filter=method:POST&id=1")
    page.wait_text(".actions", "Send again")
    page.key("r")
    page.wait_text("#dialog", "A POST may change something")
    page.key("Escape")
    page.wait("!document.querySelector('#dialog').open")
    page.click("#actions summary")
    page.click("#replay-listed")
    page.wait_text("#dialog", "2 requests that match method:POST")
    page.key("Enter")
    page.wait_text("#dialog .problem", "2 of the 2 requests are not GET, HEAD or OPTIONS")
    assert len(server.requests) == 2, "sent before it was agreed to"
    page.key("Enter")
    page.wait_text("#dialog", "2 requests sent again")
    assert sorted(r.target for r in server.requests) == ["/a", "/a", "/b", "/b"]


def test_replay_that_is_left_stops(recorder, open_page, origin, client):
    server = origin(replies(response(b"x")))
    fetch(client, recorder, server, "/x")
    recorded(recorder)
    hold = threading.Event()

    def slow(conn):
        conn.read_request()
        hold.wait(20)
        conn.send(response(b"late"))

    other = origin(slow)
    for _ in range(19):
        fetch(client, recorder, server, "/x")
    recorded(recorder, 20)
    page = open_page(recorder)
    page.click("#actions summary")
    page.click("#replay-listed")
    page.click("#replay-to")
    page.type(other.url)
    page.key("Enter")
    page.wait("!document.querySelector('#dialog .dialog-actions button:last-child').hidden")
    wait_until(lambda: len(other.requests) == 4, "the first requests at the origin")
    page.click("#dialog .dialog-actions button:last-child")
    page.wait_text("#dialog", "Send once more")
    hold.set()
    wait_until(lambda: not recorder.sql("SELECT id FROM exchange WHERE state = 'pending'"),
               "what had gone out to end")
    assert len(other.requests) < 20


# --- import --------------------------------------------------------------------------------------


def har_file(path, *urls, **entry):
    entries = [{"startedDateTime": "2026-01-31T12:00:00Z", "time": 5, **entry,
                "request": {"method": "GET", "url": url, "headers": []},
                "response": {"status": 200, "headers": [], "content": {"size": 2, "text": "hi"}}} for url in urls]
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return str(path)


def choose(page, *files):
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=document, selector="#import-file")["nodeId"]
    page.call("DOM.setFileInputFiles", files=list(files), nodeId=node)


def test_chosen_files_are_imported(recorder, open_page, tmp_path):
    good = har_file(tmp_path / "good <b>.har", "http://a.example/one", "data:,x")
    bad = tmp_path / "bad.har"
    bad.write_text('{"log": {"entries": [{"startedDateTime": 7}]}}')
    page = open_page(recorder)
    choose(page, good, str(bad))
    page.wait_text("#dialog", "1 exchange added; 1 entry was left out, being no HTTP")
    page.wait_text("#dialog h3", "good <b>.har")
    page.wait_text("#dialog .problem", "Nothing was added")
    page.wait_text("#dialog .problem", "entry 1")
    page.click("#dialog .problem button")
    page.wait_text("#dialog", "0 exchanges added; 1 entry was left out as invalid")
    page.click("#dialog .import-file button")
    page.wait_text(ROWS, "a.example/one")
    assert page.js("document.querySelector('#filter').value").startswith("session:")


def test_dropped_file_is_imported(recorder, open_page, tmp_path):
    path = har_file(tmp_path / "dropped.har", "https://a.example/dropped")
    page = open_page(recorder)
    data = {"items": [], "files": [path], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        page.call("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)
    page.wait("!document.querySelector('#drop-hint').hidden")
    page.call("Input.dispatchDragEvent", type="drop", x=300, y=300, data=data)
    page.wait_text("#dialog", "1 exchange added")
    page.wait_text(ROWS, "/dropped")
    assert page.js("document.querySelector('#drop-hint').hidden")


# --- what was recorded stays data ----------------------------------------------------------------

EVIL = (
    "<img src=x onerror=\"window.ran='img'\"><script>window.ran='script'</script>"
    "<svg onload=\"window.ran='svg'\"><a href=\"javascript:window.ran='a'\">x</a></svg>"
    "<link rel=stylesheet href=http://other.example/x.css>"
)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/json", "text/event-stream"])
def test_recorded_content_never_runs(recorder, open_page, origin, client, kind):
    body = {
        "application/json": json.dumps({EVIL: [EVIL]}),
        "text/event-stream": f"event: {EVIL}\ndata: {EVIL}\n\n",
    }.get(kind, f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran=1">{EVIL}</svg>')
    server = origin(response(body.encode(), kind, f"200 {EVIL}", f"X-Evil: {EVIL}", f"{'X' * 5}: '>{EVIL}"))
    fetch(client, recorder, server, f"/%3Cscript%3E?{EVIL.replace(' ', '%20')}", f"X-Evil: {EVIL}")
    ident = recorded(recorder)[0]
    page = open_page(recorder, f"/?id={ident}&tab=response")
    page.wait_text(".pairs", "<img src=x onerror=")
    page.wait_text(".body", "window.ran")
    for tab in ("overview", "request", "timing", "connection", "raw"):
        page.click(f"#tab-{tab}")
        page.wait(f"document.querySelector('#tab-{tab}').ariaSelected === 'true'")
    page.wait_text("#panel", "<script>")
    assert page.js("window.ran") is None
    assert page.js("document.querySelectorAll('#detail :is(script, svg, link, iframe, object)').length") == 0


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml"])
def test_recorded_content_opened_by_itself_never_runs(recorder, browser, open_page, origin, client, kind):
    body = f'<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=1"><script>document.title=1</script></svg>'
    fetch(client, recorder, origin(response(body.encode(), kind)), "/x")
    ident = recorded(recorder)[0]
    page = open_page(recorder)
    page.go(f"{recorder.page_url}/api/v1/exchanges/{ident}/response/body")
    page.wait("document.readyState === 'complete'")
    assert page.js("document.title") != "1"
    assert page.js("document.contentType") in ("text/plain", "text/html"), "not shown as what it is"
    assert page.js("document.scripts.length") == 0


# --- for everybody -------------------------------------------------------------------------------


def test_keyboard_alone_is_enough(recorder, open_page, origin, client):
    server = origin(replies(response(b'{"a": 1}', "application/json")))
    for number in range(5):
        fetch(client, recorder, server, f"/n{number}")
    page = open_page(recorder)
    page.wait_text(ROWS, "/n4")
    page.key("/")
    page.type("path:/n*")
    page.key("Enter", "Escape")
    page.wait("document.activeElement.id === 'grid'")
    page.key("j", "j", "k", "ArrowDown", "Enter")
    page.wait_text("#detail h2", "GET")
    assert page.js("document.querySelector('#grid').getAttribute('aria-activedescendant')") == "row-4"
    page.wait_text(".d-url", "/n3")
    page.key("]")
    page.wait_text("[role=tab][aria-selected=true]", "Timing")
    page.key("[", "[")
    page.wait_text("[role=tab][aria-selected=true]", "Request")
    page.key("j")
    page.wait_text(".d-url", "/n2")
    page.wait_text("[role=tab][aria-selected=true]", "Request")
    page.key("Escape")
    page.wait("document.querySelector('#detail').hidden && document.activeElement.id === 'grid'")
    page.key("?")
    page.wait("document.querySelector('#help-dialog').open")
    page.key("Escape")
    page.wait("!document.querySelector('#help-dialog').open")


def test_screen_reader_is_told_roles_and_names(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/x")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait("!!document.querySelector('#panel')")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]}
    assert {"grid", "row", "gridcell", "columnheader", "tablist", "tab", "tabpanel", "status",
            "searchbox"} <= {role for role, _ in roles}
    assert [name for role, name in roles if role in ("button", "tab", "searchbox", "grid") and not name] == []


# The contrast of every text in sight with what it stands on (WCAG 2), where it is under 4.5.
WEAK_TEXTS = """(() => {
    const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgba = (color) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const under = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
        return layers.reverse().reduce((base, [r, g, b, a]) =>
            base.map((c, i) => c + ([r, g, b][i] - c) * a / 255), [255, 255, 255]);
    };
    const light = (color) => color.slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const weak = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(under(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) weak.push([walker.currentNode.data.trim().slice(0, 30), ratio.toFixed(2)]);
    }
    return weak;
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read_in_both_schemes(recorder, open_page, origin, client, dark):
    server = origin(replies(*(response(b'{"a": [1, true, "b"]}', "application/json", status) for status in
                              ("200 OK", "302 Found", "404 Not Found", "503 Unavailable"))))
    for _ in range(4):
        fetch(client, recorder, server)
    client(recorder).ask(b"GET http://127.0.0.1:9/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n")
    page = open_page(recorder, f"/?id={recorded(recorder, 5)[3]}&tab=response", dark=dark)
    page.wait_text(".json", "true")
    assert page.js(WEAK_TEXTS) == []
    page.click("#tab-timing")
    page.key("?")
    page.wait("document.querySelector('#help-dialog').open")
    assert page.js(WEAK_TEXTS) == []


def test_colours_follow_the_system_or_the_choice(recorder, open_page):
    page = open_page(recorder, dark=True)
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.js(back)
    page.set_dark(False)
    page.wait(f"{back} !== '{dark}'")
    page.key("t", "t")
    page.wait(f"{back} === '{dark}'")
    page.go(recorder.page_url + "/")
    assert page.js(back) == dark, "forgotten"


def test_phone_width_needs_no_sideways_scrolling(recorder, open_page, origin, client):
    long = "/v1/" + "averylongpathsegment" * 8
    server = origin(response(json.dumps({"k" * 90: "v" * 300}).encode(), "application/json"))
    fetch(client, recorder, server, long, f"X-Long: {'l' * 400}")
    page = open_page(recorder, size=(375, 700))
    page.wait_text(ROWS, "/v1/")
    wide = "[document.scrollingElement, ...document.querySelectorAll('#grid, #panel')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.js(wide) == 0
    page.click(ROWS)
    page.wait("!!document.querySelector('#panel')")
    for tab in ("overview", "request", "response", "timing", "connection", "raw"):
        page.click(f"#tab-{tab}")
        page.wait(f"document.querySelector('#tab-{tab}').ariaSelected === 'true'")
        assert page.js(wide) == 0, tab
    page.click(".close")
    page.wait("document.querySelector('#detail').hidden")
    page.wait_text(ROWS, "/v1/")


# --- what goes wrong -----------------------------------------------------------------------------


def test_page_says_that_the_daemon_is_gone_and_comes_back_with_it(daemon, open_page, origin, client):
    recorder = daemon(ui="127.0.0.1:0")
    server = origin(replies(response(b"x")))
    fetch(client, recorder, server, "/before")
    page = open_page(recorder)
    page.wait_text(ROWS, "/before")
    recorder.stop()
    page.wait_text("#banner", "hark does not answer")
    page.wait_text("#follow", "Offline")
    assert "/before" in page.text(".rows")
    recorder.ui = f"127.0.0.1:{recorder.page_port}"
    recorder.start()
    fetch(client, recorder, server, "/after")
    page.wait_text(ROWS, "/after", seconds=20)
    page.wait("document.querySelector('#banner').hidden")


def test_page_of_an_exchange_that_is_gone_says_so(recorder, open_page):
    page = open_page(recorder, "/?id=4711")
    page.wait_text("#detail", "It is not there")
    page.key("Escape")
    page.wait("document.querySelector('#detail').hidden")
