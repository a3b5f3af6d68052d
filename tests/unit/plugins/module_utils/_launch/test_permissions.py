# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox in codex's arguments: the permission profile, what it depends on, and the mode without one."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._launch.launcher import codex_arguments, launcher_script
from ansible_collections.optio.codex.plugins.module_utils._launch.permissions import (
    SOCKETS,
    SandboxAccess,
    find_access,
    has_profile,
    sandbox_arguments,
)
from ansible_collections.optio.codex.plugins.module_utils._session.codex_options import CodexOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PACKAGE, PROJECT, SessionPaths, task_layout
from ansible_collections.optio.codex.tests.unit.support import toml_reader

OWN = task_layout("x", "/s", None, None)
CLONE = task_layout("x", "/s", None, None, PROJECT)
NAMED = task_layout("x", "/s", "/w", None, PROJECT)
ADOPTED = task_layout("x", "/s", "/w", None, PACKAGE)
#: the help of a release with profiles, by the name that the option has had
HELP = {"0.142.5": "-P, --permissions-profile <NAME>", "0.169.0": "-P, --permission-profile <NAME>"}
OLD_HELP = "-p, --profile <CONFIG_PROFILE>"
CLOSED_SOCKETS = dict.fromkeys(SOCKETS, "deny")


def profile(words: list[str]) -> dict[str, Any]:
    """Return the permission profile among codex's arguments."""
    settings = dict(words[number + 1].partition("=")[::2] for number, word in enumerate(words) if word == "-c")
    assert settings["default_permissions"] == '"optio"'
    found: dict[str, Any] = toml_reader.loads(f"x={settings['permissions.optio']}")["x"]
    # codex would ignore the profile, without a word
    assert not any("sandbox" in word for word in words)
    return found


def command(script: str) -> list[str]:
    """Return the words of codex's command in a launcher."""
    return shlex.split(next(line for line in script.splitlines() if "--ask-for-approval" in line))


#: (the session, options, access beside that of the sockets)
PROFILES: list[tuple[SessionPaths, dict[str, Any], dict[str, str]]] = [
    (OWN, {}, {"/s": "deny", "/s/x/agent": "write", "/s/x/workdir": "write"}),
    (CLONE, {}, {"/s": "deny", "/s/x/agent": "write", "/s/x/workdir": "write"}),
    (NAMED, {}, {"/s": "deny", "/s/x/agent": "write"}),
    # in a directory of sessions, but not in the session's own
    (replace(NAMED, workdir="/s/shared/w"), {}, {"/s": "deny", "/s/x/agent": "write", "/s/shared/w": "write"}),
    (replace(NAMED, workdir="/sw"), {}, {"/s": "deny", "/s/x/agent": "write"}),
    (ADOPTED, {}, {"/s": "deny", "/w/home": "deny", "/s/x/agent": "write"}),
    (NAMED, {"writable_roots": ("/a", "/s/data")}, {"/s": "deny", "/s/x/agent": "write", "/a": "write", "/s/data": "write"}),
    # of a session that only reads, the commands still have a home
    (NAMED, {"sandbox": "read-only", "writable_roots": ("/a",)}, {"/s": "deny", "/s/x/agent": "write"}),
    (ADOPTED, {"sandbox": "read-only"}, {"/s": "deny", "/w/home": "deny", "/s/x/agent": "write"}),
]


@pytest.mark.parametrize("network_access", [True, False])
@pytest.mark.parametrize(("layout", "options", "access"), PROFILES)
def test_a_profile(layout: SessionPaths, options: dict[str, Any], access: dict[str, str], network_access: bool) -> None:
    codex = replace(CodexOptions(), network_access=network_access, **options)
    found = profile(sandbox_arguments(codex, layout, SandboxAccess(sockets=SOCKETS)))
    read_only = codex.sandbox == "read-only"
    network = {"network": {"enabled": True}} if network_access and not read_only else {}
    assert found == {"extends": ":read-only" if read_only else ":workspace", "filesystem": {**access, **CLOSED_SOCKETS}, **network}
    assert has_profile(codex, layout)


@pytest.mark.parametrize(
    ("layout", "codex"),
    [
        (OWN, CodexOptions(sandbox="read-only")),
        (CLONE, CodexOptions(sandbox="read-only")),
        (NAMED, CodexOptions(approval_policy="on-request")),
        (NAMED, CodexOptions(sandbox="read-only", approval_policy="on-request")),
    ],
)
def test_each_closed_directory_is_named(layout: SessionPaths, codex: CodexOptions) -> None:
    """codex opens nothing below a closed directory for reading only, or for a command that a user has approved."""
    found = profile(sandbox_arguments(codex, layout, SandboxAccess(others=("/s/y", "/s/.run"), sockets=SOCKETS)))["filesystem"]
    closed = ("/s/x/home", "/s/x/environment", "/s/.run", "/s/y")
    assert found == {**dict.fromkeys(closed, "deny"), "/s/x/agent": "write", **CLOSED_SOCKETS}


