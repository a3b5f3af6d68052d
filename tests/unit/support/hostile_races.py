# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories of sessions that are exchanged for links, back and forth, while the product works with them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.tests.unit.support.hostile_field import SOUND, Field, collect, save
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import SECRET

#: seconds between two exchanges, of which none is in step with what is attacked
PAUSES = (0.0, 0.0005, 0.002, 0.007)


def parents_of(paths: Sequence[str]) -> list[str]:
    """Return the directories in which paths are that the product touches."""
    found = {os.path.dirname(path) for path in paths if "/" in path and not path.startswith("runtime/")}
    return sorted(found - {""})


def put_decoys(field: Field, paths: Sequence[str]) -> None:
    """Put files of others where the links lead, by the names that the product looks for below the directory."""
    names = {os.path.basename(path) for path in paths}
    for name in names - {"file", ".", ""}:
        decoy = field.outside.directory / name
        decoy.write_text(f"{SECRET}\n")
        decoy.chmod(0o600)
    for path in (*field.outside.base.rglob("*"), field.outside.base):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    field.outside.before = field.outside.state()


@contextmanager
def exchanged(places: Sequence[Path], outside: Path, spare: Path) -> Iterator[None]:
    """Exchange each of some directories for a link and back, as fast as possible, until the end."""
    spare.mkdir()
    links = []
    for number, _place in enumerate(places):
        link = spare / str(number)
        link.symlink_to(outside)
        links.append(link)
    pid = os.fork()
    if pid == 0:
        try:
            turn = 0
            while True:
                for place, link in zip(places, links):
                    files.exchange(str(place), str(link))
                time.sleep(PAUSES[turn % len(PAUSES)])
                turn += 1
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def race_all(field: Field, raced: Mapping[str, str], spare: Path, rounds: int) -> None:
    """Launch, look at, stop, collect, save and remove sessions whose directories by name are exchanged meanwhile."""
    names = list(raced)
    for name in names:
        field.copy(name)
    field.sow({})
    every = [*names, SOUND]
    places = [field.place(name, path) for name, path in raced.items()]
    with exchanged(places, field.outside.directory, spare):
        for _round in range(rounds):
            launch = {**field.launching, "resume": "always", "ready_timeout": 2.0, "sessions": [field.entry(name) for name in every]}
            assert field.call("session", launch)[SOUND]["status"] == "running"
            field.call("session_info", {**field.places, "include_screen": True, "transcript_entries": 3, "include_disk_usage": True})
            stopped = field.call("session", {**field.places, "stop_timeout": 5.0, "sessions": every, "state": "stopped"})
            assert stopped[SOUND]["status"] == "stopped"
            collect(field, every)
            save(field, every)
        field.call("session", {**field.places, "sessions": names, "state": "absent", "purge": True})
