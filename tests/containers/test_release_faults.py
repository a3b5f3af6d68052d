# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong while a real release is installed over ssh: races, a full disk, a bad mirror, ``kill -9``, damage.

All hosts of the inventories are aliases of one worker, so that what does not wait for each other runs side by side.
"""

from __future__ import annotations

import concurrent.futures
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import container_shell
import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller, Run

from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX

RELEASE = "optio.codex.codex_release"
VERSION = "0.142.5"
WANTED = CODEX.release(VERSION, CODEX.target(f"Linux {platform.machine()}"))
NAME = WANTED.directory
ROOT = "/srv/faults"
#: the executable of another release
OLD = f"releases/0.1.1-{WANTED.target.name}/bin/codex"


@dataclass(frozen=True)
class Lab:
    """One worker under as many names as a test needs."""

    fleet: fleets.Fleet
    scratch: Path

    def shell(self, command: str) -> str:
        """Run a shell command on the worker as root, beside Ansible."""
        return container_shell.output(self.fleet.workers[0].container, command, timeout=120)

    def run(self, caches: Mapping[str, Mapping[str, Any]], *tasks: Mapping[str, Any]) -> Run:
        """Run tasks for a host of each name, which has ``cache`` (by that name) and the given variables."""
        inventory = yaml.safe_load(self.fleet.inventory.read_text())
        group = inventory["all"]["children"]["codex_workers"]
        (worker,) = group["hosts"].values()
        group["hosts"] = {name: {**worker, "cache": f"{ROOT}/{name}", **given} for name, given in caches.items()}
        path = self.scratch / "inventory.yml"
        path.write_text(yaml.safe_dump(inventory))
        options = ["--forks", str(len(caches))]
        return Controller(path, self.scratch).play(list(tasks), hosts="codex_workers", options=options)

    def answers(self, path: str = "codex") -> list[str]:
        """Return the status of every request for the release, at that place of the mirror, so far."""
        lines = [line.split() for line in self.fleet.mirror_log.read_text().splitlines()]
        return [status for _method, asked, status, _size in lines if asked == asset(path)]

    def files(self, *caches: str) -> list[str]:
        """Return inode, mode, path and target of all that caches hold but their directories and locks."""
        find = f"cd {ROOT}; find {' '.join(caches)} ! -type d ! -name .lock -printf '%i %m %p %l\\n'"
        return sorted(self.shell(find).splitlines())

    def names(self, *places: str) -> list[set[str]]:
        """Return what is in each of some directories."""
        listed = self.shell(f"cd {ROOT}; for place in {' '.join(places)}; do echo $(ls -A $place); done")
        return [set(line.split()) for line in listed.splitlines()]

    def assert_clean(self, *caches: str) -> None:
        """No scratch is in the caches, and the release is, with its manifest."""
        assert self.names(*caches) == [{".lock", "codex", "releases"}] * len(caches)
        for names in self.names(*(f"{cache}/releases" for cache in caches)):
            assert {NAME, f"{NAME}.manifest"} <= names


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A worker with systemd, and so one in which a filesystem can be mounted; the user is ``agent``."""
    name = f"faults-{os.getpid()}"
    scratch = tmp_path_factory.mktemp("faults")
    fleet = fleets.up(name, [fleets.WorkerSpec("ready", "trixie-systemd-ready")], scratch / "fleet.yml", user="agent")
    try:
        lab = Lab(fleet, scratch)
        # sixteen aliases share one connection
        lab.shell("printf 'MaxSessions 64\\nMaxStartups 64\\n' >/etc/ssh/sshd_config.d/faults.conf; systemctl reload ssh")
        lab.shell(f"install -d -o agent -g agent {ROOT}")
        yield lab
    finally:
        fleets.down(name)


def release(path: str = "codex", **options: Any) -> dict[str, Any]:
    """Return the task: the release in the host's cache, from that place of the mirror."""
    wanted = {"version": VERSION, "cache_dir": "{{ cache }}", "sources": [f"{{{{ optio_mirror_url }}}}/{path}"]}
    return {"name": "release", RELEASE: {**wanted, **options}}


def asset(path: str = "codex") -> str:
    return WANTED.mirror_url(f"/{path}")


def four_ways(path: str = "codex") -> list[dict[str, Any]]:
    """Return the tasks: check, do, check again, do again."""
    check = {"check_mode": True, "diff": True}
    return [{**release(path), **check}, {**release(path), "diff": True}, {**release(path), **check}, release(path)]


