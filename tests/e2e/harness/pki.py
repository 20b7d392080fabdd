# SPDX-License-Identifier: MIT
"""A throw-away authority, made by the openssl command: certificates that are good, and bad ones."""

import ssl
import subprocess
from pathlib import Path

CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}/issued
rand_serial = yes
unique_subject = no
policy = any
default_md = sha256
[any]
commonName = optional
[req]
distinguished_name = name
[name]
"""
CA = "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash"
LEAF = "basicConstraints=CA:false\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always"
LOCAL_NAMES = "DNS:api.example.com,DNS:localhost,IP:127.0.0.1"
VALID = ("20260101000000Z", "20560101000000Z")
EXPIRED = ("20200101000000Z", "20210101000000Z")
NOT_YET = ("20550101000000Z", "20560101000000Z")


def openssl(*words):
    done = subprocess.run(
        ["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == 0, done.stdout.decode()


class Pair:
    """A certificate and its key, with the certificates that a server sends behind its own."""

    def __init__(self, folder, name, chain=()):
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.chain_file = folder / f"{name}-chain.pem"
        self.chain = list(chain)

    def write_chain(self):
        parts = [self.certificate, *(one.certificate for one in self.chain)]
        self.chain_file.write_text("".join(part.read_text() for part in parts))
        return self

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # weak keys are for the client to refuse
        context.load_cert_chain(self.chain_file, self.key)
        return context


class Pki:
    """`root` is what upstream_ca_file names; `leaf` is a good pair for every local name."""

    def __init__(self, folder):
        self.folder = Path(folder)
        (self.folder / "issued").mkdir()
        (self.folder / "index.txt").touch()
        self.config = self.folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=self.folder))
        self.root = self.issue("root", extensions=CA)
        self.leaf = self.issue("leaf", self.root)

    def issue(self, name, issuer=None, names=LOCAL_NAMES, common_name=None, extensions=LEAF,
              key=("EC", "ec_paramgen_curve:P-256"), digest="sha256", valid=VALID, chain=()):
        """A pair signed by `issuer`, or by itself."""
        pair = Pair(self.folder, name, chain)
        request, more = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        openssl("genpkey", "-algorithm", key[0], "-pkeyopt", key[1], "-out", pair.key)
        openssl("req", "-new", "-config", self.config, "-key", pair.key, "-subj",
                f"/CN={common_name or name}", "-out", request)
        names = f"\nsubjectAltName={names}" if names and extensions is not CA else ""
        more.write_text(extensions + names + "\n")
        signer = ["-selfsign", "-keyfile", pair.key] if issuer is None else [
            "-cert", issuer.certificate, "-keyfile", issuer.key]
        openssl("ca", "-config", self.config, "-batch", "-notext", "-in", request, "-out",
                pair.certificate, "-extfile", more, "-md", digest, "-startdate", valid[0],
                "-enddate", valid[1], *signer)
        return pair.write_chain()
