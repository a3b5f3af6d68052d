# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Unix user for each session or tenant: none can do to another's session what its own user can."""

from __future__ import annotations

from typing import Any

import pytest
from containers.playbook_runner import Run
from e2e.sessions import SYSTEMD, WORKERS, Result, Workers

pytestmark = pytest.mark.battery

#: what the owner can do with a session, each to be tried by another one
OWNERS: dict[str, str] = {
    "read the record": "cat {session_dir}/session",
    "read the variables": "cat {session_dir}/environment",
    "read the credential": "cat {workdir}/home/.codex/auth.json",
    "read the conversation": "cat {workdir}/home/.codex/sessions/*/*/*/rollout-*.jsonl",
    "list the workdir": "ls {workdir}",
    "write into the workdir": "touch {workdir}/AGENTS.md",
    "look at the terminal": "tmux -S {tmux_socket} capture-pane -p -t optio",
    "type into the terminal": "tmux -S {tmux_socket} send-keys -t optio ''",
    "attach to the terminal": "TERM=xterm script -qec 'tmux -S {tmux_socket} attach-session -t optio \\; detach-client' /dev/null",
    "connect to the web terminal": "python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' {terminal_socket}",
    "read the variables of codex": "cat /proc/{pid}/environ",
    "look into the files of codex": "ls /proc/{pid}/fd",
    "send codex a signal": "kill -CONT {pid}",
    "write where the sockets are": "touch $(dirname {tmux_socket})/new && rm $(dirname {tmux_socket})/new",
}
#: what nobody but root can do
NOBODYS = {
    "take the place of the sockets": "mkdir $(dirname $(dirname {tmux_socket}))/own-new",
    "move the sockets": "mv $(dirname {tmux_socket}) $(dirname {tmux_socket}).old",
    "end the unit": "systemctl --no-ask-password stop optio-codex@{name}.service",
}


#: prints the owners of what codex's sandboxes have in common
SHARED = "cd /tmp && stat -c %U .agents .aws .codex .git 2>/dev/null | paste -s -d ' ' | tr -d '\\n'"


def tried(workers: Workers, worker: str, entry: Result, user: str, commands: dict[str, str]) -> set[str]:
    """Return which of the commands a user of the worker succeeds with."""
    scripts = (f"({command.format(**entry)}) >/dev/null 2>&1 && echo '{what}'" for what, command in commands.items())
    return set(workers.shell(worker, "\n".join(scripts), user=user).splitlines())


def play(workers: Workers, name: str, *options: str, **variables: Any) -> Run:
    given = {"codex_session_config": workers.provider(), "codex_session_user_isolation": "session", **variables}
    return workers.controller.playbook(name, given, *options)


def results(run: Run) -> dict[str, list[Result]]:
    """Return what the run keeps of each worker's sessions."""
    assert run.results
    found = [record for record in run.records if "codex_session_results" in record.result.get("ansible_facts", {})]
    return {record.host: record.result["ansible_facts"]["codex_session_results"] for record in found}


def users(workers: Workers, worker: str) -> list[str]:
    return workers.shell(worker, "getent passwd | grep 'optio.codex session' | cut -d : -f 1").split()


