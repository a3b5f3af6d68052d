# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: ``up`` (again and again, it adopts what is there), ``status``, ``down`` (leaves only downloads)."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import fleet
import tunnels
import yaml

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]

NAME = "demo"
#: names and images, in lines that lib/demo.sh reads as well
WORKERS = tuple(fleet.WorkerSpec(name, image) for name, image in map(str.split, (HERE / "workers.txt").read_text().splitlines()))
#: the worker with a gateway, and the port of its page on this machine if that is free
GATEWAY, PAGE_PORT = WORKERS[0].name, 8443
FILE = "report.txt"
VARIABLES = HERE.relative_to(PROJECT)
STATE = fleet.dev_cache() / "demo"
INVENTORY = STATE / "inventory.yml"
PAGE = STATE / "tunnels" / "page"
TURN_TIMEOUT = 60.0  # seconds
_ANSWER = re.compile(r"^(\S+) \| (?:SUCCESS|CHANGED) => ", re.MULTILINE)
#: seconds that lib/demo.sh took, and its parts: seconds and name in each line
PREPARED = int(os.environ.get("OPTIO_DEMO_PREPARED", "0"))
PARTS = fleet.dev_cache() / "logs" / "demo-parts"
BEGIN = time.monotonic() - PREPARED

#: the sessions of each worker
Sessions = dict[str, list[dict[str, Any]]]


class DemoError(Exception):
    """What did not work, and what to do about it."""


def elapsed() -> float:
    return time.monotonic() - BEGIN


def heading(text: str) -> None:
    text = f"== {text}"
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def environment() -> dict[str, str]:
    """Ansible's environment: what it keeps lies below the demo's own directory and goes with it."""
    own = {
        "ANSIBLE_HOME": str(STATE / "ansible"),
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
    }
    if sys.stdout.isatty():
        own["ANSIBLE_FORCE_COLOR"] = "true"
    return {**os.environ, **own}


def playbook(name: str, *options: str) -> None:
    """Run a playbook of the collection, its output going through. Raises DemoError when it fails."""
    argv = ["ansible-playbook", "-i", str(INVENTORY), f"optio.codex.{name}", *options]
    print(f"$ {shlex.join(argv)}", flush=True)
    if subprocess.run(argv, env=environment(), cwd=PROJECT, stdin=subprocess.DEVNULL, check=False).returncode:
        raise DemoError(f"{argv[0]} optio.codex.{name} failed, see above; the fleet is still up to look at it")


