# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's files: its workdir, the isolated home inside it, its link to codex, its instructions and configuration."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from .._core import files
from .._codex.config import base_config
from .._core.errors import OptioError
from .._core.host import Host
from .agents_md import MARK, agents_text
from .layout import TaskLayout, check_name, check_path
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.executor import FILE_HANDLERS, FileText, Undo, carry_out
from .._core.resource import Params, Specification, Subject
from .lock import task_lock
from .probe import TaskView, parse_task, task_script, task_variables
from .probe import Workspace as Files

#: what a task adds to a repository, kept out of its ``git status``
OWN_PATHS = ("/home/", "/AGENTS.md", "/optio.log", "/optio.log.old", "/resume.log")
CLONE_TIMEOUT = 900
#: a password in a URL, or a token in a user's place
_GIT_PASSWORD = re.compile(r"//[^/@\s]*:[^/@\s]*@|(?:(?<=https:)|(?<=http:))//[^/@\s]+@")

PLACE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "user": {"type": "str"},
    "root": {"type": "str"},
    "workdir": {"type": "str"},
}
CONTENT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "codex_dir": {"type": "str"},
    "instructions": {"type": "str"},
    "protocol": {"type": "bool", "default": True},
    "config": {"type": "dict", "default": {}},
    "repository": {
        "type": "dict",
        "options": {"url": {"type": "str", "required": True}, "version": {"type": "str"}},
    },
}


@dataclass(frozen=True)
class WorkspaceWish:
    """What a task's files shall be. ``instructions`` None leaves AGENTS.md alone."""

    instructions: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    repository_url: str | None = None
    repository_version: str | None = None

    @classmethod
    def of(cls, params: Params) -> WorkspaceWish:
        """Return the wish that a module's options make."""
        repository = params.get("repository") or {}
        # an unset AWX survey answer arrives as ''
        instructions = params.get("instructions") or None
        return cls(
            instructions=None if instructions is None else agents_text(instructions, params["protocol"]),
            config=params.get("config") or {},
            repository_url=repository.get("url") or None,
            repository_version=repository.get("version") or None,
        )


def check_place(params: Params) -> None:
    """Raise OptioError for a name or a path that no worker could take."""
    check_name(params["name"])
    for option in ("root", "workdir", "codex_dir", "ttyd"):
        check_path(option, params.get(option) or None)
    for option in ("root", "workdir"):
        path = params.get(option) or "~"
        if not path.strip("/") or ".." in path.split("/"):
            raise OptioError(f"{option} {path}", "leads to the top or back", "Give a directory of its own, without '..'")
    version = (params.get("repository") or {}).get("version") or ""
    if version.startswith("-"):
        raise OptioError(f"repository version {version}", "would be taken for an option", "Give a branch, tag or commit")
    if ":" in (params.get("root") or ""):
        raise OptioError(f"root {params['root']}", "holds a colon, which marks the end of a task's tag", "Choose another")


def place_script(params: Params, *, sweep: bool) -> str:
    """Return the probe of the task that a module's options name."""
    return task_script(params["name"], **_places(params), user=params.get("user") or None, sweep=sweep)


def place_variables(params: Params, *, sweep: bool) -> dict[str, str]:
    """Return the shell variables that say which task a module's options name."""
    return task_variables(params["name"], **_places(params), sweep=sweep)


def _places(params: Params) -> dict[str, str | None]:
    places = {option: params.get(option) or None for option in ("root", "workdir", "codex_dir", "ttyd")}
    return {**places, "web_group": (params.get("terminal") or {}).get("group")}


def refuse_foreign(view: TaskView) -> None:
    """Raise OptioError when something else is where the task's files belong."""
    seen, layout = view.workspace, view.layout
    if seen.task_kind == "other":
        raise OptioError(layout.task, "is not a directory", "Move it away, or choose another name or root")
    if seen.task_foreign:
        raise OptioError(layout.task, "belongs to another user", "Choose another name or root, or set user to its owner")
    if seen.workdir_kind == "other":
        raise OptioError(layout.workdir, "is not a directory", "Give workdir a directory, existing or to be made")
    if seen.home_kind == "other":
        raise OptioError(layout.home, "is not a directory", "Move it away: codex keeps the session's home there")


def own_home(layout: TaskLayout) -> OptioError:
    """Return the error for a project that has a directory where the session's home belongs."""
    return OptioError(
        layout.home,
        "is the project's own, and codex keeps the session's home there",
        "Choose another workdir, or move that directory",
    )


