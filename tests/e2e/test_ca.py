# SPDX-License-Identifier: MIT
"""hark ca: what the authority is, and that places outside the data folder learn of it and forget it.

The system's own lists are never touched: what changes them runs with copies mounted in their place.
"""

import os
import re
import shutil
import ssl
import subprocess
import tempfile

import pytest
from harness import SCALE
from harness.daemon import HARK, SANITIZER, clean_environment

# Runs its arguments where the system's lists are copies in the folder $COPIES.
IN_COPIES = """
set -e
if [ ! -e "$COPIES" ]; then
    mkdir -p "$COPIES/ssl" "$COPIES/local"
    cp -a /etc/ssl/. "$COPIES/ssl/"
fi
mkdir -p /usr/local/share/ca-certificates
mount --bind "$COPIES/ssl" /etc/ssl
mount --bind "$COPIES/local" /usr/local/share/ca-certificates
exec "$@"
"""


def may_mount():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def ca(tmp_path):
    """ca(*words) runs hark ca with a home and a data folder of the test's. For root the system's
    lists are copies; others cannot change them anyway."""
    if os.geteuid() == 0 and not may_mount():
        pytest.skip("root without the right to mount would change the system's lists")

    def run(*words, java=False, **env):
        command = [str(HARK), "ca", *words]
        names = {"COPIES": tmp_path / "copies", **env}
        if os.geteuid() == 0:
            tools = {"PATH": os.environ["PATH"], "WANTED_PATH": names.get("PATH", os.environ["PATH"])}
            command = ["unshare", "-m", "sh", "-c", IN_COPIES, "sh", "/bin/sh", "-c",
                       'PATH=$WANTED_PATH exec "$@"', "sh", *command]
            names = {**names, **tools}
        done = subprocess.run(command, env=clean_environment(tmp_path, java, **names), cwd=tmp_path,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60 * SCALE, check=False)
        assert not SANITIZER.search(done.stderr), done.stderr
        return done

    return run


@pytest.fixture
def database(tmp_path):
    """database(folder) makes an empty NSS database below the test's home."""
    if not shutil.which("certutil"):
        pytest.skip("certutil is not installed")

    def make(folder):
        path = tmp_path / folder
        path.mkdir(parents=True)
        subprocess.run(["certutil", "-N", "--empty-password", "-d", f"sql:{path}"], check=True,
                       stdin=subprocess.DEVNULL, timeout=20)
        return path

    return make


def names_in(path):
    done = subprocess.run(["certutil", "-L", "-d", f"sql:{path}"], check=True, capture_output=True,
                          text=True, timeout=20)
    return [line for line in done.stdout.splitlines() if "hark local CA" in line]


def test_path_makes_an_authority_once(ca, tmp_path):
    done = ca("path")
    path = done.stdout.rstrip("\n")
    assert (done.returncode, path) == (0, f"{tmp_path}/.local/share/hark/ca.pem")
    first = open(path, encoding="utf-8").read()
    assert ca("path").stdout.rstrip("\n") == path
    assert open(path, encoding="utf-8").read() == first
    assert os.stat(path).st_mode & 0o777 == 0o644
    assert os.stat(path.replace("ca.pem", "ca-key.pem")).st_mode & 0o777 == 0o600


def test_show_says_what_openssl_says(ca):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    shown = ca().stdout
    said = subprocess.run(["openssl", "x509", "-in", ca("path").stdout.strip(), "-noout", "-subject",
                           "-fingerprint", "-sha256", "-dates", "-dateopt", "iso_8601"],
                          capture_output=True, text=True, check=True, timeout=20).stdout
    assert re.search("Fingerprint=(.*)", said)[1] in shown
    name = re.search("CN = (hark local CA [0-9a-f]+)", said)[1]
    assert f"CN={name}" in shown
    since, until = re.findall(r"not(?:Before|After)=(\S+)", said)
    assert f"{since} to {until}" in shown
    assert shown == ca("show").stdout


def test_a_key_that_others_can_read_is_refused(ca):
    key = ca("path").stdout.strip().replace("ca.pem", "ca-key.pem")
    os.chmod(key, 0o644)
    done = ca("path")
    assert done.returncode == 1 and "chmod 600" in done.stderr


@pytest.mark.parametrize("words", [["pth"], ["path", "more"], ["show", "--bogus"]])
def test_wrong_usage_is_2(ca, words):
    assert ca(*words).returncode == 2


