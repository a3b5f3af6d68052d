# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attacks on the files of sessions by the real codex in its sandbox and by the user of a session, while root acts on both."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, SYSTEMD, USER, WITHOUT, Result, Workers, agent, home, is_idle, workdir

pytestmark = pytest.mark.battery

#: in files that only root can read
SECRET = "hunter2-of-root"
#: those files, and a directory in which the user could make files if it were led there
VAULT = "/srv/vault"
PREPARE = f"""
rm -rf {VAULT} && mkdir -m 711 {VAULT} && echo {SECRET} >{VAULT}/shadow && chmod 600 {VAULT}/shadow
mkdir -m 700 {VAULT}/user && chown {USER} {VAULT}/user
"""
#: what is in it, with owners, modes and times
STATE = f"cd {VAULT} && find . -exec stat -c '%n %a %U %s %Y' {{}} + | sort && cat shadow"
PROJECT = "/srv/project"
REPOSITORY = f"rm -rf {PROJECT} && git init -q {PROJECT} && chown -R {USER} {PROJECT}"
#: by session, what its agent does in the sandbox
BY_AGENT = {
    "evil-large": "truncate -s 4G AGENTS.md; truncate -s 700M optio.log; ls -s AGENTS.md",
    "evil-kmsg": "rm AGENTS.md; ln -s /proc/kmsg AGENTS.md; ls AGENTS.md",
    "evil-log": f"rm -r optio.log; ln -s {VAULT}/shadow optio.log; ls optio.log; rm home; ln -s {VAULT}/user home",
    "evil-pipe": "rm -r AGENTS.md; mkfifo AGENTS.md; mkfifo pipe; ls pipe",
}
#: by session, what its user does
BY_USER = {
    "evil-home": f"mv {home('evil-home')}/.local {home('evil-home')}/aside; ln -s {VAULT}/user {home('evil-home')}/.local",
    "evil-twin": f"cd {workdir('evil-twin')}; ln {home('evil-twin')}/.codex/config.toml twin; echo DELIVERABLE: twin >>optio.log",
    "evil-exclude": f"rm -f {PROJECT}/.git/info/exclude; mkdir -p {PROJECT}/.git/info; ln -s {VAULT}/shadow {PROJECT}/.git/info/exclude",
}
HONEST = "evil-not"
NAMES = [*BY_AGENT, *BY_USER, HONEST]
#: seconds for a call with all of them; the look at one of them ends after 20
SOON = 120.0


@dataclass(frozen=True)
class Attacked:
    """A worker whose sessions have attacked, and the state of the files of root before root has acted on the sessions."""

    worker: str
    before: str


def state(workers: Workers, worker: str) -> str:
    """Return what a link could have led root to, with what is there."""
    return workers.shell(worker, STATE)


def call(workers: Workers, attacked: Attacked, module: str, **options: Any) -> dict[str, Result]:
    """Return a module's results by session: in time, without a secret, and with nothing changed outside."""
    began = time.monotonic()
    run = workers.play({f"optio.codex.{module}": {"user": USER, **options}}, hosts=attacked.worker)
    assert time.monotonic() - began < SOON, f"{module} took {time.monotonic() - began:.0f} s"
    assert SECRET not in run.output and "not understood" not in run.output, run.output[-3000:]
    assert state(workers, attacked.worker) == attacked.before, module
    (record,) = run.records
    return {entry["name"]: entry for entry in record.result["sessions"]}


