# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's directories made from a snapshot: unpacked to scratch directories, then published by one rename each."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from .._archive.download import SourceError
from .._archive.extract import ArchiveError, Extraction, checked_name, unpack
from .._archive.pipeline import WriteBehind
from .._core import files
from .._core.errors import OptioError
from .._core.executor import Undo
from .._core.host import Host
from .._core.plan import Action
from .._core.safe_open import SafeDirectory
from .._session.agents_md import LIMIT, agents_text, pointer_line
from .._session.layout import OWN, PROJECT, SessionPaths
from .own_files import AGENTS
from .snapshot_archive import LARGEST_MANIFEST, TAKE_AGAIN, SnapshotManifest, opened
from .snapshot_tree import AGENT_PREFIX, CREDENTIALS, HOME_PREFIX, LARGEST_SNAPSHOT, MOST_ENTRIES, PREFIX, PROJECT_HOME_PREFIX

#: the state of a workdir that a restore can replace, although it has files
INTERRUPTED = "directory of an interrupted restore"
_LINK = ".local/bin/codex"
#: a time of a file that every filesystem takes, in seconds
_LATEST = 1 << 33


class _Part(Extraction):
    """One directory of a session: its user's alone; links may lead to files that the snapshot does not have."""

    directory_mode = 0o700
    dangling = True

    def __init__(self, tree: str, prefix: str, target: WriteBehind, times: dict[str, float], left_out: Sequence[str]) -> None:
        super().__init__(tree, prefix, target)
        self._times = times
        self._left_out = left_out

    def file_mode(self, mode: int) -> int:
        return mode & 0o700

    def wants(self, path: str) -> bool:
        return path not in self._left_out

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo, is_top: bool) -> None:
        """Unpack one member, which is the directory itself or something in it."""
        if not is_top:
            self._member(archive, member)
            return
        if not member.isdir():
            raise ArchiveError(f"{member.name} is not a directory")
        self.make()

    def make(self) -> None:
        """Create the directory."""
        self._directory("")

    def confine(self) -> None:
        """Raise ArchiveError for a link that leads out of the directory."""
        self._confine_links()

    def _file(self, path: str, member: tarfile.TarInfo, content: Any) -> None:
        super()._file(path, member, content)
        self._times[f"{self._tree}/{path}"] = member.mtime


class _Parts(Extraction):
    """Several directories from one archive, whose members are below ``top``; other members are ignored."""

    def __init__(self, tree: str, target: WriteBehind, parts: Mapping[str, _Part], moved: Mapping[str, str], top: str) -> None:
        super().__init__(tree, "", target)
        self._top = top
        # codex's home may be in the workdir
        self._parts = sorted(parts.items(), reverse=True)
        self._moved = moved

    def limits(self) -> tuple[int, int]:
        # the manifest is a member too
        return LARGEST_SNAPSHOT + LARGEST_MANIFEST, MOST_ENTRIES + 1

    def wants(self, path: str) -> bool:
        return False

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = f"{self._top}{checked_name(member)}".rstrip("/")
        member.name = name = self._moved.get(name, name)
        for prefix, part in self._parts:
            if name == prefix or name.startswith(f"{prefix}/"):
                part.take(archive, member, name == prefix)
                return
        super()._member(archive, member)

    def _directory(self, path: str) -> None:
        dict(self._parts)[PREFIX].make()

    def _confine_links(self) -> None:
        for _prefix, part in self._parts:
            part.confine()


