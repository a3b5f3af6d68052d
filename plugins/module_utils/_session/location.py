# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a session is, by the options of a module, and the probe that looks there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OptioError
from .._core.paths import validate_name, validate_path
from .._core.resource import Params
from .probe import Entry, MoreFacts, entries_by_user, task_script, task_variables, tasks_script
from .state import ObservedSession

PLACE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"type": "str", "required": True},
    "user": {"type": "str"},
    "sessions_dir": {"type": "str"},
    "workdir": {"type": "str"},
}


@dataclass(frozen=True)
class Location:
    """Where a session and its programs are, as the options specify it; None stands for the default."""

    name: str
    user: str | None = None
    sessions_dir: str | None = None
    workdir: str | None = None
    codex_dir: str | None = None
    ttyd_dir: str | None = None
    #: a repository is cloned into the workdir, which is then the project's
    clones: bool = False

    @classmethod
    def from_params(cls, params: Params) -> Location:
        """Return the location that a module's options specify; an empty string counts as unset."""
        options = ("user", "sessions_dir", "workdir", "codex_dir", "ttyd_dir")
        clones = bool((params.get("repository") or {}).get("url"))
        return cls(params["name"], **{option: params.get(option) or None for option in options}, clones=clones)


def validate_location(location: Location) -> None:
    """Raise OptioError for a name or a path that no worker could take."""
    validate_name(location.name)
    for option in ("sessions_dir", "workdir", "codex_dir", "ttyd_dir"):
        validate_path(option, getattr(location, option))
    for option in ("sessions_dir", "workdir"):
        path = getattr(location, option) or "~"
        if not path.strip("/") or ".." in path.split("/"):
            cause = f"{option} {path} must not be / or contain '..'"
            raise OptioError(f"{option} {path}", cause, f"Set {option} to a directory of its own")
    if ":" in (location.sessions_dir or ""):
        subject = f"sessions_dir {location.sessions_dir}"
        raise OptioError(subject, f"{subject} must not contain a colon", "Set sessions_dir to another directory")


def location_script(location: Location, *, sweep: bool | str, web_group: str | None = None, more: MoreFacts | None = None) -> str:
    """Return the probe of the session at a location."""
    return task_script(location.name, **_places(location), user=location.user, sweep=sweep, web_group=web_group, more=more)


def location_script_many(
    entries: Sequence[Entry],
    user_of: Callable[[Entry], str | None],
    variables_of: Callable[[Entry], Mapping[str, str]],
    functions: str = "",
) -> str:
    """Return one probe of the sessions of the entries: the functions and the facts of the worker once for each user."""
    scripts = []
    for user, own in entries_by_user(entries, user_of):
        script = tasks_script([variables_of(entry) for entry in own], user, functions)
        scripts.append(f"(\n{script})\n")
    return "".join(scripts)


def location_variables(
    location: Location, *, sweep: bool | str, web_group: str | None = None, more: MoreFacts | None = None
) -> dict[str, str]:
    """Return the shell variables that specify a session to its probe."""
    return task_variables(location.name, **_places(location), sweep=sweep, web_group=web_group, more=more)


def _places(location: Location) -> dict[str, str | None]:
    return {
        **{"root": location.sessions_dir, "workdir": location.workdir, "codex_dir": location.codex_dir, "ttyd_dir": location.ttyd_dir},
        "repository": "1" if location.clones else "",
    }


def refuse_foreign(view: ObservedSession) -> None:
    """Raise OptioError when something else is where the task's files belong."""
    seen, layout = view.workspace, view.layout
    if seen.task_kind == "other":
        raise OptioError(layout.task, f"{layout.task} is not a directory", "Move it away, or choose another name or sessions_dir")
    if seen.task_foreign:
        cause = f"{layout.task} belongs to another user"
        raise OptioError(layout.task, cause, "Choose another name or sessions_dir, or set user to its owner")
    if seen.workdir_kind == "other":
        cause = f"{layout.workdir} is not a directory"
        raise OptioError(layout.workdir, cause, "Set workdir to a directory, or to a path that does not exist yet")
    if seen.home_kind == "other":
        cause = f"{layout.home} is not a directory"
        raise OptioError(layout.home, cause, "Move it away, because it is the session's home")
