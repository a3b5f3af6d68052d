# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users of sessions: what is planned for each, and the logins that keep one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.login_digest import login_digest
from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._session import user_account
from ansible_collections.optio.codex.plugins.module_utils._session.login import mark_text
from ansible_collections.optio.codex.plugins.module_utils._session.user_account import (
    COMMENT,
    Account,
    clear_account,
    ipc_of,
    lock_account,
    user_ids,
)
from ansible_collections.optio.codex.plugins.module_utils._session.user_logins import only_copies
from ansible_collections.optio.codex.plugins.module_utils._session.user_module import RESOURCE, Accounts, plan_cleared, plan_reserved
from ansible_collections.optio.codex.plugins.module_utils._session.user_traces import Traces
from ansible_collections.optio.codex.tests.unit.support.credential_builders import chatgpt, text_of
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

CRONTAB = "/var/spool/cron/crontabs/codex-a"


def account(**given: Any) -> Account:
    return Account(**{"name": "codex-a", "uid": 1005, "comment": COMMENT, "ids": frozenset({1005}), **given})


def kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(action.kind, action.target) for action in plan.actions]


def test_missing_users_get_the_free_ids() -> None:
    seen = Accounts((Account("codex-b", named=("/var/mail/codex-b",)), account(), Account("codex-c")), (1007, 1008))
    plan = plan_reserved(seen)
    assert kinds(plan) == [("remove_named", "/var/mail/codex-b"), ("reserve", "user codex-b"), ("reserve", "user codex-c")]
    assert plan.result["uids"] == {"codex-b": 1007, "codex-a": 1005, "codex-c": 1008}
    assert not plan_reserved(Accounts((account(),)))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [("lock", "user codex-a")]),
        ({"locked": True}, []),
        ({"locked": True, "pids": (7, 8)}, [("end", "processes of user codex-a")]),
        ({"locked": True, "named": (CRONTAB,), "traces": Traces([CRONTAB, "/tmp/x"])}, [("clear", CRONTAB), ("clear", "/tmp/x")]),
        ({"uid": None, "named": (CRONTAB,)}, [("remove_named", CRONTAB)]),
        ({"uid": None}, []),
        ({"locked": True, "logins": ("/h/s/home/.codex/auth.json",)}, None),
        ({"comment": "Alice"}, None),
        ({"uid": 0}, None),
    ],
)
def test_what_clears_a_user(given: dict[str, Any], expected: list[tuple[str, str]] | None) -> None:
    seen = Accounts((account(**given),))
    if expected is None:
        with pytest.raises(OptioError, match=r"exists nowhere else|was not created for a session"):
            plan_cleared(seen)
        return
    assert kinds(plan_cleared(seen)) == expected
    assert plan_cleared(Accounts((account(locked=True, logins=("/h/s/home/.codex/auth.json",)),)), True).actions == ()


@pytest.mark.parametrize("name", ["", "A", "a/b", "-a", "a b", "a" * 33, "../a", "a\n"])
def test_names_that_no_user_has(name: str) -> None:
    with pytest.raises(OptioError, match="is not the name of a user"):
        RESOURCE.validate(options(RESOURCE, names=[name], state="cleared"))


def test_ids_of_user_namespaces_that_others_share_are_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "codex-a:100000:10\n1005:200000:2\nother:100005:100\nbad line\ncodex-a:x:5\ncodex-a:300000:9999999\n"
    monkeypatch.setattr(files, "read_text", lambda path: text)
    assert user_ids("codex-a", 1005) == {1005, *range(100000, 100005), 200000, 200001}


def test_shared_memory_by_its_owner_or_maker() -> None:
    table = "key shmid perms uid gid cuid cgid\n0 5 600 1005 1005 1005 1005\n0 6 600 0 0 1005 0\n0 7 600 0 0 0 0\n"
    assert ipc_of(frozenset({1005}), table) == [5, 6] and ipc_of(frozenset({1005}), "") == []


class FakeHost:
    """Answers each command, and writes down which were run."""

    def __init__(self, rc: int = 0) -> None:
        self.argvs: list[list[str]] = []
        self.rc = rc

    def run(self, argv: list[str], **_options: Any) -> Completed:
        self.argvs.append(argv)
        return Completed(self.rc, "", "no such user")

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        pass


def test_a_user_that_cannot_be_locked_is_an_error() -> None:
    host: Any = FakeHost()
    lock_account("codex-a", host)
    assert host.argvs == [["usermod", "--lock", "--expiredate", "1", "codex-a"]]
    failing: Any = FakeHost(6)
    with pytest.raises(OptioError, match="user codex-a cannot be locked: no such user"):
        lock_account("codex-a", failing)


def test_processes_that_survive_are_named_and_no_file_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    monkeypatch.setattr(user_account, "end_processes", lambda uid, ids, host: [os.getpid()])
    monkeypatch.setattr(user_account, "sweep", lambda *_arguments, **_keywords: swept.append(1))
    monkeypatch.setattr(user_account, "remove_named", lambda name, traces: None)
    host: Any = FakeHost()
    with pytest.raises(OptioError, match=rf"processes of user codex-a survived SIGKILL: {os.getpid()} "):
        clear_account(account(), host)
    assert swept == []
    with pytest.raises(OptioError, match="is root"):
        clear_account(account(uid=0), host)


def test_logins_that_exist_nowhere_else(tmp_path: Path) -> None:
    """Of sessions that were removed without purge; no link is followed, and no pipe hangs."""
    root = tmp_path / "home/.local/share/optio-codex"
    texts = {
        "copied": text_of(chatgpt()),
        "renewed": text_of(chatgpt(token="two")),
        "damaged": '{"tokens": {"refresh_token": "s3c',
        "key": '{"OPENAI_API_KEY": "sk-x"}',
        "none": None,
    }
    for name, text in texts.items():
        (root / name / "home/.codex").mkdir(parents=True)
        (root / name / "login").write_text(mark_text(login_digest(chatgpt()["tokens"]["refresh_token"])))
        if text:
            (root / name / "home/.codex/auth.json").write_text(text)
    (root / "link").symlink_to(root / "renewed")
    (root / "pipe/home/.codex").mkdir(parents=True)
    os.mkfifo(root / "pipe/home/.codex/auth.json")
    (root / "file").write_text("x")
    home = str(tmp_path / "home")
    expected = {f"{root}/{name}/home/.codex/auth.json" for name in ("renewed", "damaged")}
    assert set(only_copies(home, None)) == set(only_copies(home, "~/.local/share/optio-codex/")) == expected
    assert only_copies(home, "/elsewhere") == () and only_copies(str(tmp_path / "gone"), None) == ()
    (tmp_path / "linked").symlink_to(home)
    assert only_copies(str(tmp_path / "linked"), None) == ()
