# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of codex, and the launcher with a shell script in the place of codex."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.paths import TAG_VARIABLE
from ansible_collections.optio.codex.plugins.module_utils._launch.launcher import codex_arguments, launcher_script
from ansible_collections.optio.codex.plugins.module_utils._launch.permissions import SandboxAccess, sandbox_arguments
from ansible_collections.optio.codex.plugins.module_utils._session.codex_options import CodexOptions
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import (
    environment_file,
)
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PACKAGE, PROJECT, SessionPaths
from ansible_collections.optio.codex.tests.unit.support import shells, toml_reader
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT

W = LAYOUT.workdir
TRUST = f'projects={{"{W}" = {{trust_level = "trusted"}}}}'
AGENT = LAYOUT.agent
#: the home of codex's commands, and what they do not get
HOME = [
    *("-c", f'shell_environment_policy.set.HOME="{AGENT}"'),
    *("-c", f'shell_environment_policy.set.XDG_CONFIG_HOME="{AGENT}/.config"'),
    *("-c", f'shell_environment_policy.set.XDG_DATA_HOME="{AGENT}/.local/share"'),
    *("-c", f'shell_environment_policy.set.XDG_CACHE_HOME="{AGENT}/.cache"'),
    *("-c", 'shell_environment_policy.exclude=["CODEX_HOME"]'),
]
SANDBOX = ["--ask-for-approval", "never", *sandbox_arguments(CodexOptions(), LAYOUT, SandboxAccess())]
BASE = [*SANDBOX, *HOME]
ON_REQUEST = sandbox_arguments(CodexOptions(approval_policy="on-request"), LAYOUT, SandboxAccess())
DEADLINE = 10  # seconds


@pytest.mark.parametrize(
    ("changes", "arguments"),
    [
        ({"trust": "trusted"}, [*BASE, "-c", TRUST]),
        # not decided
        ({}, BASE),
        ({"trust": None}, BASE),
        ({"trust": None, "prompt": "-v"}, [*BASE, "--", "-v"]),
        ({"trust": None, "prompt": ""}, BASE),
        ({"trust": None, "model": "m"}, [*BASE, "--model", "m"]),
        ({"trust": None, "approval_policy": "on-request"}, ["--ask-for-approval", "on-request", *ON_REQUEST, *HOME]),
        ({"trust": None, "sandbox": "danger-full-access"}, [*SANDBOX[:2], "--sandbox", "danger-full-access", *HOME]),
        (
            {"trust": None, "resume_id": "01a2", "prompt": "go on"},
            ["resume", "01a2", "-C", W, *BASE, "--", "go on"],
        ),
    ],
)
def test_codex_arguments(changes: Mapping[str, Any], arguments: list[str]) -> None:
    assert codex_arguments(replace(CodexOptions(), **changes), LAYOUT) == arguments


#: (the policy of the session's own configuration, the exclusions of the command line)
POLICIES: list[tuple[Any, list[str]]] = [
    ({}, ["CODEX_HOME"]),
    # codex reads these in its file: they may be secret
    ({"inherit": "core", "set": {"A": "secret", "HOME": "/root"}}, ["CODEX_HOME"]),
    ({"set": {"A": "secret"}, "exclude": ["AWS_*"]}, ["AWS_*", "CODEX_HOME"]),
    ({"set": ["A"], "exclude": "AWS_*"}, ["CODEX_HOME"]),
]


@pytest.mark.parametrize(("policy", "excluded"), POLICIES)
def test_the_commands_of_codex_have_a_home_of_their_own(policy: Any, excluded: list[str]) -> None:
    given = codex_arguments(CodexOptions(trust=None, shell_environment=policy), LAYOUT)
    settings = toml_reader.loads("\n".join(word for word in given if word.startswith("shell_environment_policy.")))
    assert settings == {"shell_environment_policy": {"set": LAYOUT.command_variables(), "exclude": excluded}}
    assert not any("secret" in word for word in given)


def test_settings_are_passed_as_toml() -> None:
    settings = {
        "notice.hide": True,
        "notice.model_migrations": {"gpt-5.5": "gpt-6-sol"},
        "hooks.state": {'/a "b":stop:0:0': {"enabled": False}},
    }
    arguments = codex_arguments(CodexOptions(trust=None, model="m", resume_id="01a2"), LAYOUT, settings)
    # codex 0.142.5 loses the settings in front of resume if there are others behind it
    assert (arguments[:3], arguments[-2:]) == (["resume", "01a2", "-C"], ["--model", "m"])
    texts = [arguments[number + 1] for number, flag in enumerate(arguments) if flag == "-c"]
    # the key is split at its dots, and only the value is TOML
    values = {text.partition("=")[0]: toml_reader.loads(f"value={text.partition('=')[2]}")["value"] for text in texts}
    assert {name: values[name] for name in settings} == settings


@pytest.mark.parametrize("workdir", ["/srv/w", '/srv/a "quoted" \\ path', "/srv/ä b", "/srv/it's"])
@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_trust_names_the_very_path(workdir: str, level: str) -> None:
    *_others, flag, setting = codex_arguments(CodexOptions(trust=level), replace(LAYOUT, workdir=workdir))
    assert flag == "-c"
    assert toml_reader.loads(setting) == {"projects": {workdir: {"trust_level": level}}}


