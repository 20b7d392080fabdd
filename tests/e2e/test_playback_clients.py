# SPDX-License-Identifier: MIT
"""The programs of test_clients.py once more: each is recorded, then answered from the recording while
its origin is gone and its name cannot be resolved. What it prints is the same, byte for byte."""

import pytest
from harness import Daemon
from harness.programs import PROGRAMS, command
from harness.running import Running
from harness.services import SecureServices
from test_clients import API_PROGRAMS


def run(hark, program, folder):
    folder.mkdir(parents=True, exist_ok=True)
    words = command(PROGRAMS / "https" / program, folder)
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
        printed = {name: run_if_installed(recorder, name, home / name) for name in API_PROGRAMS}
    return recorder, printed


@pytest.fixture(scope="module")
def player(recorded, tmp_path_factory):
    recorder, _ = recorded
    with Daemon(tmp_path_factory.mktemp("played"), "--mode", "playback",
                data_dir=recorder.data_dir) as daemon:
        yield daemon


@pytest.mark.parametrize("program", API_PROGRAMS)
def test_https_program_gets_the_same_from_the_recording(recorded, player, tmp_path, program):
    expected = recorded[1][program]
    if isinstance(expected, pytest.skip.Exception):
        raise expected
    assert "201" in expected
    assert run(player, program, tmp_path) == expected
