# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``worker_info``: properties, programs and sessions of a worker, in one call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._codex.sandbox import OK, SHELL_SANDBOX, UNKNOWN, Conditions, SandboxVerdict, kept_verdict, parse_conditions, run_preflight
from .._core.errors import OptioError
from .._core.host import Host
from .._core.mounts import SHELL_MOUNT
from .._core.paths import SHELL_DIRECTORIES, SYSTEM_CACHE, validate_path
from .._core.plan import Action, Plan
from .._core.probe import Section, compose
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params
from .._session.probe import parse_worker
from .._session.probe_shell import SHELL_TASK, SHELL_WORKER
from .._session.record import codex_version
from .._session.state import Worker
from .filesystems import RUNTIME, SESSIONS, SHELL_FILESYSTEMS, Problem, find_problems, parse_filesystems
from .session_list import SHELL_SESSION_LIST, parse_sessions

SHELL_WORKER_INFO = rf"""
releases() {{
  user_cache
  for _cache in "$REPLY" {SYSTEM_CACHE}; do
    for _release in "$_cache"/releases/*; do
      if [ -d "$_release" ]; then printf 'release+%s\n' "$_release"; fi
    done
  done
}}
# its content is shown to nobody here
policies() {{
  for _file in requirements config; do
    [ ! -e "/etc/codex/$_file.toml" ] || emit "policy_$_file" \
      "$(stat -c %u:%a "/etc/codex/$_file.toml") $(sha256sum <"/etc/codex/$_file.toml" | cut -c 1-64)"
  done
}}
worker_facts
[ ! -r /etc/os-release ] || (. /etc/os-release; emit distribution "$ID"; emit distribution_version "$VERSION_ID")
for _manager in apt-get dnf yum zypper apk pacman; do
  program "$_manager"
  if [ -n "$REPLY" ]; then emit package_manager "${{_manager%-get}}"; break; fi
done
emit cpus "$(getconf _NPROCESSORS_ONLN)"
emit memory_kib "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)"
emit memory_available_kib "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)"
# of Debian, Arch and Alpine, of Fedora and EL (the older name first), of SUSE, of others
for _bundle in ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt pki/ca-trust/extracted/pem/tls-ca-bundle.pem ssl/ca-bundle.pem \
  ssl/cert.pem; do
  if [ -s "/etc/$_bundle" ]; then emit ca_certificates 1; break; fi
done
policies
codex_program; _codex=$REPLY
ttyd_program
releases
if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
real "$REPLY"; root=$REPLY
filesystem_facts
sandbox_facts "$_codex"
if [ "$with_sessions" = 1 ]; then session_list; else emit root "$root"; fi
"""

_CODEX_RELEASE = re.compile(r"(?P<version>.+?)-(?:x86_64|aarch64)-.+\Z")
_TTYD_RELEASE = re.compile(r"ttyd-(?P<version>.+)-(?:x86_64|aarch64|armhf|arm|i686)\Z")


@dataclass(frozen=True)
class WorkerView:
    """One probe of a worker."""

    worker: Worker
    result: Mapping[str, Any]
    root: str
    conditions: Conditions
    sandbox_key: str
    sandbox: SandboxVerdict
    problems: tuple[Problem, ...] = ()


