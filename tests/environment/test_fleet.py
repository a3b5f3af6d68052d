# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs no container: requests, inventories, and that a failed start is removed."""

from __future__ import annotations

import json
from pathlib import Path

import fleet
import pytest
from fleet import Fleet, FleetError, Worker, WorkerSpec


def test_count_numbers_the_workers() -> None:
    assert fleet.parse_workers(["w=trixie-ready"], 2) == [
        WorkerSpec("w1", "trixie-ready"),
        WorkerSpec("w2", "trixie-ready"),
    ]
    assert fleet.parse_workers(["a=trixie-ready", "b=bookworm-bare"], None) == [
        WorkerSpec("a", "trixie-ready"),
        WorkerSpec("b", "bookworm-bare"),
    ]
    assert fleet.parse_workers(["a=agent@trixie-ready"], None) == [WorkerSpec("a", "trixie-ready", "agent")]


@pytest.mark.parametrize("value", ["w1", "=trixie-ready", "w1="])
def test_a_worker_without_image_or_name_is_refused(value: str) -> None:
    with pytest.raises(FleetError, match=r"NAME=\[USER@\]IMAGE"):
        fleet.parse_workers([value], None)


@pytest.mark.parametrize(
    ("name", "workers", "user", "message"),
    [
        ("Upper", ["w1"], "root", "fleet name 'Upper'"),
        ("f", ["w_1"], "root", "worker name 'w_1'"),
        ("f", [], "root", "must be given"),
        ("f", ["w1", "w1"], "root", "unique"),
        ("f", ["services"], "root", "not 'services'"),
        ("f", ["w1"], "nobody", "no user 'nobody'"),
    ],
)
def test_a_bad_request_is_refused_before_podman_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str, workers: list[str], user: str, message: str
) -> None:
    monkeypatch.setattr(fleet, "podman", lambda *args, **kwargs: pytest.fail("podman was asked"))
    with pytest.raises(FleetError, match=message):
        fleet.check_request(name, [WorkerSpec(worker, "trixie-ready") for worker in workers], user)


def test_a_start_that_fails_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    removed: list[str] = []

    def fail(*args: object) -> Fleet:
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet, "check_request", lambda *args: None)
    monkeypatch.setattr(fleet, "bring_up", fail)
    monkeypatch.setattr(fleet, "down", removed.append)
    with pytest.raises(KeyboardInterrupt):
        fleet.up("f", [WorkerSpec("w1", "trixie-ready")], tmp_path / "inventory.yml")
    assert removed == ["f"]


def test_the_inventory_names_workers_and_checksums(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPTIO_CODEX_DEV_CACHE", str(tmp_path))
    digests = {
        "codex/rust-v1.2.3/codex-npm-linux-x64-1.2.3.tgz": "aa",
        "npm/@openai/codex/-/codex-1.2.3-linux-x64.tgz": "aa",
        "ttyd/1.7.7/ttyd.x86_64": "bb",
    }
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "digests.json").write_text(json.dumps(digests))
    data = fleet.inventory_of(
        Fleet(
            name="f",
            user="agent",
            inventory=tmp_path / "inventory.yml",
            workers=(
                Worker("w1", "trixie-ready", "optio-codex-f-w1", 2222),
                Worker("w2", "trixie-ready", "optio-codex-f-w2", 2223, "root"),
            ),
            mirror_host_url="http://127.0.0.1:1",
            model_host_url=None,
            directory=tmp_path / "fleets" / "f",
        )
    )
    group = data["all"]["children"]["codex_workers"]
    assert group["hosts"]["w1"]["ansible_port"] == 2222
    assert group["vars"]["ansible_user"] == "agent"
    assert "ansible_user" not in group["hosts"]["w1"] and group["hosts"]["w2"]["ansible_user"] == "root"
    assert str(tmp_path / "fleets" / "f" / "known_hosts") in group["vars"]["ansible_ssh_common_args"]
    assert data["all"]["vars"]["optio_codex_checksums"] == {"1.2.3": "sha256:aa"}
    assert data["all"]["vars"]["optio_ttyd_checksum"] == "sha256:bb"
    assert data["all"]["vars"]["optio_model_url"] is None
