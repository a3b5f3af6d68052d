# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role that makes mirrors: nginx with systemd and without, real releases, and a worker that is provisioned from one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import container_shell
import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller, Run

from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX
from ansible_collections.optio.codex.tests.unit.support.certificates import Authority

pytestmark = pytest.mark.battery

VERSION, ANOTHER = "0.142.5", "0.169.0"
NPM = f"codex/rust-v{VERSION}/codex-npm-linux-x64-{VERSION}.tgz"
TTYD = "ttyd/1.7.7/ttyd.x86_64"
DIRECTORY = "/var/www/codex-mirror"
SITE = "/etc/nginx/conf.d/optio-codex-mirror.conf"
SECRET = "b4SDhy7qXh2m"


@dataclass(frozen=True)
class Mirrors:
    """A host with systemd, one without, and a worker."""

    controller: Controller
    fleet: fleets.Fleet
    inventory: Mapping[str, Any]

    def run(self, host: str, *options: str, **variables: Any) -> Run:
        """Run the playbook as a survey starts it: everything is text."""
        given = {
            "mirror_hosts": host,
            "platforms": "x86_64",
            "codex_versions": VERSION,
            "tools": "codex,ttyd",
            "source_url": self.inventory["optio_mirror_url"],
            # the ttyd of the tests is another build than upstream's
            "extra": f"{self.ttyd}  {TTYD}",
            **variables,
        }
        named = {"codex_mirror_hosts": given.pop("mirror_hosts"), **{f"codex_mirror_{name}": value for name, value in given.items()}}
        return self.controller.playbook("mirror", named, *options)

    @property
    def ttyd(self) -> str:
        """The digest of the tests' ttyd."""
        return str(self.inventory["optio_ttyd_checksum"]).removeprefix("sha256:")

    @property
    def sums(self) -> str:
        """What a mirror of one version says of itself."""
        known = CODEX.table[VERSION]["x86_64-unknown-linux-musl"].archives["npm"][0]
        return f"{known}  {NPM}\n{self.ttyd}  {TTYD}\n"

    def shell(self, host: str, script: str, text: str = "") -> str:
        """Return what a script prints on a host, as root."""
        return container_shell.output(fleets.container_name(self.fleet.name, host), script, text=text)

    def address(self, host: str) -> str:
        """Return a host's address in the fleet's network."""
        return self.shell(host, "hostname -I").split()[0]

    def files(self, host: str) -> list[str]:
        """Return everything that is below the mirror's directory."""
        return self.shell(host, f"[ ! -e {DIRECTORY} ] || cd {DIRECTORY} && find . | sort").split() if self.has(host, DIRECTORY) else []

    def has(self, host: str, path: str) -> bool:
        """Return whether a path is there."""
        return self.shell(host, f"[ ! -e {shlex.quote(path)} ] || echo yes") == "yes\n"

    def verify(self, host: str, url: str, *, insecure: bool = False) -> str:
        """Return what ``sha256sum -c`` says of what a host gets from a mirror."""
        fetch = "import ssl,sys,urllib.request as r;c=ssl._create_unverified_context();"
        fetch += "sys.stdout.buffer.write(r.urlopen(sys.argv[1],context=c).read())"
        get = f'python3 -c "{fetch}"'
        script = f'cd "$(mktemp -d)"; {get} {url}/SHA256SUMS >sums; while read -r sum path; do mkdir -p "$(dirname "$path")"; '
        return self.shell(host, script + f'{get} "{url}/$path" >"$path"; done <sums; sha256sum -c sums; rm -r "$PWD"')


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrors]:
    """Start the fleet; its workers are not yet what their names say."""
    scratch = tmp_path_factory.mktemp("mirrors")
    inventory = scratch / "inventory.yml"
    images = {"systemd": "trixie-systemd-bare", "plain": "bookworm-bare", "worker": "bookworm-ready"}
    fleet = fleets.up(f"mirrors-{os.getpid()}", [fleets.WorkerSpec(name, image) for name, image in images.items()], inventory)
    try:
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        yield Mirrors(Controller(inventory, scratch), fleet, variables)
    finally:
        fleets.down(fleet.name)


def changed(run: Run) -> list[str]:
    """Return the tasks of a good run that changed something."""
    assert run.results
    return [record.task for record in run.records if record.result.get("changed")]


def message(run: Run) -> str:
    """Return the message of the one failure that ended a run."""
    assert run.rc != 0
    return str([record.result for record in run.records if record.status == "failed"][-1]["msg"])


