# SPDX-License-Identifier: MIT
"""The authority: its files, the leaves it signs (conformance 59, 62), and how often it does."""

import os
import re
import signal
import ssl
import subprocess
import threading

import pytest
from harness import SCALE, wait_until
from harness.daemon import HARK, clean_environment, run_hark
from harness.tls import HOST, TlsClient, client_context

DAY = 24 * 3600
GET = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"


def text_of(certificate):
    """What openssl shows of a certificate in DER."""
    return subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-text"],
        input=certificate, stdout=subprocess.PIPE, check=True,
    ).stdout.decode()


def extension(text, name):
    return re.search(rf"X509v3 {name}: ?(critical)?\s*\n\s+(.*)", text).groups()


def serial_of(text):
    return re.search(r"Serial Number:\s+([0-9a-f:]+)", text)[1]


def seconds_of(text, which):
    return ssl.cert_time_to_seconds(re.search(rf"Not {which}\s*: (.*)", text)[1])


def now():
    done = subprocess.run(["date", "+%s"], stdout=subprocess.PIPE, check=True)
    return int(done.stdout)


@pytest.fixture
def leaf_text(hark, tls_client):
    """leaf_text(authority, server name): the leaf that a strict client is shown and accepts."""

    def get(authority=f"{HOST}:443", server_name=HOST):
        return text_of(tls_client(hark, authority, server_name=server_name).certificate())

    return get


