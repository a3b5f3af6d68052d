# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook upgrade: idle sessions restart on the new codex, working ones later, and one that fails goes back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from containers.playbook_runner import Run
from e2e.conftest import CANDIDATE, NEW, OLD, VERSIONS
from e2e.sessions import CACHE, USER, WORKERS, Result, Workers, is_idle, workdir

pytestmark = pytest.mark.battery

#: a setting that 0.142.5 does not know, and whose value the newer versions refuse
REFUSED = {"cloud": 5}
#: the ttyd of the tests, and another one, which has a number of the same length
TTYD, OLDER_TTYD = "1.7.7", "1.7.6"


@pytest.fixture
def old_workers(workers: Workers) -> Iterator[Workers]:
    """The workers with the old codex and without sessions of other tests; afterwards they have the new one again, and no sessions."""
    everything = {"codex_user": USER, "codex_session_all": True, "codex_session_discard_login": True}
    workers.controller.playbook("teardown", everything)
    workers.provision([OLD])
    yield workers
    workers.controller.playbook("teardown", everything)
    workers.provision([NEW])


def upgrade(workers: Workers, *options: str, **variables: Any) -> Run:
    """Run the playbook on both workers as root, for the sessions of all users."""
    given = {
        "codex_worker_codex_version": NEW,
        "codex_worker_mirror_url": workers.variables["optio_mirror_url"],
        "codex_worker_ttyd_checksum": workers.variables["optio_ttyd_checksum"],
        "codex_worker_scope": "system",
        "codex_session_ready_timeout": 120,
        **variables,
    }
    return workers.controller.playbook("upgrade", given, *options)


def launch(workers: Workers, prompts: Mapping[str, str], **options: Any) -> None:
    """Launch a session for each prompt on both workers."""
    task = workers.task("", sessions=[{"name": name, "prompt": prompt} for name, prompt in prompts.items()], **options)
    del task["optio.codex.session"]["name"]
    assert workers.play(task).results


def sessions_of(workers: Workers) -> dict[str, dict[str, Result]]:
    """Return the sessions of each worker by their names."""
    run = workers.play({"optio.codex.session_info": {"user": USER}})
    return {record.host: {entry["name"]: entry for entry in record.result["sessions"]} for record in run.records}


def table(run: Run) -> dict[tuple[str, str], tuple[str, str]]:
    """Return version and result of each session by worker and name, from the table that a run prints."""
    [report] = [record.result["lines"] for record in run.records if record.task.endswith("Show the sessions")]
    head, *rows = [line["text"] for line in report[2:]]
    ends = [head.index(title) for title in ("WORKER", "SESSION", "CODEX", "TTYD", "RESULT", "REASON")] if "REASON" in head else []
    ends = ends or [head.index(title) for title in ("WORKER", "SESSION", "CODEX", "TTYD", "RESULT")]
    cells = [[row[begin:end].strip() for begin, end in zip(ends, [*ends[1:], None], strict=True)] for row in rows]
    return {(row[0], row[1]): (row[2], row[4]) for row in cells}


def turns(prefix: str, idle: int, busy: int) -> dict[str, str]:
    """Return prompts: of turns that end at once and declare their task done, and of turns that wait for the file go."""
    ended = {f"{prefix}-{number}": "RUN: echo given >> count.txt; echo 'DONE: counted' >> optio.log" for number in range(idle)}
    waits = "RUN: echo given >> count.txt; touch waiting; while [ ! -e go ]; do sleep 0.2; done; echo ended >> count.txt"
    return {**ended, **{f"{prefix}-busy-{number}": waits for number in range(busy)}}


def go_on(workers: Workers, names: list[str], after: int) -> None:
    """Let the turns that wait end after so many seconds."""
    files = " ".join(f"{workdir(name)}/go" for name in names)
    for worker in WORKERS:
        workers.shell(worker, f"setsid sh -c 'sleep {after}; touch {files}' >/dev/null 2>&1 </dev/null &", user=USER)


def begun(workers: Workers, prompts: Mapping[str, str]) -> dict[str, dict[str, Result]]:
    """Return the sessions once each turn has ended or waits."""
    for name in prompts:
        if "busy" not in name:
            workers.until(name, lambda entry: entry["activity"] == "done", "done")
            continue
        for worker in WORKERS:
            workers.shell(worker, f"for i in $(seq 600); do [ -e {workdir(name)}/waiting ] && break; sleep 0.1; done", timeout=90)
            assert workers.read(worker, f"{workdir(name)}/waiting") == "", name
    return sessions_of(workers)