FOLDERS = [".pki/nssdb", ".mozilla/firefox/abc.default", "snap/firefox/common/.mozilla/firefox/x y",
           ".var/app/org.mozilla.firefox/.mozilla/firefox/flat", "snap/chromium/current/.pki/nssdb"]


def test_browsers_learn_of_it_and_forget_it(ca, database):
    databases = [database(folder) for folder in FOLDERS]
    assert not any(names_in(path) for path in databases)
    done = ca("install")
    assert [len(names_in(path)) for path in databases] == [1] * len(FOLDERS), done.stdout
    assert all("CT,," in line or "C,," in line for path in databases for line in names_in(path))
    assert all(f"certutil -A -d sql:{path}" in done.stdout.replace("'", "") for path in databases)
    assert ca("install").stdout.count("has it already") >= len(FOLDERS)
    shown = ca("show").stdout
    assert all(f": {path}" in shown for path in databases)
    ca("uninstall")
    assert not any(names_in(path) for path in databases)
    assert all(f"not by {path}" in ca("show").stdout for path in databases[:1])


def test_dry_run_says_all_and_does_nothing(ca, database):
    path = database(".pki/nssdb")
    done = ca("install", "--dry-run")
    assert done.returncode == 0
    assert f"certutil -A -d sql:{path}" in done.stdout
    assert not names_in(path)
    assert not os.path.exists(re.search(r"(\S+/hark-[0-9a-f]{8}\.crt)", done.stdout)[1])


def test_what_cannot_be_done_is_said_with_the_mend(ca, database, tmp_path):
    database(".mozilla/firefox/abc")
    few = tmp_path / "bin"
    few.mkdir()
    done = ca("install", PATH=few)
    assert "apt install libnss3-tools" in done.stdout or shutil.which("certutil", path="/usr/sbin:/sbin")
    assert done.returncode == 1


@pytest.fixture
def others_home():
    """A home that belongs to nobody, for root to be somebody else."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory(prefix="hark-others-") as folder:
        os.chown(folder, 65534, 65534)
        yield folder


def test_without_root_the_command_for_root_is_said(others_home):
    words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", str(HARK), "ca", "install"]
    done = subprocess.run(words, env=clean_environment(others_home), cwd="/", text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=30 * SCALE, check=False)
    if "Permission denied" in done.stderr and "setpriv" in done.stderr:
        pytest.skip("others cannot run the program that is tested")
    certificate = f"{others_home}/.local/share/hark/ca.pem"
    assert done.returncode == 1, done.stderr
    assert re.search(rf"sudo \S*/install -D -m 644 {certificate} /usr/local/share/ca-certificates/hark-\w+.crt\n"
                     r"    sudo \S*/update-ca-certificates\n", done.stdout), done.stdout


def test_under_sudo_the_authority_of_root_is_not_taken_by_mistake(ca):
    done = ca("install", SUDO_USER="somebody")
    if os.geteuid() == 0:
        assert done.returncode == 2 and "as somebody" in done.stderr


@pytest.fixture
def as_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not shutil.which("update-ca-certificates"):
        pytest.skip("update-ca-certificates is not installed")


def certificates(path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    return context.get_ca_certs()


@pytest.mark.usefixtures("as_root")
def test_the_system_learns_of_it_and_forgets_it(ca, tmp_path):
    local, bundle = tmp_path / "copies/local", tmp_path / "copies/ssl/certs/ca-certificates.crt"
    assert ca("install").returncode == 0
    ours = (tmp_path / ".local/share/hark/ca.pem").read_text()
    assert [re.fullmatch(r"hark-[0-9a-f]{8}\.crt", name) is not None for name in os.listdir(local)] == [True]
    assert ours in bundle.read_text()
    count = len(certificates(bundle))
    assert ca("uninstall").returncode == 0
    assert os.listdir(local) == []
    assert ours not in bundle.read_text() and len(certificates(bundle)) == count - 1


@pytest.mark.usefixtures("as_root")
def test_java_learns_of_it_and_forgets_it(ca):
    if not shutil.which("keytool"):
        pytest.skip("keytool is not installed")
    assert re.search(r"Java: not by \S*cacerts", ca("show", java=True).stdout)
    assert ca("install", java=True).returncode == 0
    assert re.search(r"Java: /\S*cacerts", ca("show", java=True).stdout)
    assert ca("uninstall", java=True).returncode == 0
    assert re.search(r"Java: not by \S*cacerts", ca("show", java=True).stdout)