# the launcher, with a shell script in codex's place


@pytest.fixture
def task(tmp_path: Path) -> SessionPaths:
    layout = SessionPaths("review", f"{tmp_path}/it's a task", f"{tmp_path}/work $dir", f"{tmp_path}/run")
    for directory in (layout.task, layout.workdir, layout.agent, os.path.dirname(layout.codex_link)):
        os.makedirs(directory, exist_ok=True)
    os.symlink(layout.home, str(layout.home_link))
    # nobody reads the last screen here
    script(tmp_path / "bin" / "sleep", f"echo \"$@\" >>'{tmp_path}/slept'")
    return layout


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def outer(layout: SessionPaths) -> dict[str, str]:
    """Return the environment of the tmux server."""
    return {"PATH": f"{os.path.dirname(layout.runtime)}/bin:{os.environ['PATH']}", "TERM": "screen"}


def prepare(
    layout: SessionPaths, codex: str, variables: Mapping[str, str] | None = None, arguments: list[str] | None = None, prompt: bool = False
) -> None:
    """Write the launcher, its environment and a codex of this text."""
    script(Path(layout.codex_link), codex)
    Path(layout.environment).write_text(environment_file(variables or {}))
    Path(layout.launcher).write_text(launcher_script(layout, arguments or [], prompt))


def start(layout: SessionPaths) -> subprocess.Popen[bytes]:
    """Start the launcher as tmux does."""
    return subprocess.Popen(["/bin/sh", layout.launcher], env=outer(layout), cwd="/", stdin=subprocess.DEVNULL)


def launch(layout: SessionPaths, codex: str, variables: Mapping[str, str] | None = None, **more: Any) -> None:
    prepare(layout, codex, variables, **more)
    assert start(layout).wait(DEADLINE) == 0


def slept(layout: SessionPaths) -> bool:
    """Return whether the launcher left the last screen standing for a moment."""
    return os.path.exists(f"{os.path.dirname(layout.runtime)}/slept")


def ended_with(layout: SessionPaths) -> int:
    # and when the agent has changed its log, if there is one
    status, ended, *_changed = Path(layout.exit_status).read_text().split()
    assert abs(int(ended) - time.time()) < DEADLINE
    assert not os.path.exists(f"{layout.task}/.exit")
    return int(status)


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_good_end(task: SessionPaths) -> None:
    launch(task, "exit 0")
    assert ended_with(task) == 0
    assert Path(task.log).read_text() == "DONE: codex exited\n"
    assert not slept(task) and not os.path.exists(task.prompt_mark)


def test_a_bad_end_is_added_to_the_log(task: SessionPaths) -> None:
    Path(task.log).write_text("STATUS: 50% half\n")
    launch(task, "exit 7")
    assert ended_with(task) == 7
    assert Path(task.log).read_text() == "STATUS: 50% half\nERROR: codex exited 7\n"
    assert slept(task)


def test_a_forged_log_does_not_change_the_exit_status(task: SessionPaths) -> None:
    launch(task, "echo DONE >>optio.log; exit 1")
    assert ended_with(task) == 1


def test_a_link_in_the_logs_place_leads_the_launcher_nowhere(task: SessionPaths) -> None:
    launch(task, "touch ../outside; ln -s ../outside optio.log")
    assert ended_with(task) == 0
    assert (Path(task.workdir).parent / "outside").read_text() == ""


def test_a_pipe_in_the_logs_place_does_not_hold_the_launcher(task: SessionPaths) -> None:
    launch(task, "mkfifo optio.log")
    assert ended_with(task) == 0


@pytest.mark.parametrize("origin", [PROJECT, PACKAGE])
def test_elsewhere_the_log_and_the_path_of_codex_are_others(task: SessionPaths, origin: str) -> None:
    os.unlink(str(task.home_link))
    layout = replace(task, origin=origin)
    os.makedirs(os.path.dirname(layout.codex_link), exist_ok=True)
    launch(layout, 'printf %s "$0" >seen')
    assert (Path(layout.workdir) / "seen").read_text() == layout.codex_link
    assert Path(layout.log).read_text() == "DONE: codex exited\n"
    assert layout.log.startswith(f"{layout.agent if origin == PROJECT else layout.workdir}/")


def test_the_mark_of_the_prompt_is_there_before_codex_is(task: SessionPaths) -> None:
    launch(task, f'cp "{task.prompt_mark}" seen', prompt=True)
    assert abs(int((Path(task.workdir) / "seen").read_text()) - time.time()) < DEADLINE
    assert ended_with(task) == 0 and not os.path.exists(f"{task.task}/.prompt")


def test_without_the_mark_of_the_prompt_codex_does_not_run(task: SessionPaths) -> None:
    os.mkdir(f"{task.task}/.prompt")
    launch(task, "touch ran", prompt=True)
    assert (ended_with(task), os.path.exists(f"{task.workdir}/ran")) == (125, False)


