# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which places on the controller outlast a run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils import _lasting as lasting
from ansible_collections.optio.codex.plugins.plugin_utils._lasting import temporary_parent

JOB = {"AWX_PRIVATE_DATA_DIR": "/srv/job_7"}


@pytest.mark.parametrize(
    ("path", "environ", "expected"),
    [
        ("/srv/logins/a.json", {}, None),
        ("/srv/tmp/a.json", {}, None),
        ("/tmpfiles/a.json", {}, None),
        ("/tmp/a.json", {}, "/tmp"),
        ("/var/tmp/deep/er/a.json", {}, "/var/tmp"),
        ("/dev/shm/a.json", {}, "/dev/shm"),
        ("/srv/../run/a.json", {}, "/run"),
        ("/srv/scratch/a.json", {"TMPDIR": "/srv/scratch"}, "/srv/scratch"),
        ("/srv/scratch/a.json", {"TMPDIR": "/"}, None),
        ("/runner/project/a.json", {}, None),
        ("/runner/env/a.json", JOB, "/runner"),
        ("/srv/job_7/env/a.json", JOB, "/srv/job_7"),
        ("/srv/job_70/env/a.json", JOB, None),
        ("/srv/job_7/a.json", {"AWX_ISOLATED_DATA_DIR": "/srv/job_7"}, "/srv/job_7"),
    ],
)
def test_what_goes_away(path: str, environ: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    monkeypatch.setattr(lasting, "CONTAINER_MARKS", ())
    assert temporary_parent(path, environ) == expected


def test_a_link_to_a_temporary_directory_goes_away_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/shm")
    assert temporary_parent(f"{tmp_path}/link/a.json", {"TMPDIR": str(tmp_path)}) == "/dev/shm"


def test_the_container_of_a_job_goes_away_but_not_what_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "CONTAINER_MARKS", ("/etc/hostname",))
    assert temporary_parent("/usr/none/a.json", {}) is None
    assert temporary_parent("/usr/none/a.json", JOB) == ("/" if os.stat("/usr").st_dev == os.stat("/").st_dev else None)
    assert temporary_parent("/proc/none/a.json", JOB) is None
    monkeypatch.setattr(lasting, "CONTAINER_MARKS", ())
    assert temporary_parent("/usr/none/a.json", JOB) is None
