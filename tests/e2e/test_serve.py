# SPDX-License-Identifier: MIT
"""The daemon's life: starting, refusing to start, reloading, draining, ending."""

import os
import re
import resource
import signal
import stat
import threading

import pytest
from harness import SCALE, wait_until
from harness.conformance import fill
from harness.daemon import READY, run_hark
from harness.origin import OK

GET = b"GET {url}/x HTTP/1.1\r\nHost: {host}\r\n\r\n"


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def held_answer(gate):
    """An origin that answers once the gate is open."""
    def handle(conn):
        while conn.read_request():
            gate.wait(20)
            conn.send(OK)

    return handle


def test_ready_line_has_real_ports_and_the_real_path(daemon):
    hark = daemon(ui="127.0.0.1:0")
    ready = READY.match(next(line for line in hark.lines if "ready" in line))
    assert ready["page"] and not ready["page"].endswith(":0")
    assert not ready["proxy"].endswith(":0")
    assert ready["db"] == str((hark.data_dir / "hark.db").resolve())


def test_ready_line_without_a_page_has_no_page_in_it(daemon):
    hark = daemon(ui="off")
    line = next(line for line in hark.lines if "ready" in line)
    assert re.fullmatch(r"hark: ready: proxy http://127\.0\.0\.1:\d+, recording to /.*/hark\.db", line)


@pytest.mark.parametrize("mode", ["off", "playback"])
def test_a_mode_that_records_nothing_is_said(daemon, mode):
    hark = daemon()
    hark.stop()
    reader = daemon("--db", str(hark.db), "--mode", mode)
    reader.wait_log(f"nothing is recorded: mode is {mode}")


def test_several_listeners_take_requests(daemon, origin, client):
    hark, server = daemon("--listen", "127.0.0.1:0"), origin()
    line = next(line for line in hark.lines if "ready" in line)
    urls = re.search(r"proxy (\S+), recording", line)[1].split(",")
    ports = [int(url.rsplit(":", 1)[1]) for url in urls]
    assert len(set(ports)) == 2
    for port in ports:
        hark.proxy_port = port
        assert client(hark).ask(fill(GET, server)).status == 200


def test_files_are_private(daemon):
    hark = daemon(preexec=lambda: os.umask(0))
    assert mode_of(hark.data_dir) == 0o700
    for name in ("control.sock", "token", "hark.db"):
        assert mode_of(hark.data_dir / name) == 0o600, name


def test_the_socket_goes_with_the_daemon(daemon):
    hark = daemon()
    hark.stop()
    assert not (hark.data_dir / "control.sock").exists()
    assert (hark.data_dir / "token").exists()


def test_a_killed_daemon_leaves_nothing_in_the_way(daemon):
    hark = daemon()
    token = (hark.data_dir / "token").read_text()
    hark.kill()
    assert (hark.data_dir / "control.sock").exists()
    hark.start()
    assert hark.cli("status").returncode == 0
    assert (hark.data_dir / "token").read_text() == token


@pytest.mark.parametrize("other_db", [False, True], ids=["same-db", "other-db"])
def test_a_second_daemon_in_the_folder_is_refused(daemon, tmp_path, other_db):
    hark = daemon()
    flags = ["--db", tmp_path / "other.db"] if other_db else []
    done = hark.cli("serve", "--listen", "127.0.0.1:0", "--ui", "off", *flags)
    assert done.returncode == 1
    assert done.stderr
    assert "ready" not in done.stderr
    assert not (tmp_path / "other.db").exists()
    assert hark.cli("status").returncode == 0
    assert hark.value("SELECT count(*) FROM session") == 1


def test_a_taken_page_address_says_what_to_do(daemon):
    hark = daemon(ui="127.0.0.1:0")
    done = run_hark("serve", "--listen", "127.0.0.1:0", "--ui", f"127.0.0.1:{hark.page_port}",
                    "--data-dir", hark.home / "second", home=hark.home)
    assert done.returncode == 1
    assert f"127.0.0.1:{hark.page_port}" in done.stderr and "--ui" in done.stderr
    assert not (hark.home / "second/control.sock").exists()


@pytest.mark.parametrize("words", [["--set", "mode=maybe"], ["--listen", "nowhere"], ["--ui", "x"],
                                   ["--set", "nosuchkey=1"], ["--config", "missing.conf"], ["word"]])
