# SPDX-License-Identifier: MIT
"""hark prune and hark note: through the running daemon, without one, and over the API."""

import contextlib
import json
import re
import sqlite3
import threading

import pytest
from harness import wait_until
from harness.api import Api, assert_problem
from harness.conformance import fill
from harness.daemon import run_hark
from harness.load import Load
from harness.origin import OK
from harness.series import GET, paths, record_series

LIST = "/api/v1/exchanges"
MIB = 1 << 20
DAEMON = {"ui": "127.0.0.1:0"}


@pytest.fixture(params=["daemon", "no daemon"])
def recorded(request, daemon, origin, client):
    """Five exchanges, /0 to /4, with a daemon that still runs or without one; call it to prune."""
    hark = daemon(ui="127.0.0.1:0")
    record_series(hark, origin(OK), client, 5)
    if request.param == "no daemon":
        hark.stop()
    return hark


class TestPrune:
    def test_filter_deletes_what_matches(self, recorded):
        done = recorded.cli("prune", "path:/1", "or", "path:/3")
        assert (done.returncode, done.stdout) == (0, "")
        assert "deleted 2 exchanges" in done.stderr
        assert paths(recorded) == ["/0", "/2", "/4"]
        assert recorded.value("SELECT count(*) FROM body WHERE exchange_id IN (2, 4)") == 0

    def test_the_newest_are_kept(self, recorded):
        assert recorded.cli("prune", "--keep-count", "2").returncode == 0
        assert paths(recorded) == ["/3", "/4"]
        assert recorded.cli("prune", "--keep-count", "2").returncode == 0

    def test_older_ones_go(self, recorded):
        assert recorded.cli("prune", "--older", "1h").returncode == 0
        assert len(paths(recorded)) == 5
        assert recorded.cli("prune", "--older", "0s").returncode == 0
        assert paths(recorded) == []

    def test_marked_ones_stay_until_the_mark_goes(self, recorded):
        assert recorded.cli("note", "2", "--mark").returncode == 0
        done = recorded.cli("prune", "id:1..")
        assert "deleted 4 exchanges" in done.stderr
        assert "1 marked stays" in done.stderr
        assert paths(recorded) == ["/1"]
        assert recorded.cli("note", "2", "--unmark").returncode == 0
        assert recorded.cli("prune", "id:1..").returncode == 0
        assert paths(recorded) == []

    def test_dry_run_deletes_nothing(self, recorded):
        done = recorded.cli("prune", "--keep-count", "2", "--dry-run")
        assert done.returncode == 0
        assert done.stdout.startswith("would delete 3 exchanges, about ")
        assert len(paths(recorded)) == 5

    def test_of_nothing_it_says_nothing_else(self, recorded):
        done = recorded.cli("prune", "--older", "1h")
        assert (done.returncode, done.stdout) == (0, "")
        assert re.fullmatch(r"hark prune: nothing to delete; the recording has \S+\n", done.stderr)
        done = recorded.cli("prune", "--older", "1h", "--dry-run")
        assert done.stdout.startswith("nothing to delete; the recording has ")
        done = recorded.cli("prune", "--compact", "--dry-run")
        assert done.stdout.startswith("would compact; the recording has ")
        assert recorded.cli("prune", "host:x").stderr == "hark prune: nothing matched\n"

    def test_bytes_have_a_unit(self, recorded):
        recorded.cli("prune", "path:/0")
        done = recorded.cli("prune", "path:/1")
        assert re.search(r"deleted 1 exchange, (\d+ bytes?|[\d.]+[kM]);", done.stderr), done.stderr

    def test_result_as_json(self, recorded):
        done = recorded.cli("prune", "path:/2", "--json")
        assert json.loads(done.stdout)["exchanges"] == 1

    def test_nothing_matched(self, recorded):
        done = recorded.cli("prune", "host:elsewhere.test")
        assert done.returncode == 3
        assert len(paths(recorded)) == 5

    @pytest.mark.parametrize("words", [(), ("--older", "soon"), ("--older", "30"), ("--keep-bytes", "x"),
                                       ("--keep-count", "-1"), ("hst:x",), ("",), (" ",),
                                       ("", "--older", "0s")])
    def test_wrong_usage_deletes_nothing(self, recorded, words):
        done = recorded.cli("prune", *words)
        assert done.returncode == 2
        assert done.stderr.startswith("hark prune: ")
        assert len(paths(recorded)) == 5

    def test_ids_are_not_given_out_again(self, daemon, origin, client):
        hark, server = daemon(), origin(OK)
        record_series(hark, server, client, 3)
        assert hark.cli("prune", "id:1..").returncode == 0
        hark.kill()
        hark.start()
        record_series(hark, server, client, 1)
        assert hark.value("SELECT min(id) FROM exchange") == 4

    def test_without_a_recording(self, tmp_path):
        done = run_hark("prune", "--data-dir", tmp_path / "none", "id:1..", home=tmp_path)
        assert done.returncode == 1
        assert "there is no recording yet" in done.stderr
        assert not (tmp_path / "none").exists()


