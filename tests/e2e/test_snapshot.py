# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session of a real codex saved on one worker, mid-turn and stopped, that goes on with its conversation on another."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, SYSTEMD, USER, WITHOUT, Workers, agent, home, is_idle, only, workdir

pytestmark = pytest.mark.battery

#: the work of a session, and how to see that it is the same elsewhere
WORK = "RUN: mkdir -p out && printf 'one\\n' >out/report.txt && ln -s out/report.txt latest && chmod 700 out/report.txt"
FILES = "cd {place} && find . -path ./home -prune -o -type f -exec sha256sum {{}} + | sort; readlink latest; stat -c %a out/report.txt"
#: no file of the session's own, and outside what the sandbox lets it write
FORGED = "forged"


def snapshot(workers: Workers, worker: str, name: str, *options: str, **given: Any) -> dict[str, Any]:
    """Return the result of the module for one session."""
    run = workers.play({"optio.codex.session_snapshot": {"name": name, "user": USER, **given}}, hosts=worker, options=options)
    return only(run.results)


def move(workers: Workers, path: str, scratch: Path) -> None:
    """Bring a file from the worker with systemd to the other one, as a user does it."""
    kept = str(scratch / "snapshot.tar.gz")
    fetched = workers.play({"ansible.builtin.fetch": {"src": path, "dest": kept, "flat": True}}, hosts=SYSTEMD)
    copied = workers.play({"ansible.builtin.copy": {"src": kept, "dest": path, "mode": "0600"}}, hosts=WITHOUT)
    assert fetched.results and copied.results


def requests(workers: Workers) -> list[Mapping[str, Any]]:
    """Return what the stand-in model was asked in conversations, in order."""
    logs = subprocess.run(
        ["podman", "logs", f"optio-codex-{workers.fleet.name}-model"], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    entries = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry.get("tools") and entry["path"].endswith("/responses")]


def transcript(workers: Workers, worker: str, name: str) -> list[str]:
    """Return what the model has said in a session, from codex's own record."""
    text = workers.shell(worker, f"cat {home(name)}/.codex/sessions/*/*/*/rollout-*.jsonl")
    payloads = [json.loads(line)["payload"] for line in text.splitlines()]
    return [
        part["text"]
        for payload in payloads
        if payload.get("type") == "message" and payload.get("role") == "assistant"
        for part in payload["content"]
    ]


def restore(workers: Workers, name: str, path: str, taken: Mapping[str, Any]) -> None:
    """Restore a snapshot on the other worker: predicted, once, and owned by the session's user."""
    predicted = snapshot(workers, WITHOUT, name, "--check", path=path, state="restored")
    made = snapshot(workers, WITHOUT, name, path=path, state="restored", checksum=f"sha256:{taken['sha256']}")
    assert made["actions"] == predicted["actions"] and made["session_id"] == taken["session_id"] and made["status"] == "stopped"
    assert not snapshot(workers, WITHOUT, name, path=path, state="restored")["changed"]
    assert set(workers.shell(WITHOUT, f"find {ROOT}/{name} -printf '%U %G\\n' | sort -u").split()) == set(
        workers.shell(WITHOUT, f"id -u {USER}; id -g {USER}").split()
    )


