# SPDX-License-Identifier: MIT
"""The page in a real browser: one exchange, looked at, and that it stays data."""

import gzip
import json
import struct
import subprocess
import threading
import zlib

import pytest
from harness.origin import replies
from harness.page import ROWS, fetch, fetch_all, recorded, response


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


def test_long_form_comes_in_batches(recorder, open_page, origin, client):
    server = origin(response(b"x"))
    form = "&".join(f"name{i}=value+{i}" for i in range(450)).encode()
    head = f"POST {server.url}/form HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {len(form)}\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    client(recorder).ask((head + kind).encode() + form)
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=request")
    page.wait_text(".body .pairs tr:nth-child(200)", "value 199")
    assert page.js("document.querySelectorAll('.body .pairs tr').length") == 200
    page.click(".body .pairs + button")
    page.click(".body .pairs + button")
    page.wait_text(".body .pairs tr:nth-child(450)", "value 449")


def test_binary_body_that_is_called_a_form_is_a_hex_dump(recorder, open_page, origin, client):
    server = origin(response(b"x"))
    data = bytes(range(256)) * 4096
    head = f"PUT {server.url}/file HTTP/1.1\r\nHost: {server.host}\r\nContent-Length: {len(data)}\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    client(recorder).ask((head + kind).encode() + data)
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}&tab=request")
    page.wait_text(".body .hex", "00000000  00 01 02 03")


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
    fetch_all(client, recorder, server, "/a", "/b")
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
    fetch_all(client, recorder, server, "/a", "/b")
    page = open_page(recorder, "/?filter=path:/b")
    page.wait_text(ROWS, "/b")
    page.click("#actions summary")
    page.wait_text("#actions-box", "HAR")
    urls = page.js("fetch(document.querySelector('#actions-box a').href).then(r => r.json())"
                   ".then(har => har.log.entries.map(e => e.request.url))")
    assert urls == [f"{server.url}/b"]


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
    body = '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=1"><script>document.title=1</script></svg>'
    fetch(client, recorder, origin(response(body.encode(), kind)), "/x")
    ident = recorded(recorder)[0]
    page = open_page(recorder)
    page.go(f"{recorder.page_url}/api/v1/exchanges/{ident}/response/body")
    page.wait("document.readyState === 'complete'")
    assert page.js("document.title") != "1"
    assert page.js("document.contentType") in ("text/plain", "text/html"), "not shown as what it is"
    assert page.js("document.scripts.length") == 0