class TestSpace:
    def test_file_shrinks_while_traffic_goes_on(self, daemon, origin, client):
        hark = daemon()
        large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * MIB) + bytes(4 * MIB)
        record_series(hark, origin(large), client, 8)
        assert hark.db.stat().st_size + size_of_wal(hark) > 32 * MIB
        load = Load(hark.proxy_port, origin(OK).url, clients=2)
        try:
            done = hark.cli("prune", "--keep-bytes", "2M", "size:>1M")
            assert done.returncode == 0, done.stderr
            wait_until(lambda: hark.db.stat().st_size < 8 * MIB, "the file to shrink")
        finally:
            load.stop()
        assert not load.broken
        hark.wait_rows("path <> '/0' AND request_size = 0 AND response_size < 1000",
                       count=len(load.answered))
        assert hark.value("PRAGMA integrity_check") == "ok"

    @pytest.mark.parametrize("has_daemon", [True, False])
    def test_compact_gives_back_all_that_is_free(self, daemon, origin, client, has_daemon):
        hark = daemon(ui="127.0.0.1:0")
        record_series(hark, origin(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + bytes(9000)), client, 60)
        hark.stop()
        with contextlib.closing(sqlite3.connect(hark.db)) as connection, connection:
            connection.execute("DELETE FROM body WHERE exchange_id % 3 <> 0")
        before = hark.db.stat().st_size
        assert hark.value("PRAGMA freelist_count") > 20
        if has_daemon:
            hark.start()
        done = hark.cli("prune", "--compact")
        assert done.returncode == 0, done.stderr
        assert hark.value("PRAGMA freelist_count") == 0
        wait_until(lambda: hark.db.stat().st_size < before * 0.8, "the file to shrink")
        assert has_daemon or size_of_wal(hark) == 0
        assert len(paths(hark)) == 60
        assert hark.value("PRAGMA integrity_check") == "ok"

    def test_compact_deletes_as_well(self, recorded):
        assert recorded.cli("prune", "--compact", "path:/1").returncode == 0
        assert paths(recorded) == ["/0", "/2", "/3", "/4"]

    def test_pending_exchange_stays_and_ends_whole(self, daemon, origin, client):
        hark = daemon()

        def slow(conn):
            conn.read_request()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            go_on.wait(20)
            conn.send(b"def")

        go_on = threading.Event()
        peer = client(hark)
        peer.send(fill(GET % b"/slow", origin(slow)))
        wait_until(lambda: hark.sql("SELECT 1 FROM exchange WHERE state = 'pending'"),
                   "a pending row")
        assert hark.cli("prune", "id:1..").returncode == 3
        go_on.set()
        assert peer.response().body == b"abcdef"
        row = hark.row_of(peer)
        assert (row["state"], hark.body(row["id"], "response")) == ("done", b"abcdef")


def size_of_wal(hark):
    return hark.db.with_name(hark.db.name + "-wal").stat().st_size


