# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shells that probes must run under, and shellcheck."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

#: by name, the command that runs a script; probes must work under each
SHELLS: dict[str, tuple[str, ...]] = {
    "dash": ("dash",),
    "busybox": ("busybox", "sh"),
    "bash": ("bash", "--posix"),
}
DEADLINE = 30  # seconds
#: a literal tilde, a script quoted inside a script, REPLY read by the caller
INTENDED = ("SC2088", "SC2016", "SC2034")


def command(name: str) -> list[str]:
    """Return the absolute command of a shell; fail the test where the program is missing."""
    program, *options = SHELLS[name]
    return [_program(program), *options]


def run(
    name: str,
    script: str,
    *,
    as_argument: bool = False,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> str:
    """Return what a script prints on either stream under a shell, fed to its standard input unless ``as_argument``."""
    argv = [*prefix, *command(name), *(["-c", script] if as_argument else [])]
    done = subprocess.run(
        argv,
        input="commands that read standard input see this\n" if as_argument else script,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        env=None if environment is None else dict(environment),
        timeout=DEADLINE,
        check=False,
    )
    return done.stdout


def shellcheck(script: str, *exceptions: str) -> None:
    """Fail the test when shellcheck has anything to say of a POSIX script, but for INTENDED and ``exceptions``.

    OPTIO_CODEX_NO_SHELLCHECK is set where only the version of Python differs.
    """
    if os.environ.get("OPTIO_CODEX_NO_SHELLCHECK"):
        return
    exclude = f"--exclude={','.join((*INTENDED, *exceptions))}"
    argv = [_program("shellcheck"), "--shell=sh", "--norc", "--format=gcc", exclude, "-"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def _program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is missing; install the package {name}"
    return path