def plan_files(view: TaskView, wish: WorkspaceWish) -> list[Action]:
    """Return what makes a task's files as wished; purely."""
    refuse_foreign(view)
    seen, layout = view.workspace, view.layout
    if seen.home_foreign:
        raise own_home(layout)
    actions = []
    if seen.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    clone = _plan_clone(seen, layout, wish)
    if clone:
        actions.append(clone)
    elif seen.workdir_kind == "absent":
        actions.append(Action("create", layout.workdir, after="directory 0700"))
    if seen.home_kind == "absent" or not seen.home_complete:
        actions.append(Action("create", layout.home, after="isolated home", payload=layout.directories()))
    if seen.is_repository or clone:
        actions.extend(_plan_exclude(seen, layout))
    if seen.link != (view.worker.codex or None) or seen.link is None:
        after = f"link to {view.worker.codex or 'codex, which is not installed yet'}"
        before = f"link to {seen.link}" if seen.link else "absent"
        actions.append(Action("link", layout.codex_link, before, after, payload=view.worker.codex))
    actions.extend(_plan_instructions(seen, layout, wish))
    if seen.config_kind == "absent":
        # codex rewrites this file itself, so it is made once and never compared
        text = FileText(base_config(wish.config))
        actions.append(Action("write", layout.config, after="codex configuration", payload=text))
    return actions


def _plan_clone(seen: Files, layout: TaskLayout, wish: WorkspaceWish) -> Action | None:
    if not wish.repository_url or seen.is_repository:
        return None
    if seen.workdir_kind == "directory" and seen.workdir_filled:
        raise OptioError(
            layout.workdir,
            "is not empty and holds no git repository to go on with",
            "Give another workdir, empty this one, or leave repository out",
        )
    shown = _GIT_PASSWORD.sub("//***@", wish.repository_url)
    version = wish.repository_version
    after = f"clone of {shown}{f' at {version}' if version else ''}"
    return Action("clone", layout.workdir, seen.workdir_kind, after, payload=(wish.repository_url, version))


def _plan_exclude(seen: Files, layout: TaskLayout) -> list[Action]:
    missing = [path for path in OWN_PATHS if path not in seen.exclude]
    if not missing:
        return []
    before = "".join(f"{line}\n" for line in seen.exclude)
    after = before + "".join(f"{path}\n" for path in missing)
    target = f"{layout.workdir}/.git/info/exclude"
    # a fresh clone brings a file of its own that nobody has seen yet: only lines are added to it
    return [Action("exclude", target, before or "absent", after, payload=tuple(missing))]


def _plan_instructions(seen: Files, layout: TaskLayout, wish: WorkspaceWish) -> list[Action]:
    if wish.instructions is None or seen.instructions == wish.instructions:
        return []
    _refuse_own_instructions(layout, seen.instructions)
    before = seen.instructions if seen.instructions is not None else "absent"
    return [Action("write", layout.instructions, before, wish.instructions, FileText(wish.instructions))]


def _refuse_own_instructions(layout: TaskLayout, present: str | None) -> None:
    if present is not None and not present.startswith(MARK):
        raise OptioError(
            layout.instructions,
            "is the project's own and would be overwritten",
            "Leave instructions out and give the task as prompt, or choose another workdir",
        )


def missing_programs(view: TaskView, wish: WorkspaceWish) -> list[OptioError]:
    """Return an error for each program that a task's files need and the worker lacks."""
    errors = []
    if not view.worker.codex:
        caches = f"the caches of user {view.worker.user} and of the system"
        where = f"{view.worker.codex_dir}/codex" if view.worker.codex_dir else caches
        remedy = "Run optio.codex.provision (or codex_release) as that user or with scope: system, or set codex_dir"
        errors.append(OptioError("codex", f"no executable in {where}", remedy))
    if wish.repository_url and not view.workspace.is_repository and not view.worker.git:
        errors.append(OptioError("git", "is not on the worker's PATH", "Install the package git"))
    return errors


def plan_removal(view: TaskView, owned_workdir: bool) -> list[Action]:
    """Return what removes a task's files: the whole workdir where the task made it, else only what it put there."""
    refuse_foreign(view)
    seen, layout = view.workspace, view.layout
    actions = []
    if seen.workdir_kind == "directory":
        if owned_workdir:
            actions.append(Action("remove", layout.workdir, "directory", "absent"))
        else:
            actions.extend(_plan_own_removal(seen, layout))
    if seen.task_kind == "directory":
        actions.append(Action("remove", layout.task, "directory", "absent"))
    return actions


