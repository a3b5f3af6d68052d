# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port to the worker, on this machine."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import host as host_module
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost, ModuleHost

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as another user")
IDENTITY = ["/bin/sh", "-c", 'id -u; id -ru; id -g; id -rg; id -G; echo "$HOME $USER $XDG_DATA_HOME"']


def until(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_command_runs_to_its_end(tmp_path: Path) -> None:
    done = LocalHost().run(
        ["/bin/sh", "-c", 'cat; pwd; echo "$A-$HOME"; echo bad >&2; exit 3'],
        stdin="grün\udcff\n",
        environment={"A": "1"},
        cwd=str(tmp_path),
    )
    assert done == Completed(3, f"grün\udcff\n{tmp_path}\n1-\n", "bad\n")


def test_without_input_a_command_reads_nothing_and_speaks_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    reader, writer = os.pipe()
    os.write(writer, b"for the module alone\n")
    os.close(writer)
    own = os.dup(0)
    os.dup2(reader, 0)
    try:
        done = LocalHost().run(["/bin/sh", "-c", 'cat; pwd; echo "$LC_ALL"'])
    finally:
        os.dup2(own, 0)
        os.close(own)
        os.close(reader)
    assert done.stdout == "/\nC\n"


@pytest.mark.parametrize(
    ("argv", "rc", "message"),
    [
        (["no-such-program"], 127, "no-such-program: not found"),
        (["/etc/passwd"], 126, "/etc/passwd: permission denied"),
        (["sleep", "60"], 124, "no answer within 0.2 s"),
    ],
)
def test_commands_that_cannot_run_are_results(argv: list[str], rc: int, message: str) -> None:
    done = LocalHost().run(argv, timeout=0.2)
    assert (done.rc, done.stdout, done.message) == (rc, "", message)


def test_a_signal_is_a_negative_status() -> None:
    assert LocalHost().run(["/bin/sh", "-c", "kill -9 $$"]).rc == -signal.SIGKILL


@pytest.mark.parametrize(
    ("stdout", "stderr", "message"),
    [("out\n\n", "one\n two \n\n", "two"), ("first\nlast\n", "\n", "last"), ("", "", "exit status 7")],
)
def test_the_message_of_a_command(stdout: str, stderr: str, message: str) -> None:
    assert Completed(7, stdout, stderr).message == message


def test_a_probe_of_any_length_answers() -> None:
    script = f"# {'x' * 300_000}\nprintf '%s\\n' 'grün'; echo noise >&2\n"
    assert LocalHost().probe(script) == "grün\n"


def test_a_probe_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "PROBE_TIMEOUT", 0.2)
    with pytest.raises(OptioError, match=r"did not answer the probe within 0.2 s"):
        LocalHost().probe("exec sleep 60")


def test_a_spawned_process_is_detached(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "import os, sys; print(os.getsid(0) == os.getpid(), os.environ, flush=True); sys.stderr.write(os.getcwd())"
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    pid = LocalHost().spawn(
        [sys.executable, "-c", f"{program}; sys.stderr.flush(); sys.stdin.read(); import time; time.sleep(60)"],
        environment={"ONLY": "this"},
        cwd=str(tmp_path),
        log=str(log),
    )
    try:
        until(lambda: log.exists() and str(tmp_path) in log.read_text())
        said = log.read_text()
        links = {os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
    assert said.startswith("True environ({")
    assert "'ONLY': 'this'" in said
    assert "PATH" not in said
    assert links == {os.devnull, str(log)}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OptioError, match="log: too many levels of symbolic links"):
        LocalHost().spawn(["true"], environment={}, cwd="/", log=str(tmp_path / "log"))
    assert not (tmp_path / "elsewhere").exists()


@as_root
def test_root_acts_as_another_user_and_comes_back(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/root/data")
    host = LocalHost()
    before = (os.geteuid(), os.getegid(), os.getgroups())
    open_path.chmod(0o777)
    with pytest.raises(ZeroDivisionError), host.acting_as("nobody"):
        (open_path / "file").touch()
        group = str(NOBODY.pw_gid)
        expected = [str(NOBODY.pw_uid)] * 2 + [group] * 3 + [f"{NOBODY.pw_dir} nobody"]
        assert [line.strip() for line in host.run(IDENTITY).stdout.splitlines()] == expected
        assert host.is_root()
        with host.acting_as("nobody"):
            assert os.geteuid() == NOBODY.pw_uid
        assert os.geteuid() == NOBODY.pw_uid
        raise ZeroDivisionError
    assert (open_path / "file").stat().st_uid == NOBODY.pw_uid
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


@as_root
def test_a_privileged_command_is_all_root_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    host = LocalHost()
    own = host.run(IDENTITY).stdout.splitlines()[:5]
    with host.acting_as("nobody"):
        assert host.run(IDENTITY, privileged=True).stdout.splitlines()[:5] == own
        assert (os.geteuid(), os.getegid()) == (NOBODY.pw_uid, NOBODY.pw_gid)
        assert os.getgroups() == os.getgrouplist("nobody", NOBODY.pw_gid)


@as_root
def test_a_process_of_another_user_cannot_come_back(tmp_path: Path) -> None:
    host = LocalHost()
    code = "import os\ntry:\n os.setuid(0)\nexcept PermissionError:\n print('refused')"
    with host.acting_as("nobody"):
        assert host.run(["/usr/bin/env", "python3", "-c", code]).stdout == "refused\n"


def test_a_user_who_is_missing_is_an_error() -> None:
    with pytest.raises(OptioError, match="user no-such-user does not exist"), LocalHost().acting_as("no-such-user"):
        pass


def test_only_root_acts_as_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OptioError, match="Set become: true"), LocalHost().acting_as("nobody"):
        pass


def test_one_s_own_name_or_none_changes_nothing() -> None:
    own = pwd.getpwuid(os.geteuid()).pw_name
    for user in (None, "", own):
        with LocalHost().acting_as(user):
            assert os.geteuid() == pwd.getpwnam(own).pw_uid


def test_a_module_s_warning_reaches_its_result() -> None:
    class Module:
        warned: list[str] = []  # noqa: RUF012

        def warn(self, text: str) -> None:
            self.warned.append(text)

    ModuleHost(Module()).warn("mind it")
    assert Module.warned == ["mind it"]
