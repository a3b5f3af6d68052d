# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reaches a real codex, letter by letter: texts of every kind, twenty at once, and keys; and what does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers.playbook_runner import Controller, Run
from e2e.conftest import NEW, VERSIONS
from e2e.sessions import SYSTEMD, USER, WITHOUT, WORKERS, Result, Workers, is_idle, workdir

MODULE = "optio.codex.session_message"
#: nobody sees it, and codex does not run what it begins with
MARK = "\u200b"
#: the first version that is known not to run a text with "!" behind a line end
LITERAL_SINCE = (0, 169)
TEXTS = {
    "lines": "SAY: first line\r\nsecond\rthird  \n\n\tfifth",
    "shell": "!touch ran",
    "command": "/quit",
    "list": "is there a skill like $skill",
    "picture": "picture.png",
    "choice": "› 1. Yes, proceed (y)\n  2. No\n\n  Press enter to confirm or esc to cancel",
    "letters": "é e\u0301 😀 👨\u200d👩\u200d👧 日本語 שלום \u202eالعربية\u202c '\"`$HOME`\"' \\n %s {{ x }} #{pane_id} @ ;",
    "large": ("!%05d a line with é😀\t and more  \n" * 6000 % tuple(range(6000)))[:200_000].strip(),
}
#: a valid picture of one pixel
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def message(name: str, text: str, **options: Any) -> dict[str, Any]:
    return {MODULE: {"name": name, "user": USER, "text": text, **options}}


def keys(name: str, *pressed: str) -> dict[str, Any]:
    return {MODULE: {"name": name, "user": USER, "keys": list(pressed)}}


def on(run: Run, worker: str) -> list[Result]:
    """Return the results of a run on one worker, in order."""
    assert run.results
    return [record.result for record in run.records if record.host == worker]


def rollout(workers: Workers, worker: str, name: str) -> list[dict[str, Any]]:
    """Return the payloads of a session's conversation so far."""
    text = workers.shell(worker, f"cat {workdir(name)}/home/.codex/sessions/*/*/*/rollout-*.jsonl")
    return [json.loads(line)["payload"] for line in text.split("\n")[:-1]]


def said(workers: Workers, worker: str, name: str) -> list[str]:
    """Return what codex has recorded of its user's messages, in order."""
    entries = [entry for entry in rollout(workers, worker, name) if entry.get("role") == "user"]
    texts = ["".join(part["text"] for part in entry["content"]) for entry in entries]
    return [text for text in texts if not text.startswith(("<", "# AGENTS.md"))]


def turns(workers: Workers, worker: str, name: str) -> int:
    return sum(entry.get("type") == "task_complete" for entry in rollout(workers, worker, name))