@pytest.fixture(scope="module", params=[SYSTEMD, pytest.param(WITHOUT, marks=pytest.mark.extended)])
def attacked(workers: Workers, request: pytest.FixtureRequest) -> Attacked:
    """Launch the sessions, and let each attack."""
    worker: str = request.param
    workers.shell(worker, f"{PREPARE}\n{REPOSITORY}")
    entries: list[dict[str, Any]] = [{"name": name, "prompt": f"RUN: {command}"} for name, command in BY_AGENT.items()]
    entries += [{"name": name, **({"workdir": PROJECT} if name == "evil-exclude" else {})} for name in (*BY_USER, HONEST)]
    task = workers.task("any", sandbox="workspace-write", instructions="Be good")["optio.codex.session"]
    del task["name"]
    assert workers.play({"optio.codex.session": {**task, "sessions": entries}}, hosts=worker).results
    for name in BY_AGENT:
        workers.until(name, lambda entry: is_idle(entry) and entry["turns_ended"] == 1, "attacked", worker)
    for command in BY_USER.values():
        workers.shell(worker, command, user=USER)
    done = {
        "evil-large": f"stat -c %s {workdir('evil-large')}/AGENTS.md",
        "evil-kmsg": f"readlink {workdir('evil-kmsg')}/AGENTS.md",
        "evil-log": f"readlink {workdir('evil-log')}/optio.log",
        "evil-pipe": f"stat -c %F {workdir('evil-pipe')}/AGENTS.md",
        "evil-home": f"readlink {home('evil-home')}/.local",
        "evil-exclude": f"readlink {PROJECT}/.git/info/exclude",
    }
    seen = {name: workers.shell(worker, script).strip() for name, script in done.items()}
    assert seen == {
        **{"evil-large": str(4 << 30), "evil-kmsg": "/proc/kmsg", "evil-log": f"{VAULT}/shadow", "evil-pipe": "fifo"},
        **{"evil-home": f"{VAULT}/user", "evil-exclude": f"{VAULT}/shadow"},
    }
    return Attacked(worker, state(workers, worker))


def test_the_status_of_hostile_sessions(workers: Workers, attacked: Attacked) -> None:
    """Files that links lead to are not shown, and no look hangs."""
    seen = call(workers, attacked, "session_info", include_screen=True, transcript_entries=5, include_disk_usage=True)
    assert {name: seen[name]["status"] for name in NAMES} == dict.fromkeys(NAMES, "running")
    assert seen["evil-log"]["log"] is None


def test_started_again_while_it_runs(workers: Workers, attacked: Attacked) -> None:
    """The play that launched them repairs nothing by a link, and serves the honest one. A running session needs no home."""
    options = {"config": workers.provider(), "instructions": "Be good", "sandbox": "workspace-write"}
    entries = [{"name": name, **({"workdir": PROJECT} if name == "evil-exclude" else {})} for name in NAMES]
    seen = call(workers, attacked, "session", sessions=entries, **options)
    assert not seen[HONEST].get("failed") and seen[HONEST]["status"] == "running"
    refused = {name: entry["msg"] for name, entry in seen.items() if entry.get("failed")}
    assert {*refused} <= {"evil-home"}, refused


def test_one_hostile_session_does_not_delay_the_stop_of_all(workers: Workers, attacked: Attacked) -> None:
    """All are stopped, those that attacked too."""
    seen = call(workers, attacked, "session", sessions=NAMES, state="stopped")
    assert {name: (entry["status"], entry.get("failed", False)) for name, entry in seen.items()} == dict.fromkeys(NAMES, ("stopped", False))
    for name in NAMES:
        assert workers.processes(attacked.worker, name) == []


