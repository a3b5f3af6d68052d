# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cause of a sandbox that fails, from what it printed and from the worker's switches, and the key of a verdict."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.sandbox import (
    APPARMOR_PROFILE,
    SHELL_SANDBOX,
    Conditions,
    SandboxVerdict,
    explain,
    kept_verdict,
    parse_conditions,
)
from ansible_collections.optio.codex.plugins.module_utils._core.paths import SHELL_DIRECTORIES
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose, parse
from ansible_collections.optio.codex.plugins.module_utils._session.probe_shell import SHELL_WORKER
from ansible_collections.optio.codex.tests.unit.support import shells

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "sandbox"
PLAIN = Conditions(max_user_namespaces="96365", seccomp="0")
UBUNTU = Conditions(userns_clone="1", max_user_namespaces="63507", apparmor_restriction="1", seccomp="0")
CONTAINER = Conditions(max_user_namespaces="96365", seccomp="2")
WITH_BWRAP = Conditions(system_bwrap=True, max_user_namespaces="96365", seccomp="2")


@pytest.mark.parametrize("version", ["0.142.5", "0.169.0"])
@pytest.mark.parametrize(
    ("recorded", "conditions", "cause", "remedy"),
    [
        ("no-bwrap", PLAIN, "package of codex contains no bwrap", "Install the full package"),
        ("no-namespace-left", Conditions(max_user_namespaces="0"), "user.max_user_namespaces=0 ", "Raise user.max_"),
        ("no-namespace-left", Conditions(max_user_namespaces="9"), "user.max_user_namespaces=9 ", "Raise user.max_"),
        ("seccomp", CONTAINER, "a seccomp filter refuses", "CLONE_NEWUSER"),
        ("seccomp", Conditions(userns_clone="0", seccomp="2"), "kernel.unprivileged_userns_clone=0", "userns_clone=1"),
        ("seccomp", Conditions(max_user_namespaces="0", seccomp="2"), "user.max_user_namespaces=0 ", "Raise user.max_"),
        ("seccomp", UBUNTU, "AppArmor restricts", "codex_worker_apparmor_profile=true"),
        ("seccomp", PLAIN, "the kernel refuses", "kernel's log"),
        ("apparmor-namespace", UBUNTU, "AppArmor restricts", "codex_worker_apparmor_profile=true"),
        ("apparmor-namespace", PLAIN, "the kernel refuses", "kernel's log"),
        ("system-bwrap", WITH_BWRAP, "the system's bwrap on PATH wins", "Remove the package bubblewrap"),
        ("system-bwrap", CONTAINER, "cannot mount /proc in this container", "Run the container with an unmasked /proc"),
    ],
)
def test_cause_of_recorded_output(version: str, recorded: str, conditions: Conditions, cause: str, remedy: str) -> None:
    output = (FIXTURES / f"{version}-{recorded}.txt").read_text()
    found = explain(" ".join(output.split()), conditions)
    assert cause in found[0] and remedy in found[1], found


@pytest.mark.parametrize("version", ["0.142.5", "0.169.0"])
@pytest.mark.parametrize("recorded", ["uid-map", "loopback"])
def test_cause_of_what_ubuntu_prints(version: str, recorded: str) -> None:
    """The same words are AppArmor's only where it restricts; a bwrap of the system's takes the profile's effect."""
    # a warning of codex's own before it has words of another cause
    output = f"WARNING: the sandbox creates user namespaces {(FIXTURES / f'{version}-apparmor-{recorded}.txt').read_text()}"
    cause, remedy = explain(output, UBUNTU)
    assert cause.startswith("AppArmor restricts") and remedy.startswith("Install an AppArmor profile")
    for without in (PLAIN, Conditions(apparmor_restriction="0"), CONTAINER):
        cause, remedy = explain(output, without)
        assert "AppArmor" not in cause + remedy and "has no rights" in cause
    remedy = explain(output, Conditions(system_bwrap=True, apparmor_restriction="1"))[1]
    assert remedy.startswith("Remove the package bubblewrap") and "codex_worker_apparmor_profile=true" in remedy


def test_unknown_output_is_reported_as_unknown() -> None:
    assert explain("error: unexpected argument", UBUNTU)[0] == "the sandbox ended with an error (error: unexpected argument)"


