# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_wait``: waits until sessions reach a state, or until the timeout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._codex.usage_limit import describe_usage
from .._core.controller_link import ControllerWatch
from .._core.errors import OptioError, ProbeError
from .._core.host import Host
from .._core.paths import validate_name, validate_path
from .._core.plan import Action, Plan
from .._core.probe import Section, parse
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params
from .change_detector import ChangeDetector
from .session_list import UNKNOWN, list_script, parse_sessions

Entry = dict[str, Any]

#: seconds between two cheap checks of a session's change detector
POLL = 0.1
#: seconds between two full probes without a detected change: short after a change, because the screen and the files do
#: not change at the same moment, then doubled up to the heartbeat
SOON, HEARTBEAT = 0.2, 10.0
#: consecutive malformed probe answers before the wait fails: a session may change during a probe
PATIENCE = 5
STATES = ("idle", "done", "exited", "turn", "waiting", "limited")
#: the states that a session at a usage limit can still reach without input: another user can end it
_WITHIN_LIMIT = {"exited", "limited"}


@dataclass(frozen=True)
class WaitCondition:
    """The options of a wait: any of ``states`` is enough; ``every`` session must reach one, or a single session."""

    names: tuple[str, ...]
    states: tuple[str, ...]
    every: bool
    #: seconds
    timeout: float
    user: str | None = None
    sessions_dir: str | None = None

    @classmethod
    def from_params(cls, params: Params) -> WaitCondition:
        """Return the condition that a module's options describe; raise OptioError if they specify no session."""
        option = "sessions" if params.get("name") is None else "name"
        names = params["sessions"] or [] if option == "sessions" else [params["name"]]
        unique_names = tuple(dict.fromkeys(name for name in names if name))
        if not unique_names:
            raise OptioError(option, f"{option} must not be empty", "Set name to one session, or sessions to a list of names")
        return cls(
            names=unique_names,
            states=tuple(params["state"]),
            every=params["mode"] == "all",
            timeout=params["timeout"],
            user=params.get("user") or None,
            sessions_dir=params.get("sessions_dir") or None,
        )

    @property
    def subject(self) -> str:
        """The sessions as an error names them."""
        return f"session{'s' if len(self.names) > 1 else ''} {', '.join(self.names)}"


def is_met(entry: Entry, states: Sequence[str], first: Entry) -> bool:
    """Return whether a session is in one of the states; ``turn`` counts turns that ended after the ``first`` probe."""
    if entry["status"] == UNKNOWN:
        return False
    activity, running = entry["activity"], entry["status"] == "running"
    ended = entry["turns_ended"] or 0
    before = first["turns_ended"] or 0 if entry["session_id"] == first["session_id"] else 0
    holds = {
        "idle": running and activity in ("idle", "done", "failed"),
        "done": activity == "done",
        "exited": not running,
        "turn": ended > before,
        "waiting": activity == "waiting",
        "limited": activity == "limited",
    }
    return any(holds[state] for state in states)


def is_unreachable(entry: Entry, states: Sequence[str]) -> bool:
    """Return whether a session cannot reach any of the states by itself."""
    if entry["status"] != "running":
        # the next look may succeed
        return bool(entry["status"] != UNKNOWN)
    if entry["activity"] == "limited":
        return not _WITHIN_LIMIT & set(states)
    return entry["activity"] == "failed" and list(states) == ["done"]


@dataclass(frozen=True)
class WaitProgress:
    """The state of a wait: each session's entry, with ``condition_met``, and the entries that cannot reach it any more."""

    entries: tuple[Entry, ...]
    unreachable: tuple[Entry, ...]
    every: bool

    @property
    def met(self) -> bool:
        """Whether the condition is met."""
        met = [entry["condition_met"] for entry in self.entries]
        return all(met) if self.every else any(met)

    @property
    def over(self) -> bool:
        """Whether no session can change the outcome any more."""
        return self.met or all(entry["condition_met"] or entry in self.unreachable for entry in self.entries)

    def result(self, elapsed: float) -> dict[str, Any]:
        """Return the module's result; ``elapsed`` is in seconds."""
        return {"condition_met": self.met, "elapsed": round(elapsed, 2), "sessions": list(self.entries)}


