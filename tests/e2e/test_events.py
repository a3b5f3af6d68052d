# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sessions of the real codex report: status.json for a gateway, and events to receivers that work, and to others."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import DEADLINE, ROOT, USER, WORKERS, Workers, workdir

TOKEN = "t0ken-of-the-receiver-3f9a"
PORT = 5080
GOT = "/tmp/events-received"
#: answers by the path of the request, and keeps a line for each
RECEIVER = rf"""
import http.server, json, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("{GOT}", "a") as stream:
            stream.write(json.dumps([self.path, self.headers["Authorization"], body]) + "\n")
        if self.path == "/hang":
            time.sleep(600)
        self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", {PORT}), Answer).serve_forever()
"""


@pytest.fixture(scope="module", autouse=True)
def receiver(workers: Workers) -> Iterator[None]:
    """A receiver on each worker."""
    start = f"cat >/tmp/receiver.py <<'EOF'\n{RECEIVER}EOF\nsetsid python3 /tmp/receiver.py >/dev/null 2>&1 & echo $! >/tmp/receiver.pid"
    for worker in WORKERS:
        workers.shell(worker, start)
    yield
    for worker in WORKERS:
        workers.shell(worker, f"kill $(cat /tmp/receiver.pid); rm -f /tmp/receiver.* {GOT}")


def received(workers: Workers, worker: str, name: str) -> list[tuple[str, str | None, Mapping[str, Any]]]:
    """Return path, authorization and body of each request of a session."""
    lines = (workers.read(worker, GOT) or "").splitlines()
    return [(path, token, body) for path, token, body in map(json.loads, lines) if body["session"] == name]


def status_of(workers: Workers, worker: str, name: str) -> dict[str, Any]:
    """Return the file for the gateway, as its group reads it."""
    script = f"cat /run/optio-codex-web/{name}/status.json"
    text = workers.shell(worker, f"setpriv --reuid=nobody --regid=www-data --clear-groups sh -c '{script}'")
    return dict(json.loads(text)) if text else {}


def until_status(workers: Workers, name: str, activity: str) -> list[dict[str, Any]]:
    """Return the file of each worker once it has the activity."""
    deadline = time.monotonic() + DEADLINE
    while True:
        found = [status_of(workers, worker, name) for worker in WORKERS]
        if all(each.get("activity") == activity for each in found):
            return found
        assert time.monotonic() < deadline, f"not {activity}: {found}"
        time.sleep(0.1)


def require_events(workers: Workers, worker: str, name: str, expected: list[str]) -> None:
    """Expect the events of a session in their order, each once, and a status that the group can read."""
    deadline = time.monotonic() + DEADLINE
    while len(got := received(workers, worker, name)) < len(expected):
        assert time.monotonic() < deadline, got
        time.sleep(0.2)
    assert [body["event"] for _path, _token, body in got] == expected
    assert {(path, token, body["data"]["host"]) for path, token, body in got} == {("/codex", f"Bearer {TOKEN}", worker)}
    assert workers.shell(worker, f"stat -c '%a %U %G' /run/optio-codex-web/{name}/status.json").split() == ["640", USER, "www-data"]


def require_private_token(workers: Workers, worker: str, name: str) -> None:
    """Expect the token in the session's own file alone: in no process, no journal and no other file."""
    pattern = f"[{TOKEN[0]}]{TOKEN[1:]}"
    assert (
        workers.shell(worker, f"grep -laE '{pattern}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ; journalctl 2>&1 | grep '{pattern}'") == ""
    )
    found = workers.shell(worker, f"grep -rlaE '{pattern}' {ROOT} /run /var/lib/optio-codex /var/log 2>/dev/null")
    assert found.split() == [f"{ROOT}/{name}/events/config"]


