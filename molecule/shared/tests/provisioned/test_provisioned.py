# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After provisioning: real programs that run, and a sandbox that holds."""

from __future__ import annotations

from typing import Any

import pytest
from paths import CACHE


@pytest.mark.parametrize("package", ["tmux", "git", "ca-certificates"])
def test_package(host: Any, package: str) -> None:
    assert host.package(package).is_installed


@pytest.mark.parametrize("program", ["codex", "ttyd"])
def test_program_runs_from_the_cache(host: Any, program: str) -> None:
    link = host.file(f"{CACHE}/{program}")
    assert link.is_symlink
    assert "/releases/" in link.linked_to
    assert program in host.check_output(f"{CACHE}/{program} --version")


def test_other_users_cannot_change_the_cache(host: Any) -> None:
    assert host.check_output(f"find {CACHE} ! -type l -perm /022") == ""


def test_nothing_is_left_of_the_downloads(host: Any) -> None:
    assert host.check_output(f"find {CACHE} -name '*.tgz'") == ""


def test_sandbox_writes_inside_and_not_outside(host: Any) -> None:
    script = f"""
set -e
directory=$(mktemp -d -p /var/tmp)
cd "$directory"
mkdir home workdir
cd workdir
HOME=$directory/home CODEX_HOME=$directory/home {CACHE}/codex sandbox -c sandbox_mode=workspace-write -- \\
  sh -c 'echo in > in.txt; echo out > /var/tmp/out.txt' >/dev/null 2>&1 || true
cat in.txt
[ ! -e /var/tmp/out.txt ] || echo escaped
rm -rf "$directory"
"""
    assert host.check_output(script) == "in"
