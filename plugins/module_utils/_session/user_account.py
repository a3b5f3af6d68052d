# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's user as the worker has it: its ids, whether it can log in, its processes and its files outside of its home."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .._core import files, processes
from .._core.errors import OptioError
from .._core.host import Host
from .user_logins import only_copies
from .user_processes import end_processes, processes_of
from .user_traces import Traces, named_files, remove_named, sweep

#: the comment in passwd of the users that are made for sessions
COMMENT = "optio.codex session"
#: seconds
COMMAND_TIMEOUT = 60.0
#: ipcrm's option by the name of the kernel's list
_IPC = {"shm": "-m", "sem": "-s", "msg": "-q"}


@dataclass(frozen=True)
class Account:
    """One user, and the processes and files to remove before the user. ``uid`` None is a user that does not exist."""

    name: str
    uid: int | None = None
    comment: str = ""
    locked: bool = False
    #: its own id, and those of its user namespaces
    ids: frozenset[int] = frozenset()
    pids: tuple[int, ...] = ()
    named: tuple[str, ...] = ()
    traces: Traces = field(default_factory=Traces)
    #: the auth.json of each login in the home that exists nowhere else
    logins: tuple[str, ...] = ()


def observe_account(name: str, host: Host, sessions_dir: str | None = None) -> Account:
    """Return the user of a name, as root sees it."""
    named = tuple(named_files(name))
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return Account(name, named=named)
    ids = user_ids(name, entry.pw_uid)
    traces = Traces()
    sweep(entry.pw_uid, ids, host, traces, removes=False)
    pids = tuple(sorted(processes_of(ids)))
    logins = only_copies(entry.pw_dir, sessions_dir)
    return Account(name, entry.pw_uid, entry.pw_gecos, _is_locked(name), ids, pids, named, traces, logins)


def user_ids(name: str, uid: int) -> frozenset[int]:
    """Return the id of a user, and the ids of its user namespaces that no other user shares."""
    own: set[int] = set()
    others: set[int] = set()
    for line in (files.read_text("/etc/subuid") or "").splitlines():
        owner, _separator, rest = line.partition(":")
        start, _separator, count = rest.partition(":")
        if re.fullmatch(r"\d{1,10}", start) and re.fullmatch(r"\d{1,6}", count):
            (own if owner in (name, str(uid)) else others).update(range(int(start), int(start) + int(count)))
    return frozenset({uid} | (own - others))


def _is_locked(name: str) -> bool:
    for line in (files.read_text("/etc/shadow") or "").splitlines():
        fields = line.split(":")
        if fields[0] == name and len(fields) > 7:
            return fields[1].startswith(("!", "*")) and fields[7] == "1"
    return False


def lock_account(name: str, host: Host) -> None:
    """Let nothing log in as the user or run for it any more: no password, no key, no crontab."""
    done = host.run(["usermod", "--lock", "--expiredate", "1", name], timeout=COMMAND_TIMEOUT)
    if done.rc != 0:
        raise OptioError(f"user {name}", f"user {name} cannot be locked: {done.message}", "Fix this on the worker and run again")


def clear_account(account: Account, host: Host) -> Traces:
    """End all processes of a locked user, and remove its files outside of its home; return the files that could not be removed.

    Raise OptioError naming the processes that survive.
    """
    uid = account.uid or 0
    if uid == 0:
        raise OptioError(f"user {account.name}", f"user {account.name} is root", "Set names to users of sessions")
    traces = Traces()
    # before the processes, because cron, at and logind would start new ones
    remove_named(account.name, traces)
    _end_manager(account.name, uid, host)
    left = end_processes(uid, account.ids, host)
    if left:
        raise OptioError(
            f"user {account.name}",
            f"processes of user {account.name} survived SIGKILL: {processes.named(left)}",
            "Check their state with ps (they wait for a device or a network file system), then run again",
        )
    _unmount(account.ids, uid, host)
    sweep(uid, account.ids, host, traces, removes=True)
    # a job of at may have started in the meantime
    remove_named(account.name, traces)
    for problem in _remove_ipc(account.ids, host):
        traces.leave(*problem)
    left = end_processes(uid, account.ids, host)
    if left:
        cause = f"processes of user {account.name} were started while it was removed: {processes.named(left)}"
        raise OptioError(f"user {account.name}", cause, "Find out what starts them, then run again")
    return traces


def _end_manager(name: str, uid: int, host: Host) -> None:
    if not os.path.isdir("/run/systemd/system"):
        return
    # failures do not matter, because the processes are ended in any case
    for argv in (
        ["loginctl", "disable-linger", name],
        ["loginctl", "terminate-user", name],
        ["systemctl", "stop", f"user@{uid}.service", f"user-runtime-dir@{uid}.service", f"user-{uid}.slice"],
    ):
        host.run(argv, timeout=COMMAND_TIMEOUT)


def _unmount(ids: frozenset[int], uid: int, host: Host) -> None:
    for line in (files.read_text("/proc/self/mountinfo") or "").splitlines():
        words, _separator, tail = line.partition(" - ")
        owner = re.search(r"(?:^|,)user_id=(\d+)", tail.rpartition(" ")[2])
        place = words.split(" ")[4]
        if (owner and int(owner.group(1)) in ids) or place == f"/run/user/{uid}":
            host.run(["umount", "--lazy", "--no-canonicalize", re.sub(r"\\(\d{3})", _octal, place)], timeout=COMMAND_TIMEOUT)


def _octal(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 8))


def _remove_ipc(ids: frozenset[int], host: Host, read: Callable[[str], str | None] = files.read_text) -> list[tuple[str, str]]:
    """Remove the shared memory, semaphores and queues of the user ids; return those not removed."""
    problems = []
    for kind, option in _IPC.items():
        for identifier in ipc_of(ids, read(f"/proc/sysvipc/{kind}") or ""):
            done = host.run(["ipcrm", option, str(identifier)], timeout=COMMAND_TIMEOUT)
            if done.rc != 0:
                problems.append((f"{kind} {identifier}", done.message))
    return problems


def ipc_of(ids: frozenset[int], table: str) -> Sequence[int]:
    """Return the identifiers of the entries that user ids own or made, by a table of /proc/sysvipc."""
    lines = table.splitlines()
    if not lines:
        return []
    names = lines[0].split()
    rows = [dict(zip(names, line.split())) for line in lines[1:]]
    return [int(row[names[1]]) for row in rows if {int(row["uid"]), int(row["cuid"])} & ids]
