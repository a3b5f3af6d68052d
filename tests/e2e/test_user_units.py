# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of a user who logs in by ssh, on a worker whose logind ends what a user leaves behind."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller
from e2e.sessions import ROOT, SYSTEMD, USER, Workers, only, workdir

pytestmark = pytest.mark.battery

#: seconds until logind has ended a login; the connection that set the worker up is kept for 60 seconds
LOGOUT = 150.0
#: logind kills what is left of a login
STRICT = "mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/strict.conf"
POLKIT = (
    "command -v pkcheck && exit; apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends polkitd"
)
#: all tasks of a play in one login, which ends with the last
ONE_LOGIN = {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=1s"}


class Host(Workers):
    """One worker that its user logs in to, and out of again after each task."""

    def one(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the result of the module ``session`` as the login's own user."""
        options.setdefault("user", None)
        return self.session(name, **options)[SYSTEMD]

    def root(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the result of the module ``session`` as root, acting for that user."""
        run = self.play({**self.task(name, user=USER, **options), "become": True})
        return only(run.results)

    def logged_out(self) -> None:
        """Wait until no login of the user is left."""
        deadline = time.monotonic() + LOGOUT
        while self.shell(SYSTEMD, f"loginctl list-sessions --no-legend | grep -w {USER} | grep -v manager; pgrep -u {USER} -f sshd"):
            assert time.monotonic() < deadline, "the user is still logged in"
            time.sleep(0.2)

    def lingers(self) -> bool:
        return self.shell(SYSTEMD, "ls /var/lib/systemd/linger").split() == [USER]

    def alive(self, result: dict[str, Any]) -> bool:
        return self.shell(SYSTEMD, f"cat /proc/{result['pid']}/comm").strip() == "codex"

    def nothing_left(self, name: str) -> bool:
        """Whether no process, unit, socket or record of a session is left, nor a mark of its lingering."""
        units = self.shell(SYSTEMD, "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user list-units --all --no-legend 'optio-*'", user=USER)
        return not self.traces(SYSTEMD, name) and not units and self.shell(SYSTEMD, f"ls {ROOT}/.linger {ROOT}/.run/* 2>/dev/null") == ""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    name = f"users-{os.getpid()}"
    scratch = tmp_path_factory.mktemp("users")
    inventory = scratch / "inventory.yml"
    fleet = fleets.up(name, [fleets.WorkerSpec(SYSTEMD, "trixie-systemd-ready", user=USER)], inventory)
    try:
        described = yaml.safe_load(inventory.read_text(encoding="utf-8"))
        # a kept connection would keep the user logged in
        described["all"]["children"]["codex_workers"]["vars"]["ansible_ssh_args"] = "-o ControlMaster=no"
        inventory.write_text(yaml.safe_dump(described), encoding="utf-8")
        found = Host(Controller(inventory, scratch), fleet, described["all"]["vars"])
        found.shell(SYSTEMD, f"{STRICT} && systemctl restart systemd-logind")
        release = {"sources": ["{{ optio_mirror_url }}/codex"]}
        ttyd = {"sources": ["{{ optio_mirror_url }}/ttyd"], "checksum": "{{ optio_ttyd_checksum }}"}
        assert found.play({"optio.codex.codex_release": release}, {"optio.codex.ttyd_release": ttyd}).results
        yield found
    finally:
        fleets.down(name)


@pytest.fixture
def free(host: Host) -> Host:
    """The worker with polkit, by which a user may set its own lingering."""
    container = host.fleet.workers[0].container
    subprocess.run(["podman", "exec", container, "sh", "-c", POLKIT], check=True, capture_output=True, timeout=300)
    host.logged_out()
    return host


def test_user_who_may_not_linger_gets_a_detached_process_and_is_told(host: Host) -> None:
    """Without polkit nobody but root sets lingering; the session runs all the same, until the logout."""
    host.shell(SYSTEMD, "systemctl mask --now polkit.service")
    launch = host.task("plain", user=None, prompt="RUN: echo begun >> count.txt; touch waiting; sleep 300")
    turn = {"ansible.builtin.raw": f"until [ -e {workdir('plain')}/waiting ]; do sleep 0.1; done"}
    run = host.play(launch, turn, {"optio.codex.session_info": {"name": "plain"}}, vars=ONE_LOGIN)
    host.shell(SYSTEMD, "systemctl unmask polkit.service")
    result, before = run.results[0], only(run.results[2]["sessions"])
    assert result["supervisor"] == "detached" and result["status"] == "running"
    assert "Run loginctl enable-linger agent as root" in run.output
    assert not host.lingers()
    host.logged_out()
    assert not host.alive(result), "logind does not end what a user leaves behind, so the other tests show nothing"
    # in the midst of its turn, and the truth of it is known at the next login
    after = host.info("plain", user=None)[SYSTEMD]
    assert (before["status"], before["activity"], before["turn"]) == ("running", "working", "open")
    assert after["status"] in ("lost", "finished") and (after["terminal"], after["pid"]) == ("dead", None)
    resumed = host.one("plain", resume="always")
    assert resumed["resumed"] and resumed["session_id"] == after["session_id"] == before["session_id"]
    assert host.read(SYSTEMD, f"{workdir('plain')}/count.txt") == "begun\n"
    assert host.one("plain", state="absent")["status"] == "absent"
    assert host.nothing_left("plain")


def test_session_survives_the_logout_where_root_lets_the_user_linger(host: Host) -> None:
    """What somebody else has set is used, and left as it was."""
    host.shell(SYSTEMD, f"loginctl enable-linger {USER}")
    launched = host.one("kept", memory_max="4G", prompt="SAY: hello")
    assert launched["supervisor"] == "systemd-user"
    host.logged_out()
    assert host.alive(launched)
    again = host.one("kept", memory_max="4G", prompt="SAY: hello")
    assert not again["changed"] and (again["pid"], again["supervisor"]) == (launched["pid"], "systemd-user")
    # a container may have no controllers; where there is one, the limit must be in it
    limit = host.shell(SYSTEMD, "cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/*/optio-codex@kept*/memory.max")
    assert again["unenforced_limits"] == ([] if limit.strip() == str(4 * 1024**3) else ["memory_max"])
    assert host.one("kept", state="stopped")["status"] == "stopped"
    assert host.one("kept", state="absent")["status"] == "absent"
    assert host.lingers(), "it was not the collection that had set it"
    assert host.nothing_left("kept")
    host.shell(SYSTEMD, f"loginctl disable-linger {USER}")


def test_lingering_begins_with_the_first_session_and_ends_with_the_last(free: Host) -> None:
    """With polkit the user sets it alone; a logout ends nothing, and afterwards all is as it was."""
    sessions = {name: free.one(name) for name in ("first", "second")}
    assert {result["supervisor"] for result in sessions.values()} == {"systemd-user"}
    free.logged_out()
    assert free.lingers() and all(free.alive(result) for result in sessions.values())

    # the terminal is repaired and the session restarted as what they were launched
    free.shell(SYSTEMD, "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user kill -s KILL 'optio-ttyd@first-*'", user=USER)
    repaired = free.one("first")
    assert [action["kind"] for action in repaired["actions"]] == ["open"] and repaired["pid"] == sessions["first"]["pid"]
    restarted = free.one("first", state="restarted")
    assert restarted["supervisor"] == "systemd-user" and restarted["pid"] != repaired["pid"]

    talk = {"name": "second", "text": "RUN: touch waiting; sleep 300"}
    assert free.play({"optio.codex.session_message": talk}).results
    free.shell(SYSTEMD, f"until [ -e {workdir('second')}/waiting ]; do sleep 0.1; done")
    free.one("first", state="absent")
    assert free.lingers() and free.alive(sessions["second"])
    free.one("second", state="absent")
    assert not free.lingers()
    for name in sessions:
        assert free.nothing_left(name)


def test_root_ends_and_restarts_what_a_user_has_launched(free: Host) -> None:
    """By the record: root reaches the user's own systemd, and no unit of its own comes of it."""
    launched = free.one("theirs")
    free.logged_out()
    seen = free.root("theirs")
    assert not seen["changed"] and (seen["pid"], seen["supervisor"]) == (launched["pid"], "systemd-user")
    restarted = free.root("theirs", state="restarted")
    assert restarted["supervisor"] == "systemd-user" and free.lingers() and free.alive(restarted)
    assert free.shell(SYSTEMD, "systemctl list-units --all --no-legend 'optio-*'") == ""
    free.root("theirs", state="absent")
    assert free.nothing_left("theirs") and not free.lingers()


def test_half_removed_session_of_a_user_is_ended(free: Host) -> None:
    """Without the task's directory its units are found by their names."""
    free.one("halfdead")
    free.shell(SYSTEMD, f"rm -rf {ROOT}/halfdead {ROOT}/.run")
    ended = free.one("halfdead", state="absent")
    assert ended["changed"] and not free.lingers()
    assert free.nothing_left("halfdead")
