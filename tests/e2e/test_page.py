# SPDX-License-Identifier: MIT
"""The page in a real browser, as somebody sees and uses it: the list and its filter."""

import subprocess
import threading

import pytest
from harness.origin import replies
from harness.page import NOT_FOUND, ROWS, fetch, fetch_all, recorded, response
from harness.terminal import on_terminal


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


def scroll_to(page, edge, row):
    """Scroll to the edge of what is loaded until the row is there; the most elements there were."""
    step = f"""(() => {{
        const grid = document.querySelector('#grid');
        window.most = Math.max(window.most || 0, document.querySelectorAll('*').length);
        grid.scrollTop = {edge};
        return !!document.querySelector('#row-{row}');
    }})()"""
    page.wait(step, seconds=60)
    return page.js("window.most")


def test_eight_thousand_rows_are_scrolled_with_few_elements(recorder, open_page):
    """More than the page keeps: what it lets go of is loaded again on the way back."""
    fill_rows(recorder, 8000)
    page = open_page(recorder)
    page.wait_text(ROWS, "/row/8000")
    assert scroll_to(page, "grid.scrollHeight", 1) < 1500
    page.wait_text(ROWS, "/row/1")
    assert scroll_to(page, "0", 8000) < 1500
    page.wait_text(ROWS, "/row/8000")
    shown = page.js("[...document.querySelectorAll('.rows .row')].map(r => Number(r.dataset.id))")
    assert sorted(shown) == list(range(8000 - len(shown) + 1, 8001)), "a page is missing"


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
    server = origin(replies(response(b"x"), NOT_FOUND, response(b"x")))
    fetch_all(client, recorder, server, "/one", "/two", "/three")
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


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("method:GET stauts:200 path:/one", "method:GET status:200 path:/one"),
        ("(is:eror or path:/one)", "(is:error or path:/one)"),
    ],
)
def test_suggestion_replaces_what_is_wrong(recorder, open_page, origin, client, wrong, right):
    fetch(client, recorder, origin(response(b"x")), "/one")
    page = open_page(recorder)
    page.wait_text(ROWS, "/one")
    page.key("/")
    page.type(wrong)
    page.key("Enter")
    page.wait_text("#filter-error", "did you mean")
    page.click("#filter-error button")
    page.wait("document.querySelector('#filter-error').hidden")
    assert page.js("document.querySelector('#filter').value") == right


def test_address_with_a_mistake_in_its_filter_offers_the_way_out(recorder, open_page, origin, client):
    fetch(client, recorder, origin(response(b"x")), "/one")
    page = open_page(recorder)
    page.go(recorder.page_url + "/?filter=stauts:500")
    page.wait_text("#empty", "There is a mistake in the filter")
    page.js("document.querySelector('.split').style.flex = '0 0 300px'")  # the list is drawn again
    page.js("new Promise((done) => setTimeout(() => requestAnimationFrame(done)))")
    page.click("#empty button")
    page.wait_text(ROWS, "/one")


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
