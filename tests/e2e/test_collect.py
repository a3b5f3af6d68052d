# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook ``collect``, run as root, of sessions whose agent would rather have other files collected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import USER, WORKERS, Workers, agent, home, is_idle, workdir

#: what a real codex is told to do: work, and lay traps
WORK = r"""RUN: mkdir out && printf '# Report\n' >out/report.md && printf 'DELIVERABLE: out/report.md\n' >>LOG
RUN: printf 'changed\n' >README && printf 'new\n' >new.txt
RUN: ln -s /etc/shadow leak && ln -s / top && mkfifo pipe
RUN: printf 'DELIVERABLE: %s\n' /etc/shadow leak top/etc/shadow ../session ../../../../../../../etc/shadow >>LOG
RUN: printf 'DELIVERABLE: %s\n' pipe HOME/.codex/config.toml >>LOG
SAY: there you are"""
UPSTREAM = "/srv/upstream"


def collected(top: Path) -> dict[str, str]:
    """Return the digest of every file below a directory."""
    return {str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_hostile_session_produced(workers: Workers, tmp_path: Path, version: str) -> None:
    name = f"produced-{version}"
    make = (
        f"rm -rf {UPSTREAM} && git init -q {UPSTREAM} && cd {UPSTREAM} && echo old >README && git add README && "
        "git -c user.name=t -c user.email=t@example.com commit -q -m one && chmod -R a+rX . && chown -R " + USER + " ."
    )
    for worker in WORKERS:
        workers.shell(worker, make)
    prompt = WORK.replace("LOG", f"{agent(name)}/optio.log").replace("HOME", home(name))
    workers.session(name, version=version, repository={"url": UPSTREAM}, prompt=prompt)
    workers.until(name, lambda entry: is_idle(entry) and "there you are" in (entry["screen"] or ""), "through")
    # the sandbox keeps .git from the agent's commands, so somebody else has planted this
    trap = "printf '#!/bin/sh\\necho run >>/tmp/trapped\\n' >/tmp/trap; chmod 755 /tmp/trap; git config core.fsmonitor /tmp/trap; "
    for worker in WORKERS:
        twin = f"ln {home(name)}/.codex/config.toml twin; echo DELIVERABLE: twin >>{agent(name)}/optio.log"
        workers.shell(worker, f"cd {workdir(name)} && {trap} git config diff.external /tmp/trap; {twin}", user=USER)
    variables = {"codex_session_name": name, "codex_session_user": USER, "codex_session_collect_dest": str(tmp_path / "collected")}

    run = workers.controller.playbook("collect", variables)
    assert any(result.get("changed") for result in run.results)
    found = collected(tmp_path / "collected")
    for worker in WORKERS:
        place = f"{worker}/{name}"
        assert {path for path in found if path.startswith(worker)} == {
            f"{place}/{path}"
            for path in ("optio.log", "resume.log", "rollout.jsonl", "changes.diff", "deliverables/out/report.md", "summary.json")
        }
        top = tmp_path / "collected" / place
        assert (top / "deliverables/out/report.md").read_text() == "# Report\n"
        diff = (top / "changes.diff").read_text()
        assert "-old\n+changed\n" in diff and "+new\n" in diff and "rollout" not in diff and "optio.log" not in diff
        assert "model_provider" not in diff
        summary = json.loads((top / "summary.json").read_text())
        assert summary["version"] == version and summary["status"] == "running" and summary["repository"]["problem"] is None
        refused = {entry["path"]: entry["reason"] for entry in summary["skipped_files"]}
        assert len(refused) == 8 and "/etc/shadow" in refused and refused["pipe"] == "is not a regular file"
        assert refused["twin"] == "is one of the session's own files" and summary["repository"]["skipped_files"] == ["twin"]
        assert workers.shell(worker, f"ls -d /tmp/trapped /tmp/optio-output-* /home/{USER}/.local/share/optio-codex/{name}/.optio-*") == ""
    assert not any("root:" in path.read_text(errors="replace") for path in (tmp_path / "collected").rglob("*") if path.is_file())

    again = workers.controller.playbook("collect", variables)
    assert again.results and not any(result.get("changed") for result in again.results)
    assert collected(tmp_path / "collected") == found
    workers.session(name, state="absent")


def test_a_session_that_does_not_exist(workers: Workers, tmp_path: Path) -> None:
    run = workers.controller.playbook("collect", {"codex_session_name": "nobody", "codex_session_collect_dest": str(tmp_path)})
    assert run.failure["msg"].startswith("session nobody does not exist on ")
    assert list(tmp_path.iterdir()) == []