def check_upgraded(workers: Workers, prompts: Mapping[str, str], before: dict[str, dict[str, Result]]) -> None:
    """Verify that every session runs the new codex with its conversation, and that no turn was lost, interrupted or repeated."""
    for name in prompts:
        workers.until(name, lambda entry: entry["activity"] in ("idle", "done"), "idle")
    after = sessions_of(workers)
    for worker in WORKERS:
        for name, prompt in prompts.items():
            old, new = before[worker][name], after[worker][name]
            assert (new["version"], new["status"], new["prompt_given"]) == (NEW, "running", "yes"), (worker, name)
            assert new["session_id"] == old["session_id"] and new["pid"] != old["pid"]
            assert new["turns"] == new["turns_ended"] == 1, (worker, name)
            busy = "waiting" in prompt
            assert workers.read(worker, f"{workdir(name)}/count.txt") == ("given\nended\n" if busy else "given\n")
            assert new["activity"] == ("idle" if busy else "done"), "an upgrade does not take back what the agent declared"
            assert "turn_aborted" not in workers.shell(worker, f"cat {new['rollout']}")


def rolling(workers: Workers, prefix: str, idle: int, busy: int, after: int) -> None:
    """Upgrade sessions, some of which are in a turn until ``after`` seconds have passed."""
    prompts = turns(prefix, idle, busy)
    launch(workers, prompts)
    before = begun(workers, prompts)
    assert {entry["version"] for entries in before.values() for entry in entries.values()} == {OLD}

    foreseen = upgrade(workers, "--check", "--diff")
    assert foreseen.results
    assert table(foreseen) == {
        (worker, name): (OLD, "busy") if "busy" in name else (f"{OLD} -> {NEW}", "planned") for worker in WORKERS for name in prompts
    }
    unchanged = sessions_of(workers)
    assert all(unchanged[worker][name]["pid"] == before[worker][name]["pid"] for worker in WORKERS for name in prompts)

    go_on(workers, [name for name in prompts if "busy" in name], after)
    done = upgrade(workers, codex_session_upgrade_timeout=300)
    assert done.results
    assert table(done) == {(worker, name): (f"{OLD} -> {NEW}", "upgraded") for worker in WORKERS for name in prompts}
    check_upgraded(workers, prompts, before)

    again = upgrade(workers)
    assert again.results and not any(result.get("changed") for result in again.results)
    assert again.shipped == []
    assert set(table(again).values()) == {(NEW, "current")}


def test_idle_sessions_first_then_those_that_work(old_workers: Workers) -> None:
    """Both kinds on two workers, check mode before and a second run after."""
    rolling(old_workers, "rolling", idle=2, busy=1, after=30)


@pytest.mark.extended
def test_twenty_sessions_a_third_of_them_in_a_turn(old_workers: Workers) -> None:
    """Ten sessions on each of two workers."""
    rolling(old_workers, "twenty", idle=7, busy=3, after=120)


@pytest.mark.skipif(bool(CANDIDATE), reason="it is not known whether the candidate refuses the setting")
def test_session_that_does_not_start_is_back_on_its_version(old_workers: Workers) -> None:
    """Its conversation is the same, the upgrade stops, and the other session of the worker keeps its version."""
    workers = old_workers
    prompts = turns("back", idle=2, busy=0)
    # the first one by name is the first to be restarted
    launch(workers, {"back-0": prompts["back-0"]}, config={**workers.provider(), **REFUSED})
    launch(workers, {"back-1": prompts["back-1"]})
    before = begun(workers, prompts)
    run = upgrade(workers)
    failed = [record.result["msg"] for record in run.records if record.status == "failed"]
    assert run.rc and len(failed) == len(WORKERS)
    assert all(f"session back-0 did not start with codex {NEW}, and runs with {OLD} again" in text for text in failed), failed
    found, after = table(run), sessions_of(workers)
    for worker in WORKERS:
        assert found[worker, "back-0"] == (OLD, "restored") and found[worker, "back-1"][1] == "planned"
        for name in prompts:
            old, new = before[worker][name], after[worker][name]
            assert (new["version"], new["status"], new["activity"]) == (OLD, "running", "done"), (worker, name)
            assert (new["session_id"], new["turns"]) == (old["session_id"], 1)
            assert (new["pid"] == old["pid"]) == (name == "back-1")
            assert workers.read(worker, f"{workdir(name)}/count.txt") == "given\n"
            assert (workers.read(worker, f"{workdir(name)}/optio.log") or "").startswith("DONE: counted\n")
    message = {"name": "back-0", "user": USER, "text": "RUN: echo answered >> count.txt"}
    assert workers.play({"optio.codex.session_message": message}).results
    workers.until("back-0", lambda entry: is_idle(entry) and entry["turns"] == 2, "answered")