def test_kept_verdict_holds_for_its_key_alone() -> None:
    lines = ["key=one", "verdict=failed", "output=bwrap: Can't mount proc on /proc: Operation not permitted"]
    kept = kept_verdict(lines, "one", WITH_BWRAP)
    assert kept.verdict == "failed" and "bubblewrap" in str(kept.remedy) and kept.output == lines[2].partition("=")[2]
    assert kept_verdict(lines, "two", WITH_BWRAP) == SandboxVerdict("unknown")
    assert kept_verdict(["key=one", "verdict=ok", "output="], "one", PLAIN) == SandboxVerdict("ok")
    assert kept_verdict([], "", PLAIN) == SandboxVerdict("unknown")


class Worker:
    """A codex with a bwrap beside it, and a directory of programs that is all of PATH but the system's last part."""

    def __init__(self, base: Path) -> None:
        self.codex = base / "release" / "bin" / "codex"
        self.bundled = base / "release" / "codex-resources" / "bwrap"
        self.programs = base / "programs"
        self.profile = base / "profile"
        for path in (self.codex, self.bundled):
            path.parent.mkdir(parents=True)
            path.write_text("x")
        self.programs.mkdir()

    def look(self, name: str, proc: Path | None = None) -> Section:
        """Return what a shell sees; ``proc`` stands for the kernel's /proc."""
        body = SHELL_DIRECTORIES + SHELL_WORKER + SHELL_SANDBOX + 'root=/nowhere\nsandbox_facts "$codex"\n'
        body = body.replace(APPARMOR_PROFILE, str(self.profile))
        if proc:
            body = body.replace("/proc/", f"{proc}/")
        environment = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": "/nowhere"}
        return parse(shells.run(name, compose(body, {"codex": str(self.codex)}), environment=environment))[0]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def kernel(base: Path, **values: str) -> Path:
    """Return a /proc with these values, those of Ubuntu 24.04 else."""
    files = {
        "sys/kernel/unprivileged_userns_clone": "1",
        "sys/user/max_user_namespaces": "63507",
        "sys/kernel/apparmor_restrict_unprivileged_userns": "1",
        "sys/kernel/random/boot_id": "b007",
        "self/status": "Name:\tsh\nSeccomp:\t0\nSeccomp_filters:\t0",
        # the name may hold anything; the 22nd field is the start
        "1/stat": "1 (init) x) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 174592000 3000",
    }
    for path, value in {**files, **{name.replace("__", "/"): text for name, text in values.items()}}.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(f"{value}\n")
    return base


@pytest.mark.parametrize("name", shells.SHELLS)
def test_conditions_are_read(name: str, worker: Worker, tmp_path: Path) -> None:
    facts = worker.look(name, kernel(tmp_path / "proc"))
    assert parse_conditions(facts) == Conditions(bool(facts.get("bwrap")), "1", "63507", "1", "0")
    assert parse_conditions(facts).apparmor_restricts
    assert facts.get("sandbox_key").startswith(f"{worker.codex}|b007.77|1,63507,1,0|")
    absent = parse_conditions(worker.look(name, tmp_path / "nothing"))
    assert absent == Conditions(bool(facts.get("bwrap"))) and not absent.apparmor_restricts


@pytest.mark.parametrize("name", shells.SHELLS)
def test_key_changes_with_all_that_decides(name: str, worker: Worker, tmp_path: Path) -> None:
    """codex, either bwrap, boot, a container's start, each switch, the profile: none leaves an old verdict standing."""
    proc = kernel(tmp_path / "proc")

    def key() -> str:
        return worker.look(name, proc).get("sandbox_key")

    seen = [key()]
    assert key() == seen[0]
    for path, text in (
        ("sys/kernel/unprivileged_userns_clone", "0"),
        ("sys/user/max_user_namespaces", "0"),
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("sys/kernel/random/boot_id", "b008"),
        ("self/status", "Seccomp:\t2"),
        ("1/stat", (proc / "1/stat").read_text().replace(" 77 ", " 78 ")),
    ):
        (proc / path).write_text(f"{text}\n")
        seen.append(key())
    worker.codex.write_text("another version in the same place")
    seen.append(key())
    worker.bundled.write_text("another bwrap")
    seen.append(key())
    worker.bundled.unlink()
    seen.append(key())
    system = worker.programs / "bwrap"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o755)
    seen.append(key())
    system.write_text("#!/bin/sh\ntrue\n")
    seen.append(key())
    worker.profile.write_text("profile")
    seen.append(key())
    assert len(set(seen)) == len(seen), seen


def test_script_is_clean() -> None:
    shells.shellcheck(compose(SHELL_DIRECTORIES + SHELL_WORKER + SHELL_SANDBOX, {"codex": "/c"}), "SC2154", "SC2086")
