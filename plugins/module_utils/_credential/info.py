# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``credential_info``: whether a model answers to a session's credential, asked by a real codex."""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .._codex.config import merged
from .._core import files
from .._core.batch import BatchResource, with_sessions
from .._core.controller_link import ControllerWatch
from .._core.errors import OptioError
from .._core.host import Host
from .._core.paths import SHELL_DIRECTORIES, validate_path
from .._core.plan import Action, Plan
from .._core.probe import Section, compose
from .._core.redaction import redacted
from .._core.resource import ArgumentSpec, Params
from .._core.toml import loads
from .._session.layout import SessionPaths
from .._session.location import PLACE_OPTIONS, Location, location_script, validate_location
from .._session.probe import parse_task, parse_worker
from .._session.probe_shell import SHELL_TASK, SHELL_WORKER
from .._session.record import codex_version
from .._session.state import Worker
from .._session.supervisor import inherited_environment
from .challenge import Challenge, ask
from .verdict import CredentialVerdict, known

#: exec would prefer them to the credential of a session
PROVIDER_KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN")
#: how often a codex that fails by itself is started, which 0.142.5 does now and then on a busy worker
ATTEMPTS = 2
SYSTEM_CONFIG = "/etc/codex/config.toml"
DEFAULT_HOME = "~/.codex"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
#: a shorter value would be masked within ordinary words
SHORTEST_SECRET = 8

_HOME_SCRIPT = """
worker_facts
codex_program
expand "$codex_home"; trim; real "$REPLY"; emit codex_home "$REPLY"
kind "$REPLY"; emit codex_home_kind "$REPLY"
"""


@dataclass(frozen=True)
class ObservedCredential:
    """Where a credential is, and the codex that asks with it."""

    worker: Worker
    codex: str
    codex_home: str
    kind: str
    #: of the session whose credential it is
    layout: SessionPaths | None = None
    status: str = "absent"


class CredentialInfoResource(BatchResource[ObservedCredential, Params]):
    """Asks the model one question; the credential stays where it is, and nothing else of the worker changes."""

    name = "credential_info"
    masked_options = ("environment",)
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            "name": {"type": "str"},
            "codex_home": {"type": "str"},
            "codex_dir": {"type": "str"},
            "environment": {"type": "dict", "default": {}},
            "timeout": {"type": "float", "default": 180.0},
        },
        mutually_exclusive=[["name", "codex_home"]],
    )
    specification = with_sessions(one)

    def validate(self, params: Params) -> None:
        if params.get("name"):
            validate_location(Location.from_params(params))
        for option in ("codex_home", "codex_dir"):
            validate_path(option, params.get(option) or None)
        # NaN compares false
        if not params["timeout"] > 0:
            raise OptioError("timeout", f"timeout must be greater than 0, got {params['timeout']}", "Set a number of seconds")

    def probe_script(self, params: Params) -> str:
        if params.get("name"):
            return location_script(Location.from_params(params), sweep=False)
        variables = {"codex_home": params.get("codex_home") or DEFAULT_HOME, "codex_dir": params.get("codex_dir") or ""}
        return compose(SHELL_DIRECTORIES + SHELL_WORKER + SHELL_TASK + _HOME_SCRIPT, variables, params.get("user") or None)

    def parse_probe(self, sections: Sequence[Section], params: Params) -> ObservedCredential:
        facts = sections[0]
        if not params.get("name"):
            worker = parse_worker(facts)
            return ObservedCredential(worker, worker.codex, facts.get("codex_home"), facts.get("codex_home_kind"))
        view = parse_task(sections, params["name"])
        # a session asks with the codex that it runs
        own = view.workspace.link if not params.get("codex_dir") else None
        kind = facts.get("codex_home_kind")
        return ObservedCredential(view.worker, own or view.worker.codex, view.layout.codex_home, kind, view.layout, view.session.status)

    def plan(self, observed: ObservedCredential, params: Params) -> Plan:
        return Plan((Action("ask", observed.codex_home),), _result(observed, params, known("skipped")), changes=False)

    def unmet_requirements(self, observed: ObservedCredential, params: Params, plan: Plan) -> list[OptioError]:
        errors = []
        if not observed.codex:
            errors.append(
                OptioError(
                    "codex",
                    "no release of codex is installed in the caches of the worker",
                    "Run optio.codex.codex_release first, or set codex_dir",
                )
            )
        if observed.kind != "directory":
            label = _object(observed, params)
            remedy = "Launch the session first, or set the user, sessions_dir and workdir that it was launched with"
            if not params.get("name"):
                remedy = "Set codex_home to the directory with auth.json and config.toml, or set name"
            errors.append(OptioError(label, f"{label} has no directory {observed.codex_home}", remedy))
        return errors

    def apply(self, plan: Plan, observed: ObservedCredential, params: Params, host: Host) -> Mapping[str, Any]:
        begin = host.monotonic()
        with host.acting_as(params.get("user") or None):
            config = _config(f"{observed.codex_home}/config.toml")
            environment = _environment(observed, config, params["environment"])
            # a directory of the user's own: a user who can write to a parent directory could add instructions for codex
            parent = observed.layout.task if observed.layout else observed.codex_home
            challenge = Challenge(observed.codex, environment, tuple(_table(config, "mcp_servers")), params["timeout"])
            for _attempt in range(ATTEMPTS):
                with _scratch(parent) as scratch:
                    found = ask(host, challenge, scratch, ControllerWatch())
                if found.reason != "codex_failed":
                    break
            secrets = _secrets(environment, params["environment"], f"{observed.codex_home}/auth.json")
        result = _result(observed, params, found, secrets)
        return {**result, "provider": provider_of(config)[0], "elapsed": round(host.monotonic() - begin, 2)}