def evaluate(entries: Sequence[Entry], firsts: Sequence[Entry], condition: WaitCondition) -> WaitProgress:
    """Return the progress of a wait, from the current entries and those of the first probe."""
    marked = tuple({**entry, "condition_met": is_met(entry, condition.states, first)} for entry, first in zip(entries, firsts))
    unreachable = tuple(entry for entry in marked if not entry["condition_met"] and is_unreachable(entry, condition.states))
    return WaitProgress(marked, unreachable, condition.every)


def describe_status(entry: Entry, states: Sequence[str]) -> str:
    """Return a clause with the status of a session that is not in one of the states."""
    if entry["status"] == UNKNOWN:
        return f"{entry['name']} could not be examined"
    if entry["status"] == "running":
        reason = {
            "limited": describe_usage(entry["usage_limit"]) if entry["usage_limit"] else entry["error"],
            "failed": entry["error"],
        }.get(entry["activity"] or "")
        return f"{entry['name']} is {entry['activity']}" + (f" ({reason})" if reason else "")
    status = "" if entry["exit_status"] is None else f", exit status {entry['exit_status']}"
    undeclared = "done" in states and entry["activity"] == "ended"
    suffix = " and ended without declaring its task done" if undeclared else ""
    return f"{entry['name']} is not running ({entry['status']}{status}){suffix}"


class SessionWaitResource(ProbedResource["list[Entry]", WaitCondition]):
    """A wait for sessions. It changes nothing; if the condition is already met, the first probe is enough."""

    name = "session_wait"
    specification = ArgumentSpec(
        argument_spec={
            "name": {"type": "str"},
            "sessions": {"type": "list", "elements": "str"},
            "user": {"type": "str"},
            "sessions_dir": {"type": "str"},
            "state": {"type": "list", "elements": "str", "choices": list(STATES), "default": ["idle"]},
            "mode": {"type": "str", "choices": ["all", "any"], "default": "all"},
            "timeout": {"type": "float", "default": 300.0},
        },
        mutually_exclusive=[["name", "sessions"]],
        required_one_of=[["name", "sessions"]],
    )

    def parse_options(self, params: Params) -> WaitCondition:
        return WaitCondition.from_params(params)

    def validate(self, condition: WaitCondition) -> None:
        for name in condition.names:
            validate_name(name)
        validate_path("sessions_dir", condition.sessions_dir)
        if not condition.states:
            raise OptioError("state", "state must not be empty", f"Choose from {', '.join(STATES)}")
        # NaN compares false
        if not condition.timeout >= 0:
            raise OptioError(
                "timeout", f"timeout must be 0 or greater, got {condition.timeout}", "Set 0 to check once, or a number of seconds"
            )

    def probe_script(self, condition: WaitCondition) -> str:
        return list_script(condition.names, user=condition.user, sessions_dir=condition.sessions_dir)

    @staticmethod
    def entries_by_name(sections: Sequence[Section]) -> dict[str, Entry]:
        """Return the recorded sessions by name."""
        return {entry["name"]: entry for entry in parse_sessions(sections, with_screen=False)}

    def parse_probe(self, sections: Sequence[Section], condition: WaitCondition) -> list[Entry]:
        entries = self.entries_by_name(sections)
        missing = [name for name in condition.names if name not in entries]
        if missing:
            subject = f"session {', '.join(missing)}"
            raise OptioError(
                subject,
                f"{subject} does not exist in {sections[0].get('root')} on the worker",
                "Launch it first with optio.codex.session, or set the user and sessions_dir that it was launched with",
            )
        return [entries[name] for name in condition.names]

    def plan(self, observed: list[Entry], condition: WaitCondition) -> Plan:
        progress = evaluate(observed, observed, condition)
        actions = () if progress.met else (Action("wait", ", ".join(condition.names), after=" or ".join(condition.states)),)
        return Plan(actions, progress.result(0.0), changes=False)

    def unmet_requirements(self, observed: list[Entry], condition: WaitCondition, plan: Plan) -> list[OptioError]:
        progress = evaluate(observed, observed, condition)
        return [_unreachable_error(progress, condition, 0.0)] if progress.over and not progress.met else []

    def apply(self, plan: Plan, observed: list[Entry], condition: WaitCondition, host: Host) -> Mapping[str, Any]:

        def probe() -> dict[str, Entry]:
            return self.entries_by_name(parse(host.probe(self.probe_script(condition))))

        return Wait(probe, observed, condition, host, ControllerWatch()).run()


