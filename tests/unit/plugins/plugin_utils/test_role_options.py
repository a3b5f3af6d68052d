# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the roles: what counts as unset, what text becomes, and which errors a person gets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from ansible_collections.optio.codex.plugins.plugin_utils import _role_options as role_options_module
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import (
    RESULTS,
    ROLES,
    RoleVariableError,
    known_variables,
    prefixes,
    role_options,
    role_spec,
    typed_value,
    unknown_variables,
    variable_hints,
    warning_with_hints,
)

SPEC: dict[str, dict[str, Any]] = {
    "r_text": {"type": "str"},
    "r_choice": {"type": "str", "choices": ["a", "b"]},
    "r_flag": {"type": "bool", "default": True},
    "r_count": {"type": "int"},
    "r_seconds": {"type": "float"},
    "r_words": {"type": "list", "elements": "str"},
    "r_numbers": {"type": "list", "elements": "int"},
    "r_sessions": {"type": "list", "elements": "raw"},
    "r_users": {"type": "list", "elements": "dict"},
    "r_map": {"type": "dict"},
    "r_json": {"type": "json"},
    "r_secret": {"type": "str", "no_log": True},
}
UNSET = ["", None, "  ", "\n"]


def options(**variables: Any) -> dict[str, Any]:
    """Return the options of the role ``r``, which are all right."""
    found, wrong = role_options("r", SPEC, variables.get)
    assert wrong == []
    return found


def errors(**variables: Any) -> list[str]:
    """Return what is wrong with the options of the role ``r``."""
    return role_options("r", SPEC, variables.get)[1]


@pytest.mark.parametrize("name", SPEC)
@pytest.mark.parametrize("value", UNSET)
def test_an_empty_string_is_unset_for_every_type(name: str, value: Any) -> None:
    assert options(**{name: value}) == {}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("text", "a, b", "a, b"),
        ("text", 5, "5"),
        ("text", "[a]", "[a]"),
        ("choice", "b", "b"),
        *(("flag", value, True) for value in (True, "true", "yes", "1", 1, " on ")),
        *(("flag", value, False) for value in (False, "false", "no", "0", 0)),
        *(("count", value, 12) for value in (12, "12", " 12\n")),
        ("count", 0, 0),
        ("seconds", "1.5", 1.5),
        ("words", "a,b\n c ,", ["a", "b", "c"]),
        ("words", '["a", "b,c"]', ["a", "b,c"]),
        ("words", "[a, b]", ["a", "b"]),
        ("words", ["a", "b"], ["a", "b"]),
        ("words", [], []),
        ("numbers", "1, 2", [1, 2]),
        # a word can begin with a dash
        ("words", "- , a", ["-", "a"]),
        ("sessions", "a, b", ["a", "b"]),
        ("sessions", "-a, b", ["-a", "b"]),
        ("sessions", "- name: a\n  prompt: Fix it, and test it\n- b\n", [{"name": "a", "prompt": "Fix it, and test it"}, "b"]),
        ("users", "- name: ann\n- {name: bob}", [{"name": "ann"}, {"name": "bob"}]),
        ("map", '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ("map", "a: 1\nb: x", {"a": 1, "b": "x"}),
        ("map", {"a": 1}, {"a": 1}),
        ("map", {}, {}),
        ("json", '{"a": 1}', '{"a": 1}'),
        ("json", {"a": 1}, '{"a": 1}'),
        ("secret", "pa{ss", "pa{ss"),
    ],
)
def test_values(name: str, value: Any, wanted: Any) -> None:
    assert options(**{f"r_{name}": value}) == {name: wanted}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("text", ["a"], 'r_text must be a string, got ["a"].'),
        ("choice", "c", "r_choice must be one of a, b, got 'c'."),
        ("flag", "maybe", "r_flag must be true or false, got 'maybe'."),
        ("count", "many", "r_count must be an integer, got 'many'."),
        ("count", 1.5, "r_count must be an integer, got 1.5."),
        ("seconds", "soon", "r_seconds must be a number, got 'soon'."),
        ("words", {"a": 1}, 'r_words must be a list, and each item a string, got {"a": 1}.'),
        ("words", "[a", "r_words must be a list, and each item a string, got '[a'."),
        ("numbers", "1,x", "r_numbers must be a list, and each item an integer, got '1,x'."),
        ("map", "a", "r_map must be a dictionary, got 'a'."),
        ("map", "{", "r_map must be a dictionary, got '{'."),
        ("map", [1], "r_map must be a dictionary, got [1]."),
        ("secret", ["hunter2"], "r_secret must be a string, got another value."),
        (
            "secret",
            "{{ lookup('env', 'KEY') }}",
            "r_secret is a template that was not evaluated. Set it to the secret itself, or to a lookup.",
        ),
    ],
)
def test_errors_name_the_variable_and_the_value(name: str, value: Any, sentence: str) -> None:
    assert errors(**{f"r_{name}": value}) == [sentence]


