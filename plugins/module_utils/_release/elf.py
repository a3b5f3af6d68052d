# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ELF files: their architecture and loader, and the errors for programs that a worker cannot execute."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .._core.errors import OptioError
from .._core.mounts import Mount

#: bytes at the begin of a file that decide its architecture
HEAD_SIZE = 20
_MAGIC = b"\x7fELF"
_PT_INTERP = 3
#: limits for a header that may be damaged
_MOST_SEGMENTS, _LARGEST_INTERPRETER = 128, 4096

#: names by (EI_CLASS, e_machine)
_NAMES = {
    (2, 62): "x86_64",
    (1, 3): "i386",
    (1, 62): "x32",
    (2, 183): "aarch64",
    (1, 40): "arm",
    (2, 243): "riscv64",
    (2, 21): "ppc64le",
    (2, 258): "loongarch64",
}
#: what kernels of these machines execute; of others nothing is known
_EXECUTABLE = {
    "x86_64": ((2, 62), (1, 3), (1, 62)),
    "aarch64": ((2, 183), (1, 40)),
    "armv7l": ((1, 40),),
    "armv8l": ((1, 40),),
    "i686": ((1, 3),),
    "riscv64": ((2, 243),),
}


@dataclass(frozen=True)
class Program:
    """The architecture of an ELF file, as (EI_CLASS, e_machine), and its loader; empty for other files and static programs."""

    elf: tuple[int, int] | None = None
    interpreter: str = ""


def elf_of(head: bytes) -> tuple[int, int] | None:
    """Return (EI_CLASS, e_machine) of a little-endian ELF file's first 20 bytes, None for anything else."""
    if len(head) < HEAD_SIZE or head[:4] != _MAGIC or head[5] != 1:
        return None
    return head[4], int.from_bytes(head[18:20], "little")


def is_for_machine(elf: tuple[int, int] | None, machine: str) -> bool:
    """Return False if a kernel of this machine (``uname -m``) cannot execute the architecture, without an emulator."""
    return elf is None or machine not in _EXECUTABLE or elf in _EXECUTABLE[machine]


def read_program(path: str) -> Program:
    """Return the architecture and the loader of a file; a file that cannot be read has neither."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(64)
            elf = elf_of(head)
            if elf is None:
                return Program()
            # offset of the program headers, then their size and number
            wide = elf[0] == 2
            offset = int.from_bytes(head[32:40] if wide else head[28:32], "little")
            size, number = (int.from_bytes(head[at : at + 2], "little") for at in ((54, 56) if wide else (42, 44)))
            stream.seek(offset)
            segments = stream.read(size * min(number, _MOST_SEGMENTS))
            for begin in range(0, len(segments) - size + 1, size or 1) if size else ():
                segment = segments[begin : begin + size]
                if int.from_bytes(segment[:4], "little") == _PT_INTERP:
                    return Program(elf, _text_at(stream.fileno(), segment, wide))
            return Program(elf)
    except (OSError, OverflowError, ValueError):
        return Program()


def _text_at(descriptor: int, segment: bytes, wide: bool) -> str:
    offset = int.from_bytes(segment[8:16] if wide else segment[4:8], "little")
    length = int.from_bytes(segment[32:40] if wide else segment[16:20], "little")
    data = os.pread(descriptor, min(length, _LARGEST_INTERPRETER), offset)
    text = data.partition(b"\0")[0].decode("utf-8", "replace")
    return text if text.isprintable() else repr(text)


def noexec_error(subject: str, mount: Mount, otherwise: str = "set cache_dir to a directory on another filesystem") -> OptioError:
    """Return the error for a program, or for ``cache <path>``, on a mount with noexec."""
    programs = f"programs in {subject}" if subject.startswith("cache ") else subject
    cause = f"{programs} cannot be executed: {mount.point} is mounted with noexec"
    return OptioError(subject, cause, f"Remount it with exec (mount -o remount,exec {mount.point}), or {otherwise}")


def architecture_error(path: str, elf: tuple[int, int] | None, machine: str) -> OptioError:
    """Return the error for a program of an architecture that the worker does not execute."""
    name = _NAMES.get(elf, f"ELF machine {elf[1]}") if elf else "another architecture"
    cause = f"{path} cannot be executed: it is built for {name}, but the worker is {machine}"
    return OptioError(path, cause, f"Install a build for {machine}")
