# SPDX-License-Identifier: MIT
"""Filters, codings, what SQL may do, where settings come from; test_cli.py has the rest."""

import gzip
import json
import os
import zlib

import brotli
import pytest
import zstandard
from harness import Daemon, RawClient, RawOrigin
from harness.daemon import run_hark
from harness.nginx import free_port

TEXT = "grüße, welt\n" * 50
PACKED = {
    "gzip": gzip.compress(TEXT.encode()),
    "deflate": zlib.compress(TEXT.encode()),
    "br": brotli.compress(TEXT.encode()),
    "zstd": zstandard.compress(TEXT.encode()),
}


def reply(body, kind="text/plain", status=200, fields=()):
    head = [
        f"HTTP/1.1 {status} Some Reason",
        f"Content-Type: {kind}",
        *fields,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


ANSWERS = {
    "/json": reply(b'{"b":1,"a":[1,2]}', "application/json"),
    "/missing": reply(b"nothing here", status=404),
    "/broken": reply(b"oh no", status=500),
    "/empty": reply(b""),
    "/double": reply(gzip.compress(PACKED["br"]), fields=["Content-Encoding: br, gzip"]),
    "/bad-gzip": reply(b"this is no gzip", fields=["Content-Encoding: gzip"]),
    "/x-gzip": reply(PACKED["gzip"], fields=["Content-Encoding: X-GZip"]),
    "/raw-deflate": reply(
        zlib.compress(TEXT.encode(), wbits=-15), fields=["Content-Encoding: deflate"]
    ),
    **{
        f"/{name}": reply(data, fields=[f"Content-Encoding: {name}"])
        for name, data in PACKED.items()
    },
}


def serve(conn):
    while request := conn.read_request():
        conn.send(ANSWERS.get(request.target.partition("?")[0], reply(request.body, "text/plain")))


# the exchanges, in order: method, path, body
ASKED = [
    ("GET", "/json", b""),
    ("POST", "/submit?x=1", b'{"key": "value"}'),
    ("GET", "/missing", b""),
    ("GET", "/broken", b""),
    ("DELETE", "/things/1", b""),
    ("GET", "/empty", b""),
    ("PUT", "/tabs", b"tab\there"),
    ("GET", "/gzip", b""),
    ("GET", "/deflate", b""),
    ("GET", "/br", b""),
    ("GET", "/zstd", b""),
    ("GET", "/double", b""),
    ("GET", "/bad-gzip", b""),
    ("GET", "/x-gzip", b""),
    ("GET", "/raw-deflate", b""),
]
IDS = {path.partition("?")[0]: number for number, (_, path, _) in enumerate(ASKED, 1)}


class Recording:
    """A data folder with the exchanges above and one that failed, after its daemon has stopped."""

    def __init__(self, home):
        with RawOrigin(serve) as origin, Daemon(home) as hark:
            self.home, self.data_dir = hark.home, hark.data_dir
            with RawClient(hark.proxy_port) as peer:
                for method, path, body in ASKED:
                    length = f"Content-Length: {len(body)}\r\n" if body else ""
                    head = f"{method} {origin.url}{path} HTTP/1.1\r\nHost: {origin.host}\r\n{length}\r\n"
                    peer.ask(head.encode() + body, method=method)
                dead = f"127.0.0.1:{free_port()}"
                peer.ask(f"GET http://{dead}/dead HTTP/1.1\r\nHost: {dead}\r\n\r\n".encode())
            hark.wait_rows("1", count=len(ASKED) + 1)

    def cli(self, command, *args, **options):
        return run_hark(command, "--data-dir", self.data_dir, *args, home=self.home, **options)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("commands"))