class TestNote:
    def test_comment_and_mark_are_shown(self, recorded):
        assert recorded.cli("note", "@last", "the one – «that» one", "--mark").returncode == 0
        shown = recorded.cli("show", "@last").stdout
        assert "the one – «that» one" in shown
        rows = recorded.sql("SELECT exchange_id, is_mark, text FROM note ORDER BY is_mark")
        assert [tuple(row) for row in rows] == [(5, 0, "the one – «that» one"), (5, 1, None)]

    def test_comment_is_replaced_and_removed(self, recorded):
        assert recorded.cli("note", "1", "a").returncode == 0
        assert recorded.cli("note", "1", "b").returncode == 0
        assert recorded.value("SELECT group_concat(text) FROM note") == "b"
        assert recorded.cli("note", "1", "--remove").returncode == 0
        assert recorded.value("SELECT count(*) FROM note") == 0

    @pytest.mark.parametrize("words", [("1",), (), ("x", "a"), ("1", ""), ("1..2", "a"),
                                       ("1", "a", "b"), ("1", "--mark", "--unmark"),
                                       ("1", "a", "--remove")])
    def test_wrong_usage(self, recorded, words):
        assert recorded.cli("note", *words).returncode == 2
        assert recorded.value("SELECT count(*) FROM note") == 0

    def test_no_such_exchange(self, recorded):
        done = recorded.cli("note", "77", "a")
        assert (done.returncode, "there is no exchange 77" in done.stderr) == (3, True)


class TestApi:
    @pytest.fixture
    def api(self, daemon, origin, client):
        hark = daemon(ui="127.0.0.1:0")
        record_series(hark, origin(OK), client, 5)
        return Api(hark)

    def test_delete(self, api):
        answer = api.ask(LIST, "DELETE", filter="path:/1")
        assert answer.status == 200
        assert answer.json["exchanges"] == 1
        assert paths(api.daemon) == ["/0", "/2", "/3", "/4"]

    def test_delete_dry_run(self, api):
        answer = api.ask(LIST, "DELETE", keep_count=1, dry_run=1)
        assert (answer.status, answer.json["exchanges"]) == (200, 4)
        assert len(paths(api.daemon)) == 5

    @pytest.mark.parametrize("query", [{}, {"dry_run": 1}, {"filter": "hst:x"}, {"filter": ""},
                                       {"filter": " ", "older": "0s"}, {"older": "soon"}, {"older": "30"},
                                       {"keep_bytes": "x"}, {"keep_count": -1}, {"limit": 1}])
    def test_delete_of_what(self, api, query):
        assert_problem(api.ask(LIST, "DELETE", **query), 400)
        assert len(paths(api.daemon)) == 5

    def test_delete_wants_the_token(self, api):
        assert_problem(api.ask(LIST, "DELETE", token=False, filter="id:1.."), 401)
        assert len(paths(api.daemon)) == 5

    def test_note(self, api):
        path = f"{LIST}/2/note"
        assert api.ask(path, "PUT", body={"mark": True, "text": "ä\n"}).status == 204
        notes = api.read(f"{LIST}/2")["notes"]
        assert [(note["is_mark"], note["text"]) for note in notes] == [(1, None), (0, "ä\n")]
        assert api.exchanges(filter="is:marked")[0]["id"] == 2
        assert api.ask(path, "PUT", body={"text": None}).status == 204
        assert len(api.read(f"{LIST}/2")["notes"]) == 1
        assert api.ask(path, "PUT", body={"mark": False}).status == 204
        assert api.read(f"{LIST}/2")["notes"] == []

    @pytest.mark.parametrize("body", [{}, [], {"mark": 1}, {"text": 1}, {"mark": True, "x": 1}])
    def test_note_that_is_none(self, api, body):
        assert_problem(api.ask(f"{LIST}/2/note", "PUT", body=body), 400)

    def test_note_on_no_exchange(self, api):
        assert_problem(api.ask(f"{LIST}/77/note", "PUT", body={"mark": True}), 404)
