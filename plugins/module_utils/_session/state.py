# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The observed state of a session: its worker, its files, its processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .layout import RUNTIME_ROOT, SessionPaths
from .login import Login

#: whether codex was given the session's prompt; unknown if a launch ended before its conversation began
GIVEN, NOT_GIVEN, UNKNOWN_PROMPT = "yes", "no", "unknown"


@dataclass(frozen=True)
class Worker:
    """The facts of a worker that sessions need. A missing program is the empty string."""

    system: str
    machine: str
    node: str
    user: str
    home: str
    path: str
    privileged: bool
    systemd: bool
    uid: int = 0
    #: whether the user has a systemd of its own that runs
    user_manager: bool = False
    tmux: str = ""
    git: str = ""
    codex: str = ""
    codex_dir: str = ""
    ttyd: str = ""
    ttyd_dir: str = ""
    #: the group terminal.group does not exist
    web_group_missing: bool = False
    #: lines of the policy that the worker's owner enforces
    requirements: tuple[str, ...] = ()

    @property
    def runtime_root(self) -> str | None:
        """The directory of all sessions' sockets, None where each user's own data directory holds them."""
        return RUNTIME_ROOT if self.privileged else None


@dataclass(frozen=True)
class Workspace:
    """The files of a session. A kind is ``absent``, ``directory`` or ``other``."""

    task_kind: str = "absent"
    task_foreign: bool = False
    workdir_kind: str = "absent"
    workdir_filled: bool = False
    home_kind: str = "absent"
    #: the homes of codex and of its commands have all their directories
    home_complete: bool = False
    #: the target of the link to the home, in a workdir of the session's own making; None if there is none
    home_link: str | None = None
    link: str | None = None
    config_kind: str = "absent"
    #: the text of the instructions that codex loads, None without a file
    instructions: str | None = None
    #: something that is not a file is in their place
    instructions_blocked: bool = False
    #: a file in the same directory that hides them
    override: bool = False
    #: the first line of AGENTS.md in a workdir of the session's own making; the empty string for anything but a file
    pointer: str | None = None
    #: the names of the logs that are there
    logs: tuple[str, ...] = ()
    is_repository: bool = False
    #: the project has settings for codex, and which ones; a shell cannot parse them
    project_config: bool = False
    project: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class Pane:
    """The one pane of a live session: pids of the launcher, of the tmux server, and of codex."""

    launcher: int
    server: int
    dead: bool
    in_mode: bool
    created: int
    codex: int | None = None


