# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of the end-to-end tests, launched and looked at as a user does it, and from outside as root."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import container_shell
from containers.playbook_runner import Controller, Run
from fleet import Fleet

SYSTEMD, WITHOUT = "systemd", "detached"
WORKERS = (SYSTEMD, WITHOUT)
USER = "agent"
ROOT = f"/home/{USER}/.local/share/optio-codex"
CACHE = "/var/cache/optio-codex/bin/releases"
DEADLINE = 90.0
#: seconds between two looks
PAUSE = 0.3

Result = dict[str, Any]


@dataclass(frozen=True)
class Workers:
    """The two workers and how tests reach them."""

    controller: Controller
    fleet: Fleet
    variables: Mapping[str, Any]

    def provision(self, versions: Iterable[str]) -> None:
        """Put codex and ttyd into the system cache of both workers."""
        releases = [
            {
                "optio.codex.codex_release": {
                    "version": version,
                    "scope": "system",
                    "sources": ["{{ optio_mirror_url }}/codex"],
                }
            }
            for version in versions
        ]
        ttyd = {
            "scope": "system",
            "sources": ["{{ optio_mirror_url }}/ttyd"],
            "checksum": "{{ optio_ttyd_checksum }}",
        }
        run = self.controller.play([*releases, {"optio.codex.ttyd_release": ttyd}], hosts="codex_workers")
        assert run.results

    def play(self, *tasks: Mapping[str, Any], options: Sequence[str] = (), hosts: str = "codex_workers", **more: Any) -> Run:
        """Run tasks on both workers, as root over ssh."""
        return self.controller.play(list(tasks), hosts=hosts, options=options, **more)

    def session(self, name: str, *, hosts: str = "codex_workers", check: bool = False, **options: Any) -> dict[str, Result]:
        """Run the module ``session`` and return its result by worker; ``check`` is check mode with diff."""
        run = self.play(self.task(name, **options), hosts=hosts, options=["--check", "--diff"] if check else [])
        assert run.results, run.output[-2000:]
        return {record.host: record.result for record in run.records}

    def task(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the task that launches (or ends) a session against the stand-in model."""
        version = options.pop("version", None)
        directory = {"codex_dir": f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin"} if version else {}
        # of a slow machine too
        defaults: dict[str, Any] = {"user": USER, "config": self.provider(), "ready_timeout": 120}
        return {"optio.codex.session": {"name": name, **directory, **defaults, **options}}

    def provider(self) -> dict[str, Any]:
        """Return codex's settings for the stand-in model."""
        stub = {
            **{"name": "stub", "base_url": self.variables["optio_model_url"], "wire_api": "responses"},
            **{"request_max_retries": 0, "stream_max_retries": 0},
        }
        return {"model": "stand-in", "model_provider": "stub", "model_providers": {"stub": stub}}

    def info(self, name: str, hosts: str = "codex_workers", **options: Any) -> dict[str, Result]:
        """Return what ``session_info`` says of one session, by worker."""
        run = self.play({"optio.codex.session_info": {"name": name, "user": USER, **options}}, hosts=hosts)
        assert run.results
        return {record.host: only(record.result["sessions"]) for record in run.records}

    def until(self, name: str, holds: Callable[[Result], bool], what: str, hosts: str = "codex_workers") -> dict[str, Result]:
        """Return the session's info by worker as soon as ``holds`` is true on each."""
        deadline = time.monotonic() + DEADLINE
        while True:
            seen = self.info(name, hosts, include_screen=True)
            if all(holds(entry) for entry in seen.values()):
                return seen
            assert time.monotonic() < deadline, f"not {what} within {DEADLINE:g} s: {seen}"
            # the look would otherwise take the processor time that codex needs
            time.sleep(PAUSE)

    def settle(self, name: str) -> None:
        """Wait until the processes of a session that has ended are the same for a while: the launcher and ttyd end after codex."""
        deadline, before = time.monotonic() + DEADLINE, None
        while (now := [self.processes(worker, name) for worker in WORKERS]) != before:
            assert time.monotonic() < deadline, now
            before = now
            time.sleep(2)

    def shell(self, worker: str, script: str, user: str = "root", timeout: float = 60) -> str:
        """Return what a script prints inside the container, whatever its exit status."""
        container = f"optio-codex-{self.fleet.name}-{worker}"
        return container_shell.run(container, script, user=user, timeout=timeout).stdout

    def read(self, worker: str, path: str) -> str | None:
        """Return a file's text, None when there is no such file."""
        quoted = shlex.quote(path)
        text = self.shell(worker, f"if [ -e {quoted} ]; then echo there; cat {quoted}; fi")
        return text.removeprefix("there\n") if text.startswith("there\n") else None

    def window(self, worker: str, name: str) -> str:
        """Return the size of the window of a session's tmux."""
        asked = "display-message -p -t optio: '#{window_width}x#{window_height}'"
        return self.shell(worker, f"tmux -S /run/optio-codex/{name}/tmux.sock {asked}").strip()

    def until_window(self, worker: str, name: str, size: str, within: float = DEADLINE) -> None:
        """Wait until the window of a session's tmux has a size."""
        deadline = time.monotonic() + within
        while (now := self.window(worker, name)) != size:
            assert time.monotonic() < deadline, f"{now}, not {size}"
            time.sleep(0.05)

    def traces(self, worker: str, *names: str) -> list[str]:
        """Return everything on a worker that still belongs to sessions, looked for as root and as their user."""
        kept = "".join(f" ! -name {directory}" for directory in ("workdir", "home", "agent"))
        places = "; ".join(
            f"systemctl list-units --all --plain --no-legend '*@{name}.service' 2>/dev/null; "
            f"find {ROOT}/{name} -mindepth 1 -maxdepth 1{kept} 2>/dev/null; "
            f"ls -d /run/optio-codex/{name} /var/lib/optio-codex/{name} {ROOT}/.records/{name} 2>/dev/null; "
            f"find /etc/systemd /run/systemd -name '*optio*@{name}*' 2>/dev/null"
            for name in names
        )
        return [*self.processes(worker, *names), *_lines([self.shell(worker, places)])]

    def processes(self, worker: str, *names: str) -> list[str]:
        """Return the processes that belong to sessions, by their tags and by their names in command lines."""
        tags = " ".join(f"-e {shlex.quote(f'OPTIO_CODEX_TASK={ROOT}/{name}:')}" for name in names)
        seek = f"grep -laF {tags} /proc/[0-9]*/environ 2>/dev/null | grep -v self"
        parts = " ".join(f"-e {shlex.quote(f'/{name}/')}" for name in names)
        named = f"ps -eo pid=,args= | grep -F {parts} | grep -v grep"
        return _lines([self.shell(worker, f"{seek}; {named}"), self.shell(worker, seek, user=USER)])

    def processes_but_sandboxes(self, worker: str, name: str) -> list[str]:
        """Return the processes of a session that has ended by itself, without what only a stop ends.

        codex that ends while it makes a sandbox leaves a bwrap behind, which waits forever for the user that it was to become.
        """
        return [line for line in self.processes(worker, name) if line.split()[1:2] != ["bwrap"]]


def _lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in text.splitlines() if line.strip()]


def only(entries: Sequence[Result]) -> Result:
    """Return the one entry of a list."""
    assert len(entries) == 1, entries
    return entries[0]


def kinds(result: Result) -> list[tuple[str, str]]:
    """Return kind and target of each action of a result."""
    return [(action["kind"], action["target"]) for action in result["actions"]]


def stubborn(result: Result) -> list[str]:
    """Return the commands of the killed processes but for bwrap, which ignores TERM while it makes a sandbox."""
    return [process["command"] for process in result["killed_processes"] if not process["command"].startswith("bwrap ")]


def workdir(name: str) -> str:
    """Return the workdir of a session that named none."""
    return f"{ROOT}/{name}/workdir"


def home(name: str) -> str:
    """Return the home of a session's codex."""
    return f"{ROOT}/{name}/home"


def agent(name: str) -> str:
    """Return the home of a session's commands."""
    return f"{ROOT}/{name}/agent"


def is_idle(entry: Result) -> bool:
    """Return whether codex has finished its turn."""
    return bool(entry["activity"] == "idle" and entry["session_id"])