class WorkerInfoResource(ProbedResource[WorkerView, Params]):
    """One answer for reports and for the gates of roles."""

    name = "worker_info"
    specification = ArgumentSpec(
        argument_spec={
            "user": {"type": "str"},
            "sessions_dir": {"type": "str"},
            "codex_dir": {"type": "str"},
            "check_sandbox": {"type": "bool", "default": True},
            "include_sessions": {"type": "bool", "default": True},
            "publish": {"type": "bool", "default": False},
            # compared by the action plugin, which probes for them in the same round trip
            "codex_release": {"type": "dict"},
            "ttyd_release": {"type": "dict"},
        }
    )

    def validate(self, params: Params) -> None:
        for option in ("sessions_dir", "codex_dir"):
            validate_path(option, params.get(option) or None)

    def probe_script(self, params: Params) -> str:
        variables = {
            "root": params.get("sessions_dir") or "",
            "codex_dir": params.get("codex_dir") or "",
            "with_sessions": "0" if params.get("include_sessions") is False else "1",
            **{"ttyd_dir": "", "only": "", "history": ""},
        }
        body = SHELL_DIRECTORIES + SHELL_MOUNT + SHELL_WORKER + SHELL_TASK + SHELL_SESSION_LIST + SHELL_SANDBOX
        body += SHELL_FILESYSTEMS + SHELL_WORKER_INFO
        return compose(body, variables, params.get("user") or None)

    def parse_probe(self, sections: Sequence[Section], params: Params) -> WorkerView:
        facts = sections[0]
        worker = parse_worker(facts)
        key, conditions = facts.get("sandbox_key"), parse_conditions(facts)
        result: dict[str, Any] = {
            "platform": {
                **{name: facts.get(name) for name in ("system", "machine", "node")},
                "distribution": facts.get("distribution") or None,
                "distribution_version": facts.get("distribution_version") or None,
                "package_manager": facts.get("package_manager") or None,
                "systemd": worker.systemd,
                "apparmor_restricts_userns": conditions.apparmor_restricts,
                "cpus": facts.number("cpus"),
                "memory_mib": (facts.number("memory_kib") or 0) // 1024,
                "memory_available_mib": (facts.number("memory_available_kib") or 0) // 1024,
            },
            "user": worker.user,
            "privileged": facts.flag("privileged"),
            # the system's cache is read by all users, so that root does not install a program for each
            "cache_scope": "system" if facts.flag("privileged") and worker.user != "root" else "user",
            **{"codex_release": None, "ttyd_release": None, "pending": None},
            "tools": {
                **{name: getattr(worker, name) or None for name in ("tmux", "git", "ttyd")},
                "bwrap": facts.get("bwrap") or None,
                "ca_certificates": facts.flag("ca_certificates"),
            },
            "policy": {name: facts.get(f"policy_{name}") or None for name in ("requirements", "config")},
            "codex": {"path": worker.codex or None, "version": codex_version(worker.codex)},
            "releases": [release(path) for path in facts.lines.get("release", [])],
            "sessions": parse_sessions(sections, with_screen=False),
        }
        filesystems = parse_filesystems(facts)
        problems = find_problems(filesystems, result)
        result["filesystems"] = {SESSIONS: None, RUNTIME: None, **{one.name: one.as_result() for one in filesystems}}
        result["problems"] = [problem.as_result() for problem in problems]
        kept = kept_verdict(facts.lines.get("sandbox", []), key, conditions)
        return WorkerView(worker, result, facts.get("root"), conditions, key, kept, tuple(problems))

    def plan(self, observed: WorkerView, params: Params) -> Plan:
        wanted = params["check_sandbox"] and observed.worker.codex and observed.sandbox.verdict != OK
        actions = (Action("preflight", observed.worker.codex),) if wanted else ()
        sandbox = observed.sandbox
        if not observed.worker.codex:
            sandbox = SandboxVerdict(
                UNKNOWN, "no release of codex is installed in the caches of the worker", "Run optio.codex.codex_release first"
            )
        # the role codex_worker fails because of the others
        warnings = tuple(str(problem.error) for problem in observed.problems if not problem.blocking)
        return Plan(actions, {**observed.result, "sandbox": sandbox.as_result()}, warnings, changes=False)

    def apply(self, plan: Plan, observed: WorkerView, params: Params, host: Host) -> Mapping[str, Any]:
        if not observed.root.startswith("/"):
            raise OptioError(
                "sessions_dir",
                f"sessions_dir must be an absolute path, got {observed.root!r} on the worker",
                "Set sessions_dir to an absolute path",
            )
        with host.acting_as(params.get("user") or None):
            verdict = run_preflight(host, observed.worker.codex, observed.root, observed.sandbox_key, observed.conditions)
        return {"sandbox": verdict.as_result()}


def release(path: str) -> dict[str, str | None]:
    """Return program, version and path of a release directory in a cache."""
    name = path.rpartition("/")[2]
    for program, pattern in (("ttyd", _TTYD_RELEASE), ("codex", _CODEX_RELEASE)):
        found = pattern.match(name)
        if found:
            return {"program": program, "version": found.group("version"), "path": path}
    return {"program": None, "version": None, "path": path}


RESOURCE = WorkerInfoResource()
