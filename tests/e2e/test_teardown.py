# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of every kind torn down in the midst of a turn, by a tool that ignores TERM: named, and nothing left."""

from __future__ import annotations

from typing import Any

from e2e.chaos import Battery, Fault
from e2e.sessions import USER, WORKERS, Workers
from e2e.test_chaos import TRACES
from e2e.test_interop import PAIRS, launched_by_package, traces_of_package

DEAF = "RUN: setsid -f bash -c 'trap : TERM; while :; do sleep 0.1; done' deaf-one </dev/null >/dev/null 2>&1; touch waiting; sleep 300"
#: by the session's name, what somebody has removed of it
KINDS = (
    Fault("torn-plain", ":"),
    Fault("torn-tcp", ":"),
    Fault("torn-task", "rm -r $task"),
    Fault("torn-workdir", "rm -r $task/workdir"),
)
ADOPTED = "torn-adopted"


def test_every_kind_of_session_goes_without_a_trace(workers: Workers) -> None:
    battery = Battery(workers, KINDS)
    options: dict[str, Any] = {"prompt": DEAF, "sandbox": "danger-full-access", "ready_timeout": 0}

    def start(name: str) -> dict[str, Any]:
        terminal = {"terminal": {"listen": "tcp"}} if name == "torn-tcp" else {}
        return workers.task(name, **options, **terminal)

    launched = battery.each(start)
    packages = launched_by_package(workers, *PAIRS[-1], ADOPTED)
    workers.session(ADOPTED, adopt=True)
    said = {"name": ADOPTED, "user": USER, "text": "RUN: touch waiting; sleep 300"}
    workers.play({"optio.codex.session_message": said})
    battery.until("[ -e waiting ]", "in the midst of its turn")
    battery.shell(lambda fault: fault.shell)

    ended = battery.each(lambda name: workers.task(name, state="absent"))
    for name, worker in [(fault.name, worker) for fault in KINDS for worker in WORKERS]:
        result = ended[name][worker]
        assert result["status"] == "absent" and result["changed"]
        assert [process["command"].split()[-1] for process in result["killed_processes"] if "trap" in process["command"]] == ["deaf-one"], (
            result
        )
    left = battery.shell(lambda fault: TRACES)
    assert {text.strip() for seen in left.values() for text in seen.values()} == {""}, left
    for worker in WORKERS:
        port = launched["torn-tcp"][worker]["port"]
        connect = f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {port})))"
        assert workers.shell(worker, f'python3 -c "{connect}"') != "0\n"

    gone = workers.session(ADOPTED, state="absent")
    for worker in WORKERS:
        assert gone[worker]["status"] == "absent" and not packages[worker].alive()
        assert workers.traces(worker, ADOPTED) == traces_of_package(workers, worker, ADOPTED) == []
    again = battery.each(lambda name: workers.task(name, state="absent"))
    assert not any(result["changed"] for seen in again.values() for result in seen.values())
