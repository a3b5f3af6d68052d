# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of an install, and when: from tables of samples; and the thread that asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.optio.codex.plugins.module_utils._release.progress import Sample
from ansible_collections.optio.codex.plugins.plugin_utils._install_progress import (
    LOG,
    ProgressReporter,
    ReportInterval,
    lines,
    on_terminal,
    report_interval,
)

URL = "https://mirror.example.com/codex/rust-v1/codex-npm-linux-x64-1.tgz"
FAR = "https://far.example.com:8443/codex.tgz"
TERMINAL = report_interval(terminal=True, hosts=1)
WHOLE = 200_000_000


def download(percent: float, run: str = "mine", source: str = URL) -> Sample:
    return Sample(run, "codex 1", "download", source, int(WHOLE * percent / 100), WHOLE)


def phase(name: str, run: str = "mine", source: str = URL) -> Sample:
    return Sample(run, "codex 1", name, source)


def said(pace: ReportInterval, *samples: tuple[float, Sample | None]) -> list[tuple[float, str]]:
    """Return each line with the time of the sample that led to it."""
    asked: list[float] = []

    def remembered() -> Iterator[tuple[float, Sample | None]]:
        for now, sample in samples:
            asked.append(now)
            yield now, sample

    return [(asked[-1], line) for line in lines(remembered(), pace, "mine", "codex 1")]


def steady(rate: float, until: float, every: float) -> list[tuple[float, Sample | None]]:
    """Return the samples of a download of ``rate`` per cent a second."""
    count = int(until / every) + 1
    return [(number * every, download(min(100, number * every * rate))) for number in range(count)]


@pytest.mark.parametrize(
    ("sample", "line"),
    [
        (download(31), "codex 1: 62 of 200 MB (31 %), https://mirror.example.com/…"),
        (Sample("mine", "codex 1", "download", URL, 52_400_000), "codex 1: 52 MB, https://mirror.example.com/…"),
        (download(1, source="file:///srv/codex.tgz"), "codex 1: 2 of 200 MB (1 %), file:///srv/codex.tgz"),
        (phase("source"), f"codex 1: trying {URL}"),
        (phase("source", source="host"), "codex 1: trying host"),
        (phase("check", source=FAR), "codex 1: checking the files from https://far.example.com:8443/…"),
    ],
)
def test_a_line(sample: Sample, line: str) -> None:
    assert said(TERMINAL, (2, sample)) == [(2, line)]


@pytest.mark.parametrize(
    ("pace", "rate", "until", "times"),
    [
        (TERMINAL, 60, 1.7, []),
        (TERMINAL, 10, 10, [2, 7]),
        (TERMINAL, 1, 100, [2, *range(10, 101, 10)]),
        (TERMINAL, 0.1, 100, [2, 32, 62, 92, 100]),
        (LOG, 12, 9, []),
        (LOG, 5, 20, [10]),
        (LOG, 1, 100, [10, 40, 70, 100]),
        (LOG, 0.1, 1000, [10, 250, 500, 750, 1000]),
        (LOG, 0.01, 1000, [10, 310, 610, 910]),
        (report_interval(terminal=True, hosts=100), 1, 100, [2, 52]),
    ],
    ids=[
        "terminal, over at once",
        "terminal, seconds",
        "terminal, minutes",
        "terminal, hours",
        "log, over at once",
        "log, seconds",
        "log, minutes",
        "log, quarters",
        "log, hours",
        "terminal, a hundred hosts",
    ],
)
def test_when_a_line_comes(pace: ReportInterval, rate: float, until: float, times: list[float]) -> None:
    assert [now for now, _line in said(pace, *steady(rate, until, 1))] == times


def test_another_source_is_news_but_no_flood() -> None:
    samples: list[tuple[float, Sample | None]] = [(2, phase("source"))]
    samples += [(now, phase("source", source=FAR if now % 2 else URL)) for now in range(3, 20)]
    assert [now for now, _line in said(TERMINAL, *samples)] == [2, 7, 12, 17]


def test_another_run_on_the_same_cache() -> None:
    message = said(TERMINAL, (2, download(10, "other")), (4, download(20, "other")), (9, None), (12, phase("source")), (17, download(1)))
    assert message == [
        (4, "codex 1: waiting for another run on the same cache (codex 1: 40 of 200 MB (20 %), https://mirror.example.com/…)"),
        (12, f"codex 1: trying {URL}"),
        (17, "codex 1: 2 of 200 MB (1 %), https://mirror.example.com/…"),
    ]


def test_the_progress_of_a_killed_run_is_ignored() -> None:
    left = download(40, "killed")
    assert said(TERMINAL, (2, left), (4, left), (60, left), (62, download(1))) == [
        (62, "codex 1: 2 of 200 MB (1 %), https://mirror.example.com/…")
    ]


def test_nothing_to_see() -> None:
    assert said(TERMINAL, (2, None), (60, None)) == []


@pytest.mark.parametrize(
    ("environment", "tty", "person"),
    [
        ({}, True, True),
        ({"TERM": "xterm", "CI": ""}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"CI": "true"}, True, False),
        ({"AWX_ISOLATED_DATA_DIR": "/runner/artifacts/1"}, True, False),
    ],
)
def test_whether_a_person_watches(environment: dict[str, str], tty: bool, person: bool) -> None:
    assert on_terminal(environment, tty) is person


@pytest.mark.parametrize("hosts", [1, 10, 50, 500])
def test_many_hosts_print_two_lines_a_second_at_most(hosts: int) -> None:
    pace = report_interval(terminal=True, hosts=hosts)
    assert hosts / pace.apart <= 2
    assert pace.lull >= pace.apart


def watch(look: Callable[[], Sample | None], say: Callable[[str], None]) -> ProgressReporter:
    return ProgressReporter(look, say, ReportInterval(first=0, apart=0, step=1, lull=0), "mine", "codex 1")


def test_the_watch_speaks_while_the_work_goes_on_and_ends_with_it() -> None:
    spoken, heard = [], threading.Event()

    def say(line: str) -> None:
        spoken.append(line)
        heard.set()

    with watch(lambda: download(50), say) as watching:
        assert heard.wait(10)
    count = len(spoken)
    assert watching.last == spoken[0] == "codex 1: 100 of 200 MB (50 %), https://mirror.example.com/…"
    assert not watching._thread.is_alive()
    assert len(spoken) == count


def test_the_watch_asks_no_more_after_a_failure() -> None:
    asked = []

    def look() -> Sample | None:
        asked.append(1)
        raise OSError("the connection is gone")

    with watch(look, lambda line: None) as watching:
        watching._thread.join(10)
    assert (len(asked), watching.last) == (1, "")


def test_an_error_of_the_work_ends_the_watch() -> None:
    watching = watch(lambda: None, lambda line: None)
    with pytest.raises(ValueError, match="the module failed"), watching:
        raise ValueError("the module failed")
    assert not watching._thread.is_alive()
