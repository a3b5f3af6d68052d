# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what a real codex shows and writes, as fixtures for the unit tests.

It runs codex in tmux against the stand-in, one fresh home a scenario, and writes
``rollouts/<version>-<what>.jsonl``, ``screens/<version>-<state>.txt``, and ``screens/<version>-<state>.ansi``
with colors; in another size than the usual one, only screens, in a directory named after the size. Every wait has a deadline;
what does not appear is an error that shows the screen. Long strings are trimmed, and the scratch
directory is written as /home/agent, so run it with ``--scratch /home/agent`` where boxes must stay aligned.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from responses import RequestLog, Server

AGENT = "/home/agent"
SIZE = "200x50"
DEADLINE = 30.0
TRIM_OVER = 400
TRIM_TO = 40
PROVIDER = """\
model_provider = "stub"

[model_providers.stub]
name = "stub"
base_url = "{url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
# One whole file, because a table must not be opened twice.
CONFIG = """\
check_for_update_on_startup = false
{model}
{provider}
[features]
plugins = false
daemon_auto_start = false

[analytics]
enabled = false

[tui]
show_tooltips = false
"""
POLICY = ["--ask-for-approval", "never", "--sandbox", "workspace-write"]
BUSY = r"Working \(\d+s • esc to interrupt\)"
IN_TOOL = BUSY + r".*background terminal"
# Turns that end: name, prompt, what the screen shows of the answer.
#: what is typed into the composer: name, text, and what then shows
TYPED: list[tuple[str, str, str]] = [
    ("text", "half typed\n\n  1. and more", r"^ {4}1\. and more"),
    ("number", "1. a number", r"^› 1\. a number"),
    ("shell", "!ls", r"^! ls"),
    ("pasted", "x" * 1500, r"^› \[Pasted Content 1500 chars\]"),
    ("list", "look at @nowhere", r"no matches"),
]
TURNS: list[tuple[str, str, str]] = [
    ("fresh-turn", "SAY: hello", r"^• hello"),
    ("tool-call", "RUN: echo proof > proof.txt; cat proof.txt", r"^• Done: proof"),
    ("failed-turn", "FAIL: 500", r"^■ "),
    ("dead-key", "FAIL: 401", r"^■ "),
    ("declared", 'SAY: It works.\nSAY: DONE: all "well" in C:\\new\nSAY: Goodbye', r"^ *Goodbye"),
]
#: turns near a usage limit and at one, with codex's question for another model silenced
LIMITED: list[tuple[str, str, str]] = [
    ("near-limit", "LIMIT: 20 95\nSAY: hello", r"^• hello"),
    ("limit", "LIMIT: 100 20\nSAY: hello", r"^■ "),
    ("limit-after-tool", "RUN: echo begun\nLIMIT: 100 100", r"^■ "),
]
NO_QUESTION = """
[notice]
hide_rate_limit_model_nudge = true
"""
#: servers that cannot start: a program that ends, one that is absent, an address where nothing listens, one that is silent
MCP = """
[mcp_servers.broken]
command = "/bin/false"

[mcp_servers.absent]
command = "/nowhere/server"

[mcp_servers.remote]
url = "http://user:password@127.0.0.1:9/mcp?token=secret"

