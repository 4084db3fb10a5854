"""Certificates for servers that are judged over https: a new authority for each start (extra ``tls``)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bucket_conformance.providers.launch.ports import LOOPBACK
from bucket_conformance.providers.provider import Availability

PASSWORD: Final = "conformance"
"""The password of ``keystore``, for servers that require one; it protects nothing, but only this user may read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files in PEM form: what clients trust, what the server shows (with its chain), and the server's private key.

    ``keystore`` holds certificate and key once more, in PKCS#12 under ``PASSWORD``, as Java servers want them.
    """

    authority: Path
    certificate: Path
    key: Path
    keystore: Path


def availability() -> Availability:
    """Return whether certificates can be made."""
    if importlib.util.find_spec("trustme") is None:
        return Availability(
            ready=False,
            missing="trustme, which makes certificates, is not installed",
            how='pip install "bucket-conformance[tls]"',
        )
    return Availability(ready=True)


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate for the loopback in ``folder``, which is made."""
    import trustme
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import pkcs12

    folder.mkdir(mode=0o700)
    made = Certificates(
        authority=folder / "authority.pem",
        certificate=folder / "public.crt",
        key=folder / "private.key",
        keystore=folder / "keystore.p12",
    )
    authority = trustme.CA()
    # RSA, because not every server's library accepts keys on elliptic curves.
    issued = authority.issue_cert("localhost", LOOPBACK, key_type=trustme.KeyType.RSA)
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    authority.cert_pem.write_to_path(str(made.authority))
    made.certificate.write_bytes(chain)
    made.key.write_bytes(issued.private_key_pem.bytes())
    made.key.chmod(0o600)
    certificate, *others = x509.load_pem_x509_certificates(chain)
    assert isinstance(key, RSAPrivateKey)
    secret = serialization.BestAvailableEncryption(PASSWORD.encode())
    made.keystore.write_bytes(pkcs12.serialize_key_and_certificates(b"server", key, certificate, others, secret))
    made.keystore.chmod(0o600)
    return made
