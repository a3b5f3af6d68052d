# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret given to a session is in its 0600 file and in codex's own environment, and nowhere else."""

from __future__ import annotations

from e2e.sessions import ROOT, USER, WORKERS, Workers

SECRET = "s3cret-5f1d9c0e7b"


def test_secret_of_the_environment_is_seen_nowhere_else(workers: Workers) -> None:
    """Command lines, files that others can read, the journal, and Ansible's output at -vvv with diff."""
    run = workers.play(workers.task("hush", environment={"API_KEY": SECRET}), options=["--diff"])
    assert run.results and SECRET not in run.output
    assert all(SECRET not in str(record.result) for record in run.records)
    # the pattern's brackets keep the search itself from being found
    pattern = f"[{SECRET[0]}]{SECRET[1:]}"
    readable = f"find / -xdev -type f -newer /etc/hostname -size -4096k -readable -exec grep -la '{pattern}' {{}} + 2>/dev/null"
    for worker in WORKERS:
        assert workers.shell(worker, f"grep -la '{pattern}' /proc/[0-9]*/cmdline") == ""
        assert workers.shell(worker, f"journalctl --no-pager 2>/dev/null | grep '{pattern}'") == ""
        assert workers.shell(worker, readable, user="nobody") == ""
        holders = workers.shell(worker, readable).split()
        # codex keeps a copy of its shell's variables in its own home
        kept = [path for path in holders if not path.startswith(f"{ROOT}/hush/workdir/home/.codex/shell_snapshots/")]
        assert kept == [f"{ROOT}/hush/environment"]
        assert workers.shell(worker, f"stat -c %a {ROOT}/hush/environment {ROOT}/hush/workdir/home").split() == ["600", "700"]
        codex = f"grep -a API_KEY={pattern} /proc/$(pgrep -u {USER} -x codex)/environ | wc -l"
        assert workers.shell(worker, codex, user=USER).strip() == "1", "codex did not get its variable"
    workers.session("hush", state="absent")
    for worker in WORKERS:
        assert workers.read(worker, f"{ROOT}/hush/environment") is None
