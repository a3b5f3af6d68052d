# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program is run once before it becomes the current one; if it cannot run, the error has the cause and the remedy."""

from __future__ import annotations

import errno
import os
import platform
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from .._core import files
from .._core.errors import OptioError
from .._core.mounts import Mount, mount_of
from .._core.process_limits import is_exhausted, process_limit_error
from .elf import Program, architecture_error, is_for_machine, noexec_error, read_program

#: seconds; codex takes a fifth of one
TIMEOUT = 60.0
#: bytes of output that are kept
LARGEST_OUTPUT = 4096
#: between two looks at the process, in seconds
_INTERVAL = 0.05
_SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGILL: (
        "the processor does not have an instruction that it needs",
        "Use a worker with a newer processor, or a CPU model that passes more features to the virtual machine",
    ),
    signal.SIGSYS: (
        "a seccomp filter does not allow a system call that it needs",
        "Run the container with a seccomp profile that allows it, or remove SystemCallFilter from the systemd unit",
    ),
    signal.SIGKILL: (
        "the worker ran out of memory, or a limit or security software ended it",
        "Look for the reason in the kernel's log (journalctl -k), and free memory or raise the limit",
    ),
}


@dataclass(frozen=True)
class Attempt:
    """The end of one run: ``error`` is the errno if the program could not be started, ``rc`` its status (-N for signal N)."""

    error: int = 0
    rc: int = 0
    output: str = ""
    timed_out: bool = False

    @property
    def succeeded(self) -> bool:
        """Return whether the program ran and ended well."""
        return not self.error and not self.rc and not self.timed_out

    @property
    def message(self) -> str:
        """Return the last line of the output."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it printed nothing"


def require_running(path: str, scratch: str) -> None:
    """Run a program's ``--version`` from its place; raise OptioError unless it ends well.

    codex writes to its home even then, so the home is a directory in ``scratch``. Host.run is not used, because the cause
    depends on the errno, and because nothing limits the output there.
    """
    home = f"{scratch}/home"
    files.make_directory(home)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "CODEX_HOME": home, "LC_ALL": "C"}
    done = attempt([path, "--version"], environment)
    if not done.succeeded:
        raise explain(path, done, read_program(path), mount_of(path), platform.machine())


def attempt(argv: Sequence[str], environment: Mapping[str, str], timeout: float = TIMEOUT) -> Attempt:
    """Run a command without input; keep the first bytes of its output, and kill it after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=dict(environment),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return Attempt(error=error.errno or errno.EIO)
    try:
        output = _read_until_end(process, cast("IO[bytes]", process.stdout), deadline)
        timed_out = process.poll() is None
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout:
            process.stdout.close()
    return Attempt(rc=process.returncode, output=output.decode("utf-8", "replace"), timed_out=timed_out)


def _read_until_end(process: subprocess.Popen[bytes], stdout: IO[bytes], deadline: float) -> bytes:
    """Return the first bytes of the output, when the process has ended or the time is over."""
    descriptor, output, is_open = stdout.fileno(), b"", True
    os.set_blocking(descriptor, False)
    while time.monotonic() < deadline:
        # read once more after the end, but do not wait for children of the process that keep the pipe open
        ended = process.poll() is not None
        if is_open and select.select([descriptor], [], [], 0 if ended else _INTERVAL)[0]:
            with suppress(BlockingIOError):
                data = os.read(descriptor, 1 << 16)
                is_open = bool(data)
                output = (output + data)[:LARGEST_OUTPUT]
                if not ended or len(output) < LARGEST_OUTPUT:
                    continue
        if ended:
            break
        if not is_open:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    return output


def explain(path: str, done: Attempt, program: Program, mount: Mount | None, machine: str) -> OptioError:
    """Return the error for a program that cannot run."""
    if done.error:
        return _not_started(path, done.error, program, mount, machine)
    command = f"{path} --version"
    if done.timed_out:
        cause = f"{command} did not end within {TIMEOUT:g} s"
        return OptioError(path, cause, "Check the load of the worker and the filesystem of that file, then run again")
    if is_exhausted(done.output):
        return process_limit_error(path)
    if done.rc < 0:
        name = signal.Signals(-done.rc).name if -done.rc in list(signal.Signals) else f"signal {-done.rc}"
        reason, remedy = _SIGNALS.get(-done.rc, (done.message, f"Run '{command}' on the worker and look for the reason"))
        return OptioError(path, f"{command} was ended by {name}: {reason}", remedy)
    remedy = f"Run '{command}' on the worker and fix the error"
    if "shared librar" in done.output:
        remedy = "Install the library on the worker, or specify a statically linked build"
    return OptioError(path, f"{command} ended with exit status {done.rc}: {done.message}", remedy)


def _not_started(path: str, number: int, program: Program, mount: Mount | None, machine: str) -> OptioError:
    if number == errno.EAGAIN:
        return process_limit_error(path)
    if number == errno.EACCES and mount and mount.noexec:
        return noexec_error(path, mount)
    if number == errno.ENOEXEC and not is_for_machine(program.elf, machine):
        return architecture_error(path, program.elf, machine)
    if number in (errno.ENOENT, errno.ELIBBAD) and program.interpreter:
        state = "does not exist" if number == errno.ENOENT else "is not a loader for it"
        cause = f"{path} cannot be executed: it requires the loader {program.interpreter}, which {state}"
        return OptioError(path, cause, "Install the C library that contains this loader, or specify a statically linked build")
    reason, remedy = _REASONS.get(number, (os.strerror(number).lower(), f"Run '{path} --version' on the worker and look for the reason"))
    return OptioError(path, f"{path} cannot be executed: {reason}", remedy)


_POLICY = "Allow it in the security policy of the worker"
#: by errno of execve, the reason and the remedy
_REASONS = {
    errno.EACCES: (
        "permission denied, although it is an executable file",
        f"{_POLICY} (SELinux, AppArmor, IMA), and check that the user may enter every directory in its path",
    ),
    errno.EPERM: ("operation not permitted", f"{_POLICY} (fapolicyd, for example)"),
    errno.ENOEXEC: (
        "the kernel does not support the format of the file",
        "Specify a build for the worker's architecture in sources and checksum",
    ),
    errno.ENOMEM: ("the worker does not have enough memory to start it", "Free memory, or raise the memory limit of the container or unit"),
}