class Restorer:
    """Carries out the actions that unpack a snapshot into the places of ``layout``."""

    def __init__(
        self, host: Host, path: str, manifest: SnapshotManifest, layout: SessionPaths, checksum: str | None, credentials: bool
    ) -> None:
        self._host = host
        self._path = path
        self._manifest = manifest
        self._layout = layout
        self._checksum = checksum
        self._credentials = credentials
        #: on the file system of the session's directory, and on that of the workdir
        self._scratch = f"{layout.task}/.optio-restore"
        self._beside = f"{os.path.dirname(layout.workdir)}/.optio-restore-{layout.name}"
        self._parents: list[str] = []
        self._unpacked = False
        #: of the snapshot's file
        self.sha256 = ""

    def unpack(self, action: Action) -> Undo | None:
        """Publish one directory of the snapshot, which the payload names; the first action unpacks them all."""
        try:
            if not self._unpacked:
                self._unpack()
                self._unpacked = True
            return self._publish(action)
        except OSError as error:
            raise files.failure(action.target, error) from error

    def close(self) -> None:
        """Remove the scratch directories."""
        for path in (self._scratch, self._beside):
            with suppress(OptioError):
                files.remove(path)
        # none of them is empty once the workdir is there
        files.remove_empty(self._parents)

    def _tree(self, prefix: str) -> str:
        return self._beside if prefix == PREFIX else f"{self._scratch}/{os.path.basename(prefix)}"

    def _unpack(self) -> None:
        self._parents = files.make_directory(os.path.dirname(self._layout.workdir))
        for path in (self._scratch, self._beside):
            files.remove(path)
        files.make_directory(self._scratch)
        times: dict[str, float] = {}
        with ExitStack() as stack:
            with self._host.privileged():
                body = stack.enter_context(opened(self._path, self._checksum))
            try:
                unpack(body, self._beside, "", lambda tree, _prefix, target: self._extraction(tree, target, times))
            except SourceError as error:
                raise OptioError(self._path, error.cause, TAKE_AGAIN) from error
        for name, changed in times.items():
            if 0 <= changed < _LATEST:
                os.utime(name, (changed, changed), follow_symlinks=False)
        self.sha256 = body.sha256
        self._adapt()

    def _extraction(self, tree: str, target: WriteBehind, times: dict[str, float]) -> Extraction:
        left_out = () if self._credentials else tuple(path.partition("/")[2] for path in CREDENTIALS)
        # the package's link to codex leads out of the workdir
        left_out = (*left_out, _LINK) if self._manifest.of_package else left_out
        home = home_prefix(self._manifest)
        parts = {
            PREFIX: _Part(tree, PREFIX, target, times, ()),
            home: _Part(self._tree(home), home, target, times, left_out),
            AGENT_PREFIX: _Part(self._tree(AGENT_PREFIX), AGENT_PREFIX, target, times, ()),
        }
        # a project's workdir has no file of the session
        moves = self._layout.origin == PROJECT and self._manifest.origin != PROJECT
        logs = map(os.path.basename, self._layout.logs if moves else ())
        moved = {f"{PREFIX}/{log}": f"{AGENT_PREFIX}/{log}" for log in logs}
        return _Parts(tree, target, parts, moved, f"{PREFIX}/" if self._manifest.of_package else "")

    def _adapt(self) -> None:
        """Replace the paths of the saved session in its instructions."""
        agent = self._manifest.text("agent") or ""
        if not agent.startswith("/") or os.path.basename(agent) != "agent":
            return
        old = SessionPaths("", os.path.dirname(agent), self._manifest.text("workdir") or "", "", origin=self._manifest.origin)
        _rewrite(self._tree(home_prefix(self._manifest)), f".codex/{AGENTS}", lambda text: adapted(text, old, self._layout))
        if old.origin == OWN:
            line, new = (pointer_line(layout) for layout in (old, self._layout))
            _rewrite(self._tree(PREFIX), AGENTS, lambda text: new + text[len(line) :] if text.startswith(f"{line}\n") else text)

    def _publish(self, action: Action) -> Undo | None:
        prefix, target = action.payload, action.target
        tree = self._tree(prefix)
        if not os.path.isdir(tree):
            return None
        aside = f"{self._scratch}/{os.path.basename(prefix)}.before"
        replaced = (prefix != PREFIX or action.before == INTERRUPTED) and os.path.lexists(target)
        if replaced:
            os.rename(target, aside)
        try:
            os.rename(tree, target)
        except OSError:
            if replaced:
                os.rename(aside, target)
            raise

        def undo() -> None:
            files.remove(target)
            if replaced:
                os.rename(aside, target)
            elif action.before != "absent":
                files.make_directory(target)

        return undo


def home_prefix(manifest: SnapshotManifest) -> str:
    """Return where codex's home is in a snapshot."""
    return PROJECT_HOME_PREFIX if manifest.origin == PROJECT else HOME_PREFIX


def adapted(text: str, old: SessionPaths, new: SessionPaths) -> str:
    """Return instructions of a session with the paths of another one in the place of its own."""
    before, after = (agents_text("", True, layout)[:-1] for layout in (old, new))
    if text.startswith(before):
        text = after + text[len(before) :]
    return re.sub(rf"{re.escape(old.agent)}(?![\w-])", lambda _match: new.agent, text)


def _rewrite(tree: str, path: str, change: Callable[[str], str]) -> None:
    """Change the text of a file below a directory, if it is there and not longer than instructions are."""
    try:
        with SafeDirectory(tree, follow=False) as below, os.fdopen(below.open(path), "rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError:
        return
    text = data.decode("utf-8", "surrogateescape")
    changed = change(text)
    if len(data) <= LIMIT and changed != text:
        files.write_text(f"{tree}/{path}", changed, follow=False)
