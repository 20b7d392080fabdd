# SPDX-License-Identifier: MIT
"""Conformance 60: an origin whose certificate is bad is refused, each kind with its own reason."""

import ssl

import pytest
from harness.origin import OK
from harness.pki import CA, EXPIRED, LEAF, NOT_YET
from harness.tls import HOST, TlsOrigin

GET = b"GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
NO_CA = "basicConstraints=critical,CA:false\nsubjectKeyIdentifier=hash"


def broken_signature(pki):
    """The good leaf with its last bit turned over: the signature ends there."""
    pair = pki.issue("bad-signature", pki.root)
    der = bytearray(ssl.PEM_cert_to_DER_cert(pair.certificate.read_text()))
    der[-1] ^= 1
    pair.certificate.write_text(ssl.DER_cert_to_PEM_cert(bytes(der)))
    return pair.write_chain()


def below_leaf_authority(pki):
    middle = pki.issue("no-ca", pki.root, names=None, extensions=NO_CA)
    return pki.issue("below-no-ca", middle, chain=[middle])


def below_intermediate(pki, name, sends_it):
    middle = pki.issue(f"{name}-middle", pki.root, extensions=CA)
    return pki.issue(name, middle, chain=[middle] if sends_it else [])


def below_expired_intermediate(pki):
    middle = pki.issue("old-middle", pki.root, extensions=CA, valid=EXPIRED)
    return pki.issue("below-old", middle, chain=[middle])


KINDS = {
    "expired": (lambda pki: pki.issue("expired", pki.root, valid=EXPIRED), "expired"),
    "not-yet-valid": (
        lambda pki: pki.issue("not-yet", pki.root, valid=NOT_YET),
        "not yet valid",
    ),
    "self-signed": (lambda pki: pki.issue("self-signed"), "self-signed certificate"),
    "unknown-authority": (
        lambda pki: pki.issue("unknown", pki.issue("stranger", extensions=CA)),
        "unable to get local issuer",
    ),
    "self-signed-in-chain": (
        lambda pki: pki.issue("sent", root := pki.issue("sent-root", extensions=CA), chain=[root]),
        "self-signed certificate in certificate chain",
    ),
    "wrong-name": (
        lambda pki: pki.issue("wrong-name", pki.root, names="DNS:other.example.com"),
        "no alternative certificate subject name matches",
    ),
    "wildcard-of-another-level": (
        lambda pki: pki.issue("wildcard", pki.root, names="DNS:*.api.example.com"),
        "no alternative certificate subject name matches",
    ),
    "name-only-as-address": (
        lambda pki: pki.issue("address", pki.root, names="IP:127.0.0.1"),
        "no alternative certificate subject name matches",
    ),
    "weak-key": (
        lambda pki: pki.issue("weak-key", pki.root, key=("RSA", "rsa_keygen_bits:1024")),
        "key too weak",
    ),
    "weak-digest": (
        lambda pki: pki.issue("weak-digest", pki.root, digest="sha1"),
        "digest algorithm too weak",
    ),
    "purpose": (
        lambda pki: pki.issue(
            "purpose", pki.root, extensions=LEAF + "\nextendedKeyUsage=clientAuth"
        ),
        "purpose",
    ),
    "intermediate-missing": (
        lambda pki: below_intermediate(pki, "missing", False),
        "unable to get local issuer",
    ),
    "issuer-is-no-authority": (below_leaf_authority, "invalid CA certificate"),
    "expired-intermediate": (below_expired_intermediate, "expired"),
    "signature": (broken_signature, "signature"),
    "unknown-critical-extension": (
        lambda pki: pki.issue(
            "critical", pki.root, extensions=LEAF + "\n1.2.3.4.5=critical,ASN1:UTF8String:x"
        ),
        "critical extension",
    ),
}


@pytest.fixture(scope="module")
def bad_pairs(pki):
    return {kind: make(pki) for kind, (make, _) in KINDS.items()}


@pytest.fixture
def ask(https_daemon, tls_client):
    def once(server, *settings):
        hark = https_daemon(server, *settings)
        peer = tls_client(hark)
        response = peer.ask(GET)
        return response, hark.row_of(peer)

    return once


@pytest.mark.parametrize("kind", KINDS)
def test_refused_with_its_reason(tls_origin, bad_pairs, ask, kind):
    server = tls_origin(pair=bad_pairs[kind])
    response, row = ask(server)
    assert response.status == 502
    assert response.get("hark-error") == "tls-verify"
    assert KINDS[kind][1] in row["error_text"]
    assert row["error_text"].encode() in response.body
    assert (row["state"], row["status"], row["error"]) == ("upstream-error", 502, "tls-verify")
    assert server.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_accepted_when_told_so(tls_origin, bad_pairs, ask, kind):
    server = tls_origin(pair=bad_pairs[kind])
    response, row = ask(server, "upstream_verify=off")
    assert (response.status, response.body) == (200, b"ok")
    assert (row["state"], row["error"]) == ("done", None)


def test_name_only_in_the_common_name(tls_origin, pki, ask):
    pair = pki.issue("common-name", pki.root, names=None, common_name=HOST)
    response, row = ask(tls_origin(pair=pair))
    assert (response.status, row["error"]) == (502, "tls-verify")
    assert "common name" in row["error_text"]
    assert "CN=api.example.com" in row["server_cert"]


def test_wrong_address(tls_origin, pki, https_daemon, tls_client):
    server = tls_origin(pair=pki.issue("wrong-address", pki.root, names="IP:127.0.0.9"))
    hark = https_daemon(server)
    peer = tls_client(hark, f"127.0.0.1:{server.port}", server_name="127.0.0.1")
    assert peer.ask(GET).get("hark-error") == "tls-verify"
    assert "127.0.0.1" in hark.row_of(peer)["error_text"]


@pytest.mark.parametrize("answer", [OK, b"", b"\x15\x03\x03\x00\x02\x02\x28"],
                         ids=["plain-http", "eof", "alert"])
def test_no_tls_at_all(origin, ask, answer):
    def handle(conn):
        conn.reader.fill()
        conn.send(answer)

    response, row = ask(origin(handle))
    assert (response.status, response.get("hark-error")) == (502, "tls")
    assert (row["error"], row["state"]) == ("tls", "upstream-error")
    assert row["error_text"]


def test_only_an_old_version(pki, ask):
    context = pki.leaf.server_context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with TlsOrigin(context) as server:
        response, row = ask(server)
    assert (response.status, response.get("hark-error"), row["error"]) == (502, "tls", "tls")


def test_tls_1_2(pki, ask):
    context = pki.leaf.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TlsOrigin(context) as server:
        response, row = ask(server)
    assert response.status == 200
    assert row["tls_version"] == "TLSv1.2"


def test_intermediate_that_is_sent(tls_origin, pki, ask):
    response, _ = ask(tls_origin(pair=below_intermediate(pki, "sent-middle", True)))
    assert response.status == 200


def test_reason_is_each_kinds_own(bad_pairs, tls_origin, ask):
    """The text in the row is enough to mend it: no two causes sound alike."""
    causes = ["expired", "not-yet-valid", "self-signed", "unknown-authority", "wrong-name",
              "weak-key", "weak-digest", "purpose", "issuer-is-no-authority", "signature",
              "self-signed-in-chain", "unknown-critical-extension"]
    texts = {ask(tls_origin(pair=bad_pairs[kind]))[1]["error_text"] for kind in causes}
    assert len(texts) == len(causes), texts
