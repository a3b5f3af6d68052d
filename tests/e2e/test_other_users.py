# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session's user writes into its own files does not lead root astray, nor end what belongs to others."""

from __future__ import annotations

from e2e.sessions import ROOT, SYSTEMD, USER, WITHOUT, Workers


def test_root_signals_and_makes_nothing_that_the_user_could_not(workers: Workers) -> None:
    """A forged pid of root's is left alone; a forged directory is not made."""
    workers.session("forged", hosts=WITHOUT)
    workers.shell(WITHOUT, "setsid -f sleep 4243 </dev/null >/dev/null 2>&1")
    victim = workers.shell(WITHOUT, "pgrep -u root -x sleep -a | grep 4243 | cut -d ' ' -f 1").strip()
    started = workers.shell(WITHOUT, f"sed 's/.*) //' /proc/{victim}/stat | cut -d ' ' -f 20").strip()
    workers.shell(WITHOUT, f"echo {victim} {started} 0 >{ROOT}/forged/terminal", user=USER)
    workers.session("forged", hosts=WITHOUT, state="stopped")
    assert workers.shell(WITHOUT, f"cat /proc/{victim}/comm").strip() == "sleep", "root's process was ended"
    workers.shell(WITHOUT, f"kill {victim}")

    forged = "/run/optio-codex/../../etc/forged"
    workers.shell(WITHOUT, f"sed -i 's,^runtime=.*,runtime={forged},' {ROOT}/forged/session", user=USER)
    workers.session("forged", hosts=WITHOUT, resume="always")
    assert workers.shell(WITHOUT, "ls -d /etc/forged 2>/dev/null") == ""
    workers.session("forged", hosts=WITHOUT, state="absent")
    assert workers.traces(WITHOUT, "forged") == []


def test_an_end_by_another_root_directory_ends_nothing(workers: Workers) -> None:
    """A session of the same name that lives elsewhere goes on, whatever state is asked of this one."""
    live = workers.session("twin", hosts=SYSTEMD)[SYSTEMD]
    for state in ("stopped", "absent"):
        ended = workers.session("twin", hosts=SYSTEMD, state=state, sessions_dir=f"/home/{USER}/elsewhere")[SYSTEMD]
        assert not ended["changed"] and ended["status"] == "absent"
    assert workers.info("twin", hosts=SYSTEMD)[SYSTEMD]["pid"] == live["pid"]
    workers.session("twin", hosts=SYSTEMD, state="absent")


def test_a_projects_own_home_is_neither_used_nor_removed(workers: Workers) -> None:
    """A workdir with a directory home of its own has a session, and its removal takes nothing."""
    project = f"/home/{USER}/project"
    workers.shell(SYSTEMD, f"mkdir -p {project}/home && echo mine >{project}/home/default.nix", user=USER)
    launched = workers.session("nix", workdir=project, hosts=SYSTEMD)
    assert launched[SYSTEMD]["home"] == f"{ROOT}/nix/home"
    workers.session("nix", workdir=project, state="absent", purge=True, hosts=SYSTEMD)
    assert workers.shell(SYSTEMD, f"find {project} -mindepth 1 | sort") == f"{project}/home\n{project}/home/default.nix\n"
    assert workers.read(SYSTEMD, f"{project}/home/default.nix") == "mine\n"