def assert_four_ways(run: Run, host: str, kinds: list[str]) -> None:
    """The first task predicted the second to the letter, and then nothing was left to do."""
    predicted, done, *again = [record.result for record in run.records if record.host == host]
    assert [action["kind"] for action in predicted["actions"]] == kinds, host
    assert predicted["actions"] == done["actions"], host
    assert predicted.get("diff") == done.get("diff"), host
    assert [result["actions"] for result in again] == [[], []], host


@pytest.fixture(scope="module")
def race(lab: Lab) -> tuple[Run, list[str]]:
    """Sixteen hosts check, install, and check and install again in one cold cache, and what the mirror was asked for."""
    run = lab.run({f"racer{number:02}": {"cache": f"{ROOT}/base"} for number in range(16)}, *four_ways())
    return run, lab.answers()


def test_sixteen_at_once_download_once(lab: Lab, race: tuple[Run, list[str]]) -> None:
    run, answers = race
    predicted, done, *again = [run.results[begin : begin + 16] for begin in range(0, 64, 16)]
    (first,) = [result for result in done if result["changed"]]
    assert [action["kind"] for action in first["actions"]] == ["install", "link"]
    assert all(result["actions"] == first["actions"] and result["diff"] == first["diff"] for result in predicted)
    assert {result["path"] for result in done} == {f"{ROOT}/base/releases/{NAME}/bin/codex"}
    assert not any(result["changed"] for results in again for result in results)
    assert answers == ["200"]
    lab.assert_clean("base")
    assert lab.shell(f"sha256sum <{ROOT}/base/codex").split()[0] == WANTED.expected(None).programs["bin/codex"]


#: by state: what is done to a cache that holds the release and is the current directory, and the actions that mend it
STATES = {
    "current": (":", []),
    "copied": ("cp -a releases copy; rm -r releases; mv copy releases", ["install"]),
    "removed": (f"rm releases/{NAME}/codex-resources/bwrap", ["install"]),
    "changed": (
        f"cp -p releases/{NAME}/codex-path/rg rg; printf x | dd of=rg bs=1 seek=1000 conv=notrunc; mv rg releases/{NAME}/codex-path/rg",
        ["install"],
    ),
    "unrecorded": (f"rm releases/{NAME}.manifest", ["install"]),
    "lying": (
        f"""cd releases; rm {NAME}/bin/codex; cp /bin/true {NAME}/bin/codex
        new="$(stat -c '%s %Y %i %a' {NAME}/bin/codex) $(sha256sum <{NAME}/bin/codex | cut -c 1-64)"
        sed -i "s|^file .* bin/codex$|file $new bin/codex|" {NAME}.manifest""",
        ["install"],
    ),
    "dangling": ("ln -sfn releases/none/bin/codex codex", ["link"]),
    "unlinked": ("rm codex; cp /bin/true codex", ["link"]),
    "abandoned": ("mkdir -p .scratch-0-x/tree; touch .scratch-0-x/tree/half", ["remove"]),
}


@pytest.mark.usefixtures("race")
def test_check_mode_predicts_every_repair(lab: Lab) -> None:
    # links to the same inodes: a copy for nothing, and nothing of it is written to in place
    changes = [f"cp -al base {state}; (cd {state}; {change})" for state, (change, _kinds) in STATES.items()]
    lab.shell("\n".join([f"cd {ROOT}", *changes, f"chown -Rh agent {' '.join(STATES)}"]))
    before = len(lab.answers())
    run = lab.run({state: {} for state in STATES}, *four_ways())
    assert len(run.results) == 4 * len(STATES)
    for state, (_change, kinds) in STATES.items():
        assert_four_ways(run, state, kinds)
    lab.assert_clean(*STATES)
    installed = [state for state, (_change, kinds) in STATES.items() if "install" in kinds]
    # the copied one was only hashed
    assert lab.answers()[before:] == ["200"] * (len(installed) - 1)
    places = " ".join(f"{ROOT}/{state}/releases/{NAME}" for state in installed)
    lab.shell(f"for place in {places}; do diff -r {ROOT}/base/releases/{NAME} $place; done")


