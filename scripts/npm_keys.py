#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes plugins/plugin_utils/_npm_keys.py: the public keys that sign the digests of packages in the public npm registry.

``write`` reads them from ``/-/npm/v1/keys`` of the registry that npm is configured for, or from ``--from``: that answer in a file,
or ``dist/lib/corepack.cjs`` of a release of corepack, which contains the keys. A key that is written already is kept, and may
only get an end. ``check`` fails if the file is not as it would be written.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import runpy
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "plugins" / "plugin_utils" / "_npm_keys.py"
PATH = "/-/npm/v1/keys"
#: where the keys begin; what is above them is written by hand
BEGIN = "#: where they were read\n"
TYPE = "ecdsa-sha2-nistp256"
TIMEOUT = 30  # seconds
_COREPACK = re.compile(r"\bkeys: \{\s*npm: (\[.*?\])", re.DOTALL)
_NAME = re.compile(r"^(\s*)(\w+):", re.MULTILINE)

#: by key id: the key in base64, and its end, which may be empty
Keys = dict[str, tuple[str, str]]


class KeyFileError(Exception):
    """The keys cannot be read or must not be written; the text is one sentence and the remedy."""


def parse(text: str) -> Keys:
    """Return the keys of a registry's answer, or of corepack's source."""
    found = _COREPACK.search(text)
    try:
        document = json.loads(_NAME.sub(r'\1"\2":', found.group(1)) if found else text)
        rows = document if isinstance(document, list) else document["keys"]
        return {row["keyid"]: (checked(row["keyid"], row["keytype"], row["key"]), row["expires"] or "") for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"the keys cannot be read: {error!r}. Set --from to an answer of {PATH}, or to corepack.cjs.") from error


def checked(name: str, kind: str, key: str) -> str:
    """Return a key; raise KeyFileError if it is not one that the collection can use."""
    try:
        loaded = serialization.load_der_public_key(base64.b64decode(key, validate=True))
    except ValueError as error:
        raise KeyFileError(f"key {name} is not a public key in base64. Use another source.") from error
    if kind != TYPE or not isinstance(loaded, ec.EllipticCurvePublicKey) or not isinstance(loaded.curve, ec.SECP256R1):
        raise KeyFileError(f"key {name} is of the type {kind}, not {TYPE}. Extend plugins/plugin_utils/_release_lookup.py first.")
    return key


def merge(old: Mapping[str, tuple[str, str]], new: Keys) -> Keys:
    """Return all keys; raise KeyFileError if a key that is known has changed."""
    for name in new.keys() & old.keys():
        if new[name][0] != old[name][0] or (old[name][1] and new[name][1] != old[name][1]):
            raise KeyFileError(f"key {name} differs from the one in {FILE.name}. Find out which is right, and edit the file by hand.")
    return {**old, **new}


def read(path: Path) -> tuple[str, str, Keys]:
    """Return the text above the keys, where they were read, and the keys of a file that was written."""
    head, begin, _keys = path.read_text(encoding="utf-8").partition(BEGIN)
    if not begin:
        raise KeyFileError(f"{path} has no line {BEGIN.strip()!r}. Restore the file from its repository.")
    values = runpy.run_path(str(path))
    return head, values["SOURCE"], {name: (row[0], row[1]) for name, row in values["KEYS"].items()}


def render(head: str, source: str, keys: Keys) -> str:
    """Return the whole file, in the form that ``ruff format`` gives it."""
    rows = "".join(f'    "{name}": RegistryKey(\n        "{key}",\n        "{expires}",\n    ),\n' for name, (key, expires) in keys.items())
    return f'{head}{BEGIN}SOURCE = "{source}"\n\n#: by the id that signatures name\nKEYS: dict[str, RegistryKey] = {{\n{rows}}}\n'


def fetch() -> str:
    """Return what the configured registry answers."""
    registry = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, check=True).stdout.strip()
    try:
        with urllib.request.urlopen(registry.rstrip("/") + PATH, timeout=TIMEOUT) as answer:
            return str(answer.read(1 << 20).decode())
    except OSError as error:
        raise KeyFileError(f"the npm registry has no keys at {PATH}: {error}. Configure another registry, or set --from.") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["write", "check"])
    parser.add_argument("--file", type=Path, default=FILE, help="another file to read and write")
    parser.add_argument("--from", dest="given", type=Path, help="a file with the keys")
    parser.add_argument("--source", help="what the file is, such as the name and version of its package")
    arguments = parser.parse_args(argv)
    try:
        head, source, keys = read(arguments.file)
        if arguments.command == "write":
            if arguments.given and not arguments.source:
                parser.error("--from requires --source")
            keys = merge(keys, parse(arguments.given.read_text(encoding="utf-8") if arguments.given else fetch()))
            arguments.file.write_text(render(head, arguments.source or f"{PATH} of the npm registry", keys), encoding="utf-8")
        elif render(head, source, keys) != arguments.file.read_text(encoding="utf-8"):
            raise KeyFileError(f"{arguments.file} is not as this program writes it. Revert the edits by hand, or run write.")
        parse(json.dumps([{"keyid": name, "keytype": TYPE, "key": key, "expires": expires} for name, (key, expires) in keys.items()]))
    except (KeyFileError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
