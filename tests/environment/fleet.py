#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets of worker containers reached by ssh, each with a release mirror and a stand-in model.

As a program: ``fleet.py up|down|status``. As a library: :func:`up`, :func:`down`, :func:`status`.
All of a fleet's traces carry its name: containers ``optio-codex-<fleet>-<worker>``, the network
``optio-codex-<fleet>``, the directory ``<DEV_CACHE>/fleets/<fleet>`` and the inventory file.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

HERE = Path(__file__).resolve().parent
STANDIN = HERE.parent / "standin"
IMAGE_PREFIX = "localhost/optio-codex-dev/worker"
LABEL = "optio.codex.fleet"
READY_TIMEOUT = 90.0  # seconds, from the start of the containers
POLL = 0.2  # seconds
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}\Z")
MOST_PROCESSES = 16384
MIRROR_PORT, MODEL_PORT = 8080, 8090


class FleetError(Exception):
    """What went wrong with which object, and what to do about it."""


def dev_cache() -> Path:
    """The directory for downloads, keys and the state of fleets."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("OPTIO_CODEX_DEV_CACHE") or Path(cache) / "optio-codex-dev")


@dataclass(frozen=True)
class WorkerSpec:
    """A worker to start: its inventory name and its image, e.g. ``trixie-systemd-ready``.

    ``user`` logs in to this worker instead of the fleet's user; ``options`` are more of ``podman run``.
    """

    name: str
    image: str
    user: str | None = None
    options: tuple[str, ...] = ()

    @property
    def systemd(self) -> bool:
        return "-systemd-" in self.image


@dataclass(frozen=True)
class Worker:
    """A running worker: ``port`` is its sshd's on 127.0.0.1."""

    name: str
    image: str
    container: str
    port: int
    user: str | None = None


@dataclass(frozen=True)
class Fleet:
    """A running fleet. URLs named ``*_host_url`` are for this machine, the others for the workers."""

    name: str
    user: str
    inventory: Path
    workers: tuple[Worker, ...]
    mirror_host_url: str
    model_host_url: str | None
    mirror_url: str = f"http://services:{MIRROR_PORT}"
    model_url: str | None = None
    directory: Path = field(default_factory=Path)

    @property
    def mirror_log(self) -> Path:
        return self.directory / "mirror.log"