def sessions() -> Sessions:
    """The sessions of each worker. Raises DemoError for a worker that does not answer."""
    argv = ["ansible", "codex_workers", "-i", str(INVENTORY), "-m", "optio.codex.session_info"]
    options = {**environment(), "ANSIBLE_FORCE_COLOR": "false"}
    done = subprocess.run(argv, env=options, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    found: Sessions = {}
    for answer in _ANSWER.finditer(done.stdout):
        result = json.JSONDecoder().raw_decode(done.stdout, answer.end())[0]
        found[answer.group(1)] = result["sessions"]
    if len(found) != len(WORKERS):
        raise DemoError(f"not every worker answered: {done.stdout.strip()} {done.stderr.strip()}")
    return {worker.name: found[worker.name] for worker in WORKERS}


def port_of(worker: str) -> int:
    """The port of a worker's sshd on this machine."""
    return int(yaml.safe_load(INVENTORY.read_text())["all"]["children"]["codex_workers"]["hosts"][worker]["ansible_port"])


def on_worker(worker: str, command: str) -> str:
    """The output of a shell command on a worker, '' when it fails."""
    argv = [*fleet.ssh_command(fleet.directory_of(NAME), "root", port_of(worker)), command]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def wait(what: str, ready: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise DemoError(f"{what} after {timeout:.0f} s; look at the sessions: tests/environment/demo.sh status")
        time.sleep(0.3)


def is_up() -> bool:
    """Whether all containers of the demo's fleet run."""
    states = [item["State"] for item in fleet.containers_of(NAME)]
    return INVENTORY.is_file() and len(states) >= len(WORKERS) + 1 and set(states) == {"running"}


def start_fleet() -> None:
    if is_up():
        print("the fleet is up already")
        return
    down_quietly()
    for worker in WORKERS:
        print(f"  {worker.name}: {worker.image}")
    fleet.up(NAME, WORKERS, INVENTORY)


def provision() -> None:
    playbook("provision", "-e", f"@{VARIABLES}/workers.yml")


def login() -> dict[str, str]:
    """The user of the gateway's page, with a password that is made for this demo."""
    path = STATE / "login.json"
    if not path.is_file():
        password = secrets.token_urlsafe(9)
        argv = ["openssl", "passwd", "-6", "-stdin"]
        done = subprocess.run(argv, input=password, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(f"openssl passwd failed: {done.stderr.strip()}; install openssl")
        path.touch(0o600)
        path.write_text(json.dumps({"name": "demo", "password": password, "password_hash": done.stdout.strip()}))
    found: dict[str, str] = json.loads(path.read_text())
    return found


def gateway() -> None:
    user = login()
    users = STATE / "gateway.json"
    users.touch(0o600)
    users.write_text(
        json.dumps({"codex_gateway_users": [{"name": user["name"], "password_hash": user["password_hash"], "rights": "write"}]})
    )
    playbook("gateway", "-e", f"codex_hosts={GATEWAY}", "-e", f"@{VARIABLES}/gateway.yml", "-e", f"@{users}")


def dispatch() -> None:
    playbook("dispatch", "-e", f"@{VARIABLES}/sessions.yml", "-e", f"demo_gateway={GATEWAY}")


def show_files() -> None:
    """Print the file that codex's own shell command wrote in each session."""
    for worker, session in each(sessions()):
        path = f"{session['workdir']}/{FILE}"
        text = ""

        def written(worker: str = worker, path: str = path) -> bool:
            nonlocal text
            text = on_worker(worker, f"cat {shlex.quote(path)}")
            return "reported by codex" in text

        wait(f"codex on {worker} has not written {path}", written, TURN_TIMEOUT)
        print(f"{worker}:{path}")
        for line in text.splitlines():
            print(f"    {line}")


def wait_until_idle() -> Sessions:
    latest: Sessions = {}

    def idle() -> bool:
        latest.update(sessions())
        return all(session.get("activity") == "idle" for _worker, session in each(latest))

    wait("not every session has finished its turn", idle, TURN_TIMEOUT)
    return latest


def each(seen: Sessions) -> list[tuple[str, dict[str, Any]]]:
    """Return each session with its worker."""
    return [(worker, session) for worker, found in seen.items() for session in found]


def record_of(session: dict[str, Any]) -> Path:
    return STATE / "tunnels" / str(session["name"])


def url_of(worker: str, session: dict[str, Any]) -> str | None:
    """The URL of a session's terminal on this machine: on the gateway's page, or of a tunnel of its own."""
    tunnel = tunnels.load(PAGE if worker == GATEWAY else record_of(session))
    return f"{tunnel.url}{session['url_path'].removeprefix('/')}" if tunnel else None


def authorization() -> str:
    """The header of the login to the gateway's page."""
    user = login()
    return "Basic " + base64.b64encode(f"{user['name']}:{user['password']}".encode()).decode()


def shows(worker: str, url: str) -> bool:
    """Whether a session's terminal answers."""
    return tunnels.answers(url, authorization() if worker == GATEWAY else "")


def table(seen: Sessions) -> None:
    """Print session, worker, state and verified URL."""
    lines = [("SESSION", "WORKER", "STATE", "URL")]
    for worker, session in each(seen):
        url, activity = url_of(worker, session), session.get("activity")
        state = f"{session.get('status', 'absent')}{f' ({activity})' if activity else ''}"
        lines.append((session["name"], worker, state, f"{url}  {'answers' if shows(worker, url) else 'NO ANSWER'}" if url else "no tunnel"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def hold_gateway() -> None:
    """Bring the gateway's page to this machine."""
    ssh = fleet.ssh_command(fleet.directory_of(NAME), "root", port_of(GATEWAY))
    tunnels.hold(shlex.join([*ssh, "-N", "-L", f"127.0.0.1:{PAGE_PORT}:127.0.0.1:443"]), PAGE, authorization=authorization())


def hold_tunnels() -> None:
    hold_gateway()
    for worker, session in each(sessions()):
        if worker == GATEWAY:
            continue
        if tunnels.load(record_of(session)):
            print(f"{session['name']}: held already")
        else:
            print(f"$ {session['tunnel_command']} &", flush=True)
        tunnels.hold(session["tunnel_command"], record_of(session))


#: the name of each step in the table of times, its heading, and the step
STEPS: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("fleet", f"{len(WORKERS)} workers in containers, reached by ssh; they have Python and sshd, and nothing of codex", start_fleet),
    ("provision", "Make them workers: packages, codex, ttyd, sandbox", provision),
    ("gateway", f"Serve a page with all sessions of one worker, {GATEWAY}", gateway),
    ("dispatch", "Launch a list of sessions, each on the least loaded worker", dispatch),
    ("first turn", "What codex's own shell command wrote in each workdir", show_files),
    ("terminals", "Bring the terminals to this machine", hold_tunnels),
)


def show_times(steps: dict[str, float]) -> None:
    """Print the seconds of every part of the preparation, which overlap, and of every step."""
    parts = [line.split("\t") for line in PARTS.read_text().splitlines()] if PREPARED else []
    groups = [
        ("prepared, partly side by side", PREPARED, {name: float(seconds) for seconds, name in parts}),
        ("shown", elapsed() - PREPARED, steps),
    ]
    for label, total, items in groups:
        print(f"{total:4.0f} s  {label}: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in items.items() if seconds >= 0.5))


def up() -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    times: dict[str, float] = {}
    for name, text, step in STEPS:
        heading(text)
        begin = time.monotonic()
        step()
        times[name] = time.monotonic() - begin
        print(f"   {name}: {times[name]:.0f} s", flush=True)
    seen = wait_until_idle()
    heading(f"Ready in {elapsed():.0f} s. Open a URL: that is codex, and it takes what you type")
    table(seen)
    page, user = tunnels.load(PAGE), login()
    print(f"All sessions of {GATEWAY}: {page.url if page else 'no tunnel'}  user {user['name']}, password {user['password']}")
    print("(the browser warns, because the certificate is the gateway's own)")
    if any(not (url := url_of(worker, session)) or not shows(worker, url) for worker, session in each(seen)):
        raise DemoError("a terminal does not answer, see above; try again: make demo")
    show_times(times)
    how_to_go_on()


def how_to_go_on() -> None:
    print(
        f"""
With the demo's tools (in this directory):
  export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/collections
  ansible-playbook -i {INVENTORY} optio.codex.status
  ansible-playbook -i {INVENTORY} optio.codex.dispatch -e @{VARIABLES}/sessions.yml -e demo_gateway={GATEWAY}
  ansible-playbook -i {INVENTORY} optio.codex.message -e codex_session_name=system \\
    -e '{{"codex_session_message": "RUN: ls -l"}}'
On hosts of your own, in a group codex_workers, with the collection installed:
  ansible-playbook -i inventory optio.codex.provision
  ansible-playbook -i inventory optio.codex.dispatch -e codex_dispatch_file=prompts.txt \\
    -e codex_session_credential_api_key=…
make demo-down removes all of it."""
    )


def down_quietly() -> bool:
    """End tunnels and kept connections, remove the fleet and the demo's directory; whether there was anything."""
    existed = STATE.exists()
    for record in (STATE / "tunnels").glob("*"):
        if not record.suffix:
            tunnels.release(record)
    for control in (STATE / "ansible" / "cp").glob("*"):
        subprocess.run(
            ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "any"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    removed = fleet.down(NAME)
    shutil.rmtree(STATE, ignore_errors=True)
    return existed or removed


def down() -> None:
    print("demo: removed" if down_quietly() else "demo: nothing is up")


def status() -> None:
    if not is_up():
        print("demo: not up; make demo starts it")
        return
    table(sessions())


def interrupted(signum: int, frame: object) -> NoReturn:
    raise SystemExit(128 + signum)


def main() -> int:
    commands = {"up": up, "down": down, "status": status}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"usage: demo.py {' | '.join(commands)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, interrupted)
    try:
        commands[sys.argv[1]]()
    except (DemoError, fleet.FleetError, tunnels.TunnelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; make demo goes on from here, make demo-down removes what is up", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
