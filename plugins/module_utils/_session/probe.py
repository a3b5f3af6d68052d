# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of a session: its scripts, and the parsers of their output."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from .._codex.requirements_probe import SHELL_POLICY
from .._codex.rollout_files import session_id_of
from .._core.errors import OptioError, ProbeError
from .._core.paths import SHELL_DIRECTORIES
from .._core.probe import CUT, Section, answers, assignments, compose
from .._core.processes import parse_stat, stat_is_alive
from .._core.resource import Params
from .layout import ORIGINS, RUNTIME_ROOT, runtime_digest, task_layout
from .login import parse_login
from .probe_files import LOOK_LIMIT
from .probe_shell import SHELL_TASK, SHELL_WORKER
from .state import ObservedSession, Pane, Session, Worker, Workspace

Parsed = TypeVar("Parsed")
#: the options of one session
Entry = TypeVar("Entry")

#: a pid, a time, a port or an exit status
_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")


#: a value of ``sweep``
ENDED = "ended"
#: variables of a session's probe with the directories of its programs
PROGRAM_PLACES = ("codex_dir", "ttyd_dir")


@dataclass(frozen=True)
class MoreFacts:
    """A look that only some tasks need: the shell function ``name`` is called last, and ``functions`` is the shell that defines it."""

    name: str
    functions: str


_PROGRAMS = """
codex_program
ttyd_program
"""
_ONE_TASK = """
task_paths
task_workdir
workspace_facts
session_facts
web_group_facts
login_facts
case $sweep in 1) leftovers ;; ended) ended_leftovers ;; esac
${more:-:}
"""


def task_script(name: str, *, user: str | None, sweep: bool | str, more: MoreFacts | None = None, **places: str | None) -> str:
    """Return the probe of one task.

    ``sweep`` also looks for every process and unit that the session left; with ``ENDED`` only if the session has ended.
    """
    variables = task_variables(name, sweep=sweep, more=more, **places)
    functions = f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_POLICY}{more.functions if more else ''}"
    return compose(f"{functions}\nworker_facts\npolicy_facts\n{watched(looking(_PROGRAMS + _ONE_TASK))}", variables, user)


def watched(body: str, seconds: int = LOOK_LIMIT) -> str:
    """Return shell that ends each of the looks in ``body`` after so many seconds."""
    return f"watch_over {seconds}\n{body}watch_off\n"


def looking(body: str) -> str:
    """Return shell that looks at one session in a process of its own, and prints it where that is ended."""
    return f"(\n{body}:\n) || cut_off\n"


def task_variables(name: str, *, sweep: bool | str, more: MoreFacts | None = None, **places: str | None) -> dict[str, str]:
    """Return the shell variables that identify a session for a probe; ``places`` are its options."""
    given = {option: places.get(option) or "" for option in ("root", "workdir", "codex_dir", "ttyd_dir", "web_group", "repository")}
    swept = sweep if isinstance(sweep, str) else str(int(sweep))
    return {"name": name, **given, "digest": runtime_digest(name), "sweep": swept, "more": more.name if more else ""}


def tasks_script(tasks: Sequence[Mapping[str, str]], user: str | None, functions: str = "") -> str:
    """Return the probe of many sessions of one user: facts of the worker, then a section ``task`` for each.

    ``functions`` is the shell of the sessions with ``MoreFacts``.
    """
    places = {tuple(variables[name] for name in PROGRAM_PLACES) for variables in tasks}
    # the programs of many sessions are nearly always the same
    common = looking(f"{assignments(dict(zip(PROGRAM_PLACES, *places)))}{_PROGRAMS}") if len(places) == 1 else ""
    body = _ONE_TASK if common else f"{_PROGRAMS}{_ONE_TASK}"
    each = "".join(f"section task\n{looking(f'{assignments(variables)}{body}')}" for variables in tasks)
    shell = f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_POLICY}{functions}"
    return compose(f"{shell}\nworker_facts\npolicy_facts\n{watched(f'{common}{each}')}", {}, user)


def sections_of_tasks(sections: Sequence[Section]) -> list[Section]:
    """Return that probe's answer as a separate probe of each session would return it."""
    worker = sections[0]
    return [
        Section("worker", {**worker.fields, **section.fields}, {**worker.lines, **section.lines}, section.problem)
        for section in sections[1:]
    ]


def refuse_incomplete(facts: Section, name: str) -> None:
    """Raise an error that names the session if the look at it was ended, or is not understood."""
    if facts.flag(CUT):
        raise OptioError(
            f"session {name}",
            f"session {name} could not be examined in time",
            "Look for a directory of the session that does not answer or has too many files (mount, df -i), then run again",
        )
    if facts.problem:
        raise ProbeError(f"session {name}: {facts.problem}")