def write_in_the_new_place(workers: Workers, name: str) -> None:
    """Expect that the sandbox of a restored session is that of its new place."""
    text = f"RUN: cat out/report.txt >out/second.txt\nRUN: touch {ROOT}/{name}/{FORGED}"
    assert workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": text}}, hosts=WITHOUT).results
    workers.until(name, lambda entry: is_idle(entry) and "Failed (exit" in (entry["screen"] or ""), "refused", hosts=WITHOUT)
    assert workers.read(WITHOUT, f"{workdir(name)}/out/second.txt") == "one\n"
    assert workers.read(WITHOUT, f"{ROOT}/{name}/{FORGED}") is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_goes_on_elsewhere(workers: Workers, tmp_path: Path, version: str) -> None:
    old, path = f"kept-{version}", f"/home/{USER}/kept-{version}.tar.gz"
    workers.session(old, hosts=SYSTEMD, version=version, prompt=f"{WORK}\nSAY: first turn")
    workers.until(old, is_idle, "idle", hosts=SYSTEMD)
    # a turn that nobody has answered yet: whoever gets the conversation answers it
    message = {"name": old, "user": USER, "text": "RUN: until [ -e go ]; do sleep 0.2; done\nSAY: the bird is a heron"}
    assert workers.play({"optio.codex.session_message": message}, hosts=SYSTEMD).results
    workers.until(old, lambda entry: entry["activity"] == "working", "at work", hosts=SYSTEMD)

    predicted = snapshot(workers, SYSTEMD, old, "--check", path=path)
    assert predicted["changed"] and workers.read(SYSTEMD, path) is None
    taken = snapshot(workers, SYSTEMD, old, path=path)
    assert taken["status"] == "running" and taken["session_id"] and taken["version"] == version
    assert workers.shell(SYSTEMD, f"stat -c '%a %U' {path}; sha256sum <{path}").split()[:3] == ["600", USER, taken["sha256"]]
    before = workers.shell(SYSTEMD, FILES.format(place=workdir(old)))
    assert "out/report.txt" in before
    move(workers, path, tmp_path)

    new = f"moved-{version}"
    restore(workers, new, path, taken)
    assert workers.shell(WITHOUT, FILES.format(place=workdir(new))) == before
    assert only(list(workers.info(new, WITHOUT).values()))["status"] == "stopped"

    started = only(list(workers.session(new, hosts=WITHOUT, version=version, resume="always").values()))
    assert started["status"] == "running" and started["session_id"] == taken["session_id"], "nothing was asked"
    seen = workers.until(new, lambda entry: is_idle(entry) and "heron" in (entry["screen"] or ""), "through", hosts=WITHOUT)
    assert workdir(new)[-20:] in seen[WITHOUT]["screen"]
    said = transcript(workers, WITHOUT, new)
    assert said[0].startswith("first turn") and "the bird is a heron" in said[-1], "what was asked on the other worker is answered here"

    write_in_the_new_place(workers, new)
    workers.session(new, hosts=WITHOUT, state="absent")
    assert workers.traces(WITHOUT, new) == []

    workers.session(old, hosts=SYSTEMD, state="stopped")
    stopped = snapshot(workers, SYSTEMD, old, path=path)
    assert stopped["changed"] and stopped["status"] == "stopped" and stopped["changed_during_read"] == []
    again = snapshot(workers, SYSTEMD, old, path=path)
    assert not again["changed"] and again["sha256"] == stopped["sha256"]
    move(workers, path, tmp_path)
    last = f"last-{version}"
    snapshot(workers, WITHOUT, last, path=path, state="restored")
    asked = len(requests(workers))
    workers.session(last, hosts=WITHOUT, version=version, resume="always")
    workers.until(last, lambda entry: is_idle(entry) and "resumed" in (entry["screen"] or ""), "resumed", hosts=WITHOUT)
    first = requests(workers)[asked]
    # the context, two user messages, a call with its output, an answer, and the notice at least
    assert first["items"] >= 7, f"the resumed request holds the earlier turns: {first}"
    for worker, name in ((WITHOUT, last), (SYSTEMD, old)):
        workers.session(name, hosts=worker, state="absent")


