# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""User ids of sessions: never one twice, whoever else is on the worker and whatever was killed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session import user_ids
from ansible_collections.optio.codex.plugins.module_utils._session.user_ids import (
    next_ids,
    observed_ids,
    parse_mark,
    reserve_ids,
    uid_range,
)

RANGE = (1000, 1010)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1000, 60000)),
        ("UID_MIN 500\nUID_MAX\t\t900\n", (500, 900)),
        ("#UID_MIN 500\n  UID_MAX   900  \nSYS_UID_MIN 100\nUID_MIN x\n", (1000, 900)),
    ],
)
def test_the_range_of_the_worker(text: str, expected: tuple[int, int]) -> None:
    assert uid_range(text) == expected


@pytest.mark.parametrize(
    ("mark", "taken", "count", "expected"),
    [
        (None, [], 1, [1000]),
        (None, [0, 33, 1000, 1004, 65534], 2, [1005, 1006]),
        # an id below the mark was used, even if it is free
        (1006, [1000], 2, [1006, 1007]),
        # other users are skipped
        (1006, [1006, 1008], 2, [1007, 1009]),
        (3, [], 1, [1000]),
        (1010, [], 1, [1010]),
        (1011, [], 0, []),
    ],
)
def test_ids_go_upwards(mark: int | None, taken: list[int], count: int, expected: list[int]) -> None:
    assert next_ids(mark, taken, RANGE, count, lambda uid: False) == expected


def test_ids_that_no_list_shows_are_skipped() -> None:
    assert next_ids(1000, [], RANGE, 2, lambda uid: uid < 1003) == [1003, 1004]


@pytest.mark.parametrize(("mark", "count"), [(1011, 1), (1010, 2), (5000, 1)])
def test_at_the_end_of_the_range_nothing_starts_again(mark: int, count: int) -> None:
    with pytest.raises(OptioError, match="no user id is left") as raised:
        next_ids(mark, [], RANGE, count, lambda uid: False)
    assert "Raise UID_MAX" in raised.value.remedy


@pytest.mark.parametrize("text", ["x\n", "12", "-3\n", "1\n2\n", "\n", "99999999999\n"])
def test_a_damaged_mark_is_reported(text: str) -> None:
    with pytest.raises(OptioError, match="does not contain a number"):
        parse_mark(text)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lib/.next_uid"
    monkeypatch.setattr(user_ids, "MARK", str(path))
    monkeypatch.setattr(user_ids, "COPY_ROOT", str(path.parent))
    return path


def test_reserved_once(mark: Path) -> None:
    """Foreseen without a change, then recorded before it is used."""
    foreseen = observed_ids(2)
    assert not mark.exists()
    first = reserve_ids(2, LocalHost())
    assert first == foreseen and int(mark.read_text()) == first[-1] + 1
    assert mark.stat().st_mode & 0o777 == 0o600 and mark.parent.stat().st_mode & 0o777 == 0o755
    assert reserve_ids(1, LocalHost()) == [first[-1] + 1]
    assert reserve_ids(0, LocalHost()) == []


def test_runs_at_the_same_time_get_different_ids(mark: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = [uid for found in pool.map(lambda _number: reserve_ids(3, LocalHost()), range(8)) for uid in found]
    assert len(set(ids)) == 24


@pytest.mark.parametrize("kind", ["link", "pipe", "mode", "owner"])
def test_a_mark_of_another_user_is_not_believed(mark: Path, tmp_path: Path, kind: str) -> None:
    mark.parent.mkdir()
    if kind == "link":
        (tmp_path / "target").write_text("5\n")
        mark.symlink_to(tmp_path / "target")
    elif kind == "pipe":
        os.mkfifo(mark)
    else:
        mark.write_text("5\n")
        mark.chmod(0o666 if kind == "mode" else 0o600)
        if kind == "owner":
            os.chown(mark, 54321, 54321)
    with pytest.raises(OptioError, match=r"\.next_uid"):
        reserve_ids(1, LocalHost())
