# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers with a gateway, and what asks them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import container_shell
import fleet as fleets
from containers.playbook_runner import Controller, Run

SITE, DIRECTORY = "/etc/nginx/conf.d/optio-codex-gateway.conf", "/etc/optio-codex-gateway"
SOCKETS = "/run/optio-codex-web"
NAME = "codex.example.com"
#: of "open sesame", as openssl passwd -6 prints it
HASH = "$6$abcdefgh$CkjGkP7IIgZVUCNlt.Vi53LOYJLXZ5KzdpzEYCj01XGruA1hxZYJqccTU2zz68oJwAGsd1iPty5F7dHIatUTy/"
USERS = [
    {"name": "writer", "password_hash": HASH, "rights": "write"},
    {"name": "watcher", "password_hash": HASH},
    {"name": "guest", "password_hash": HASH, "rights": "write", "sessions": "docs, other"},
]
WRITER, WATCHER, GUEST = (f"{user['name']}:open sesame" for user in USERS)


@dataclass(frozen=True)
class Gateways:
    """A worker with systemd and one without; nothing is installed on either."""

    controller: Controller
    fleet: fleets.Fleet

    def run(self, host: str, *options: str, **variables: Any) -> Run:
        """Run the playbook on a host."""
        given = {"users": USERS, "mirror_url": "{{ optio_mirror_url }}", **variables}
        named = {"codex_hosts": host, **{f"codex_gateway_{name}": value for name, value in given.items()}}
        return self.controller.playbook("gateway", named, *options)

    def argv(self, host: str, *command: str, user: str = "root") -> list[str]:
        """Return the command line that runs a command on a host."""
        return ["podman", "exec", "-i", "--user", user, fleets.container_name(self.fleet.name, host), *command]

    def shell(self, host: str, script: str, text: str = "") -> str:
        """Return what a script prints on a host, as root."""
        return container_shell.output(fleets.container_name(self.fleet.name, host), script, text=text)

    def launch(self, host: str, name: str, places: Sequence[str] = ("type", "watch")) -> None:
        """Put a session's sockets where root's sessions have them, owned by a user of its own."""
        self.shell(host, f"mkdir -p {SOCKETS}/{name}; chown 1234:www-data {SOCKETS}/{name}; chmod 2710 {SOCKETS}/{name}")
        for place in places:
            terminal = f"setpriv --reuid 1234 --regid 1234 --clear-groups python3 /kit.py terminal {name} {place}"
            self.shell(
                host, f"setsid {terminal} </dev/null >/run/{name}-{place}.log 2>&1 & until grep ready /run/{name}-{place}.log; do :; done"
            )

    def end(self, host: str, name: str) -> None:
        """End a session's terminals and remove what they leave."""
        self.shell(host, f"pkill -f '[k]it.py terminal {name} '; rm -r {SOCKETS}/{name}")

    def ask(self, host: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the answers of a host's gateway."""
        answers: list[dict[str, Any]] = json.loads(self.shell(host, "python3 /kit.py ask", json.dumps(requests)))
        return answers

    def statuses(self, host: str, *requests: dict[str, Any]) -> list[int]:
        """Return the statuses of the answers."""
        return [answer["status"] for answer in self.ask(host, *requests)]

    def certificate(self, host: str) -> str:
        """Return the certificate that a host's gateway shows, as PEM."""
        return self.shell(host, "python3 -c 'import ssl;print(ssl.get_server_certificate((\"127.0.0.1\",443)))'")

    @contextmanager
    def websocket(self, host: str, path: str) -> Iterator[Websocket]:
        """Keep a terminal open."""
        request = {"path": path, "login": WRITER, "headers": {"Origin": f"https://{NAME}", "Host": NAME}}
        argv = self.argv(host, "python3", "/kit.py", "hold", json.dumps(request))
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            held = Websocket(process)
            assert "101" in held.read()
            yield held
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Websocket:
    """An open terminal."""

    process: subprocess.Popen[str]

    def read(self) -> str:
        """Return the next line."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def echo(self, text: str) -> str:
        """Return what comes back of a line."""
        assert self.process.stdin
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return self.read()


def changed(run: Run) -> list[str]:
    """Return the tasks of a good run that changed something."""
    assert run.results
    return [record.task for record in run.records if record.result.get("changed")]


def pages_written(run: Run) -> list[str]:
    """Return the files of the page that a run has written."""
    tasks = [record for record in run.records if record.task.endswith("Write the page")]
    return [each["codex_gateway_file"] for record in tasks for each in record.result["results"]]


def message(run: Run) -> str:
    """Return the message of the one failure that ended a run."""
    assert run.rc != 0
    return str([record.result for record in run.records if record.status == "failed"][-1]["msg"])


def check_own_certificate(gateways: Gateways, host: str, given: Mapping[str, Any]) -> None:
    """The certificate of the role is for the worker's name, is kept, and is replaced if another name is set."""
    shown = gateways.shell(host, f"openssl x509 -in {DIRECTORY}/certificate.pem -noout -ext subjectAltName; hostname")
    lines = [line.strip() for line in shown.splitlines()]
    assert f"DNS:{lines[-1]}" in lines
    assert any("self-signed" in task for task in changed(gateways.run(host, server_name=f"{NAME},192.0.2.7", **given)))
    shown = gateways.shell(host, f"openssl x509 -in {DIRECTORY}/certificate.pem -noout -ext subjectAltName")
    assert f"DNS:{NAME}, IP Address:192.0.2.7" in shown


def own(**request: Any) -> dict[str, Any]:
    """Return a request from a page of the gateway's own, by its name."""
    return {**request, "headers": {"Host": NAME, "Origin": f"https://{NAME}", **request.get("headers", {})}}


def left(gateways: Gateways, host: str) -> str:
    """Return every file on a host that is the gateway's."""
    return gateways.shell(host, "find / -xdev -name '*codex*' -not -path '/proc/*' -not -path '/sys/*'")
