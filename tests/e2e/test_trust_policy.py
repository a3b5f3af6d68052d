# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a project may have codex run, and what the worker's owner allows: seen with real releases of codex."""

from __future__ import annotations

import shlex

import pytest
from containers.playbook_runner import Run
from e2e.conftest import NEW, OLD
from e2e.sessions import ROOT, USER, WITHOUT, Workers, is_idle, workdir

pytestmark = pytest.mark.battery

VERSIONS = (OLD, NEW)
SOURCE = f"/home/{USER}/tools.git"
RAN = f"/home/{USER}/mcp-ran"
#: an MCP server that leaves a trace, and does nothing else
CONFIG = f'[mcp_servers.tracer]\ncommand = "/bin/sh"\nargs = ["-c", "pwd >>{RAN}; exec sleep 5"]\n'
POLICY = {"allowed_sandbox_modes": ["read-only", "workspace-write"], "allowed_approval_policies": ["never", "on-request"]}
REQUIREMENTS = "/etc/codex/requirements.toml"


@pytest.fixture(scope="module")
def source(workers: Workers) -> str:
    """A repository whose .codex names an MCP server, on the worker."""
    script = f"""mkdir -p {SOURCE}/.codex && cd {SOURCE} && printf %s {shlex.quote(CONFIG)} >.codex/config.toml && git init -q &&
    git add . && git -c user.name=t -c user.email=t@example.com commit -qm x"""
    workers.shell(WITHOUT, script, user=USER)
    return SOURCE


def said(run: Run) -> str:
    """Return what a run printed, without the line breaks of its warnings."""
    return " ".join(run.output.split())


def trusting(workers: Workers) -> set[str]:
    """Return the workdirs in which the project's MCP server was started."""
    return set((workers.read(WITHOUT, RAN) or "").split())


def test_projects_own_mcp_server_runs_only_where_that_is_said(workers: Workers, source: str) -> None:
    """Both releases, each launched by default and trusted, with a turn, which begins when the servers have been started."""
    given = {"repository": {"url": source}, "prompt": "SAY: hello"}
    names = {(version, trust): f"trust-{version[3]}-{trust}" for version in VERSIONS for trust in ("auto", "trusted")}
    tasks = [workers.task(name, version=version, trust=trust, **given) for (version, trust), name in names.items()]
    run = workers.play(*tasks, hosts=WITHOUT)
    found = dict(zip(names, run.results, strict=True))
    for (version, trust), result in found.items():
        assert result["trust"] == ("untrusted" if trust == "auto" else "trusted"), (version, result)
        [entry] = result["project_config"]
        assert (entry["kind"], entry["name"]) == ("mcp_server", "tracer") and RAN in entry["command"]
        assert (f"session {names[version, trust]}: its workdir has a .codex" in said(run)) == (trust == "auto")
    for name in names.values():
        workers.until(name, is_idle, "idle", hosts=WITHOUT)
    assert trusting(workers) == {workdir(name) for (_version, trust), name in names.items() if trust == "trusted"}

    # the second run ships nothing, and says the same
    again = workers.play(*tasks, hosts=WITHOUT)
    assert again.shipped == [] and not any(result["changed"] for result in again.results)
    assert [result["trust"] for result in again.results] == [result["trust"] for result in found.values()]
    fresh = workers.session("trust-check", hosts=WITHOUT, check=True, repository={"url": source})[WITHOUT]
    assert fresh["trust"] == "unknown"
    for name in names.values():
        workers.session(name, hosts=WITHOUT, state="absent")
    workers.shell(WITHOUT, f"rm -rf {RAN} {ROOT}/trust-*")


def is_changed(run: Run) -> bool:
    return any(result.get("changed") for result in run.results)


def test_fleet_policy_is_set_and_downgrades_what_it_does_not_allow(workers: Workers) -> None:
    """Predicted, done, done again, and what two releases make of a session that asks for more."""
    given = {"codex_worker_requirements": POLICY, "codex_worker_config": {"model_reasoning_effort": "low"}}
    variables = {
        **{"codex_hosts": WITHOUT, "codex_worker_user": USER, "codex_worker_ttyd_checksum": workers.variables["optio_ttyd_checksum"]},
        **{"codex_worker_mirror_url": workers.variables["optio_mirror_url"], "codex_worker_require_sandbox": False},
    }
    try:
        refused = workers.controller.playbook("provision", {**variables, "codex_worker_requirements": {"allowed_sandbox_modes": []}})
        assert "codex does not start without it" in refused.failure["msg"]
        predicted = workers.controller.playbook("provision", {**variables, **given}, "--check", "--diff")
        assert is_changed(predicted) and '+allowed_sandbox_modes = ["read-only", "workspace-write"]' in predicted.output
        assert workers.read(WITHOUT, REQUIREMENTS) is None
        assert is_changed(workers.controller.playbook("provision", {**variables, **given}))
        again = workers.controller.playbook("provision", {**variables, **given})
        assert not is_changed(again) and again.shipped == []
        assert workers.shell(WITHOUT, "stat -c '%a %U' /etc/codex/*.toml").split() == ["644", "root"] * 2
        for version in VERSIONS:
            name = f"policy-{version[3]}"
            asked = {"version": version, "sandbox": "danger-full-access", "prompt": f"RUN: touch /home/{USER}/{name}"}
            # with nobody to ask, codex would rather not start
            refused = workers.play(workers.task(name, **asked), hosts=WITHOUT)
            assert 'requirements do not allow `sandbox_mode = "danger-full-access"`' in refused.failure["msg"]
            launched = workers.play(workers.task(name, **asked, approval_policy="on-request"), hosts=WITHOUT)
            assert launched.results and f"{name}: sandbox is danger-full-access, and {REQUIREMENTS} of the worker only" in said(launched)
            seen = workers.until(name, is_idle, "idle", hosts=WITHOUT)[WITHOUT]
            assert "Read-only file system" in seen["message"] and workers.read(WITHOUT, f"/home/{USER}/{name}") is None
            workers.session(name, hosts=WITHOUT, state="absent")
    finally:
        gone = workers.controller.playbook("provision", {**variables, "codex_worker_policy_state": "absent"})
    assert is_changed(gone) and workers.shell(WITHOUT, "ls /etc/codex") == ""
    assert not is_changed(workers.controller.playbook("provision", {**variables, "codex_worker_policy_state": "absent"}))