def test_codex_runs_in_its_workdir_by_its_own_path_with_its_arguments(task: SessionPaths) -> None:
    arguments = ["--flag", "two words", "it's", "$HOME `id` \\", "two\nlines", "--", "-x"]
    launch(task, 'pwd >seen; printf "%s|" "$0" "$@" >>seen', arguments=arguments)
    assert (Path(task.workdir) / "seen").read_text() == f"{task.workdir}\n" + "".join(f"{word}|" for word in [task.codex_path, *arguments])


def test_values_of_the_environment_arrive_byte_for_byte(task: SessionPaths) -> None:
    variables = {
        "QUOTES": 'it\'s "quoted" `id` $HOME \\n',
        "LINES": "one\ntwo\n\nfour",
        "EMPTY": "",
        "EQUALS": "a=b=c",
        "BYTES": "é 😀 \t\x01\x7f",
        "PATH": "/nowhere/special:/usr/bin:/bin",
        # names that the launcher uses itself
        "task": "/nonexistent",
        "status": "5",
        "pid": "1",
        "started": "2",
    }
    launch(task, "env -0 >seen", variables)
    seen = dict(line.partition("=")[::2] for line in (Path(task.workdir) / "seen").read_text().split("\0") if line)
    expected = {**variables, "PATH": f"{variables['PATH']}:{os.path.dirname(task.codex_link)}"}
    assert {name: seen.get(name) for name in expected} == expected
    assert ended_with(task) == 0


def test_no_value_is_in_the_launcher_or_on_a_command_line(task: SessionPaths) -> None:
    launch(task, "tr '\\0' ' ' </proc/$$/cmdline >seen; tr '\\0' ' ' </proc/$PPID/cmdline >>seen", {"KEY": "hunter2"})
    assert "hunter2" not in (Path(task.workdir) / "seen").read_text()
    assert "hunter2" not in Path(task.launcher).read_text()
    assert "hunter2" in Path(task.environment).read_text()


def test_codex_gets_its_signals_and_the_launcher_reports_them(task: SessionPaths) -> None:
    prepare(task, "echo $$ >pid; exec /bin/sleep 60")
    launcher = start(task)
    try:
        until(lambda: (Path(task.workdir) / "pid").exists() and (Path(task.workdir) / "pid").read_text() != "")
        codex = int((Path(task.workdir) / "pid").read_text())
        # as a terminal that goes away does it, and a supervisor: to both
        launcher.send_signal(signal.SIGTERM)
        launcher.send_signal(signal.SIGHUP)
        os.kill(codex, signal.SIGTERM)
        assert launcher.wait(DEADLINE) == 0
    finally:
        launcher.kill()
    assert ended_with(task) == 143
    assert Path(task.log).read_text() == "ERROR: codex exited 143\n"


def test_an_end_by_request_is_not_an_error_of_codex(task: SessionPaths) -> None:
    Path(task.stopped_mark).write_text("")
    launch(task, "exit 143")
    assert ended_with(task) == 143
    assert not os.path.exists(task.log)
    assert not slept(task)


def test_a_missing_workdir_is_reported(task: SessionPaths) -> None:
    prepare(task, "exit 0")
    os.rename(task.workdir, f"{task.workdir}.away")
    assert start(task).wait(DEADLINE) == 0
    assert ended_with(task) == 125
    assert not os.path.exists(task.workdir)


def test_a_missing_codex_is_reported(task: SessionPaths) -> None:
    prepare(task, "exit 0")
    os.unlink(task.codex_link)
    assert start(task).wait(DEADLINE) == 0
    assert ended_with(task) == 127


@pytest.mark.parametrize("record", ["terminal", "watch"])
@pytest.mark.parametrize(("shift", "tag", "ends"), [(0, "{tag}", True), (1, "{tag}", False), (0, "/other:", False)])
def test_a_terminal_goes_with_codex_but_no_process_that_only_has_its_number(
    task: SessionPaths, record: str, shift: int, tag: str, ends: bool
) -> None:
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], TAG_VARIABLE: tag.format(tag=task.tag)}) as terminal:
        try:
            started = int(Path(f"/proc/{terminal.pid}/stat").read_text().rpartition(")")[2].split()[19])
            Path(task.task, record).write_text(f"{terminal.pid} {started + shift} 0\n")
            launch(task, "exit 0")
            if ends:
                assert terminal.wait(DEADLINE) == -signal.SIGTERM
            else:
                assert terminal.poll() is None
        finally:
            terminal.kill()


def test_the_launcher_by_shellcheck() -> None:
    script = launcher_script(LAYOUT, codex_arguments(CodexOptions(prompt="it's $HOME", model="m"), LAYOUT), gives_prompt=True)
    # the environment file is made at the launch
    shells.shellcheck(script, "SC1091", "SC1090")


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_launcher_under_every_shell(task: SessionPaths, name: str) -> None:
    prepare(task, "exit 7", {"IT": "is\n'it'"})
    shells.run(name, Path(task.launcher).read_text(), as_argument=True, environment=outer(task))
    assert ended_with(task) == 7
    assert Path(task.log).read_text() == "ERROR: codex exited 7\n"