def test_a_full_disk(lab: Lab) -> None:
    lab.shell(f"mkdir {ROOT}/small; mount -t tmpfs -o size=64m,mode=755,uid=1000 small {ROOT}/small")
    try:
        ttyd = {
            "name": "ttyd",
            "optio.codex.ttyd_release": {
                "cache_dir": "{{ cache }}",
                "sources": ["{{ optio_mirror_url }}/ttyd"],
                "checksum": "{{ optio_ttyd_checksum }}",
            },
        }
        assert lab.run({"small": {}}, ttyd).results[0]["changed"] is True
        before = lab.files("small")
        failure = lab.run({"small": {}}, release()).failure
        assert failure["object"].startswith(f"{ROOT}/small/")
        assert failure["msg"].endswith(": no space left on device. Free space on that filesystem and run again.")
        assert lab.files("small") == before
        assert lab.names("small") == [{".lock", "releases", "ttyd"}]
        lab.shell(f"mount -o remount,size=700m {ROOT}/small")
        assert [result["changed"] for result in lab.run({"small": {}}, release(), ttyd, release()).results] == [True, False, False]
        assert lab.names("small") == [{".lock", "codex", "releases", "ttyd"}]
    finally:
        lab.shell(f"umount {ROOT}/small")


def test_a_mount_that_stops_programs(lab: Lab) -> None:
    place = f"{ROOT}/mounted"
    lab.shell(f"mkdir {place}; mount -t tmpfs -o noexec,size=700m,mode=755,uid=1000 mounted {place}")
    try:
        before = len(lab.answers())
        predicted = lab.run({"mounted": {}}, {**release(), "check_mode": True})
        assert predicted.results[0]["changed"] is True
        failure = lab.run({"mounted": {}}, release()).failure
        cause = f"programs in cache {place} cannot be executed: {place} is mounted with noexec"
        assert failure["msg"].startswith(f"{cause}. Remount it with exec (mount -o remount,exec {place}), or set cache_dir")
        assert failure["msg"] in " ".join(predicted.output.split())
        assert (len(lab.answers()), lab.names("mounted")) == (before, [set()])
        lab.shell(f"mount -o remount,exec {place}")
        installed = lab.run({"mounted": {}}, release(), release()).results
        assert [result["changed"] for result in installed] == [True, False]
        # what was installed before is looked at, too
        lab.shell(f"mount -o remount,noexec {place}")
        for task in (release(), release(install=False), release(codex_dir="{{ cache }}", cache_dir=None)):
            failure = lab.run({"mounted": {}}, task).failure
            assert f"/codex cannot be executed: {place} is mounted with noexec" in failure["msg"]
        # become does not help, and it is no remedy
        lab.shell(f"mount -o remount,exec,ro {place}; rm -rf {ROOT}/none")
        other = {**release(version="0.169.0"), "become": True}
        failure = lab.run({"mounted": {}}, other).failure
        cause = f"cache {place} is on a filesystem that is mounted read-only at {place}"
        assert failure["msg"].startswith(f"{cause}. Remount it read-write (mount -o remount,rw {place}), or set cache_dir")
        assert lab.run({"mounted": {}}, release()).results[0]["changed"] is False
    finally:
        lab.shell(f"umount {place}")


#: of Debian's dynamic programs
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}


def test_a_program_without_its_loader_replaces_nothing(lab: Lab) -> None:
    source, loader = f"{ROOT}/source/1.7.7", LOADERS[platform.machine()]
    asset_name = f"ttyd.{platform.machine()}"
    sums = lab.shell(
        f"""mkdir -p {source}; cp /bin/true {source}/{asset_name}; cd {source}; grep -q {loader} {asset_name} || exit 77
        python3 -c 'import sys; path, old, new = sys.argv[1:]; data = open(path, "rb").read()
open(path, "wb").write(data.replace(old.encode(), new.encode()))' {asset_name} {loader} {loader[:-4]}none
        sha256sum {asset_name}; chmod -R a+rX {ROOT}/source"""
    )
    good = {"cache_dir": "{{ cache }}", "sources": ["{{ optio_mirror_url }}/ttyd"], "checksum": "{{ optio_ttyd_checksum }}"}
    bad = {"cache_dir": "{{ cache }}", "sources": [f"file://{ROOT}/source"], "checksum": f"sha256:{sums.split()[0]}"}
    ttyd = "optio.codex.ttyd_release"
    assert lab.run({"loader": {}}, {"name": "good", ttyd: good}).results[0]["changed"] is True
    before = lab.files("loader")
    failure = lab.run({"loader": {}}, {"name": "bad", ttyd: bad}).failure
    place = f"{ROOT}/loader/releases/ttyd-1.7.7-{platform.machine()}/ttyd"
    assert failure["msg"].startswith(f"{place} cannot be executed: it requires the loader {loader[:-4]}none, which does not exist. ")
    assert lab.files("loader") == before
    assert lab.run({"loader": {}}, {"name": "good", ttyd: good}).results[0]["changed"] is False


