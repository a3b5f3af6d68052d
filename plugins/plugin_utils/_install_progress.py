# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress lines of a long install and their intervals, and the thread that prints them while the module runs."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.optio.codex.plugins.module_utils._release.progress import CHECK, DOWNLOAD, Sample

#: seconds that the end of the module waits for a look that is under way; more only when the connection hangs
PATIENCE = 5.0
#: of environments in which a terminal is a log all the same: AWX's runner gives its jobs one
LOGGED = ("CI", "AWX_ISOLATED_DATA_DIR")


@dataclass(frozen=True)
class ReportInterval:
    """How often to speak: seconds to the ``first`` line, seconds that later ones are ``apart`` at least.

    A later one also needs news (``step`` per cent, another phase or source) or a ``lull`` of so many seconds.
    """

    first: float
    apart: float
    step: int
    lull: float

    @property
    def interval(self) -> float:
        """Return the seconds between two looks."""
        return self.apart / 2


LOG = ReportInterval(first=10, apart=30, step=25, lull=300)


def on_terminal(environment: Mapping[str, str], tty: bool) -> bool:
    """Return whether a person watches; ``tty`` is whether standard error is a terminal."""
    return tty and environment.get("TERM") != "dumb" and not any(environment.get(name) for name in LOGGED)


#: looked at in the process that Ansible forks its workers from, because they have no terminal
ON_TERMINAL = on_terminal(os.environ, sys.stderr is not None and sys.stderr.isatty())


def report_interval(terminal: bool, hosts: int) -> ReportInterval:
    """Return the pace for a number of hosts at once: at most two lines a second in total."""
    return ReportInterval(first=2, apart=max(5, hosts / 2), step=10, lull=max(30, hosts / 2)) if terminal else LOG


def lines(samples: Iterable[tuple[float, Sample | None]], pace: ReportInterval, run: str, title: str) -> Iterator[str]:
    """Yield lines about the install ``run`` from samples, each with the seconds since the beginning."""
    said: tuple[float, Sample] | None = None
    first: Sample | None = None
    for now, sample in samples:
        if sample is None:
            continue
        first = first or sample
        # the progress of a killed run does not change, and is removed when the module gets there
        if sample.run != run and sample == first:
            continue
        if now >= pace.first if said is None else _due(pace, now - said[0], said[1], sample):
            said = now, sample
            yield f"{title}: {_phase_text(sample) if sample.run == run else _waits(sample)}"


def _due(pace: ReportInterval, passed: float, before: Sample, now: Sample) -> bool:
    if passed < pace.apart:
        return False
    news = _state(before) != _state(now) or before.percent // pace.step != now.percent // pace.step
    return news or passed >= pace.lull


def _state(sample: Sample) -> tuple[str, str, str]:
    return sample.run, sample.phase, sample.source


def _phase_text(sample: Sample) -> str:
    if sample.phase == DOWNLOAD:
        return f"{_amount(sample)}, {_short(sample.source)}"
    if sample.phase == CHECK:
        return f"checking the files from {_short(sample.source)}"
    return f"trying {sample.source}"


def _waits(sample: Sample) -> str:
    return f"waiting for another run on the same cache ({sample.title}: {_phase_text(sample)})"


def _short(source: str) -> str:
    # the rest of the URL is long, and the same for each line
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc}/…" if parts.netloc else source


def _amount(sample: Sample) -> str:
    done = round(sample.done / 1e6)
    return f"{done} of {round(sample.total / 1e6)} MB ({sample.percent} %)" if sample.total else f"{done} MB"


class ProgressReporter:
    """Looks and speaks in a thread of its own, from entering the context to leaving it."""

    def __init__(self, look: Callable[[], Sample | None], say: Callable[[str], None], pace: ReportInterval, run: str, title: str) -> None:
        self._look = look
        self._say = say
        self._pace = pace
        self._run = run
        self._title = title
        self._over = threading.Event()
        # a connection that hangs must not keep the process from ending
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._watch,), daemon=True)
        #: the last line printed
        self.last = ""

    def __enter__(self) -> ProgressReporter:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    def _watch(self) -> None:
        for line in lines(self._samples(), self._pace, self._run, self._title):
            if self._over.is_set():
                return
            self.last = line
            self._say(line)

    def _samples(self) -> Iterator[tuple[float, Sample | None]]:
        begin, pause = time.monotonic(), self._pace.first
        while not self._over.wait(pause):
            try:
                sample = self._look()
            except Exception:
                # repeated attempts could lock an account; the module reports its own error
                return
            yield time.monotonic() - begin, sample
            pause = self._pace.interval