def test_no_session_can_touch_another(workers: Workers) -> None:
    """Check, do, do again; each thing that an owner can do is refused to the others; and nothing is left."""
    names = {
        **{"codex_session_name": "own-a,own-b", "codex_session_prompt": "SAY: mine", "codex_session_environment": {"KEY": "s3cret"}},
        "codex_session_credential_api_key": "sk-of-its-own",
    }
    for worker in WORKERS:
        # what a sandbox that was killed has left there is of an earlier test
        workers.shell(worker, "cd /tmp && rmdir .agents .aws .codex .git")
    predicted = play(workers, "launch", "--check", "--diff", **names)
    assert predicted.results and "would launch: own-a, own-b" in predicted.output
    launched = results(play(workers, "launch", **names))
    again = play(workers, "launch", **names)
    assert not any(result.get("changed") for result in again.results) and set(again.shipped) <= {"getent"}
    waited = play(workers, "wait", codex_session_all=True)
    assert waited.results
    for worker in WORKERS:
        assert users(workers, worker) == ["codex-own-a", "codex-own-b"]
        # two sandboxes that begin at once would each create them, and codex would end because it cannot remove the other's
        assert workers.shell(worker, SHARED) == "root root root root"
        first, second = results(waited)[worker]
        assert (first["user"], second["user"]) == ("codex-own-a", "codex-own-b")
        assert [entry["pid"] for entry in (first, second)] == [entry["pid"] for entry in launched[worker]]
        assert tried(workers, worker, second, second["user"], OWNERS) == set(OWNERS)
        for other in (first["user"], "agent", "nobody"):
            assert tried(workers, worker, second, other, {**OWNERS, **NOBODYS}) == set()
        assert tried(workers, worker, second, second["user"], NOBODYS) == set()
        # nothing listens where another user could connect or be first
        assert "ttyd" not in workers.shell(worker, "ss -ltnp")

    assert play(workers, "message", codex_session_all=True, codex_session_message="SAY: to all").results
    told = results(play(workers, "status"))
    assert {entry["activity"] for entries in told.values() for entry in entries} <= {"working", "idle"}, told
    assert {worker: len(entries) for worker, entries in told.items()} == dict.fromkeys(WORKERS, 2)
    assert play(workers, "teardown", codex_session_name="own-a").results
    for worker in WORKERS:
        assert users(workers, worker) == ["codex-own-b"]
    assert play(workers, "teardown", codex_session_all=True).results
    for worker in WORKERS:
        assert users(workers, worker) == []
        assert workers.shell(worker, "ls -d /home/codex-* /run/optio-codex/own-* 2>/dev/null") == ""
        assert workers.shell(worker, SHARED) == ""
    assert not any(result.get("changed") for result in play(workers, "teardown", codex_session_all=True).results)


def test_the_sessions_of_a_tenant_share_a_user(workers: Workers) -> None:
    """The user stays as long as one of them does; one who was not made for sessions is not taken."""
    sessions = [{"name": "shop-1", "tenant": "Shop"}, {"name": "shop-2", "tenant": "Shop"}]
    tenant = {"codex_hosts": SYSTEMD, "codex_session_user_isolation": "tenant"}
    entries = results(play(workers, "launch", codex_session_sessions=sessions, **tenant))[SYSTEMD]
    (user,) = {entry["user"] for entry in entries}
    assert user.startswith("codex-shop-") and users(workers, SYSTEMD) == [user]
    # the tenant of a session on record need not be told again
    assert play(workers, "teardown", codex_session_name="shop-1", **tenant).results
    assert users(workers, SYSTEMD) == [user]
    assert play(workers, "teardown", codex_session_all=True, **tenant).results
    assert users(workers, SYSTEMD) == []

    # a session that does not come up leaves no user
    failed = play(workers, "launch", codex_session_name="never", codex_session_codex_dir="/opt/none", codex_hosts=SYSTEMD)
    assert "1 of 1 sessions failed." in failed.failure["msg"] and users(workers, SYSTEMD) == []

    workers.shell(SYSTEMD, "useradd codex-taken")
    refused = play(workers, "launch", codex_session_name="taken", codex_hosts=SYSTEMD).failure
    assert "user codex-taken exists on the worker and was not created for a session" in refused["msg"]
    workers.shell(SYSTEMD, "userdel codex-taken")


#: what a session's user makes outside of its home
LEFT = r"""
echo planted >/tmp/codex-left
mkdir -p /var/tmp/codex-left/deep && echo planted >/var/tmp/codex-left/deep/file && ln -s /etc/passwd /var/tmp/codex-left/link
echo planted >/dev/shm/codex-left
env -i /bin/sh -c 'trap "" TERM; exec setsid sleep 7654' </dev/null >/dev/null 2>&1 &
env -i setsid /bin/sh -c 'while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &
"""
#: a crontab and a job of at, as their set-group-id programs make them
SPOOLS = r"""
mkdir -p /var/spool/cron/crontabs /var/spool/cron/atjobs
for file in /var/spool/cron/crontabs/{user} /var/spool/cron/atjobs/a00001; do echo '* * * * * id' >$file; chown {user} $file; done
"""