def test_all_errors_are_reported_at_once() -> None:
    assert [text.split()[0] for text in errors(r_choice="c", r_count="many", r_text="a")] == ["r_choice", "r_count"]


def test_a_long_value_is_cut() -> None:
    [sentence] = errors(r_count="x" * 5000)
    assert len(sentence) < 200


KNOWN = known_variables()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("codex_session_sandox", "codex_session_sandbox"),
        ("codex_session_nmae", "codex_session_name"),
        ("codex_worker_mirror", "codex_worker_mirror_url"),
        ("codex_gateway_servername", "codex_gateway_server_name"),
        ("codex_mirror_paltforms", "codex_mirror_platforms"),
        ("codex_sesion_name", "codex_session_name"),
        ("codx_session_name", "codex_session_name"),
        ("codex_workr_mirror_url", "codex_worker_mirror_url"),
        ("codex_host", "codex_hosts"),
        ("codex_session_xyzzy", None),
    ],
)
def test_a_misspelled_variable_is_named_with_the_nearest(name: str, nearest: str | None) -> None:
    [sentence] = unknown_variables([name, "codex_session_name"], KNOWN, prefixes())
    assert sentence.startswith(f"{name} is not a variable of this collection. Use {nearest or 'codex_'}")
    assert unknown_variables([name], KNOWN, prefixes(), exempt=[name]) == []


@pytest.mark.parametrize(
    "name",
    [
        "codex_hosts",
        "codex_user",
        "codex_session_model",
        "codex_session__state",
        "codex_nginx_host",
        "codex_session_users_found",
        "codex_team",
        "codex_workers",
        "codexes",
        "my_codex_session_sandox",
        "inventory_hostname",
    ],
)
def test_other_variables_are_left_alone(name: str) -> None:
    assert unknown_variables([name], KNOWN, prefixes()) == []


def test_variables_that_roles_set_are_known() -> None:
    """A second role in the same play sees the facts and results of the first."""
    own = tuple(prefixes())
    found: set[str] = set()
    for path in ROLES.glob("*/tasks/*.yml"):
        for task in _tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            found |= {task.get("register") or "", *(task.get("ansible.builtin.set_fact") or ())}
    set_by_roles = {name for name in found if name.startswith(own)}
    assert unknown_variables(set_by_roles, KNOWN, own) == []
    assert {name for name in RESULTS if name not in set_by_roles} == {"codex_session_current", "codex_stats"}


def test_variables_that_playbooks_read_are_known() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROLES.parent / "playbooks").glob("*.yml"))
    text = re.sub(r"^# tags .*$", "", text, flags=re.MULTILINE)
    used = {name for name in re.findall(r"\bcodex_\w+", text) if "__" not in name and not name.startswith("codex_artifacts_")}
    used -= {path.name for path in ROLES.iterdir()}
    assert unknown_variables(used, KNOWN, prefixes()) == []


