# SPDX-License-Identifier: MIT
"""hark run: the program is as if it had been started by itself, and what it does is recorded."""

import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import termios
import time

import pytest
from harness import RawOrigin, SCALE, wait_until
from harness.daemon import HARK, clean_environment, run_hark
from harness.running import Running, Summary

CURL = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}\\n"]
UNTIL_TOLD = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
"""


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def running(data_dir, tmp_path):
    """running(*words, …) starts a hark run on the test's data folder; all end with the test."""
    started = []

    def start(*words, data_dir=data_dir, **options):
        started.append(Running(data_dir, tmp_path / "home", *words, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def run(running):
    """run(*words, …) runs to the end: (exit status, standard output, standard error)."""
    return lambda *words, data=None, **options: running(*words, **options).finish(data=data)


def rows(data_dir, query="SELECT * FROM exchange ORDER BY id"):
    connection = sqlite3.connect(f"file:{data_dir}/hark.db?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def status_of(data_dir, tmp_path):
    done = run_hark("status", "--json", "--data-dir", data_dir, home=tmp_path)
    return json.loads(done.stdout) if done.returncode == 0 else None


# -- recording -------------------------------------------------------------------------------------

def test_requests_are_recorded_in_a_session_and_counted(run, origin, data_dir):
    server = origin()
    script = f"curl -sS {server.url}/a; curl -sS {server.url}/b; curl -sS http://127.0.0.1:1/"
    status, out, err = run("sh", "-c", script)
    summary = Summary(err)
    assert (status, out) == (0, "okok" + out[4:])
    assert (summary.count, summary.errors) == (3, 1)
    recorded = rows(data_dir)
    assert [(row["method"], row["path"], row["status"]) for row in recorded] == [
        ("GET", "/a", 200), ("GET", "/b", 200), ("GET", "/", 502)]
    assert {row["session_id"] for row in recorded} == {summary.session}
    session = rows(data_dir, f"SELECT * FROM session WHERE id = {summary.session}")[0]
    assert session["command"].endswith(f"-- sh -c {script}")
    assert session["state"] == "ended"


def test_the_summary_names_a_command_that_shows_it(run, origin, data_dir, tmp_path):
    _, _, err = run(*CURL, origin().url)
    hint = err.strip().splitlines()[-1].split(": ")[-1]
    assert hint.startswith(f"hark ls --data-dir {data_dir} session:")
    done = run_hark(*hint.split()[1:], home=tmp_path)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1


def test_nothing_recorded_is_said_as_well(run):
    status, _, err = run("true")
    assert (status, Summary(err).count) == (0, 0)


def test_own_daemon_ends_with_the_run(run, origin, data_dir, tmp_path):
    run(*CURL, origin().url)
    assert not (data_dir / "control.sock").exists()
    assert status_of(data_dir, tmp_path) is None


def test_running_daemon_is_used_and_stays(daemon, origin, tmp_path):
    hark, server = daemon(), origin()
    ran = Running(hark.data_dir, tmp_path / "home", *CURL, server.url)
    status, out, err = ran.finish()
    summary = Summary(err)
    assert (status, out, summary.count) == (0, "200\n", 1)
    row = hark.wait_row("1")
    assert row["session_id"] == summary.session != hark.value("SELECT min(id) FROM session")
    assert hark.is_running()
    assert json.loads(hark.cli("status", "--json").stdout)["sessions"] == 0
    session = hark.sql("SELECT * FROM session WHERE id = ?", summary.session)[0]
    assert session["command"].endswith(f"-- {' '.join(CURL)} {server.url}")


def test_runs_beside_each_other_have_their_own_sessions(daemon, origin, tmp_path):
    hark, server = daemon(), origin()
    script = [sys.executable, "-c", UNTIL_TOLD]
    waiting = Running(hark.data_dir, tmp_path / "a", *script)
    try:
        assert waiting.read_line() == "ready"
        counts = []
        for number in range(1, 4):
            words = ["sh", "-c", f"for i in $(seq {number}); do curl -sS {server.url}; done"]
            counts.append(Summary(Running(hark.data_dir, tmp_path / "b", *words).finish()[2]))
        waiting.process.send_signal(signal.SIGUSR1)
        assert Summary(waiting.finish()[2]).count == 0
    finally:
        waiting.close()
    assert [summary.count for summary in counts] == [1, 2, 3]
    assert len({summary.session for summary in counts}) == 3


def test_two_first_runs_at_once_share_a_daemon(running, origin, data_dir, tmp_path):
    server = origin()
    all_runs = [running(*CURL, f"{server.url}/{number}") for number in range(4)]
    ends = [one.finish(seconds=60) for one in all_runs]
    assert [(status, out) for status, out, _ in ends] == [(0, "200\n")] * 4, ends
    assert [Summary(err).count for _, _, err in ends] == [1] * 4
    wait_until(lambda: not (data_dir / "control.sock").exists(), "the last daemon to end")
    assert sorted(row["path"] for row in rows(data_dir)) == ["/0", "/1", "/2", "/3"]


def test_daemon_of_one_run_stays_for_another(running, origin, data_dir):
    first = running(sys.executable, "-c", UNTIL_TOLD)
    assert first.read_line() == "ready"
    second = running("sh", "-c", f"echo ready; read line; curl -sS {origin().url}", stdin=subprocess.PIPE)
    assert second.read_line() == "ready"
    first.process.send_signal(signal.SIGUSR1)
    assert first.finish()[0] == 0
    status, out, err = second.finish(data=b"go\n")
    assert (status, out, Summary(err).count) == (0, "ok", 1)
    wait_until(lambda: not (data_dir / "control.sock").exists(), "the daemon to end")


# -- the program -----------------------------------------------------------------------------------

@pytest.mark.parametrize("script,expected", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 128 + 15),
    ("kill -KILL $$", 128 + 9)])
def test_exit_status_is_the_programs(run, script, expected):
    assert run("sh", "-c", script)[0] == expected


@pytest.mark.parametrize("words,flags,expected,message", [
    (["/nonexistent/program"], [], 127, "/nonexistent/program: No such file"),
    (["no-such-program-anywhere"], [], 127, "no-such-program-anywhere: No such file"),
    (["/etc/passwd"], [], 126, "/etc/passwd: Permission denied"),
    (["true"], ["--bogus"], 125, 'unknown option "--bogus"'),
    (["true"], ["--set", "mode=x"], 125, "mode"),
    (["true"], ["--db", "/nonexistent/x.db"], 125, "/nonexistent/x.db"),
    ([], [], 125, "which command"),
])
def test_harks_own_failures_are_those_of_env(run, words, flags, expected, message):
    status, out, err = run(*words, flags=flags)
    assert (status, out) == (expected, "")
    assert message in err, err


def test_options_behind_the_program_are_the_programs(run):
    status, out, _ = run("echo", "--data-dir", "x", "--help", "-n")
    assert (status, out) == (0, "--data-dir x --help -n\n")


def test_options_end_at_the_program_without_dashes(data_dir, tmp_path):
    done = run_hark("run", "--data-dir", data_dir, "echo", "--version", "--", "x", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, "--version -- x\n")


def test_standard_streams_pass_through(run):
    status, out, err = run("sh", "-c", "cat; echo problem >&2", data=b"in\x00put", stdin=subprocess.PIPE)
    assert (status, out) == (0, "in\x00put")
    assert err.startswith("problem\nhark: recorded 0 exchanges")


def test_environment_passes_through_with_hark_in_it(run, data_dir):
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    caller = {"SOME": "thing", "NO_PROXY": "intra.example", "PYTHONPATH": "/some/where",
              "https_proxy": "http://other:1"}
    environment = json.loads(run(sys.executable, "-c", show, env=caller)[1])
    assert environment["SOME"] == "thing"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intra.example,169.254.169.254"
    assert environment["http_proxy"] == environment["https_proxy"] == environment["HTTP_PROXY"]
    assert environment["https_proxy"].startswith("http://127.0.0.1:")
    assert environment["PYTHONPATH"] == f"{data_dir}/clients/python:/some/where"
    assert environment["SSL_CERT_FILE"] == f"{data_dir}/bundle.pem"
    assert "ALL_PROXY" not in environment and "all_proxy" not in environment


def test_signals_are_as_they_were_for_the_program(run):
    words = ["sh", "-c", "grep -E '^Sig(Blk|Ign)' /proc/self/status"]
    direct = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout
    assert run(*words)[1] == direct


def test_descriptors_are_as_they_were_for_the_program(run):
    words = [sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))"]
    direct = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10,
                            stdin=subprocess.DEVNULL).stdout
    assert run(*words)[1] == direct


