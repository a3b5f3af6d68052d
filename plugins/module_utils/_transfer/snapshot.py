# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_snapshot``: a session's directories in one file, and a session made from such a file."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from .._core import files
from .._core.batch import BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.executor import FileText, Undo, execute
from .._core.host import Host
from .._core.paths import expand, validate_path
from .._core.plan import ABSENT, UNKNOWN, Action, Plan
from .._core.probe import parse
from .._core.resource import ArgumentSpec, Params
from .._session.codex_options import CodexOptions, launch_options
from .._session.command_line import TerminalOptions
from .._session.layout import OWN, PROJECT, SessionPaths
from .._session.location import PLACE_OPTIONS, Location, location_script, refuse_foreign, validate_location
from .._session.lock import task_lock
from .._session.probe import parse_task
from .._session.record import codex_version, record_text
from .._session.record_copy import GIVEN, RecordCopy
from .._session.state import ObservedSession, Session
from . import snapshot_archive
from .own_files import AGENTS, OwnFiles
from .snapshot_archive import FORMAT, MOST_NAMED, SnapshotManifest
from .snapshot_restore import INTERRUPTED, Restorer, home_prefix
from .snapshot_tree import AGENT_PREFIX, CREDENTIALS, HOME_PREFIX, PREFIX, Exclusions, Part, Scan, parts_of, scan, validate_exclude

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}\Z")
#: a home of commands with more directories is not an empty one
_MOST_DIRECTORIES = 1000
_CREDENTIALS_WARNING = (
    "{path}: holds the session's credentials. Keep it as secret as they are; codex's refresh token is good for one "
    "session alone, so do not run this one and its copy side by side"
)


@dataclass(frozen=True)
class SnapshotState:
    """The session and its snapshot; ``problem`` is why one of them cannot be had yet."""

    view: ObservedSession
    path: str
    #: of the session's directories, for a snapshot to be taken
    scan: Scan | None = None
    parts: tuple[Part, ...] = ()
    #: of the file that is there
    manifest: SnapshotManifest | None = None
    size: int | None = None
    sha256: str | None = None
    #: the manifest that the session was made from
    restored: str | None = None
    #: why a restore must not replace the homes that are there
    occupied: OptioError | None = None
    problem: OptioError | None = None


class SessionSnapshotResource(BatchResource[SnapshotState, Params]):
    """Observes in Python, because a session is compared by thousands of files: it has only the probe of all sessions."""

    name = "session_snapshot"
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            "path": {"type": "str", "required": True},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "include_git": {"type": "bool", "default": False},
            "include_credentials": {"type": "bool", "default": False},
            "checksum": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        }
    )
    specification = with_sessions(one)

    def validate(self, params: Params) -> None:
        validate_location(Location.from_params(params))
        validate_path("path", params["path"])
        validate_exclude(params.get("exclude") or [])
        checksum = params.get("checksum")
        if checksum and not _CHECKSUM.match(checksum):
            raise OptioError(
                "checksum", f"checksum must have the form sha256:…, got {checksum}", "Set the sha256 that state: present returned"
            )

    def observe(self, host: Host, params: Params) -> SnapshotState:
        view = parse_task(parse(host.probe(location_script(Location.from_params(params), sweep=False))), params["name"])
        path = expand(params["path"], view.worker.home)
        if params["state"] == "restored":
            return _observe_restored(view, path, params, host)
        with host.acting_as(params.get("user") or None):
            return _observe_present(view, path, params)

    def plan(self, observed: SnapshotState, params: Params) -> Plan:
        plan = _plan_restored if params["state"] == "restored" else _plan_present
        return plan(observed, params)

    def unmet_requirements(self, observed: SnapshotState, params: Params, plan: Plan) -> list[OptioError]:
        return [observed.problem] if observed.problem is not None else []

    def lock(self, observed: SnapshotState, params: Params, host: Host) -> AbstractContextManager[Any]:
        if params["state"] == "present":
            # a message or a stop need not wait for it, and the file is replaced by one rename
            return nullcontext()
        return task_lock(observed.view.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: SnapshotState, params: Params, host: Host) -> Mapping[str, Any]:
        if observed.problem is not None:
            raise observed.problem
        if params["state"] == "restored":
            return _restore(plan, observed, params, host)
        with host.acting_as(params.get("user") or None):
            return _take(observed, params, host)


