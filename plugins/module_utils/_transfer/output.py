# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_output``: copies of a session's products, made where the session cannot change them.

The agent writes the log that names the deliverables and may be writing to the workdir, so its names are taken for
nothing but names: each file is opened with the rights of the session's user and without following a link, and a second
name of one of the session's own files is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from .._archive.extract import DEEPEST, LONGEST_NAME
from .._core import files
from .._core.batch import BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.resource import ArgumentSpec, Params
from .._core.safe_open import SafeDirectory, whole_lines
from .._session.layout import SessionPaths
from .._session.location import PLACE_OPTIONS, Location, location_script, validate_location
from .._session.probe import parse_task
from .._session.record import codex_version
from .._session.state import ObservedSession
from .git_diff import OUTPUT, DiffError, find_repository, refuse_base, take_difference
from .own_files import OwnFiles

ROLLOUT = "rollout.jsonl"
SUMMARY = "summary.json"
DELIVERABLES = "deliverables"
_MARK = b"DELIVERABLE:"
MOST_DELIVERABLES = 1000
#: bytes of a log that are searched, and of one line
SEARCHED = 64 << 20
LONGEST_LINE = 16 << 10
CHUNK = 1 << 18


class SessionOutputResource(BatchResource[ObservedSession, Params]):
    """Copies the session's files on every call, without changing them."""

    name = "session_output"
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            "diff_base": {"type": "str", "default": "HEAD"},
            "max_bytes": {"type": "int", "default": 1 << 30},
        }
    )
    specification = with_sessions(one)

    def validate(self, params: Params) -> None:
        validate_location(Location.from_params(params))
        refuse_base(params["diff_base"])
        if params["max_bytes"] < 1:
            raise OptioError("max_bytes", f"max_bytes must be greater than 0, got {params['max_bytes']}", "Set a number of bytes")

    def probe_script(self, params: Params) -> str:
        return location_script(Location.from_params(params), sweep=False)

    def parse_probe(self, sections: list[Section], params: Params) -> ObservedSession:  # type: ignore[override]
        return parse_task(sections, params["name"])

    def plan(self, observed: ObservedSession, params: Params) -> Plan:
        layout, session = observed.layout, observed.session
        result: dict[str, Any] = {
            **{"name": layout.name, "status": session.status, "exit_status": session.exit_status, "workdir": layout.workdir},
            **{"session_id": session.session_id, "version": codex_version(session.record.get("codex") or observed.worker.codex)},
            **{"path": None, "files": [], "skipped_files": [], "repository": None},
        }
        return Plan((Action("gather", layout.workdir),), result, changes=False)

    def unmet_requirements(self, observed: ObservedSession, params: Params, plan: Plan) -> list[OptioError]:
        if observed.workspace.workdir_kind == "directory":
            return []
        cause = f"session {params['name']} has no workdir at {observed.layout.workdir}"
        return [OptioError(f"session {params['name']}", cause, "Set the user, sessions_dir and workdir that it was launched with")]

    def apply(self, plan: Plan, observed: ObservedSession, params: Params, host: Host) -> Mapping[str, Any]:
        # the module's own directory: root must only return files that the session cannot reach
        path = tempfile.mkdtemp(prefix="optio-output-")
        try:
            gathering = _Gathering(host, observed, path, params["max_bytes"])
            with host.acting_as(params.get("user") or None):
                gathering.take_all(params["diff_base"])
                added = {"files": gathering.files, "skipped_files": gathering.skipped, "repository": gathering.repository}
                summary = {**plan.result, **added, "node": observed.worker.node}
                del summary["path"]
                gathering.add_text(SUMMARY, json.dumps(summary, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            files.remove(path)
            raise files.failure(path, error) from error
        except BaseException:
            files.remove(path)
            raise
        return {**added, "path": path}


@dataclass(frozen=True)
class _Directory:
    """A directory that files are taken from; ``label`` precedes their paths in the result."""

    below: SafeDirectory
    label: str


class _Gathering:
    """Copies files of a session into a directory of the module's own user."""

    def __init__(self, host: Host, view: ObservedSession, target: str, room: int) -> None:
        self._host = host
        self._view = view
        self._own_files = OwnFiles(view.layout)
        self._target = target
        self._room = room
        self.files: list[dict[str, Any]] = []
        self.skipped: list[dict[str, str]] = []
        self.repository: dict[str, Any] | None = None

    def take_all(self, base: str) -> None:
        layout, rollout = self._view.layout, self._view.session.rollout
        with self._opened(layout.log_dir) as logs, self._opened(layout.workdir) as workdir:
            for log in layout.logs:
                name = os.path.basename(log)
                self._take("log", logs, name, name, missing_ok=True)
            if rollout and rollout.startswith(f"{layout.home}/"):
                with self._opened(layout.home) as home:
                    self._take("rollout", home, rollout[len(layout.home) + 1 :], ROLLOUT)
            self._take_difference(base)
            if logs and workdir:
                self._take_deliverables(_named(logs.below), workdir)

    @contextmanager
    def _opened(self, directory: str) -> Iterator[_Directory | None]:
        """Open a directory; the result is None if it does not exist, or is refused."""
        workdir = self._view.layout.workdir
        inside = directory == workdir or directory.startswith(f"{workdir}/")
        label = f"{directory}/"[len(workdir) + 1 :] if inside else f"{directory}/"
        with ExitStack() as stack:
            found = None
            try:
                # a user can have a link in the place of the workdir; a link in the place of another directory is the agent's
                found = _Directory(stack.enter_context(SafeDirectory(directory, follow=directory == workdir)), label)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._refuse(label or directory, _reason(error))
            yield found

    def _take_deliverables(self, names: Iterator[str], workdir: _Directory) -> None:
        taken = set()
        for count, named in enumerate(names):
            if count >= MOST_DELIVERABLES:
                self._refuse("…", f"only the first {MOST_DELIVERABLES} are taken")
                return
            try:
                path = _inside(self._view.layout, named)
            except ValueError as error:
                self._refuse(named, str(error))
                continue
            if path not in taken:
                taken.add(path)
                self._take("deliverable", workdir, path, f"{DELIVERABLES}/{path}")

    def _take_difference(self, base: str) -> None:
        try:
            repository = find_repository(self._view.layout.workdir)
            if repository is None:
                return
            found = take_difference(self._host, self._view, repository, base)
        except DiffError as error:
            self.repository = {"diff_base": base, "commit": None, "problem": str(error), "skipped_files": []}
            return
        try:
            self.repository = {
                "diff_base": base,
                "commit": found.commit,
                "problem": None,
                "skipped_files": list(map(_shown, found.left_out)),
            }
            with SafeDirectory(found.directory) as below:
                self._take("diff", _Directory(below, ""), OUTPUT, OUTPUT)
        finally:
            files.remove(found.directory)

    def _refuse(self, path: str, reason: str) -> None:
        self.skipped.append({"path": _shown(path), "reason": reason})

    def _take(self, kind: str, directory: _Directory | None, source: str, path: str, missing_ok: bool = False) -> None:
        if directory is None:
            return
        shown = f"{directory.label}{source}"
        try:
            descriptor = directory.below.open(source)
        except OSError as error:
            if not (missing_ok and error.errno == errno.ENOENT):
                self._refuse(shown, _reason(error))
            return
        with os.fdopen(descriptor, "rb", buffering=0) as content:
            status = os.fstat(descriptor)
            refusal = self._own_files.refusal(status) if kind in ("log", "deliverable") else None
            if refusal:
                self._refuse(shown, refusal)
                return
            size = whole_lines(descriptor) if kind == "rollout" else status.st_size
            if size > self._room:
                self._refuse(shown, f"has {size} bytes, more than what max_bytes leaves")
                return
            digest, copied = hashlib.sha256(), 0
            with self._created(path) as target:
                # never more than the size that was checked, even if data is appended meanwhile
                while copied < size and (data := content.read(min(CHUNK, size - copied))):
                    target.write(data)
                    digest.update(data)
                    copied += len(data)
        self._room -= copied
        self.files.append({"kind": kind, "source": shown, "path": path, "size": copied, "sha256": digest.hexdigest()})

    def add_text(self, path: str, text: str) -> None:
        """Add a file of the module's own."""
        data = text.encode("utf-8", "replace")
        with self._created(path) as target:
            target.write(data)
        self.files.append({"kind": "summary", "source": None, "path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})

    @contextmanager
    def _created(self, path: str) -> Iterator[Any]:
        full = f"{self._target}/{path}"
        with self._host.privileged():
            os.makedirs(os.path.dirname(full), 0o700, exist_ok=True)
            descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream


def _named(below: SafeDirectory) -> Iterator[str]:
    """Yield the deliverables named in the logs, the older log first, with repetitions."""
    for log in ("optio.log.old", "optio.log"):
        try:
            descriptor = below.open(log)
        except OSError:
            continue
        with os.fdopen(descriptor, "rb") as stream:
            left = SEARCHED
            begins = True
            while left > 0 and (line := stream.readline(LONGEST_LINE)):
                left -= len(line)
                if begins and line.startswith(_MARK):
                    yield line[len(_MARK) :].strip().decode("utf-8", "surrogateescape")
                begins = line.endswith(b"\n")


def _inside(layout: SessionPaths, named: str) -> str:
    """Return the path of a named deliverable in the workdir; raise ValueError with the reason if it is refused."""
    workdir = layout.workdir
    if not named or not named.isprintable() or len(named) > LONGEST_NAME or named.count("/") > DEEPEST:
        raise ValueError("is not a file name that can be shown")
    real = os.path.realpath(os.path.join(workdir, named))
    if not real.startswith(f"{workdir}/"):
        raise ValueError("leads out of the workdir")
    path = real[len(workdir) + 1 :]
    # both hold credentials; codex's home is in the workdir of a session of the Python package
    if f"{real}/".startswith(f"{layout.home}/") or ".git" in path.split("/"):
        raise ValueError("belongs to codex or to a repository itself")
    if not path.isprintable() or len(path) > LONGEST_NAME:
        raise ValueError("is not a file name that can be shown")
    return path


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link"
    return (error.strerror or str(error)).lower()


def _shown(path: str) -> str:
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= 200 else f"{text[:200]}…"


RESOURCE = SessionOutputResource()