def podman(*args: str, check: bool = True) -> str:
    """Run podman; its standard output, stripped. Raises FleetError with podman's own words."""
    try:
        done = subprocess.run(["podman", *args], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise FleetError("podman is not installed; run tests/environment/bootstrap.sh tools") from None
    if check and done.returncode:
        raise FleetError(f"podman {' '.join(args[:2])} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def directory_of(name: str) -> Path:
    return dev_cache() / "fleets" / name


def container_name(fleet: str, worker: str) -> str:
    return f"optio-codex-{fleet}-{worker}"


def network_name(fleet: str) -> str:
    return f"optio-codex-{fleet}"


def containers_of(name: str | None = None) -> list[dict[str, Any]]:
    """podman's records of one fleet's containers, or of all fleets'."""
    label = LABEL if name is None else f"{LABEL}={name}"
    records: list[dict[str, Any]] = json.loads(podman("ps", "--all", "--filter", f"label={label}", "--format", "json") or "[]")
    return records


def published_port(container: str, port: int) -> int:
    return int(podman("port", container, f"{port}/tcp").splitlines()[0].rsplit(":", 1)[1])


def wait_until(what: str, ready: Callable[[], bool], container: str, deadline: float) -> None:
    """Poll ``ready`` until it holds. Raises FleetError with the container's last words."""
    while not ready():
        state = podman("inspect", "--format", "{{.State.Status}}", container, check=False)
        if state != "running" or time.monotonic() > deadline:
            command = ["podman", "logs", "--tail", "15", container]
            logs = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
            raise FleetError(f"{what} in container {container} ({state or 'gone'}) did not get ready:\n{logs}")
        time.sleep(POLL)


def http_answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def ssh_command(fleet_directory: Path, user: str, port: int) -> list[str]:
    """The argv prefix that reaches a worker; the remote command follows."""
    options = [f"-o{item}" for item in ssh_options(fleet_directory)]
    key = str(dev_cache() / "ssh" / "id_ed25519")
    return ["ssh", "-i", key, "-p", str(port), *options, "-oBatchMode=yes", "-oConnectTimeout=3", f"{user}@127.0.0.1"]


def ssh_options(fleet_directory: Path) -> list[str]:
    return [
        f"UserKnownHostsFile={fleet_directory / 'known_hosts'}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        # ends the kept connection of a container that was removed
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
    ]


def check_request(name: str, specs: Sequence[WorkerSpec], user: str) -> None:
    """Raises FleetError for anything that could not work, before anything is made."""
    for label, value in [("fleet", name), *(("worker", spec.name) for spec in specs)]:
        if not NAME.match(value):
            raise FleetError(f"the {label} name {value!r} is not lower-case letters, digits and '-' (31 at most)")
    workers = [spec.name for spec in specs]
    if not workers or len(set(workers)) < len(workers) or {"services", "model"} & set(workers):
        raise FleetError(f"worker names must be given, unique, and not 'services' or 'model': {workers}")
    for login in [user, *(spec.user for spec in specs if spec.user)]:
        if login not in ("root", "agent"):
            raise FleetError(f"the images have no user {login!r}; choose root or agent")
    if containers_of(name) or podman("network", "ls", "-q", "--filter", f"name=^{network_name(name)}$"):
        raise FleetError(f"a fleet named {name} exists; remove it first: fleet.py down --name {name}")
    # a list of all images fails while another process builds one
    images = {spec.image for spec in specs}
    missing = {image for image in images if not podman("image", "inspect", "--format", "{{.Id}}", f"{IMAGE_PREFIX}:{image}", check=False)}
    if missing:
        names = ", ".join(sorted(missing))
        suites = " ".join(sorted({image.split("-", 1)[0] for image in missing}))
        raise FleetError(f"no worker image is named {names}; run OPTIO_CODEX_SUITES='{suites}' tests/environment/bootstrap.sh images")


def start(fleet: str, worker: str, image: str, options: Iterable[str], command: Iterable[str] = ()) -> str:
    name = container_name(fleet, worker)
    labels = ["--label", f"{LABEL}={fleet}", "--label", f"optio.codex.image={image}"]
    podman("run", "--detach", "--name", name, *labels, *options, f"{IMAGE_PREFIX}:{image}", *command)
    return name


def start_services(name: str, suite: str, directory: Path) -> tuple[str, int, int | None]:
    """Start mirror and model: their address for workers, and their ports on 127.0.0.1."""
    mirror = dev_cache() / "artifacts" / "mirror"
    if not mirror.is_dir():
        raise FleetError(f"{mirror} does not exist; run tests/environment/bootstrap.sh artifacts")
    container = start(
        name,
        "services",
        f"{suite}-bare",
        [
            *("--network", network_name(name), "--hostname", "services"),
            *("-p", f"127.0.0.1::{MIRROR_PORT}", "-p", f"127.0.0.1::{MODEL_PORT}"),
            *("-v", f"{mirror}:/mirror:ro", "-v", f"{HERE / 'mirror.py'}:/mirror.py:ro", "-v", f"{directory}:/log"),
        ],
        ["python3", "-u", "/mirror.py", "--host", "0.0.0.0", "--root", "/mirror", "--log", "/log/mirror.log"],
    )
    deadline = time.monotonic() + READY_TIMEOUT
    mirror_port = published_port(container, MIRROR_PORT)
    wait_until("the mirror", lambda: http_answers(f"http://127.0.0.1:{mirror_port}/healthz"), container, deadline)
    model_port = start_model(name, suite, container, deadline)
    form = f'{{{{(index .NetworkSettings.Networks "{network_name(name)}").IPAddress}}}}'
    return podman("inspect", "--format", form, container), mirror_port, model_port


def start_model(name: str, suite: str, services: str, deadline: float) -> int | None:
    """Start the stand-in model in the network of ``services``; None where the tree has none."""
    if not (STANDIN / "responses.py").is_file():
        return None
    container = start(
        name,
        "model",
        f"{suite}-bare",
        ["--network", f"container:{services}", "-v", f"{STANDIN}:/standin:ro"],
        ["python3", "-u", "/standin/responses.py", "--host", "0.0.0.0", "--port", str(MODEL_PORT)],
    )
    port = published_port(services, MODEL_PORT)
    wait_until("the stand-in model", lambda: http_answers(f"http://127.0.0.1:{port}/"), container, deadline)
    return port


def start_worker(name: str, spec: WorkerSpec, services: str) -> Worker:
    options = ["--network", network_name(name), "--hostname", spec.name, "--add-host", f"services:{services}"]
    options += ["-p", "127.0.0.1::22", *many_processes()]
    if spec.systemd:
        options += ["--privileged", "--systemd=always"]
    container = start(name, spec.name, spec.image, [*options, *spec.options])
    return Worker(spec.name, spec.image, container, published_port(container, 22), spec.user)


def many_processes() -> list[str]:
    """Options for twenty sessions of fifty threads each: a machine's podman may be set to fewer, and by user, not by container."""
    options = ["--pids-limit", str(MOST_PROCESSES)]
    # one that is given takes the machine's own setting for the other away
    for name, kind in (("nproc", resource.RLIMIT_NPROC), ("nofile", resource.RLIMIT_NOFILE)):
        hard = resource.getrlimit(kind)[1]
        limit = MOST_PROCESSES if hard == resource.RLIM_INFINITY else min(hard, MOST_PROCESSES)
        options += ["--ulimit", f"{name}={limit}:{limit}"]
    return options


def wait_for_worker(fleet: Fleet, worker: Worker, deadline: float) -> None:
    command = ssh_command(fleet.directory, fleet.user, worker.port)
    if "-systemd-" in worker.image:
        command.append("systemctl is-system-running")
    else:
        command.append("echo running")

    def ready() -> bool:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=15)
        except subprocess.TimeoutExpired:
            return False
        return done.stdout.strip() in ("running", "degraded")

    wait_until("sshd", ready, worker.container, deadline)


def checksums() -> dict[str, str]:
    """Paths below the mirror and their ``sha256:…``."""
    try:
        digests = json.loads((dev_cache() / "artifacts" / "digests.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {path: f"sha256:{digest}" for path, digest in digests.items()}


def inventory_of(fleet: Fleet) -> dict[str, Any]:
    """The Ansible inventory of a fleet, as data."""
    sums = checksums()
    codex = {match.group(1): digest for path, digest in sums.items() if (match := re.match(r"codex/rust-v([^/]+)/codex-npm-", path))}
    variables = {
        "optio_fleet": fleet.name,
        "optio_mirror_url": fleet.mirror_url,
        "optio_mirror_host_url": fleet.mirror_host_url,
        "optio_mirror_log": str(fleet.mirror_log),
        "optio_model_url": fleet.model_url,
        "optio_model_host_url": fleet.model_host_url,
        "optio_codex_checksums": codex,
        "optio_ttyd_checksum": next((d for p, d in sums.items() if p.startswith("ttyd/")), None),
    }
    hosts = {
        worker.name: {
            "ansible_port": worker.port,
            "optio_container": worker.container,
            "optio_image": worker.image,
            **({"ansible_user": worker.user} if worker.user else {}),
        }
        for worker in fleet.workers
    }
    connection = {
        "ansible_host": "127.0.0.1",
        "ansible_user": fleet.user,
        "ansible_ssh_private_key_file": str(dev_cache() / "ssh" / "id_ed25519"),
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s",
        "ansible_ssh_common_args": " ".join(f"-o {item}" for item in ssh_options(fleet.directory)),
        "ansible_pipelining": True,
        "ansible_python_interpreter": "auto_silent",
    }
    group = {"hosts": hosts, "vars": connection}
    return {"all": {"vars": variables, "children": {"codex_workers": group}}}


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def up(name: str, specs: Sequence[WorkerSpec], inventory: Path, user: str = "root", dns: bool = False) -> Fleet:
    """Start a fleet, wait until every worker answers by ssh, write the inventory.

    ``dns`` lets containers find each other by name; ``services`` is always found.
    Raises FleetError; a fleet that did not come up leaves nothing.
    """
    check_request(name, specs, user)
    try:
        return bring_up(name, specs, inventory.resolve(), user, dns)
    except BaseException:
        down(name)
        raise


def bring_up(name: str, specs: Sequence[WorkerSpec], inventory: Path, user: str, dns: bool) -> Fleet:
    directory = directory_of(name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    write_atomically(directory / "inventory", str(inventory))
    podman("network", "create", *([] if dns else ["--disable-dns"]), network_name(name))
    suite = specs[0].image.split("-", 1)[0]
    address, mirror_port, model_port = start_services(name, suite, directory)
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        workers = tuple(pool.map(lambda spec: start_worker(name, spec, address), specs))
    key = (dev_cache() / "ssh" / "host_ed25519.pub").read_text(encoding="utf-8").split()
    lines = [f"[127.0.0.1]:{worker.port} {key[0]} {key[1]}\n" for worker in workers]
    write_atomically(directory / "known_hosts", "".join(lines))
    fleet = Fleet(
        name=name,
        user=user,
        inventory=inventory,
        workers=workers,
        mirror_host_url=f"http://127.0.0.1:{mirror_port}",
        model_host_url=f"http://127.0.0.1:{model_port}/v1" if model_port else None,
        model_url=f"http://services:{MODEL_PORT}/v1" if model_port else None,
        directory=directory,
    )
    deadline = time.monotonic() + READY_TIMEOUT
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda worker: wait_for_worker(fleet, worker, deadline), workers))
    write_atomically(inventory, yaml.safe_dump(inventory_of(fleet), sort_keys=False))
    return fleet


def down(name: str) -> bool:
    """Remove all of a fleet; whether there was anything. Safe to repeat."""
    names = [item["Names"][0] for item in containers_of(name)]
    # the model lives in the network of the services: it goes first
    names.sort(key=lambda item: (item.endswith("-services"), item))
    for chunk in ([n for n in names if not n.endswith("-services")], [n for n in names if n.endswith("-services")]):
        if chunk:
            podman("rm", "--force", "--time", "0", "--volumes", *chunk)
    networks = podman("network", "ls", "-q", "--filter", f"name=^{network_name(name)}$").split()
    if networks:
        podman("network", "rm", *networks)
    directory = directory_of(name)
    existed = bool(names or networks or directory.exists())
    note = directory / "inventory"
    if note.is_file():
        Path(note.read_text(encoding="utf-8")).unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
    return existed


def status() -> list[dict[str, str]]:
    """One record for each container of each fleet: fleet, worker, image, state, ports."""
    rows = []
    for item in containers_of():
        fleet, name = item["Labels"][LABEL], item["Names"][0]
        ports = ", ".join(f"{port['host_port']}->{port['container_port']}" for port in item.get("Ports") or [])
        worker = name.removeprefix(container_name(fleet, ""))
        image = item["Labels"].get("optio.codex.image", "")
        rows.append({"fleet": fleet, "worker": worker, "image": image, "state": item["State"], "ports": ports})
    return sorted(rows, key=lambda row: (row["fleet"], row["worker"]))


def parse_workers(values: Sequence[str], count: int | None) -> list[WorkerSpec]:
    """``NAME=[USER@]IMAGE`` items; with ``count`` each becomes NAME1 … NAMEcount."""
    specs = []
    for value in values:
        name, separator, image = value.partition("=")
        if not separator or not name or not image:
            raise FleetError(f"--worker {value!r} is not NAME=[USER@]IMAGE, such as w1=trixie-systemd-ready")
        user, _at, image = image.rpartition("@")
        names = [name] if count is None else [f"{name}{number}" for number in range(1, count + 1)]
        specs += [WorkerSpec(item, image, user or None) for item in names]
    return specs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    upper = commands.add_parser("up", help="start a fleet and write its inventory")
    upper.add_argument("--name", required=True)
    upper.add_argument("--worker", action="append", required=True, metavar="NAME=[USER@]IMAGE", help="may be repeated")
    upper.add_argument("--count", type=int, help="start each --worker so many times: NAME1, NAME2, …")
    upper.add_argument("--inventory", type=Path, required=True, help="the YAML file to write")
    upper.add_argument("--user", default="root", choices=["root", "agent"])
    upper.add_argument("--dns", action="store_true", help="containers find each other by name")
    downer = commands.add_parser("down", help="remove a fleet and its inventory")
    downer.add_argument("--name", required=True)
    commands.add_parser("status", help="list the containers of all fleets")
    return parser.parse_args()


def interrupted(signum: int, frame: object) -> NoReturn:
    # an exception, so that a fleet half up is removed
    raise SystemExit(128 + signum)


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, interrupted)
    try:
        if args.command == "up":
            begin = time.monotonic()
            fleet = up(args.name, parse_workers(args.worker, args.count), args.inventory, args.user, args.dns)
            print(f"{fleet.name}: {len(fleet.workers)} workers in {time.monotonic() - begin:.1f} s, {fleet.inventory}")
        elif args.command == "down":
            print(f"{args.name}: {'removed' if down(args.name) else 'nothing to remove'}")
        else:
            for row in status():
                print("{fleet:16} {worker:12} {image:24} {state:10} {ports}".format(**row))
    except FleetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
