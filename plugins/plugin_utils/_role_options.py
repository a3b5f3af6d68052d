# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a role as options: text is converted by the role's argument spec, an empty string is unset."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

ROLES = Path(__file__).resolve().parents[2] / "roles"
#: variables of the playbooks, which no role has
PLAYBOOK_VARIABLES = ("codex_hosts", "codex_mirror_hosts", "codex_serial", "codex_become", "codex_user", "codex_extra_variables")
#: results of the roles, which are set as facts
RESULTS = (
    *("codex_session_results", "codex_session_credentials", "codex_session_current"),
    *("codex_worker_info", "codex_gateway_web_group", "codex_mirror_artifacts", "codex_dispatch_results", "codex_stats"),
)
#: variables of private roles, and private variables
_PRIVATE = re.compile(r"codex_(nginx|session_users)_|codex_[a-z]+__")
#: dictionaries whose values may be secrets
_SECRET_VALUES = ("environment", "headers")
#: AWX evaluates templates only in the variables of a job template, not in those of a survey or a launch
_UNEVALUATED = "is a template that was not evaluated. Set it to the secret itself, or to a lookup."
#: types of the items of a list that can be dictionaries, so that its text can be YAML with a dash for each item
_STRUCTURED = ("dict", "raw")
#: an option in the text of an error: it follows the verb of a remedy, or has an underscore
_VERBS = "|".join(f"(?<={verb} )" for verb in ("Set", "set", "correct", "Correct", "raise", "Raise", "omit", "Omit", "remove", "check"))
_NAMED_OPTION = re.compile(rf"(?<![\w/.-])(?:{_VERBS}|(?=[a-z]+_))([a-z]+(?:[_.][a-z]+)*)(?![\w/-])")
#: how alike a name must be to count as a misspelling of another
_ALIKE = 0.85

_ARTICLES = {
    "bool": "true or false",
    "int": "an integer",
    "float": "a number",
    "list": "a list",
    "dict": "a dictionary",
    "str": "a string",
    "path": "a path",
    "json": "JSON text or a dictionary",
}

#: prefixes of the variables for options of a module, after the role's own prefix
_MODULE_PREFIXES = {
    "codex_release": "codex_",
    "ttyd_release": "ttyd_",
    "credential": "credential_",
    "credential_lease": "credential_lease_",
    "credential_fetch": "credential_save_",
    "credential_store": "credential_save_",
    "credential_info": "verify_",
    "session_message": "message_",
    "session_output": "collect_",
    "session_wait": "wait_",
}

Option = Mapping[str, Any]


class RoleVariableError(Exception):
    """Variables of a role are wrong; the text has one sentence for each."""


def role_spec(role: str, entry: str) -> dict[str, Option]:
    """Return the options of an entry point of a role by the names of the variables."""
    text = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, Option] = yaml.load(text, Loader=Loader)["argument_specs"][entry]["options"]
    return options


def known_variables() -> set[str]:
    """Return the variables of all roles and playbooks of the collection."""
    names = set(PLAYBOOK_VARIABLES) | set(RESULTS)
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        names.update(re.findall(r"^ {6}(codex_\w+):", path.read_text(encoding="utf-8"), re.MULTILINE))
    return names


def prefixes() -> list[str]:
    """Return the prefixes of the variables of the public roles."""
    return sorted(f"{path.parent.parent.name}_" for path in ROLES.glob("*/meta/argument_specs.yml"))


def unknown_variables(names: Iterable[str], known: Collection[str], own: Collection[str], exempt: Collection[str] = ()) -> list[str]:
    """Return a sentence for each variable that has a prefix of the roles, or nearly a name of one, and is not known.

    ``own`` is the prefixes of the roles, ``exempt`` the names that a site uses for itself.
    """
    sentences = []
    for name in sorted(set(names) - set(known) - set(exempt)):
        if not name.startswith("cod") or _PRIVATE.match(name):
            continue
        nearest = difflib.get_close_matches(name, known if name.count("_") > 1 else PLAYBOOK_VARIABLES, n=1, cutoff=_ALIKE)
        if not nearest and not name.startswith(tuple(own)):
            continue
        nearest = nearest or difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        sentences.append(
            f"{name} is not a variable of this collection. Use {nearest[0]}, or add {name} to codex_extra_variables if it is your own."
        )
    return sentences