# -- signals ---------------------------------------------------------------------------------------

TELL_SIGNALS = """
import os, signal, sys
def tell(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    sys.exit(40 + number)
for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT):
    signal.signal(one, tell)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2"])
def test_a_signal_to_hark_is_passed_on(running, name):
    number = signal.Signals[f"SIG{name}"]
    ran = running(sys.executable, "-c", TELL_SIGNALS)
    assert ran.read_line() == "ready"
    ran.process.send_signal(number)
    status, out, err = ran.finish()
    assert (status, out) == (40 + number, f"SIG{name}\n")
    assert Summary(err).count == 0


class OnTerminal:
    """A process that leads a session on a terminal of its own."""

    def __init__(self, words, home):
        self.master, slave = pty.openpty()
        self.written = b""

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        home.mkdir(exist_ok=True)
        self.process = subprocess.Popen(words, env=clean_environment(home, TERM="dumb"), cwd=home,
                                        stdin=slave, stdout=slave, stderr=slave,
                                        preexec_fn=take_terminal)
        os.close(slave)

    def read_until(self, text, seconds=20):
        limit = time.monotonic() + seconds * SCALE
        while text not in self.written and time.monotonic() < limit:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.written += os.read(self.master, 65536)
                except OSError:
                    break
        assert text in self.written, self.written
        return self.written

    def type(self, keys):
        os.write(self.master, keys)

    def close(self):
        os.close(self.master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def on_terminal(data_dir, tmp_path):
    started = []

    def start(*words):
        command = [str(HARK), "run", "--data-dir", str(data_dir), "--", *words]
        started.append(OnTerminal(command, tmp_path / "home"))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_interrupt_from_the_terminal_reaches_the_program_once_and_hark_outlives_it(on_terminal, origin):
    server = origin()
    program = f"""