def typed(workers: Workers, name: str, *keys: str) -> None:
    """Press keys in the terminal of a session on both workers, as a person does, and wait until they are drawn."""
    for worker, entry in workers.info(name).items():
        workers.shell(worker, f"tmux -S {entry['tmux_socket']} send-keys -t optio: {' '.join(map(shlex.quote, keys))}")
    if " " in keys[-1]:
        workers.until(name, lambda entry: keys[-1] in entry["screen"], "drawn")


def drafts(workers: Workers, name: str) -> set[tuple[str, bool]]:
    """Return the plans of the module for a session on both workers: what it would do, and whether there is a draft."""
    task = {"optio.codex.session": {"name": name, "user": USER, "state": "upgraded"}}
    run = workers.play(task, options=["--check"])
    assert run.results and run.shipped == []
    return {(result["upgrade"]["status"], result["upgrade"]["draft"]) for result in run.results}


@pytest.mark.parametrize("version", VERSIONS)
def test_suggestion_of_codex_is_not_a_text_that_a_person_typed(workers: Workers, version: str) -> None:
    """The composer is empty at first and after a turn, has a text, and is empty again, whatever codex shows in it."""
    name = f"composer-{version}"
    empty, full = [("current", False), ("current", True)] if version == NEW else [("upgraded", False), ("busy", True)]
    workers.session(name, version=version)
    assert drafts(workers, name) == {empty}
    assert workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": "SAY: yes"}}).results
    workers.until(name, is_idle, "idle")
    assert drafts(workers, name) == {empty}
    typed(workers, name, "half typed")
    assert drafts(workers, name) == {full}
    typed(workers, name, "C-u", "BSpace")
    workers.until(name, lambda entry: "half typed" not in entry["screen"], "empty")
    assert drafts(workers, name) == {empty}
    workers.session(name, state="absent")


@pytest.mark.extended
def test_text_that_was_not_submitted_survives(old_workers: Workers) -> None:
    """The session is not restarted until its text is submitted; the turn of that text ends before the restart."""
    workers = old_workers
    prompts = turns("draft", idle=2, busy=0)
    launch(workers, prompts)
    before = begun(workers, prompts)
    text = "RUN: echo draft >> count.txt"
    typed(workers, "draft-0", text)

    left = upgrade(workers, codex_session_upgrade_timeout=20)
    assert left.results
    expected = {"draft-0": (OLD, "busy"), "draft-1": (f"{OLD} -> {NEW}", "upgraded")}
    assert table(left) == {(worker, name): result for worker in WORKERS for name, result in expected.items()}
    assert "its composer contains text that was not submitted" in left.output
    now = workers.info("draft-0", include_screen=True)
    for worker, entry in now.items():
        assert text in entry["screen"] and entry["pid"] == before[worker]["draft-0"]["pid"]
        assert (entry["version"], entry["worker_version"]) == (OLD, NEW)
    status = workers.controller.playbook("status", {"codex_session_name": "draft-0", "codex_user": USER})
    assert status.results and f"{OLD}*" in status.output

    # a person submits it while another run waits
    for worker, entry in now.items():
        press = f"sleep 25; tmux -S {entry['tmux_socket']} send-keys -t optio: Enter"
        workers.shell(worker, f"setsid sh -c '{press}' >/dev/null 2>&1 </dev/null &")
    done = upgrade(workers, codex_session_upgrade_timeout=300)
    assert done.results
    assert {found for place, found in table(done).items() if place[1] == "draft-0"} == {(f"{OLD} -> {NEW}", "upgraded")}
    after = workers.until("draft-0", lambda entry: entry["activity"] in ("idle", "done"), "idle")
    for worker, entry in after.items():
        assert (entry["version"], entry["turns"], entry["turns_ended"]) == (NEW, 2, 2)
        assert entry["session_id"] == before[worker]["draft-0"]["session_id"]
        assert workers.read(worker, f"{workdir('draft-0')}/count.txt") == "given\ndraft\n"
        assert "turn_aborted" not in workers.shell(worker, f"cat {entry['rollout']}")


