# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_wait``: one call that ends when sessions have come to a state, or at its time-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.controller_link import Caller
from .._core.errors import OptioError, UnknownObservation
from .._core.host import Host
from .._session.layout import check_name, check_path
from .._core.plan import Action, Plan
from .._core.probe import Section, parse
from .session_list import list_script, parse_sessions
from .change_detector import Signs
from .._core.resource import Params, Specification, Subject

Entry = dict[str, Any]

#: seconds between two looks at the signs of a session, which cost next to nothing
POLL = 0.1
#: seconds after which everything is looked at again whatever the signs say: soon after one, because the screen and
#: the files do not change at the same moment, then ever more seldom
SOON, HEARTBEAT = 0.2, 10.0
#: answers in a row that are not understood before the wait gives up: a session may be changed while it is looked at
PATIENCE = 5
STATES = ("idle", "done", "exited", "turn", "waiting")


@dataclass(frozen=True)
class Wish:
    """What is waited for: ``any`` of the states, of ``every`` session or of one."""

    names: tuple[str, ...]
    states: tuple[str, ...]
    every: bool

    @classmethod
    def of(cls, params: Params) -> Wish:
        """Return the wish that a module's options make."""
        names = tuple(dict.fromkeys(name for name in params["name"] if name))
        return cls(names, tuple(params["state"]), params["mode"] == "all")


def is_met(entry: Entry, states: Sequence[str], first: Entry) -> bool:
    """Return whether a session is in one of the states; a turn counts that was not over at the ``first`` look."""
    activity, running = entry["activity"], entry["status"] == "running"
    ended = entry["turns_ended"] or 0
    before = first["turns_ended"] or 0 if entry["session_id"] == first["session_id"] else 0
    holds = {
        "idle": running and activity in ("idle", "done", "failed"),
        "done": activity == "done",
        "exited": not running,
        "turn": ended > before,
        "waiting": activity == "waiting",
    }
    return any(holds[state] for state in states)


def is_hopeless(entry: Entry, states: Sequence[str]) -> bool:
    """Return whether a session will not come to any of the states by itself."""
    return entry["status"] != "running" or (entry["activity"] == "failed" and list(states) == ["done"])


@dataclass(frozen=True)
class Standing:
    """How far a wait is: each session's entry, with ``met``, and those that can no longer get there."""

    entries: tuple[Entry, ...]
    hopeless: tuple[Entry, ...]
    every: bool

    @property
    def met(self) -> bool:
        """Whether the wait has what it was for."""
        met = [entry["met"] for entry in self.entries]
        return all(met) if self.every else any(met)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.met or all(entry["met"] or entry in self.hopeless for entry in self.entries)

    def result(self, elapsed: float) -> dict[str, Any]:
        """Return what the module returns."""
        return {"met": self.met, "elapsed": round(elapsed, 2), "sessions": list(self.entries)}


def standing(entries: Sequence[Entry], firsts: Sequence[Entry], wish: Wish) -> Standing:
    """Return how far the wait is, given what is seen now and what was seen first."""
    marked = tuple({**entry, "met": is_met(entry, wish.states, first)} for entry, first in zip(entries, firsts))
    hopeless = tuple(entry for entry in marked if not entry["met"] and is_hopeless(entry, wish.states))
    return Standing(marked, hopeless, wish.every)


def how(entry: Entry) -> str:
    """Return in words how a session is."""
    if entry["status"] == "running":
        error = f" ({entry['error']})" if entry["activity"] == "failed" and entry["error"] else ""
        return f"{entry['name']} is {entry['activity']}{error}"
    status = "" if entry["exit_status"] is None else f", exit status {entry['exit_status']}"
    return f"{entry['name']} does not run any more ({entry['status']}{status})"


