# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input that is wrong gets one clear error on a real worker and changes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from e2e.sessions import ROOT, USER, WITHOUT, Workers

LONG_NAME = "x" * 65
LONG_ROOT = f"/home/{USER}/{'d' * 90}"


@dataclasses.dataclass(frozen=True)
class Case:
    """A task that must fail; ``said`` are the words that its message must hold: object, cause and remedy."""

    module: str
    options: dict[str, Any]
    said: tuple[str, ...]
    unprivileged: bool = False
    uname: str = ""


def session(**options: Any) -> dict[str, Any]:
    """Return options of a session that would start if it were not for the ones given."""
    return {"name": "bad", "user": USER, **options}


CODEX = "optio.codex.codex_release"
MIRROR = "{{ optio_mirror_url }}"
WRONG = "sha256:" + "0" * 64
CASES = {
    "name with a slash": Case("session", session(name="a/b"), ("session name 'a/b'", "A-Z, a-z")),
    "name too long": Case("session", session(name=LONG_NAME), ("has 65 characters", "64")),
    "name of dots": Case("session", session(name=".."), ("session name '..'",)),
    "another user's home": Case("session", session(workdir="~daemon/x"), ("workdir ~daemon/x", "another user's home")),
    "relative path": Case("session", session(sessions_dir="here"), ("sessions_dir here", "is relative", "absolute path")),
    "socket path too long": Case(
        "session",
        {"name": "bad", "sessions_dir": LONG_ROOT},
        ("107", "socket", "Set sessions_dir to a shorter directory"),
        unprivileged=True,
    ),
    "workdir is a file": Case("session", session(workdir="/etc/passwd"), ("/etc/passwd", "is not a directory")),
    "user that is not there": Case("session", session(user="nobody-here"), ("does not exist on the worker",)),
    "codex not there": Case("session", session(codex_dir="/opt/none"), ("/opt/none/codex", "codex_release")),
    "open address": Case(
        "session",
        session(terminal={"listen": "tcp", "address": "0.0.0.0"}),
        ("0.0.0.0", "not a loopback", "codex_gateway", "terminal.tls_certificate"),
    ),
    "port in use": Case(
        "session", session(terminal={"listen": "tcp", "port": 22, "address": "127.0.0.1"}), ("127.0.0.1:22", "terminal.port")
    ),
    "sandbox contradiction": Case("session", session(sandbox="read-only", network_access=True), ("sandbox read-only", "workspace-write")),
    "reserved variable": Case("session", session(environment={"CODEX_HOME": "/x"}), ("CODEX_HOME", "Remove it from environment")),
    "repository unreachable": Case(
        "session", session(repository={"url": "file:///none.git"}, config={"model_provider": "any"}), ("file:///none.git", "Check its url")
    ),
    "credential forgotten": Case("session", session(), ("session bad was given no credential", "optio.codex.credential")),
    "message to nobody": Case(
        "session_message", {"name": "nobody", "user": USER, "text": "hello"}, ("session nobody", "does not exist", "Launch")
    ),
    "message that holds a key": Case(
        "session_message",
        {"name": "nobody", "user": USER, "text": "a\x1bb"},
        ("message to session nobody", "'\\x1b'", "control characters"),
    ),
    "key that is none": Case(
        "session_message", {"name": "nobody", "user": USER, "keys": ["Retrun"]}, ("keys for session nobody", "'Retrun'", "Enter")
    ),
    "config that is not TOML": Case("trust", {"path": "/srv", "config_file": "/etc/passwd"}, ("/etc/passwd", "TOML")),
    "unknown version": Case(
        "codex_release", {"version": "9.9.9", "sources": [f"{MIRROR}/codex"], "npm_registry": MIRROR}, ("9.9.9", "checksum")
    ),
    "wrong checksum": Case(
        "codex_release",
        {"version": "0.142.5", "cache_dir": "/var/tmp/bad", "checksum": WRONG, "sources": [f"{MIRROR}/codex"]},
        ("0" * 64,),
    ),
    "truncated download": Case(
        "codex_release", {"version": "0.142.5", "cache_dir": "/var/tmp/bad", "sources": [f"{MIRROR}/fault/truncate/codex"]}, ("bytes",)
    ),
    "unreachable source": Case(
        "codex_release", {"version": "0.142.5", "cache_dir": "/var/tmp/bad", "sources": ["http://127.0.0.1:9/codex"]}, ("127.0.0.1:9",)
    ),
    "unsupported OS": Case("codex_release", {"cache_dir": "/var/tmp/bad"}, ("FreeBSD", "x86_64", "codex_dir"), uname="FreeBSD x86_64"),
    "unsupported architecture": Case(
        "codex_release", {"cache_dir": "/var/tmp/bad"}, ("Linux", "riscv64", "codex_dir"), uname="Linux riscv64"
    ),
    "session on an unsupported OS": Case("session", session(), ("runs FreeBSD", "sessions require Linux"), uname="FreeBSD x86_64"),
    "cache of another user": Case("codex_release", {"cache_dir": "~daemon/x"}, ("~daemon/x", "another user's home")),
}