class TestLeaf:
    """59"""

    def test_key_and_signature(self, leaf_text):
        text = leaf_text()
        assert "id-ecPublicKey" in text and "NIST CURVE: P-256" in text
        assert "Signature Algorithm: ecdsa-with-SHA256" in text
        assert "Version: 3" in text

    def test_extensions(self, hark, leaf_text):
        text = leaf_text()
        authority = text_of(
            ssl.PEM_cert_to_DER_cert((hark.data_dir / "ca.pem").read_text())
        )
        assert extension(text, "Basic Constraints")[1] == "CA:FALSE"
        assert extension(text, "Key Usage") == ("critical", "Digital Signature")
        assert extension(text, "Extended Key Usage")[1] == "TLS Web Server Authentication"
        own = extension(authority, "Subject Key Identifier")[1]
        assert extension(text, "Authority Key Identifier")[1].replace("keyid:", "") == own
        assert extension(text, "Subject Key Identifier")[1] != own

    @pytest.mark.parametrize(
        "authority,server_name,names",
        [
            (f"{HOST}:443", HOST, f"DNS:{HOST}"),
            ("127.0.0.1:443", "127.0.0.1", "IP Address:127.0.0.1"),
            ("[::1]:443", "::1", "IP Address:0:0:0:0:0:0:0:1"),
            ("127.0.0.1:443", HOST, f"DNS:{HOST}"),
            ("UPPER.example.com:443", "upper.example.com", "DNS:upper.example.com"),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example", "DNS:xn--bcher-kva.example"),
            (f"{'a' * 60}.{'b' * 60}.test:443", f"{'a' * 60}.{'b' * 60}.test",
             f"DNS:{'a' * 60}.{'b' * 60}.test"),
        ],
        ids=["name", "ipv4", "ipv6", "name-in-hello", "upper-case", "international", "long"],
    )
    def test_names(self, leaf_text, authority, server_name, names):
        assert extension(leaf_text(authority, server_name), "Subject Alternative Name")[1] == names

    def test_validity(self, leaf_text):
        text, today = leaf_text(), now()
        begin, end = seconds_of(text, "Before"), seconds_of(text, "After ?")
        assert end - begin <= 199 * DAY
        assert today - DAY - 60 <= begin <= today
        assert end > today + 90 * DAY

    def test_serials_differ(self, leaf_text):
        serials = {serial_of(leaf_text(f"h{n}.test:443", f"h{n}.test")) for n in range(10)}
        assert len(serials) == 10
        assert not any(serial.startswith(("8", "9", "a", "b", "c", "d", "e", "f"))
                       for serial in serials)

    def test_chain_is_sent_with_the_authority(self, hark, client):
        done = subprocess.run(
            ["openssl", "s_client", "-proxy", f"127.0.0.1:{hark.proxy_port}", "-connect",
             f"{HOST}:443", "-servername", HOST, "-showcerts", "-CAfile",
             str(hark.data_dir / "ca.pem"), "-verify_return_error", "-x509_strict"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=20 * SCALE, check=False,
        ).stdout.decode()
        assert "Verify return code: 0 (ok)" in done
        assert done.count("BEGIN CERTIFICATE") == 2

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_both_versions(self, hark, tls_client, version):
        context = client_context(hark.data_dir / "ca.pem")
        context.minimum_version = context.maximum_version = version
        assert tls_client(hark, context=context).sock.version() == version.name.replace("_", ".")


class TestAuthority:
    def test_certificate(self, hark):
        text = text_of(ssl.PEM_cert_to_DER_cert((hark.data_dir / "ca.pem").read_text()))
        assert extension(text, "Basic Constraints") == ("critical", "CA:TRUE, pathlen:0")
        assert extension(text, "Key Usage")[0] == "critical"
        assert "Certificate Sign" in extension(text, "Key Usage")[1]
        years = (seconds_of(text, "After ?") - seconds_of(text, "Before")) / DAY / 365
        assert 9.9 < years < 10.1
        assert re.search(r"O ?= ?hark", text)

    def test_modes(self, hark):
        """62"""
        assert (hark.data_dir / "ca-key.pem").stat().st_mode & 0o7777 == 0o600
        assert hark.data_dir.stat().st_mode & 0o7777 == 0o700

    def test_modes_under_a_loose_umask(self, daemon):
        hark = daemon(preexec=lambda: os.umask(0))
        assert (hark.data_dir / "ca-key.pem").stat().st_mode & 0o7777 == 0o600

    def test_unique(self, daemon):
        first, second = daemon(), daemon()
        assert (first.data_dir / "ca.pem").read_text() != (second.data_dir / "ca.pem").read_text()

    def test_kept_over_a_restart(self, daemon):
        hark = daemon()
        before = (hark.data_dir / "ca.pem").read_text()
        hark.stop()
        hark.start()
        assert (hark.data_dir / "ca.pem").read_text() == before

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
    def test_key_that_others_can_read_stops_the_start(self, daemon, mode):
        """62: with the mend"""
        hark = daemon()
        hark.stop()
        key = hark.data_dir / "ca-key.pem"
        key.chmod(mode)
        done = run_hark("serve", "--data-dir", hark.data_dir, "--listen", "127.0.0.1:0", "--ui",
                        "off", home=hark.home)
        assert done.returncode == 1
        assert f"chmod 600 {key}" in done.stderr
        key.chmod(0o600)
        hark.start()

    @pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away takes root")
    def test_key_of_another_user_is_not_used(self, daemon):
        hark = daemon()
        hark.stop()
        key = hark.data_dir / "ca-key.pem"
        os.chown(key, 65534, 65534)
        done = run_hark("serve", "--data-dir", hark.data_dir, "--listen", "127.0.0.1:0", "--ui",
                        "off", home=hark.home)
        assert done.returncode == 1
        assert f"{key} belongs to another user (65534)" in done.stderr
        os.chown(hark.data_dir, 65534, 65534)  # as when root looks into the folder of a service
        hark.start()

    @pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away takes root")
    def test_what_root_makes_in_the_folder_of_a_service_is_the_services(self, daemon, tmp_path):
        folder = tmp_path / "service"
        folder.mkdir(mode=0o700)
        os.chown(folder, 65534, 65534)
        done = run_hark("ca", "show", "--data-dir", folder, home=tmp_path)
        assert done.returncode == 0, done.stderr
        daemon(data_dir=folder, settings=["redact_headers=X-Secret"]).stop()
        for name in ("ca.pem", "ca-key.pem", "hark.db", "hark.db.lock", "hark.db-wal", "redact-key"):
            assert (folder / name).stat().st_uid == 65534, name

    @pytest.mark.parametrize("mode, said", [(0o755, "look into"), (0o775, "replace")])
    def test_folder_that_is_not_private_is_warned_of(self, daemon, mode, said):
        hark = daemon()
        hark.stop()
        hark.data_dir.chmod(mode)
        hark.start()
        hark.wait_log(f"others may {said} .*chmod 700")

    @pytest.mark.parametrize("damage", ["other key", "empty key", "no key", "garbage", "certificate"])
    def test_pair_that_does_not_fit_stops_the_start_and_the_mend_is_named(self, daemon, damage):
        hark, other = daemon(), daemon()
        hark.stop()
        key = hark.data_dir / "ca-key.pem"
        if damage == "no key":
            key.unlink()
        elif damage == "certificate":
            (hark.data_dir / "ca.pem").write_text("hello")
        else:
            text = (other.data_dir / "ca-key.pem").read_text()
            key.write_text({"other key": text, "empty key": "", "garbage": "hello"}[damage])
        done = run_hark("serve", "--data-dir", hark.data_dir, "--listen", "127.0.0.1:0", "--ui",
                        "off", home=hark.home)
        assert done.returncode == 1
        assert "ca-key.pem" in done.stderr
        assert "to make a new pair" in done.stderr

    def test_two_first_starts_at_once(self, tmp_path):
        """62: one of them is refused, and key and certificate belong together"""
        for attempt in range(10):
            home = tmp_path / str(attempt)
            home.mkdir()
            command = [str(HARK), "serve", "--data-dir", str(home / "data"), "--listen",
                       "127.0.0.1:0", "--ui", "off"]
            both = [
                subprocess.Popen(command, env=clean_environment(home), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(2)
            ]
            wait_until(lambda: [one for one in both if one.poll() is not None],
                       "one of them to be refused")
            wait_until((home / "data/ca.pem").exists, "the authority of the other")
            keys = [
                subprocess.run(["openssl", *words], stdout=subprocess.PIPE, check=True).stdout
                for words in (
                    ["x509", "-in", str(home / "data/ca.pem"), "-noout", "-pubkey"],
                    ["pkey", "-in", str(home / "data/ca-key.pem"), "-pubout"],
                )
            ]
            assert keys[0] == keys[1]
            for one in both:
                if one.poll() is None:
                    one.send_signal(signal.SIGTERM)
            assert sorted(one.wait(10 * SCALE) for one in both) == [0, 1]


class TestMinting:
    def test_many_clients_of_one_new_host_get_one_leaf(self, daemon):
        hark = daemon()
        context = client_context(hark.data_dir / "ca.pem")
        start, serials, failures = threading.Barrier(200), [], []

        def run():
            try:
                start.wait(30 * SCALE)
                with TlsClient(hark, "new.test:443", "new.test", context, seconds=30) as peer:
                    serials.append(peer.sock.getpeercert()["serialNumber"])
            except Exception as failure:
                failures.append(failure)

        threads = [threading.Thread(target=run) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures[0]
        assert len(serials) == 200 and len(set(serials)) == 1

    def test_more_hosts_than_are_kept(self, daemon):
        """The cache is bounded; a leaf that is in use or was dropped does no harm."""
        hark = daemon()
        context = client_context(hark.data_dir / "ca.pem")

        def serial(number):
            name = f"h{number}.test"
            with TlsClient(hark, f"{name}:443", name, context) as peer:
                return peer.sock.getpeercert()["serialNumber"]

        first = serial(0)
        assert serial(0) == first
        for number in range(1, 1100):
            serial(number)
        assert serial(0) != first
        assert serial(1099) == serial(1099)
