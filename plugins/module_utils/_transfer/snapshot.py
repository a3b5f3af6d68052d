# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_snapshot``: a session's workdir in one file, and a session made from such a file."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from .._core import files
from . import snapshot_archive
from .._core.errors import OptioError
from .._core.host import Host
from .._session.layout import check_path, expand
from .._core.plan import ABSENT, UNKNOWN, Action, Plan
from .._core.probe import parse
from .._core.batch import ManySessions, with_sessions
from .._launch.plan import SessionWish, codex_version, record_text
from .snapshot_archive import FORMAT, MOST_NAMED, Manifest
from .snapshot_tree import Survey, check_exclude, exclusions, survey
from .._core.executor import FileText, Undo, carry_out
from .._core.resource import Params, Specification
from .._session.lock import task_lock
from .._session.probe import TaskView, parse_task
from .._session.workspace import PLACE_OPTIONS, check_place, place_script, refuse_foreign

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}\Z")
_CREDENTIALS_WARNING = (
    "{path}: holds the session's credentials. Keep it as secret as they are; codex's refresh token is good for one "
    "session alone, so do not run this one and its copy side by side"
)


@dataclass(frozen=True)
class Observed:
    """The session and its snapshot; ``problem`` is why one of them cannot be had yet."""

    view: TaskView
    path: str
    #: of the workdir, for a snapshot to be taken
    survey: Survey | None = None
    #: of the file that is there
    manifest: Manifest | None = None
    size: int | None = None
    sha256: str | None = None
    #: the manifest that the workdir was made from
    restored: str | None = None
    problem: OptioError | None = None