@pytest.fixture(scope="module")
def messages(workers: Workers) -> dict[str, str]:
    """The error of each case, from one play on the worker without systemd."""
    tasks = []
    for what, case in CASES.items():
        task: dict[str, Any] = {"name": what, f"optio.codex.{case.module}": case.options, "ignore_errors": True}
        if case.unprivileged:
            task.update(become=True, become_user=USER)
        if case.uname:
            task.update(environment={"PATH": f"{_place_of(case.uname)}:/usr/bin:/bin:/usr/sbin"})
        tasks.append(task)
    for kind in filter(None, {case.uname for case in CASES.values()}):
        _pretend(workers, kind)
    run = workers.play(*tasks, hosts=WITHOUT)
    assert "Traceback" not in run.output
    return {record.task: record.result["msg"] for record in run.records if record.status == "failed"}


def _place_of(kind: str) -> str:
    return f"/var/tmp/{kind.replace(' ', '-')}"


def _pretend(workers: Workers, kind: str) -> None:
    """Put a ``uname`` on the worker that says ``kind``: system and machine."""
    system, machine = kind.split()
    script = rf'#!/bin/sh\ncase $1 in -sm) echo {kind} ;; -snm) echo {system} worker {machine} ;; *) exec /usr/bin/uname "$@" ;; esac\n'
    place = _place_of(kind)
    workers.shell(WITHOUT, f"mkdir -p {place} && printf '{script}' >{place}/uname && chmod 755 {place}/uname")


@pytest.mark.parametrize("what", CASES)
def test_bad_input_has_one_clear_error(messages: dict[str, str], what: str) -> None:
    """The message names object, cause and remedy."""
    assert what in messages, "it did not fail"
    for words in CASES[what].said:
        assert words in messages[what]


def test_bad_input_changes_nothing(workers: Workers, messages: dict[str, str]) -> None:
    """No session, no socket, no release and no scratch is left of what failed."""
    assert len(messages) == len(CASES)
    places = f"{ROOT}/bad {ROOT}/.run {LONG_ROOT} /run/optio-codex/bad /var/tmp/bad/releases/* /var/tmp/bad/.scratch*"
    assert workers.shell(WITHOUT, f"ls -Ad {places} 2>/dev/null") == ""


def test_missing_tmux_is_an_error_then_and_a_warning_in_check_mode(workers: Workers) -> None:
    """Without tmux a launch fails before it begins, and check mode predicts it all the same."""
    task = workers.task("no-tmux")
    workers.shell(WITHOUT, "mv /usr/bin/tmux /usr/bin/tmux.away")
    try:
        run = workers.play(task, hosts=WITHOUT)
        assert "tmux is not on the worker's PATH. Install the package tmux" in run.failure["msg"]
        predicted = workers.play(task, hosts=WITHOUT, options=["--check"])
        assert predicted.results[0]["changed"] and "tmux is not on the worker's PATH" in predicted.output
    finally:
        workers.shell(WITHOUT, "mv /usr/bin/tmux.away /usr/bin/tmux")
    assert workers.traces(WITHOUT, "no-tmux") == []


def test_only_root_removes_what_root_launched(workers: Workers) -> None:
    """The session's own user is told so before anything is taken away."""
    workers.session("roots", hosts=WITHOUT)
    own: dict[str, Any] = {"optio.codex.session": {"name": "roots", "state": "absent"}, "become": True, "become_user": USER}
    assert "was launched by root" in workers.play(own, hosts=WITHOUT).failure["msg"]
    assert workers.info("roots", hosts=WITHOUT)[WITHOUT]["status"] == "running"
    workers.session("roots", hosts=WITHOUT, state="absent")
    assert workers.traces(WITHOUT, "roots") == []
