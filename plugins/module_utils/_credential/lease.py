# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``credential_lease``: one login belongs to one session at a time, for as long as the lease lasts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from .._core import files
from .._core.errors import OptioError
from .._core.executor import FileText, execute
from .._core.host import Host
from .._core.locks import directory_lock
from .._core.paths import SHELL_DIRECTORIES, validate_name, validate_path
from .._core.plan import Action, Plan
from .._core.probe import Section, compose
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params

DIRECTORY = "~/.local/share/optio-codex/leases"
WEEK = 7 * 24 * 3600

_SHELL = """
expand "$lease_dir"; trim
emit lease_dir "$REPLY"
emit now "$(date +%s)"
file=$REPLY/$name.lease
if [ -L "$file" ]; then emit odd_kind 1
elif [ -f "$file" ]; then emit kept 1; sed 's/^/lease+/' "$file"
elif [ -e "$file" ]; then emit odd_kind 1
fi
"""


@dataclass(frozen=True)
class Holder:
    """The session that has a login: a user's session of a worker, as the inventory calls it."""

    host: str
    session: str
    user: str = ""

    def __str__(self) -> str:
        owner = f" of user {self.user}" if self.user else ""
        return f"session {self.session}{owner} on {self.host}"


@dataclass(frozen=True)
class Lease:
    """Who has a login, from when until when, in seconds since 1970 of the host that keeps the lease."""

    holder: Holder
    acquired: int
    expires: int

    def text(self) -> str:
        """Return the lease's file: one ``name=value`` a line, for the shell and for Python."""
        return "".join(f"{name}={value}\n" for name, value in self.fields().items())

    def fields(self) -> dict[str, Any]:
        """Return the values of the file, by name."""
        return {**vars(self.holder), "acquired": self.acquired, "expires": self.expires}

    def __str__(self) -> str:
        return f"{self.holder}, {_moment(self.acquired)} to {_moment(self.expires)}"


@dataclass(frozen=True)
class LeaseFile:
    """One lease on the host that keeps leases."""

    path: str
    now: int
    lease: Lease | None = None


def parse_lease(lines: Sequence[str], path: str) -> Lease:
    """Return the lease in a file's lines; raise OptioError for any other content."""
    fields = dict(line.partition("=")[::2] for line in lines)
    acquired, expires = fields.get("acquired", ""), fields.get("expires", "")
    if not fields.get("host") or not fields.get("session") or not acquired.isdigit() or not expires.isdigit():
        raise OptioError(path, f"{path} is not a lease file of this module", "Make sure that no session has the login, and remove the file")
    return Lease(Holder(fields["host"], fields["session"], fields.get("user", "")), int(acquired), int(expires))


def plan_lease(seen: LeaseFile, name: str, holder: Holder, ttl: int, force: bool) -> list[Action]:
    """Return the actions that lease the login to the holder; purely. Raise OptioError if another holder has it."""
    lease = seen.lease
    fresh = Lease(holder, seen.now, seen.now + ttl)
    if lease is None:
        return [_write("take", seen, fresh)]
    left = lease.expires - seen.now
    if lease.holder == holder:
        # written at every run it would change something at every run
        kept = ttl / 2 < left <= ttl
        return [] if kept else [_write("renew", seen, replace(fresh, acquired=lease.acquired))]
    if left > 0 and not force:
        raise OptioError(
            f"login {name}",
            f"login {name} is held by {lease.holder} since {_moment(lease.acquired)}, until {_moment(lease.expires)}",
            f"Use another login for this session, or end the other session with its role, which releases the login. If that session "
            f"no longer exists, set force or remove {seen.path}",
            holder=vars(lease.holder),
            expires_at=lease.expires,
        )
    return [_write("take", seen, fresh)]


def plan_release(seen: LeaseFile, holder: Holder, force: bool) -> list[Action]:
    """Return the actions that release the holder's lease; purely. Another holder's lease stays."""
    if seen.lease is None or (seen.lease.holder != holder and not force):
        return []
    return [Action("release", seen.path, str(seen.lease), "absent")]


