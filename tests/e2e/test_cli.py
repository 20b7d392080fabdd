# SPDX-License-Identifier: MIT
"""The commands that read, as programs and people use them: pipes, terminals, exit statuses."""

import base64
import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess

import pytest
from harness import RawClient, RawOrigin
from harness.conformance import fill
from harness.daemon import HARK, clean_environment, run_hark
from harness.terminal import COLOR, on_terminal

COLUMNS = ["id", "started_at", "method", "url", "status", "ms", "request_size", "response_size",
           "type", "state", "error", "client", "source"]


def answer(body, *fields, status="200 OK"):
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *fields,
                                              f"Content-Length: {len(body)}"))
    return head.encode() + b"\r\n" + body


ANSWERS = {
    "text": answer(b"hello\n", "Content-Type: text/plain"),
    "json": answer(b'{"a":1.0,"a":2}', "Content-Type: application/json"),
    "gzip": answer(gzip.compress(b'{"zipped":true}'), "Content-Type: application/json",
                   "Content-Encoding: gzip"),
    "broken": answer(gzip.compress(b"half of this is lost")[:-4], "Content-Type: text/plain",
                     "Content-Encoding: gzip"),
    "binary": answer(bytes(range(256)), "Content-Type: image/png"),
    "evil": answer(b"\x1b]0;title\x07\x1b[2J\xc2\x9b31m\n", "Content-Type: text/plain"),
    "odd": answer(b"x", "Content-Encoding: \x9b31m"),
    "failed": answer(b"no\n", "Content-Type: text/plain", status="500 Internal Server Error"),
}


def handle(conn):
    while request := conn.read_request():
        conn.send(ANSWERS[request.target.split("/")[1].split("?")[0]])


@pytest.fixture(scope="module")
def recorded(shared_daemon):
    """The module's daemon with one exchange for each of ANSWERS; `ids` says which is which."""
    daemon = shared_daemon.get()
    server = RawOrigin(handle)
    daemon.ids = {}
    for name in ANSWERS:
        peer = RawClient(daemon.proxy_port)
        peer.ask(fill(b"GET {url}/" + name.encode() + b" HTTP/1.1\r\nHost: {host}\r\n\r\n", server))
        daemon.ids[name] = daemon.row_of(peer)["id"]
        peer.close()
    yield daemon
    server.stop()


def tsv(text):
    return [line.split("\t") for line in text.splitlines()]


# -- ls --------------------------------------------------------------------------------------------

def test_ls_in_a_pipe_is_tsv_without_names(recorded):
    done = recorded.cli("ls")
    rows = tsv(done.stdout)
    assert done.returncode == 0
    assert [int(row[0]) for row in rows] == sorted(recorded.ids.values())
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert "\x1b" not in done.stdout


def test_ls_json_has_the_columns_of_the_view(recorded):
    rows = [json.loads(line) for line in recorded.cli("ls", "--json").stdout.splitlines()]
    assert [list(row) for row in rows] == [COLUMNS] * len(ANSWERS)
    assert recorded.cli("ls", "-o", "jsonl").stdout == recorded.cli("ls", "--json").stdout


def test_ls_shows_the_newest_and_oldest_first(recorded):
    ids = sorted(recorded.ids.values())
    assert [int(row[0]) for row in tsv(recorded.cli("ls", "-n", "2").stdout)] == ids[-2:]
    assert [int(row[0]) for row in tsv(recorded.cli("ls", "-n", "0").stdout)] == ids


@pytest.mark.parametrize("words", [["status:500"], ["not", "status:200"], ["-status:200"],
                                   ["--", "-status:200"], ["path:/failed", "or", "path:/nothing"]])
def test_ls_takes_filters(recorded, words):
    assert [int(row[0]) for row in tsv(recorded.cli("ls", *words).stdout)] == [recorded.ids["failed"]]


def test_ls_without_a_match_exits_3(recorded):
    done = recorded.cli("ls", "host:nowhere.example")
    assert (done.returncode, done.stdout) == (3, "")
    assert "nothing matched" in done.stderr


