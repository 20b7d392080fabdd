# SPDX-License-Identifier: MIT
"""What is installed: the Debian package as the release build makes it, and its units.

tests/package/run installs it, which takes root and a tree of another release.
"""

import os
import re
import shutil
import stat
import subprocess

import pytest
from harness import run_hark
from harness.daemon import HARK, ROOT

BUILD = HARK.parent
TOOLS = ["cpack", "dpkg-deb", "file", "lintian", "scdoc", "systemd-analyze"]


def is_release():
    cache = BUILD / "CMakeCache.txt"
    return cache.exists() and "CMAKE_BUILD_TYPE:STRING=RelWithDebInfo" in cache.read_text()


pytestmark = [
    pytest.mark.skipif(not is_release(), reason="this is no release build"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"one of {TOOLS} is missing"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package, made with an umask that would spoil it."""
    folder = tmp_path_factory.mktemp("package")
    done = subprocess.run(
        ["cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder],
        cwd=BUILD, capture_output=True, text=True, preexec_fn=lambda: os.umask(0o077),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="module")
def tree(package, tmp_path_factory):
    """The package's files and, in DEBIAN, what it does."""
    folder = tmp_path_factory.mktemp("tree") / "root"
    subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
    return folder


def test_lintian_has_no_complaint(package):
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_package_has_everything(tree):
    expected = """
        etc/hark/hark.conf usr/bin/hark usr/lib/sysusers.d/hark.conf
        usr/lib/systemd/system/hark.service usr/lib/systemd/system/hark.socket
        usr/lib/systemd/system/hark-ui.socket usr/lib/systemd/user/hark.service
        usr/lib/systemd/user/hark.socket usr/lib/systemd/user/hark-ui.socket
        usr/share/bash-completion/completions/hark usr/share/zsh/vendor-completions/_hark
        usr/share/fish/vendor_completions.d/hark.fish usr/share/lintian/overrides/hark
        usr/share/man/man1/hark.1.gz usr/share/man/man5/hark.conf.5.gz
        usr/share/man/man7/hark-filter.7.gz usr/share/man/man7/hark-schema.7.gz
        usr/share/doc/hark/copyright usr/share/doc/hark/changelog.gz
        usr/share/doc/hark/changelog.Debian.gz usr/share/doc/hark/README.md
    """.split()
    documents = [f"usr/share/doc/hark/docs/{one.name}" for one in (ROOT / "docs").glob("*.md")]
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    shipped = {path for path in found if not path.startswith("DEBIAN/")}
    assert shipped == {*expected, *documents, "usr/share/doc/hark/docs/openapi.yaml"}
    assert (tree / "DEBIAN/conffiles").read_text() == "/etc/hark/hark.conf\n"
    for path in tree.rglob("*"):
        is_program = path.is_dir() or path.parent.name == "bin" or path.name in ("postinst", "prerm", "postrm")
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if is_program else 0o644), path


def test_libraries_are_named(package):
    depends = subprocess.run(
        ["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True
    ).stdout
    for library in ("libc6", "libcurl", "libmicrohttpd12", "libsqlite3-0"):
        assert re.search(rf"\b{library}\w* \(>= ", depends), library


def test_configuration_names_every_key_and_sets_none(tree, tmp_path):
    text = (tree / "etc/hark/hark.conf").read_text()
    keys = re.findall(r"^([a-z_]+) =", (ROOT / "config/hark.conf").read_text(), re.M)
    assert re.findall(r"^#([a-z_]+) =", text, re.M) == keys
    assert not re.search(r"^[^#\n]", text, re.M)
    done = run_hark("serve", "--check-config", "--config", tree / "etc/hark/hark.conf", home=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_sound(tree, script):
    subprocess.run(["sh", "-n", tree / "DEBIAN" / script], check=True)


@pytest.mark.parametrize("manager", ["system", "user"])
def test_units_are_sound(tree, tmp_path, manager):
    units = []
    for unit in sorted((tree / "usr/lib/systemd" / manager).iterdir()):
        units.append(tmp_path / unit.name)
        units[-1].write_text(unit.read_text().replace("/usr/bin/hark", str(HARK)))
    assert f"ExecStart={HARK} serve" in (tmp_path / "hark.service").read_text()
    done = subprocess.run(
        ["systemd-analyze", f"--{manager}", "--man=no", "verify", *units],
        capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_service_is_shut_in(tree):
    """The exposure of its sandbox is at most 1.5, of 10."""
    unit = tree / "usr/lib/systemd/system/hark.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", unit],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"Overall exposure level for hark\.service: (0|1\.[0-5])", done.stdout)
