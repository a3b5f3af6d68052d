# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser terminals of a session: plans to open and close them, and their addresses: pure functions."""

from __future__ import annotations

from typing import Any

from .._core.errors import OptioError
from .._core.plan import Action
from .command_line import SshTarget, TerminalOptions, terminal_place, tunnel_command
from .layout import TERMINAL_UNIT, WATCH_UNIT, SessionPaths
from .state import ObservedSession, Session


def terminal_target(layout: SessionPaths, terminal: TerminalOptions) -> str:
    """Return where the terminal listens, for actions and messages; the port may not be chosen yet."""
    if terminal.listen == "tcp":
        return f"{terminal.address}:{terminal.port or 'any port'}"
    return terminal_place(layout, terminal)[0]


def all_run(terminal: TerminalOptions, session: Session) -> bool:
    """Return whether each terminal of a session runs."""
    return session.terminal_serves and (session.watch_serves or not terminal.watchers)


def plan_open(view: ObservedSession, terminal: TerminalOptions, granted: str | None) -> list[Action]:
    """Return the actions that open the stopped terminals; ``granted`` is the group in the call itself."""
    layout, session = view.layout, view.session
    actions = []
    if terminal.group and session.web_group != terminal.group:
        _refuse_group(view, terminal.group, granted)
        before = f"directory for the group {session.web_group}" if session.web_group else "absent"
        after = f"directory 2710 for sockets, for the group {terminal.group}"
        actions.append(Action("create_runtime", layout.web, before, after, payload=terminal.group))
    for options, pid, alive in (
        (terminal, session.terminal_pid, session.terminal_alive),
        (terminal.watchers, session.watch_pid, session.watch_alive),
    ):
        if options is not None and not alive:
            actions.append(Action("open", terminal_target(layout, options), "dead" if pid else "absent", "running", payload=options))
    return actions


def plan_close(view: ObservedSession, terminal: TerminalOptions) -> list[Action]:
    """Return the action that closes the terminals, also their remains."""
    session = view.session
    alive = session.terminal_alive or session.watch_alive
    if (
        alive
        or session.terminal_socket
        or session.watch_socket
        or any(unit.startswith((TERMINAL_UNIT, WATCH_UNIT)) for unit in session.units)
    ):
        return [Action("close", terminal_place(view.layout, terminal)[0], "running" if alive else "dead", "absent")]
    return []


def _refuse_group(view: ObservedSession, group: str, granted: str | None) -> None:
    if group != granted:
        # the user can write the record, so it must not make root create a directory of any group
        raise OptioError(
            f"session {view.layout.name}",
            f"session {view.layout.name} was launched with terminal.group {group}, which this task does not set",
            f"Set terminal.group: {group} if that group is right",
        )
    if not (view.worker.privileged and view.layout.in_runtime_root):
        raise OptioError(
            f"session {view.layout.name}",
            f"session {view.layout.name} cannot have terminal.group {group}, because only root can change the group of its sockets",
            "Set become: true, and set user to the session's user",
        )


def group_obstacles(view: ObservedSession, actions: tuple[Action, ...]) -> list[OptioError]:
    """Return the errors that prevent a terminal for a web server's group."""
    groups = [action.payload for action in actions if action.target == view.layout.web]
    if not groups or not view.worker.web_group_missing:
        return []
    remedy = "Install the web server first, as the role codex_gateway does, or set terminal.group to the group that it runs as"
    return [OptioError(f"terminal.group {groups[0]}", f"terminal.group {groups[0]} does not exist on the worker", remedy)]


def describe_terminal(view: ObservedSession, terminal: TerminalOptions, running: bool) -> dict[str, Any]:
    """Return the values of a session about access to its terminals."""
    layout, session, worker = view.layout, view.session, view.worker
    is_tcp = terminal.listen == "tcp"
    port = (session.terminal_port or terminal.port or None) if is_tcp else None
    shown = {"listen": terminal.listen, "address": terminal.address, "port": port}
    socket, path = terminal_place(layout, terminal)
    watchers = terminal.watchers
    tunnel = tunnel_command(SshTarget(worker.node), worker.user, shown, socket) if running and not layout.adopted else None
    return {
        "terminal_socket": None if is_tcp or layout.adopted else socket,
        "terminal_watch_socket": terminal_place(layout, watchers)[0] if watchers else None,
        "address": terminal.address if is_tcp else None,
        "port": port,
        "url": f"{'https' if terminal.tls_certificate else 'http'}://{terminal.address}:{port}/" if port and running else None,
        "url_path": None if layout.adopted else f"{path}/",
        "tunnel_command": tunnel,
    }
