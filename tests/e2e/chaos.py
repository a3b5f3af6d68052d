# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can befall a session in the midst of its turn, and what is true of it afterwards: a table of faults."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e.sessions import DEADLINE, ROOT, SYSTEMD, USER, WITHOUT, WORKERS, Result, Workers

#: work, a report of it, a tool call that stays open until it is told to end or is cut off, and a step left over
TURN = "\n".join(
    (
        "RUN: echo begun >> count.txt; echo 'STATUS: [50%] half way' >> optio.log",
        "RUN: touch waiting; until [ -e go ]; do sleep 0.5; done",
        "RUN: echo went on >> count.txt",
    )
)
ALL_GONE = 'until [ -z "$(tagged)" ]; do sleep 0.05; done'
#: shell: everything that is left of a session ends at once
KILL_ALL = f"kill -KILL $(tagged); {ALL_GONE}; "
#: shell: what the faults name; root in a container sees no environment of others
SHELL = f"""
task={ROOT}/$name runtime=/run/optio-codex/$name
as_user() {{ setpriv --reuid {USER} --regid {USER} --clear-groups "$@"; }}
tagged() {{ as_user grep -laF "OPTIO_CODEX_TASK=$task:" /proc/[0-9]*/environ | cut -d / -f 3; }}
codex() {{ pgrep -f "^$task/workdir/home/.local/bin/codex "; }}
launcher() {{ pgrep -f "^/bin/sh $task/launch.sh"; }}
server() {{ ps -o ppid= -p "$(launcher)" | tr -d ' '; }}
terminal() {{ cut -d ' ' -f 1 "$task/terminal"; }}
gone() {{ until ! kill -0 "$1" || grep -q '^State:.Z' "/proc/$1/status"; do sleep 0.05; done; }}
end() {{ kill -KILL "$1"; gone "$1"; }}
garbage() {{ head -c 5000 /dev/urandom >"$1"; }}
"""


@dataclass(frozen=True)
class Fault:
    """One row: what is done, and what must be said of the session then."""

    name: str
    shell: str
    #: each is one of several that may be true, by how far the end has got
    status: tuple[str, ...] = ("running",)
    activity: tuple[str | None, ...] = ("working",)
    terminal: tuple[str, ...] = ("running",)
    #: what ``started`` does to a session that runs on
    actions: tuple[str, ...] = ()
    #: why ``started`` refuses at first, and the shell that does what the remedy says
    refused: str = ""
    cure: str = ""
    #: shell: prints nothing while all is well after the recovery
    check: str = ""
    #: codex may have had the time to note that the turn is interrupted, and then nothing of it is left over
    interrupted: bool = False
    on: tuple[str, ...] = WORKERS

    @property
    def lives(self) -> bool:
        """Whether codex runs on."""
        return self.status == ("running",)


ENDED: dict[str, Any] = {"status": ("finished", "lost"), "activity": ("failed", None), "terminal": ("dead",)}
LOST: dict[str, Any] = {"status": ("lost",), "activity": (None,), "terminal": ("dead",)}
INNOCENT = "as_user setsid -f sleep 4244 </dev/null >/dev/null 2>&1; pid=$(pgrep -u " + USER + " -xf 'sleep 4244'); "

#: as many at once as a user may have threads
PROCESSES = (
    Fault("ttyd", 'end "$(terminal)"', terminal=("dead",), actions=("open",)),
    Fault("tmux", f'end "$(server)"; {ALL_GONE}', **ENDED, interrupted=True),
    Fault("codex", f'end "$(codex)"; {ALL_GONE}', **{**ENDED, "status": ("finished",), "activity": ("failed",)}),
    Fault("launcher", 'pid=$(codex); end "$(launcher)"; gone "$pid"', **{**LOST, "terminal": ("dead", "running")}, interrupted=True),
    Fault("everything", f"{KILL_ALL}[ -S $runtime/tmux.sock ] && [ -S $runtime/ttyd.sock ]", **LOST),
    Fault("connection", "kill -KILL $(pgrep -f '^sshd(-session)?: root'); true"),
    Fault(
        "reused-pid",
        f"{INNOCENT}end \"$(terminal)\"; echo \"$pid $(sed 's/.*) //' /proc/$pid/stat | cut -d ' ' -f 20) 0\" >$task/terminal",
        terminal=("dead",),
        actions=("open",),
        check=f"pgrep -u {USER} -xf 'sleep 4244' >/dev/null || echo killed",
    ),
)
STATE_FILES = "session exit terminal environment launch.sh"
#: what does not depend on the supervisor is shown on one of the two
FILES = (
    Fault("no-sockets", "rm -r $runtime", terminal=("dead",), actions=("reconnect", "close", "open")),
    Fault("file-at-socket", "rm $runtime/tmux.sock; echo mine >$runtime/tmux.sock", actions=("reconnect",), on=(WITHOUT,)),
    Fault(
        "foreign-socket",
        "rm $runtime/tmux.sock; python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $runtime/tmux.sock",
        actions=("reconnect",),
        on=(SYSTEMD,),
    ),
    Fault(
        "left-by-root",
        f"{KILL_ALL}rm -r $runtime; mkdir $runtime",
        **LOST,
        refused="/run/optio-codex/left-by-root belongs to another user's session",
        cure="rmdir $runtime",
        on=(SYSTEMD,),
    ),
    Fault(
        "link-at-runtime",
        f"{KILL_ALL}rm -r $runtime; ln -s /etc $runtime",
        **LOST,
        refused="/run/optio-codex/link-at-runtime belongs to another user's session",
        cure="rm $runtime",
        on=(WITHOUT,),
    ),
    Fault(
        "file-at-runtime",
        f"{KILL_ALL}rm -r $runtime; echo mine >$runtime",
        **LOST,
        refused="/run/optio-codex/file-at-runtime is not a directory. Move it away",
        cure="rm $runtime",
        on=(SYSTEMD,),
    ),
    Fault("bad-record", "garbage $task/session", on=(WITHOUT,)),
    Fault("bad-terminal", "garbage $task/terminal", actions=("close", "open")),
    Fault(
        "unreadable",
        "cd $task; chmod 0 session terminal launch.sh environment",
        actions=("close", "open"),
        on=(SYSTEMD,),
    ),
    Fault("bad-state", f"{KILL_ALL}cd $task; for file in {STATE_FILES}; do garbage $file; done", **LOST, on=(WITHOUT,)),
    Fault("directories", f"{KILL_ALL}cd $task; rm {STATE_FILES}; mkdir {STATE_FILES}", **LOST, on=(SYSTEMD,)),
    Fault("half-a-record", f"{KILL_ALL}cd $task; truncate -s 150 session; : >exit; chmod 0 exit", **LOST, on=(WITHOUT,)),
)


