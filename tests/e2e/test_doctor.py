# SPDX-License-Identifier: MIT
"""hark doctor: each finding is made to happen, and nothing is changed by looking."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading

import pytest
from harness import SCALE, run_hark, wait_until
from harness.daemon import HARK, clean_environment


def doctor(home, *flags, folder=None, java=False, **env):
    words = ["doctor", "--json", "--data-dir", folder or home / "data", *flags]
    done = run_hark(*words, home=home, java=java, env=env)
    report = json.loads(done.stdout)
    assert done.returncode == (1 if report["problems"] else 0)
    return report["findings"]


def paste(finding, home, env=None):
    """Give the mend to a shell as it is printed. A daemon that it would begin is not waited for."""
    (home / "mends").mkdir(exist_ok=True)
    hark = home / "mends/hark"
    hark.write_text(f'#!/bin/sh\n[ "$1" = serve ] || exec {HARK} "$@"\n')
    hark.chmod(0o755)
    path = f"{home / 'mends'}:{(env or {}).get('PATH', os.environ['PATH'])}"
    environment = {**clean_environment(home), **(env or {}), "PATH": path}
    done = subprocess.run(["/bin/sh", "-ec", finding["mend"]], env=environment, cwd=home,
                          timeout=60 * SCALE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


def of(findings, check, level=None):
    return [f for f in findings if f["check"] == check and level in (None, f["level"])]


def one(findings, check, level):
    found = of(findings, check, level)
    assert len(found) == 1, findings
    return found[0]


@pytest.fixture
def home(tmp_path):
    """A home whose configuration takes ports that nobody else has."""
    (tmp_path / "hark.conf").write_text("listen = 127.0.0.1:0\nui = off\n")
    folder = tmp_path / ".config/hark"
    folder.mkdir(parents=True)
    (folder / "hark.conf").write_text("listen = 127.0.0.1:0\nui = off\n")
    return tmp_path


def test_a_fresh_home_has_no_problem_and_stays_as_it_was(home):
    before = sorted(str(p) for p in home.rglob("*"))
    findings = doctor(home)
    assert not of(findings, "data folder", "problem") and one(findings, "data folder", "note")
    assert one(findings, "daemon", "note")["mend"] == f"hark serve --data-dir {home / 'data'}"
    assert sorted(str(p) for p in home.rglob("*")) == before


def test_all_is_well_with_a_running_daemon(daemon, tmp_path):
    hark = daemon()
    findings = doctor(hark.home, folder=hark.data_dir)
    for check in ("data folder", "files", "daemon", "recording", "authority", "names", "clock"):
        assert of(findings, check, "ok"), (check, findings)
    assert not [f for f in findings if f["level"] == "problem" and f["check"] not in ("ports", "disk")]


def test_text_is_for_eighty_columns(home):
    done = run_hark("doctor", "--data-dir", home / "data", home=home)
    for line in done.stdout.splitlines():
        is_whole = line.strip().startswith("mend: ") or " " not in line[9:].strip()
        assert len(line) <= 80 or is_whole, line
    assert done.stdout.rstrip().endswith(" warnings.")


def test_mistake_in_the_file_is_named_with_its_line(home):
    (home / "hark.conf").write_text("# first\nmdoe = off\n")
    found = one(doctor(home, "--config", home / "hark.conf"), "configuration", "problem")
    assert "hark.conf:2" in found["text"] and "--check-config" in found["mend"]


def test_mistake_in_a_variable_is_mended_by_unsetting_it(home):
    found = one(doctor(home, HARK_KEEP_BYTES="5Gb"), "configuration", "problem")
    assert found["mend"] == "unset HARK_KEEP_BYTES"


@pytest.mark.parametrize("mode", [0o755, 0o710])
def test_folder_that_others_may_look_into(home, mode):
    (home / "data").mkdir(mode=mode)
    os.chmod(home / "data", mode)
    found = one(doctor(home), "data folder", "problem")
    assert found["mend"] == f"chmod 700 {home / 'data'}"


def test_data_folder_that_is_a_file(home):
    (home / "data").write_text("")
    assert "not a folder" in one(doctor(home), "data folder", "problem")["text"]


@pytest.mark.parametrize("name", ["token", "ca-key.pem", "redact-key"])
def test_private_file_that_others_may_read(home, name):
    (home / "data").mkdir(mode=0o700)
    (home / "data" / name).write_text("secret")
    os.chmod(home / "data" / name, 0o644)
    found = one(doctor(home), "files", "problem")
    assert found["mend"] == f"chmod 600 {home / 'data' / name}" and "secret" not in found["text"]


def test_port_that_another_program_has(home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (home / "hark.conf").write_text(f"listen = 127.0.0.1:{port}\nui = off\n")
        found = one(doctor(home, "--config", home / "hark.conf"), "ports", "problem")
        assert f"process {os.getpid()}" in found["text"] and f":{port}" in found["text"]
    assert of(doctor(home, "--config", home / "hark.conf"), "ports", "ok")


def test_daemon_that_does_not_record(daemon, origin, client):
    hark = daemon(config="listen = 127.0.0.1:0\nui = off\n")
    hark.config_file.write_text("listen = 127.0.0.1:0\nui = off\nvia = perhaps\n")
    hark.signal(1)
    hark.wait_log("old configuration stays")
    found = one(doctor(hark.home, folder=hark.data_dir), "reload", "warning")
    assert "hark.conf:3" in found["text"] and str(hark.pid) in found["mend"]


def test_damaged_recording(daemon, origin, client):
    hark = daemon()
    hark.stop()
    with open(hark.db, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    found = one(doctor(hark.home, folder=hark.data_dir), "recording", "problem")
    assert str(hark.db) in found["text"]


class TestMends:
    """Each is pasted as it is printed, and then the finding is gone and a start succeeds."""

    @pytest.fixture
    def stopped(self, daemon):
        hark = daemon()
        hark.stop()
        return hark

    @staticmethod
    def mended(hark, check, env=None):
        found = one(doctor(hark.home, folder=hark.data_dir, **(env or {})), check, "problem")
        paste(found, hark.home)
        after = doctor(hark.home, folder=hark.data_dir, **(env or {}))
        assert not of(after, check, "problem"), after
        hark.start()

    def test_authority_that_is_none(self, stopped):
        (stopped.data_dir / "ca.pem").write_text("garbage\n")
        self.mended(stopped, "authority")

    def test_key_that_others_may_read_is_one_finding(self, stopped):
        (stopped.data_dir / "ca-key.pem").chmod(0o644)
        before = (stopped.data_dir / "ca.pem").read_text()
        assert not of(doctor(stopped.home, folder=stopped.data_dir), "authority")
        self.mended(stopped, "files")
        assert (stopped.data_dir / "ca.pem").read_text() == before

    @pytest.mark.parametrize("name", ["control.sock", "token"])
    def test_folder_in_the_place_of_a_file(self, stopped, name):
        (stopped.data_dir / name).unlink(missing_ok=True)
        (stopped.data_dir / name).mkdir()
        self.mended(stopped, "files")

    @pytest.mark.parametrize("content", [b"", b"short"])
    def test_key_of_marks_that_is_none(self, daemon, content):
        hark = daemon(settings=["redact_headers=X-Secret"])
        hark.stop()
        (hark.data_dir / "redact-key").write_bytes(content)
        self.mended(hark, "files")

    @pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
    def test_folder_in_the_place_of_the_recording(self, stopped, suffix):
        path = stopped.data_dir / f"hark.db{suffix}"
        path.unlink()
        path.mkdir()
        self.mended(stopped, "recording")

    def test_link_that_leads_nowhere(self, stopped):
        stopped.db.unlink()
        stopped.db.symlink_to("/no/such/folder/hark.db")
        self.mended(stopped, "recording")

    def test_database_of_another_program(self, stopped):
        for name in ("hark.db", "hark.db-wal", "hark.db-shm"):
            (stopped.data_dir / name).unlink(missing_ok=True)
        sqlite3.connect(stopped.db).execute("CREATE TABLE mine (x)").connection.commit()
        self.mended(stopped, "recording")

    def test_damaged_recording(self, stopped):
        with open(stopped.db, "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 8192)
        self.mended(stopped, "recording")

    def test_folder_with_odd_characters(self, tmp_path):
        odd = tmp_path / "my 'data' $dir"
        odd.mkdir(mode=0o755)
        paste(one(doctor(tmp_path, folder=odd), "data folder", "problem"), tmp_path)
        assert not of(doctor(tmp_path, folder=odd), "data folder", "problem")

    def test_what_the_next_start_mends_is_no_problem(self, stopped):
        version = stopped.value("PRAGMA user_version")
        connection = sqlite3.connect(stopped.db)
        connection.execute(f"PRAGMA user_version = {version - 1}")
        connection.close()
        found = one(doctor(stopped.home, folder=stopped.data_dir), "recording", "note")
        assert "older hark" in found["text"] and found["mend"].startswith("hark serve")
        stopped.db.write_bytes(b"")
        found = one(doctor(stopped.home, folder=stopped.data_dir), "recording", "note")
        assert "is empty" in found["text"] and found["mend"] is None
        stopped.db.write_bytes(b"garbage" * 100)
        found = one(doctor(stopped.home, folder=stopped.data_dir), "recording", "warning")
        assert "sets it aside" in found["text"]
        (stopped.data_dir / "hark.db-wal").unlink(missing_ok=True)
        stopped.start()
        assert list(stopped.data_dir.glob("hark.db.damaged-*"))

    def test_folder_and_file_that_were_asked_about_are_kept(self, home):
        flags = ["--config", home / "hark.conf"]
        found = one(doctor(home, *flags), "daemon", "note")
        assert found["mend"] == f"hark serve --data-dir {home / 'data'} --config {home / 'hark.conf'}"

    def test_limit_is_added_to_the_file(self, home):
        (home / "data").mkdir(mode=0o700)
        paste(one(doctor(home), "retention", "note"), home)
        assert "keep_bytes = 10G" in (home / ".config/hark/hark.conf").read_text()
        assert not of(doctor(home), "retention", "note")


def test_daemon_with_settings_of_its_own(daemon):
    """What it was started with counts, and not what this shell would start."""
    hark = daemon(settings=["keep_bytes=4M"], ui="127.0.0.1:0")
    env = {"HARK_LISTEN": "127.0.0.1:4275", "HARK_UI": "127.0.0.1:4276"}
    findings = doctor(hark.home, folder=hark.data_dir, **env)
    assert of(findings, "retention", "ok")
    found = [f["text"] for f in of(findings, "ports", "ok")]
    assert found == [f"127.0.0.1:{hark.proxy_port} (listen) is the daemon's",
                     f"127.0.0.1:{hark.page_port} (ui) is the daemon's"]
    others = [f for f in of(findings, "ports") if f["level"] != "ok"]
    assert [f["level"] for f in others] == ["note", "note"] and not any(f["mend"] for f in others)


def test_daemon_that_hangs_is_named(daemon):
    hark = daemon()
    hark.signal(signal.SIGSTOP)
    try:
        found = one(doctor(hark.home, folder=hark.data_dir), "daemon", "problem")
    finally:
        hark.signal(signal.SIGCONT)
    assert found["mend"] == f"kill -9 {hark.pid}; hark serve --data-dir {hark.data_dir}"


def test_program_that_has_the_recording_locked(daemon):
    hark = daemon()
    other = sqlite3.connect(hark.db, isolation_level=None)
    assert of(doctor(hark.home, folder=hark.data_dir), "recording", "ok")
    for statement in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"):
        other.execute(statement)
        found = one(doctor(hark.home, folder=hark.data_dir), "recording", "problem")
        other.execute("ROLLBACK")
        assert found["mend"].startswith(f"kill {os.getpid()}  #") and "locked" in found["text"]
    other.close()


def test_recording_of_a_newer_hark_stays_where_it_is(daemon):
    hark = daemon()
    hark.stop()
    connection = sqlite3.connect(hark.db)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    found = one(doctor(hark.home, folder=hark.data_dir), "recording", "problem")
    assert "newer hark" in found["text"]
    assert found["mend"] == f"hark serve --data-dir {hark.data_dir} --db {hark.db}.new"


def test_daemon_that_is_about_to_end(daemon, origin, client):
    gate = threading.Event()
    hark, server = daemon(), origin(lambda conn: (conn.read_request(), gate.wait(60)))
    client(hark).send(f"GET {server.url}/ HTTP/1.1\r\nHost: {server.host}\r\n\r\n".encode())
    wait_until(
        lambda: json.loads(hark.cli("status", "--json").stdout)["exchanges_in_flight"],
        "the request to begin",
    )
    hark.signal(signal.SIGTERM)
    hark.wait_log("stopping")
    found = one(doctor(hark.home, folder=hark.data_dir), "daemon", "warning")
    gate.set()
    assert "about to end" in found["text"] and found["mend"].startswith("hark serve")


def test_file_that_is_no_recording(home):
    (home / "data").mkdir(mode=0o700)
    sqlite3.connect(home / "data/hark.db").execute("CREATE TABLE mine (x)").connection.commit()
    assert one(doctor(home), "recording", "problem")


def test_authority_whose_key_is_another_ones(daemon, home):
    hark = daemon()
    hark.stop()
    other = home / "other"
    run_hark("ca", "path", "--data-dir", other, home=home)
    key = hark.data_dir / "ca-key.pem"
    key.write_bytes((other / "ca-key.pem").read_bytes())
    paste(one(doctor(hark.home, folder=hark.data_dir), "authority", "problem"), hark.home)
    hark.start()
    assert of(doctor(hark.home, folder=hark.data_dir), "authority", "ok")


def test_bundle_without_the_authority(home):
    run_hark("run", "--data-dir", home / "data", "--", "true", home=home, seconds=60)
    bundle = home / "data/bundle.pem"
    assert of(doctor(home), "bundle", "ok")
    bundle.write_text("nothing\n")
    paste(one(doctor(home), "bundle", "problem"), home)
    assert of(doctor(home), "bundle", "ok")


class TestEnvironment:
    def test_proxy_where_nobody_listens(self, home):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        found = one(doctor(home, HTTPS_PROXY=f"http://127.0.0.1:{port}"), "environment", "problem")
        assert found["mend"] == "unset HTTPS_PROXY" and str(port) in found["text"]

    def test_proxy_that_is_hark(self, daemon):
        hark = daemon()
        proxies = {"http_proxy": hark.proxy_url, "https_proxy": hark.proxy_url}
        assert of(doctor(hark.home, folder=hark.data_dir, **proxies), "environment", "ok")
        alone = doctor(hark.home, folder=hark.data_dir, all_proxy=hark.proxy_url)
        assert of(alone, "environment", "ok")

    @pytest.mark.parametrize("name, other", [("http_proxy", "https"), ("HTTPS_PROXY", "http")])
    def test_proxy_for_half_of_the_requests(self, daemon, name, other):
        hark = daemon()
        findings = doctor(hark.home, folder=hark.data_dir, **{name: hark.proxy_url})
        found = one(findings, "environment", "warning")
        assert f": {other} requests go past it" in found["text"]
        assert found["mend"] == f'eval "$(hark env --data-dir {hark.data_dir})"'

    def test_variable_that_is_mistyped(self, home):
        env = {"HARK_LISTNE": "127.0.0.1:1", "HARK_LISTEN": "127.0.0.1:0"}
        found = one(doctor(home, **env), "environment", "warning")
        assert "HARK_LISTNE" in found["text"] and found["mend"] == "unset HARK_LISTNE"

    def test_password_of_a_proxy_is_not_shown(self, home):
        done = run_hark("doctor", home=home, env={"HTTP_PROXY": "http://u:hunter2@127.0.0.1:1"})
        assert "HTTP_PROXY" in done.stdout and "hunter2" not in done.stdout

    def test_certificates_that_are_not_there(self, home):
        found = one(doctor(home, SSL_CERT_FILE="/no/such.pem"), "environment", "problem")
        assert found["mend"] == "unset SSL_CERT_FILE"

    def test_servers_of_this_machine_that_go_past(self, home):
        found = one(doctor(home, NO_PROXY="a.example,localhost"), "environment", "note")
        assert found["mend"] == "unset NO_PROXY"

    def test_upstream_proxy_without_an_address(self, home):
        (home / "hark.conf").write_text(
            "listen = 127.0.0.1:0\nui = off\nupstream_proxy = http://nowhere.invalid:3128\n"
        )
        found = one(doctor(home, "--config", home / "hark.conf"), "names", "problem")
        assert "nowhere.invalid" in found["text"]


@pytest.mark.skipif(not shutil.which("keytool"), reason="keytool is not installed")
def test_java_that_does_not_know_the_authority(home):
    run_hark("ca", "path", "--data-dir", home / "data", home=home)
    assert not [f for f in of(doctor(home), "trust") if "Java" in f["text"]]
    found = [f for f in of(doctor(home, java=True), "trust", "note") if "Java" in f["text"]]
    assert len(found) == 1 and found[0]["mend"].endswith(f"hark ca install --data-dir {home / 'data'}")


def test_few_descriptors(home):
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))

    done = subprocess.run(
        [HARK, "doctor", "--json", "--data-dir", home / "data"],
        env=clean_environment(home),
        preexec_fn=lower,
        capture_output=True,
        check=False,
    )
    assert "512" in one(json.loads(done.stdout)["findings"], "limits", "warning")["text"]


@pytest.mark.parametrize("mode", ["off", "playback"])
def test_mode_that_records_nothing(home, mode):
    found = one(doctor(home, HARK_MODE=mode), "mode", "note")
    assert f"mode is {mode}" in found["text"] and "mode=record" in found["mend"]
    assert not of(doctor(home), "mode")


def test_recording_on_another_disk(home):
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(home).st_dev:
        pytest.skip("there is no other disk here")
    (home / "data").mkdir(mode=0o700)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        findings = doctor(home, HARK_DB=f"{folder}/hark.db")
        assert [f for f in of(findings, "disk") if f["text"].endswith(f" at {folder}")]
        assert folder in one(findings, "file system", "warning")["text"]
    assert len(of(doctor(home), "disk")) == 1


def test_what_is_kept(home):
    (home / "data").mkdir(mode=0o700)
    assert "keep_bytes" in one(doctor(home), "retention", "note")["mend"]
    assert of(doctor(home, HARK_KEEP_AGE="30d"), "retention", "ok")
    assert of(doctor(home, HARK_KEEP_BYTES="10M"), "retention", "ok")
    found = one(doctor(home, HARK_KEEP_BYTES="100000G"), "retention", "warning")
    assert found["mend"].startswith("export HARK_KEEP_BYTES=")


def test_host_of_the_newest_exchange_that_has_no_address(daemon, origin, client):
    server = origin()
    hark = daemon(settings=[f"connect_to=gone.invalid:80:{server.host}"])
    assert client(hark).ask(b"GET http://gone.invalid/ HTTP/1.1\r\nHost: gone.invalid\r\n\r\n").status == 200
    hark.wait_rows("host = 'gone.invalid'")
    found = one(doctor(hark.home, folder=hark.data_dir), "names", "warning")
    assert "gone.invalid" in found["text"]


def test_port_of_reverse_that_another_program_has(home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        rule = f"127.0.0.1:{port}=http://api.example.com"
        found = one(doctor(home, HARK_REVERSE=rule), "ports", "problem")
        assert f"127.0.0.1:{port} (reverse)" in found["text"] and str(os.getpid()) in found["text"]


def test_socket_that_is_shared_with_its_service(daemon, tmp_path):
    """Who passed the socket has it open, too, as a service manager has."""
    with socket.socket() as passed:
        passed.bind(("127.0.0.1", 0))
        passed.listen()
        port = passed.getsockname()[1]
        script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@" 3<&$SOCKET_FD'
        env = clean_environment(tmp_path, SOCKET_FD=passed.fileno())
        words = ["serve", "--ui", "off", "--data-dir", tmp_path / "data"]
        with subprocess.Popen(["bash", "-c", script, HARK, *words], env=env, text=True,
                              stderr=subprocess.PIPE, pass_fds=[passed.fileno()]) as service:
            try:
                assert any("ready" in line for line in service.stderr)
                findings = doctor(tmp_path, HARK_LISTEN=f"127.0.0.1:{port}")
            finally:
                service.terminate()
        assert one(findings, "ports", "ok")["text"].startswith(f"127.0.0.1:{port} (listen) is the daemon's")
