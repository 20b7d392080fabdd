# SPDX-License-Identifier: MIT
"""The page in a real browser where there is little room, or something is wrong."""

import subprocess
import threading
import time

from harness.origin import replies
from harness.page import ROWS, fetch, fetch_all, recorded, response

# --- the list ------------------------------------------------------------------------------------


def insert(daemon, *rows):
    """Exchanges of these columns put into the file while no daemon has it open."""
    daemon.stop()
    plain = {"session_id": 1, "source": "proxy", "duration_us": 1500, "kind": "http", "state": "done",
             "method": "GET", "scheme": "http", "host": "h.example", "port": 80, "path": "/", "status": None,
             "request_headers": "[]", "response_headers": "[]", "response_size": 0, "body_truncated": 0,
             "headers_latin1": 0}
    script = ""
    for number, row in enumerate(rows, 1):
        columns = {**plain, "id": number, **row}
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in columns.values())
        script += f"INSERT INTO exchange ({', '.join(columns)}) VALUES ({values});\n"
    script += f"UPDATE session SET next_exchange_id = {len(rows)} + 1;"
    subprocess.run(["sqlite3", str(daemon.db)], input=script, text=True, check=True)
    daemon.start()


def another_day_of_this_year():
    now = time.localtime()
    return time.mktime((now.tm_year, 1, 15 if now.tm_yday != 15 else 16, 13, 14, 15, 0, 0, -1))


def test_row_says_when_it_was_and_why_there_is_no_status(recorder, open_page):
    us = int(another_day_of_this_year() * 1e6)
    insert(recorder, {"started_us": us, "method": "OPTIONS", "state": "client-abort", "error": "client-abort"})
    page = open_page(recorder)
    page.wait_text(ROWS, "h.example")
    cell = lambda name: page.text(f"{ROWS} .c-{name}")
    assert cell("status") == "–"
    assert "client-abort" in cell("url")
    assert cell("time").endswith(" 13:14")
    assert "13:14:15" in page.js("document.querySelector('.rows .c-time').title")
    page.click(ROWS)
    page.wait_text("#detail h2", "client-abort")
    page.wait("document.querySelector('.list').clientWidth < 760")
    cut = "[...document.querySelectorAll('.rows :is(.c-time, .c-method, .c-status)')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert page.js(cut) == 0


# --- one exchange --------------------------------------------------------------------------------


def test_code_of_an_error_is_shown_as_it_is(recorder, open_page, client):
    client(recorder).ask(b"GET http://127.0.0.1:9/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n")
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait_text(".problem strong", "connect")
    transform = "getComputedStyle(document.querySelector('.problem strong'), '::first-letter').textTransform"
    assert page.js(transform) == "none"


def test_box_of_a_missing_exchange_is_laid_out_as_others(recorder, open_page):
    page = open_page(recorder, "/?id=4711")
    page.wait_text("#detail", "It is not there")
    left, close, right = page.js(
        """['.problem', '.close', '#detail'].map((s) => document.querySelector(s).getBoundingClientRect())
        .map((box, i) => i === 0 ? box.left - document.querySelector('#detail').getBoundingClientRect().left : box.right)"""
    )
    assert left > 10
    assert 0 < right - close < 40


def test_chosen_tab_is_in_sight_on_a_phone(recorder, open_page, origin, client):
    server = origin(replies(response(b"x"), response(b"y")))
    first, second = fetch_all(client, recorder, server, "/one", "/two")
    page = open_page(recorder, f"/?id={second}&compare={first}", size=(375, 700))
    page.wait("document.querySelector('#tab-compare')?.ariaSelected === 'true'")
    assert page.js("document.querySelector('#tab-compare').getBoundingClientRect().right") <= 375


# --- sending again -------------------------------------------------------------------------------


def test_focus_stays_in_the_dialog_while_a_request_is_sent(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/x")
    go_on = threading.Event()

    def slow(conn):
        conn.read_request()
        go_on.wait(20)
        conn.send(response(b"late"))

    other = origin(slow)
    page = open_page(recorder, f"/?id={recorded(recorder)[0]}")
    page.wait_text(".actions", "Send again")
    page.key("r")
    page.wait_text("#dialog", "where it went before")
    page.click("#replay-to")
    page.type(other.url)
    page.key("Tab", "Enter")
    page.wait("document.querySelector('#dialog [aria-disabled=true]') !== null")
    assert page.js("document.activeElement.innerText") == "Send"
    page.key("Enter")
    go_on.set()
    page.wait_text("#dialog", "1 request sent again")
    assert page.js("document.activeElement.innerText") == "Send once more"
    assert len(other.requests) == 1


# --- import --------------------------------------------------------------------------------------


def choose(page, *files):
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=document, selector="#import-file")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(file) for file in files], nodeId=node)


def test_leaving_out_is_offered_where_it_helps(recorder, open_page, tmp_path):
    picture, entry = tmp_path / "picture.png", tmp_path / "entry.har"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    entry.write_text('{"log": {"entries": [{}]}}')
    page = open_page(recorder)
    choose(page, picture, entry)
    page.wait_text(".import-file:last-child button", "Leave out what is invalid")
    assert "neither a HAR file" in page.text(".import-file:first-of-type .problem")
    assert page.js("document.querySelectorAll('.import-file button').length") == 1
