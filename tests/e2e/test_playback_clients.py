# SPDX-License-Identifier: MIT
"""The programs of test_clients.py once more: each is recorded, then answered from the recording while
its origin is gone and its name cannot be resolved. What it prints is the same, byte for byte."""

import pytest
from harness import Daemon
from harness.programs import PROGRAMS, command, need
from harness.running import Running
from harness.services import SecureServices
from harness.tls import HOST, TlsOrigin
from test_clients import API_PROGRAMS, serve_repository

ALL_PROGRAMS = [*API_PROGRAMS, "php_streams_api.php", "requests_services.py"]


def run(hark, program, folder):
    folder.mkdir(exist_ok=True)
    return run_words(hark, command(PROGRAMS / "https" / program, folder), folder)


def run_words(hark, words, folder):
    folder.mkdir(exist_ok=True)
    ran = Running(hark.data_dir, folder / "home", *words, java=True, env={"LANG": "C.UTF-8"})
    try:
        status, out, err = ran.finish(seconds=60)
    finally:
        ran.close()
    assert status == 0, err
    return out


def run_if_installed(hark, program, folder):
    try:
        return run(hark, program, folder)
    except pytest.skip.Exception as missing:
        return missing


@pytest.fixture(scope="module")
def recorded(pki, tmp_path_factory):
    """(the stopped daemon, what each program printed, or why it could not run)"""
    home = tmp_path_factory.mktemp("recorded")
    with SecureServices(pki) as services, Daemon(home, settings=services.settings) as recorder:
        printed = {name: run_if_installed(recorder, name, home / name) for name in ALL_PROGRAMS}
    return recorder, printed


@pytest.fixture(scope="module")
def player(recorded, tmp_path_factory):
    recorder, _ = recorded
    with Daemon(tmp_path_factory.mktemp("played"), "--mode", "playback",
                data_dir=recorder.data_dir) as daemon:
        yield daemon


@pytest.mark.parametrize("program", ALL_PROGRAMS)
def test_https_program_gets_the_same_from_the_recording(recorded, player, tmp_path, program):
    expected = recorded[1][program]
    if isinstance(expected, pytest.skip.Exception):
        raise expected
    assert expected.startswith("200\n")
    assert run(player, program, tmp_path) == expected


def test_git_clones_from_the_recording(pki, daemon, tmp_path):
    need("git")
    clone = ["git", "clone", "-q", f"https://{HOST}/repo.git", "cloned"]
    with TlsOrigin(pki.leaf.server_context(), serve_repository(tmp_path)) as server:
        recorder = daemon(settings=[f"connect_to={HOST}:443:127.0.0.1:{server.port}",
                                    f"upstream_ca_file={pki.root.certificate}"])
        run_words(recorder, clone, tmp_path / "first")
    recorder.stop()
    player = daemon("--mode", "playback", data_dir=recorder.data_dir)
    run_words(player, clone, tmp_path / "second")
    assert (tmp_path / "second/home/cloned/README").read_text() == "cloned\n"