def check_others(mirrors: Mirrors, host: str) -> None:
    """The site of the host's owner is served as ever, and the distribution's own was not enabled by the installation of nginx."""
    get = "python3 -c 'import sys,urllib.request as r;print(r.urlopen(sys.argv[1]).read().decode())'"
    assert mirrors.shell(host, f"{get} http://127.0.0.1:8123/").strip() == "mine"
    assert not mirrors.has(host, "/etc/nginx/sites-enabled/default")


def own_site(mirrors: Mirrors, host: str) -> None:
    """Give a host a site of its owner's."""
    text = 'server { listen 8123; location / { return 200 "mine"; } }\n'
    mirrors.shell(host, "mkdir -p /etc/nginx/conf.d; cat >/etc/nginx/conf.d/mine.conf", text)


def redirecting(mirrors: Mirrors, host: str) -> str:
    """Start a server that sends its clients on to another; return its URL."""
    mirrors.shell(host, "cat >/redirects.py", (Path(__file__).parent / "redirects.py").read_text(encoding="utf-8"))
    address, target = mirrors.address(host), mirrors.inventory["optio_mirror_url"]
    mirrors.shell(host, f"setsid python3 /redirects.py {address} {target} </dev/null >/redirects.log 2>&1 &")
    mirrors.shell(host, "until grep -q ready /redirects.log; do sleep 0.1; done")
    return f"http://{address}:9001"


def provision(mirrors: Mirrors, url: str) -> None:
    """Make the worker one, from the mirror alone, whose certificate a private authority signed."""
    variables = {
        **{"codex_hosts": "worker", "codex_worker_mirror_url": url, "codex_worker_ca_path": "/etc/mirror-ca.pem"},
        **{"codex_worker_codex_version": VERSION, "codex_worker_ttyd_checksum": f"sha256:{mirrors.ttyd}"},
    }
    first = mirrors.controller.playbook("provision", variables)
    sources = [result["source"] for result in first.results if "source" in result]
    assert sources == [f"{url}/{NPM}", f"{url}/{TTYD}"]
    again = mirrors.controller.playbook("provision", variables)
    assert changed(again) == [] and again.shipped == []


def test_from_a_bare_host_to_a_worker_and_back(mirrors: Mirrors) -> None:
    host, authority = "systemd", Authority()
    url = f"https://{mirrors.address(host)}:8443"
    certificate, key = authority.server(mirrors.address(host))
    own_site(mirrors, host)
    mirrors.shell(host, "cat >/etc/mirror.pem", certificate)
    mirrors.shell(host, "umask 077; cat >/etc/mirror.key", key)
    mirrors.shell("worker", "cat >/etc/mirror-ca.pem", authority.certificate)
    tls = {"tls_certificate": "/etc/mirror.pem", "tls_key": "/etc/mirror.key", "autoindex": "yes", "listen_port": ""}

    assert changed(mirrors.run(host, "--check", "--diff", **tls))
    assert not mirrors.has(host, DIRECTORY) and not mirrors.has(host, SITE)
    assert "Download the artifacts" in " ".join(changed(mirrors.run(host, **tls)))
    assert changed(mirrors.run(host, **tls)) == changed(mirrors.run(host, "--check", **tls)) == []
    assert mirrors.shell(host, f"cat {DIRECTORY}/SHA256SUMS") == mirrors.sums
    assert mirrors.verify("worker", url) == f"{NPM}: OK\n{TTYD}: OK\n"
    assert mirrors.shell(host, "systemctl is-enabled nginx") == "enabled\n"
    provision(mirrors, url)
    check_others(mirrors, host)

    assert changed(mirrors.run(host, state="absent"))
    assert changed(mirrors.run(host, state="absent")) == []
    assert not mirrors.has(host, DIRECTORY) and not mirrors.has(host, SITE)
    assert mirrors.shell(host, "find / -xdev -name '*codex*' -not -path '/proc/*'") == ""
    check_others(mirrors, host)


