# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places on the controller that go away with a run or with the next boot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping

#: ansible-runner and AWX set them to the directory of one job
JOB_VARIABLES = ("AWX_PRIVATE_DATA_DIR", "AWX_ISOLATED_DATA_DIR")
#: where that directory is in the container of a job
JOB_DIRECTORY = "/runner"
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run")
#: one of them exists in a container, unless Kubernetes runs it
CONTAINER_MARKS = ("/run/.containerenv", "/.dockerenv")


def temporary_parent(path: str, environ: Mapping[str, str]) -> str | None:
    """Return the directory of ``path`` that does not outlast the run, None if the file stays where it is."""
    target = os.path.realpath(path)
    temporary = filter(None, (environ.get("TMPDIR"), tempfile.gettempdir(), *TEMPORARY))
    return _parent_of(target, (*_job_directories(environ), *temporary)) or _container_root(target, environ)


def job_parent(path: str, environ: Mapping[str, str]) -> str | None:
    """Return the directory of ``path`` that goes away with the job of ansible-runner or AWX that this run is, None otherwise."""
    target = os.path.realpath(path)
    return _parent_of(target, _job_directories(environ)) or _container_root(target, environ)


def remote_temporary_parent(path: str) -> str | None:
    """Return the temporary directory that has the resolved path of another host, None otherwise."""
    return next((directory for directory in TEMPORARY if f"{path}/".startswith(f"{directory}/")), None)


def _parent_of(target: str, directories: Iterable[str]) -> str | None:
    for directory in directories:
        parent = os.path.realpath(directory)
        if parent != "/" and f"{target}/".startswith(f"{parent}/"):
            return directory
    return None


def _container_root(target: str, environ: Mapping[str, str]) -> str | None:
    return "/" if _is_job_container(environ) and _on_root_filesystem(target) else None


def _job_directories(environ: Mapping[str, str]) -> Iterator[str]:
    yield from filter(None, map(environ.get, JOB_VARIABLES))
    if is_job(environ):
        yield JOB_DIRECTORY


def is_job(environ: Mapping[str, str]) -> bool:
    """Return whether the run is a job of ansible-runner or AWX."""
    return any(environ.get(name) for name in JOB_VARIABLES)


def _is_job_container(environ: Mapping[str, str]) -> bool:
    return is_job(environ) and ("KUBERNETES_SERVICE_HOST" in environ or any(map(os.path.exists, CONTAINER_MARKS)))


def _on_root_filesystem(path: str) -> bool:
    # paths that outlast the container of a job are mounted into it
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev == os.stat("/").st_dev
