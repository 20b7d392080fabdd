# SPDX-License-Identifier: MIT
"""How one gets to the page: `hark ui`, the token, the files that the page is made of."""

import gzip
import re
import stat
from pathlib import Path

import pytest
from harness import wait_until
from harness.api import Api, assert_problem
from harness.daemon import run_hark
from harness.terminal import on_terminal

DAEMON = {"ui": "127.0.0.1:0"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def api(hark):
    return Api(hark)


def test_ui_prints_the_address_with_the_token(hark, api):
    done = hark.cli("ui")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hark.page_url}/?token={api.token}\n"
    assert hark.cli("ui", "--print").stdout == done.stdout


def test_ui_on_a_terminal_with_a_display_opens_the_address(hark, api, tmp_path):
    opened = tmp_path / "opened"
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf %s "$*" >{opened}.new && mv {opened}.new {opened}\n')
    opener.chmod(opener.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}:/usr/bin:/bin"

    done = hark.cli("ui", env={"DISPLAY": ":9", "PATH": path})
    assert done.returncode == 0
    assert not opened.exists(), "opened, though nobody sits at a terminal"

    shown, _ = on_terminal("ui", "--data-dir", hark.data_dir, home=hark.home,
                           env={"DISPLAY": ":9", "PATH": path})
    argument = wait_until(lambda: opened.exists() and opened.read_text(), "xdg-open")
    assert api.token in shown and "/?token=" in shown
    assert api.token not in argument, "everybody can read it in the list of processes"
    way_in = Path(argument)
    assert stat.S_IMODE(way_in.stat().st_mode) == 0o600
    assert f'url={shown.strip()}"' in way_in.read_text()


def test_ui_says_that_there_is_no_daemon(tmp_path):
    done = run_hark("ui", "--data-dir", tmp_path, home=tmp_path)
    assert done.returncode == 4
    assert "hark serve" in done.stderr
    assert done.stdout == ""


def test_ui_says_that_the_page_is_off(daemon):
    done = daemon(ui="off").cli("ui")
    assert done.returncode == 1
    assert "ui = off" in done.stderr


# --- who is let in -------------------------------------------------------------------------------


def test_the_address_with_the_token_lets_a_browser_in(hark, api):
    answer = api.ask(f"/?token={api.token}", token=False, headers=HTML)
    assert answer.status == 303
    assert answer.get("Location") == "/"
    cookie = answer.get("Set-Cookie")
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie

    page = api.ask("/", token=False, headers={**HTML, "Cookie": cookie.split(";")[0]})
    assert page.status == 200
    assert page.get("Content-Type") == "text/html; charset=utf-8"
    assert "/page/main.js" in page.text
    policy = page.get("Content-Security-Policy")
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_whoever_comes_from_a_file_is_led_on_with_the_cookie(api):
    headers = {**HTML, "Sec-Fetch-Site": "cross-site"}
    answer = api.ask(f"/?token={api.token}", token=False, headers=headers)
    assert answer.status == 200
    assert answer.get("Set-Cookie").startswith("hark_token=")
    assert 'content="0; url=/"' in answer.text
    assert_problem(api.ask("/?token=" + "0" * 64, token=False, headers=headers), 401)


def test_a_browser_without_the_token_is_told_what_to_do(api):
    page = api.ask("/", token=False, headers=HTML)
    assert page.status == 200
    assert "hark ui" in page.text
    assert "main.js" not in page.text
    style = re.search(r'href="(/[a-z.]+css)"', page.text)[1]
    assert api.ask(style, token=False).status == 200


def test_the_root_is_text_for_others_than_browsers(api):
    assert api.ask("/", token=False).get("Content-Type").startswith("text/plain")


@pytest.mark.parametrize("name", ["main.js", "style.css", "index.html", "nothing.js"])
def test_the_files_want_the_token(api, name):
    assert_problem(api.ask(f"/page/{name}", token=False), 401)


# --- the files -----------------------------------------------------------------------------------

TYPES = {"main.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}


@pytest.mark.parametrize("name", TYPES)
def test_a_file_comes_compressed_if_that_is_understood(api, name):
    plain = api.ask(f"/page/{name}", headers={"Accept-Encoding": "identity"})
    small = api.ask(f"/page/{name}", headers={"Accept-Encoding": "br, gzip"})
    assert plain.get("Content-Encoding") is None
    assert small.get("Content-Encoding") == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert len(small.body) < len(plain.body)
    for answer in (plain, small):
        assert answer.get("Content-Type").split(";")[0] == TYPES[name]
        assert answer.get("X-Content-Type-Options") == "nosniff"
        assert "Accept-Encoding" in answer.get("Vary")
    assert plain.get("ETag") != small.get("ETag")


@pytest.mark.parametrize("accepted", ["gzip;q=0", "gzip; q=0.0", "xgzip", "br"])
def test_a_file_is_not_compressed_against_the_browsers_will(api, accepted):
    answer = api.ask("/page/main.js", headers={"Accept-Encoding": accepted})
    assert answer.get("Content-Encoding") is None


def test_a_file_that_the_browser_has_is_not_sent_again(api):
    known = api.ask("/page/main.js").get("ETag")
    again = api.ask("/page/main.js", headers={"If-None-Match": f'"x", {known}'})
    assert again.status == 304
    assert again.body == b""
    assert again.get("ETag") == known
    other = api.ask("/page/style.css", headers={"If-None-Match": known})
    assert other.status == 200


def test_a_file_that_is_not_there_is_said_so(api):
    assert_problem(api.ask("/page/nothing.js"), 404)
    assert api.ask("/page/..%2ftoken").status == 404