@pytest.mark.parametrize(
    ("changes", "access", "arguments"),
    [
        ({"sandbox": "danger-full-access", "git_writable": True}, SandboxAccess(), ["--sandbox", "danger-full-access"]),
        ({"sandbox": "read-only", "writable_roots": ("/a",)}, SandboxAccess(False), ["--sandbox", "read-only"]),
        (
            {"writable_roots": ("/a", "/s/x/agent"), "network_access": True},
            SandboxAccess(False),
            [
                *("--sandbox", "workspace-write", "-c", 'sandbox_workspace_write.writable_roots=["/s/x/agent", "/a"]'),
                *("-c", "sandbox_workspace_write.network_access=true"),
            ],
        ),
        (
            {"writable_roots": ("/a*",)},
            SandboxAccess(),
            ["--sandbox", "workspace-write", "-c", 'sandbox_workspace_write.writable_roots=["/s/x/agent", "/a*"]'],
        ),
    ],
)
def test_a_mode(changes: dict[str, Any], access: SandboxAccess, arguments: list[str]) -> None:
    codex = replace(CodexOptions(), **changes)
    assert sandbox_arguments(codex, NAMED, access) == arguments and not has_profile(codex, NAMED, access)


@pytest.mark.parametrize("resume_id", [None, "01a2"])
@pytest.mark.parametrize("workdir", ["/w", '/it\'s "w" \\ ä', "/a$(b)`c`"])
def test_the_git_directory(resume_id: str | None, workdir: str) -> None:
    options = CodexOptions(trust=None, git_writable=True, resume_id=resume_id, prompt="say", writable_roots=(f"{workdir}/.git/hooks",))
    layout = replace(NAMED, workdir=workdir)
    git = {f"{workdir}/.git": "write", f"{workdir}/.git/hooks": "read", f"{workdir}/.git/config": "read"}
    script = launcher_script(layout, codex_arguments(options, layout, access=SandboxAccess(git=git)))
    found = profile(command(script))["filesystem"]
    # what writable_roots opens stays open
    assert {path: found[path] for path in git} == {**git, f"{workdir}/.git/hooks": "write"}


class Worker:
    """A host that answers for codex, and the rest of what finding the access asks for."""

    def __init__(self, layout: SessionPaths, shown: str = HELP["0.169.0"]) -> None:
        self.layout, self.worker, self.shown = layout, self, shown
        self.path, self.codex = "/bin", "/opt/codex"
        self.warnings: list[str] = []

    def run(self, argv: list[str], *, environment: Mapping[str, str], cwd: str, timeout: float) -> Completed:
        assert (argv, cwd) == ([self.codex, "sandbox", "--help"], "/") and environment["CODEX_HOME"] == self.layout.codex_home
        return Completed(0, self.shown, "")

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def access(self, **options: Any) -> SandboxAccess:
        return find_access(self, self, replace(CodexOptions(), **options))  # type: ignore[arg-type]


@pytest.fixture
def layout(tmp_path: Path) -> SessionPaths:
    found = task_layout("x", str(tmp_path / "s"), None, "/run/x")
    Path(found.workdir).mkdir(parents=True)
    return found


@pytest.mark.parametrize("release", HELP)
def test_a_codex_with_profiles(layout: SessionPaths, release: str) -> None:
    worker = Worker(layout, HELP[release])
    access = worker.access()
    assert access.has_profiles and not worker.warnings
    # one that is missing could not be closed for every command
    assert set(access.sockets) == {path for path in SOCKETS if os.path.lexists(path)}


@pytest.mark.parametrize("sandbox", ["read-only", "workspace-write"])
def test_a_codex_without_profiles_is_named(layout: SessionPaths, sandbox: str) -> None:
    worker = Worker(layout, OLD_HELP)
    assert not worker.access(sandbox=sandbox).has_profiles
    assert worker.warnings == [
        "session x: codex's commands can read the session's credential, because codex /opt/codex has no permission profiles"
    ]
    with pytest.raises(OptioError, match="cannot have git_writable"):
        worker.access(git_writable=True)


def test_a_path_that_codex_reads_as_a_pattern(layout: SessionPaths) -> None:
    worker = Worker(layout)
    worker.access(writable_roots=("/a[1]",))
    assert "because /a[1] contains" in worker.warnings[0]


def test_without_a_sandbox_codex_is_not_asked(layout: SessionPaths) -> None:
    worker = Worker(layout)
    worker.codex = "not asked"
    assert worker.access(sandbox="danger-full-access", git_writable=True) == SandboxAccess(
        undo=worker.access(sandbox="danger-full-access").undo
    )


def test_the_sessions_that_are_there_are_closed(layout: SessionPaths) -> None:
    root = Path(layout.task).parent
    for name in ("y", ".run", "shared/project"):
        (root / name).mkdir(parents=True)
    os.symlink("/etc", root / "link")
    assert Worker(layout).access(sandbox="read-only").others == (f"{root}/.run", f"{root}/shared", f"{root}/y")
    in_shared = replace(layout, workdir=f"{root}/shared/project")
    assert Worker(in_shared).access(sandbox="read-only").others == (f"{root}/.run", f"{root}/y")
    assert Worker(layout).access().others == ()


def test_the_git_directory_of_the_clone_is_found(layout: SessionPaths) -> None:
    subprocess.run(["git", "init", "-q", layout.workdir], check=True, timeout=30)
    git = Path(layout.workdir, ".git")
    before = sorted(git.iterdir())
    access = Worker(layout).access(git_writable=True)
    assert access.git[str(git)] == "write" and access.git[f"{git}/hooks"] == access.git[f"{git}/config"] == "read"
    access.undo()
    assert sorted(git.iterdir()) == before


def test_a_session_without_a_repository_is_not_launched(layout: SessionPaths) -> None:
    # one around its own workdir is not its own
    subprocess.run(["git", "init", "-q", Path(layout.task).parent], check=True, timeout=30)
    with pytest.raises(OptioError, match="is not in a git repository"):
        Worker(layout).access(git_writable=True)