def _observe_present(view: ObservedSession, path: str, params: Params) -> SnapshotState:
    workdir = view.layout.workdir
    if view.workspace.workdir_kind != "directory":
        cause = f"session {params['name']} has no workdir at {workdir}"
        problem = OptioError(f"session {params['name']}", cause, "Set the user, sessions_dir and workdir that it was launched with")
        return SnapshotState(view, path, problem=problem)
    parts = tuple(parts_of(view.layout))
    for part in parts:
        if f"{os.path.realpath(path)}/".startswith(f"{part.directory}/"):
            place = f"{part.label} of the session" if part.label else "workdir"
            raise OptioError(path, f"path {path} is in the {place}, so the snapshot would contain itself", "Set a path outside of it")
    exclusions = Exclusions(params.get("exclude") or [], params["include_git"], params["include_credentials"])
    seen = scan(parts, exclusions, OwnFiles(view.layout))
    if not os.path.lexists(path):
        return SnapshotState(view, path, seen, parts)
    try:
        manifest = snapshot_archive.read_manifest(path)
    except OptioError as error:
        if not os.path.isfile(path):
            raise
        if params["force"]:
            return SnapshotState(view, path, seen, parts)
        refused = OptioError(path, error.cause, "Set another path, or set force: true to replace it")
        return SnapshotState(view, path, seen, parts, problem=refused)
    places = {"workdir": workdir, "agent": view.layout.agent, "origin": view.layout.origin}
    same = manifest.fingerprint == seen.fingerprint and all(manifest.text(name) == value for name, value in places.items())
    sha256 = snapshot_archive.hash_file(path) if same and not params["force"] else None
    return SnapshotState(view, path, seen, parts, manifest, os.path.getsize(path), sha256)


def _observe_restored(view: ObservedSession, path: str, params: Params, host: Host) -> SnapshotState:
    with host.acting_as(params.get("user") or None):
        restored = (files.read_text(view.layout.restored_mark) or "").strip() or None
        occupied = _occupied(view)
    try:
        # it is the caller's own file, so it is read with the caller's rights
        manifest = snapshot_archive.read_manifest(path)
    except OptioError as error:
        return SnapshotState(view, path, restored=restored, problem=error, occupied=occupied)
    sha256 = snapshot_archive.hash_file(path) if restored == manifest.digest else None
    return SnapshotState(view, path, None, (), manifest, os.path.getsize(path), sha256, restored, occupied=occupied)


def _occupied(view: ObservedSession) -> OptioError | None:
    """Return why a restore must not replace the homes of a session that is not on record, None if it can."""
    layout = view.layout
    remedy = "Set another name, or remove the session's files first (optio.codex.workspace with state: absent)"
    if view.session.session_id:
        return OptioError(layout.home, f"home {layout.home} already contains the conversation {view.session.session_id}", remedy)
    for name in map(os.path.basename, CREDENTIALS):
        if os.path.lexists(f"{layout.codex_home}/{name}"):
            return OptioError(layout.home, f"home {layout.home} already contains the credential {layout.codex_home}/{name}", remedy)
    for count, (_directory, _below, names) in enumerate(os.walk(layout.agent)):
        # a launch writes the copy of the instructions again
        if set(names) - {AGENTS} or count > _MOST_DIRECTORIES:
            return OptioError(layout.agent, f"directory {layout.agent} has files of another session", remedy)
    return None


def _manifest_of(observed: SnapshotState, seen: Scan, params: Params, now: str) -> dict[str, Any]:
    view, parts = observed.view, observed.parts
    layout, session = view.layout, view.session
    return {
        "format": FORMAT,
        "created": now,
        "name": layout.name,
        "workdir": layout.workdir,
        "agent": layout.agent,
        "origin": layout.origin,
        "parts": [part.prefix for part in parts],
        "session_id": session.session_id,
        "status": session.status,
        "codex_version": codex_version(session.record.get("codex") or view.worker.codex),
        "exclude": list(params.get("exclude") or []),
        "include_git": params["include_git"],
        "credentials": params["include_credentials"],
        "excluded": seen.excluded,
        "files": seen.files,
        "bytes": seen.size,
        "fingerprint": seen.fingerprint,
    }


