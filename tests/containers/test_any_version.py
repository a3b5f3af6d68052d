# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A version of codex that the table does not have, on three workers and a mirror: a registry of the tests' own states and signs its digest.

The package is the real one of the newest version. A copy of the collection has the key of the registry, and not the version.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import container_shell
import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import COLLECTIONS, Controller, Run
from containers.registry_server import METADATA, PORT

from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX
from ansible_collections.optio.codex.tests.unit.support.certificates import Authority
from ansible_collections.optio.codex.tests.unit.support.npm_registry import Registry, archive_path
from ansible_collections.optio.codex.tests.unit.support.release_builders import Answer, Server

pytestmark = [
    pytest.mark.battery,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the mirror of the tests has the packages of one architecture"),
]

ROOT = Path(__file__).resolve().parents[2]
VERSION, OLDER = "0.171.0", "0.169.0"
SERIES = VERSION.rpartition(".")[0]
PACKAGE = archive_path(VERSION)
FILE = f"codex/rust-v{VERSION}/codex-npm-linux-x64-{VERSION}.tgz"
WORKERS = ("one", "two", "three")
MIRROR = "/var/www/codex-mirror"
CA = "/etc/registry-ca.pem"


@dataclass(frozen=True)
class Site:
    """Three workers, a host for the mirror, and the registry; ``settings`` is the directory of its metadata."""

    controller: Controller
    fleet: fleets.Fleet
    url: str
    settings: Path
    environment: Mapping[str, str]
    registry: Registry
    ttyd: str

    def shell(self, host: str, script: str, text: str = "") -> str:
        """Return what a script prints on a host, as root."""
        return container_shell.output(fleets.container_name(self.fleet.name, host), script, text=text, timeout=120)

    def address(self, host: str) -> str:
        """Return a host's address in the fleet's network."""
        return self.shell(host, "hostname -I").split()[0]

    def playbook(self, name: str, *options: str, **variables: Any) -> Run:
        """Run a playbook of the copy of the collection, in a process of its own."""
        return self.controller.playbook(name, variables, *options, environment=self.environment)

    def provision(self, *options: str, **variables: Any) -> Run:
        """Provision the three workers from the registry, without a digest of codex's."""
        given = {
            "codex_hosts": ",".join(WORKERS),
            "codex_worker_npm_registry": self.url,
            "codex_worker_codex_sources": ["npm"],
            "codex_worker_ca_path": CA,
            "codex_worker_ttyd_sources": [f"{self.fleet.mirror_url}/ttyd"],
            "codex_worker_ttyd_checksum": self.ttyd,
            **variables,
        }
        return self.playbook("provision", *options, **{name: value for name, value in given.items() if value is not None})

    def mirror(self, *options: str, **variables: Any) -> Run:
        """Run the playbook of the mirror for codex alone."""
        named = {f"codex_mirror_{name}": value for name, value in {"tools": "codex", "platforms": "x86_64", **variables}.items()}
        return self.playbook("mirror", *options, codex_mirror_hosts="mirror", **named)

    def publish(self) -> None:
        """Let the registry answer with its present state."""
        (self.settings / "codex.json").write_bytes(self.registry.server.answers[METADATA].body)

    def requests(self) -> list[str]:
        """Return the paths of the requests since the last call."""
        log = self.shell("registry", "cat /registry.log; : >/registry.log")
        return [line for line in log.splitlines() if line != "ready"]


