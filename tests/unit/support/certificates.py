# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private certificate authority, for servers that the tests start."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_SIGNS = x509.KeyUsage(**dict.fromkeys((*_USAGES, "encipher_only", "decipher_only"), False), key_cert_sign=True, crl_sign=False)


@dataclass(frozen=True)
class Authority:
    """Issues certificates that are valid for a day; ``certificate`` is its own, as PEM."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> str:
        """What clients trust."""
        return self._issue(self.key, _name("optio.codex tests"), x509.BasicConstraints(ca=True, path_length=0))

    def server(self, address: str) -> tuple[str, str]:
        """Return certificate and key of the server at an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._issue(key, _name(address), names), text.decode()

    @staticmethod
    def pin(certificate: str) -> str:
        """Return the hash of a certificate's public key, as browsers are told which one to believe."""
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        text = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(text).digest()).decode()

    def _issue(self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, extension: x509.ExtensionType) -> str:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(
            issuer_name=_name("optio.codex tests"),
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(hours=1),
            not_valid_after=now + datetime.timedelta(days=1),
        )
        identifiers = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        if isinstance(extension, x509.BasicConstraints):
            # without it, Python 3.13 and newer do not accept an authority
            builder = builder.add_extension(_SIGNS, critical=True)
        builder = builder.add_extension(identifiers, critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
