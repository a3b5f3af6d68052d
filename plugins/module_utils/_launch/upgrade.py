# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upgrades of running sessions to the codex and the ttyd of the worker, and the way back: pure functions over one observed session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._core.errors import OptioError
from .._core.plan import Action, Plan
from .._session.limits import unenforced_limits
from .._session.record import codex_version, describe, options_of_record, terminal_of_record
from .._session.state import NOT_GIVEN, ObservedSession, Session, Worker
from .._session.terminal import plan_close, plan_open
from .plan import as_recorded, plan_resumed, recorded_values
from .spec import SessionSpec

UPGRADED = "upgraded"
#: values of ``status``: nothing to do, done or to be done, in a turn, left as it is, not running, and back on its earlier version
CURRENT, BUSY, SKIPPED, ENDED, RESTORED = "current", "busy", "skipped", "ended", "restored"
#: a restart interrupts nothing
RESTARTABLE = ("idle", "done", "failed", "limited")
#: a restart would lose it, and its text on the screen may be folded or cut
DRAFT_REASON = "its composer contains text that was not submitted"
#: once they are closed
_CLOSED: Mapping[str, Any] = {"terminal_alive": False, "watch_alive": False}


@dataclass(frozen=True)
class Upgrade:
    """What becomes of one session: the programs of before and after, by version or by path, and why it is not restarted."""

    status: str
    reason: str | None = None
    codex_before: str | None = None
    codex_after: str | None = None
    ttyd_before: str | None = None
    ttyd_after: str | None = None
    #: the composer contains text that was not submitted
    draft: bool = False

    def as_result(self) -> dict[str, Any]:
        """Return the value that the module returns."""
        return asdict(self)


def upgrade_spec(spec: SessionSpec) -> SessionSpec:
    """Return the spec of an upgrade: the recorded options, no message, and no file that the call describes."""
    codex = replace(spec.codex, prompt=None)
    return replace(spec, codex=codex, files=type(spec.files)(), auto_start=False, keep_options=True, quiet=True, adopt=False)


def plan_upgraded(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    """Return what puts a running session on the worker's codex and ttyd; a session in a turn only gets the terminal."""
    session, worker = view.session, view.worker
    upgrade = assess(view)
    result = {"drift": [], "resumed": False, "unenforced_limits": unenforced_limits(session), **recorded_values(session)}
    described = {**describe(view, session.status, terminal_of_record(session)), **result, "upgrade": upgrade.as_result()}
    if upgrade.status == UPGRADED and upgrade.codex_after:
        plan = plan_resumed(view, as_recorded(view, spec), inherited)
        return replace(plan, result={**plan.result, "upgrade": upgrade.as_result(), "version": codex_version(worker.codex)})
    return Plan(_plan_terminals(view, spec) if upgrade.ttyd_after else (), described)


def assess(view: ObservedSession) -> Upgrade:
    """Return what becomes of a session."""
    session, worker = view.session, view.worker
    if session.status != "running":
        return Upgrade(ENDED, f"it is {session.status}")
    if session.adopted:
        return Upgrade(SKIPPED, "the Python package optio-codex launched it")
    if session.unreachable or options_of_record(session) is None:
        return Upgrade(SKIPPED, "its record or its tmux server is damaged")
    running = session.record.get("codex", "")
    terminals = replace(_terminals(session, worker), draft=view.draft)
    if not worker.codex or running == worker.codex:
        return replace(terminals, codex_before=_named(running))
    reason = _obstacle(view, running)
    known = replace(terminals, codex_before=_named(running), reason=reason)
    if reason:
        # its terminal is renewed in any case
        return known if known.ttyd_after else replace(known, status=SKIPPED)
    known = replace(known, codex_after=_named(worker.codex))
    if view.activity not in RESTARTABLE:
        return replace(known, status=BUSY, reason=f"it is {view.activity}")
    if view.draft:
        return replace(known, status=BUSY, reason=DRAFT_REASON)
    return replace(known, status=UPGRADED)


def _terminals(session: Session, worker: Worker) -> Upgrade:
    programs = [session.terminal_program if session.terminal_alive else "", session.watch_program if session.watch_alive else ""]
    old = next((program for program in programs if program and worker.ttyd and program != worker.ttyd), None)
    shown = old or next(filter(None, programs), None)
    before = _named(shown) if shown else None
    return Upgrade(UPGRADED if old else CURRENT, ttyd_before=before, ttyd_after=_named(worker.ttyd) if old else None)


def _obstacle(view: ObservedSession, running: str) -> str | None:
    """Return why the codex of a session is not replaced, None if it may be."""
    session = view.session
    if codex_version(running) is None and not view.worker.codex_dir:
        return f"its codex, {running or 'which is not recorded'}, is not a release in a cache"
    if session.session_id is None and session.prompt_given != NOT_GIVEN:
        return "its conversation is archived" if session.archived_id else "its conversation is not recorded"
    return None


def _named(program: str) -> str:
    """Return the version of a program in a cache, and the path of any other."""
    directory = program.rpartition("/releases/")[2].partition("/")[0] if "/releases/" in program else ""
    ttyd = directory.removeprefix("ttyd-").rpartition("-")[0] if directory.startswith("ttyd-") else ""
    return codex_version(program) or ttyd or program


def _plan_terminals(view: ObservedSession, spec: SessionSpec) -> tuple[Action, ...]:
    terminal = terminal_of_record(view.session)
    closed = replace(view, session=replace(view.session, **_CLOSED))
    return (*plan_close(view, terminal), *plan_open(closed, terminal, spec.web_group))


def view_of_earlier(before: ObservedSession, now: ObservedSession) -> ObservedSession:
    """Return the view of ``now`` with the programs that a session had ``before`` its upgrade."""
    codex = before.session.record.get("codex") or now.worker.codex
    return replace(now, worker=replace(now.worker, codex=codex, ttyd=before.session.terminal_program or now.worker.ttyd))


def plan_restored(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    """Return what puts a session back after an upgrade that failed; ``view`` has the earlier programs."""
    if view.session.status == "running":
        return Plan(tuple(plan_open(view, terminal_of_record(view.session), spec.web_group)))
    return plan_resumed(view, as_recorded(view, spec), inherited)


def restored_error(name: str, error: OptioError, upgrade: Mapping[str, Any], second: OptioError | None) -> OptioError:
    """Return the error of an upgrade that failed; ``second`` is that of the way back, if it failed too."""
    codex = upgrade["codex_after"] is not None
    before, after = (upgrade["codex_before"], upgrade["codex_after"]) if codex else (upgrade["ttyd_before"], upgrade["ttyd_after"])
    program = "codex" if codex else "ttyd"
    cause = error.cause.removeprefix(f"session {name} did not start: ")
    subject = f"session {name}"
    if second is not None:
        text = f"{subject} did not start with {program} {after}, and could not be put back on {before}: {cause}; {second.cause}"
        return OptioError(subject, text, second.remedy, **error.details, upgrade={**upgrade, "status": "failed", "reason": cause})
    text = f"{subject} did not start with {program} {after}, and runs with {before} again: {cause}"
    details = {**error.details, "upgrade": {**upgrade, "status": RESTORED, "reason": cause}}
    return OptioError(subject, text, error.remedy, **details)
