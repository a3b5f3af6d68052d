# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trust entry: every spelling, every byte around it, and the refusals."""

from __future__ import annotations

import importlib
import os
import pwd
import random
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import trust_entry as trust
from ansible_collections.optio.codex.plugins.module_utils._codex.trust_entry import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._codex.trust_toml import (
    level_of,
    line_of,
    loads,
    with_level,
    without_level,
)
from ansible_collections.optio.codex.plugins.module_utils._core import toml as core_toml
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._core.toml import toml_string
from ansible_collections.optio.codex.plugins.modules import trust as trust_module

DIRECTORY = "/srv/work"
ENTRY = '[projects."/srv/work"]\ntrust_level = "trusted"\n'
LOOKALIKE = '# [projects."/srv/work"]\n# trust_level = "trusted"\nt = """\n' + ENTRY + '"""\n'

#: (name, configuration in which /srv/work is trusted, the same with it untrusted, the same without its level)
SPELLINGS = [
    ("table", ENTRY, '[projects."/srv/work"]\ntrust_level = "untrusted"\n', ""),
    (
        "literal quotes",
        "[projects.'/srv/work']\ntrust_level = 'trusted'\n",
        "[projects.'/srv/work']\ntrust_level = 'untrusted'\n",
        "",
    ),
    (
        "spaces, comments and an escape",
        'a = 1\n\n[ projects . "/srv\\u002Fwork" ] # mine\n# why\n\ttrust_level="trusted" # yes\n\n[b]\nc = 2\n',
        'a = 1\n\n[ projects . "/srv\\u002Fwork" ] # mine\n# why\n\ttrust_level="untrusted" # yes\n\n[b]\nc = 2\n',
        "a = 1\n\n# why\n\n[b]\nc = 2\n",
    ),
    (
        "dotted key",
        'projects."/srv/work".trust_level = "trusted"\nmodel = "x"\n',
        'projects."/srv/work".trust_level = "untrusted"\nmodel = "x"\n',
        'model = "x"\n',
    ),
    (
        "dotted key in the table of all",
        '[projects]\n"/srv/work".trust_level = "trusted"\n"/a".trust_level = "trusted"\n',
        '[projects]\n"/srv/work".trust_level = "untrusted"\n"/a".trust_level = "trusted"\n',
        '[projects]\n"/a".trust_level = "trusted"\n',
    ),
    (
        "inline table",
        '[projects]\n"/a" = { trust_level = "trusted" }\n"/srv/work" = { trust_level = "trusted" }\n',
        '[projects]\n"/a" = { trust_level = "trusted" }\n"/srv/work" = { trust_level = "untrusted" }\n',
        '[projects]\n"/a" = { trust_level = "trusted" }\n',
    ),
    (
        "inline table of all",
        'projects = {"/a"={trust_level="trusted"}, "/srv/work"={trust_level="trusted"}}\nb = 1\n',
        'projects = {"/a"={trust_level="trusted"}, "/srv/work"={trust_level="untrusted"}}\nb = 1\n',
        'projects = {"/a"={trust_level="trusted"}, "/srv/work"={}}\nb = 1\n',
    ),
    (
        "multi-line string as the value",
        '[projects."/srv/work"]\ntrust_level = """trusted"""\n',
        '[projects."/srv/work"]\ntrust_level = """untrusted"""\n',
        "",
    ),
    (
        "a comment and a text that look like it",
        LOOKALIKE + ENTRY,
        LOOKALIKE + ENTRY.replace('"trusted"', '"untrusted"'),
        LOOKALIKE,
    ),
    (
        "another key beside it",
        '[projects."/srv/work"]\nnote = "n"\ntrust_level = "trusted"\n',
        '[projects."/srv/work"]\nnote = "n"\ntrust_level = "untrusted"\n',
        '[projects."/srv/work"]\nnote = "n"\n',
    ),
    (
        "CRLF and a byte order mark",
        '\ufeff[projects."/srv/work"]\r\ntrust_level = "trusted"\r\n\r\n[b]\r\nc = nan\r\n',
        '\ufeff[projects."/srv/work"]\r\ntrust_level = "untrusted"\r\n\r\n[b]\r\nc = nan\r\n',
        "\ufeff\r\n[b]\r\nc = nan\r\n",
    ),
    (
        "no line end at the end",
        '[projects."/srv/work"]\ntrust_level = "trusted"',
        '[projects."/srv/work"]\ntrust_level = "untrusted"',
        "",
    ),
]


