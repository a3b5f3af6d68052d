# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of ours in the hands of the Python package optio-codex, in its first and its newest release, and its in ours."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import fleet as fleets
import pytest
from e2e import reference
from e2e.conftest import NEW, OLD
from e2e.reference import Reference, reference_socket
from e2e.sessions import CACHE, DEADLINE, ROOT, SYSTEMD, USER, WITHOUT, WORKERS, Result, Workers, is_idle, kinds, workdir

from ansible_collections.optio.codex.plugins.module_utils._codex import rollout
from ansible_collections.optio.codex.plugins.module_utils._codex.config import base_config

pytestmark = pytest.mark.battery

#: each release of the package with the codex that it pins, and the newest of both
PAIRS = [*((release, OLD) for release in reference.VERSIONS), (reference.VERSIONS[-1], NEW)]
#: those of each run are the oldest and the newest of both
TESTED = [PAIRS[0], *(pytest.param(*pair, marks=pytest.mark.extended) for pair in PAIRS[1:-1]), PAIRS[-1]]


def reference_on(workers: Workers, worker: str, release: str, name: str, socket: str) -> Reference:
    """Return the package with an engine that reaches a worker as the session's user."""
    place = fleets.dev_cache() / "reference" / str(sys.implementation.cache_tag) / release
    assert place.is_dir(), f"{place} does not exist; run tests/environment/bootstrap.sh reference"
    port = next(entry.port for entry in workers.fleet.workers if entry.name == worker)
    key = fleets.dev_cache() / "ssh" / "id_ed25519"
    ssh: dict[str, Any] = {"host": "127.0.0.1", "user": USER, "key_path": str(key), "port": port}
    return Reference(place, ssh, f"{ROOT}/{name}", socket)


def said(workers: Workers, worker: str, name: str) -> list[str]:
    """Return what the user said in a session, by the rollouts that codex wrote."""
    script = f"cat {ROOT}/{name}/workdir/home/.codex/sessions/*/*/*/rollout-*.jsonl"
    lines = workers.shell(worker, script, user=USER).splitlines()
    texts = [text for line in lines if (text := rollout.user_text(json.loads(line))) is not None]
    # what codex tells of itself stands in tags
    return [text for text in texts if not text.startswith("<")]


@pytest.mark.parametrize(("release", "version"), TESTED)
def test_the_package_observes_messages_and_tears_down_a_session_of_ours(workers: Workers, release: str, version: str) -> None:
    """Given the workdir, the socket and the session's name, its functions do their work, and ours tell the truth after it."""
    name = f"theirs-{release}-{version}"
    launched = workers.session(name, version=version, prompt="SAY: hello")
    workers.until(name, is_idle, "done with its first turn")
    packages = {worker: reference_on(workers, worker, release, name, launched[worker]["tmux_socket"]) for worker in WORKERS}
    for package in packages.values():
        assert package.alive()
        package.send("SAY: from the package")
    seen = workers.until(name, lambda entry: is_idle(entry) and "• from the package" in entry["screen"], "answered")
    for worker, package in packages.items():
        assert said(workers, worker, name) == ["SAY: hello", "SAY: from the package"]
        assert package.latest_session_id() == seen[worker]["session_id"]
        package.tear_down()
        assert not package.alive()
        gone(workers, worker, name)
    after = workers.info(name)
    for worker in WORKERS:
        assert_ended(after[worker])
    workers.session(name, state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, name) == []


def gone(workers: Workers, worker: str, name: str) -> None:
    """Wait until nothing runs of a session; the launcher lives a second longer than codex, to write its end down."""
    deadline = time.monotonic() + DEADLINE
    while left := workers.processes_but_sandboxes(worker, name):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def assert_ended(entry: Result) -> None:
    """The truth of a killed codex: lost, unless its launcher, which nothing kills by intent, could write a status down."""
    assert entry["status"] == ("lost" if entry["exit_status"] is None else "finished")
    assert entry["exit_status"] != 0
    assert entry["terminal"] == "dead" and entry["pid"] is None and entry["attach_command"] is None


