# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far an install is: written on the worker by the run that installs, read by the controllers that wait for it.

The file is in the run's scratch in the cache, so it is removed with the scratch, also after a killed run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._core.probe import Section, compose
from .cache import SCRATCH_PREFIX

FILE = "progress"
#: of the module's environment: the controller's id of this run
RUN_VARIABLE = "OPTIO_PROGRESS_RUN"
SOURCE, DOWNLOAD, CHECK = "source", "download", "check"
#: seconds between two writes of one phase
INTERVAL = 0.3
#: characters of a value
LONGEST = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_SCRIPT = f"""for file in "$cache"/{SCRATCH_PREFIX}*/{FILE}; do
if [ -f "$file" ]; then section install; cat "$file"; fi
done"""


class Progress:
    """Keeps one file up to date; that it cannot be written never fails an install."""

    def __init__(self, scratch: str, title: str, clock: Callable[[], float]) -> None:
        self._path = f"{scratch}/{FILE}"
        self._clock = clock
        self._values = {"run": os.environ.get(RUN_VARIABLE, ""), "title": title}
        self._written = clock()
        self._done = 0

    def source(self, name: str) -> None:
        """Report the source in use, a URL without credentials or a word."""
        self._values["source"] = name
        self._phase(SOURCE, 0)

    def download(self, total: int | None) -> None:
        """Report that bytes will come; ``total`` of them if that is known."""
        self._phase(DOWNLOAD, total or 0)

    def received(self, count: int) -> None:
        """Count bytes that came."""
        self._done += count
        if self._clock() >= self._written + INTERVAL:
            self._write()

    def check(self) -> None:
        """Report that all bytes have arrived and are being checked."""
        self._values["phase"] = CHECK
        self._write()

    def _phase(self, name: str, total: int) -> None:
        self._values.update(phase=name, total=str(total))
        self._done = 0
        self._write()

    def _write(self) -> None:
        self._written = self._clock()
        lines = (f"{name}={_plain(value)}\n" for name, value in {**self._values, "done": str(self._done)}.items())
        try:
            with open(f"{self._path}.new", "w", encoding="utf-8", errors="replace") as stream:
                stream.writelines(lines)
            os.replace(f"{self._path}.new", self._path)
        except OSError:
            return


@dataclass(frozen=True)
class Sample:
    """How far an install was at one moment; ``total`` is 0 where it is not known."""

    run: str
    title: str
    phase: str
    source: str
    done: int = 0
    total: int = 0

    @property
    def percent(self) -> int:
        """Return the part that is there, 0 where the whole is not known."""
        return min(100, 100 * self.done // self.total) if self.total else 0


def _plain(value: str) -> str:
    return _CONTROL.sub("?", value)[:LONGEST]


def script(cache: str) -> str:
    """Return the probe that prints how far the install in a cache is."""
    return compose(_SCRIPT, {"cache": cache})


def sample_of(sections: Sequence[Section], run: str) -> Sample | None:
    """Return the progress of the install ``run``, else that of another run, None without any."""
    found = [
        Sample(
            # once more: a worker must not write escape sequences to the user's terminal
            _plain(section.get("run")),
            _plain(section.get("title")),
            _plain(section.get("phase")),
            _plain(section.get("source")),
            section.number("done") or 0,
            section.number("total") or 0,
        )
        for section in sections
        if section.kind == "install"
    ]
    found.sort(key=lambda sample: sample.run == run)
    return found[-1] if found else None