def as_recorded(text: str, version: str) -> str:
    """Return the text that codex must record."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    is_marked = plain.startswith("!") and tuple(map(int, version.split(".")[:2])) < LITERAL_SINCE
    return MARK + plain if is_marked else plain


@pytest.mark.parametrize("version", VERSIONS)
def test_every_text_is_recorded_letter_by_letter(workers: Workers, version: str) -> None:
    """Nothing is run, chosen, attached or cut; what is half typed is neither sent nor lost without a word."""
    name = f"texts-{version}"
    workers.session(name, version=version)
    for worker in WORKERS:
        workers.shell(worker, f"echo {PICTURE} | base64 -d >{workdir(name)}/picture.png", user=USER)
        socket = workers.info(name, hosts=worker)[worker]["tmux_socket"]
        workers.shell(worker, f"tmux -S {socket} send-keys -t optio: '!ls' ' half typed' && tmux -S {socket} copy-mode -t optio:")
    run = workers.play(*(message(name, "{% raw %}" + text + "{% endraw %}", when_busy="steer") for text in TEXTS.values()))
    workers.until(name, is_idle, "done")
    waited = workers.play(message(name, "/usr/bin is a path"))
    assert {result["prefix"] for result in waited.results} == {None}
    workers.until(name, is_idle, "done")
    for worker in WORKERS:
        results = on(run, worker)
        assert results[0]["composer"] == "!ls half typed" and not any(result["composer"] for result in results[1:])
        expected = [as_recorded(text, version) for text in TEXTS.values()]
        assert sorted(said(workers, worker, name)) == sorted([*expected, "/usr/bin is a path"])
        assert {result["delivery"] for result in results} <= {"recorded", "queued"}
        prefixes = [MARK if text.startswith(MARK) else None for text in expected]
        assert [result["prefix"] for result in results] == prefixes
        assert workers.read(worker, f"{workdir(name)}/ran") is None
    workers.session(name, state="absent")


@pytest.mark.parametrize("version", VERSIONS)
def test_twenty_at_once_are_twenty_turns(workers: Workers, tmp_path: Path, version: str) -> None:
    """Twenty hosts that are one worker send to one session: each message is recorded once, and answered by itself."""
    name, worker = f"twenty-{version}", SYSTEMD if version == NEW else WITHOUT
    workers.session(name, version=version, hosts=worker)
    workers.shell(
        worker,
        "printf 'MaxSessions 64\\nMaxStartups 64\\n' >/etc/ssh/sshd_config.d/twenty.conf; systemctl reload ssh || pkill -HUP -o sshd",
    )
    inventory = yaml.safe_load(workers.controller.inventory.read_text())
    group = inventory["all"]["children"]["codex_workers"]
    group["hosts"] = {f"sender{number:02}": group["hosts"][worker] for number in range(20)}
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump(inventory))
    texts = [f"SAY: from sender{number:02}\nand a second line" for number in range(20)]
    task = message(name, "SAY: from {{ inventory_hostname }}\nand a second line")
    run = Controller(path, tmp_path).play([task], hosts="codex_workers", options=["--forks", "20"])
    assert {result["delivery"] for result in run.results} <= {"recorded", "queued"} and len(run.results) == 20
    workers.until(name, lambda entry: is_idle(entry) and turns(workers, worker, name) >= 20, "done with all turns", hosts=worker)
    assert sorted(said(workers, worker, name)) == texts
    assert turns(workers, worker, name) == 20
    workers.session(name, state="absent", hosts=worker)


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_answer_and_interrupt(workers: Workers, version: str) -> None:
    """A message cannot answer a choice, keys can; Escape ends a turn, and what it leaves in the composer is not sent."""
    name, worker = f"keys-{version}", WITHOUT
    workers.session(name, version=version, approval_policy="on-request", hosts=worker)
    assert workers.play(message(name, "ASK: id -un; echo asked"), hosts=worker).results
    workers.until(name, lambda entry: "1. Yes, proceed" in entry["screen"], "asking", hosts=worker)
    assert "waits for a choice" in workers.play(message(name, "y"), hosts=worker).failure["msg"]
    moved, approved = on(workers.play(keys(name, "Down"), keys(name, "Up", "Enter"), hosts=worker), worker)
    assert moved["delivery"] == approved["delivery"] == "pressed"
    assert "› 2. " in moved["screen"] and "› 2. " not in approved["screen"]
    workers.until(name, lambda entry: is_idle(entry) and "• Done: " in entry["screen"], "done", hosts=worker)

    run = workers.play(message(name, "RUN: sleep 600"), keys(name, "Escape"), message(name, "SAY: after that"), hosts=worker)
    after = on(run, worker)[-1]
    assert after["delivery"] == "recorded"
    # this release puts the interrupted message back
    assert after["composer"] == ("RUN: sleep 600" if version == "0.142.5" else None)
    assert [entry["type"] for entry in rollout(workers, worker, name) if entry.get("type") == "turn_aborted"] == ["turn_aborted"]
    assert said(workers, worker, name) == ["ASK: id -un; echo asked", "RUN: sleep 600", "SAY: after that"]
    workers.session(name, state="absent", hosts=worker)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_not_delivered_leaves_the_composer_clean(workers: Workers, version: str) -> None:
    """An unknown command, and a message to a codex that does not answer; then all is as if nothing had been sent."""
    name, worker = f"clean-{version}", SYSTEMD
    workers.session(name, version=version, hosts=worker)
    shown = on(workers.play(message(name, "!echo from the shell", raw_command=True), hosts=worker), worker)[0]
    assert shown["delivery"] == "typed" and shown["screen"]
    workers.until(name, lambda entry: "└ from the shell" in entry["screen"], "run by the shell", hosts=worker)
    unknown = workers.play(message(name, "/nonsense", raw_command=True), hosts=worker).failure
    assert "did not run the command" in unknown["msg"] and unknown["delivery"] is None
    predicted = workers.play(message(name, "never said"), keys(name, "C-c"), hosts=worker, options=["--check", "--diff"])
    assert [[action["kind"] for action in result["actions"]] for result in on(predicted, worker)] == [["send"], ["press"]]
    assert "never said" not in predicted.output

    pid = workers.info(name, hosts=worker)[worker]["pid"]
    workers.shell(worker, f"kill -STOP {pid}")
    silent = workers.play(message(name, "hunter2-never-said", timeout=1), hosts=worker)
    workers.shell(worker, f"kill -CONT {pid}")
    assert "neither recorded nor queued" in silent.failure["msg"]
    assert on(workers.play(message(name, "SAY: said"), hosts=worker), worker)[0]["delivery"] == "recorded"
    texts = said(workers, worker, name)
    assert texts[-1] == "SAY: said" and set(texts) <= {"hunter2-never-said", "SAY: said"}

    secret = "s3cret-4c1d77a0"
    run = workers.play(message(name, f"SAY: ok {secret}"), hosts=worker)
    assert run.results and secret not in run.output
    pattern = f"[{secret[0]}]{secret[1:]}"
    assert workers.shell(worker, f"journalctl --no-pager | grep -E '{pattern}|[h]unter2-never'") == ""
    assert workers.shell(worker, f"grep -la '{pattern}' /proc/[0-9]*/cmdline") == ""
    workers.session(name, state="absent", hosts=worker)
