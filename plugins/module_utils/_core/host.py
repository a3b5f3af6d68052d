# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port through which the core reaches the worker: commands, identity, clock, network.

Plain files are read and written by ``files``; processes, waiting and network access go through a
``Host``, so that unit tests can stand in for it.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .dialogue import exchange
from .errors import OptioError
from .files import failure
from .process_limits import is_fork_failure, process_limit_error
from .safe_open import open_regular

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: seconds
PROBE_TIMEOUT = 60.0


@dataclass(frozen=True)
class Completed:
    """The outcome of a command: exit status (-N for signal N), standard output, standard error."""

    rc: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """Return the last line that is not blank, of standard error first."""
        for text in (self.stderr, self.stdout):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return lines[-1]
        return f"exit status {self.rc}"


class Host(Protocol):
    """The operations of a worker that the core uses."""

    def probe(self, script: str) -> str:
        """Return the standard output of a POSIX shell script."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 60,
        privileged: bool = False,
    ) -> Completed:
        """Run a command to its end as the current identity (``privileged``: as the module's own).

        ``environment`` replaces the inherited one. A missing program is rc 127, a time-out (seconds) rc 124.
        """

    def converse(
        self, argv: Sequence[str], request: str, *, until: str | None, environment: Mapping[str, str], limit: int, timeout: float
    ) -> Completed:
        """Send a request to a program as the current identity, and return its output up to the line that contains ``until``.

        The program is then ended. Without ``until`` it gets the end of its input, and the output is all that it prints. More
        than ``limit`` bytes are rc 125, a time-out (seconds) is rc 124, a missing program rc 127.
        """

    def spawn(self, argv: Sequence[str], *, environment: Mapping[str, str], cwd: str, log: str) -> int:
        """Start a process that outlives the module and the login session's terminal; return its pid."""

    def acting_as(self, user: str | None) -> Any:
        """Return a context in which files and commands are another user's (only root can)."""

    def privileged(self) -> Any:
        """Return a context in which files are the module's own user's again."""

    def is_root(self) -> bool:
        """Return whether the module itself runs as root, whomever it acts as."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def warn(self, text: str) -> None:
        """Show a warning to the user."""


class LocalHost:
    """The worker that this Python runs on."""

    def __init__(self) -> None:
        self._user: pwd.struct_passwd | None = None
        self._groups = os.getgroups()

    def probe(self, script: str) -> str:
        # on standard input a script has no limit of length, and its text is not in the process list
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                ["/bin/sh"],
                input=script.encode("utf-8", "surrogateescape"),
                capture_output=True,
                timeout=PROBE_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OptioError(
                "the worker",
                f"the worker did not answer the probe within {PROBE_TIMEOUT:g} s",
                "Look for a filesystem that hangs (df, mount), then run again",
            ) from error
        except BlockingIOError as error:
            raise process_limit_error("/bin/sh") from error
        if is_fork_failure(done.stderr.decode("utf-8", "replace")):
            raise process_limit_error("/bin/sh")
        return done.stdout.decode("utf-8", "surrogateescape")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 60,
        privileged: bool = False,
    ) -> Completed:
        with self.privileged() if privileged else nullcontext():
            return self._run(argv, stdin, environment, cwd, timeout, privileged)

    def _run(
        self,
        argv: Sequence[str],
        stdin: str | None,
        environment: Mapping[str, str] | None,
        cwd: str | None,
        timeout: float,
        privileged: bool,
    ) -> Completed:
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                list(argv),
                input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                env=self._environment(environment),
                cwd=cwd or "/",
                timeout=timeout,
                check=False,
                **({} if privileged else self._child_identity()),
            )
        except FileNotFoundError as error:
            return Completed(127, "", f"{error.filename}: not found")
        except PermissionError as error:
            return Completed(126, "", f"{error.filename}: permission denied")
        except subprocess.TimeoutExpired:
            return Completed(124, "", f"no answer within {timeout:g} s")
        except BlockingIOError as error:
            raise process_limit_error(argv[0]) from error
        except OSError as error:
            return Completed(126, "", f"{error.filename or argv[0]}: {(error.strerror or str(error)).lower()}")
        return Completed(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )

    def converse(
        self, argv: Sequence[str], request: str, *, until: str | None, environment: Mapping[str, str], limit: int, timeout: float
    ) -> Completed:
        try:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                cwd="/",
                close_fds=True,
                start_new_session=True,
                **self._child_identity(),
            )
        except OSError as error:
            return Completed(127 if isinstance(error, FileNotFoundError) else 126, "", f"{argv[0]}: {error.strerror}")
        rc, output = exchange(process, request.encode(), until.encode() if until else None, limit, timeout)
        reasons = {124: f"no answer within {timeout:g} s", 125: f"an answer of more than {limit} bytes"}
        return Completed(rc, output.decode("utf-8", "replace"), reasons.get(rc, ""))

    def spawn(self, argv: Sequence[str], *, environment: Mapping[str, str], cwd: str, log: str) -> int:
        try:
            descriptor = open_regular(log, flags=os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise failure(log, error) from error
        try:
            # a child that keeps one of the module's own descriptors would hang the task or die at its first write
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(environment),
                cwd=cwd,
                close_fds=True,
                start_new_session=True,
                **self._child_identity(),
            )
        except BlockingIOError as error:
            raise process_limit_error(argv[0]) from error
        finally:
            os.close(descriptor)
        # the module's end makes init its parent; Python must not complain of it meanwhile
        process.returncode = 0
        return process.pid

    @contextmanager
    def acting_as(self, user: str | None) -> Iterator[None]:
        entry = self._other(user)
        if entry is None:
            yield
            return
        os.setgroups(os.getgrouplist(entry.pw_name, entry.pw_gid))
        os.setegid(entry.pw_gid)
        os.seteuid(entry.pw_uid)
        self._user = entry
        try:
            yield
        finally:
            self._user = None
            os.seteuid(0)
            os.setegid(os.getgid())
            os.setgroups(self._groups)

    def is_root(self) -> bool:
        return os.getuid() == 0

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def warn(self, text: str) -> None:
        raise NotImplementedError

    def _other(self, user: str | None) -> pwd.struct_passwd | None:
        if not user:
            return None
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise OptioError(f"user {user}", f"user {user} does not exist on the worker", "Create the user first") from None
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise OptioError(f"user {user}", f"only root can act as user {user}", "Set become: true for this task")
        return entry

    @contextmanager
    def privileged(self) -> Iterator[None]:
        user = self._user
        if user is None:
            yield
            return
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(self._groups)
        try:
            yield
        finally:
            os.setgroups(os.getgrouplist(user.pw_name, user.pw_gid))
            os.setegid(user.pw_gid)
            os.seteuid(user.pw_uid)

    def _child_identity(self) -> dict[str, Any]:
        # only the effective ids were changed; a child must not be able to change back
        return {"user": self._user.pw_uid, "group": self._user.pw_gid} if self._user else {}

    def _environment(self, environment: Mapping[str, str] | None) -> dict[str, str]:
        if environment is not None:
            return dict(environment)
        inherited = {**os.environ, "LC_ALL": "C"}
        if self._user:
            for name in [name for name in inherited if name.startswith("XDG_")]:
                del inherited[name]
            inherited.update(HOME=self._user.pw_dir, USER=self._user.pw_name, LOGNAME=self._user.pw_name)
        return inherited


class BufferedHost(LocalHost):
    """The worker for one of many jobs: warnings are collected and returned with its result."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class ModuleHost(LocalHost):
    """The worker as an AnsibleModule sees it: warnings reach the module's result."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__()
        self._module = module

    def warn(self, text: str) -> None:
        self._module.warn(text)
