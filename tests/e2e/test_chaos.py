# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions to which the worst happens in the midst of a turn: the truth in one call, and nothing of the work lost."""

from __future__ import annotations

from typing import Any

import pytest
from e2e.chaos import FILES, PROCESSES, TURN, Battery, Fault, Matrix
from e2e.sessions import USER, WORKERS, Workers

pytestmark = pytest.mark.battery

#: which get a message at the end: one that was reconnected, one whose record is damaged, one that was made anew
TALKED_TO = ("no-sockets", "bad-record", "bad-state", "tmux", "launcher")
#: shell: asks the terminal for its page, as a browser does
SERVED = """
python3 -c 'import socket, sys
with socket.socket(socket.AF_UNIX) as browser:
    browser.connect(sys.argv[1])
    browser.sendall(b"GET /token HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
    print(browser.recv(12).decode())' $runtime/ttyd.sock
"""
#: shell: what is there of a session as root and its user see it, but for its workdir
TRACES = """
tagged; pgrep -af "/$name/"; ls -d $runtime; find $task -mindepth 1 -maxdepth 1 ! -name workdir ! -name home ! -name agent
[ ! -d /run/systemd/system ] || systemctl list-units --all --plain --no-legend "*@$name.service"
find /etc/systemd /run/systemd -name "*optio*@$name*"
"""


def beaten(workers: Workers, faults: tuple[Fault, ...]) -> Matrix:
    """Launch every session, hit each with its fault, look once, recover, talk, and end them all."""
    battery = Battery(workers, faults)
    try:
        return _beaten(workers, battery, faults)
    except BaseException:
        # what is left would be in the way of every later test
        workers.play(*({**workers.task(fault.name, state="absent"), "ignore_errors": True} for fault in faults))
        raise


def _beaten(workers: Workers, battery: Battery, faults: tuple[Fault, ...]) -> Matrix:
    seen = Matrix()

    def start(name: str) -> dict[str, Any]:
        return workers.task(name, prompt=TURN, ready_timeout=0, resume="always")

    battery.each(start)
    battery.until("[ -e waiting ]", "in the midst of its turn")
    seen.before = battery.look()
    battery.shell(lambda fault: fault.shell)
    seen.after = battery.look()
    seen.refused = battery.each(start, [fault.name for fault in faults if fault.refused], "failed")
    battery.shell(lambda fault: fault.cure)
    seen.started = battery.each(start)
    seen.texts["served"] = battery.shell(lambda fault: SERVED)
    battery.shell(lambda fault: "touch $task/workdir/go")
    battery.until("grep -q 'went on' count.txt", "gone on with", [fault.name for fault in faults if not fault.interrupted])
    seen.again = battery.each(start)
    talk = {"optio.codex.session_message": {"user": USER, "text": "SAY: still here"}}
    battery.each(lambda name: {module: {"name": name, **options} for module, options in talk.items()}, TALKED_TO)
    wait = {"user": USER, "state": "idle", "timeout": 60}
    battery.each(lambda name: {"optio.codex.session_wait": {"name": name, **wait}})
    seen.answered = battery.look()
    seen.texts["check"] = battery.shell(lambda fault: fault.check)
    for file in ("count.txt", "optio.log", "optio.log.old", "resume.log"):
        seen.texts[file] = battery.shell(lambda fault, file=file: f"cat $task/workdir/{file}")  # type: ignore[misc]
    battery.each(lambda name: workers.task(name, state="absent"))
    seen.texts["left"] = battery.shell(lambda fault: TRACES)
    return seen


@pytest.fixture(scope="module")
def processes(workers: Workers) -> Matrix:
    return beaten(workers, PROCESSES)


@pytest.fixture(scope="module")
def files(workers: Workers) -> Matrix:
    return beaten(workers, FILES)


def rows(faults: tuple[Fault, ...]) -> pytest.MarkDecorator:
    """Return each fault on each worker on which it is shown."""
    found = [(fault, worker) for worker in WORKERS for fault in faults if worker in fault.on]
    return pytest.mark.parametrize(("fault", "worker"), found, ids=[f"{fault.name}-{worker}" for fault, worker in found])


@rows(PROCESSES)
def test_processes_that_somebody_ends(processes: Matrix, fault: Fault, worker: str) -> None:
    check(processes, fault, worker)


@rows(FILES)
def test_files_and_sockets_that_somebody_damages(files: Matrix, fault: Fault, worker: str) -> None:
    check(files, fault, worker)


def check(matrix: Matrix, fault: Fault, worker: str) -> None:
    """Check one row: the truth in one call, the recovery, and that nothing is lost and in the end nothing left."""
    check_truth(matrix, fault, worker)
    check_recovery(matrix, fault, worker)
    said = {what: seen[fault.name].get(worker, "").strip() for what, seen in matrix.texts.items()}
    assert said["served"] == "HTTP/1.1 200" and said["check"] == ""
    assert said["count.txt"] in ("begun\nwent on", *(["begun"] if fault.interrupted else [])), "work was lost or done twice"
    assert "STATUS: [50%] half way" in said["optio.log" if fault.lives else "optio.log.old"]
    assert len(said["resume.log"].splitlines()) == (1 if fault.lives else 2)
    assert said["left"] == ""


def check_truth(matrix: Matrix, fault: Fault, worker: str) -> None:
    before, after = matrix.before[fault.name][worker], matrix.after[fault.name][worker]
    assert (before["status"], before["activity"], before["turn"], before["terminal"]) == ("running", "working", "open", "running")
    assert (after["status"] in fault.status, after["activity"] in fault.activity, after["terminal"] in fault.terminal) == (True,) * 3, after
    # nothing is invented, and nothing forgotten
    assert after["pid"] == (before["pid"] if fault.lives else None)
    for known in ("session_id", "workdir", "rollout", "user"):
        assert after[known] == before[known], known
    assert after["session_id"] and after["turn"] in ("open", *(["interrupted"] if fault.interrupted else []))
    assert (after["progress"]["percent"], after["progress"]["status"]) == (50, "half way")
    assert (after["attach_command"] is None) == (not fault.lives or "reconnect" in fault.actions)
    assert after["exit_status"] in ((None,) if "finished" not in fault.status else (None, 129, 134, 137, 143))


def check_recovery(matrix: Matrix, fault: Fault, worker: str) -> None:
    before, started, again = (seen[fault.name][worker] for seen in (matrix.before, matrix.started, matrix.again))
    if fault.refused:
        assert fault.refused in matrix.refused[fault.name][worker]["msg"]
    assert (started["status"], started["session_id"], started["workdir"]) == ("running", before["session_id"], before["workdir"])
    assert started["resumed"] != fault.lives and (started["pid"] == before["pid"]) == fault.lives
    if fault.lives:
        assert tuple(action["kind"] for action in started["actions"]) == fault.actions
    assert not again["changed"] and again["pid"] == started["pid"]
    answered = matrix.answered[fault.name][worker]
    assert (answered["status"], answered["activity"], answered["terminal"]) == ("running", "idle", "running")
    assert answered["session_id"] == before["session_id"] and answered["attach_command"] == before["attach_command"]
    if fault.name in TALKED_TO:
        assert answered["message"] == "still here"