def _tasks(document: Any) -> Any:
    for task in document or ():
        yield task
        for key in ("block", "rescue", "always"):
            yield from _tasks(task.get(key))


@pytest.mark.parametrize(
    ("role", "module", "result", "variables"),
    [
        ("codex_worker", "codex_release", {"object": "checksum sha256:x"}, ["checksum is the variable codex_worker_codex_checksum"]),
        ("codex_worker", "ttyd_release", {"object": "scope"}, ["scope is the variable codex_worker_scope"]),
        ("codex_worker", "worker_info", {"object": "user nix"}, ["user is the variable codex_worker_user"]),
        ("codex_session", "session", {"object": "terminal.port"}, ["terminal.port is the variable codex_session_terminal_port"]),
        ("codex_session", "session", {"object": "session a"}, []),
        (
            "codex_worker",
            "ttyd_release",
            {"object": "ttyd 1.7.7", "msg": "Replace the file, or correct checksum if you trust /set/version."},
            ["checksum is the variable codex_worker_ttyd_checksum"],
        ),
        (
            "codex_worker",
            "codex_release",
            {"object": "cache /x", "msg": "cache /x is not writable. Set become: true, or set cache_dir to another, user x."},
            ["cache_dir is the variable codex_worker_cache_dir"],
        ),
        ("codex_session", "session", {"msg": "Raise ready_timeout."}, ["ready_timeout is the variable codex_session_ready_timeout"]),
        ("codex_session", "session", {"msg": "file ready_timeout-x or a/ready_timeout or ready_timeout/b"}, []),
        ("codex_session", "session", {"object": "/srv/x"}, []),
        ("codex_session", "session", {"msg": "x"}, []),
        (
            "codex_session",
            "session",
            {"sessions": [{"failed": True, "object": "user x"}, {"object": "sandbox", "failed": False}, {"object": "user y"}, {}]},
            ["user is the variable codex_session_user"],
        ),
        ("other", "session", {"object": "user x"}, []),
    ],
)
def test_an_error_of_a_module_names_the_variable(role: str, module: str, result: dict[str, Any], variables: list[str]) -> None:
    assert variable_hints(result, module, role) == [f"In this role, the option {text}." for text in variables]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("the directory /x is on NFS. Set sessions_dir to a local one.", "sessions_dir is the variable codex_worker_sessions_dir"),
        ("codex 0.1 was not tested.", ""),
    ],
)
def test_a_warning_of_a_module_names_the_variable(text: str, hint: str) -> None:
    expected = f"{text} In this role, the option {hint}." if hint else text
    assert warning_with_hints(text, "worker_info", "codex_worker") == expected


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/meta/argument_specs.yml")), ids=lambda path: path.parent.parent.name)
def test_every_option_of_every_role_has_a_type_that_is_checked(path: Any) -> None:
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]:
        for name, option in role_spec(path.parent.parent.name, entry).items():
            assert option["type"] in role_options_module._ARTICLES, name
            assert "" not in option.get("choices", ()), name


def test_defaults_agree_with_the_specs() -> None:
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        defaults_path = path.parent.parent / "defaults" / "main.yml"
        defaults = yaml.safe_load(defaults_path.read_text(encoding="utf-8")) if defaults_path.exists() else {}
        spec = role_spec(path.parent.parent.name, "main")
        assert {name: spec[name].get("default") for name in defaults} == defaults


def test_a_template_in_the_values_of_a_dictionary_of_secrets_is_called_that() -> None:
    environment = {"PLAIN": "text", "TOKEN": "{{ lookup('env', 'TOKEN') }}"}
    for value in (environment, json.dumps(environment)):
        with pytest.raises(RoleVariableError, match=r"^codex_session_environment: TOKEN is a template that was not evaluated\."):
            typed_value("codex_session_environment", value, {"type": "dict"})
    assert typed_value("codex_session_config", environment, {"type": "dict"}) == environment