class Wait:
    """One wait: probes all sessions when a change detector of one reports a change."""

    def __init__(
        self, probe: Callable[[], dict[str, Entry]], first: list[Entry], condition: WaitCondition, host: Host, controller: ControllerWatch
    ) -> None:
        self._probe, self._condition, self._host, self._controller = probe, condition, host, controller
        self._first = first
        self._last = first
        with self._acting():
            self._detectors = [ChangeDetector(host, entry, condition.states) for entry in first]
        self._begin = host.monotonic()
        self._pause = SOON

    def _acting(self) -> Any:
        return self._host.acting_as(self._condition.user)

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self._host.monotonic() - self._begin

    def run(self) -> dict[str, Any]:
        """Return the result; raise OptioError at the timeout, and when the condition cannot be met any more."""
        while True:
            # before the probe, so that a change during the probe is detected
            with self._acting():
                for detector in self._detectors:
                    detector.snapshot()
            progress = evaluate(self._observe(), self._first, self._condition)
            if progress.met:
                return progress.result(self.elapsed)
            if progress.over:
                raise _unreachable_error(progress, self._condition, self.elapsed)
            if self.elapsed >= self._condition.timeout:
                raise _timeout_error(progress, self._condition, self.elapsed)
            self._wait_for_change(progress)

    def _wait_for_change(self, progress: WaitProgress) -> None:
        """Return when a session may have changed, after a pause without a change, or at the timeout."""
        end = min(self.elapsed + self._pause, self._condition.timeout)
        entries = zip(self._detectors, progress.entries)
        pending = [(detector, entry["activity"] in ("starting", "unknown")) for detector, entry in entries if not entry["condition_met"]]
        while self.elapsed < end:
            self._host.sleep(POLL)
            if self._controller.is_gone():
                raise OptioError(
                    self._condition.subject,
                    f"the wait for {self._condition.subject} was canceled because the controller disconnected",
                    "Run it again",
                    **progress.result(self.elapsed),
                )
            with self._acting():
                if any(detector.has_changed(starting) for detector, starting in pending):
                    self._pause = SOON
                    return
        self._pause = min(self._pause * 2, HEARTBEAT)

    def _observe(self) -> list[Entry]:
        for attempt in range(PATIENCE):
            try:
                entries = self._probe()
                # a session that was removed during the wait keeps its last entry
                removed = {"status": "absent", "activity": None, "pid": None}
                self._last = [entries.get(entry["name"]) or {**entry, **removed} for entry in self._last]
                break
            except ProbeError:
                if attempt == PATIENCE - 1:
                    raise
                self._host.sleep(POLL)
        return self._last


def _describe_unmet(progress: WaitProgress, condition: WaitCondition) -> str:
    return "; ".join(describe_status(entry, condition.states) for entry in progress.entries if not entry["condition_met"])


def _remedy(progress: WaitProgress) -> str:
    if any(entry["activity"] == "limited" for entry in progress.unreachable):
        return "Send the session a message after the limit is reset, or stop it and resume it with another credential"
    return "See optio.codex.session_info for the last message and the error, then resume the session or send it a message"


def _unreachable_error(progress: WaitProgress, condition: WaitCondition, elapsed: float) -> OptioError:
    return OptioError(
        condition.subject,
        f"{condition.subject} cannot reach the state {' or '.join(condition.states)} without input: {_describe_unmet(progress, condition)}",
        _remedy(progress),
        **progress.result(elapsed),
        timed_out=False,
    )


def _timeout_error(progress: WaitProgress, condition: WaitCondition, elapsed: float) -> OptioError:
    states = " or ".join(condition.states)
    return OptioError(
        condition.subject,
        f"{condition.subject} did not reach the state {states} within {condition.timeout:g} s: {_describe_unmet(progress, condition)}",
        "Raise timeout, or look at the session in its terminal",
        **progress.result(elapsed),
        timed_out=True,
    )


RESOURCE = SessionWaitResource()