def test_commands_read_without_a_daemon(recorded, tmp_path):
    shutil.copytree(recorded.data_dir, tmp_path / "copy",
                    ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    done = run_hark("ls", "--db", tmp_path / "copy/hark.db", home=tmp_path)
    assert len(done.stdout.splitlines()) == len(ANSWERS)


# -- show ------------------------------------------------------------------------------------------

def test_show_json_is_one_object_with_everything(recorded):
    done = recorded.cli("show", recorded.ids["binary"], "--json")
    row = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert ["Content-Type", "image/png"] in row["response_headers"]
    assert base64.b64decode(row["response_body"]["base64"]) == bytes(range(256))
    columns = {r["name"] for r in recorded.sql("SELECT name FROM pragma_table_info('exchange')")}
    assert columns <= set(row)


def test_show_body_is_decoded_and_raw_is_not(recorded):
    ident = recorded.ids["gzip"]
    assert recorded.cli("show", ident, "--response-body").stdout == '{"zipped":true}'
    raw = recorded.cli("show", ident, "--response-body", "--raw", text=False).stdout
    assert gzip.decompress(raw) == b'{"zipped":true}'
    assert recorded.cli("show", ident, "--request-body").stdout == ""


def test_show_body_in_a_pipe_is_the_bytes_and_nothing_else(recorded):
    done = recorded.cli("show", recorded.ids["binary"], "--response-body", text=False)
    assert done.stdout == bytes(range(256))


def test_show_body_that_breaks_off_gives_what_there_is_and_fails(recorded):
    done = recorded.cli("show", recorded.ids["broken"], "--response-body")
    assert (done.returncode, done.stdout) == (1, "half of this is lost")
    assert "breaks off" in done.stderr


def test_show_text_keeps_the_tokens_of_json(recorded):
    text = recorded.cli("show", recorded.ids["json"]).stdout
    assert '{\n  "a": 1.0,\n  "a": 2\n}\n' in text
    assert "HTTP/1.1 200 OK\nContent-Type: application/json\n" in text


def test_show_takes_last_counts_back_and_ranges(recorded):
    ids = sorted(recorded.ids.values())

    def shown(*words):
        return [json.loads(line)["id"] for line in recorded.cli("show", "--json", *words).stdout.splitlines()]

    assert shown("@last") == [ids[-1]]
    assert shown("@-2") == [ids[-2]]
    assert shown(f"{ids[0]}..{ids[1]}", "@-1") == [ids[0], ids[1], ids[-1]]


def test_show_timing_has_a_row_for_each_piece(recorded):
    done = recorded.cli("show", recorded.ids["text"], "--timing", "-o", "jsonl")
    row = json.loads(done.stdout)
    assert (row["side"], row["seq"], row["size"]) == ("response", 0, 6)
    assert row["at_ms"] >= 0


@pytest.mark.parametrize("words,status", [(["99999"], 3), (["@-9999"], 3), (["90000..90001"], 3),
                                          ([], 2), (["x"], 2), (["5..2"], 2), (["1", "--raw"], 2),
                                          (["1", "--timing", "--request-body"], 2)])
def test_show_exit_statuses(recorded, words, status):
    done = recorded.cli("show", *words)
    assert done.returncode == status
    assert done.stderr.startswith("hark show: ")
    assert done.stdout == ""


# -- sql -------------------------------------------------------------------------------------------

def test_sql_formats(recorded):
    query = "SELECT 1 AS one, 'a,\"b' AS two, NULL AS three, x'00ff' AS four"
    assert recorded.cli("sql", query).stdout == '1\ta,"b\t\t\\x00\\xff\n'
    assert json.loads(recorded.cli("sql", "--json", query).stdout) == {
        "one": 1, "two": 'a,"b', "three": None, "four": {"base64": "AP8="}}
    text = recorded.cli("sql", "-o", "csv", query.replace("x'00ff'", "'x'")).stdout
    assert list(csv.reader(io.StringIO(text))) == [["one", "two", "three", "four"],
                                                   ["1", 'a,"b', "", "x"]]


def test_sql_reads_the_query_from_stdin(recorded):
    assert recorded.cli("sql", "-", stdin=b"SELECT count(*)\nFROM exchange;\n").stdout == f"{len(ANSWERS)}\n"


@pytest.mark.parametrize("query", ["DELETE FROM exchange", "SELEC 1", "SELECT 1; SELECT 2",
                                   "PRAGMA journal_mode = DELETE", "ATTACH 'x' AS y"])
def test_sql_refuses_what_does_not_read(recorded, query):
    done = recorded.cli("sql", query)
    assert (done.returncode, done.stdout) == (1, "")
    assert recorded.value("SELECT count(*) FROM exchange") == len(ANSWERS)


def test_sql_without_rows_is_done(recorded):
    assert recorded.cli("sql", "SELECT 1 WHERE 0").returncode == 0


def test_a_command_names_itself_once(recorded):
    done = recorded.cli("sql", "SELECT nope()")
    assert done.stderr.startswith("hark sql: no such function")
    done = recorded.cli("export", "--format", "har", "-o", "/dev/full")
    assert done.stderr.startswith("hark export: write: ")


def test_a_folder_is_no_recording(recorded, tmp_path):
    done = run_hark("ls", "--db", tmp_path, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"hark ls: store: open {tmp_path}: it is a folder, not a recording\n"


def test_what_a_command_warns_of_is_its_own_message(recorded, tmp_path):
    (tmp_path / "data").mkdir(0o755)
    har = recorded.cli("export", "--format", "har").stdout
    done = run_hark("import", "--data-dir", tmp_path / "data", "-", home=tmp_path,
                    stdin=har.encode())
    assert done.returncode == 0
    assert done.stderr.startswith("hark import: others may look into the data folder; ")


# -- usage -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("words,hint", [
    (["lss"], 'did you mean "hark ls"?'),
    (["ls", "--limt", "1"], 'did you mean "--limit"?'),
    (["ls", "-o", "jsonn"], "did you mean jsonl"),
    (["ls", "stauts:5xx"], 'did you mean "status:"?'),
    (["ls", "-n", "many"], 'not "many"'),
    (["sql"], "wants one query"),
    (["status", "now"], 'unexpected argument "now"'),
    (["serve", "--set", "mdoe=off"], "did you mean"),
    (["ls", "-health"], 'unknown option "-health"'),
    (["ls", "-n5z"], '-n wants a number, not "5z"'),
    (["ls", "-z", "-n", "3"], 'unknown option "-z"'),
    (["ls", "- host:x"], 'unknown option "- host:x"'),
    (["replay", "--to", "foo", "1"], '"foo" is no origin: say http://host:port'),
])
def test_wrong_usage_says_what_and_what_was_meant(tmp_path, words, hint):
    done = run_hark(*words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
    assert not any(tmp_path.iterdir()), "wrong usage must touch nothing"


@pytest.mark.parametrize("command", ["serve", "ls", "show", "sql", "status", "version"])
def test_help_of_every_command_fits_and_is_the_same_both_ways(tmp_path, command):
    done = run_hark(command, "--help", home=tmp_path)
    assert done.returncode == 0
    assert done.stdout == run_hark("help", command, home=tmp_path).stdout
    assert f"Usage: hark {command}" in done.stdout
    assert "--data-dir" in done.stdout and "--config" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert command in run_hark("help", home=tmp_path).stdout


def test_missing_recording_says_what_to_do(tmp_path):
    done = run_hark("ls", home=tmp_path)
    assert done.returncode == 1
    assert "hark serve" in done.stderr


def test_version_json_names_the_libraries(tmp_path):
    versions = json.loads(run_hark("version", "--json", home=tmp_path).stdout)
    assert {"hark", "libmicrohttpd", "libcurl", "sqlite", "gnutls", "jansson", "zlib", "brotli",
            "zstd"} <= set(versions)
    assert run_hark("--version", home=tmp_path).stdout.startswith(f"hark {versions['hark']}\n")


# -- where output goes -----------------------------------------------------------------------------

def test_a_reader_that_goes_away_is_no_failure(recorded):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        for words in (["ls"], ["show", "1"], ["show", "1", "--json"], ["help"]):
            done = subprocess.run([str(HARK), *words, *([] if words == ["help"] else
                                  ["--data-dir", str(recorded.data_dir)])], stdout=pipe,
                                  stderr=subprocess.PIPE, env=clean_environment(recorded.home),
                                  timeout=20, check=False)
            assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["ls"], ["show", "1"], ["show", "1", "--json"], ["sql", "SELECT 1"],
                                   ["show", "1", "--response-body"]])