def copied_collection(place: Path, keys: Mapping[str, Any]) -> Path:
    """Copy the collection, add the keys to those of npm as a rotation does, and make it one of before the version."""
    copy = place / "ansible_collections" / "optio" / "codex"
    for name in ("plugins", "roles", "playbooks", "meta", "scripts"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", copy)
    rows = [{"keyid": name, "keytype": "ecdsa-sha2-nistp256", "key": row.key, "expires": row.expires} for name, row in keys.items()]
    (place / "keys.json").write_text(json.dumps({"keys": rows}), encoding="utf-8")
    argv = [sys.executable, str(copy / "scripts" / "npm_keys.py"), "write", "--from", str(place / "keys.json"), "--source", "the tests"]
    subprocess.run(argv, check=True)
    digests = copy / "plugins" / "module_utils" / "_release" / "digests.py"
    text, count = re.subn(rf'    "{re.escape(VERSION)}": {{\n(?:        .*\n)*    }},\n', "", digests.read_text(encoding="utf-8"))
    assert count == 1
    digests.write_text(text, encoding="utf-8")
    catalog = digests.with_name("catalog.py")
    before = catalog.read_text(encoding="utf-8")
    assert f'default_version="{VERSION}"' in before
    catalog.write_text(before.replace(f'default_version="{VERSION}"', f'default_version="{OLDER}"'), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start the fleet and the registry, whose certificate a private authority has signed."""
    scratch = tmp_path_factory.mktemp("any-version")
    settings, inventory = scratch / "registry", scratch / "inventory.yml"
    settings.mkdir()
    artifacts = fleets.dev_cache() / "artifacts" / "mirror"
    mounts = ("-v", f"{artifacts}/npm:/packages:ro", "-v", f"{settings}:/settings:ro")
    specs = [*(fleets.WorkerSpec(name, "bookworm-ready") for name in WORKERS), fleets.WorkerSpec("mirror", "bookworm-bare")]
    specs.append(fleets.WorkerSpec("registry", "bookworm-bare", options=mounts))
    fleet = fleets.up(f"any-{os.getpid()}", specs, inventory)
    try:
        registry = Registry(Server("", {}, []))
        for version in (OLDER, VERSION):
            registry.add(version, (artifacts / "npm" / archive_path(version).lstrip("/")).read_bytes())
            registry.server.answers[archive_path(version)] = Answer()
        authority, variables = Authority(), yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        collections = copied_collection(scratch / "collections", registry.known_key())
        (scratch / "ca.pem").write_text(authority.certificate, encoding="utf-8")
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, [collections, *COLLECTIONS])),
            # the authority is the controller's, too
            "SSL_CERT_FILE": str(scratch / "ca.pem"),
        }
        made = Site(Controller(inventory, scratch), fleet, "", settings, environment, registry, str(variables["optio_ttyd_checksum"]))
        address = made.address("registry")
        (settings / "server.pem").write_text("".join(authority.server(address)), encoding="utf-8")
        for host in (*WORKERS, "mirror"):
            made.shell(host, f"cat >{CA}", authority.certificate)
        made.shell("registry", "cat >/registry_server.py", (Path(__file__).parent / "registry_server.py").read_text(encoding="utf-8"))
        made.shell("registry", "setsid python3 -u /registry_server.py /settings /packages </dev/null >>/registry.log 2>&1 &")
        made.shell("registry", "until grep -q ready /registry.log; do sleep 0.1; done")
        site = Site(made.controller, fleet, f"https://{address}:{PORT}", settings, environment, registry, made.ttyd)
        site.publish()
        yield site
    finally:
        fleets.down(fleet.name)


def releases(run: Run) -> dict[str, tuple[str, str, str]]:
    """Return version, what stated the digest, and the source of codex on each worker."""
    assert run.results
    found = {}
    for record in run.records:
        if str(record.result.get("path", "")).endswith("/bin/codex") and "verified_by" in record.result:
            version, stated, source = (str(record.result.get(name)) for name in ("version", "verified_by", "source"))
            found[record.host] = (version, stated, source)
    return found


def changed(run: Run) -> list[str]:
    """Return the tasks of a good run that changed something."""
    assert run.results
    return [record.task for record in run.records if record.result.get("changed")]


@pytest.mark.parametrize("version", [VERSION, "latest", pytest.param(SERIES, marks=pytest.mark.extended)])
def test_on_three_workers_without_a_digest(site: Site, version: str) -> None:
    """From a cold cache; the registry is asked once, the second run changes nothing, and an exact version asks nobody then."""
    cache = f"/srv/cache-{version}"
    site.requests()
    first = site.provision("--diff", codex_worker_codex_version=version, codex_worker_cache_dir=cache)
    assert releases(first) == dict.fromkeys(WORKERS, (VERSION, "signature", f"{site.url}{PACKAGE}"))
    assert sorted(site.requests()) == sorted([METADATA, *[PACKAGE] * len(WORKERS)])
    again = site.provision(codex_worker_codex_version=version, codex_worker_cache_dir=cache)
    assert changed(again) == [] and again.shipped == []
    assert site.requests() == ([] if version == VERSION else [METADATA])
    # without a version, the default of this collection is older, and a newer release that is there is kept
    assert changed(site.provision(codex_worker_cache_dir=cache)) == [] and site.requests() == []
    for worker in WORKERS:
        assert f"codex-cli {VERSION}" in site.shell(worker, f"HOME=/tmp {cache}/codex --version")
        site.shell(worker, f"rm -r {cache}")


def test_an_upgrade_to_latest_is_foreseen(site: Site) -> None:
    """From -> to on each worker in check mode, which installs nothing."""
    cache = {"codex_worker_cache_dir": "/srv/cache-diff"}
    assert releases(site.provision(codex_worker_codex_version=OLDER, **cache))["one"][:2] == (OLDER, "table")
    foreseen = site.provision("--check", "--diff", codex_worker_codex_version="latest", **cache)
    assert foreseen.results and foreseen.shipped == []
    lines = [line.strip() for line in foreseen.output.splitlines()]
    assert sum(OLDER in line and line.startswith("-") for line in lines) >= len(WORKERS)
    assert sum(VERSION in line and line.startswith("+") for line in lines) >= len(WORKERS)
    offline = site.provision("--check", codex_worker_codex_version="latest", codex_worker_offline=True, **cache)
    messages = [str(record.result.get("msg")) for record in offline.records if record.status == "failed"]
    assert len(messages) == len(WORKERS) and all("offline is set" in text for text in messages)
    for worker in WORKERS:
        assert OLDER in site.shell(worker, "readlink /srv/cache-diff/codex; rm -r /srv/cache-diff")


def test_a_registry_whose_signature_is_wrong(site: Site) -> None:
    """The workers and the mirror refuse it, and nothing is installed or served."""
    stated = site.registry.versions[f"{VERSION}-linux-x64"]["dist"]
    good = stated["signatures"]
    try:
        stated["signatures"] = site.registry.sign("something else")
        site.registry.publish()
        site.publish()
        runs = [
            site.provision(codex_worker_codex_version=VERSION, codex_worker_cache_dir="/srv/cache-wrong"),
            site.mirror(codex_versions=VERSION, npm_registry=site.url, ca_path=CA),
        ]
    finally:
        stated["signatures"] = good
        site.registry.publish()
        site.publish()
    assert all(run.rc and "is not valid: it is not that of key" in run.output for run in runs)
    for worker in WORKERS:
        site.shell(worker, f"! ls /srv/cache-wrong/releases/{VERSION}-*")
    site.shell("mirror", f"! ls {MIRROR}/{FILE}")


@pytest.fixture(scope="module")
def mirror_url(site: Site) -> str:
    """Return the URL of a mirror that has fetched the latest version from the registry."""
    site.requests()
    first = site.mirror(codex_versions="latest", npm_registry=site.url, ca_path=CA)
    assert "Download the artifacts" in " ".join(changed(first))
    assert site.requests() == [METADATA, PACKAGE]
    return f"http://{site.address('mirror')}:8080"


@pytest.mark.extended
def test_a_mirror_of_latest(site: Site, mirror_url: str) -> None:
    """The mirror has the package with the signed digest, and the workers install it from there, without the registry's bytes."""
    again = site.mirror(codex_versions="latest", npm_registry=site.url, ca_path=CA)
    assert changed(again) == []
    assert changed(site.mirror("--check", codex_versions=SERIES, npm_registry=site.url, ca_path=CA)) == []
    known = CODEX.table[VERSION]["x86_64-unknown-linux-musl"].archives["npm"][0]
    assert site.shell("mirror", f"cat {MIRROR}/SHA256SUMS") == f"{known}  {FILE}\n"

    site.requests()
    from_mirror = {"codex_worker_codex_sources": [f"{mirror_url}/codex"], "codex_worker_cache_dir": "/srv/cache-mirror"}
    run = site.provision(codex_worker_codex_version="latest", **from_mirror)
    assert releases(run) == dict.fromkeys(WORKERS, (VERSION, "signature", f"{mirror_url}/{FILE}"))
    assert site.requests() == [METADATA]
    again = site.provision(codex_worker_codex_version="latest", **from_mirror)
    assert changed(again) == [] and again.shipped == []


@pytest.mark.extended
def test_a_mirror_that_gives_other_bytes(site: Site, mirror_url: str) -> None:
    """It is refused on every worker, because the controller has pinned the digest that the registry signs."""
    site.shell("mirror", f"cp -a {MIRROR}/{FILE} /saved; printf x | dd of={MIRROR}/{FILE} bs=1 seek=1000000 conv=notrunc 2>/dev/null")
    try:
        run = site.provision(
            codex_worker_codex_version=VERSION,
            codex_worker_codex_sources=[f"{mirror_url}/codex"],
            codex_worker_cache_dir="/srv/cache-bytes",
        )
    finally:
        site.shell("mirror", f"mv /saved {MIRROR}/{FILE}")
    failed = {record.host: str(record.result["msg"]) for record in run.records if record.status == "failed"}
    assert set(failed) == set(WORKERS) and all("expected sha512:" in text for text in failed.values()), failed
    for worker in WORKERS:
        site.shell(worker, f"! ls /srv/cache-bytes/releases/{VERSION}-*")


@pytest.mark.extended
def test_a_site_without_a_way_out(site: Site, tmp_path: Path) -> None:
    """What was resolved is listed, brought in and pinned there; no registry is asked, and the mirror and the workers have it."""
    lists = tmp_path / "lists"
    given = {"tools": "codex", "codex_versions": "latest", "platforms": "x86_64", "npm_registry": site.url, "dir": str(lists)}
    variables = {f"codex_artifacts_{name}": value for name, value in given.items()}
    assert changed(site.playbook("artifacts", **variables)) and not changed(site.playbook("artifacts", **variables))
    [row] = json.loads((lists / "artifacts.json").read_text(encoding="utf-8"))
    assert (row["version"], row["verified_by"], row["url"]) == (VERSION, "signature", f"{site.url}{PACKAGE}")
    (lists / FILE).parent.mkdir(parents=True)
    shutil.copy(fleets.dev_cache() / "artifacts" / "mirror" / FILE, lists / FILE)
    subprocess.run(["sha512sum", "--check", "SHA512SUMS"], cwd=lists, check=True)

    # the other network: neither the controller nor a host can reach a registry
    site.shell("mirror", f"rm -rf {MIRROR}")
    site.requests()
    extra = (lists / "SHA512SUMS").read_text(encoding="utf-8")
    pinned = {"codex_versions": VERSION, "source_dir": str(lists), "extra": extra}
    assert "Copy the artifacts" in " ".join(changed(site.mirror(**pinned)))
    assert changed(site.mirror(**pinned)) == []
    url = f"http://{site.address('mirror')}:8080"
    workers = {
        **{"codex_worker_npm_registry": None, "codex_worker_codex_sources": None},
        **{"codex_worker_mirror_url": url, "codex_worker_cache_dir": "/srv/cache-pinned"},
        **{"codex_worker_codex_version": row["version"], "codex_worker_codex_checksums": {"x86_64": row["checksum"]}},
    }
    run = site.provision(**workers)
    assert releases(run) == dict.fromkeys(WORKERS, (VERSION, "checksum", f"{url}/{FILE}"))
    again = site.provision(**workers)
    assert changed(again) == [] and again.shipped == []
    assert site.requests() == []