import signal, sys, time, urllib.request
count = 0
def on_interrupt(number, frame):
    global count
    count += 1
signal.signal(signal.SIGINT, on_interrupt)
print("ready", flush=True)
while not count:
    signal.pause()
print("still reaches", urllib.request.urlopen("{server.url}").status, "interrupts", count, flush=True)
sys.exit(3)
"""
    ran = on_terminal(sys.executable, "-c", program)
    ran.read_until(b"ready")
    ran.type(b"\x03")
    ran.read_until(b"still reaches 200 interrupts 1")
    ran.read_until(b"hark: recorded 1 exchange: ")
    assert ran.process.wait(10 * SCALE) == 3


def test_the_program_has_the_terminal(on_terminal):
    program = ("import os, sys; print(os.isatty(0), os.isatty(1), os.tcgetpgrp(0) == os.getpgrp(), "
               "flush=True); print('got', input())")
    ran = on_terminal(sys.executable, "-c", program)
    ran.read_until(b"True True True")
    ran.type(b"typed\n")
    ran.read_until(b"got typed")
    assert ran.process.wait(10 * SCALE) == 0


def test_stop_and_continue_from_the_terminal(on_terminal):
    """Both stop, as a shell's job control wants it, and both go on."""
    ran = on_terminal("sh", "-c", "echo ready; read line; echo got $line")
    ran.read_until(b"ready")
    os.kill(ran.process.pid, signal.SIGSTOP)
    wait_until(lambda: state_of(ran.process.pid) == "T", "hark to stop")
    os.kill(ran.process.pid, signal.SIGCONT)
    ran.type(b"on\n")
    ran.read_until(b"got on")
    assert ran.process.wait(10 * SCALE) == 0


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0]


# -- what may go wrong -----------------------------------------------------------------------------

def test_killed_run_leaves_no_daemon(running, data_dir):
    ran = running(sys.executable, "-c", UNTIL_TOLD)
    assert ran.read_line() == "ready"
    ran.process.kill()
    wait_until(lambda: not (data_dir / "control.sock").exists(), "the daemon to end", seconds=10)


def test_session_of_a_killed_run_is_closed(daemon, tmp_path):
    hark = daemon()
    ran = Running(hark.data_dir, tmp_path / "home", sys.executable, "-c", UNTIL_TOLD)
    try:
        assert ran.read_line() == "ready"
        assert json.loads(hark.cli("status", "--json").stdout)["sessions"] == 1
        ran.process.kill()
        wait_until(lambda: json.loads(hark.cli("status", "--json").stdout)["sessions"] == 0,
                   "the session to close")
    finally:
        ran.close()


def test_daemon_that_ends_too_early_is_said(daemon, tmp_path):
    hark = daemon()
    ran = Running(hark.data_dir, tmp_path / "home", sys.executable, "-c", UNTIL_TOLD)
    try:
        assert ran.read_line() == "ready"
        hark.stop()
        ran.process.send_signal(signal.SIGUSR1)
        status, _, err = ran.finish()
    finally:
        ran.close()
    assert status == 0
    assert "ended before the program" in err
    assert Summary(err).count == 0


def test_own_daemon_that_dies_is_said(running, data_dir, tmp_path):
    ran = running(sys.executable, "-c", UNTIL_TOLD)
    assert ran.read_line() == "ready"
    os.kill(status_of(data_dir, tmp_path)["pid"], signal.SIGKILL)
    ran.process.send_signal(signal.SIGUSR1)
    status, _, err = ran.finish()
    assert status == 0
    assert "run.log" in err and "daemon" in err