[mcp_servers.slow]
command = "/bin/sleep"
args = ["100"]
startup_timeout_sec = 2
"""
MCP_ROWS = """
SELECT ts, ts_nanos, level, target, feedback_log_body, module_path, file, line, thread_id, process_uuid, estimated_bytes FROM logs
WHERE target = 'codex_mcp::rmcp_client' OR target = 'codex_rmcp_client::stdio_server_launcher' ORDER BY id
"""


class Codex(NamedTuple):
    """One codex binary under test, and where its scratch files and fixtures go."""

    binary: Path
    version: str
    scratch: Path
    out: Path
    url: str
    #: columns and rows of its terminal
    size: str = SIZE


class Terminal:
    """One codex in one tmux server of its own, with a fresh home; a context manager that leaves nothing running."""

    def __init__(self, codex: Codex, arguments: list[str], trusted: bool = True, config: str | None = None) -> None:
        self.codex = codex
        self.home, self.work = codex.scratch / "home", codex.scratch / "work"
        # A server that is just ending still holds its socket, so each has one of its own.
        self.socket = codex.scratch / f"tmux-{time.monotonic_ns()}"
        self.pid = 0
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)
        (self.home / ".codex").mkdir(parents=True)
        # Project config is what makes 0.169 ask for trust at all.
        (self.work / ".codex").mkdir(parents=True)
        (self.work / ".codex" / "config.toml").touch()
        provider = PROVIDER.format(url=codex.url)
        text = config if config is not None else CONFIG.format(model='model = "stand-in"', provider=provider)
        (self.home / ".codex" / "config.toml").write_text(text, encoding="utf-8")
        trust = ["-c", f'projects={{"{self.work}"={{trust_level="trusted"}}}}'] if trusted else []
        self.command = [str(codex.binary), *trust, *arguments]

    def environment(self) -> list[str]:
        """Return the ``env -i`` prefix that isolates codex from the person who records."""
        values = {"HOME": self.home, "CODEX_HOME": self.home / ".codex", "PATH": os.environ["PATH"]}
        values.update(TERM="xterm-256color", LANG="C.UTF-8")
        return ["env", "-i", *(f"{name}={value}" for name, value in values.items())]

    def tmux(self, *arguments: str) -> str:
        """Run one tmux command on this terminal's server; return its output."""
        command = ["tmux", "-f", "/dev/null", "-S", str(self.socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def __enter__(self) -> Terminal:
        columns, _x, rows = self.codex.size.partition("x")
        size = ["-x", columns, "-y", rows, "-c", str(self.work), "-P", "-F", "#{pane_pid}"]
        self.pid = int(self.tmux("new-session", "-d", "-s", "optio", *size, "--", *self.environment(), *self.command))
        return self

    def __exit__(self, *exception: object) -> None:
        # The server is gone already when codex ended by itself, which is no error.
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], check=False, capture_output=True)
        deadline = time.monotonic() + DEADLINE
        while Path(f"/proc/{self.pid}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"codex {self.codex.version}: process {self.pid} did not end in {DEADLINE} s")
            time.sleep(0.05)

    def screen(self, *options: str) -> str:
        """Return the visible text of the pane, without trailing blank lines; ``-e`` as an option keeps its colours."""
        return self.tmux("capture-pane", "-p", *options, "-t", "optio").rstrip() + "\n"

    def wait_for(self, pattern: str) -> str:
        """Return the first screen that matches ``pattern``; raise TimeoutError with the last one."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            text = self.screen()
            if re.search(pattern, text, re.MULTILINE):
                return text
            time.sleep(0.1)
        raise TimeoutError(f"codex {self.codex.version}: {pattern!r} did not show in {DEADLINE} s:\n{self.screen()}")

    def settled(self, pattern: str) -> str:
        """Return the screen once it matches ``pattern``, nothing on it is under way, and it stays so."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            text = self.wait_for(pattern)
            time.sleep(0.5)
            if text == self.screen() and not re.search(rf"{BUSY}|\bloading\b", text):
                return text
        raise TimeoutError(f"codex {self.codex.version}: the screen did not settle in {DEADLINE} s:\n{self.screen()}")

    def glimpse(self, pattern: str, end: str) -> str | None:
        """Return the first screen that matches ``pattern`` before one matches ``end``, else None."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            text = self.screen()
            if re.search(pattern, text, re.MULTILINE):
                return text
            if re.search(end, text, re.MULTILINE):
                return None
            time.sleep(0.01)
        raise TimeoutError(f"codex {self.codex.version}: neither {pattern!r} nor {end!r} showed:\n{self.screen()}")

    def paste(self, message: str, *keys: str) -> None:
        """Send a message as one bracketed paste, then press keys, by default the one that submits it."""
        self.tmux("set-buffer", "-b", "record", message)
        self.tmux("paste-buffer", "-p", "-r", "-d", "-b", "record", "-t", "optio")
        self.tmux("send-keys", "-t", "optio", *(keys or ("Enter",)))

    def rollout(self, last: str) -> str:
        """Return the text of the rollout once a whole line of it holds ``last``."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            for path in (self.home / ".codex" / "sessions").rglob("rollout-*.jsonl"):
                text = path.read_text(encoding="utf-8")
                if last in text and text.endswith("\n"):
                    return text
            time.sleep(0.1)
        raise TimeoutError(f"codex {self.codex.version}: no rollout with {last} in {DEADLINE} s below {self.home}")


def trimmed(value: Any) -> Any:
    """Return a JSON value with its long strings cut, because prompts of codex are not the subject of a fixture."""
    if isinstance(value, dict):
        return {name: trimmed(child) for name, child in value.items()}
    if isinstance(value, list):
        return [trimmed(child) for child in value]
    if isinstance(value, str) and len(value) > TRIM_OVER:
        return value[:TRIM_TO] + " [trimmed]"
    return value


def save(codex: Codex, folder: str, name: str, text: str) -> None:
    """Write one fixture, with the scratch directory renamed to the one every fixture uses."""
    if codex.size != SIZE and folder != "screens":
        return
    path = codex.out / folder / ("" if codex.size == SIZE else codex.size) / f"{codex.version}-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace(str(codex.scratch), AGENT), encoding="utf-8")
    print(f"wrote {path}", flush=True)


def save_rollout(codex: Codex, name: str, text: str) -> None:
    """Write one rollout fixture, each line trimmed."""
    lines = [json.dumps(trimmed(json.loads(line)), ensure_ascii=False) for line in text.splitlines()]
    save(codex, "rollouts", f"{name}.jsonl", "\n".join(lines) + "\n")


def record_turns(codex: Codex) -> None:
    """Record the idle screen, then one turn of each kind that ends: its screen and its rollout."""
    with Terminal(codex, POLICY) as terminal:
        loading = terminal.glimpse(r"^ {5}loading$|model: +loading", r"^  stand-in .*· /")
        if loading:
            save(codex, "screens", "loading.txt", loading)
        save(codex, "screens", "idle.txt", terminal.settled(r"^  stand-in .*· /"))
    for name, prompt, shown in TURNS:
        with Terminal(codex, [*POLICY, prompt]) as terminal:
            save_rollout(codex, name, terminal.rollout('"task_complete"'))
            save(codex, "screens", f"{name}.txt", terminal.settled(shown))


def record_busy(codex: Codex) -> None:
    """Record a turn under way: thinking, in a tool call, streaming, with a message queued, and interrupted."""
    with Terminal(codex, [*POLICY, "SLOW: 20"]) as terminal:
        save(codex, "screens", "working.txt", terminal.wait_for(BUSY))
        save(codex, "screens", "streaming.txt", terminal.wait_for(r"^• Working\.{8}"))
    with Terminal(codex, [*POLICY, "RUN: sleep 6; echo slept"]) as terminal:
        save(codex, "screens", "in-progress.txt", terminal.wait_for(IN_TOOL))
        save_rollout(codex, "in-progress", terminal.rollout('"function_call"'))
        terminal.paste("SAY: steered")
        save(codex, "screens", "queued.txt", terminal.wait_for(r"↳ SAY: steered"))
        save_rollout(codex, "queued", terminal.rollout('"task_complete"'))
    with Terminal(codex, [*POLICY, "RUN: sleep 20"]) as terminal:
        terminal.wait_for(IN_TOOL)
        terminal.tmux("send-keys", "-t", "optio", "Escape")
        save_rollout(codex, "interrupted", terminal.rollout('"turn_aborted"'))
        # 0.142.5 puts the interrupted prompt back into the composer and says nothing.
        save(codex, "screens", "interrupted.txt", terminal.settled(r"^  stand-in .*· /"))


def record_composer(codex: Codex) -> None:
    """Record the composer with its colors: empty, with what a person types, and below more messages than have room."""
    with Terminal(codex, POLICY) as terminal:
        terminal.settled(r"^  stand-in .*· /")
        save(codex, "screens", "composer-empty.ansi", terminal.screen("-e"))
    for name, typed, shown in TYPED:
        with Terminal(codex, POLICY) as terminal:
            terminal.settled(r"^  stand-in .*· /")
            terminal.paste(typed, "End")
            terminal.settled(shown)
            save(codex, "screens", f"composer-{name}.ansi", terminal.screen("-e"))
    with Terminal(codex, [*POLICY, "RUN: sleep 6; echo slept"]) as terminal:
        terminal.wait_for(IN_TOOL)
        for number in range(14):
            terminal.paste(f"message {number}\nwith\nfour\nlines")
        terminal.wait_for(r"↳ message 10" if codex.size == SIZE else r"↳ message 1")
        time.sleep(1)
        save(codex, "screens", "composer-queue.ansi", terminal.screen("-e"))


def record_prompts(codex: Codex) -> None:
    """Record the screens on which codex waits for a person."""
    with Terminal(codex, ["--ask-for-approval", "on-request", "ASK: id -un"]) as terminal:
        save(codex, "screens", "approval.txt", terminal.wait_for(r"^› 1\. "))
        save_rollout(codex, "approval", terminal.rollout('"function_call"'))
    with Terminal(codex, [], trusted=False) as terminal:
        save(codex, "screens", "trust.txt", terminal.wait_for(r"[Tt]rust"))
    with Terminal(codex, [], config=CONFIG.format(model="", provider="")) as terminal:
        save(codex, "screens", "login.txt", terminal.wait_for(r"Sign in with ChatGPT"))
    old_model = CONFIG.format(model='model = "gpt-5.5"', provider=PROVIDER.format(url=codex.url))
    with Terminal(codex, ["SAY: hello"], config=old_model) as terminal:
        nag = terminal.glimpse(r"^› 1\. Try new model", r"^• hello")
        if nag:
            save(codex, "screens", "model-nag.txt", nag)


def record_limits(codex: Codex) -> None:
    """Record turns near a usage limit and at one, what codex asks then, and the turn after it."""
    config = CONFIG.format(model='model = "stand-in"', provider=PROVIDER.format(url=codex.url))
    for name, prompt, shown in LIMITED:
        with Terminal(codex, [*POLICY, prompt], config=config + NO_QUESTION) as terminal:
            save_rollout(codex, name, terminal.rollout('"task_complete"'))
            save(codex, "screens", f"{name}.txt", terminal.settled(shown))
            if name == "limit":
                terminal.paste("SAY: again")
                save_rollout(codex, "after-limit", terminal.rollout('"again"'))
    with Terminal(codex, [*POLICY, LIMITED[1][1]], config=config) as terminal:
        save(codex, "screens", "limit-question.txt", terminal.settled(r"^› 1\. Switch to"))


def record_mcp(codex: Codex) -> None:
    """Record what there is to see of MCP servers that cannot start: the scrollback, and the rows of codex's log if it has any."""
    config = CONFIG.format(model='model = "stand-in"', provider=PROVIDER.format(url=codex.url))
    with Terminal(codex, POLICY, config=config + MCP) as terminal:
        terminal.settled(r"^  stand-in .*· /")
        # the last server gives up after its time-out, and codex writes its log every ten seconds or so
        time.sleep(20)
        save(codex, "mcp", "screen.txt", terminal.screen("-S", "-"))
        with closing(sqlite3.connect(terminal.home / ".codex" / "logs_2.sqlite")) as log:
            rows = [list(row) for row in log.execute(MCP_ROWS)]
        if rows:
            save(codex, "mcp", "log.json", json.dumps({"pid": terminal.pid, "rows": rows}, indent=1) + "\n")


def record_exec(codex: Codex) -> None:
    """Record the rollout and the JSON stream of one `codex exec` run."""
    prompt = "RUN: echo proof > proof.txt; cat proof.txt"
    options = ["exec", "--json", "--skip-git-repo-check", "--sandbox", "workspace-write", prompt]
    run = Terminal(codex, options)
    command = [*run.environment(), *run.command]
    output = subprocess.run(command, cwd=run.work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=DEADLINE)
    save_rollout(codex, "exec", run.rollout('"task_complete"'))
    save_rollout(codex, "exec-stdout", output.stdout)


RECORDERS: dict[str, Callable[[Codex], None]] = {
    "turns": record_turns,
    "busy": record_busy,
    "composer": record_composer,
    "prompts": record_prompts,
    "limits": record_limits,
    "mcp": record_mcp,
    "exec": record_exec,
}


def main(argv: list[str] | None = None) -> int:
    """Record all fixtures of one codex; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("codex", type=Path, help="path of the codex binary, inside its unpacked package")
    parser.add_argument("out", type=Path, help="directory that gets rollouts/ and screens/")
    parser.add_argument("--scratch", type=Path, help="an absent or empty directory, not below /tmp; removed at the end")
    parser.add_argument("--size", default=SIZE, help=f"columns and rows of the terminal (default: {SIZE})")
    parser.add_argument("--only", nargs="+", choices=list(RECORDERS), help="record only these (default: all)")
    options = parser.parse_args(argv)
    asked = subprocess.run([options.codex, "--version"], check=True, capture_output=True, text=True)
    parent = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    scratch = options.scratch or Path(tempfile.mkdtemp(prefix="codex-record-", dir=parent))
    scratch.mkdir(parents=True, exist_ok=True)
    if any(scratch.iterdir()):
        print(f"{scratch}: is not empty; name an empty directory", file=sys.stderr)
        return 1
    server = Server(("127.0.0.1", 0), RequestLog(scratch / "requests.log"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    codex = Codex(options.codex.resolve(), asked.stdout.split()[-1], scratch.resolve(), options.out.resolve(), url, options.size)
    try:
        for name in options.only or RECORDERS:
            RECORDERS[name](codex)
    finally:
        server.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