class SessionSnapshotSubject(ManySessions[Observed]):
    """Observes in Python, for a workdir is compared by thousands of files: there is no probe of its own."""

    name = "session_snapshot"
    one = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            "path": {"type": "str", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "include_git": {"type": "bool", "default": False},
            "credentials": {"type": "bool", "default": False},
            "checksum": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        }
    )
    specification = with_sessions(one)

    def check(self, params: Params) -> None:
        check_place(params)
        check_path("path", params["path"])
        check_exclude(params.get("exclude") or [])
        checksum = params.get("checksum")
        if checksum and not _CHECKSUM.match(checksum):
            raise OptioError(f"checksum {checksum}", "is not of the form sha256:…", "Give the sha256 that the snapshot's run returned")

    def observe_on(self, host: Host, params: Params) -> Observed:
        view = parse_task(parse(host.probe(place_script(params, sweep=False))), params["name"])
        path = expand(params["path"], view.worker.home)
        if params["state"] == "restored":
            return _observe_restored(view, path, params, host)
        with host.acting_as(params.get("user") or None):
            return _observe_present(view, path, params)

    def plan(self, observed: Observed, params: Params) -> Plan:
        plan = _plan_restored if params["state"] == "restored" else _plan_present
        return plan(observed, params)

    def preconditions(self, observed: Observed, params: Params, plan: Plan) -> list[OptioError]:
        return [observed.problem] if observed.problem is not None else []

    def lock(self, observed: Observed, params: Params, host: Host) -> AbstractContextManager[Any]:
        if params["state"] == "present":
            # a message or a stop need not wait for it, and the file is replaced by one rename
            return nullcontext()
        return task_lock(observed.view.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
        if observed.problem is not None:
            raise observed.problem
        if params["state"] == "restored":
            return _restore(plan, observed, params, host)
        with host.acting_as(params.get("user") or None):
            return _take(observed, params, host)


def _observe_present(view: TaskView, path: str, params: Params) -> Observed:
    workdir = view.layout.workdir
    if view.workspace.workdir_kind != "directory":
        cause = f"has no workdir at {workdir}"
        problem = OptioError(f"session {params['name']}", cause, "Give the user, root and workdir that it was launched with")
        return Observed(view, path, problem=problem)
    if f"{os.path.realpath(path)}/".startswith(f"{workdir}/"):
        raise OptioError(path, "lies in the workdir, so that the snapshot would hold itself", "Give a path outside it")
    patterns = exclusions(params.get("exclude") or [], params["include_git"], params["credentials"])
    seen = survey(workdir, patterns)
    if not os.path.lexists(path):
        return Observed(view, path, seen)
    try:
        manifest = snapshot_archive.read_manifest(path)
    except OptioError as error:
        if not os.path.isfile(path):
            raise
        if params["force"]:
            return Observed(view, path, seen)
        refused = OptioError(path, error.cause, "Give another path, or set force: true to replace it")
        return Observed(view, path, seen, problem=refused)
    same = manifest.fingerprint == seen.fingerprint and manifest.text("workdir") == workdir
    sha256 = snapshot_archive.hash_file(path) if same and not params["force"] else None
    return Observed(view, path, seen, manifest, os.path.getsize(path), sha256)


def _observe_restored(view: TaskView, path: str, params: Params, host: Host) -> Observed:
    with host.acting_as(params.get("user") or None):
        restored = (files.read_text(view.layout.restored_mark) or "").strip() or None
    try:
        # it is the caller's own file, so it is read with the caller's rights
        manifest = snapshot_archive.read_manifest(path)
    except OptioError as error:
        return Observed(view, path, restored=restored, problem=error)
    sha256 = snapshot_archive.hash_file(path) if restored == manifest.digest else None
    return Observed(view, path, None, manifest, os.path.getsize(path), sha256, restored)


def _manifest_of(view: TaskView, seen: Survey, params: Params, now: str) -> dict[str, Any]:
    layout, session = view.layout, view.session
    return {
        "format": FORMAT,
        "created": now,
        "name": layout.name,
        "workdir": layout.workdir,
        "session_id": session.session_id,
        "status": session.status,
        "codex_version": codex_version(session.record.get("codex") or view.worker.codex),
        "exclude": list(params.get("exclude") or []),
        "include_git": params["include_git"],
        "credentials": params["credentials"],
        "excluded": seen.excluded,
        "files": seen.files,
        "bytes": seen.size,
        "fingerprint": seen.fingerprint,
    }


def _plan_present(observed: Observed, params: Params) -> Plan:
    view, seen = observed.view, observed.survey
    warnings = (_CREDENTIALS_WARNING.format(path=observed.path),) if params["credentials"] else ()
    result = {**_described(observed), "session_id": view.session.session_id, "status": view.session.status}
    if seen is None:
        return Plan((Action("write", observed.path, ABSENT, UNKNOWN),), result)
    result.update(
        version=codex_version(view.session.record.get("codex") or view.worker.codex),
        files=seen.files,
        excluded=dict(sorted(seen.excluded.items())),
        skipped=seen.skipped[:MOST_NAMED],
        skipped_count=len(seen.skipped),
        unstable=[],
    )
    manifest = observed.manifest
    if observed.sha256 is not None:
        return Plan((), result, warnings)
    before = ABSENT if manifest is None else _told(manifest.text("created"), manifest.count("files"), manifest.count("bytes"))
    if manifest is None and os.path.lexists(observed.path):
        before = "another file"
    action = Action("write", observed.path, before, _told(None, seen.files, seen.size), payload=seen)
    return Plan((action,), {**result, "size": None}, warnings)


def _told(created: str | None, count: int, size: int) -> str:
    return f"snapshot{f' of {created}' if created else ''}: {count} files of {size} bytes"


def _described(observed: Observed) -> dict[str, Any]:
    layout = observed.view.layout
    return {
        **{"name": layout.name, "path": observed.path, "task": layout.task, "workdir": layout.workdir},
        **{"size": observed.size, "sha256": observed.sha256},
    }


def _plan_restored(observed: Observed, params: Params) -> Plan:
    view, manifest = observed.view, observed.manifest
    layout, session, seen = view.layout, view.session, view.workspace
    refuse_foreign(view)
    result: dict[str, Any] = {**_described(observed), "session_id": None, "status": "stopped"}
    warnings: tuple[str, ...] = ()
    if manifest is not None:
        result.update(session_id=manifest.session_id, version=manifest.text("codex_version"), files=manifest.count("files"))
        result["origin"] = {name: manifest.text(name) for name in ("name", "workdir", "created", "status")}
        if manifest.fields.get("credentials") and params["credentials"]:
            warnings = (_CREDENTIALS_WARNING.format(path=observed.path),)
        if observed.restored == manifest.digest and session.status != "absent":
            return Plan((), {**result, "session_id": session.session_id, "status": session.status}, warnings)
    if session.status != "absent" or session.pane_foreign or session.runtime_foreign:
        raise OptioError(
            f"session {layout.name}",
            f"is {session.status} and was not made from this snapshot",
            "Choose another name, or remove that session and its files first",
        )
    if seen.workdir_kind == "directory" and seen.workdir_filled:
        raise OptioError(layout.workdir, "is not empty", "Choose another name or workdir, or remove what is in it first")
    told = UNKNOWN if manifest is None else _told(manifest.text("created"), manifest.count("files"), manifest.count("bytes"))
    actions = [Action("create", layout.task, after="directory 0700")] if seen.task_kind == "absent" else []
    actions.append(Action("unpack", layout.workdir, "empty directory" if seen.workdir_kind == "directory" else ABSENT, told))
    # the session module then finds an ended session with a conversation to go on with
    for path, text in (
        (layout.record, record_text(view, SessionWish())),
        (layout.stopped_mark, ""),
        (layout.restored_mark, f"{manifest.digest}\n" if manifest else ""),
    ):
        actions.append(Action("write", path, ABSENT, "file 0600", FileText(text)))
    return Plan(tuple(actions), result, warnings)


def _take(observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
    seen = observed.survey or Survey()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    manifest = _manifest_of(observed.view, seen, params, now)
    written = snapshot_archive.write(observed.path, observed.view.layout.workdir, seen, manifest)
    unstable = [path if path.isprintable() else ascii(path) for path in written.unstable]
    if unstable:
        more = f" and {len(unstable) - 3} more" if len(unstable) > 3 else ""
        host.warn(f"{observed.path}: {', '.join(unstable[:3])}{more} changed or vanished while being read")
    return {
        **{"size": written.size, "sha256": written.sha256, "files": written.files},
        **{"unstable": unstable[:MOST_NAMED], "unstable_count": len(unstable)},
    }


def _restore(plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
    layout, user = observed.view.layout, params.get("user") or None
    made: dict[str, Any] = {}

    def unpack(action: Action) -> Undo:
        # beside the target, so that one rename publishes it
        scratch = f"{os.path.dirname(action.target)}/.optio-restore-{layout.name}"
        parents = files.make_directory(os.path.dirname(action.target))
        try:
            files.remove(scratch)
            checksum = (params.get("checksum") or "").partition(":")[2] or None
            sha256, count = snapshot_archive.restore(observed.path, scratch, checksum, params["credentials"], host)
            os.rename(scratch, action.target)
        except BaseException as error:
            files.remove(scratch)
            files.remove_empty(parents)
            if isinstance(error, OSError):
                raise files.failure(action.target, error) from error
            raise
        made.update(sha256=sha256, files=count)

        def undo() -> None:
            files.remove(action.target)
            if action.before != ABSENT:
                files.make_directory(action.target)
            files.remove_empty(parents)

        return undo

    with host.acting_as(user):
        carry_out(plan, {"unpack": unpack})
    after = parse_task(parse(host.probe(place_script(params, sweep=False))), layout.name)
    return {**made, "session_id": after.session.session_id, "status": after.session.status}


SUBJECT = SessionSnapshotSubject()