def test_flags_begin_a_daemon_beside_the_one_that_runs(daemon, origin, tmp_path):
    hark, server, other = daemon(), origin(), tmp_path / "other.db"
    ran = Running(hark.data_dir, tmp_path / "home", *CURL, server.url, flags=["--db", other])
    status, out, err = ran.finish()
    assert (status, out, Summary(err).count) == (0, "200\n", 1)
    assert hark.value("SELECT count(*) FROM exchange") == 0
    assert hark.is_running() and (hark.data_dir / "control.sock").exists()
    assert not list(hark.data_dir.glob("run-*"))


def test_daemon_with_flags_is_not_used_by_others(running, origin, data_dir, tmp_path):
    server, other = origin(), tmp_path / "other.db"
    first = running(sys.executable, "-c", UNTIL_TOLD, flags=["--db", other])
    assert first.read_line() == "ready"
    status, _, err = running(*CURL, server.url).finish()
    assert (status, Summary(err).count, len(rows(data_dir))) == (0, 1, 1)
    first.process.send_signal(signal.SIGUSR1)
    assert Summary(first.finish()[2]).count == 0


def test_recording_that_a_daemon_writes_is_refused_to_another(daemon, tmp_path):
    hark = daemon()
    ran = Running(hark.data_dir, tmp_path / "home", "true", flags=["--set", "via=on"])
    status, _, err = ran.finish()
    assert status == 125 and "writes to it" in err and str(hark.pid) in err


def test_flags_are_those_of_the_daemon(run, origin, data_dir, tmp_path):
    server, other = origin(), tmp_path / "other.db"
    flags = ["--set", f"connect_to=api.example.com:80:127.0.0.1:{server.port}", "--db", other]
    status, out, err = run(*CURL, "http://api.example.com/x", flags=flags)
    assert (status, out, Summary(err).count) == (0, "200\n", 1)
    assert f"--db {other}" in Summary(err).where
    assert other.exists() and not (data_dir / "hark.db").exists()


def test_config_file_does_not_take_the_usual_port(run, origin, tmp_path):
    taken = RawOrigin()
    try:
        config = tmp_path / "hark.conf"
        config.write_text(f"listen = 127.0.0.1:{taken.port}\nui = 127.0.0.1:{taken.port}\n")
        status, out, _ = run(*CURL, origin().url, flags=["--config", config])
        assert (status, out) == (0, "200\n")
    finally:
        taken.stop()


def test_run_within_a_run_records_once(run, origin, data_dir, tmp_path):
    words = [HARK, "run", "--data-dir", data_dir, "--", *CURL, origin().url]
    status, out, err = run(*words)
    assert (status, out) == (0, "200\n")
    assert err.count("recorded 1 exchange") == 1 and err.count("recorded 0 exchanges") == 1
    assert len(rows(data_dir)) == 1


# -- the files -------------------------------------------------------------------------------------

def test_files_are_private_where_they_must_be(run, data_dir):
    old = os.umask(0)
    try:
        run("true")
    finally:
        os.umask(old)

    def mode(name):
        return oct((data_dir / name).stat().st_mode & 0o7777)

    assert mode("") == "0o700"
    assert {mode(name) for name in ("ca-key.pem", "token", "hark.db", "run.log")} == {"0o600"}
    assert {mode(name) for name in ("ca.pem", "bundle.pem", "clients/wgetrc")} == {"0o644"}
    assert mode("clients") == "0o700"


def test_bundle_has_the_systems_roots_what_the_caller_adds_and_ours(run, data_dir, tmp_path):
    added = tmp_path / "added.pem"
    added.write_text("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----")
    run("true", env={"REQUESTS_CA_BUNDLE": added, "NODE_EXTRA_CA_CERTS": added})
    bundle = (data_dir / "bundle.pem").read_text()
    assert bundle.count("QUJD") == 1
    assert bundle.endswith((data_dir / "ca.pem").read_text())
    run("true", env={"SSL_CERT_FILE": data_dir / "bundle.pem"})
    bundle = (data_dir / "bundle.pem").read_text()
    assert "QUJD" not in bundle and bundle.count((data_dir / "ca.pem").read_text()) == 1


def test_a_data_folder_with_odd_characters(run, origin, tmp_path):
    odd = tmp_path / 'my "data" \'dir\''
    status, out, err = run(*CURL, origin().url, data_dir=odd)
    assert (status, out, Summary(err).count) == (0, "200\n", 1)
