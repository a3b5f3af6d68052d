# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the commands of a real codex can reach of the sessions of its user, in each sandbox mode on each version."""

from __future__ import annotations

from typing import Any

from e2e.conftest import NEW, OLD
from e2e.sessions import ROOT, USER, Workers, home, is_idle

WORKER = "systemd"
EARLIER, LATER = "reach-earlier", "reach-later"
#: by session: its options and version
SESSIONS: dict[str, dict[str, Any]] = {
    "reach-read-old": {"sandbox": "read-only", "version": OLD},
    "reach-read-new": {"sandbox": "read-only", "version": NEW},
    "reach-write-old": {"sandbox": "workspace-write", "network_access": True, "version": OLD},
    "reach-write-new": {"sandbox": "workspace-write", "network_access": True, "version": NEW},
    "reach-full": {"sandbox": "danger-full-access", "version": NEW},
}
#: the directory of a session that is launched after one that only reads is not closed for it
EXPECTED = {
    "reach-read-old": "own- earlier- later+ config- tmux- user-",
    "reach-read-new": "own- earlier- later+ config- tmux- user-",
    "reach-write-old": "own- earlier- later- config- tmux- user-",
    "reach-write-new": "own- earlier- later- config- tmux- user-",
    "reach-full": "own+ earlier+ later+ config+ tmux+ user+",
}


def look(name: str) -> str:
    """Return the command that prints what it can read and connect to."""
    files = {"own": f"{home(name)}/.codex/auth.json", "earlier": f"{home(EARLIER)}/.codex/auth.json"}
    files |= {"later": f"{ROOT}/{LATER}/home/.codex/auth.json", "config": f"{home(name)}/.codex/config.toml"}
    read = "; ".join(f"cat {path} >/dev/null 2>&1 && r {label}+ || r {label}-" for label, path in files.items())
    asked = f"tmux -S /run/optio-codex/{EARLIER}/tmux.sock list-sessions >/dev/null 2>&1 && r tmux+ || r tmux-"
    listed = 'ls "/run/user/$(id -u)" >/dev/null 2>&1 && r user+ || r user-'
    return f'RUN: r() {{ printf "%s " "$1"; }}; {read}; {asked}; {listed}; echo'


def test_credentials_and_sockets_are_out_of_reach(workers: Workers) -> None:
    """Each session looks for its own credential, for those of two others, and for a socket that would take its commands."""
    workers.shell(WORKER, "mkdir -p /run/user/$(id -u agent) && chown agent /run/user/$(id -u agent) && chmod 700 /run/user/$(id -u agent)")
    workers.session(EARLIER, hosts=WORKER)
    for name, options in SESSIONS.items():
        launched = workers.session(name, hosts=WORKER, **options)[WORKER]
        assert launched["permission_profile"] == (options["sandbox"] != "danger-full-access")
    plant = [f"{home(name)}/.codex" for name in (EARLIER, *SESSIONS)]
    text = f"for d in {' '.join(plant)} {ROOT}/{LATER}/home/.codex; do mkdir -p $d && echo '{{}}' >$d/auth.json; done"
    workers.shell(WORKER, text, user=USER)
    for name in SESSIONS:
        message = {"name": name, "user": USER, "text": look(name)}
        assert workers.play({"optio.codex.session_message": message}, hosts=WORKER).results
    for name, expected in EXPECTED.items():
        seen = workers.until(name, lambda entry: is_idle(entry) and "user" in (entry["message"] or ""), "reached", WORKER)
        assert seen[WORKER]["message"].strip() == f"Done: {expected}", name
    # of a session that only looks, nothing is left in the directories of the others
    # which its own codex may lock meanwhile
    left = f"find {ROOT}/{EARLIER} -newer {home(EARLIER)}/.codex/auth.json -name '.*' ! -name '*.lock' -empty"
    assert workers.shell(WORKER, left).strip() == ""


def test_a_resume_repeats_the_profile(workers: Workers) -> None:
    """codex does not remember the policy of a conversation."""
    name = "reach-write-old"
    workers.session(name, hosts=WORKER, state="stopped")
    resumed = workers.session(name, hosts=WORKER, keep_options=True, version=OLD)[WORKER]
    assert resumed["resumed"] and resumed["permission_profile"]
    message = {"name": name, "user": USER, "text": f"{look(name)}\nSAY: again"}
    assert workers.play({"optio.codex.session_message": message}, hosts=WORKER).results
    workers.until(name, lambda entry: is_idle(entry) and "again" in (entry["message"] or ""), "answered", WORKER)
    rollout = workers.shell(WORKER, f"cat {home(name)}/.codex/sessions/*/*/*/rollout-*.jsonl")
    assert rollout.count(EXPECTED[name]) >= 2 and "own+" not in rollout.replace("r own+", "").replace("own+ ||", "")