def test_filesystems_that_sessions_cannot_use(lab: Lab) -> None:
    # what is in it stays, and has all of the room
    full = "mount -o remount,size=$(df -k --output=used /run | tail -n 1 | tr -d ' ')k /run"
    lab.shell(f"mkdir {ROOT}/sessions; mount -t tmpfs -o ro sessions {ROOT}/sessions; {full}")
    try:
        task = {"name": "look", "optio.codex.worker_info": {"sessions_dir": f"{ROOT}/sessions/x", "check_sandbox": False}, "become": True}
        run = lab.run({"sessions": {}}, task)
    finally:
        lab.shell(f"mount -o remount,size=50% /run; umount {ROOT}/sessions")
    assert run.shipped == []
    sessions, runtime = run.results[0]["problems"]
    assert sessions["cause"] == f"the sessions directory {ROOT}/sessions/x is on a filesystem that is mounted read-only at {ROOT}/sessions"
    assert "become" not in sessions["remedy"]
    assert runtime["cause"] == "the directory of units and sockets /run is on a full filesystem: /run has 0 KiB left"
    assert [problem["blocking"] for problem in (sessions, runtime)] == [True, True]
    assert lab.run({"sessions": {}}, task).results[0]["problems"] == []


#: by fault of the mirror: the cause that the error names, and how often the mirror is asked
FAULTS = {
    "truncate": ("ended after ", 3),
    "flip": ("expected sha256:", 1),
    "html": ("answers with a web page", 1),
    "loop": ("redirects more than 10 times", 10),
    "500": ("answers HTTP 500", 3),
    "hang": ("does not answer in time", 1),
}


def test_a_mirror_that_misbehaves(lab: Lab) -> None:
    outdated = [f"install -D /bin/true {fault}/{OLD}; ln -s {OLD} {fault}/codex" for fault in FAULTS]
    lab.shell("\n".join([f"cd {ROOT}", *outdated, f"chown -Rh agent {' '.join(FAULTS)}"]))
    before = lab.files(*FAULTS)
    run = lab.run({fault: {} for fault in FAULTS}, release("fault/{{ inventory_hostname }}/codex", timeout=5))
    failures = {record.host: record.result for record in run.records if record.status == "failed"}
    for fault, (cause, count) in FAULTS.items():
        (failed,) = failures[fault]["failures"]
        assert failed["source"].endswith(asset(f"fault/{fault}/codex"))
        assert cause in failed["cause"]
        assert failed["cause"] in failures[fault]["msg"]
        assert len(lab.answers(f"fault/{fault}/codex")) == count, fault
    assert lab.files(*FAULTS) == before
    assert lab.names(*FAULTS) == [{".lock", "codex", "releases"}] * len(FAULTS)
    assert_four_ways(lab.run({"flip": {}}, *four_ways("fault/flaky/codex")), "flip", ["install", "link"])
    assert lab.answers("fault/flaky/codex") == ["503", "200"]
    lab.assert_clean("flip")


@pytest.mark.parametrize(
    ("path", "moment"),
    [("fault/slow/codex", "[ -d $scratch/tree ]"), ("codex", "[ $(stat -c %s $scratch/tree/bin/codex) -gt 50000000 ]")],
    ids=["downloading", "unpacking"],
)
def test_a_killed_module(lab: Lab, path: str, moment: str) -> None:
    cache = f"killed-{path.count('/')}"
    kill = f"""until scratch=$(echo {ROOT}/{cache}/.scratch-*) && [ -d "$scratch" ] && {moment}; do sleep 0.02; done 2>/dev/null
    pid=${{scratch##*/.scratch-}}; kill -9 ${{pid%%-*}}"""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(lab.run, {cache: {}}, release(path))
        lab.shell(kill)
        run = running.result()
    assert [record.status for record in run.records] == ["failed"]
    assert lab.shell(f"ls -A {ROOT}/{cache}").count(".scratch-") == 1
    assert lab.run({cache: {}}, release()).results[0]["changed"] is True
    lab.assert_clean(cache)
