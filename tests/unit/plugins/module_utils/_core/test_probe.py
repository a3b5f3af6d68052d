# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe: its script under every shell, its parser, and another user's view."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import BEGIN, END, Section, compose, parse
from ansible_collections.optio.codex.tests.unit.support import shells

BODY = r"""
emit quoted "$value"; emit locale "$LC_ALL"
emit broken "first${NL}second"
section thing
expand '~/x'; emit home_path "$REPLY"
expand '~'; emit home "$REPLY"
expand '~daemon/x'; emit foreign "$REPLY"
cat
echo 'never on the answer' >&2
printf 'text+%s\n' 'a line' '' '  indented'
"""
VALUE = """it's "quoted" $HOME `id` \\ *"""


def answer(*lines: str) -> str:
    return "".join(f"{line}\n" for line in (BEGIN, *lines, END))


@pytest.mark.parametrize("name", shells.SHELLS)
@pytest.mark.parametrize("as_argument", [False, True], ids=["stdin", "argument"])
def test_the_script_runs_under_every_shell(name: str, as_argument: bool) -> None:
    script = compose(BODY.replace('emit broken "first${NL}second"\n', ""), {"value": VALUE})
    environment = {"HOME": "/home/worker", "PATH": os.environ["PATH"], "LC_ALL": "de_DE.UTF-8"}
    worker, thing = parse(shells.run(name, script, as_argument=as_argument, environment=environment))
    assert worker.fields == {"quoted": VALUE, "locale": "C"}
    assert thing.kind == "thing"
    assert thing.fields == {"home_path": "/home/worker/x", "home": "/home/worker", "foreign": "~daemon/x"}
    assert thing.text("text") == "a line\n\n  indented\n"


@pytest.mark.parametrize("name", shells.SHELLS)
def test_a_value_with_a_line_break_is_unknown(name: str) -> None:
    with pytest.raises(ProbeError, match="broken has a line break"):
        parse(shells.run(name, compose(BODY, {"value": ""})))


@pytest.mark.parametrize("user", [None, "nobody"])
def test_the_frame_of_the_script_passes_shellcheck(user: str | None) -> None:
    shells.shellcheck(compose('emit a "$value"; section b', {"value": VALUE}, user))


@pytest.mark.parametrize(
    "output",
    [
        answer("a=1").replace("\n", "\r\n"),
        "Welcome to the worker\n*** no trespassing ***\n" + answer("a=1"),
        "no line end before " + answer("a=1"),
        answer("a=1") + "Connection to worker closed.\n",
        answer("a=0", "a=1"),
    ],
    ids=["CRLF", "banner", "prompt", "tail", "last wins"],
)
def test_noise_around_the_answer_is_ignored(output: str) -> None:
    assert parse(output) == [Section("worker", {"a": "1"})]


def test_marks_inside_values_and_texts_are_data() -> None:
    section = parse(answer(f"a={END}", f"b={BEGIN}", f"t+{BEGIN}", f"t+{END}", "c=1"))[0]
    assert section.fields == {"a": END, "b": BEGIN, "c": "1"}
    assert section.text("t") == f"{BEGIN}\n{END}\n"


def test_control_characters_do_not_split_lines() -> None:
    assert parse(answer("t+a\x0bb\x0cc\x1cd\x85e\u2028f"))[0].text("t") == "a\x0bb\x0cc\x1cd\x85e\u2028f\n"


@pytest.mark.parametrize(
    "output",
    [
        "",
        "\n",
        "a=1\n",
        f"{BEGIN}\n",
        f"{BEGIN}\na=1\n",
        f"{BEGIN}\na=1\n{END}",
        f"a=1\n{END}\n",
        answer("a=1", BEGIN, "b=2"),
        answer("a=1", "sh: 1: stat: not found"),
        answer(""),
        answer("A=1"),
        answer("odd=name"),
        answer("@Thing"),
    ],
)
def test_anything_but_one_whole_answer_is_unknown(output: str) -> None:
    with pytest.raises(ProbeError):
        parse(output)


def test_an_empty_answer_is_the_worker_alone() -> None:
    assert parse(answer()) == [Section("worker")]


def test_values_by_type() -> None:
    section = Section("worker", {"n": "12", "bad": "1x", "yes": "1", "no": "0", "empty": ""})
    assert section.number("n") == 12
    assert section.number("empty") is None
    assert section.number("none") is None
    assert (section.flag("yes"), section.flag("no"), section.flag("none")) == (True, False, False)
    assert section.text("none") is None
    assert section.get("none") == ""
    with pytest.raises(ProbeError, match=r"worker\.bad is '1x'"):
        section.number("bad")


# ---- another user's view ------------------------------------------------------------------------------------------

IDENTITY = 'emit user "$(id -un)"; emit groups "$(id -G)"; emit home "$HOME"; emit stray "${STRAY:-}"; emit value "$value"'


def without_program(directory: Path, hidden: str) -> str:
    """Return a PATH on which every needed program is but ``hidden``."""
    for program in ("sh", "id", "getent", "cut", "env", "su", "setpriv"):
        if program != hidden:
            (directory / program).symlink_to(shutil.which(program) or program)
    return str(directory)


@pytest.mark.parametrize("name", shells.SHELLS)
@pytest.mark.parametrize("as_argument", [False, True], ids=["stdin", "argument"])
@pytest.mark.parametrize("way", ["setpriv", "su", "a setpriv without the options"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees with another user's eyes")
def test_root_looks_as_another_user(open_path: Path, name: str, as_argument: bool, way: str) -> None:
    path = os.environ["PATH"]
    if way != "setpriv":
        path = without_program(open_path, "setpriv")
    if way == "a setpriv without the options":
        (open_path / "setpriv").write_text("#!/bin/sh\necho 'setpriv: unrecognized option: reuid' >&2\nexit 1\n")
        (open_path / "setpriv").chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    script = compose(IDENTITY, {"value": VALUE}, "nobody")
    environment = {"PATH": path, "HOME": "/root", "STRAY": "root's own"}
    output = shells.run(name, script, as_argument=as_argument, environment=environment)
    assert output.count(BEGIN) == 1
    fields = parse(output)[0].fields
    groups = shells.run("dash", "id -G nobody").strip()
    assert fields == {"user": "nobody", "groups": groups, "home": nobody.pw_dir, "stray": "", "value": VALUE}


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_same_user_keeps_the_environment(name: str) -> None:
    script = compose(IDENTITY, {"value": VALUE}, pwd.getpwuid(os.geteuid()).pw_name)
    environment = {"PATH": os.environ["PATH"], "HOME": "/elsewhere", "STRAY": "kept"}
    fields = parse(shells.run(name, script, environment=environment))[0].fields
    assert (fields["home"], fields["stray"], fields["value"]) == ("/elsewhere", "kept", VALUE)


@pytest.mark.parametrize("name", shells.SHELLS)
def test_a_missing_user_is_reported(name: str) -> None:
    answered = parse(shells.run(name, compose(IDENTITY, {}, "no-such-user")))
    assert answered == [Section("worker", {"user_missing": "1", "requested_user": "no-such-user"})]


@pytest.mark.parametrize("name", shells.SHELLS)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the user who is refused")
def test_a_user_who_is_not_root_is_refused(name: str) -> None:
    prefix = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"]
    answered = parse(shells.run(name, compose(IDENTITY, {}, "daemon"), prefix=prefix))
    assert answered == [Section("worker", {"user_refused": "1", "requested_user": "daemon"})]