def _plan_present(observed: SnapshotState, params: Params) -> Plan:
    view, seen = observed.view, observed.scan
    warnings = (_CREDENTIALS_WARNING.format(path=observed.path),) if params["include_credentials"] else ()
    result = {**_described(observed), "session_id": view.session.session_id, "status": view.session.status}
    if seen is None:
        return Plan((Action("write", observed.path, ABSENT, UNKNOWN),), result)
    result.update(
        version=codex_version(view.session.record.get("codex") or view.worker.codex),
        file_count=seen.files,
        excluded=dict(sorted(seen.excluded.items())),
        skipped_files=seen.skipped[:MOST_NAMED],
        skipped_files_count=len(seen.skipped),
        changed_during_read=[],
    )
    manifest = observed.manifest
    if observed.sha256 is not None:
        return Plan((), result, warnings)
    before = ABSENT if manifest is None else _summary(manifest.text("created"), manifest.count("files"), manifest.count("bytes"))
    if manifest is None and os.path.lexists(observed.path):
        before = "another file"
    action = Action("write", observed.path, before, _summary(None, seen.files, seen.size), payload=seen)
    return Plan((action,), {**result, "size": None}, warnings)


def _summary(created: str | None, count: int, size: int) -> str:
    return f"snapshot{f' of {created}' if created else ''}: {count} files of {size} bytes"


def _described(observed: SnapshotState) -> dict[str, Any]:
    layout = observed.view.layout
    return {
        **{"name": layout.name, "path": observed.path, "session_dir": layout.task, "workdir": layout.workdir},
        **{"size": observed.size, "sha256": observed.sha256},
    }


def _plan_restored(observed: SnapshotState, params: Params) -> Plan:
    view, manifest = observed.view, observed.manifest
    session = view.session
    refuse_foreign(view)
    result: dict[str, Any] = {**_described(observed), "session_id": None, "status": "stopped"}
    warnings: tuple[str, ...] = ()
    if manifest is not None:
        result.update(session_id=manifest.session_id, version=manifest.text("codex_version"), file_count=manifest.count("files"))
        result["origin"] = {name: manifest.text(name) for name in ("name", "workdir", "status")}
        result["origin"]["created_at"] = manifest.text("created")
        if manifest.fields.get("credentials") and params["include_credentials"]:
            warnings = (_CREDENTIALS_WARNING.format(path=observed.path),)
        if observed.restored == manifest.digest and session.status != "absent":
            marks = tuple(_last_actions(view.layout)) if _lacks_marks(session) else ()
            return Plan(marks, {**result, "session_id": session.session_id, "status": session.status}, warnings)
    _refuse_restore(observed)
    return Plan(tuple(_restore_actions(observed)), result, warnings)


def _refuse_restore(observed: SnapshotState) -> None:
    """Raise OptioError if a restore would replace other files than those of an interrupted restore of the same snapshot."""
    view, manifest = observed.view, observed.manifest
    layout, session, seen = view.layout, view.session, view.workspace
    if session.status != "absent" or session.pane_foreign or session.runtime_foreign:
        raise OptioError(
            f"session {layout.name}",
            f"session {layout.name} is {session.status} and was not restored from this snapshot",
            "Set another name, or remove that session and its files first",
        )
    interrupted = manifest is not None and observed.restored == manifest.digest
    # the user's own directory can have other files
    own = layout.workdir == f"{layout.task}/workdir"
    if seen.workdir_kind == "directory" and seen.workdir_filled and not (interrupted and own):
        raise OptioError(
            layout.workdir, f"workdir {layout.workdir} is not empty", "Set another name or workdir, or remove its contents first"
        )
    if observed.occupied is not None and not interrupted:
        raise observed.occupied


def _restored_layout(layout: SessionPaths, manifest: SnapshotManifest | None) -> SessionPaths:
    """Return the paths of the restored session: a clone stays a project, also without its repository."""
    own = layout.workdir == f"{layout.task}/workdir" and (manifest is None or manifest.origin != PROJECT)
    return replace(layout, origin=OWN if own else PROJECT)