def _plan_own_removal(seen: Files, layout: TaskLayout) -> list[Action]:
    actions = []
    # without a home that a session has made, neither it nor a log beside it is this task's
    ours = seen.home_kind == "directory" and not seen.home_foreign
    if ours:
        actions.append(Action("remove", layout.home, "isolated home", "absent"))
    if seen.instructions is not None and seen.instructions.startswith(MARK):
        actions.append(Action("remove", layout.instructions, seen.instructions, "absent"))
    if ours:
        actions.extend(Action("remove", path, "log", "absent") for path in layout.logs if os.path.basename(path) in seen.logs)
    if any(path in seen.exclude for path in OWN_PATHS):
        before = "".join(f"{line}\n" for line in seen.exclude)
        after = "".join(f"{line}\n" for line in seen.exclude if line not in OWN_PATHS)
        target = f"{layout.workdir}/.git/info/exclude"
        actions.append(Action("write", target, before, after, FileText(after, 0o644)))
    return actions


def file_handlers(host: Host, layout: TaskLayout) -> dict[str, Callable[[Action], Undo | None]]:
    """Return the handlers of the actions that are a task's own."""

    def clone(action: Action) -> Undo:
        url, version = action.payload
        existed = action.before != "absent"
        try:
            clone_repository(host, url, version, layout.workdir)
            if os.path.lexists(layout.home):
                raise own_home(layout)
        except OptioError:
            files.clear(layout.workdir, keep=existed)
            raise
        return lambda: files.clear(layout.workdir, keep=existed)

    def exclude(action: Action) -> Undo:
        present = files.read_text(action.target) or ""
        if present and not present.endswith("\n"):
            present += "\n"
        files.make_directory(action.target.rpartition("/")[0], 0o755)
        files.write_text(action.target, present + "".join(f"{path}\n" for path in action.payload), 0o644)
        return lambda: files.write_text(action.target, present, 0o644)

    def write(action: Action) -> Undo | None:
        if action.target == layout.instructions:
            # a fresh clone may bring one that the plan could not see
            _refuse_own_instructions(layout, files.read_text(action.target))
        return FILE_HANDLERS["write"](action)

    return {"clone": clone, "exclude": exclude, "write": write}


def clone_repository(host: Host, url: str, version: str | None, workdir: str) -> None:
    """Clone a repository, at a branch, tag or commit where one is named; never asks for a password."""
    # git prefers to ask at a terminal that nobody watches
    git = ["git", "-c", "core.askPass=true", "-c", "credential.interactive=false"]
    commands: list[Sequence[str]] = [[*git, "clone", "--quiet", "--", url, workdir]]
    if version:
        commands.append([*git, "-C", workdir, "checkout", "--quiet", version, "--"])
    for argv in commands:
        done = host.run(["env", "GIT_TERMINAL_PROMPT=0", *argv], timeout=CLONE_TIMEOUT)
        if done.rc != 0:
            raise OptioError(
                f"repository {_GIT_PASSWORD.sub('//***@', url)}",
                _GIT_PASSWORD.sub("//***@", done.message),
                "Check its url and version, and that the worker reaches it with its own credentials",
            )


class WorkspaceSubject(Subject[TaskView]):
    """The standalone module: a task's files without a session."""

    name = "workspace"
    hidden = ("config",)
    specification = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            **CONTENT_OPTIONS,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
    )

    def check(self, params: Params) -> None:
        check_place(params)
        base_config(params.get("config") or {})

    def script(self, params: Params) -> str:
        return place_script(params, sweep=False)

    def observe(self, sections: Sequence[Section], params: Params) -> TaskView:
        return parse_task(sections, params["name"])

    def plan(self, observed: TaskView, params: Params) -> Plan:
        if params["state"] == "absent":
            if observed.session.status != "absent":
                raise OptioError(
                    f"session {params['name']}",
                    f"is {observed.session.status}, and its files are in use or on record",
                    "Remove it first: optio.codex.session with state: absent",
                )
            actions = plan_removal(observed, not params.get("workdir"))
        else:
            actions = plan_files(observed, WorkspaceWish.of(params))
        layout = observed.layout
        result = {
            **{"name": layout.name, "task": layout.task, "workdir": layout.workdir, "home": layout.home},
            **{"codex_home": layout.codex_home, "path": layout.codex_link},
        }
        return Plan(tuple(actions), result)

    def preconditions(self, observed: TaskView, params: Params, plan: Plan) -> list[OptioError]:
        if params["state"] == "absent" or not plan:
            return []
        return missing_programs(observed, WorkspaceWish.of(params))

    def lock(self, observed: TaskView, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: TaskView, params: Params, host: Host) -> Mapping[str, Any]:
        with host.acting_as(params.get("user") or None):
            carry_out(plan, file_handlers(host, observed.layout))
        return {}


SUBJECT = WorkspaceSubject()
