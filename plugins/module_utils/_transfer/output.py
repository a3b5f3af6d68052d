# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_output``: copies of what a session has produced, made where it cannot meddle with them.

The agent writes the log that names the deliverables and may be writing to the workdir, so its names are taken for
nothing but names: each file is opened with the rights of the session's user and without following a link.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .._core import files
from .._core.safe_open import Below, whole_lines
from .._core.errors import OptioError
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.probe import Section
from .git_diff import OUTPUT, DiffError, find_repository, refuse_base, take_difference
from .._core.batch import ManySessions, with_sessions
from .._launch.plan import codex_version
from .._core.resource import Params, Specification
from .._session.probe import TaskView, parse_task
from .._archive.extract import DEEPEST, LONGEST_NAME
from .._session.workspace import PLACE_OPTIONS, check_place, place_script

LOGS = ("optio.log", "optio.log.old", "resume.log")
ROLLOUT = "rollout.jsonl"
SUMMARY = "summary.json"
DELIVERABLES = "deliverables"
_MARK = b"DELIVERABLE:"
MOST_DELIVERABLES = 1000
#: bytes of a log that are searched, and of one line
SEARCHED = 64 << 20
LONGEST_LINE = 16 << 10
CHUNK = 1 << 18


class SessionOutputSubject(ManySessions[TaskView]):
    """Gathers copies, every time anew: the session's files stay as they are."""

    name = "session_output"
    one = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            "base": {"type": "str", "default": "HEAD"},
            "max_bytes": {"type": "int", "default": 1 << 30},
        }
    )
    specification = with_sessions(one)

    def check(self, params: Params) -> None:
        check_place(params)
        refuse_base(params["base"])
        if params["max_bytes"] < 1:
            raise OptioError(f"max_bytes {params['max_bytes']}", "leaves no room for anything", "Give a positive number")

    def script(self, params: Params) -> str:
        return place_script(params, sweep=False)

    def observe(self, sections: list[Section], params: Params) -> TaskView:  # type: ignore[override]
        return parse_task(sections, params["name"])

    def plan(self, observed: TaskView, params: Params) -> Plan:
        layout, session = observed.layout, observed.session
        result: dict[str, Any] = {
            **{"name": layout.name, "status": session.status, "exit_status": session.exit_status, "workdir": layout.workdir},
            **{"session_id": session.session_id, "version": codex_version(session.record.get("codex") or observed.worker.codex)},
            **{"path": None, "files": [], "refused": [], "repository": None},
        }
        return Plan((Action("gather", layout.workdir),), result, changes=False)

    def preconditions(self, observed: TaskView, params: Params, plan: Plan) -> list[OptioError]:
        if observed.workspace.workdir_kind == "directory":
            return []
        cause = f"has no workdir at {observed.layout.workdir}"
        return [OptioError(f"session {params['name']}", cause, "Give the user, root and workdir that it was launched with")]

    def apply(self, plan: Plan, observed: TaskView, params: Params, host: Host) -> Mapping[str, Any]:
        # the module's own directory: what root hands on must be out of the session's reach
        path = tempfile.mkdtemp(prefix="optio-output-")
        try:
            gathering = _Gathering(host, path, params["max_bytes"])
            with host.acting_as(params.get("user") or None):
                gathering.take_all(observed, params["base"])
                added = {"files": gathering.files, "refused": gathering.refused, "repository": gathering.repository}
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


class _Gathering:
    """Copies files of a workdir into a directory of the module's own user."""

    def __init__(self, host: Host, target: str, room: int) -> None:
        self._host = host
        self._target = target
        self._room = room
        self.files: list[dict[str, Any]] = []
        self.refused: list[dict[str, str]] = []
        self.repository: dict[str, Any] | None = None

    def take_all(self, view: TaskView, base: str) -> None:
        workdir = view.layout.workdir
        with Below(workdir) as below:
            for name in LOGS:
                self._take("log", below, name, name, missing_ok=True)
            rollout = view.session.rollout
            if rollout and rollout.startswith(f"{workdir}/"):
                self._take("rollout", below, rollout[len(workdir) + 1 :], ROLLOUT)
            self._take_difference(view, base)
            self._take_deliverables(below, workdir)

    def _take_deliverables(self, below: Below, workdir: str) -> None:
        taken = set()
        for count, named in enumerate(_named(below)):
            if count >= MOST_DELIVERABLES:
                self._refuse("…", f"only the first {MOST_DELIVERABLES} are taken")
                return
            try:
                path = _inside(workdir, named)
            except ValueError as error:
                self._refuse(named, str(error))
                continue
            if path not in taken:
                taken.add(path)
                self._take("deliverable", below, path, f"{DELIVERABLES}/{path}")

    def _take_difference(self, view: TaskView, base: str) -> None:
        try:
            repository = find_repository(view.layout.workdir)
            if repository is None:
                return
            found = take_difference(self._host, view, repository, base)
        except DiffError as error:
            self.repository = {"base": base, "commit": None, "problem": str(error), "left_out": []}
            return
        try:
            self.repository = {"base": base, "commit": found.commit, "problem": None, "left_out": list(map(_shown, found.left_out))}
            with Below(found.directory) as below:
                self._take("diff", below, OUTPUT, OUTPUT)
        finally:
            files.remove(found.directory)

    def _refuse(self, path: str, reason: str) -> None:
        self.refused.append({"path": _shown(path), "reason": reason})

    def _take(self, kind: str, below: Below, source: str, path: str, missing_ok: bool = False) -> None:
        try:
            descriptor = below.open(source)
        except OSError as error:
            if not (missing_ok and error.errno == errno.ENOENT):
                self._refuse(source, _reason(error))
            return
        with os.fdopen(descriptor, "rb", buffering=0) as content:
            size = whole_lines(descriptor) if kind == "rollout" else os.fstat(descriptor).st_size
            if size > self._room:
                self._refuse(source, f"has {size} bytes, more than what max_bytes leaves")
                return
            digest, copied = hashlib.sha256(), 0
            with self._created(path) as target:
                # never more than was looked at, whatever is appended meanwhile
                while copied < size and (data := content.read(min(CHUNK, size - copied))):
                    target.write(data)
                    digest.update(data)
                    copied += len(data)
        self._room -= copied
        self.files.append({"kind": kind, "source": source, "path": path, "size": copied, "sha256": digest.hexdigest()})

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


def _named(below: Below) -> Iterator[str]:
    """Yield what the logs call deliverables, the older log first, each as often as it is named."""
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


def _inside(workdir: str, named: str) -> str:
    """Return the path from the workdir of what a log names; raise ValueError, with the reason, when it is not taken."""
    if not named or not named.isprintable() or len(named) > LONGEST_NAME or named.count("/") > DEEPEST:
        raise ValueError("is no name of a file that can be shown")
    real = os.path.realpath(os.path.join(workdir, named))
    if not real.startswith(f"{workdir}/"):
        raise ValueError("leads out of the workdir")
    path = real[len(workdir) + 1 :]
    # both hold credentials
    if f"{path}/".startswith("home/.codex/") or ".git" in path.split("/"):
        raise ValueError("belongs to codex or to a repository itself")
    if not path.isprintable() or len(path) > LONGEST_NAME:
        raise ValueError("is no name of a file that can be shown")
    return path


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a symbolic link"
    return (error.strerror or str(error)).lower()


def _shown(path: str) -> str:
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= 200 else f"{text[:200]}…"


SUBJECT = SessionOutputSubject()