def test_a_full_disk_behind_stdout_is_a_failure(recorded, words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(HARK), *words, "--data-dir", str(recorded.data_dir)], stdout=full,
                              stderr=subprocess.PIPE, env=clean_environment(recorded.home),
                              timeout=20, check=False)
    assert done.returncode == 1
    assert b"No space left" in done.stderr


def test_a_closed_stdout_is_a_failure(recorded):
    done = subprocess.run(f"exec {HARK} ls --data-dir {recorded.data_dir} >&-", shell=True,
                          stderr=subprocess.PIPE, env=clean_environment(recorded.home), timeout=20,
                          check=False)
    assert done.returncode == 1
    assert b"write to standard output" in done.stderr


# -- terminals -------------------------------------------------------------------------------------

@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_is_cut_to_the_terminal(recorded, columns):
    text, status = on_terminal("ls", "--data-dir", recorded.data_dir, home=recorded.home,
                               columns=columns)
    lines = COLOR.sub("", text).splitlines()
    assert status == 0
    assert max(map(len, lines)) <= columns
    assert text.startswith("\x1b[1m")
    if columns >= 80:
        assert lines[0].split()[:4] == ["ID", "AGO", "METHOD", "STATUS"]
        assert len(lines) == len(ANSWERS) + 1


def test_a_table_in_a_pipe_has_times_and_not_ages(recorded):
    lines = recorded.cli("ls", "-o", "table").stdout.splitlines()
    assert lines[0].split()[:2] == ["ID", "STARTED"]
    assert re.match(r" *1  \d{4}-\d\d-\d\dT", lines[1])