def test_a_user_leaves_nothing_and_inherits_nothing(workers: Workers) -> None:
    """Files, a crontab, a job and processes outside of the unit go with the user; the next one of the name has another id."""
    name, user = "attack", "codex-attack"
    assert play(workers, "launch", codex_session_name=name).results
    ids = {worker: workers.shell(worker, f"id -u {user}").strip() for worker in WORKERS}
    for worker in WORKERS:
        workers.shell(worker, LEFT, user=user)
        workers.shell(worker, SPOOLS.format(user=user))
        assert workers.shell(worker, f"pgrep -u {user} -f 'sleep 7654'").strip()

    assert play(workers, "teardown", codex_session_name=name).results
    for worker, uid in ids.items():
        assert users(workers, worker) == []
        found = f"find / -xdev -uid {uid} 2>/dev/null; find /tmp /var/tmp /dev/shm /run -uid {uid} 2>/dev/null"
        assert workers.shell(worker, found) == ""
        assert workers.shell(worker, f"ls /var/spool/cron/crontabs/{user} 2>/dev/null") == ""
        assert workers.shell(worker, f"pgrep -U {uid} .") == ""
        assert workers.shell(worker, "head -n 1 /etc/passwd").startswith("root:")

    # what a user of the name left in a spool before, whoever removed it
    for worker in WORKERS:
        workers.shell(worker, f"echo '* * * * * id' >/var/spool/cron/crontabs/{user}")
    assert play(workers, "launch", codex_session_name=name).results
    for worker, uid in ids.items():
        assert int(workers.shell(worker, f"id -u {user}")) > int(uid)
        assert workers.shell(worker, f"ls /var/spool/cron/crontabs/{user} 2>/dev/null") == ""
    assert play(workers, "teardown", codex_session_name=name).results
    assert not any(result.get("changed") for result in play(workers, "teardown", codex_session_name=name).results)
    for worker in WORKERS:
        # the packages of the programs create them with other owners
        workers.shell(worker, "rmdir /var/spool/cron/crontabs /var/spool/cron/atjobs")


#: the real programs, with which a user makes what the daemons run later and now; the mail is what cron sends
DAEMONS = """apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends cron at
service cron start; service atd start"""
SCHEDULED = r"""
echo '* * * * * touch /var/tmp/cron-ran; exec sleep 7655' | crontab -
echo 'exec sleep 7656' | at now 2>&1
echo 'touch /var/tmp/at-ran' | at now + 2 minutes 2>&1
atq; crontab -l
"""


@pytest.mark.extended
def test_real_daemons_run_nothing_for_a_removed_user(workers: Workers) -> None:
    """A crontab, a job that runs and one that waits, mail; the next user of the name inherits none, and nothing of it runs."""
    name, user, worker = "daemons", "codex-daemons", SYSTEMD
    installed = workers.shell(
        worker, f"({DAEMONS}) >/tmp/daemons.log 2>&1; command -v crontab; command -v at; pgrep -x cron -a; pgrep -x atd -a", timeout=180
    )
    assert installed.count("/usr/bin/") == 2 and "cron" in installed and "atd" in installed, workers.read(worker, "/tmp/daemons.log")
    assert play(workers, "launch", codex_session_name=name, codex_hosts=worker).results
    uid = workers.shell(worker, f"id -u {user}").strip()
    scheduled = workers.shell(worker, SCHEDULED, user=user)
    assert "sleep 7655" in scheduled and f"a {user}" in scheduled, scheduled
    workers.shell(worker, f"echo 'From root' >/var/mail/{user} && chown {user}:mail /var/mail/{user}")
    started = f"for i in $(seq 100); do pgrep -u {user} -x sleep && break; sleep 0.2; done"
    # a child of the daemon, not of the session's unit
    pid = workers.shell(worker, started).split()[0]
    assert "optio-codex@" not in workers.shell(worker, f"cat /proc/{pid}/cgroup")

    assert play(workers, "teardown", codex_session_name=name, codex_hosts=worker).results
    assert workers.shell(worker, f"pgrep -U {uid} .; find /var/spool /var/mail /var/tmp /tmp /dev/shm /run -uid {uid} 2>/dev/null") == ""
    assert workers.shell(worker, f"ls /var/spool/cron/crontabs/{user} /var/mail/{user} 2>/dev/null; atq") == ""
    assert play(workers, "launch", codex_session_name=name, codex_hosts=worker).results
    assert int(workers.shell(worker, f"id -u {user}")) > int(uid)
    assert "sleep" not in workers.shell(worker, "crontab -l; atq", user=user)
    assert play(workers, "teardown", codex_session_name=name, codex_hosts=worker).results
    # cron has the old crontab in its memory until it looks again, at the next minute
    workers.shell(worker, "sleep $((62 - $(date +%-S))); rm -f /tmp/daemons.log", timeout=90)
    assert workers.shell(worker, f"ls /var/tmp/cron-ran /var/tmp/at-ran 2>/dev/null; pgrep -U {uid} -a .") == ""
    workers.shell(worker, "service cron stop; service atd stop")