def _restore_actions(observed: SnapshotState) -> list[Action]:
    view, manifest = observed.view, observed.manifest
    seen, layout = view.workspace, _restored_layout(view.layout, manifest)
    actions = [Action("create", layout.task, after="directory 0700")] if seen.task_kind == "absent" else []
    # first, so that the remains of an interrupted restore can be replaced
    mark = FileText("" if manifest is None else f"{manifest.digest}\n")
    actions.append(Action("write", layout.restored_mark, "file 0600" if observed.restored else ABSENT, "file 0600", mark))
    home = HOME_PREFIX if manifest is None else home_prefix(manifest)
    parts = (HOME_PREFIX,) if manifest is None else manifest.parts
    before = "directory without a conversation" if seen.home_kind == "directory" else ABSENT
    for prefix, target, state in ((home, layout.home, before), (AGENT_PREFIX, layout.agent, ABSENT)):
        if prefix in parts:
            actions.append(Action("unpack", target, state, "home of the snapshot", payload=prefix))
    state = INTERRUPTED if seen.workdir_filled else "empty directory" if seen.workdir_kind == "directory" else ABSENT
    summary = UNKNOWN if manifest is None else _summary(manifest.text("created"), manifest.count("files"), manifest.count("bytes"))
    actions.append(Action("unpack", layout.workdir, state, summary, payload=PREFIX))
    # the session module then finds an ended session with a conversation to go on with, whose prompt was given
    record = record_text(replace(view, layout=layout), launch_options(CodexOptions(), TerminalOptions(), {}))
    for path, text in ((layout.stopped_mark, ""), (layout.record, record)):
        actions.append(Action("write", path, ABSENT, "file 0600", FileText(text)))
    return [*actions, *_last_actions(layout)]


def _last_actions(layout: SessionPaths) -> list[Action]:
    """Return the actions after the record is written: without a record, they would be those of a damaged session."""
    return [
        Action("write", layout.prompt_mark, ABSENT, "file 0600", FileText("")),
        Action("copy", layout.record_copy, ABSENT, "copy of the record"),
    ]


def _lacks_marks(session: Session) -> bool:
    """Return whether a restore was ended before its last actions, and the session was not launched since."""
    launched = session.status != "stopped" or session.record.get("started")
    return not launched and not (session.prompt_mark and session.prompt_copied)


def _take(observed: SnapshotState, params: Params, host: Host) -> Mapping[str, Any]:
    seen = observed.scan or Scan()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    manifest = _manifest_of(observed, seen, params, now)
    written = snapshot_archive.write(observed.path, observed.parts, seen, manifest)
    unstable = [path if path.isprintable() else ascii(path) for path in written.unstable]
    if unstable:
        more = f" and {len(unstable) - 3} more" if len(unstable) > 3 else ""
        host.warn(f"{', '.join(unstable[:3])}{more} changed or disappeared while the snapshot {observed.path} was written")
    return {
        **{"size": written.size, "sha256": written.sha256, "file_count": written.files},
        **{"changed_during_read": unstable[:MOST_NAMED], "changed_during_read_count": len(unstable)},
    }


def _restore(plan: Plan, observed: SnapshotState, params: Params, host: Host) -> Mapping[str, Any]:
    if observed.manifest is None:
        raise ValueError("a plan without a manifest has a problem")
    layout = _restored_layout(observed.view.layout, observed.manifest)
    checksum = (params.get("checksum") or "").partition(":")[2] or None
    with host.acting_as(params.get("user") or None):
        restorer = Restorer(host, observed.path, observed.manifest, layout, checksum, params["include_credentials"])

        def copy(_action: Action) -> Undo:
            return RecordCopy(host, layout).write(files.read_text(layout.record) or "", GIVEN)

        try:
            execute(plan, {"unpack": restorer.unpack, "copy": copy})
        finally:
            restorer.close()
    after = parse_task(parse(host.probe(location_script(Location.from_params(params), sweep=False))), layout.name)
    return {"sha256": restorer.sha256 or observed.sha256, "session_id": after.session.session_id, "status": after.session.status}


RESOURCE = SessionSnapshotResource()
