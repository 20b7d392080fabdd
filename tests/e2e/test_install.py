# SPDX-License-Identifier: MIT
"""scripts/install: what it takes away again. The build it speaks of is made up; nothing is built."""

import os
import shutil
import subprocess

import pytest
from harness.daemon import ROOT

FILES = ["bin/hark", "share/man/man1/hark.1", "share/doc/hark/README.md"]


class Source:
    """A copy of the script in a tree whose last installation went to `prefix`."""

    def __init__(self, folder, prefix):
        self.folder, self.prefix = folder, prefix
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts/install", folder / "scripts")
        self.installed = [prefix / name for name in FILES]
        for path in self.installed:
            path.parent.mkdir(parents=True)
            path.write_text("hark's\n")
        (folder / "build/release").mkdir(parents=True)
        manifest = "\n".join(map(str, self.installed))
        (folder / "build/release/install_manifest.txt").write_text(manifest)

    def uninstall(self, *words, cwd=None):
        return subprocess.run([self.folder / "scripts/install", "--uninstall", *words],
                              cwd=cwd or self.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "source", tmp_path / "place/local")


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}//", "{}/../local", "{}/./"])
def test_uninstall_takes_a_folder_however_it_is_spelt(source, spelling):
    own = source.prefix / "share/mine"
    own.write_text("not hark's\n")
    done = source.uninstall("--prefix", spelling.format(source.prefix))
    assert (done.returncode, done.stderr) == (0, "")
    left = [path for path in source.prefix.rglob("*") if not path.is_dir()]
    assert left == [own]
    assert not (source.prefix / "bin").exists()


def test_relative_folder_is_that_of_the_caller(source):
    done = source.uninstall("--prefix=local/", cwd=source.prefix.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(source.prefix) == []


@pytest.mark.parametrize("other", ["place/loca", "place/local2", "else"])
def test_folder_without_an_installation_is_told_and_nothing_goes(source, tmp_path, other):
    done = source.uninstall("--prefix", tmp_path / other)
    assert done.returncode == 1
    assert f"nothing below {tmp_path / other} " in done.stderr
    assert all(path.exists() for path in source.installed)


@pytest.mark.parametrize("words", [("--prefix",), ("--prefix", ""), ("--prefix=",), ("here",)])
def test_wrong_usage_removes_nothing(source, words):
    done = source.uninstall(*words)
    assert (done.returncode, done.stderr.startswith("usage: ")) == (2, True)
    assert all(path.exists() for path in source.installed)


def test_what_is_gone_already_is_told(source):
    assert source.uninstall("--prefix", source.prefix).returncode == 0
    done = source.uninstall("--prefix", source.prefix)
    assert done.returncode == 1
    assert f"nothing below {source.prefix} " in done.stderr