@pytest.mark.parametrize(("trusted", "untrusted", "without"), [one[1:] for one in SPELLINGS], ids=[s[0] for s in SPELLINGS])
def test_every_spelling_is_recognized_and_edited_in_place(trusted: str, untrusted: str, without: str) -> None:
    assert level_of(loads(trusted), DIRECTORY) == "trusted"
    assert with_level(trusted, DIRECTORY, "untrusted") == untrusted
    assert with_level(untrusted, DIRECTORY, "trusted") == trusted
    assert without_level(trusted, DIRECTORY) == without
    assert level_of(loads(without), DIRECTORY) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ENTRY),
        ("a = 1", "a = 1\n\n" + ENTRY),
        ("a = 1\r\n", 'a = 1\r\n\r\n[projects."/srv/work"]\r\ntrust_level = "trusted"\r\n'),
        ("# " + ENTRY.replace("\n", "\n# "), "# " + ENTRY.replace("\n", "\n# ") + "\n\n" + ENTRY),
        ('[projects."/srv"]\n', '[projects."/srv"]\n\n' + ENTRY),
        ('projects."/a".trust_level = "trusted"\n', 'projects."/a".trust_level = "trusted"\n\n' + ENTRY),
        ("projects = {}\n", 'projects = { "/srv/work" = { trust_level = "trusted" } }\n'),
        (
            'x = {}\nprojects = {"/a"={}}\n',
            'x = {}\nprojects = { "/srv/work" = { trust_level = "trusted" }, "/a"={}}\n',
        ),
        ('[projects."/srv/work"] # empty\n[b]\n', '[projects."/srv/work"] # empty\ntrust_level = "trusted"\n[b]\n'),
        ('[projects]\n"/srv/work" = {}\n', '[projects]\n"/srv/work" = { trust_level = "trusted" }\n'),
        ('[projects]\n"/srv/work" = { n = 1 }\n', '[projects]\n"/srv/work" = { trust_level = "trusted", n = 1 }\n'),
    ],
)
def test_a_missing_entry_is_added(before: str, after: str) -> None:
    assert with_level(before, DIRECTORY, "trusted") == after


#: an edit that only a person should make, and the line it is on
UNEDITABLE = [
    ('a = 1\n[projects."/srv/work"]\ntrust_level = "trust\\u0065d"\n', 3),
    ('b = [\n  1,\n]\nprojects = { "/srv/work" = { "trust\\u005flevel" = "trust\\u0065d" } }\n', 4),
]


@pytest.mark.parametrize(("text", "line"), UNEDITABLE)
def test_what_cannot_be_edited_safely_is_left_with_the_line(text: str, line: int, tmp_path: Path) -> None:
    assert with_level(text, DIRECTORY, "untrusted") is None
    assert without_level(text, DIRECTORY) is None
    assert line_of(text, DIRECTORY) == line
    work = tmp_path / "work"
    work.mkdir()
    config = tmp_path / "config.toml"
    config.write_text(text.replace(DIRECTORY, str(work)))
    for options, message in (
        ({"trust_level": "untrusted"}, f'Set trust_level = "untrusted" in line {line}'),
        ({"state": "absent"}, f"Remove trust_level from line {line}"),
    ):
        for check_mode in (True, False):
            with pytest.raises(OptioError, match=message):
                run(work, config, check_mode=check_mode, **options)
    assert config.read_text() == text.replace(DIRECTORY, str(work))


def generated_paths(count: int) -> list[str]:
    alphabet = [
        "/",
        " ",
        '"',
        "'",
        "\\",
        ".",
        "#",
        "[",
        "]",
        "=",
        "{",
        "}",
        ",",
        "\t",
        "\n",
        "\r",
        "\x01",
        "\x7f",
        "\u2028",
    ]
    alphabet += [
        "\u0085",
        "ä",
        "日",
        "🙂",
        "a",
        "b",
        "trusted",
        '"trusted"',
        "\\u0041",
        '"""',
        "'''",
        "\\",
        "%",
        "$HOME",
    ]
    generator = random.Random(20261122)
    return ["/" + "".join(generator.choices(alphabet, k=generator.randint(1, 12))).strip("/") for _number in range(count)]


