# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that cannot run: the causes in a table, and each cause for real on this machine."""

from __future__ import annotations

import errno
import os
import platform
import pwd
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.mounts import Mount
from ansible_collections.optio.codex.plugins.module_utils._release import trial_run
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX
from ansible_collections.optio.codex.plugins.module_utils._release.elf import Program, architecture_error, is_for_machine, read_program
from ansible_collections.optio.codex.plugins.module_utils._release.trial_run import (
    LARGEST_OUTPUT,
    Attempt,
    attempt,
    explain,
    require_running,
)
from ansible_collections.optio.codex.tests.unit.support.mount_namespaces import needs_mounts
from ansible_collections.optio.codex.tests.unit.support.release_builders import TARGET, elf

X86, ARM = (2, 62), (2, 183)
PATH = "/c/releases/1/bin/codex"
PLAIN = Mount("/c", "tmpfs")
NOEXEC = Mount("/c", "tmpfs", noexec=True)
STATIC = Program(X86)
DYNAMIC = Program(X86, "/lib64/ld-linux-x86-64.so.2")
FOREIGN = next(target for target in CODEX.platforms.values() if target != TARGET)

#: by name: the run, the file, its mount, then the cause after the path and a part of the remedy
CASES: dict[str, tuple[Attempt, Program, Mount | None, str, str]] = {
    "noexec": (Attempt(errno.EACCES), STATIC, NOEXEC, " cannot be executed: /c is mounted with noexec", "mount -o remount,exec /c"),
    "policy": (Attempt(errno.EACCES), STATIC, PLAIN, " cannot be executed: permission denied, although", "SELinux, AppArmor, IMA"),
    "unknown mount": (Attempt(errno.EACCES), STATIC, None, " cannot be executed: permission denied, although", "SELinux"),
    "fapolicyd": (Attempt(errno.EPERM), STATIC, PLAIN, " cannot be executed: operation not permitted", "fapolicyd"),
    "architecture": (
        Attempt(errno.ENOEXEC),
        Program(ARM),
        PLAIN,
        " cannot be executed: it is built for aarch64, but the worker is x86_64",
        "Install a build for x86_64",
    ),
    "unnamed architecture": (
        Attempt(errno.ENOEXEC),
        Program((2, 999)),
        PLAIN,
        " cannot be executed: it is built for ELF machine 999",
        "build",
    ),
    "format": (Attempt(errno.ENOEXEC), STATIC, PLAIN, " cannot be executed: the kernel does not support the format", "build"),
    "loader": (
        Attempt(errno.ENOENT),
        DYNAMIC,
        PLAIN,
        " cannot be executed: it requires the loader /lib64/ld-linux-x86-64.so.2, which does not exist",
        "Install the C library",
    ),
    "wrong loader": (Attempt(errno.ELIBBAD), DYNAMIC, PLAIN, ", which is not a loader for it", "Install the C library"),
    "memory": (Attempt(errno.ENOMEM), STATIC, PLAIN, " cannot be executed: the worker does not have enough memory", "Free memory"),
    "other": (Attempt(errno.EIO), STATIC, PLAIN, " cannot be executed: input/output error", "Run '"),
    "processes": (Attempt(errno.EAGAIN), STATIC, PLAIN, " cannot be started: ", "End some"),
    "threads": (Attempt(rc=101, output="panicked: Os { code: 11, (os error 11)"), STATIC, PLAIN, " cannot be started: ", "End some"),
    "instruction": (Attempt(rc=-signal.SIGILL), STATIC, PLAIN, " --version was ended by SIGILL: the processor", "newer processor"),
    "seccomp": (Attempt(rc=-signal.SIGSYS), STATIC, PLAIN, " --version was ended by SIGSYS: a seccomp filter", "seccomp profile"),
    "killed": (Attempt(rc=-signal.SIGKILL), STATIC, PLAIN, " --version was ended by SIGKILL: the worker ran out of memory", "kernel's log"),
    "crash": (Attempt(rc=-signal.SIGSEGV, output="a\nbroken\n\n"), STATIC, PLAIN, " --version was ended by SIGSEGV: broken", "Run '"),
    "unnamed signal": (Attempt(rc=-99), STATIC, PLAIN, " --version was ended by signal 99: it printed nothing", "Run '"),
    "library": (
        Attempt(rc=127, output="codex: error while loading shared libraries: libx.so.1: cannot open shared object file"),
        DYNAMIC,
        PLAIN,
        " --version ended with exit status 127: codex: error while loading shared libraries: libx.so.1",
        "Install the library",
    ),
    "status": (Attempt(rc=2, output="bad\n"), STATIC, PLAIN, " --version ended with exit status 2: bad", f"Run '{PATH} --version'"),
    "time": (Attempt(rc=-9, timed_out=True), STATIC, PLAIN, " --version did not end within 60 s", "run again"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_cause_has_its_remedy(name: str) -> None:
    done, program, mount, cause, remedy = CASES[name]
    error = explain(PATH, done, program, mount, "x86_64")
    assert error.subject == PATH
    assert cause in error.cause
    assert error.cause.startswith(PATH)
    assert remedy in error.remedy
    assert not done.succeeded


@pytest.mark.parametrize(
    ("architecture", "machine", "executable"),
    [
        (X86, "x86_64", True),
        ((1, 3), "x86_64", True),
        (ARM, "x86_64", False),
        (X86, "aarch64", False),
        ((1, 40), "aarch64", True),
        (ARM, "armv7l", False),
        (X86, "s390x", True),
        (None, "x86_64", True),
    ],
)
def test_programs_that_a_machine_executes(architecture: tuple[int, int] | None, machine: str, executable: bool) -> None:
    assert is_for_machine(architecture, machine) is executable


def test_both_architectures_are_named() -> None:
    assert str(architecture_error("/x", ARM, "x86_64")) == (
        "/x cannot be executed: it is built for aarch64, but the worker is x86_64. Install a build for x86_64."
    )


def program(directory: Path, content: bytes, mode: int = 0o755) -> str:
    path = directory / "program"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def script(directory: Path, text: str) -> str:
    return program(directory, f"#!/bin/sh\n{text}\n".encode())


def failure(path: str, scratch: Path) -> OptioError:
    with pytest.raises(OptioError) as error:
        require_running(path, str(scratch))
    assert error.value.subject == path
    return error.value


def test_a_program_runs_in_a_home_of_its_own(tmp_path: Path) -> None:
    require_running(program(tmp_path, elf()), str(tmp_path))
    text = '[ "$1" = --version ] && env >"$HOME/seen" && touch "$CODEX_HOME/used"'
    require_running(script(tmp_path, text), str(tmp_path))
    assert sorted(os.listdir(tmp_path / "home")) == ["seen", "used"]
    assert "ANSIBLE" not in (tmp_path / "home/seen").read_text()


def test_another_architecture(tmp_path: Path) -> None:
    error = failure(program(tmp_path, elf(FOREIGN)), tmp_path)
    names = {62: "x86_64", 183: "aarch64"}
    assert error.cause.endswith(f"it is built for {names[FOREIGN.elf[1]]}, but the worker is {platform.machine()}")


def test_a_missing_loader(tmp_path: Path) -> None:
    true = Path("/bin/true").read_bytes()
    loader = read_program("/bin/true").interpreter
    assert loader.startswith("/lib")
    missing = loader[:-3] + "xyz"
    path = program(tmp_path, true.replace(loader.encode(), missing.encode()))
    assert failure(path, tmp_path).cause == f"{path} cannot be executed: it requires the loader {missing}, which does not exist"


def test_no_execute_permission(tmp_path: Path) -> None:
    assert "permission denied" in failure(program(tmp_path, elf(), 0o644), tmp_path).cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("echo wrong; echo worse >&2; exit 3", "ended with exit status 3: worse"),
        ("kill -ILL $$", "was ended by SIGILL"),
        ("kill -SYS $$", "was ended by SIGSYS"),
        ("kill -KILL $$", "was ended by SIGKILL"),
    ],
)
def test_how_a_program_ends(tmp_path: Path, text: str, cause: str) -> None:
    assert cause in failure(script(tmp_path, text), tmp_path).cause