def _object(view: ObservedCredential, params: Params) -> str:
    return f"session {params['name']}" if params.get("name") else f"credential {view.codex_home}"


def _result(view: ObservedCredential, params: Params, found: CredentialVerdict, secrets: Sequence[str] = ()) -> dict[str, Any]:
    remedy = f" {found.remedy}." if found.remedy else ""
    detail = redacted(found.detail, secrets) if found.detail else None
    return {
        **{"name": params.get("name") or None, "status": view.status if params.get("name") else None},
        **{"codex_home": view.codex_home, "version": codex_version(view.codex), "provider": None, "elapsed": 0.0},
        **{"verdict": found.verdict, "reason": found.reason, "detail": detail},
        "message": f"{_object(view, params)}: {found.cause}.{remedy}",
    }


def _scratch(parent: str) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix=".ask-", dir=parent)
    except OSError as error:
        raise files.failure(parent, error) from error


def _config(path: str) -> dict[str, Any]:
    """Return the settings that codex takes from the system's file and from ``path``; none where one is not TOML."""
    config: dict[str, Any] = {}
    for file in (SYSTEM_CONFIG, path):
        try:
            config = merged(config, loads(files.read_text(file) or ""))
        except (ValueError, OptioError):
            # codex reports the error itself
            continue
    return config


def provider_of(config: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the model provider that codex uses by its settings, and the variable that holds its key."""
    profile = _table(_table(config, "profiles"), str(config.get("profile")))
    name = str(profile.get("model_provider") or config.get("model_provider") or "openai")
    variable = _table(_table(config, "model_providers"), name).get("env_key")
    return name, variable if isinstance(variable, str) else None


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}


def scrubbed(variables: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables without the keys that exec prefers to auth.json, except the provider's own."""
    own = provider_of(config)[1]
    return {name: value for name, value in variables.items() if name == own or name not in PROVIDER_KEYS}


def _environment(view: ObservedCredential, config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, str]:
    worker, layout = view.worker, view.layout
    variables = {
        **inherited_environment(()),
        **{"PATH": worker.path or "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": worker.home},
        **{"USER": worker.user, "LOGNAME": worker.user},
    }
    if layout:
        text = files.read_text(layout.environment)
        variables = {**(variables if text is None else environment_of(text)), **layout.variables()}
    variables.update({name: str(value) for name, value in given.items() if value is not None})
    return {**scrubbed(variables, config), "CODEX_HOME": view.codex_home}


def environment_of(text: str) -> dict[str, str]:
    """Return the variables of a session's environment file."""
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


def _secrets(environment: Mapping[str, str], given: Mapping[str, Any], auth: str) -> list[str]:
    """Return every value that a server must not be quoted with."""
    found = [value for name, value in environment.items() if _SECRET_NAME.search(name)]
    found += [str(value) for value in given.values()]
    with suppress(ValueError, OptioError):
        found += _strings(json.loads(files.read_text(auth) or "null"))
    return [value for value in found if len(value) >= SHORTEST_SECRET and not os.path.isabs(value)]


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for entry in value for text in _strings(entry)]
    return [value] if isinstance(value, str) else []


RESOURCE = CredentialInfoResource()