SURROUNDINGS = [
    "",
    "# c\nmodel = 'm'\n",
    '[x]\r\ny = """\r\n[projects."/a"]\r\n"""\r\n',
    '[projects."/q"]\ntrust_level = "trusted"\n',
]


@pytest.mark.parametrize("path", generated_paths(300), ids=repr)
def test_any_path_goes_in_changes_and_comes_out_again(path: str) -> None:
    assert loads(f"x = {toml_string(path)}") == {"x": path}
    for before in SURROUNDINGS:
        added = with_level(before, path, "trusted")
        assert added is not None
        assert added.startswith(before)
        assert level_of(loads(added), path) == "trusted"
        changed = with_level(added, path, "untrusted")
        assert changed is not None
        assert level_of(loads(changed), path) == "untrusted"
        assert with_level(changed, path, "trusted") == added
        assert without_level(added, path) == before


def test_entries_of_other_directories_stay_apart() -> None:
    paths = sorted(set(generated_paths(60)))
    text: str | None = ""
    for path in paths:
        text = with_level(text or "", path, "trusted")
    assert text is not None
    changed = with_level(text, paths[30], "untrusted")
    assert changed is not None
    levels = {path: level_of(loads(changed), path) for path in paths}
    assert levels == {path: "untrusted" if path == paths[30] else "trusted" for path in paths}


# ---- the subject on real files ------------------------------------------------------------------------------------