@pytest.mark.parametrize("options", [{"env": {"NO_COLOR": "1"}}, {"term": "dumb"}])
def test_colors_can_be_switched_off(recorded, options):
    text, _ = on_terminal("ls", "--data-dir", recorded.data_dir, home=recorded.home, **options)
    assert "\x1b" not in text


def test_colors_can_be_forced_in_a_pipe(recorded):
    done = recorded.cli("ls", "-o", "table", env={"CLICOLOR_FORCE": "1"})
    assert "\x1b[32m200\x1b[0m" in done.stdout


@pytest.mark.parametrize("words", [[], ["--response-body"], ["--timing"]])
def test_recorded_bytes_cannot_command_the_terminal(recorded, words):
    text, _ = on_terminal("show", recorded.ids["evil"], *words, "--data-dir", recorded.data_dir,
                          home=recorded.home)
    assert set(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", COLOR.sub("", text))) == set()
    if "--timing" not in words:
        assert r"\x1b]0;title\x07" in text


def test_recorded_bytes_in_a_message_are_escaped(recorded):
    done = recorded.cli("show", recorded.ids["odd"], "--response-body")
    assert (done.returncode, done.stdout) == (1, "x")
    assert r"\u009b31m" in done.stderr and "\x9b" not in done.stderr


def test_a_binary_body_is_summed_up_on_a_terminal(recorded):
    text, _ = on_terminal("show", recorded.ids["binary"], "--response-body", "--data-dir",
                          recorded.data_dir, home=recorded.home)
    assert "binary image/png, 256 bytes: 00 01 02" in text


def test_the_pager_gets_tables_and_its_end_ends_hark(recorded):
    env = {"PAGER": "head -n 1"}
    text, status = on_terminal("ls", "--data-dir", recorded.data_dir, home=recorded.home, env=env)
    assert status == 0
    assert len(text.splitlines()) == 1


def test_a_missing_pager_does_not_hide_the_output(recorded):
    text, status = on_terminal("ls", "--data-dir", recorded.data_dir, home=recorded.home,
                               env={"PAGER": "no-such-pager -x"})
    assert status == 0
    assert len(text.splitlines()) == len(ANSWERS) + 1


def test_rows_for_programs_have_no_pager(recorded):
    text, _ = on_terminal("ls", "-o", "tsv", "--data-dir", recorded.data_dir, home=recorded.home,
                          env={"PAGER": "false"})
    assert len(text.splitlines()) == len(ANSWERS)