def leave(workers: Workers, name: str) -> None:
    """End codex as a person does, at its terminal."""
    send = f"tmux -S /run/optio-codex/{name}/tmux.sock send-keys -t optio:"
    for worker in WORKERS:
        workers.shell(worker, f"{send} -l /quit; sleep 1; {send} Enter", USER)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_state_is_reported_once(workers: Workers, version: str) -> None:
    name = f"events-{version}"
    place = {"name": name, "user": USER}
    hook = {"url": f"http://127.0.0.1:{PORT}/codex", "token": TOKEN, "data": {"host": "{{ inventory_hostname }}"}}
    launch: dict[str, Any] = {"version": version, "approval_policy": "on-request", "terminal": {"group": "www-data"}, "webhook": hook}

    def say(text: str, **options: Any) -> None:
        assert workers.play({"optio.codex.session_message": {**place, "text": text, **options}}).results

    workers.session(name, **launch)
    for status in until_status(workers, name, "idle"):
        assert (status["session"], status["codex_version"], status["turns"], status["reason"]) == (name, version, 0, None)
    say("RUN: until [ -e go ]; do sleep 0.2; done; echo 'STATUS: 40% tests' >>optio.log")
    until_status(workers, name, "working")
    for worker in WORKERS:
        workers.shell(worker, f"touch {workdir(name)}/go")
    for status in until_status(workers, name, "idle"):
        assert (status["turns"], status["progress"], status["last_message"]) == (1, "STATUS: 40% tests", "Done: (no output)")
        assert status["tokens"] > 0

    # its files are closed to the agent's commands, also where those of all sessions are not
    say(f"RUN: cat {ROOT}/{name}/events/config; cat {ROOT}/{name}/events/*; echo end")
    seen = workers.until(name, lambda entry: entry["turns_ended"] == 2, "over")
    assert all("end" in entry["message"] and TOKEN not in entry["message"] for entry in seen.values()), seen

    say("ASK: id -un")
    for status in until_status(workers, name, "waiting"):
        assert status["reason"] == "Would you like to run the following command? $ id -un"
    for worker in WORKERS:
        workers.shell(worker, f"tmux -S /run/optio-codex/{name}/tmux.sock send-keys -t optio: Enter", USER)
    until_status(workers, name, "idle")
    say("RUN: echo 'ATTENTION: which one' >>optio.log")
    assert [status["reason"] for status in until_status(workers, name, "waiting")] == ["which one"] * 2
    say("RUN: echo 'DONE: all well' >>optio.log")
    assert [status["reason"] for status in until_status(workers, name, "done")] == ["all well"] * 2
    say("FAIL: 500")
    until_status(workers, name, "failed")
    say("LIMIT: 20 100")
    for status in until_status(workers, name, "limited"):
        assert status["limit"] == {"used_percent": 100.0, "resets_at": "2033-05-25T02:13:20Z"}
    leave(workers, name)
    until_status(workers, name, "done")

    for worker in WORKERS:
        require_events(workers, worker, name, ["waiting", "waiting", "done", "failed", "limited", "done"])
        require_private_token(workers, worker, name)
    workers.settle(name)
    workers.session(name, state="absent", purge=True)
    assert [workers.traces(worker, name) for worker in WORKERS] == [[], []]


#: by session, the URL of its receiver and how often the event of a turn is sent there
RECEIVERS = {
    "hang": (f"http://127.0.0.1:{PORT}/hang", 1),
    "error": (f"http://127.0.0.1:{PORT}/500", 3),
    "moved": (f"http://127.0.0.1:{PORT}/302", 1),
    "gone": ("http://127.0.0.1:9/", 0),
}


@pytest.mark.battery
@pytest.mark.parametrize("version", VERSIONS)
def test_a_receiver_that_does_not_answer_holds_nothing_up(workers: Workers, version: str) -> None:
    names = {f"{name}-{version}": given for name, given in RECEIVERS.items()}
    place = {"sessions": list(names), "user": USER}
    task = workers.task("any", version=version)["optio.codex.session"]
    hooks = [{"name": name, "webhook": {"url": url, "timeout": 2, "events": ["done"]}} for name, (url, _times) in names.items()]
    del task["name"]
    assert workers.play({"optio.codex.session": {**task, "sessions": hooks}}).results
    assert workers.play({"optio.codex.session_message": {**place, "text": "RUN: echo DONE >>optio.log"}}).results
    for result in workers.play({"optio.codex.session_wait": {**place, "state": "done", "timeout": 60}}).results:
        assert result["condition_met"]
    # a second turn while the event of the first is under way, and codex's end
    assert workers.play({"optio.codex.session_message": {**place, "text": "SAY: more"}}).results
    for result in workers.play({"optio.codex.session_wait": {**place, "state": "idle", "timeout": 60}}).results:
        assert result["condition_met"]
    for worker in WORKERS:
        for name, (_url, times) in names.items():
            log, deadline = f"{ROOT}/{name}/events/log", time.monotonic() + DEADLINE
            while not (lines := workers.read(worker, log)):
                assert time.monotonic() < deadline, f"{log} is empty"
                time.sleep(0.5)
            assert len(lines.splitlines()) == 1 and " done of " in lines, lines
            assert Counter(body["event"] for _path, _token, body in received(workers, worker, name)) == Counter({"done": times}), name
    for name in names:
        leave(workers, name)
    for result in workers.play({"optio.codex.session_wait": {**place, "state": "exited", "timeout": 60}}).results:
        assert result["condition_met"]
    for name in names:
        workers.settle(name)
        assert [workers.processes_but_sandboxes(worker, name) for worker in WORKERS] == [[], []]
    assert workers.play({"optio.codex.session": {**place, "state": "absent", "purge": True}}).results
    assert [workers.traces(worker, *names) for worker in WORKERS] == [[]] * len(WORKERS)
