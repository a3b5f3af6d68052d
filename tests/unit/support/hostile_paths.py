# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hostile session puts in the place of its files, the paths that the product touches, and runs with a deadline."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import converge_each
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.host import BufferedHost
from ansible_collections.optio.codex.plugins.module_utils._core.paths import COPY_ROOT
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE as SESSION
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE as INFO
from ansible_collections.optio.codex.plugins.module_utils._session import sandbox_remains
from ansible_collections.optio.codex.plugins.module_utils._session.layout import RUNTIME_ROOT, runtime_digest
from ansible_collections.optio.codex.plugins.module_utils._transfer.output import RESOURCE as OUTPUT
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import RESOURCE as SNAPSHOT
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, RootLab
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

#: in the files of others, and in no result
SECRET = "hunter2-of-somebody-else"
ROLLOUT = "home/.codex/sessions/2026/01/01/rollout-2026-01-01T00-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl"
RESOURCES = {resource.name: resource for resource in (SESSION, INFO, OUTPUT, SNAPSHOT)}


class Outside:
    """Files and directories of others, to which links lead."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.directory = base / "directory"
        self.directory.mkdir(parents=True)
        for name in ("secret", "linked", "directory/file"):
            (base / name).write_text(f"{SECRET}\n")
            (base / name).chmod(0o600)
        for path in (*base.rglob("*"), base):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        self.before = self.state()

    def state(self) -> dict[str, tuple[Any, ...]]:
        """Return the content, the mode, the owner and the times of all."""
        found = {}
        for path in sorted((self.base, *self.base.rglob("*"))):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
            found[str(path)] = (content, oct(status.st_mode), status.st_uid, status.st_mtime_ns)
        return found


def _directory(path: Path) -> None:
    path.mkdir()
    (path / "entry").write_text("an entry\n")


def sparse(path: Path) -> None:
    """Make a file of 10 GiB that takes no space."""
    path.touch()
    os.truncate(path, 10 << 30)


def _unreadable(path: Path) -> None:
    path.write_text("unreadable\n")
    path.chmod(0)


def _hard_link(path: Path, target: Path) -> None:
    try:
        os.link(target, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        path.symlink_to(target)


KINDS = ("link", "link to a directory", "hard link", "pipe", "directory", "sparse", "unreadable", "device")


def kinds(outside: Outside) -> dict[str, Callable[[Path], object]]:
    """Return what makes each of KINDS at a path; only root can make a device."""
    made: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(outside.base / "secret"),
        "link to a directory": lambda path: path.symlink_to(outside.directory),
        "hard link": lambda path: _hard_link(path, outside.base / "linked"),
        "pipe": os.mkfifo,
        "directory": _directory,
        "sparse": sparse,
        "unreadable": _unreadable,
    }
    try:
        os.mknod(outside.base.parent / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        os.unlink(outside.base.parent / "device")
        made["device"] = lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except OSError:
        pass
    return made


def replace(path: Path, make: Callable[[Path], object]) -> None:
    """Put something else in the place of a file or a directory; with its parents where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()
    make(path)


def runtime_of(lab: Lab, name: str) -> Path:
    """Return the directory of a session's sockets."""
    return Path(RUNTIME_ROOT, name) if isinstance(lab, RootLab) else lab.root / ".run" / runtime_digest(name)


def copy_session(lab: Lab, name: str, new: str, texts: Mapping[str, str]) -> Path:
    """Make another session of one that has ended, with its files; return its directory. ``texts`` are replaced in its records."""
    root, target = lab.root, lab.root / new
    copies = Path(COPY_ROOT) if isinstance(lab, RootLab) else root / ".records"
    old_runtime, runtime = (runtime_of(lab, session) for session in (name, new))
    runtime.mkdir(0o700, exist_ok=True)
    shutil.copytree(root / name, target, symlinks=True)
    shutil.copytree(copies / name, copies / new)
    changes = {**texts, f"{root}/{name}": str(target), f"name={name}\n": f"name={new}\n", str(old_runtime): str(runtime)}
    for path in (*(target / file for file in ("session", "launch.sh", "environment")), *(copies / new).iterdir()):
        text = path.read_text()
        for before, after in changes.items():
            text = text.replace(before, after)
        path.write_text(text)
    link = target / "workdir/home"
    if link.is_symlink():
        link.unlink()
        link.symlink_to(target / "home")
    return target


def run_module(module: str, /, **given: Any) -> dict[str, Any]:
    """Return the result of a module, also of one that fails."""
    resource: Any = RESOURCES[module]
    entries = resource.expand_items(given) if "sessions" in given and resource is not INFO else None
    try:
        if entries is not None:
            return dict(converge_each(resource, entries, False, True))
        return dict(converge(resource, options(resource, **given), BufferedHost(), False, True))
    except (OptioError, ProbeError) as error:
        return {"failed": True, "msg": str(error)}


def give(user: int, *places: Path) -> None:
    """Make a user the owner of everything at and below some places."""
    for place in places:
        for path in (place, *place.rglob("*")):
            os.lchown(path, user, user)


def within(seconds: float, module: str, user: int = 0, /, **given: Any) -> dict[str, Any]:
    """Return the result of a module in a process of its own, of another ``user`` if set; fail the test if it takes longer."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.close(reader)
            if user:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            with os.fdopen(writer, "w") as stream:
                json.dump(run_module(module, **given), stream)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + seconds
    data = b""
    os.set_blocking(reader, False)
    try:
        while True:
            try:
                chunk = os.read(reader, 1 << 20)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{module} hangs: {given}") from None
                time.sleep(0.01)
                continue
            if not chunk:
                break
            data += chunk
    finally:
        os.close(reader)
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert data, f"{module} died: {given}"
    return dict(json.loads(data))


_CALL = re.compile(r"\w+\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?\"((?:[^\"\\]|\\.)*)\"")
#: names that are made up anew each time
_SCRATCH = re.compile(r"(^|/)\.(optio|clone|ask)-")


def touched(calls: Sequence[tuple[str, Mapping[str, Any]]], tops: Mapping[str, Path], trace: Path) -> list[str]:
    """Return the paths below some directories that modules touch in these calls, by tracing their system calls.

    A path begins with the name of its directory in ``tops``, of which the first one that matches is taken; ``.`` is left out.
    """
    strace = shutil.which("strace")
    assert strace, "strace is missing; install the package strace"
    # the new interpreter does not have the replacement of /tmp by the tests
    program = f"from {__name__} import *\nsandbox_remains.SHARED = {sandbox_remains.SHARED!r}\n"
    program += "for name, given in json.load(sys.stdin):\n    run_module(name, **given)"
    command = [strace, "-f", "-y", "-qq", "-s", "4096", "-e", "trace=%file", "-o", str(trace), sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run(command, input=json.dumps(calls), text=True, env=environment, check=True, timeout=120)
    found = set()
    with trace.open(errors="replace") as stream:
        for line in stream:
            for directory, path in _CALL.findall(line):
                whole = os.path.normpath(os.path.join(directory or "/", path))
                label = next((label for label, top in tops.items() if whole.startswith(f"{top}/")), None)
                relative = os.path.normpath(f"{label}/{whole[len(str(tops[label])) + 1 :]}") if label else ""
                if label and not _SCRATCH.search(relative):
                    found.add(relative)
    return sorted(found)