def variable_hints(result: Mapping[str, Any], module: str, role: str) -> list[str]:
    """Return a sentence for each option in the errors of a failed module that is a variable of the role that ran it."""
    failed = [one for one in (result, *(result.get("sessions") or ())) if isinstance(one, Mapping) and one.get("failed", True)]
    options = [re.split(r"[^a-z_.]", str(one["object"]))[0] for one in failed if one.get("object")]
    options += [name for one in failed for name in _NAMED_OPTION.findall(str(one.get("msg") or ""))]
    return _hints(options, module, role)


def warning_with_hints(text: str, module: str, role: str) -> str:
    """Return a warning of a module with a sentence for each option in it that is a variable of the role that ran it."""
    return " ".join([text, *_hints(_NAMED_OPTION.findall(text), module, role)])


def _hints(options: Sequence[str], module: str, role: str) -> list[str]:
    known, hints = known_variables() if options else set(), {}
    for option in filter(None, options):
        names = (f"{role}_{prefix}{option.replace('.', '_')}" for prefix in (_MODULE_PREFIXES.get(module, ""), ""))
        variable = next((name for name in names if name in known), None)
        if variable:
            hints[option] = f"In this role, the option {option} is the variable {variable}."
    return list(hints.values())


def is_unset(value: Any) -> bool:
    """Return whether a variable counts as unset: AWX sends an empty string for an unanswered question."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_typed(value: Any, option: Option) -> Any:
    """Return text as the list or dictionary that it stands for; raise ValueError if it is neither."""
    kind = option.get("type", "str")
    if not isinstance(value, str):
        return value
    text = value.strip()
    if kind == "list":
        is_yaml = text.startswith("[") or (option.get("elements") in _STRUCTURED and text.startswith("- "))
        return yaml.load(text, Loader=Loader) if is_yaml else [item for item in map(str.strip, re.split(r"[,\n]", text)) if item]
    if kind == "dict":
        loaded = yaml.load(text, Loader=Loader)
        if not isinstance(loaded, dict):
            raise ValueError("not a mapping")
        return loaded
    return value if kind in ("str", "json") else text


def typed_value(name: str, value: Any, option: Option) -> Any:
    """Return a variable's value as its option wants it; raise RoleVariableError if that cannot be."""
    if option.get("no_log") and _is_template(value):
        raise RoleVariableError(f"{name} {_UNEVALUATED}")
    kind = option.get("type", "str")
    try:
        typed = as_typed(value, option)
    except (ValueError, yaml.YAMLError):
        raise RoleVariableError(_wrong(name, value, option)) from None
    if kind in ("str", "path") and isinstance(typed, (list, dict)):
        raise RoleVariableError(_wrong(name, value, option))
    spec = {key: option[key] for key in ("type", "elements", "choices", "options") if key in option}
    checked = ArgumentSpecValidator({name: spec}).validate({name: typed})
    if checked.error_messages:
        raise RoleVariableError(_wrong(name, value, option))
    result = checked.validated_parameters[name]
    if name.endswith(_SECRET_VALUES) and isinstance(result, Mapping):
        for key, inner in result.items():
            if _is_template(inner):
                raise RoleVariableError(f"{name}: {key} {_UNEVALUATED}")
    return result


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value and "}}" in value


def _wrong(name: str, value: Any, option: Option) -> str:
    choices = option.get("choices")
    wanted = f"one of {', '.join(map(str, choices))}" if choices else _ARTICLES[option.get("type", "str")]
    if option.get("type") == "list" and option.get("elements", "raw") != "raw":
        wanted = f"a list, and each item {_ARTICLES[option['elements']]}"
    shown = "another value" if option.get("no_log") else _shown(value)
    return f"{name} must be {wanted}, got {shown}."


def _shown(value: Any) -> str:
    text = repr(str(value)) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


def role_options(role: str, spec: Mapping[str, Option], value_of: Callable[[str], Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the options that are set, without the role's prefix, as their types, and a sentence for each that is wrong.

    ``value_of`` returns a variable's value, None if it is not defined.
    """
    options, wrong = {}, []
    for name, option in spec.items():
        try:
            value = value_of(name)
            if not is_unset(value):
                options[name.removeprefix(f"{role}_")] = typed_value(name, value, option)
        except RoleVariableError as error:
            wrong.append(str(error))
    return options, wrong