@pytest.mark.slow
def test_time_and_output_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.monotonic()
    hanging = attempt([script(tmp_path, "echo begun; sleep 60 & wait")], {"PATH": os.environ["PATH"]}, timeout=0.5)
    assert (hanging.timed_out, hanging.output) == (True, "begun\n")
    closed = attempt([script(tmp_path, "exec >&- 2>&-; sleep 60")], {"PATH": os.environ["PATH"]}, timeout=0.5)
    assert closed.timed_out
    endless = attempt([script(tmp_path, "yes")], {"PATH": os.environ["PATH"]}, timeout=0.5)
    assert (endless.timed_out, len(endless.output)) == (True, LARGEST_OUTPUT)
    # what a child keeps open is not waited for
    forked = attempt([script(tmp_path, "sleep 2 & echo forked")], {"PATH": os.environ["PATH"]}, timeout=30)
    assert (forked.succeeded, forked.output) == (True, "forked\n")
    assert time.monotonic() - begin < 10
    monkeypatch.setattr(trial_run, "attempt", lambda argv, environment: hanging)
    assert "did not end within 60 s" in failure("/bin/true", tmp_path).cause


def in_child(act: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user, and the limit does not apply to root")
def test_no_process_is_left(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")

    def act() -> None:
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        done = attempt(["/bin/true", "--version"], {})
        error = explain("/bin/true", done, Program(), None, platform.machine())
        assert done.error == errno.EAGAIN
        assert error.cause == "/bin/true cannot be started: user nobody has reached the limit of 0 processes and threads (RLIMIT_NPROC)"
        assert "LimitNPROC" in error.remedy

    assert in_child(act) == 0


@needs_mounts
def test_a_mount_with_noexec(tmp_path: Path) -> None:
    code = f"""import sys
sys.path[:] = {sys.path!r}
from {trial_run.__name__} import require_running
require_running({str(tmp_path)!r} + "/program", {str(tmp_path)!r})"""
    program(tmp_path, elf())
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,noexec {tmp_path}"
    argv = ["unshare", "-m", "sh", "-c", f'{mount} && exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"{tmp_path}/program cannot be executed: {tmp_path} is mounted with noexec. Remount it with exec" in done.stderr


@pytest.mark.parametrize("length", [0, 1, 19, 20, 40, 63, 64, 80, 119])
def test_a_damaged_header_is_not_a_program(tmp_path: Path, length: int) -> None:
    true = Path("/bin/true").read_bytes()[:length]
    found = read_program(program(tmp_path, true))
    assert found.interpreter == ""
    flooded = bytearray(Path("/bin/true").read_bytes()[:4096])
    flooded[32:40] = b"\xff" * 8
    flooded[54:58] = b"\xff" * 4
    assert read_program(program(tmp_path, bytes(flooded))).interpreter == ""
    assert read_program(str(tmp_path / "none")) == Program()