def user_of_params(params: Params) -> str | None:
    """Return the user whose session the options specify; None is the user of the task."""
    return params.get("user") or None


def entries_by_user(entries: Sequence[Entry], user_of: Callable[[Entry], str | None]) -> list[tuple[str | None, list[Entry]]]:
    """Return the entries of each user, because one shell acts as one user; None is the user of the task."""
    grouped: dict[str | None, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(user_of(entry), []).append(entry)
    return list(grouped.items())


def parse_many(
    answer: str, entries: Sequence[Entry], user_of: Callable[[Entry], str | None], parse: Callable[[Sequence[Section], Entry], Parsed]
) -> list[Parsed]:
    """Return the parsed answer for each of ``entries``, in their order, from a probe that was composed by user."""
    found = [section for sections in answers(answer) for section in sections_of_tasks(sections)]
    probed = [entry for _user, own in entries_by_user(entries, user_of) for entry in own]
    if len(found) != len(probed):
        raise ProbeError(f"the probe answered for {len(found)} of {len(probed)} sessions")
    parsed = {id(entry): parse([section], entry) for entry, section in zip(probed, found)}
    return [parsed[id(entry)] for entry in entries]


def parse_task(sections: Sequence[Section], name: str) -> ObservedSession:
    """Return the view of one task; raise OptioError for a worker that cannot have sessions at all."""
    facts = sections[0]
    worker = parse_worker(facts)
    refuse_incomplete(facts, name)
    session = parse_session(facts)
    root, workdir = facts.get("root"), facts.get("workdir")
    if not root.startswith("/") or not workdir.startswith("/"):
        raise ProbeError(f"the task's paths are {root!r} and {workdir!r}")
    if "/" in (root, workdir):
        option = "sessions_dir" if root == "/" else "workdir"
        raise OptioError(option, f"{option} must not be /", f"Set {option} to a directory of its own")
    if facts.get("origin") not in ORIGINS:
        raise ProbeError(f"the workdir's origin is {facts.get('origin')!r}")
    layout = task_layout(name, root, workdir, worker.runtime_root, facts.get("origin"))
    _check_places(root, layout.workdir, layout.task)
    layout = replace(layout, link_blocked=facts.flag("link_blocked"))
    if session.on_record and session.runtime in (f"{RUNTIME_ROOT}/{name}", f"{root}/.run/{runtime_digest(name)}"):
        layout = replace(layout, runtime=session.runtime)
    if session.adopted and session.pane is not None:
        layout = replace(layout, adopted=True)
    return ObservedSession(worker, layout, parse_workspace(facts), session, parse_login(facts))


def _check_places(root: str, workdir: str, task: str) -> None:
    """Raise OptioError for a workdir in which the agent could write the files of sessions."""
    if workdir == f"{task}/workdir":
        return
    if f"{root}/".startswith(f"{workdir}/"):
        cause = f"workdir {workdir} contains the sessions directory {root}, so the agent could change the session's files"
        raise OptioError(f"workdir {workdir}", cause, "Set another workdir, or set sessions_dir to a directory outside of it")
    if f"{workdir}/".startswith(f"{task}/"):
        cause = f"workdir {workdir} is in the session's directory {task}"
        raise OptioError(f"workdir {workdir}", cause, "Set workdir to a directory outside of it, or omit workdir")


def parse_worker(facts: Section) -> Worker:
    """Return the worker's part of a probe's answer."""
    if facts.flag("user_missing"):
        user = f"user {facts.get('requested_user')}"
        raise OptioError(user, f"{user} does not exist on the worker", "Create the user first, or omit the option")
    if facts.flag("user_refused"):
        user = f"user {facts.get('requested_user')}"
        raise OptioError(user, f"{user} is another user, which requires root", "Set become: true for this task")
    worker = Worker(
        **{name: facts.get(name) for name in ("system", "machine", "node", "user", "home", "path")},
        privileged=facts.flag("privileged"),
        systemd=facts.flag("systemd"),
        uid=facts.number("uid") or 0,
        user_manager=facts.flag("user_manager"),
        **{name: facts.get(name) for name in ("tmux", "git", "codex", "codex_dir", "ttyd", "ttyd_dir")},
        web_group_missing=facts.flag("web_group_missing"),
        requirements=tuple(facts.lines.get("requirements", ())),
    )
    if not worker.system or not worker.user:
        raise ProbeError("the worker did not report its system and user")
    if worker.system != "Linux":
        cause = f"worker {worker.node} runs {worker.system}, and sessions require Linux"
        raise OptioError(f"worker {worker.node}", cause, "Remove it from the play's hosts")
    return worker


def parse_workspace(facts: Section) -> Workspace:
    """Return the part of a probe's answer about the session's files."""
    return Workspace(
        task_kind=facts.get("task_kind"),
        task_foreign=facts.flag("task_foreign"),
        workdir_kind=facts.get("workdir_kind"),
        workdir_filled=facts.flag("workdir_filled"),
        home_kind=facts.get("home_kind"),
        home_complete=not facts.flag("home_incomplete"),
        home_link=facts.get("home_link") or None,
        link=facts.get("link") or None,
        config_kind=facts.get("config_kind"),
        instructions=(facts.text("instructions") or "") if facts.flag("instructions") else None,
        instructions_blocked=facts.flag("instructions_blocked"),
        override=facts.flag("override"),
        pointer=facts.get("pointer_text") if facts.get("pointer") else None,
        logs=tuple(facts.lines.get("logs", ())),
        is_repository=facts.get("git_kind") in ("directory", "file"),
        project_config=facts.flag("project_config"),
    )


def parse_session(facts: Section) -> Session:
    """Return the part of a probe's answer about the session."""
    record = dict(line.partition("=")[::2] for line in facts.lines.get("record", ()))
    exit_status, ended = _numbers(facts.get("exit"), 2)
    compressed, several = session_id_of(facts.get("compressed").removesuffix(".zst")) or None, (facts.number("compressed_count") or 0) > 1
    rollout = facts.get("rollout")
    terminal_pid, started, port = _numbers(facts.get("terminal"), 3)
    watch_pid, watch_started = _numbers(facts.get("watch"), 2)
    began, watch_began = (parse_stat(facts.get(name))[1] for name in ("terminal_stat", "watch_stat"))
    # a process that differs from the record is still the session's terminal
    odd = {"terminal": began not in (None, started), "watch": watch_began not in (None, watch_started)}
    damaged = [*facts.lines.get("damaged", []), *(name for name, is_odd in odd.items() if is_odd)]
    return Session(
        record=record,
        damaged=tuple(damaged),
        runtime=facts.get("runtime"),
        runtime_kind=facts.get("runtime_kind"),
        runtime_foreign=facts.flag("runtime_foreign"),
        pane_foreign=facts.flag("pane_foreign"),
        socket_foreign=facts.flag("socket_foreign"),
        pane=_pane(facts.get("pane"), facts.get("launcher_children")),
        unreachable=facts.flag("unreachable"),
        adoptable=_pane(facts.get("adoptable"), facts.get("launcher_children")),
        exit_status=exit_status,
        ended=ended,
        stopped=facts.flag("stopped"),
        prompt_mark=facts.flag("prompt_mark"),
        prompt_copied=facts.get("prompt_copied"),
        record_copied=facts.flag("record_copied"),
        state_files=tuple(facts.lines.get("state", ())),
        terminal_pid=terminal_pid,
        terminal_alive=stat_is_alive(facts.get("terminal_stat"), began),
        terminal_socket=facts.flag("terminal_socket"),
        terminal_port=port or None,
        watch_pid=watch_pid,
        watch_alive=stat_is_alive(facts.get("watch_stat"), watch_began),
        watch_socket=facts.flag("watch_socket"),
        terminal_program=facts.get("terminal_program"),
        watch_program=facts.get("watch_program"),
        web_group=facts.get("web_group") or None,
        now=facts.number("now"),
        leftovers=tuple(sorted(int(pid) for pid in facts.lines.get("left", ()) if pid.isdigit())),
        units=tuple(facts.lines.get("unit", ())),
        session_id=session_id_of(rollout) or (compressed if not several else None),
        rollout=rollout or None,
        archived_id=session_id_of(facts.get("archived").removesuffix(".zst")) or None,
        several_compressed=several,
    )


def _pane(line: str, children: str) -> Pane | None:
    if not line:
        return None
    launcher, server, dead, in_mode, created = _numbers(line, 5)
    if server is None or launcher is None:
        raise ProbeError(f"tmux listed {line!r}")
    codex = _numbers(children, 1)[0]
    return Pane(launcher, server, bool(dead), bool(in_mode), created or 0, codex)


def _numbers(text: str, count: int) -> list[int | None]:
    """Return ``count`` numbers from a line of them, None for each that is missing or none."""
    words = text.split()
    return [int(word) if _NUMBER.match(word) else None for word in (words + [""] * count)[:count]]