@dataclass(frozen=True)
class Session:
    """The record and the processes of a session."""

    record: Mapping[str, str] = field(default_factory=dict)
    #: the names of state files that are incomplete or not readable
    damaged: tuple[str, ...] = ()
    runtime: str = ""
    runtime_kind: str = "absent"
    runtime_foreign: bool = False
    #: the tmux server at the session's socket runs another task
    pane_foreign: bool = False
    #: another user's file is at the path of the package's tmux socket
    socket_foreign: bool = False
    pane: Pane | None = None
    #: the pane's tmux server does not answer at its socket
    unreachable: bool = False
    #: of a live session that the Python package optio-codex launched and that is not on record here
    adoptable: Pane | None = None
    exit_status: int | None = None
    ended: int | None = None
    stopped: bool = False
    #: the launcher was about to start codex with a prompt
    prompt_mark: bool = False
    #: launching or given, by the copy of the record; the empty string without one
    prompt_copied: str = ""
    #: the record is gone or damaged, and its fields come from its copy
    record_copied: bool = False
    #: the names of the state files that are there
    state_files: tuple[str, ...] = ()
    terminal_pid: int | None = None
    terminal_alive: bool = False
    terminal_socket: bool = False
    terminal_port: int | None = None
    #: the second terminal, which only shows
    watch_pid: int | None = None
    watch_alive: bool = False
    watch_socket: bool = False
    #: the executables of the terminals, observed only of a session that may be upgraded
    terminal_program: str = ""
    watch_program: str = ""
    #: the group of the directory for a web server, None if that directory does not exist
    web_group: str | None = None
    leftovers: tuple[int, ...] = ()
    #: the worker's clock in seconds since the epoch, observed only of an ended session that may be resumed
    now: int | None = None
    units: tuple[str, ...] = ()
    #: the newest rollout by its id, whose time is in it; file names use local time. A compressed one has an id only
    session_id: str | None = None
    rollout: str | None = None
    #: the id of a conversation that codex cannot resume as it is, because it is archived
    archived_id: str | None = None
    #: there are compressed rollouts, and which one is the session's own is not known
    several_compressed: bool = False

    @property
    def on_record(self) -> bool:
        """Whether there is a record, even a damaged one, whose conversation still exists."""
        return bool(self.record) or "session" in self.damaged

    @property
    def terminal_serves(self) -> bool:
        """Whether the terminal runs, and a browser can reach it."""
        return self.terminal_alive and bool(self.terminal_port or self.terminal_socket)

    @property
    def watch_serves(self) -> bool:
        """Whether the read-only terminal is reachable."""
        return self.watch_alive and self.watch_socket

    @property
    def adopted(self) -> bool:
        """Whether the Python package optio-codex launched the session on record."""
        return self.record.get("adopted") == "1"

    @property
    def continued(self) -> bool:
        """Whether the launch went on with a conversation without a message, so that its turns and its log still count."""
        return self.record.get("continued") == "1"

    @property
    def prompt_given(self) -> str:
        """Return whether codex was given the session's prompt: yes, no or unknown.

        No rollout, home or record that is missing, moved or damaged weighs more than the launcher's mark.
        """
        if self.adopted:
            return GIVEN
        if self.prompt_mark or self.prompt_copied == "given":
            running = self.pane is not None and not self.pane.dead
            return GIVEN if self.session_id or running else UNKNOWN_PROMPT
        # the launcher is there as long as it has not run
        if self.prompt_copied and "launch.sh" not in self.state_files:
            return UNKNOWN_PROMPT
        return NOT_GIVEN

    @property
    def incomplete(self) -> bool:
        """Whether a launch was ended between its record and its start, so that codex was given nothing."""
        known = self.session_id or self.record.get("started") or self.adopted or self.damaged
        return self.status == "lost" and not known and self.prompt_given == NOT_GIVEN

    @property
    def status(self) -> str:
        """Return absent, running, finished, stopped, lost (gone without an exit status), or damaged (gone with its record)."""
        if self.pane is not None and not self.pane.dead and self.exit_status is None:
            return "running"
        if not self.on_record:
            return "damaged" if self.prompt_given != NOT_GIVEN else "absent"
        if self.stopped:
            return "stopped"
        return "finished" if self.exit_status is not None else "lost"


@dataclass(frozen=True)
class ObservedSession:
    """The answer of one probe of a session."""

    worker: Worker
    layout: SessionPaths
    workspace: Workspace
    session: Session
    login: Login = field(default_factory=Login)
    #: observed only of a session that may be upgraded
    activity: str | None = None
    #: and whether the composer contains text that was not submitted
    draft: bool = False

    @property
    def supervisor(self) -> str:
        """The supervisor of a session that is launched now."""
        if self.layout.in_runtime_root:
            return "systemd" if self.worker.systemd else "detached"
        return "systemd-user" if self.worker.user_manager else "detached"

    @property
    def recorded_supervisor(self) -> str:
        """The supervisor of the existing processes: by the record, or else by their units.

        The record is its user's own file, so root's systemd is believed only where the sockets are root's too.
        """
        units = "systemd" if self.layout.in_runtime_root else "systemd-user"
        recorded = self.session.record.get("supervisor") or (units if self.session.units else self.supervisor)
        return recorded if recorded in (units, "detached") else "detached"