@pytest.mark.parametrize(
    "words,paths",
    [
        (["method:POST"], ["/submit"]),
        (["method:post"], ["/submit"]),
        (["status:404"], ["/missing"]),
        (["status:5xx", "path:/b*"], ["/broken"]),
        (["status:>=400", "status:<500"], ["/missing"]),
        (["path:/things/*"], ["/things/1"]),
        (["path:/submit"], ["/submit"]),
        (["url:submit?x"], ["/submit"]),
        (["submit"], ["/submit"]),
        (["host:127.0.0.1", "path:/json"], ["/json"]),
        (["host:127.*", "path:/json"], ["/json"]),
        (["host:other.example"], []),
        (["method:PUT", "or", "method:DELETE"], ["/things/1", "/tabs"]),
        (["(method:PUT or method:DELETE)", "status:200"], ["/things/1", "/tabs"]),
        (["not", "method:GET", "-method:POST"], ["/things/1", "/tabs"]),
        (["not method:GET -method:POST"], ["/things/1", "/tabs"]),
        (["not", "(method:GET or method:POST)"], ["/things/1", "/tabs"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0][:1] != "/" else "",
)
def test_filter(recording, words, paths):
    done = recording.cli("ls", "-o", "tsv", *words)
    assert done.returncode == (0 if paths else 3), done.stderr
    assert [int(line.split("\t")[0]) for line in done.stdout.splitlines()] == [
        IDS[path] for path in paths
    ]


@pytest.mark.parametrize(
    "words,hint",
    [
        (["hots:x"], "host"),
        (["status:abc"], "status"),
        (["(method:GET"], "("),
        (["method:GET", "or"], "or"),
        (["status:"], "status"),
        (["method:GET)"], ")"),
        (["not"], "word should follow"),
        (["mehtod:GET"], "method"),
        (["status=500"], 'did you mean "status:500"?'),
        (["not", "status>=400"], 'did you mean "status:>=400"?'),
        (["!host:x"], 'did you mean "-host:x"?'),
        (["path:/a?x=1"], 'did you mean "url:/a?x=1"?'),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_mistake_in_a_filter_is_answered_with_its_column(recording, words, hint):
    done = recording.cli("ls", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr and "column" in done.stderr


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", ""])
def test_ls_wants_a_number_of_rows(recording, bad):
    assert recording.cli("ls", "-n", bad).returncode == 2


@pytest.mark.parametrize(
    "word,expected",
    [
        ("@last", "/dead"),
        ("@-1", "/dead"),
        ("@-2", "/raw-deflate"),
        ("@-3", "/x-gzip"),
        ("1", "/json"),
        ("1..1", "/json"),
        ("16..999", "/dead"),
    ],
)
def test_ids(recording, word, expected):
    done = recording.cli("show", "--json", word)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == expected


@pytest.mark.parametrize(
    "word,code",
    [
        ("999", 3),
        ("@-999", 3),
        ("0", 3),
        ("@first", 2),
        ("@-0", 2),
        ("1..x", 2),
        ("-5", 2),
        ("1.5", 2),
        ("", 2),
        ("99999999999999999999", 2),
        ("..", 2),
    ],
)
def test_no_such_id(recording, word, code):
    done = recording.cli("show", word)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("hark")


@pytest.mark.parametrize("name", [*PACKED, "double", "x-gzip", "raw-deflate"])
def test_packed_bodies_are_decoded_unless_raw(recording, name):
    exchange = IDS[f"/{name}"]
    decoded = recording.cli("show", exchange, "--response-body", text=False)
    assert (decoded.returncode, decoded.stdout.decode()) == (0, TEXT)
    raw = recording.cli("show", exchange, "--response-body", "--raw", text=False)
    assert raw.stdout == ANSWERS[f"/{name}"].partition(b"\r\n\r\n")[2]
    assert "welt" in recording.cli("show", exchange).stdout


def test_body_that_does_not_decode_is_said(recording):
    done = recording.cli("show", IDS["/bad-gzip"], "--response-body")
    assert done.returncode == 1 and "gzip" in done.stderr
    raw = recording.cli("show", IDS["/bad-gzip"], "--response-body", "--raw")
    assert (raw.returncode, raw.stdout) == (0, "this is no gzip")
    assert recording.cli("show", IDS["/bad-gzip"]).returncode == 0


def test_empty_body_is_empty(recording):
    done = recording.cli("show", IDS["/empty"], "--response-body", text=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_failed_exchange_shows_why(recording):
    done = recording.cli("show", "@last")
    assert done.returncode == 0 and "connect" in done.stdout


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM exchange",
        "UPDATE exchange SET status = 1",
        "DROP TABLE exchange",
        "CREATE TABLE t (a)",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = delete",
        "ATTACH 'x.db' AS x",
        "VACUUM",
        "VACUUM INTO 'copy.db'",
        "BEGIN EXCLUSIVE",
        "INSERT INTO note (exchange_id) VALUES (1)",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "SELECT 1; DELETE FROM exchange",
    ],
)
def test_sql_only_reads(recording, query):
    look = "SELECT count(*), sum(status), (SELECT count(*) FROM sqlite_schema) FROM exchange"
    before = recording.cli("sql", look).stdout
    done = recording.cli("sql", query)
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr
    assert recording.cli("sql", look).stdout == before
    assert not (recording.home / "x.db").exists() and not (recording.home / "copy.db").exists()


def test_sql_values_cannot_break_the_lines(recording):
    query = "SELECT 'a' || char(9) || 'b' || char(10) || 'c\\', NULL, 1.5, x'00ff'"
    fields = recording.cli("sql", query).stdout.rstrip("\n").split("\t")
    assert len(fields) == 4 and fields[0] == "a\\tb\\nc\\\\" and fields[2] == "1.5"


class TestConfig:
    def check(self, tmp_path, text, *flags, **env):
        file = tmp_path / "hark.conf"
        file.write_text(text)
        return run_hark("serve", "--check-config", "--config", file, *flags, home=tmp_path, env=env)

    @pytest.mark.parametrize(
        "line",
        [
            "nonsense = 1",
            "workers = many",
            "workers = -1",
            "queue_bytes = 10 parsecs",
            "connect_timeout = 5 moons",
            "durability = sometimes",
            "intercept = maybe",
            "connect_to = a:b",
            "listen = nowhere",
            "mode = records",
            "keep_age = 7 moons",
            "keep_age = 30",
            "via = 2",
            "record_bodies = some",
            "allow = 300.1.1.1/8",
            "header_timeout = 0s",
            "max_header_bytes = 1",
            "log_level = loud",
            "just words",
        ],
    )
    def test_mistake_names_file_and_line(self, tmp_path, line):
        done = self.check(tmp_path, f"# a comment\n\n{line}\nui = off\n")
        assert (done.returncode, done.stdout) == (2, "")
        assert "hark.conf:3: " in done.stderr

    def test_serve_with_a_bad_file_starts_and_touches_nothing(self, tmp_path):
        file = tmp_path / "hark.conf"
        file.write_text("nonsense = 1\n")
        done = run_hark("serve", "--config", file, "--data-dir", tmp_path / "data", home=tmp_path)
        assert done.returncode == 2 and "hark.conf:1: " in done.stderr
        assert not (tmp_path / "data").exists()

    def test_flag_wins_over_environment_over_file(self, daemon):
        """Each source gives another listen address; loopback has enough of them."""
        text = "listen = 127.0.0.13:0\nui = off\n"

        def address(**options):
            hark = daemon(config=text, ui=None, **options)
            line = next(line for line in hark.lines if "ready: proxy" in line)
            return line.split("http://")[1].split(":")[0]

        assert address(listen=None) == "127.0.0.13"
        assert address(listen=None, env={"HARK_LISTEN": "127.0.0.12:0"}) == "127.0.0.12"
        assert address(listen="127.0.0.11:0", env={"HARK_LISTEN": "127.0.0.12:0"}) == "127.0.0.11"

    def test_places_of_the_config_file(self, tmp_path):
        (tmp_path / ".config/hark").mkdir(parents=True)
        (tmp_path / ".config/hark/hark.conf").write_text("workers = home\n")
        assert "home" in run_hark("serve", "--check-config", home=tmp_path).stderr
        (tmp_path / "xdg/hark").mkdir(parents=True)
        (tmp_path / "xdg/hark/hark.conf").write_text("workers = xdg\n")
        done = run_hark(
            "serve", "--check-config", home=tmp_path, env={"XDG_CONFIG_HOME": tmp_path / "xdg"}
        )
        assert "xdg" in done.stderr

    def test_file_that_cannot_be_read_is_not_passed_over(self, tmp_path):
        file = tmp_path / ".config/hark/hark.conf"
        file.parent.mkdir(parents=True)
        file.symlink_to("elsewhere")
        for words in (["serve", "--check-config"], ["ls"]):
            done = run_hark(*words, home=tmp_path)
            assert done.returncode == 2 and f"open {file}: No such file" in done.stderr
        os.remove(file)
        os.mkfifo(file)
        done = run_hark("serve", "--check-config", home=tmp_path)
        assert done.returncode == 2 and f"open {file}: no regular file" in done.stderr

    def test_places_of_the_data_folder(self, tmp_path):
        def place(**env):
            return run_hark("ls", home=tmp_path, env=env).stderr

        assert str(tmp_path / ".local/share/hark/hark.db") in place()
        assert str(tmp_path / "x/hark/hark.db") in place(XDG_DATA_HOME=tmp_path / "x")
        assert str(tmp_path / "d/hark.db") in place(
            HARK_DATA_DIR=tmp_path / "d", XDG_DATA_HOME=tmp_path / "x"
        )

    def test_mistake_in_the_environment_names_the_variable(self, tmp_path):
        done = self.check(tmp_path, "ui = off\n", HARK_WORKERS="many")
        assert done.returncode == 2 and "HARK_WORKERS" in done.stderr
