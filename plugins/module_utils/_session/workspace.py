# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's files: its workdir, the isolated home, its link to codex, its instructions and configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._codex.config import base_config
from .._codex.login_digest import NAME
from .._core import files
from .._core.errors import OptioError
from .._core.executor import FileText, Undo
from .._core.host import Host
from .._core.plan import Action
from .._core.resource import Params
from .agents_md import agents_text, plan_instructions, validate_instructions
from .clone import REPOSITORY_OPTIONS, Repository, clone_into, validate_repository
from .layout import PACKAGE, SessionPaths
from .location import refuse_foreign
from .login import require_copy
from .state import ObservedSession
from .state import Workspace as Files

CONTENT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "codex_dir": {"type": "str"},
    "instructions": {"type": "str"},
    "agents_md_preamble": {"type": "bool", "default": True},
    "config": {"type": "dict", "default": {}},
    "repository": {"type": "dict", "options": REPOSITORY_OPTIONS},
}


@dataclass(frozen=True)
class WorkspaceSpec:
    """The desired files of a session. ``instructions`` None leaves AGENTS.md alone."""

    instructions: str | None = None
    preamble: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    repository: Repository | None = None

    @classmethod
    def from_params(cls, params: Params) -> WorkspaceSpec:
        """Return the wish that a module's options make."""
        # an unset AWX survey answer arrives as ''
        return cls(
            instructions=params.get("instructions") or None,
            preamble=params["agents_md_preamble"],
            config=params.get("config") or {},
            repository=Repository.from_params(params),
        )

    def text(self, layout: SessionPaths) -> str | None:
        """Return the text of AGENTS.md for a session, None to leave it alone."""
        return None if self.instructions is None else agents_text(self.instructions, self.preamble, layout)


def validate_files(spec: WorkspaceSpec) -> None:
    """Raise OptioError for a repository or a configuration that no worker could take."""
    if spec.repository:
        validate_repository(spec.repository)
    base_config(spec.config)
    validate_instructions(spec.instructions)


def refuse_links(layout: SessionPaths) -> None:
    """Raise OptioError for a symbolic link in the place of a directory of the homes: the files would be written elsewhere."""
    for directory in layout.directories():
        if os.path.islink(directory):
            raise OptioError(directory, f"{directory} is a symbolic link", "Remove it, because the session's files belong there")


def plan_files(view: ObservedSession, spec: WorkspaceSpec, trusted: bool = False) -> list[Action]:
    """Return the actions that create the requested files of a session; purely.

    ``trusted`` adds the workdir to codex's configuration when that is made, which the Python package looks for.
    """
    refuse_foreign(view)
    seen, layout = view.workspace, view.layout
    actions = []
    if seen.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    clone = _plan_clone(seen, layout, spec)
    if clone:
        actions.append(clone)
    elif seen.workdir_kind == "absent":
        actions.append(Action("create", layout.workdir, after="directory 0700"))
    if seen.home_kind == "absent" or not seen.home_complete:
        actions.append(Action("create", layout.home, after="isolated home", payload=layout.directories()))
    actions.extend(plan_home_link(view))
    if seen.link != (view.worker.codex or None) or seen.link is None:
        after = f"link to {view.worker.codex or 'codex, which is not installed yet'}"
        before = f"link to {seen.link}" if seen.link else "absent"
        actions.append(Action("link", layout.codex_link, before, after, payload=view.worker.codex))
    actions.extend(plan_instructions(layout, seen, spec.text(layout)))
    if seen.config_kind == "absent":
        # codex rewrites this file itself, so it is made once and never compared
        config = dict(spec.config)
        if trusted and layout.home_link and isinstance(config.get("projects", {}), dict):
            config["projects"] = {layout.workdir: {"trust_level": "trusted"}, **config.get("projects", {})}
        actions.append(Action("write", layout.config, after="codex configuration", payload=FileText(base_config(config))))
    return actions


def plan_home_link(view: ObservedSession) -> list[Action]:
    """Return the action that links the home in a workdir of the session's own, if the link is missing or wrong."""
    seen, layout = view.workspace, view.layout
    if not layout.home_link or layout.link_blocked or seen.home_link == layout.home:
        return []
    before = f"link to {seen.home_link}" if seen.home_link else "absent"
    return [Action("link", layout.home_link, before, f"link to {layout.home}", payload=layout.home)]


def file_warnings(view: ObservedSession) -> tuple[str, ...]:
    """Return the warnings about a session's files."""
    layout = view.layout
    if not layout.link_blocked:
        return ()
    return (
        f"session {layout.name}: {layout.home_link} is not the link to the session's home, so the Python package optio-codex "
        "cannot find the session. Move it away to have the link again",
    )


def _plan_clone(seen: Files, layout: SessionPaths, spec: WorkspaceSpec) -> Action | None:
    if not spec.repository or seen.is_repository:
        return None
    if seen.workdir_kind == "directory" and seen.workdir_filled:
        raise OptioError(
            layout.workdir,
            f"{layout.workdir} is not empty and is not a git repository",
            "Set another workdir, empty this one, or omit repository",
        )
    return Action("clone", layout.workdir, seen.workdir_kind, spec.repository.describe(), payload=spec.repository)


def missing_programs(view: ObservedSession, spec: WorkspaceSpec) -> list[OptioError]:
    """Return an error for each program that a task's files need and the worker lacks."""
    errors = []
    if not view.worker.codex:
        caches = f"the caches of user {view.worker.user} and of the system"
        where = f"{view.worker.codex_dir}/codex" if view.worker.codex_dir else caches
        remedy = "Run optio.codex.provision (or codex_release) as that user or with scope: system, or set codex_dir"
        errors.append(OptioError("codex", f"codex was not found in {where}", remedy))
    if spec.repository and not view.workspace.is_repository and not view.worker.git:
        errors.append(OptioError("git", "git is not on the worker's PATH", "Install the package git"))
    return errors


def plan_removal(view: ObservedSession, discard_login: bool = False) -> list[Action]:
    """Return the actions that remove a session's files: its directory, with a workdir of its own; no other workdir.

    Raise OptioError if that would destroy the only copy of a login.
    """
    refuse_foreign(view)
    seen, layout = view.workspace, view.layout
    require_copy(view.login, layout.name, f"{layout.codex_home}/{NAME}", discard=discard_login)
    actions = []
    if layout.origin == PACKAGE:
        if seen.home_kind == "directory":
            actions.append(Action("remove", layout.home, "isolated home", "absent"))
        actions.extend(Action("remove", path, "log", "absent") for path in layout.logs if os.path.basename(path) in seen.logs)
    if seen.task_kind == "directory":
        actions.append(Action("remove", layout.task, "directory", "absent"))
    return actions


def file_handlers(host: Host, layout: SessionPaths) -> dict[str, Callable[[Action], Undo | None]]:
    """Return the handlers of the actions that are a task's own."""

    def clone(action: Action) -> Undo:
        existed = action.before != "absent"
        clone_into(host, action.payload, layout.workdir, layout.name)
        return lambda: files.clear(layout.workdir, keep=existed)

    def publish(action: Action) -> Undo | None:
        # the agent can write there: a link in the file's place is replaced, and never followed
        content: FileText = action.payload
        try:
            files.write_text(action.target, content.text, content.mode, follow=False)
        except OptioError as error:
            if action.target != layout.instructions_copy:
                raise
            host.warn(f"session {layout.name}: the agent's commands cannot read the instructions: {error}")
            return None
        return (lambda: files.remove(action.target)) if action.before == "absent" else None

    return {"clone": clone, "publish": publish}
