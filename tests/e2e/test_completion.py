# SPDX-License-Identifier: MIT
"""Completion: what the program says that fits, and what bash, zsh and fish make of it."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from harness import SCALE, run_hark
from harness.daemon import HARK, ROOT, clean_environment

COMPLETION = ROOT / "config/completion"
KEY = re.compile(r"^([a-z_]+) =", re.M)


def complete(home, *words):
    """The candidates for the last word, without what they are."""
    done = run_hark("help", "--complete", *words, home=home)
    assert done.returncode == 0 and done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def help_of(home, *command):
    return run_hark("help", *command, home=home).stdout


def commands(home):
    listed = help_of(home).split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


# -- what fits ----------------------------------------------------------------------------------


def test_every_command_is_offered(tmp_path):
    assert complete(tmp_path, "") == commands(tmp_path)
    assert complete(tmp_path, "st") == ["stats", "status"]
    assert complete(tmp_path, "help", "st") == ["stats", "status"]


def test_every_option_is_offered(tmp_path):
    for command in commands(tmp_path)[:-1]:
        options = re.findall(r"^  (?:-\w,|   ) (--[a-z-]+)", help_of(tmp_path, command), re.M)
        assert "--help" in options
        assert complete(tmp_path, command, "-") == options
        assert complete(tmp_path, command, "--hel") == ["--help"]


def test_every_key_of_the_configuration_is_offered(tmp_path):
    keys = {key + "=" for key in KEY.findall((ROOT / "config/hark.conf").read_text())}
    assert set(complete(tmp_path, "serve", "--set", "")) == keys
    assert set(complete(tmp_path, "run", "--set=")) == {"--set=" + key for key in keys}


def test_values_of_settings_are_offered(tmp_path):
    assert complete(tmp_path, "serve", "--set", "durability=") == [
        "durability=relaxed", "durability=commit", "durability=full",
    ]
    assert complete(tmp_path, "serve", "--set=via=o") == ["--set=via=off", "--set=via=on"]
    assert complete(tmp_path, "serve", "--set", "workers=") == []
    assert complete(tmp_path, "run", "--mode=o") == ["--mode=off"]


def test_every_word_of_the_filter_language_is_offered(tmp_path):
    text = (ROOT / "docs/filter.md").read_text()
    keys = set(re.findall(r"^\| `([a-z]+:)` \|", text, re.M))
    offered = set(complete(tmp_path, "ls", ""))
    assert {word for word in offered if word.endswith(":")} == keys | {"is:"}
    assert {"is:error", "is:tunnel", "@last"} < offered


@pytest.mark.parametrize(
    "words, candidates",
    [
        (["export", "--format", ""], ["har", "curl", "jsonl"]),
        (["ls", "-o", "t"], ["table", "tsv"]),
        (["ls", "--output="], ["--output=table", "--output=tsv", "--output=jsonl", "--output=csv"]),
        (["export", "-o", ""], [":files"]),
        (["ls", "--data-dir", ""], [":folders"]),
        (["ca", "in"], ["install"]),
        (["import", ""], [":files"]),
        (["show", "@"], ["@last"]),
        (["run", ""], [":command"]),
        (["run", "--mode", "off", "--", ""], [":command"]),
        (["run", "--", "curl", "--sil"], [":files"]),
        (["run", "curl", "--sil"], [":files"]),
        (["run", "--db", "x", "--u"], ["--ui"]),
        (["nosuch", ""], []),
        ([], []),
    ],
)
def test_what_fits(tmp_path, words, candidates):
    assert complete(tmp_path, *words) == candidates


# -- shells -------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """A folder with some files, and the program in the path."""
    (tmp_path / "one.har").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/hark").symlink_to(HARK)
    (tmp_path / "bin/our-own-program").symlink_to("/bin/true")
    return tmp_path


def environment(place):
    known = clean_environment(place, LANG="C.UTF-8", TERM="dumb")
    return {**known, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}


def bash(place, line):
    """What readline gets, and whether it is to put a space behind it."""
    script = (
        f"source {COMPLETION / 'hark.bash'}; compopt() {{ echo compopt $*; }}; "
        "COMP_LINE=$1 COMP_POINT=${#1}; _hark; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", f"COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'; {script}", "bash", line],
        cwd=place, env=environment(place), capture_output=True, text=True, check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    "line, candidates",
    [
        ("hark sta", ["stats", "status"]),
        ("hark ls stat", ["compopt -o nospace", "status:"]),
        ("hark ls is:tu", ["tunnel"]),
        ("hark serve --set durability=f", ["full"]),
        ("hark serve --set=via=of", ["off"]),
        ("hark ls host:a -is:err", [""]),
        ("hark import o", ["compopt -o filenames", "one.har"]),
        ("hark ls --data-dir fo", ["compopt -o filenames", "folder"]),
        ("hark run -- our-own", ["our-own-program"]),
    ],
)
def test_bash(place, line, candidates):
    assert bash(place, line) == candidates


def zsh(place, line):
    """What the line has become once Tab was pressed."""
    setup = (
        f"PS1='> '; fpath=({COMPLETION} $fpath); autoload -Uz compinit; compinit -u -D; "
        "bindkey '^I' complete-word; unsetopt zle_bracketed_paste 2>/dev/null; "
        "_show() { print -r -- \"<$BUFFER>\"; zle kill-buffer }; zle -N _show; bindkey '^X' _show"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(place)
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(place))
    seen = ""

    def until(pattern):
        nonlocal seen
        limit = time.monotonic() + 20 * SCALE
        while not (found := re.search(pattern, seen)):
            assert time.monotonic() < limit, seen
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 4096).decode()
        return found

    os.write(terminal, f"{setup}; print -r -- REA''DY\n".encode())
    until("READY")
    os.write(terminal, line.encode() + b"\t\x18")
    result = until(r"<(hark[^>]*)>")[1]
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(child, 0)
    return result


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize(
    "line, result",
    [
        ("hark stats --hel", "hark stats --help "),
        ("hark ls statu", "hark ls status:"),
        ("hark ls is:tu", "hark ls is:tunnel "),
        ("hark serve --set durability=f", "hark serve --set durability=full "),
        ("hark import o", "hark import one.har "),
    ],
)
def test_zsh(place, line, result):
    assert zsh(place, line) == result


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(
    "line, candidates",
    [
        ("hark sta", ["stats", "status"]),
        ("hark ls stat", ["status:"]),
        ("hark ls is:tu", ["is:tunnel"]),
        ("hark serve --set durability=f", ["durability=full"]),
        ("hark import o", ["one.har"]),
        ("hark run -- our-own", ["our-own-program"]),
    ],
)
def test_fish(place, line, candidates):
    script = f"source {COMPLETION / 'hark.fish'}; complete --do-complete '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=place, env=environment(place), capture_output=True, text=True, check=True,
    )
    assert [one.split("\t")[0] for one in done.stdout.splitlines()] == candidates
