# SPDX-License-Identifier: MIT
"""hark env: what a shell takes over, and that programs started from there are recorded."""

import json
import shutil
import subprocess

import pytest
from harness import SCALE
from harness.daemon import HARK, clean_environment, run_hark


def env_of(hark, *args, **more):
    return hark.cli("env", *args, env=more)


def in_shell(hark, words, **more):
    """Standard output of a shell that runs `words`, with $HARK the program and $DATA the folder."""
    names = {"HARK": HARK, "DATA": hark.data_dir, **more}
    done = subprocess.run(words, env=clean_environment(hark.home, **names), cwd=hark.home, text=True,
                          capture_output=True, timeout=20 * SCALE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_json_names_the_running_daemon_and_the_files(hark):
    environment = json.loads(env_of(hark, "--shell", "json").stdout)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        assert environment[name] == hark.proxy_url
    assert environment["SSL_CERT_FILE"] == f"{hark.data_dir}/bundle.pem"
    assert environment["NODE_EXTRA_CA_CERTS"] == f"{hark.data_dir}/ca.pem"
    assert environment["NO_PROXY"] == "169.254.169.254"


def test_programs_of_a_shell_that_took_it_over_are_recorded(hark, origin):
    server = origin()
    script = f'eval "$("$HARK" env --data-dir "$DATA")" && curl -sS {server.url}/from-shell'
    assert in_shell(hark, ["sh", "-c", script]) == "ok"
    row = hark.wait_row("path = '/from-shell'")
    assert row["session_id"] == hark.value("SELECT min(id) FROM session")


def test_fish_takes_it_over(hark):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = '$HARK env --shell fish --data-dir $DATA | source; echo $https_proxy'
    assert in_shell(hark, ["fish", "-c", script]) == f"{hark.proxy_url}\n"


@pytest.mark.parametrize("value", ["it's", 'a "b" c', "$HOME `id` \\", "line\nline", "ü", "*"])
def test_values_are_quoted_for_sh(hark, value):
    script = 'eval "$("$HARK" env --data-dir "$DATA")" && printf %s "$PYTHONPATH"'
    python_path = in_shell(hark, ["sh", "-c", script], PYTHONPATH=value)
    assert python_path == f"{hark.data_dir}/clients/python:{value}"


def test_values_are_quoted_for_fish(hark):
    line = next(line for line in env_of(hark, "--shell", "fish", PYTHONPATH="it's \\n").stdout.splitlines()
                if "PYTHONPATH" in line)
    assert line == rf"set -gx PYTHONPATH '{hark.data_dir}/clients/python:it\'s \\n'"


def test_taking_it_over_twice_changes_nothing(hark):
    first = json.loads(env_of(hark, "--shell", "json", NO_PROXY="a", NODE_OPTIONS="-x").stdout)
    second = json.loads(env_of(hark, "--shell", "json", **first).stdout)
    assert second == first
    assert first["NO_PROXY"] == "a,169.254.169.254"
    assert first["NODE_OPTIONS"] == f"-x --require {hark.data_dir}/clients/node.js"


def test_without_a_daemon_it_is_4_and_says_what_to_do(tmp_path):
    done = run_hark("env", "--data-dir", tmp_path / "data", home=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "no daemon serves" in done.stderr and "hark serve" in done.stderr


@pytest.mark.parametrize("args", [["--shell", "csh"], ["word"], ["--shell"]])
def test_wrong_usage_is_2(hark, args):
    done = env_of(hark, *args)
    assert (done.returncode, done.stdout) == (2, "")