def served_by(workers: Workers, name: str) -> dict[str, str]:
    """Return the release that serves the terminal of a session, by worker."""
    found = {}
    for worker, entry in workers.info(name).items():
        own = f"tr '\\0' ' ' </proc/$pid/cmdline | grep -qF ' {entry['terminal_socket']} '"
        # root of a container without privileges cannot read it
        program = workers.shell(worker, f"for pid in $(pgrep -x ttyd); do if {own}; then readlink /proc/$pid/exe; fi; done", user=USER)
        found[worker] = program.rpartition("/releases/")[2].strip()
    return found


def with_older_ttyd(workers: Workers) -> None:
    """Install a ttyd of another version on both workers: that of the tests with another number in it."""
    source = f"{CACHE}/ttyd-{TTYD}-x86_64/ttyd"
    replace = "import sys; old, new = (text.encode() for text in sys.argv[1:]); "
    replace += "sys.stdout.buffer.write(sys.stdin.buffer.read().replace(old, new))"
    script = f"""mkdir -p /srv/ttyd/{OLDER_TTYD}; cd /srv/ttyd/{OLDER_TTYD}
    python3 -c '{replace}' {TTYD} {OLDER_TTYD} <{source} >ttyd.x86_64; chmod -R a+rX /srv/ttyd; sha256sum <ttyd.x86_64 | cut -c 1-64"""
    digests = {workers.shell(worker, script).strip() for worker in WORKERS}
    assert len(digests) == 1
    options = {"version": OLDER_TTYD, "scope": "system", "sources": ["file:///srv/ttyd"], "checksum": f"sha256:{digests.pop()}"}
    assert workers.play({"optio.codex.ttyd_release": options}).results


def test_new_ttyd_does_not_touch_codex(workers: Workers) -> None:
    """An idle session and one in a turn: each has the new terminal, and the same codex, which goes on with its work."""
    with_older_ttyd(workers)
    prompts = turns("ttyd", idle=1, busy=1)
    launch(workers, prompts, terminal={"writable": True})
    before = begun(workers, prompts)
    assert {release for name in prompts for release in served_by(workers, name).values()} == {f"ttyd-{OLDER_TTYD}-x86_64/ttyd"}

    foreseen = upgrade(workers, "--check", codex_session_name=",".join(prompts))
    assert foreseen.results and sessions_of(workers).keys() == before.keys()
    done = upgrade(workers, codex_session_name=",".join(prompts))
    assert done.results
    rows = {(worker, name): (NEW, "upgraded") for worker in WORKERS for name in prompts}
    assert table(done) == rows and done.output.count(f"{OLDER_TTYD} -> {TTYD}") >= len(rows)
    assert {release for name in prompts for release in served_by(workers, name).values()} == {f"ttyd-{TTYD}-x86_64/ttyd"}
    after = sessions_of(workers)
    for worker in WORKERS:
        for name in prompts:
            old, new = before[worker][name], after[worker][name]
            assert (new["pid"], new["session_id"], new["turns"]) == (old["pid"], old["session_id"], 1), (worker, name)
            assert new["terminal"] == "running" and new["activity"] == ("working" if "busy" in name else "done")
    again = upgrade(workers, codex_session_name=",".join(prompts))
    assert again.results and not any(result.get("changed") for result in again.results) and again.shipped == []

    # the new terminal is one to type in
    client = Path(__file__).with_name("terminal_client.py").read_text(encoding="utf-8")
    for worker in WORKERS:
        socket = after[worker]["ttyd-0"]["terminal_socket"]
        text = "RUN: echo typed >> count.txt"
        shown = workers.shell(worker, f"cat >/tmp/client.py <<'END'\n{client}\nEND\npython3 /tmp/client.py {socket} '{text}'")
        assert "101 Switching Protocols" in shown and "›" in shown
    workers.until("ttyd-0", lambda entry: is_idle(entry) and entry["turns"] == 2, "answered")
    go_on(workers, ["ttyd-busy-0"], 0)
    workers.until("ttyd-busy-0", is_idle, "idle")
    for worker in WORKERS:
        assert workers.read(worker, f"{workdir('ttyd-0')}/count.txt") == "given\ntyped\n"
        assert workers.read(worker, f"{workdir('ttyd-busy-0')}/count.txt") == "given\nended\n"
    for name in prompts:
        workers.session(name, state="absent")