def _write(kind: str, seen: LeaseFile, lease: Lease) -> Action:
    return Action(kind, seen.path, str(seen.lease) if seen.lease else "absent", str(lease), FileText(lease.text()))


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _keep(action: Action) -> None:
    files.write_text(action.target, action.payload.text, follow=False)


def _release(action: Action) -> None:
    files.remove(action.target)


class LeaseResource(ProbedResource[LeaseFile, Params]):
    """The lease of one login, on the host that keeps it."""

    name = "credential_lease"
    specification = ArgumentSpec(
        argument_spec={
            "name": {"type": "str", "required": True},
            "host": {"type": "str", "required": True},
            "session": {"type": "str", "required": True},
            "session_user": {"type": "str"},
            "lease_dir": {"type": "str", "default": DIRECTORY},
            "ttl": {"type": "int", "default": WEEK},
            "force": {"type": "bool", "default": False},
            "require_lasting": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
    )

    def validate(self, params: Params) -> None:
        validate_name(params["session"])
        validate_path("lease_dir", params["lease_dir"] or None)
        for option in ("name", "host", "session_user"):
            value = params[option] or ""
            if not value.isprintable() or (option != "session_user" and not value):
                raise OptioError(option, f"{option} must be a name without control characters, got {value!r}", "Set a name")
        if "/" in params["name"] or params["name"].startswith("."):
            raise OptioError(
                "name", f"name must not contain '/' or start with '.', got {params['name']!r}", "Set a name, such as a returned account"
            )
        if params["ttl"] <= 0:
            raise OptioError(
                "ttl", f"ttl must be a positive number of seconds, got {params['ttl']}", "Set the duration of the lease in seconds"
            )

    def probe_script(self, params: Params) -> str:
        return compose(SHELL_DIRECTORIES + _SHELL, {"lease_dir": params["lease_dir"] or DIRECTORY, "name": params["name"]})

    def parse_probe(self, sections: Sequence[Section], params: Params) -> LeaseFile:
        facts = sections[0]
        path = f"{facts.get('lease_dir')}/{params['name']}.lease"
        if facts.flag("odd_kind"):
            raise OptioError(path, f"{path} is not a file", "Move it away")
        lease = parse_lease(facts.lines.get("lease", ()), path) if facts.flag("kept") else None
        return LeaseFile(path, facts.number("now") or 0, lease)

    def plan(self, observed: LeaseFile, params: Params) -> Plan:
        holder = Holder(params["host"], params["session"], params["session_user"] or "")
        if params["state"] == "absent":
            actions = plan_release(observed, holder, params["force"])
            lease = None if actions else observed.lease
        else:
            actions = plan_lease(observed, params["name"], holder, params["ttl"], params["force"])
            lease = _after(observed, actions)
        earlier = observed.lease
        previous_holder = vars(earlier.holder) if earlier and lease and lease.holder != earlier.holder else None
        result = {
            **{"name": params["name"], "path": observed.path, "previous_holder": previous_holder},
            **{"holder": vars(lease.holder) if lease else None},
            **{"acquired_at": lease.acquired if lease else None, "expires_at": lease.expires if lease else None},
        }
        warning = f"login {params['name']} was held by {earlier}. If that session still runs, both will be logged out."
        return Plan(tuple(actions), result, (warning,) if previous_holder else ())

    def lock(self, observed: LeaseFile, params: Params, host: Host) -> AbstractContextManager[Any]:
        return directory_lock(observed.path.rpartition("/")[0], host)

    def apply(self, plan: Plan, observed: LeaseFile, params: Params, host: Host) -> Mapping[str, Any]:
        execute(plan, {"take": _keep, "renew": _keep, "release": _release})
        return {}


def _after(seen: LeaseFile, actions: Sequence[Action]) -> Lease | None:
    if not actions:
        return seen.lease
    return parse_lease(actions[0].payload.text.splitlines(), seen.path)


RESOURCE = LeaseResource()