class SessionWaitSubject(Subject["list[Entry]"]):
    """A wait changes nothing; where the sessions are in their state already the probe is the whole of it."""

    name = "session_wait"
    specification = Specification(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True, "aliases": ["names"]},
            "user": {"type": "str"},
            "root": {"type": "str"},
            "state": {"type": "list", "elements": "str", "choices": list(STATES), "default": ["idle"]},
            "mode": {"type": "str", "choices": ["all", "any"], "default": "all"},
            "timeout": {"type": "float", "default": 300.0},
        }
    )

    def check(self, params: Params) -> None:
        names = Wish.of(params).names
        if not names:
            raise OptioError("name", "is empty, so there is nothing to wait for", "Name one session or several")
        for name in names:
            check_name(name)
        check_path("root", params.get("root") or None)
        if not params["state"]:
            raise OptioError("state", "is empty, so there is nothing to wait for", f"Choose from {', '.join(STATES)}")
        # not a number compares as nothing at all
        if not params["timeout"] >= 0:
            raise OptioError(f"timeout {params['timeout']}", "is no number of seconds", "Give 0 to look once, or more")

    def script(self, params: Params) -> str:
        return list_script(params, Wish.of(params).names)

    @staticmethod
    def seen(sections: Sequence[Section]) -> dict[str, Entry]:
        """Return the sessions on record by their names."""
        return {entry["name"]: entry for entry in parse_sessions(sections, with_screen=False)}

    def observe(self, sections: Sequence[Section], params: Params) -> list[Entry]:
        names = Wish.of(params).names
        seen = self.seen(sections)
        absent = [name for name in names if name not in seen]
        if absent:
            raise OptioError(
                f"session {', '.join(absent)}",
                f"is not on record in {sections[0].get('root')} of the worker",
                "Launch it first with optio.codex.session, or give the user and root that it was launched with",
            )
        return [seen[name] for name in names]

    def plan(self, observed: list[Entry], params: Params) -> Plan:
        wish = Wish.of(params)
        now = standing(observed, observed, wish)
        actions = () if now.met else (Action("wait", ", ".join(wish.names), after=" or ".join(wish.states)),)
        return Plan(actions, now.result(0.0), changes=False)

    def preconditions(self, observed: list[Entry], params: Params, plan: Plan) -> list[OptioError]:
        now = standing(observed, observed, Wish.of(params))
        return [_disappointed(now, params, 0.0)] if now.over and not now.met else []

    def apply(self, plan: Plan, observed: list[Entry], params: Params, host: Host) -> Mapping[str, Any]:
        return Wait(self, observed, params, host, Caller()).until_over()


class Wait:
    """One wait: looks at everything when a sign of any session says that it may be over."""

    def __init__(self, subject: SessionWaitSubject, first: list[Entry], params: Params, host: Host, caller: Caller) -> None:
        self._subject, self._params, self._host, self._caller = subject, params, host, caller
        self._wish = Wish.of(params)
        self._first = first
        self._last = first
        with self._acting():
            self._signs = [Signs(host, entry, self._wish.states) for entry in first]
        self._begin = host.monotonic()
        self._pause = SOON

    def _acting(self) -> Any:
        return self._host.acting_as(self._params.get("user") or None)

    @property
    def elapsed(self) -> float:
        """Seconds since the wait began."""
        return self._host.monotonic() - self._begin

    def until_over(self) -> dict[str, Any]:
        """Return the result; raise OptioError at the time-out, and when the state can no longer come."""
        while True:
            # before the look, so that what happens during it is a sign for the next
            with self._acting():
                for sign in self._signs:
                    sign.remember()
            now = standing(self._look(), self._first, self._wish)
            if now.met:
                return now.result(self.elapsed)
            if now.over:
                raise _disappointed(now, self._params, self.elapsed)
            if self.elapsed >= self._params["timeout"]:
                raise _timed_out(now, self._params, self.elapsed)
            self._doze(now)

    def _doze(self, now: Standing) -> None:
        """Return when a session may have changed, after a pause without a sign, and at the time-out."""
        end = min(self.elapsed + self._pause, self._params["timeout"])
        pending = [(sign, entry["activity"] == "starting") for sign, entry in zip(self._signs, now.entries) if not entry["met"]]
        while self.elapsed < end:
            self._host.sleep(POLL)
            if self._caller.is_gone():
                raise OptioError(
                    "the wait", "is over, because nobody is there any more to be told", "Run it again", **now.result(self.elapsed)
                )
            with self._acting():
                if any(sign.stirs(starting) for sign, starting in pending):
                    self._pause = SOON
                    return
        self._pause = min(self._pause * 2, HEARTBEAT)

    def _look(self) -> list[Entry]:
        for attempt in range(PATIENCE):
            try:
                seen = self._subject.seen(parse(self._host.probe(self._subject.script(self._params))))
                # one that was removed meanwhile has ended, and is shown as it was
                gone = {"status": "absent", "activity": None, "pid": None}
                self._last = [seen.get(entry["name"]) or {**entry, **gone} for entry in self._last]
                break
            except UnknownObservation:
                if attempt == PATIENCE - 1:
                    raise
                self._host.sleep(POLL)
        return self._last


def _unmet(now: Standing) -> str:
    return "; ".join(how(entry) for entry in now.entries if not entry["met"])


def _subject_of(params: Params) -> str:
    return f"session {', '.join(Wish.of(params).names)}"


def _disappointed(now: Standing, params: Params, elapsed: float) -> OptioError:
    return OptioError(
        _subject_of(params),
        f"will not be {' or '.join(params['state'])} by itself: {_unmet(now)}",
        "See optio.codex.session_info for its last message and its error, then resume it or give it a message",
        **now.result(elapsed),
        timed_out=False,
    )


def _timed_out(now: Standing, params: Params, elapsed: float) -> OptioError:
    return OptioError(
        _subject_of(params),
        f"is not {' or '.join(params['state'])} after {params['timeout']:g} s: {_unmet(now)}",
        "Raise timeout, or look at the session in its terminal",
        **now.result(elapsed),
        timed_out=True,
    )


SUBJECT = SessionWaitSubject()