def test_served_files_were_verified(mirrors: Mirrors) -> None:
    host, url = "plain", f"http://{mirrors.address('plain')}:8080"
    own_site(mirrors, host)
    credentials = {"headers": {"X-Token": SECRET}, "url_username": "mirror", "url_password": SECRET, "force_basic_auth": "true"}
    first = mirrors.run(host, source_url=redirecting(mirrors, "worker"), **credentials)
    assert changed(first) and SECRET not in first.output
    # they went where they were meant for, and not where that sends its clients
    seen = mirrors.shell("worker", "cat /redirects.log").splitlines()[1:]
    assert seen == [line for path in (NPM, TTYD) for line in (f"9001 /{path} Authorization X-Token", f"9002 /{path}")]
    served = f"{NPM}: OK\n{TTYD}: OK\n"
    assert mirrors.verify("worker", url) == served
    before = mirrors.shell(host, f"cd {DIRECTORY}; stat -c '%n %i %Y' {NPM} {TTYD}; cat {SITE}")

    # bytes that were changed on their way, and a digest that nothing has: both are refused, and both are told
    flipped = f"{mirrors.inventory['optio_mirror_url']}/fault/flip"
    wrong = [{"path": TTYD, "sha256": "ab" * 32}]
    said = message(mirrors.run(host, codex_versions=f"{VERSION}\n{ANOTHER}", source_url=flipped, extra=wrong))
    assert said.count("did not match") == 2 and f"codex-npm-linux-x64-{ANOTHER}.tgz" in said and TTYD in said and NPM not in said
    # what nginx would refuse
    said = message(mirrors.run(host, tls_certificate="/etc/none.pem", tls_key="/etc/none.key"))
    assert "cannot load certificate" in said and "The configuration is unchanged." in said
    assert mirrors.shell(host, f"cd {DIRECTORY}; stat -c '%n %i %Y' {NPM} {TTYD}; cat {SITE}") == before
    assert mirrors.verify("worker", url) == served and changed(mirrors.run(host)) == []
    assert not any(ANOTHER in path for path in mirrors.files(host))
    check_others(mirrors, host)


def test_artifacts_from_the_controller(mirrors: Mirrors, tmp_path: Path) -> None:
    host, url = "plain", f"http://{mirrors.address('plain')}:8080"
    directory = fleets.dev_cache() / "artifacts" / "mirror"
    mirrors.shell(host, f"rm -f {DIRECTORY}/{NPM}")
    assert "Copy the artifacts" in " ".join(changed(mirrors.run(host, source_url="", source_dir=str(directory))))
    assert mirrors.verify("worker", url) == f"{NPM}: OK\n{TTYD}: OK\n"
    (tmp_path / TTYD).parent.mkdir(parents=True)
    (tmp_path / TTYD).write_bytes(b"another")
    said = message(mirrors.run(host, tools="ttyd", source_dir=str(tmp_path), extra=[{"path": TTYD, "sha256": "ab" * 32}]))
    assert f"{tmp_path}/{TTYD} must have sha256:{'ab' * 32}, got sha256:" in said

    # what no run put there stays
    mirrors.shell(host, f"echo mine >{DIRECTORY}/codex/mine")
    assert changed(mirrors.run(host, "--check", tools="ttyd", prune="true"))
    assert changed(mirrors.run(host, tools="ttyd", prune="true"))
    assert mirrors.files(host) == [".", "./SHA256SUMS", "./codex", "./codex/mine", "./ttyd", "./ttyd/1.7.7", f"./{TTYD}"]
    assert mirrors.verify("worker", url) == f"{TTYD}: OK\n"
    # nginx that was ended is started
    mirrors.shell(host, "kill $(cat /run/nginx.pid); while [ -s /run/nginx.pid ]; do sleep 0.1; done")
    assert len(changed(mirrors.run(host, tools="ttyd"))) == 1
    assert mirrors.verify("worker", url) == f"{TTYD}: OK\n"
    assert changed(mirrors.run(host, "--check", state="absent")) and mirrors.has(host, SITE)
    assert changed(mirrors.run(host, state="absent"))
    assert mirrors.files(host) == [".", "./codex", "./codex/mine"]


BAD = {
    "dir": "/srv/a b",
    "listen_port": "0",
    "listen_address": "::1",
    "server_name": "a;b",
    "tls_certificate": "etc/x.pem",
}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            BAD,
            [
                *(f"codex_mirror_{name} must be " for name in BAD),
                *(f", got {value}." for value in BAD.values()),
                "codex_mirror_tls_certificate requires codex_mirror_tls_key",
            ],
        ),
        ({"listen_port": "80; include x"}, ["codex_mirror_listen_port must be an integer, got '80; include x'."]),
        ({"source_url": "", "headers": {"X-Token": SECRET}}, ["codex_mirror_headers must be for one host, got no host"]),
        ({"npm_registry": "https://npm.example.com", "url_username": "me"}, ["got services:8080, npm.example.com"]),
        ({"codex_versions": "0.170.0"}, ["codex/rust-v0.170.0/codex-npm-linux-x64-0.170.0.tgz is not known to this collection"]),
        ({"tools": "codex", "platforms": "armv7l", "extra": ""}, ["must match at least one artifact"]),
    ],
)
def test_refusals(mirrors: Mirrors, variables: dict[str, Any], says: list[str]) -> None:
    run = mirrors.run("worker", "--check", **variables)
    assert [text for text in says if text not in message(run)] == [] and SECRET not in run.output
