# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_user``: user ids for the users of sessions, and the end of such a user."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import OptioError
from .._core.executor import execute
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.resource import ArgumentSpec, Params, Resource
from .login import ONLY_COPY, Login, require_copy
from .user_account import COMMENT, Account, clear_account, lock_account, observe_account
from .user_ids import observed_ids, reserve_ids
from .user_traces import Traces, remove_named

RESERVED, CLEARED = "reserved", "cleared"
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")


@dataclass(frozen=True)
class Accounts:
    """The users that the options name, and the ids that the missing ones would get."""

    users: tuple[Account, ...]
    free: tuple[int, ...] = ()


def plan_reserved(seen: Accounts) -> Plan:
    """Return the plan that reserves an id for each missing user, and removes remains of an earlier user of the name; pure."""
    actions: list[Action] = []
    uids: dict[str, int] = {}
    free = list(seen.free)
    for user in seen.users:
        if user.uid is not None:
            uids[user.name] = user.uid
            continue
        uids[user.name] = free.pop(0)
        actions.extend(Action("remove_named", path, "file of an earlier user", "absent", user.name) for path in user.named)
        actions.append(Action("reserve", f"user {user.name}", "absent", f"user id {uids[user.name]}", user.name))
    return Plan(tuple(actions), {"uids": uids, "left": []})


def plan_cleared(seen: Accounts, discard_login: bool = False) -> Plan:
    """Return the plan that ends users' processes and removes their files outside of their homes; pure.

    Raise OptioError for users that were not made for sessions, and for a login that exists nowhere else.
    """
    actions: list[Action] = []
    uids: dict[str, int] = {}
    for user in seen.users:
        label = f"user {user.name}"
        if user.uid is None:
            actions.extend(Action("remove_named", path, "file of an earlier user", "absent", user.name) for path in user.named)
            continue
        _require_own(user)
        for path in user.logins:
            require_copy(Login(ONLY_COPY), path.split("/")[-4], path, discard=discard_login)
        uids[user.name] = user.uid
        if not user.locked:
            actions.append(Action("lock", label, "not locked", "locked", user.name))
        if user.pids:
            actions.append(Action("end", f"processes of {label}", f"{len(user.pids)} processes", "none", user))
        paths = dict.fromkeys((*user.named, *user.traces.found))
        actions.extend(Action("clear", path, f"owned by {user.name}", "absent", user) for path in paths)
    return Plan(tuple(actions), {"uids": uids, "left": [entry for user in seen.users for entry in user.traces.left]})


def _require_own(user: Account) -> None:
    if user.comment == COMMENT and user.uid:
        return
    cause = f"user {user.name} was not created for a session: its comment in passwd is {user.comment!r}, not {COMMENT!r}"
    raise OptioError(f"user {user.name}", cause, "Remove it from names")


class SessionUserResource(Resource[Accounts, Params]):
    """The users of sessions on one worker; only Python can observe them."""

    name = "session_user"
    specification = ArgumentSpec(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": [RESERVED, CLEARED], "required": True},
            "sessions_dir": {"type": "str"},
            "discard_login": {"type": "bool", "default": False},
        }
    )

    def validate(self, params: Params) -> None:
        for name in params["names"]:
            if not _NAME.match(name):
                cause = f"names contains {name!r}, which is not the name of a user"
                raise OptioError(f"user {name!r}", cause, "Use 1 to 32 characters of a-z, 0-9, '_' and '-', the first a letter or '_'")

    def observe(self, host: Host, params: Params) -> Accounts:
        if os.geteuid() != 0:
            raise OptioError("session_user", "session_user requires root", "Set become: true for this task")
        users = tuple(observe_account(name, host, params["sessions_dir"] or None) for name in dict.fromkeys(params["names"]))
        missing = sum(user.uid is None for user in users)
        return Accounts(users, tuple(observed_ids(missing)) if params["state"] == RESERVED and missing else ())

    def plan(self, observed: Accounts, params: Params) -> Plan:
        if params["state"] == RESERVED:
            return plan_reserved(observed)
        return plan_cleared(observed, params["discard_login"])

    def apply(self, plan: Plan, observed: Accounts, params: Params, host: Host) -> Mapping[str, Any]:
        traces = Traces()
        names = [action.payload for action in plan.actions_of_kind("reserve")]
        uids = {**plan.result["uids"], **dict(zip(names, reserve_ids(len(names), host)))}
        cleared: set[str] = set()

        def clear(action: Action) -> None:
            user: Account = action.payload
            # once for each user, because its processes may have made more files since the plan
            if user.name not in cleared:
                cleared.add(user.name)
                lock_account(user.name, host)
                traces.left.extend(clear_account(user, host).left)

        handlers = {
            "remove_named": lambda action: remove_named(action.payload, traces),
            "reserve": lambda _action: None,
            "lock": lambda action: clear(Action("clear", action.target, payload=_account(observed, action.payload))),
            "end": clear,
            "clear": clear,
        }
        execute(plan, handlers)
        for entry in traces.left:
            host.warn(f"{entry['path']} of a removed user is left on the worker: {entry['reason']}")
        return {"uids": uids, "left": traces.left}


def _account(observed: Accounts, name: str) -> Account:
    return next(user for user in observed.users if user.name == name)


RESOURCE = SessionUserResource()