def test_what_is_collected_and_saved_of_hostile_sessions(workers: Workers, attacked: Attacked) -> None:
    """Neither the configuration under a second name nor what a link leads to."""
    output = call(workers, attacked, "session_output", sessions=NAMES, diff_base="HEAD")
    for entry in output.values():
        found = workers.shell(
            attacked.worker,
            f"cd {shlex.quote(entry['path'])} && grep -rlE '{SECRET}|model_provider' . ; rm -rf {shlex.quote(entry['path'])}",
        )
        # the conversation is in the rollout, and codex writes its own settings into it
        assert [path for path in found.split() if "rollout" not in path] == [], entry["name"]
    reasons = {file["path"]: file["reason"] for file in output["evil-twin"]["skipped_files"]}
    assert reasons["twin"] == "is one of the session's own files"
    snapshots = [{"name": name, "path": f"/home/{USER}/{name}.snapshot"} for name in NAMES]
    saved = call(workers, attacked, "session_snapshot", sessions=snapshots)
    assert not saved[HONEST].get("failed")
    found = workers.shell(
        attacked.worker, f"for file in /home/{USER}/*.snapshot; do tar -xOf $file | grep -c {SECRET}; done; rm -f /home/{USER}/*.snapshot"
    )
    assert set(found.split()) <= {"0"}, json.dumps(saved)[:2000]


def test_resumed_and_removed(workers: Workers, attacked: Attacked) -> None:
    """The agent of each goes on where that is possible, and everything is removed."""
    entries = [{"name": name} for name in NAMES]
    seen = call(workers, attacked, "session", sessions=entries, keep_options=True, resume="always", ready_timeout=120)
    assert seen[HONEST]["status"] == "running"
    assert f"{home('evil-home')}/.local is a symbolic link" in seen["evil-home"]["msg"]
    gone = call(workers, attacked, "session", sessions=NAMES, state="absent", purge=True)
    assert {name: (entry["status"], entry.get("failed", False)) for name, entry in gone.items()} == dict.fromkeys(NAMES, ("absent", False))
    for name in NAMES:
        assert workers.traces(attacked.worker, name) == [] and workers.shell(attacked.worker, f"ls -d {ROOT}/{name} 2>/dev/null") == ""
    workers.shell(attacked.worker, f"rm -rf {VAULT} {PROJECT}")


#: the names that a sandbox makes, in each directory that it can write to
REMAINS = "for d in {places}; do for n in .git .codex .agents .aws; do [ ! -e $d/$n ] || echo $d/$n; done; done"


@pytest.mark.extended
def test_what_a_killed_sandbox_leaves_goes_with_the_session(workers: Workers) -> None:
    """In the workdir, in a writable root and in the home of the commands, and in /tmp with the last session; on each version."""
    # other sessions' codex would keep what is shared
    workers.shell(SYSTEMD, "pkill -KILL codex; pkill -KILL tmux; cd /tmp && rmdir .git .codex .agents .aws")
    names = {f"killed-{version}": version for version in VERSIONS}
    extra = f"/home/{USER}/extra"
    workers.shell(SYSTEMD, f"mkdir -p {extra}", user=USER)
    for name, version in names.items():
        options: dict[str, Any] = {"sandbox": "workspace-write", "writable_roots": [extra], "prompt": "RUN: touch begun; sleep 300"}
        workers.session(name, version=version, hosts=SYSTEMD, ready_timeout=0, **options)
    places = {name: f"{workdir(name)} {agent(name)} {extra} /tmp" for name in names}
    deadline = time.monotonic() + SOON
    for name in names:
        while workers.shell(SYSTEMD, f"ls {workdir(name)}/begun 2>/dev/null") == "":
            assert time.monotonic() < deadline
            time.sleep(0.2)
    # all at once, those first that would clean up
    workers.shell(SYSTEMD, "kill -KILL $(pgrep -x codex) $(pgrep -f 'codex-linux-sandbo[x]') $(pgrep -x bwrap); sleep 1")
    left = {name: workers.shell(SYSTEMD, REMAINS.format(places=place)).split() for name, place in places.items()}
    # in which of the others it has cleaned up by then is a matter of luck
    assert {f"{extra}/.codex", "/tmp/.codex"} <= {*left[[*names][-1]]}, left
    for name in names:
        workers.session(name, hosts=SYSTEMD, state="absent")
    assert workers.shell(SYSTEMD, REMAINS.format(places=" ".join(places.values()))) == ""
    workers.shell(SYSTEMD, f"rm -r {extra}")