def traces_of_package(workers: Workers, worker: str, name: str) -> list[str]:
    """Return what still belongs to a session that the package launched: its processes, and its tmux socket."""
    socket = reference_socket(workdir(name))
    environment = f"grep -laF CODEX_HOME={workdir(name)}/home/.codex /proc/[0-9]*/environ 2>/dev/null | grep -v self"
    named = f"ps -eo pid=,args= | grep -F {socket} | grep -v grep"
    found = workers.shell(worker, f"{environment}; {named}; ls {socket} 2>/dev/null")
    return [line for line in found.splitlines() if line.strip()]


def launched_by_package(workers: Workers, release: str, version: str, name: str) -> dict[str, Reference]:
    """Return, by worker, the package with a session of its own in the workdir of ``name``."""
    packages = {worker: reference_on(workers, worker, release, name, reference_socket(workdir(name))) for worker in WORKERS}
    for package in packages.values():
        package.launch(f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin", CACHE.removesuffix("/releases"), base_config(workers.provider()))
    return packages


@pytest.mark.parametrize(("release", "version"), TESTED)
def test_ours_observes_messages_and_tears_down_a_session_of_the_package(workers: Workers, release: str, version: str) -> None:
    """Adopted by name and workdir, it is a session like any other, but for the terminal; resumed, it is one of ours."""
    name = f"ours-{release}-{version}"
    socket = reference_socket(workdir(name))
    packages = launched_by_package(workers, release, version, name)
    refused = workers.play(workers.task(name), hosts=WITHOUT).failure["msg"]
    assert "Set adopt: true" in refused
    predicted = workers.session(name, adopt=True, check=True)
    adopted = workers.session(name, adopt=True)
    again = workers.session(name, adopt=True)
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(adopted[worker]) == [("write", f"{ROOT}/{name}/session")]
        assert (adopted[worker]["status"], adopted[worker]["tmux_socket"]) == ("running", socket)
        assert {adopted[worker][key] for key in ("url", "tunnel_command", "terminal_socket")} == {None}
        assert again[worker]["drift"] == again[worker]["unenforced_limits"] == [] and not again[worker]["resumed"]
        assert not again[worker]["changed"] and adopted[worker]["pid"] and again[worker]["pid"] == adopted[worker]["pid"]

    run = workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": "SAY: from ours\nSAY: in two lines"}})
    assert [result["delivery"] for result in run.results] == ["recorded"] * len(WORKERS)
    seen = workers.until(name, lambda entry: is_idle(entry) and "in two lines" in entry["screen"], "answered")
    for worker, package in packages.items():
        assert said(workers, worker, name) == ["SAY: from ours\nSAY: in two lines"]
        assert package.alive() and package.latest_session_id() == seen[worker]["session_id"]
        assert seen[worker]["terminal"] is None

    stopped = workers.session(name, state="stopped")
    for worker, package in packages.items():
        assert kinds(stopped[worker]) == [("stop", socket)] and not package.alive()
        assert traces_of_package(workers, worker, name) == []
        assert workers.info(name, hosts=worker)[worker]["status"] == "stopped"
    resumed = workers.session(name, resume="always", version=version)
    seen = workers.until(name, lambda entry: is_idle(entry) and "You said: System" in entry["screen"], "resumed")
    for worker in WORKERS:
        assert resumed[worker]["tmux_socket"] == f"/run/optio-codex/{name}/tmux.sock" and resumed[worker]["tunnel_command"]
        assert said(workers, worker, name)[0] == "SAY: from ours\nSAY: in two lines"
    workers.session(name, state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, name) == traces_of_package(workers, worker, name) == []


def test_a_session_of_the_package_is_restarted_on_a_server_of_our_own(workers: Workers) -> None:
    """In one call its end and ours: the conversation goes on, and the package has nothing left that runs."""
    name, (release, version) = "taken", PAIRS[-1]
    packages = launched_by_package(workers, release, version, name)
    workers.session(name, adopt=True)
    workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": "SAY: before"}})
    before = workers.until(name, lambda entry: is_idle(entry) and entry["message"] == "before", "answered")
    restarted = workers.session(name, state="restarted", adopt=True, version=version)
    seen = workers.until(name, lambda entry: is_idle(entry) and "You said: System" in entry["screen"], "restarted")
    for worker, package in packages.items():
        result = restarted[worker]
        assert result["resumed"] and result["session_id"] == before[worker]["session_id"] == seen[worker]["session_id"]
        assert result["tmux_socket"] == f"/run/optio-codex/{name}/tmux.sock" and seen[worker]["terminal"] == "running"
        assert result["supervisor"] == {SYSTEMD: "systemd", WITHOUT: "detached"}[worker]
        assert said(workers, worker, name)[0] == "SAY: before" and not package.alive()
        assert workers.shell(worker, f"ls {reference_socket(workdir(name))} 2>/dev/null || :") == ""
    workers.session(name, state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, name) == traces_of_package(workers, worker, name) == []


def test_a_server_that_is_somebody_elses_is_never_spoken_to(workers: Workers) -> None:
    """Whoever sits where the package's server would listen gets no connection, by a link to the user's own socket neither."""
    socket = reference_socket(workdir("squat"))
    server = f"import os,socket; s=socket.socket(socket.AF_UNIX); s.bind('{socket}'); os.chmod('{socket}',0o777); s.listen()"
    server += "; s.accept(); open('/tmp/bitten', 'w')"
    started = f'setsid -f python3 -c "{server}" </dev/null >/dev/null 2>&1'
    workers.shell(WITHOUT, f"{started}; until [ -S {socket} ]; do sleep 0.1; done")
    own = f"/home/{USER}/own.sock"
    pane = f"env CODEX_HOME={workdir('squat')}/home/.codex sleep 4244"
    workers.shell(WITHOUT, f'tmux -S {own} new-session -d -s optio "{pane}"', user=USER)
    for step in (":", f"pkill -f {socket}; rm -f {socket}; ln -s {own} {socket}"):
        workers.shell(WITHOUT, step)
        refused = workers.play(workers.task("squat", adopt=True), hosts=WITHOUT).failure["msg"]
        assert f"{socket} is not a socket of {USER}" in refused
    assert workers.read(WITHOUT, "/tmp/bitten") is None
    workers.shell(WITHOUT, f"tmux -S {own} kill-server", user=USER)
    workers.shell(WITHOUT, f"rm -f {socket} {own}")
    assert workers.traces(WITHOUT, "squat") == []


@pytest.mark.parametrize(("release", "version"), [PAIRS[0], PAIRS[-1]])
def test_a_snapshot_of_the_package_is_restored(workers: Workers, tmp_path: Path, release: str, version: str) -> None:
    """Taken from a session that the package runs, its conversation goes on in a session of ours."""
    name, path = f"taken-{release}-{version}", f"/tmp/taken-{release}.tar.gz"
    package = reference_on(workers, WITHOUT, release, name, reference_socket(workdir(name)))
    package.launch(f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin", CACHE.removesuffix("/releases"), base_config(workers.provider()))
    package.send("RUN: echo made >made.txt\nSAY: of the package")
    deadline = time.monotonic() + DEADLINE
    while (taken := package.latest_session_id()) is None or workers.read(WITHOUT, f"{workdir(name)}/made.txt") is None:
        assert time.monotonic() < deadline, "no turn"
        time.sleep(1)
    package.tear_down()
    package.snapshot(str(tmp_path / "taken.tar.gz"))
    copied = {"ansible.builtin.copy": {"src": str(tmp_path / "taken.tar.gz"), "dest": path, "mode": "0600"}}
    restored = {"name": "restored", "user": USER, "path": path, "state": "restored"}
    run = workers.play(copied, {"optio.codex.session_snapshot": restored}, hosts=WITHOUT)
    assert run.results[-1]["session_id"] == taken
    resumed = workers.session("restored", hosts=WITHOUT, version=version)[WITHOUT]
    assert (resumed["resumed"], resumed["session_id"]) == (True, taken)
    assert workers.read(WITHOUT, f"{workdir('restored')}/made.txt") == "made\n"
    workers.session("restored", hosts=WITHOUT, state="absent", purge=True)
    workers.shell(WITHOUT, f"rm -rf {ROOT}/{name}")