Seen = dict[str, dict[str, Result]]


@dataclass
class Matrix:
    """What was seen of every session, by fault and worker."""

    before: Seen = field(default_factory=dict)
    after: Seen = field(default_factory=dict)
    refused: Seen = field(default_factory=dict)
    started: Seen = field(default_factory=dict)
    again: Seen = field(default_factory=dict)
    answered: Seen = field(default_factory=dict)
    #: what the terminal said, what the check of a row said, what is in the work and the logs, what the end left
    texts: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)


class Battery:
    """Sessions with a fault each, side by side on both workers."""

    def __init__(self, workers: Workers, faults: Sequence[Fault]) -> None:
        self.workers = workers
        self.faults = faults
        self.names = [fault.name for fault in faults]

    def each(self, make: Callable[[str], dict[str, Any]], names: Sequence[str] | None = None, status: str = "ok") -> Seen:
        """Return the result of one task a session, by session and worker; all in one play."""
        chosen = [fault for fault in self.faults if names is None or fault.name in names]
        tasks = [
            {
                "name": f"of {fault.name}",
                **make(fault.name),
                "when": f"inventory_hostname in {list(fault.on)}",
                "ignore_errors": status != "ok",
            }
            for fault in chosen
        ]
        found: Seen = {fault.name: {} for fault in chosen}
        run = self.workers.play(*tasks) if tasks else None
        for record in run.records if run else ():
            assert record.status == status, record
            found[record.task.removeprefix("of ")][record.host] = record.result
        assert [len(found[fault.name]) for fault in chosen] == [len(fault.on) for fault in chosen], run and run.output[-3000:]
        return found

    def look(self) -> Seen:
        """Return what one call says of every session, by session and worker."""
        run = self.workers.play({"optio.codex.session_info": {"user": USER}})
        assert run.results
        found: Seen = {}
        for record in run.records:
            for entry in record.result["sessions"]:
                found.setdefault(entry["name"], {})[record.host] = entry
        return found

    def shell(self, script: Callable[[Fault], str]) -> dict[str, dict[str, str]]:
        """Return what a shell script prints for each session, by session and worker; as root, one after the other."""
        found: dict[str, dict[str, str]] = {name: {} for name in self.names}
        for worker in WORKERS:
            scripts = {fault.name: script(fault) for fault in self.faults if worker in fault.on}
            whole = "".join(f"echo; echo '@{name}'; (name={name}; {SHELL}\n{text}\n) 2>/dev/null\n" for name, text in scripts.items())
            for part in f"\n{self.workers.shell(worker, whole)}".split("\n@")[1:]:
                name, _end, said = part.partition("\n")
                found[name][worker] = said
        return found

    def until(self, condition: str, what: str, names: Sequence[str] | None = None) -> None:
        """Wait until a shell condition holds in the workdir of every session, or of those named."""
        deadline = time.monotonic() + DEADLINE
        while True:
            said = self.shell(
                lambda fault: f"cd $task/workdir && {condition} && echo yes" if fault.name in (names or self.names) else "echo yes"
            )
            late = [(name, worker) for name, seen in said.items() for worker, text in seen.items() if "yes" not in text]
            if not late:
                return
            assert time.monotonic() < deadline, f"not {what}: {late}"
            time.sleep(0.2)