def test_a_mistake_in_the_settings_touches_nothing(tmp_path, words):
    done = run_hark("serve", *words, home=tmp_path)
    assert done.returncode == 2
    assert not any(tmp_path.iterdir())


def test_check_config_only_checks(tmp_path):
    done = run_hark("serve", "--check-config", "--set", "mode=off", home=tmp_path)
    assert done.returncode == 0
    assert run_hark("serve", "--check-config", "--set", "mode=maybe", home=tmp_path).returncode == 2
    assert not any(tmp_path.iterdir())


def test_check_config_of_a_run_runs_nothing(tmp_path):
    ran = tmp_path / "ran"
    done = run_hark("run", "--check-config", "--", "touch", ran, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "is good" in done.stdout
    done = run_hark("run", "--check-config", "--set", "mode=maybe", "--", "touch", ran, home=tmp_path)
    assert done.returncode == 2 and "mode" in done.stderr
    done = run_hark("run", "--check-config", "--set", "ignore=hots:x", home=tmp_path)
    assert done.returncode == 2 and "ignore" in done.stderr
    assert not any(tmp_path.iterdir())


def test_run_takes_the_flags_of_serve(tmp_path):
    flags = {name: set(re.findall(r"^  +(?:-\w, )?(--[\w-]+)", run_hark(name, "--help", home=tmp_path).stdout,
                                  re.MULTILINE))
             for name in ("serve", "run")}
    assert flags["serve"] and flags["serve"] <= flags["run"]


@pytest.mark.skipif(SCALE > 1, reason="sanitizers want more")
def test_small_stack_limit_does_no_harm(daemon, origin, client):
    limits = (128 << 10, 128 << 10)
    hark = daemon(preexec=lambda: resource.setrlimit(resource.RLIMIT_STACK, limits))
    assert client(hark).ask(fill(GET, origin())).status == 200


def test_descriptor_limit_is_raised_to_the_hard_one(daemon):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    hark = daemon(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)))
    limits = open(f"/proc/{hark.pid}/limits", encoding="ascii").read()
    assert re.search(rf"Max open files\s+{hard}\s+{hard}", limits)


# -- signals ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_an_idle_daemon_ends_well_on(daemon, number):
    hark = daemon()
    hark.signal(number)
    assert hark.wait_exit(5) == 0


def test_what_is_in_flight_may_end(daemon, origin, client):
    gate = threading.Event()
    hark, server = daemon(), origin(held_answer(gate))
    peer = client(hark).send(fill(GET, server))
    server.wait_requests(1)
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    gate.set()
    assert peer.response().status == 200
    assert hark.wait_exit(9) == 0
    assert hark.value("SELECT state FROM exchange") == "done"


def test_a_second_signal_does_not_wait(daemon, origin, client):
    gate = threading.Event()
    hark, server = daemon(), origin(held_answer(gate))
    client(hark).send(fill(GET, server))
    server.wait_requests(1)
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    hark.signal(signal.SIGTERM)
    assert hark.wait_exit(5) == 0
    gate.set()
    assert hark.value("SELECT state FROM exchange") != "pending"


def test_hup_reads_the_file_again(daemon):
    hark = daemon(config="log_level = info\n")
    hark.config_file.write_text("log_level = error\n")
    hark.signal(signal.SIGHUP)
    hark.wait_log("reload")
    assert hark.is_running()


def test_hup_with_a_bad_file_keeps_the_old_one(daemon, origin, client):
    hark, server = daemon(config="log_level = info\n"), origin()
    hark.config_file.write_text("log_level = info\nmdoe = off\n")
    hark.signal(signal.SIGHUP)
    line = hark.wait_log("reload").string
    assert "hark.conf:2" in line and "old configuration stays" in line
    assert client(hark).ask(fill(GET, server)).status == 200


def test_hup_keeps_what_the_flags_said(daemon):
    hark = daemon("--set", "log_level=info", config="log_level = error\n")
    for _ in range(2):
        before = len(hark.lines)
        hark.signal(signal.SIGHUP)
        wait_until(lambda n=before: any("reload" in line for line in hark.lines[n:]), "a second reload")


def test_usr1_and_broken_pipes_do_no_harm(daemon):
    hark = daemon()
    hark.signal(signal.SIGUSR1)
    hark.wait_log("log file")
    hark.signal(signal.SIGPIPE)
    assert hark.cli("status").returncode == 0
