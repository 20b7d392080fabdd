# SPDX-License-Identifier: MIT
"""The page in a real browser: statistics, sending again, import."""

import json
import threading

import pytest
from harness.origin import OK, replies
from harness.page import NOT_FOUND, ROWS, fetch, fetch_all, recorded, response
from harness.wait import wait_until


# --- statistics ----------------------------------------------------------------------------------


def test_statistics_lead_to_the_rows_they_count(recorder, open_page, origin, client):
    server = origin(replies(response(b"x"), NOT_FOUND, response(b"x")))
    fetch_all(client, recorder, server, "/one", "/two", "/three")
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
    server = origin(replies(response(b"x"), NOT_FOUND))
    fetch_all(client, recorder, server, "/one", "/two")
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


def test_marks_of_redaction_are_sent_by_who_agrees(daemon, open_page, origin, client):
    hark = daemon(ui="127.0.0.1:0", settings=["redact_headers=Authorization"])
    server = origin(OK)
    fetch(client, hark, server, "/mine", "Authorization: Bearer secret")
    ident = recorded(hark)[0]
    page = open_page(hark, f"/?id={ident}")
    page.wait_text(".actions", "Send again")
    page.key("r")
    page.wait_text("#dialog", f"Send #{ident} again")
    page.key("Enter")
    page.wait_text("#dialog .problem", "1 request was not sent")
    page.wait_text(".results", "redacted: Authorization")
    assert len(server.requests) == 1
    page.click("#dialog .problem button")
    page.wait_text(ROWS, "replay")
    page.wait("!document.querySelector('#dialog .problem')")
    assert server.requests[1].get("authorization").startswith("Bearer redacted:")


STOP = "document.querySelector('#dialog .dialog-actions button:last-child')"


@pytest.mark.parametrize("when", ["at once", "when requests have gone out"])
def test_replay_that_is_left_stops(recorder, open_page, origin, client, when):
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
    if when == "at once":
        page.js(f"document.querySelector('#dialog form').requestSubmit(); {STOP}.click()")
        page.wait(f"{STOP}.hidden")
    else:
        page.key("Enter")
        page.wait(f"!{STOP}.hidden")
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
