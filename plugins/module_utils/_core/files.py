# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and atomically replacing the small files that the collection owns."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .errors import OptioError
from .safe_open import DIRECTORY, open_regular

#: bytes of a small file; more were not written by this collection
MOST_TEXT = 16 << 20
#: of renameat2(2)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def read_text(path: str) -> str | None:
    """Return a file's text (bytes that are not UTF-8 survive a round trip), None if it does not exist."""
    if path == os.devnull:
        return ""
    try:
        with os.fdopen(open_regular(path, follow=True), "rb") as stream:
            data = stream.read(MOST_TEXT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise failure(path, IsADirectoryError(errno.EISDIR, "is a directory") if os.path.isdir(path) else error) from error
    if len(data) > MOST_TEXT:
        raise OptioError(path, f"{path} has more than {MOST_TEXT >> 20} MiB", "Move it away or choose another path")
    return data.decode("utf-8", "surrogateescape")


def write_text(path: str, text: str, mode: int = 0o600, follow: bool = True) -> None:
    """Replace a file by one rename, so that a reader sees the old text or the new one, never a part.

    A symbolic link is written through, as codex itself does with its configuration, or replaced where ``follow`` is
    false. Root leaves the file to the owner it had.
    """
    target = os.path.realpath(path) if follow else path
    with replacing(target) as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
        _keep_owner(target, stream.fileno())
        os.fchmod(stream.fileno(), mode)


@contextmanager
def replacing(path: str, prefix: str = ".optio-") -> Iterator[BinaryIO]:
    """Yield a file of mode 0600 that replaces ``path`` by one rename, after it was synced to disk.

    Whenever a run is killed, ``path`` is the old file or the new one, whole. After an error it is the old one.
    """
    try:
        descriptor, scratch = tempfile.mkstemp(prefix=prefix, dir=os.path.dirname(path))
    except OSError as error:
        raise failure(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(scratch, path)
    except OSError as error:
        remove(scratch)
        raise failure(path, error) from error
    except BaseException:
        remove(scratch)
        raise


def _keep_owner(path: str, descriptor: int) -> None:
    if os.geteuid() != 0:
        return
    try:
        owner = os.stat(path)
    except FileNotFoundError:
        return
    os.fchown(descriptor, owner.st_uid, owner.st_gid)


def replace_link(path: str, target: str) -> None:
    """Make ``path`` a symbolic link to ``target`` by one rename, replacing any file or link."""
    scratch = os.path.join(os.path.dirname(path), f".optio-{secrets.token_hex(8)}")
    try:
        os.symlink(target, scratch)
        os.rename(scratch, path)
    except OSError as error:
        remove(scratch)
        raise failure(path, error) from error


def set_aside(path: str) -> str:
    """Rename a file to a unique name in its own directory; return the new path."""
    aside = os.path.join(os.path.dirname(path), f".optio-{secrets.token_hex(8)}")
    try:
        os.rename(path, aside)
    except OSError as error:
        raise failure(path, error) from error
    return aside


def check_space(path: str, size: int) -> None:
    """Raise OptioError unless a file of ``size`` bytes fits below a directory, existing or still to be made."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        with tempfile.TemporaryFile(prefix=".optio-", dir=path) as stream:
            os.posix_fallocate(stream.fileno(), 0, size)
    except OSError as error:
        raise failure(path, error) from error


def exchange(one: str, other: str) -> bool:
    """Swap the files at two paths atomically; return whether the system and the filesystem can."""
    try:
        import ctypes

        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, AttributeError, OSError):
        return False
    done: int = rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


def make_directory(path: str, mode: int = 0o700) -> list[str]:
    """Create a directory and its missing parents; return those made, outermost first."""
    missing: list[str] = []
    current = path
    while not os.path.isdir(current):
        # looked at again, because another run may have made it between the two
        if os.path.lexists(current) and not os.path.isdir(current):
            raise _no_directory(current)
        missing.insert(0, current)
        current = os.path.dirname(current)
    made: list[str] = []
    for directory in missing:
        try:
            os.mkdir(directory, mode)
        except FileExistsError:
            # another run was faster, and is responsible for it
            continue
        except OSError as error:
            remove_empty(made)
            raise failure(directory, error) from error
        made.append(directory)
    return made


def make_below(top: str, path: str, mode: int = 0o700) -> list[str]:
    """Create a directory and its missing parents below the directory ``top``; return those made, outermost first.

    Below ``top`` no link is followed, even if another process puts one in the place of a directory meanwhile.
    """
    made: list[str] = []
    current, handle = top, -1
    try:
        handle = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in os.path.relpath(path, top).split("/"):
            current = f"{current}/{name}"
            with suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=handle)
                made.append(current)
            below = os.open(name, DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = below
    except OSError as error:
        remove_empty(made)
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise _no_directory(current) from error
        raise failure(current, error) from error
    finally:
        if handle >= 0:
            os.close(handle)
    return made


def _no_directory(path: str) -> OptioError:
    return OptioError(path, f"{path} is not a directory", "Move it away or choose another path")


def remove_empty(directories: list[str]) -> None:
    """Remove directories, given outermost first, from the innermost up to the first that is not empty."""
    for directory in reversed(directories):
        try:
            os.rmdir(directory)
        except OSError:
            return


def remove(path: str) -> bool:
    """Remove a file, a link or a whole tree; return whether there was anything."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return True
        raise failure(path, error) from error
    return True


def clear(path: str, keep: bool) -> None:
    """Remove a directory's content, and the directory itself unless ``keep``."""
    if not keep:
        remove(path)
        return
    for entry in os.listdir(path):
        remove(os.path.join(path, entry))


def failure(path: str, error: OSError) -> OptioError:
    """Return the user's error for a failed system call on ``path``."""
    remedies = {
        errno.ENOSPC: "Free space on that filesystem and run again",
        errno.EDQUOT: "Raise the user's quota or free space and run again",
        errno.EACCES: _permission_remedy(),
        errno.EPERM: _permission_remedy(),
        errno.EROFS: "Remount that filesystem read-write, or choose a path on a writable filesystem",
        errno.ENOENT: "Create its parent directory first",
        errno.ENOTDIR: "Move the file in its path away or choose another path",
    }
    remedy = remedies.get(error.errno or 0, "Check that path on the worker")
    return OptioError(path, f"{path}: {(error.strerror or str(error)).lower()}", remedy)


def _permission_remedy() -> str:
    if os.getuid() != 0:
        return "Run as the owner, or set become: true"
    if os.geteuid() != 0:
        return "Allow the session's user to access that path, or choose another path"
    return "Check its mount, attributes and security policy (NFS with root_squash, lsattr, SELinux), or choose another path"