def run(path: Path | str, config: Path | str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {"trust_level": "trusted", "state": "present", "user": None, **options}
    return converge(RESOURCE, {"path": str(path), "config_file": str(config), **params}, LocalHost(), check_mode, True)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "a work"
    directory.mkdir()
    return directory


def test_created_then_right_then_absent(work: Path, tmp_path: Path) -> None:
    config = tmp_path / "home" / ".codex" / "config.toml"
    check_mode_result = run(work, config, check_mode=True)
    assert not config.parent.exists()
    done = run(work, config)
    assert done == check_mode_result
    assert done["actions"] == [{"kind": "create", "target": str(config)}]
    assert done["diff"]["after"] == f'{config}: projects."{work}".trust_level = "trusted"\n'
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert run(work, config) == {
        "changed": False,
        "actions": [],
        "path": str(work),
        "config_file": str(config),
        "trust_level": "trusted",
    }
    gone = run(work, config, state="absent")
    assert (gone["changed"], gone["trust_level"]) == (True, None)
    assert config.read_bytes() == b""
    assert not run(work, config, state="absent")["changed"]


def test_the_real_path_is_the_key(work: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    link = tmp_path / "link"
    link.symlink_to(work)
    assert run(f"{link}/", config)["path"] == str(work)
    assert not run(work, config)["changed"]


def test_links_mode_and_odd_bytes_are_kept(work: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "codex.toml"
    real.parent.mkdir()
    before = "# ünï\r\nmodel = 'm' # the model\r\n".encode()
    real.write_bytes(before)
    real.chmod(0o640)
    config = tmp_path / "config.toml"
    config.symlink_to(real)
    assert run(work, config)["config_file"] == str(real)
    assert config.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes().startswith(before)
    run(work, config, state="absent")
    assert real.read_bytes() == before
    assert os.listdir(real.parent) == ["codex.toml"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"= nonsense\n", "line 1"),
        (b'[projects."/a"]\n[projects."/a"]\n', "twice"),
        (b"a = '\xff'\n", "not UTF-8"),
        (b"projects = 3\n", "projects is not a table"),
        (b"x = " + b"[" * 5000 + b"]" * 5000 + b"\n", "codex"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_invalid_configuration_is_refused_and_kept(work: Path, tmp_path: Path, content: bytes, cause: str, state: str) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(content)
    with pytest.raises(OptioError, match=cause) as raised:
        run(work, config, state=state)
    assert raised.value.subject == str(config)
    assert config.read_bytes() == content


def test_a_missing_directory_is_an_error_and_in_check_mode_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "new" / "config.toml"
    with pytest.raises(OptioError, match="Create it before trusting it"):
        run(tmp_path / "none", config)
    assert not config.parent.exists()
    check_mode_result = run(tmp_path / "none", config, check_mode=True)
    assert check_mode_result["changed"]
    assert "Create it before trusting it" in check_mode_result["warnings"][0]
    assert not run(tmp_path / "none", config, state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "~daemon/x"}, "is in another user's home"),
        ({"path": "relative"}, "is relative"),
        ({"path": ""}, "is empty"),
        ({"path": "/a\nb"}, "control character"),
        ({"config": "~daemon/x"}, "is in another user's home"),
    ],
)
def test_bad_options_are_refused(work: Path, tmp_path: Path, options: dict[str, str], message: str) -> None:
    chosen = {"path": str(work), "config": str(tmp_path / "config.toml"), **options}
    with pytest.raises(OptioError, match=message):
        run(**chosen)  # type: ignore[arg-type]


def test_a_directory_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(odd)
    with pytest.raises(OptioError, match="is not valid UTF-8"):
        run(os.fsdecode(odd), tmp_path / "config.toml")


def test_a_directory_as_the_configuration_is_refused(work: Path) -> None:
    with pytest.raises(OptioError, match="is a directory"):
        run(work, work)


def test_tilde_is_the_home_of_the_worker_user(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("~/a work", trust.DEFAULT_CONFIG)["config_file"] == f"{tmp_path}/.codex/config.toml"


def test_runs_side_by_side_lose_no_entry(tmp_path: Path) -> None:
    config = tmp_path / "new" / "config.toml"
    directories = [tmp_path / f"w{number}" for number in range(12)]
    failures: list[BaseException] = []

    def one(directory: Path) -> None:
        try:
            run(directory, config)
        except BaseException as error:
            failures.append(error)

    for directory in directories:
        directory.mkdir()
    threads = [threading.Thread(target=one, args=(directory,)) for directory in directories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(loads(config.read_text())["projects"]) == sorted(map(str, directories))


def test_a_lock_that_stays_taken_is_an_error(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "TIMEOUT", 0.1)
    host = LocalHost()
    with trust._locked(str(tmp_path), None, host), pytest.raises(OptioError, match="another run has held the lock"):
        run(work, tmp_path / "config.toml")
    assert run(work, tmp_path / "config.toml")["changed"]


def test_a_failed_write_leaves_nothing(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OptioError, match="Free space"):
        run(work, tmp_path / "new" / "deep" / "config.toml")
    assert sorted(os.listdir(tmp_path)) == ["a work"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as another user")
def test_root_acts_as_the_user_and_otherwise_keeps_the_owner(open_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home, work = open_path / "home", open_path / "work"
    home.mkdir()
    work.mkdir()
    os.chown(home, nobody, -1)
    config = home / ".codex" / "config.toml"
    assert run(work, config, user="nobody")["changed"]
    assert config.stat().st_uid == config.parent.stat().st_uid == nobody
    assert run(work, config, trust_level="untrusted")["changed"]
    assert config.stat().st_uid == nobody
    config.chmod(0)
    os.chown(config, 0, 0)
    with pytest.raises(OptioError, match="permission denied"):
        run(work, config, user="nobody")
    with pytest.raises(OptioError, match="does not exist on the worker"):
        run(work, config, user="no-such-user")


# ---- the module's edge ---------------------------------------------------------------------------------------------


class Failed(Exception):
    """What the stand-in for AnsibleModule raises in place of ending the process."""


def test_without_a_toml_library_the_module_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        def __init__(self, **_options: Any) -> None:
            pass

        def fail_json(self, msg: str, **_more: Any) -> None:
            raise Failed(msg)

    for name in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, name, None)
    try:
        without = importlib.reload(core_toml).LIBRARY_IMPORT_ERROR
    finally:
        monkeypatch.undo()
        importlib.reload(core_toml)
    assert without is not None
    assert "tomli" in without
    assert core_toml.LIBRARY_IMPORT_ERROR is None
    monkeypatch.setattr(trust_module, "LIBRARY_IMPORT_ERROR", without)
    monkeypatch.setattr(trust_module, "AnsibleModule", Module)
    with pytest.raises(Failed, match=r"\(tomli\).*Python 3.11 and newer do it without"):
        trust_module.main()