def test_a_clone_goes_on_in_a_workdir_of_the_users(workers: Workers, tmp_path: Path) -> None:
    old, new, path, upstream = "cloned", "placed", f"/home/{USER}/cloned.tar.gz", "/srv/cloned"
    make = (
        f"git init -q {upstream} && cd {upstream} && mkdir home && echo mine >home/x && echo theirs >AGENTS.md && git add . && "
        f"git -c user.name=t -c user.email=t@example.com commit -q -m one && chmod -R a+rX . && chown -R {USER} ."
    )
    workers.shell(SYSTEMD, make)
    prompt = f"RUN: echo 'STATUS: 40% at it' >>{agent(old)}/optio.log && git config --global user.name heron\nSAY: first turn"
    workers.session(old, hosts=SYSTEMD, repository={"url": upstream}, instructions="MARK it", prompt=prompt)
    workers.until(old, is_idle, "idle", hosts=SYSTEMD)
    status = "cd {place} && git status --porcelain --ignored | grep -v '^?? .codex/$'; cat AGENTS.md home/x"
    assert workers.shell(SYSTEMD, status.format(place=workdir(old)), user=USER) == "theirs\nmine\n"
    taken = snapshot(workers, SYSTEMD, old, path=path, include_git=True)
    assert taken["skipped_files"] == [] and taken["excluded"]["home/.local/bin/codex"] == 1
    move(workers, path, tmp_path)

    place = f"/home/{USER}/placed/work"
    made = snapshot(workers, WITHOUT, new, path=path, state="restored", workdir=place)
    assert made["session_id"] == taken["session_id"] and made["workdir"] == place
    assert not snapshot(workers, WITHOUT, new, path=path, state="restored", workdir=place)["changed"]
    instructions = workers.read(WITHOUT, f"{home(new)}/.codex/AGENTS.md") or ""
    assert "MARK it" in instructions and f"{agent(new)}/optio.log" in instructions and agent(old) not in instructions
    assert "STATUS: 40% at it" in (workers.read(WITHOUT, f"{agent(new)}/optio.log") or "")
    assert "heron" in (workers.read(WITHOUT, f"{agent(new)}/.gitconfig") or "")

    text = f"RUN: echo 'STATUS: 80% still' >>{agent(new)}/optio.log && git config user.name\nSAY: the bird is a heron"
    started = only(list(workers.session(new, hosts=WITHOUT, workdir=place, resume="always").values()))
    assert started["status"] == "running" and started["session_id"] == taken["session_id"]
    workers.until(new, lambda entry: is_idle(entry) and "resumed" in (entry["screen"] or ""), "resumed", hosts=WITHOUT)
    assert workers.play({"optio.codex.session_message": {"name": new, "user": USER, "text": text}}, hosts=WITHOUT).results
    workers.until(new, lambda entry: is_idle(entry) and "is a heron" in (entry["screen"] or ""), "answered", hosts=WITHOUT)
    assert workers.read(WITHOUT, f"{agent(new)}/optio.log") == "STATUS: 80% still\n"
    assert workers.shell(WITHOUT, status.format(place=place), user=USER) == "theirs\nmine\n"
    for worker, name in ((SYSTEMD, old), (WITHOUT, new)):
        workers.session(name, hosts=worker, state="absent")
        assert workers.traces(worker, name) == []


def test_credentials_and_variables_stay_behind(workers: Workers) -> None:
    name, path = "secretive", f"/home/{USER}/secretive.tar.gz"
    workers.session(name, hosts=SYSTEMD, environment={"TOKEN": "hunter2-environment"}, prompt="SAY: hello")
    workers.until(name, is_idle, "idle", hosts=SYSTEMD)
    workers.shell(SYSTEMD, f"echo hunter2-auth >{home(name)}/.codex/auth.json", user=USER)
    snapshot(workers, SYSTEMD, name, path=path)
    assert workers.shell(SYSTEMD, f"zcat {path} | grep -ac hunter2").strip() == "0"
    with_them = snapshot(workers, SYSTEMD, name, path=path, include_credentials=True)
    assert with_them["changed"] and workers.shell(SYSTEMD, f"zcat {path} | grep -ac hunter2-auth").strip() == "1"
    assert workers.shell(SYSTEMD, f"zcat {path} | grep -ac hunter2-environment").strip() == "0"
    workers.session(name, hosts=SYSTEMD, state="absent")


def test_a_hostile_snapshot_leaves_nothing(workers: Workers, tmp_path: Path) -> None:
    manifest = json.dumps({"format": 1}).encode()
    archive = tmp_path / "hostile.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for member, content in (("manifest.json", manifest), ("workdir/fine", b"x"), ("workdir/../../../.ssh/authorized_keys", b"x")):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    path = "/root/hostile.tar.gz"
    assert workers.play({"ansible.builtin.copy": {"src": str(archive), "dest": path, "mode": "0600"}}, hosts=WITHOUT).results
    options = {"name": "hostile", "user": USER, "path": path, "state": "restored"}
    failure = workers.play({"optio.codex.session_snapshot": options}, hosts=WITHOUT).failure
    assert failure["object"] == path and "lies outside it" in failure["msg"]
    assert workers.shell(WITHOUT, f"find {ROOT} -path '*hostile*'; find /home/{USER} -name authorized_keys -newer {path}") == ""
