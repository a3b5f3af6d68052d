# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules cost on a worker, apart from Python's start: run there, prints one JSON object.

``curl URL``: seconds of ``curl | tar xz``. ``cold MIRROR``: seconds and memory of an install of codex into an empty
cache. ``disk MIRROR``: the same install, with the most that it ever took on disk. ``warm MIRROR``: milliseconds of the
modules where all is right; a connection or a hash would end it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PLACE = Path("/var/tmp/optio-bench")
CACHE = PLACE / "cache"
WARM_RUNS = 30
SAMPLE = 0.02  # seconds


def emptied(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    # what an earlier run left to be written must not slow this one down
    os.sync()
    return path


def curl(url: str) -> dict[str, Any]:
    tree = emptied(PLACE / "tree")
    begin = time.monotonic()
    subprocess.run(["sh", "-c", 'curl -sf "$1" | tar -xz -C "$2"', "sh", url, str(tree)], check=True)
    seconds = time.monotonic() - begin
    size = on_disk(tree)[0]
    shutil.rmtree(tree)
    return {"seconds": seconds, "bytes": size}


def converged(name: str, **options: Any) -> dict[str, Any]:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    # what every module process has loaded before its first line of work
    from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule  # noqa: F401
    from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
    from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
    from ansible_collections.optio.codex.plugins.module_utils._monitor import worker_info
    from ansible_collections.optio.codex.plugins.module_utils._release import module as release

    subject: Any = {"codex": release.CODEX_RELEASE, "ttyd": release.TTYD_RELEASE, "info": worker_info.RESOURCE}[name]
    params = ArgumentSpecValidator(**subject.specification.to_kwargs()).validate(options).validated_parameters
    begin = time.monotonic()
    result = converge(subject, params, LocalHost(), False, False)
    return {"seconds": time.monotonic() - begin, "changed": result["changed"]}


def cold(mirror: str) -> dict[str, Any]:
    emptied(CACHE)
    done = converged("codex", sources=[f"{mirror}/codex"], cache_dir=str(CACHE))
    if not done["changed"]:
        raise SystemExit("the cache was not empty")
    return {**done, "rss_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def on_disk(directory: Path) -> tuple[int, set[str]]:
    """Return the bytes of all blocks below a directory, and the names of its files."""
    total, names = 0, set()
    for path, _directories, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
            names.add(name)
    return total, names


def disk(mirror: str) -> dict[str, Any]:
    peak, seen, ended = 0, set(), threading.Event()

    def sample() -> None:
        nonlocal peak
        while not ended.wait(SAMPLE):
            size, names = on_disk(CACHE)
            peak = max(peak, size)
            seen.update(names)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        cold(mirror)
    finally:
        ended.set()
        sampler.join()
    return {"peak": peak, "left": on_disk(CACHE)[0], "archives": sorted(name for name in seen if name.endswith((".tgz", ".gz")))}


def warm(mirror: str) -> dict[str, Any]:
    from ansible_collections.optio.codex.plugins.module_utils._release import cache, manifest

    root = tempfile.mkdtemp(prefix="root-", dir=PLACE)
    options: dict[str, dict[str, Any]] = {
        "codex": {"sources": [f"{mirror}/codex"], "cache_dir": str(CACHE)},
        "ttyd": {"sources": [f"{mirror}/ttyd"], "cache_dir": str(CACHE), "checksum": os.environ["TTYD_CHECKSUM"]},
        "info": {"codex_dir": str(CACHE), "sessions_dir": root, "check_sandbox": True},
    }
    for name, given in options.items():
        converged(name, **given)

    def refuse(*_arguments: Any, **_keywords: Any) -> Any:
        raise SystemExit("a warm run connects or hashes")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    manifest.sha256_of = refuse
    cache.sha256_of = refuse  # type: ignore[attr-defined]
    result: dict[str, Any] = {}
    for name, given in options.items():
        times = []
        for _run in range(WARM_RUNS):
            done = converged(name, **given)
            if done["changed"]:
                raise SystemExit(f"{name}: a warm run changed something")
            times.append(done["seconds"] * 1000)
        result[name] = {"min": min(times), "median": statistics.median(times), "max": max(times)}
    return result


if __name__ == "__main__":
    mode, argument = sys.argv[1:3]
    print(json.dumps({"curl": curl, "cold": cold, "disk": disk, "warm": warm}[mode](argument)))
