# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox of a session in codex's arguments: a permission profile, or the mode if codex has no profiles.

The profile closes the directory of all sessions to codex's commands, except for the workdir and the home of the commands.
codex ignores a profile without a warning if an argument sets the mode of the sandbox too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .._core.errors import OptioError
from .._core.host import Host
from .._core.toml import toml_string, toml_value
from .._session.codex_options import NETWORK_SETTING, CodexOptions
from .._session.git_directory import PATTERN, WRITE, GitAccess, find_git_directory, open_git_directory
from .._session.layout import PACKAGE, RUNTIME_ROOT, WEB_ROOT, SessionPaths
from .._session.state import ObservedSession, Session

PROFILE = "optio"
DENY = "deny"
READ_ONLY, UNCONFINED = "read-only", "danger-full-access"
ON_REQUEST = "on-request"
#: with the network, a command could have a program run outside of the sandbox by a server that listens here
SOCKETS = (RUNTIME_ROOT, WEB_ROOT, "/run/user", "/run/dbus", "/run/systemd/private")
#: the line of the record
RECORD_LINE = "permission_profile"
#: the option of ``codex sandbox`` that applies a profile; it has been renamed once
_HAS_PROFILES = re.compile(r"--permissions?-profile\b")
#: seconds that codex gets to print its help
_TIMEOUT = 15.0


@dataclass(frozen=True)
class SandboxAccess:
    """Facts of the worker that a profile depends on."""

    has_profiles: bool = True
    #: access by path of the git directory
    git: Mapping[str, str] = field(default_factory=dict)
    #: the directories of other sessions, and those of SOCKETS, that exist
    others: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    #: removes the files that were created to close them
    undo: Callable[[], None] = lambda: None


def sandbox_arguments(codex: CodexOptions, layout: SessionPaths, access: SandboxAccess) -> list[str]:
    """Return codex's arguments for the sandbox."""
    if not has_profile(codex, layout, access):
        return _mode_arguments(codex, layout)
    entries = [f"{toml_string(path)} = {toml_string(right)}" for path, right in profile_entries(codex, layout, access).items()]
    base = ":read-only" if codex.sandbox == READ_ONLY else ":workspace"
    network = ", network = {enabled = true}" if codex.has_network and codex.sandbox != READ_ONLY else ""
    profile = f"{{extends = {toml_string(base)}, filesystem = {{{', '.join(entries)}}}{network}}}"
    return ["-c", f"default_permissions={toml_string(PROFILE)}", "-c", f"permissions.{PROFILE}={profile}"]


def has_profile(codex: CodexOptions, layout: SessionPaths, access: SandboxAccess | None = None) -> bool:
    """Return whether a permission profile applies to the commands of a launch."""
    access = access or SandboxAccess()
    return codex.sandbox != UNCONFINED and access.has_profiles and not _pattern_in(profile_entries(codex, layout, access))


def profile_entries(codex: CodexOptions, layout: SessionPaths, access: SandboxAccess) -> dict[str, str]:
    """Return the access of codex's commands by path; everything else is as in the mode of the sandbox."""
    root = os.path.dirname(layout.task)
    closed, writable = [root], [layout.agent]
    if _keeps_root_open(codex, layout):
        # no pattern for the sessions of later: codex 0.169.0 runs no command if one matches below a closed directory
        closed = [layout.home, layout.environment, *access.others]
    if codex.sandbox != READ_ONLY:
        writable += [*([layout.workdir] if _is_inside(layout) else []), *codex.writable_roots]
    if layout.origin == PACKAGE:
        closed.append(layout.home)
    git = {path: right for path, right in access.git.items() if path not in writable}
    return {**dict.fromkeys([*closed, *access.sockets], DENY), **git, **dict.fromkeys(writable, WRITE)}


def _is_inside(layout: SessionPaths) -> bool:
    return f"{layout.workdir}/".startswith(f"{os.path.dirname(layout.task)}/")


def _keeps_root_open(codex: CodexOptions, layout: SessionPaths) -> bool:
    """Return whether the directory of all sessions cannot be closed.

    codex opens nothing below it for reading only, and nothing for a command that a user has approved.
    """
    return codex.approval_policy == ON_REQUEST or (codex.sandbox == READ_ONLY and _is_inside(layout))


def _pattern_in(entries: Mapping[str, str]) -> str | None:
    return next((path for path in entries if PATTERN.search(path)), None)


def _mode_arguments(codex: CodexOptions, layout: SessionPaths) -> list[str]:
    arguments = ["--sandbox", codex.sandbox]
    if codex.sandbox not in (READ_ONLY, UNCONFINED):
        roots = list(dict.fromkeys((layout.agent, *codex.writable_roots)))
        arguments += ["-c", f"sandbox_workspace_write.writable_roots={toml_value(roots)}"]
        if codex.has_network:
            arguments += ["-c", NETWORK_SETTING]
    return arguments


def find_access(host: Host, view: ObservedSession, codex: CodexOptions) -> SandboxAccess:
    """Return the facts that the profile of a launch depends on; warn if there cannot be a profile.

    Raises OptioError for ``git_writable`` without a git directory that the session may open.
    """
    if codex.sandbox == UNCONFINED:
        return SandboxAccess()
    layout = view.layout
    environment = {"PATH": view.worker.path or "/usr/bin:/bin", "HOME": layout.home, "CODEX_HOME": layout.codex_home}
    done = host.run([view.worker.codex, "sandbox", "--help"], environment=environment, cwd="/", timeout=_TIMEOUT)
    others = _others(layout) if _keeps_root_open(codex, layout) else ()
    # bwrap runs no command that a user has approved if it cannot create a path that is to be closed
    sockets = tuple(path for path in SOCKETS if os.path.lexists(path))
    access = SandboxAccess(bool(_HAS_PROFILES.search(done.stdout)), others=others, sockets=sockets)
    pattern = _pattern_in(profile_entries(codex, layout, access))
    obstacle = f"{pattern} contains '*', '?', '[' or ']'" if pattern else None
    if not access.has_profiles:
        obstacle = f"codex {view.worker.codex} has no permission profiles"
    opens_git = codex.git_writable and codex.sandbox != READ_ONLY
    if obstacle and opens_git:
        remedy = "Use paths without these characters" if pattern else "Install a newer codex"
        cause = f"session {layout.name} cannot have git_writable, because {obstacle}"
        raise OptioError(f"session {layout.name}", cause, f"{remedy}, or omit git_writable")
    if obstacle:
        host.warn(f"session {layout.name}: codex's commands can read the session's credential, because {obstacle}")
    if not opens_git:
        return access
    # a workdir that the session created is not part of a repository around it
    git: GitAccess = open_git_directory(find_git_directory(layout.workdir, layout.workdir != f"{layout.task}/workdir"))
    return replace(access, git=git.entries, undo=git.undo)


def _others(layout: SessionPaths) -> tuple[str, ...]:
    """Return the directory of the session's events, and those of other sessions, except for the directory of the workdir."""
    try:
        with os.scandir(os.path.dirname(layout.task)) as entries:
            paths = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return ()
    paths = [path for path in paths if path != layout.task and not f"{layout.workdir}/".startswith(f"{path}/")]
    # it has the token of the webhook
    return (*([layout.events] if os.path.isdir(layout.events) else []), *paths)


def recorded_profile(session: Session) -> bool:
    """Return whether a permission profile applies to the session's commands, by its record."""
    return session.record.get(RECORD_LINE) == "1"
