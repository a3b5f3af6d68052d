# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place with a session and its files, for snapshots."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._session.layout import OWN, PACKAGE
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.release_builders import member
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

#: ends as codex writes it; the probe waits for the end of a file that is being written
SECRET = '"secret"}'
OLD, NEW = "01a20f61-0240-7a21-bc56-635829b3bf62", "01a20f61-0e7a-7df0-aa23-3787d5e0d4fe"
SESSIONS = ".codex/sessions/2026/11"
ROLLOUT = f"{SESSIONS}/24/rollout-2026-11-24T21-05-45-{NEW}.jsonl"
CONTENT = {
    "src/main.c": "int main;\n",
    "src/main.o": "object",
    ".git/config": "[core]\n",
    "node_modules/x/index.js": "x",
    "optio.log": "STATUS: at it\n",
}
HOME = {
    ".codex/auth.json": SECRET,
    ".codex/config.toml": "model = 'm'\n",
    ".codex/state_5.sqlite": "db",
    ".codex/shell_snapshots/1.sh": "export KEY=hunter2\n",
    ROLLOUT: '{"a": 1}\n{"b": 2}\n{"hal',
    f"{SESSIONS}/25/rollout-2026-11-25T01-00-00-{OLD}.jsonl": '{"c": 3}\n',
}
AGENT = {".gitconfig": "[user]\n", ".cache/pip/x": "cached", ".cargo/registry/x": "crate", ".cargo/bin/x": "tool"}
#: what of them is in a snapshot
KEPT = {
    *(f"workdir/{name}" for name in ("src/main.c", "src/main.o", "optio.log")),
    *(f"home/{name}" for name in HOME if "rollout" in name or name == ".codex/config.toml"),
    *("agent/.gitconfig", "agent/.cargo/bin/x"),
}
#: of a manifest
GOOD = {"format": 1, "session_id": NEW, "files": 1, "bytes": 1, "fingerprint": "0"}
#: a plain user's sessions, whoever runs the tests
LONE = '#!/bin/sh\n[ "$1" = -un ] && echo me && exit\necho 1000\n'


class Host(LocalHost):
    """This machine, with the warnings kept."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Place:
    """A root of sessions, one of which has been at work, in a workdir of its own or one that the user named."""

    def __init__(self, base: Path, origin: str = OWN) -> None:
        self.base = base
        self.root = base / "root"
        self.task = self.root / "one"
        self.work = self.task / "workdir" if origin == OWN else base / "work"
        self.home = self.work / "home" if origin == PACKAGE else self.task / "home"
        self.agent = self.task / "agent"
        self.path = base / "one.tar.gz"
        self.host = Host()
        for top, content in ((self.work, CONTENT), (self.home, HOME), (self.agent, AGENT)):
            for name, text in content.items():
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_text(text)
        (self.work / "src/main.c").chmod(0o755)
        if origin == OWN:
            (self.work / "home").symlink_to(self.home)
            (self.work / "AGENTS.md").write_text(f"Your instructions are in {self.agent}/AGENTS.md. Read that file.\n")
        (self.agent / "AGENTS.md").write_text("copy")
        (self.task / "session").write_text(
            f"name=one\ntask={self.task}\nworkdir={self.work}\norigin={origin}\n"
            "codex=/cache/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex\n"
        )
        (self.task / "exit").write_text("0 1795554346\n")
        (self.task / "environment").write_text("export KEY=hunter2\n")
        self.before = sorted(path.name for path in base.iterdir())

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(RESOURCE, **{"name": "one", "sessions_dir": str(self.root), "path": str(self.path), **given})
        return converge(RESOURCE, params, self.host, check, True)

    def restore(self, name: str = "two", **given: Any) -> dict[str, Any]:
        return self.run(name=name, state="restored", **given)

    def members(self) -> dict[str, bytes]:
        with tarfile.open(self.path) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isreg()}  # type: ignore[union-attr]

    def everything(self, name: str) -> dict[str, tuple[str, int]]:
        found = {}
        for path in sorted((self.root / name).rglob("*")):
            kind = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "directory"
            found[str(path.relative_to(self.root / name))] = (kind, path.lstat().st_mode & 0o7777)
        return found

    def left(self) -> list[str]:
        """Return what is new beside the snapshot."""
        return sorted({path.name for path in self.base.iterdir()} - {*self.before, "one.tar.gz"})


def manifest(**changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return the manifest of a good snapshot as a member of an archive, with changes."""
    return member("manifest.json", json.dumps({**GOOD, **changes}).encode())
