# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox preflight tells a worker on which sandboxed commands would fail, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller, Run
from e2e.sessions import CACHE, USER, Workers

WORKER, FILTERED = "unprivileged", "filtered"
CLONE_NEWUSER = 0x10000000
#: what the default profile of some container engines does
NO_USER_NAMESPACES = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["clone", "unshare"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "value": CLONE_NEWUSER, "valueTwo": CLONE_NEWUSER, "op": "SCMP_CMP_MASKED_EQ"}],
        },
        # its flags are behind a pointer; ENOSYS makes the C library fall back to clone
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
    ],
}
#: the real parser but for the kernel, which has no AppArmor here: what would be loaded is checked, and noted
PARSER = """#!/bin/sh
[ "$1" != --replace ] || { shift; echo "$1" >>/loaded; set -- --skip-kernel-load --skip-cache "$1"; }
exec /usr/sbin/apparmor_parser "$@"
"""
PROFILE = "/etc/apparmor.d/optio-codex"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two trixie containers without privileges: the bundled bwrap works in one; the other refuses user namespaces."""
    scratch = tmp_path_factory.mktemp("sandbox")
    inventory = scratch / "inventory.yml"
    name = f"sandbox-{os.getpid()}"
    profile = scratch / "seccomp.json"
    profile.write_text(json.dumps(NO_USER_NAMESPACES))
    filtered = fleets.WorkerSpec(FILTERED, "trixie-ready", options=("--security-opt", f"seccomp={profile}"))
    fleet = fleets.up(name, [fleets.WorkerSpec(WORKER, "trixie-ready"), filtered], inventory)
    try:
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        found = Workers(Controller(inventory, scratch), fleet, variables)
        found.provision(["0.142.5"])
        yield found
    finally:
        fleets.down(name)


def test_verdict_is_found_kept_and_renewed_when_a_system_bwrap_breaks_it(worker: Workers) -> None:
    """The bundled bwrap works; the distribution's, once installed, wins and fails; removed, all is well again."""
    look = {"optio.codex.worker_info": {"user": USER}}
    unknown = worker.play(look, hosts=WORKER, options=["--check"])
    assert unknown.results[0]["sandbox"]["verdict"] == "unknown" and unknown.shipped == []
    first = worker.play(look, hosts=WORKER)
    assert first.results[0]["sandbox"] == {"verdict": "ok", "cause": None, "remedy": None, "output": None}
    assert first.shipped == ["worker_info"]
    assert worker.play(look, hosts=WORKER).shipped == [], "a kept verdict needs no Python"

    worker.shell(WORKER, "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap")
    # a failure is tried again each time: its remedy may be one that no key of the verdict shows
    for _again in range(2):
        run = worker.play(look, hosts=WORKER)
        sandbox = run.results[0]["sandbox"]
        assert sandbox["verdict"] == "failed" and run.shipped == ["worker_info"]
        assert "bwrap cannot mount /proc" in sandbox["cause"] and "the system's bwrap" in sandbox["cause"]
        assert "Remove the package bubblewrap" in sandbox["remedy"]
        assert run.results[0]["tools"]["bwrap"] == "/usr/bin/bwrap"
    assert worker.shell(WORKER, f"{CACHE}/0.142.5-x86_64-unknown-linux-musl/bin/codex sandbox -- /bin/true || echo broken", user=USER)

    worker.shell(WORKER, "rm /usr/bin/bwrap")
    assert worker.play(look, hosts=WORKER).results[0]["sandbox"]["verdict"] == "ok"


def test_container_that_refuses_user_namespaces_is_told_from_a_kernel_that_does(worker: Workers) -> None:
    """A seccomp profile is the cause where no switch of the kernel's is, and the role stops with its remedy."""
    run = worker.play({"optio.codex.worker_info": {"user": USER}}, hosts=FILTERED)
    sandbox = run.results[0]["sandbox"]
    assert sandbox["verdict"] == "failed" and sandbox["cause"].startswith("a seccomp filter refuses user namespaces")
    assert sandbox["output"].startswith("bwrap: No permissions to create a new namespace")

    variables = {"codex_hosts": FILTERED, "codex_worker_user": USER, "codex_worker_codex_version": "0.142.5"}
    sources = {"codex_worker_mirror_url": worker.variables["optio_mirror_url"], "codex_worker_ttyd_install": False}
    stopped = worker.controller.playbook("provision", {**variables, **sources}).failure
    assert "a seccomp filter refuses" in stopped["msg"] and "CLONE_NEWUSER" in stopped["msg"]
    assert "codex_worker_require_sandbox=false" in stopped["msg"]


def apparmor(worker: Workers, *options: str, restricts: bool = True, **variables: Any) -> Run:
    """Run the role's part that tries the sandbox, as on a worker whose AppArmor restricts user namespaces."""
    codex = "/home/agent/my {codex}/releases/0.142.5-x/bin/codex"
    platform = {"apparmor_restricts_userns": restricts, "node": WORKER}
    given = {
        "codex_worker_info": {"platform": platform, "user": USER, "privileged": True, "codex": {"path": codex}},
        "codex_user": USER,
        "codex_worker_apparmor_profile": True,
    }
    role = {"name": "optio.codex.codex_worker", "tasks_from": "sandbox.yml"}
    validated = {"optio.codex.role_options": {"role": "codex_worker"}, "register": "codex_worker__validated"}
    return worker.play(validated, {"ansible.builtin.include_role": role}, hosts=WORKER, options=options, vars={**given, **variables})


def test_role_loads_an_apparmor_profile_only_where_asked_and_needed(worker: Workers) -> None:
    """Predicted, done, done again; a worker without AppArmor's parser gets a remedy and no file."""
    for idle in (apparmor(worker, restricts=False), apparmor(worker, codex_worker_apparmor_profile=False)):
        assert idle.results and worker.read(WORKER, PROFILE) is None
    refused = [record.result for record in apparmor(worker).records if record.status == "failed"][-1]
    assert refused["msg"].startswith(f"AppArmor profile {PROFILE} was not loaded: ")
    assert "Install the package apparmor" in refused["msg"] and worker.read(WORKER, PROFILE) is None

    install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends apparmor"
    worker.shell(WORKER, f"{install} && printf %s '{PARSER}' >/usr/local/sbin/apparmor_parser && chmod 755 /usr/local/sbin/apparmor_parser")
    predicted = apparmor(worker, "--check", "--diff")
    assert any(result.get("changed") for result in predicted.results) and "+profile optio-codex" in predicted.output
    assert worker.read(WORKER, PROFILE) is None
    assert any(result.get("changed") for result in apparmor(worker).results)
    assert not any(result.get("changed") for result in apparmor(worker).results)
    assert worker.read(WORKER, "/loaded") == f"{PROFILE}\n{PROFILE}\n"
    assert worker.shell(WORKER, f"stat -c '%a %U' {PROFILE}") == "644 root\n"

    # what the parser understands: the system's cache and the codex in use, whose path has characters of its own
    tree = worker.shell(WORKER, f"/usr/sbin/apparmor_parser --skip-kernel-load --skip-cache --dump expr-tree {PROFILE} 2>&1")
    assert r"/(var/cache/optio-codex/bin|home/agent/my\ {codex})/releases/[^\x0/]([^\x0/])*/codex-resources/bwrap" in tree, tree
