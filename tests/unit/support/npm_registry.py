# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An npm registry that signs what it states of codex with a key of its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.optio.codex.plugins.plugin_utils._npm_keys import RegistryKey
from ansible_collections.optio.codex.tests.unit.support.release_builders import TARGET, Answer, Server, npm_archive, package

KEY_ID = "SHA256:of-the-tests"
PACKAGE = "@openai/codex"
METADATA_PATH = "/@openai%2fcodex"
PUBLISHED = "2026-11-20T10:00:00.000Z"


def integrity_of(data: bytes) -> str:
    """Return the digest in npm's form."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def sha512_of(data: bytes) -> str:
    """Return the digest in the form of the option ``checksum``."""
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


@functools.cache
def archive_of(version: str) -> bytes:
    """Return the platform package of a version, the same in each call though gzip notes the time."""
    return npm_archive(package(version))


def npm_version(version: str) -> str:
    """Return what the platform package of a version is called."""
    return f"{version}-linux-{TARGET.asset}"


def archive_path(version: str) -> str:
    """Return where the registry has the platform package."""
    return f"/{PACKAGE}/-/codex-{npm_version(version)}.tgz"


@dataclass
class Registry:
    """The registry's state; ``publish`` puts all of it on the server."""

    server: Server
    latest: str = ""
    versions: dict[str, Any] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def known_key(self, expires: str = "") -> dict[str, RegistryKey]:
        """Return the public key as the collection stores it."""
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {KEY_ID: RegistryKey(base64.b64encode(self.key.public_key().public_bytes(*form)).decode(), expires)}

    def sign(self, message: str) -> list[dict[str, str]]:
        """Return the signature of a message, as a version has it."""
        signature = self.key.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        return [{"keyid": KEY_ID, "sig": base64.b64encode(signature).decode()}]

    def add(self, version: str, data: bytes | None = None) -> dict[str, Any]:
        """Add a version that is also the latest, signed; return what is stated of its package, which may be changed."""
        archive = archive_of(version) if data is None else data
        name, integrity = npm_version(version), integrity_of(archive)
        stated = {"integrity": integrity, "shasum": "0" * 40, "signatures": self.sign(f"{PACKAGE}@{name}:{integrity}")}
        self.versions |= {version: {"dist": {}}, name: {"dist": stated}}
        self.times[name] = PUBLISHED
        self.latest = version
        self.server.answers[archive_path(version)] = Answer(archive)
        self.publish()
        return stated

    def publish(self) -> None:
        """Let the server answer with the present state."""
        document = {"name": PACKAGE, "dist-tags": {"latest": self.latest}, "versions": self.versions, "time": self.times}
        self.server.answers[METADATA_PATH] = Answer(json.dumps(document).encode())

    def requests(self) -> list[str]:
        """Return the paths of all requests."""
        return [path for path, _headers in self.server.seen]
