# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requested state of a session: its options, their validation, the record of a launch, and drift from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OptioError
from .._core.paths import TAG_VARIABLE, validate_path
from .._core.resource import Params
from .._session.codex_options import CODEX_OPTIONS, EXCLUDED, CodexOptions, launch_options
from .._session.command_line import TerminalOptions
from .._session.git_directory import PATTERN
from .._session.limits import LIMIT_VALUES, LIMITS
from .._session.location import Location
from .._session.project_trust import AUTO as TRUST_AUTO
from .._session.project_trust import NONE, TRUSTED, UNTRUSTED, compared
from .._session.record import options_of_record
from .._session.state import ObservedSession
from .._session.workspace import WorkspaceSpec
from .resume import AUTO, RESUME_CHOICES
from .watcher import WEBHOOK_OPTIONS, Webhook, validate_webhook

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: git removes them, or ends the line there
_NOT_IN_IDENTITY = re.compile(r"[<>\x00-\x1f\x7f]")
#: variables that isolate the session or find its processes
RESERVED = ("HOME", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", TAG_VARIABLE)
#: the option with which a launch does not wait for a person at the terminal
NO_WAITING = "ready_timeout: 0"

TERMINAL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "listen": {"type": "str", "choices": ["unix", "tcp"], "default": "unix"},
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 0},
    "writable": {"type": "bool", "default": False},
    "max_clients": {"type": "int", "default": 16},
    "auth_header": {"type": "str"},
    "group": {"type": "str"},
    "tls_certificate": {"type": "str"},
    "tls_key": {"type": "str", "no_log": False},
    "tls_client_ca": {"type": "str"},
}
STATES = ("started", "restarted", "upgraded", "stopped", "absent")
LAUNCH_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ttyd_dir": {"type": "str"},
    "prompt": {"type": "str"},
    "auto_start": {"type": "bool", "default": False},
    "resume": {"type": "str", "choices": list(RESUME_CHOICES), "default": AUTO},
    "purge": {"type": "bool", "default": False},
    "discard_login": {"type": "bool", "default": False},
    "keep_options": {"type": "bool", "default": False},
    "restart_on_drift": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    **CODEX_OPTIONS,
    "environment": {"type": "dict", "default": {}},
    "unset_environment": {"type": "list", "elements": "str", "default": []},
    "trust": {"type": "str", "choices": [TRUST_AUTO, TRUSTED, UNTRUSTED, NONE], "default": TRUST_AUTO},
    **{name: {"type": "str"} for name in LIMITS},
    "terminal": {"type": "dict", "options": TERMINAL_OPTIONS, "apply_defaults": True},
    "webhook": {"type": "dict", "options": WEBHOOK_OPTIONS},
    "ready_timeout": {"type": "float", "default": 30.0},
    "stop_timeout": {"type": "float", "default": 15.0},
}


@dataclass(frozen=True)
class SessionSpec:
    """The desired state of a session, from a module's options."""

    codex: CodexOptions = field(default_factory=CodexOptions)
    terminal: TerminalOptions = field(default_factory=TerminalOptions)
    files: WorkspaceSpec = field(default_factory=WorkspaceSpec)
    environment: Mapping[str, str] = field(default_factory=dict)
    unset_environment: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    #: auto, always or never
    resume: str = AUTO
    adopt: bool = False
    keep_options: bool = False
    restart_on_drift: bool = False
    #: a conversation is continued without a message, and with its log
    quiet: bool = False
    #: the prompt names the session's AGENTS.md
    auto_start: bool = False
    #: for the record: when unexpected ends were followed by a resume
    resumed_at: tuple[int, ...] = ()
    #: terminal.group of the call itself, not of the record
    web_group: str | None = None
    #: like the environment, it is that of the last launch, and not compared
    webhook: Webhook | None = None

    @classmethod
    def from_params(cls, params: Params) -> SessionSpec:
        """Return the wish that the options make; an empty string counts as unset, as AWX surveys send it."""
        given_variables = params.get("environment") or {}
        given = {name: value for name, value in (params.get("terminal") or {}).items() if value is not None}
        return cls(
            codex=CodexOptions.from_params(params),
            terminal=TerminalOptions(**given),
            files=WorkspaceSpec.from_params(params),
            auto_start=bool(params.get("auto_start")) and not params.get("prompt"),
            environment={name: str(value) for name, value in given_variables.items() if value is not None},
            unset_environment=tuple(params.get("unset_environment") or ()),
            limits={name: params[name].strip() for name in LIMITS if params.get(name)},
            resume=params.get("resume") or AUTO,
            adopt=bool(params.get("adopt")),
            keep_options=bool(params.get("keep_options")),
            restart_on_drift=bool(params.get("restart_on_drift")),
            web_group=given.get("group") or None,
            webhook=Webhook.from_params(params),
        )


@dataclass(frozen=True)
class SessionOptions:
    """The options of one session: where it is, which state it should have, and its launch."""

    location: Location
    state: str
    purge: bool
    discard_login: bool
    #: seconds
    ready_timeout: float
    stop_timeout: float
    spec: SessionSpec

    @classmethod
    def from_params(cls, params: Params) -> SessionOptions:
        """Return a module's options as one object."""
        return cls(
            location=Location.from_params(params),
            state=params["state"],
            purge=params["purge"],
            discard_login=params["discard_login"],
            ready_timeout=params["ready_timeout"],
            stop_timeout=params["stop_timeout"],
            spec=SessionSpec.from_params(params),
        )

    @property
    def launches(self) -> bool:
        """Whether the session should run."""
        return self.state in ("started", "restarted", "upgraded")

    @property
    def timeouts(self) -> dict[str, float]:
        """The seconds that the start and the end of a session may take."""
        return {"ready_timeout": self.ready_timeout, "stop_timeout": self.stop_timeout}

    @property
    def awaits_input(self) -> bool:
        """Whether a launch waits until codex accepts input."""
        return self.ready_timeout > 0


def validate_spec(spec: SessionSpec) -> None:
    """Raise OptioError for options that contradict each other or that a session cannot have."""
    codex = spec.codex
    if codex.unsupported:
        options = " and ".join(codex.unsupported)
        cause = f"sandbox {codex.sandbox} does not support {options}"
        raise OptioError(f"sandbox {codex.sandbox}", cause, f"Set sandbox: workspace-write, or omit {options}")
    if spec.webhook:
        validate_webhook(spec.webhook)
    for key, text in (codex.git_identity or {}).items():
        if not text or _NOT_IN_IDENTITY.search(text):
            cause = f"git_identity.{key} {text!r} is empty or contains '<', '>' or control characters"
            raise OptioError(f"git_identity.{key}", cause, "Set the name and the email address of the author")
    for name, value in spec.limits.items():
        pattern, form = LIMIT_VALUES[name]
        if not pattern.match(value):
            raise OptioError(f"{name} {value}", f"{name} {value} is not a limit that systemd accepts", f"Set {form}")
    for root in codex.writable_roots:
        validate_path("writable_roots", root)
        if codex.git_writable and PATTERN.search(root):
            cause = f"writable_roots {root} contains '*', '?', '[' or ']', which git_writable does not support"
            raise OptioError(f"writable_roots {root}", cause, "Use a directory without these characters, or omit git_writable")
    if "\0" in (codex.prompt or ""):
        raise OptioError("prompt", "prompt must not contain NUL bytes", "Remove them")
    for name in (*spec.environment, *spec.unset_environment):
        if not _VARIABLE.match(name):
            cause = f"environment variable {name!r} is not a valid name"
            raise OptioError(f"environment variable {name!r}", cause, "Use letters, digits and '_'")
    for name, value in spec.environment.items():
        if "\0" in value:
            cause = f"environment variable {name} must not contain NUL bytes"
            raise OptioError(f"environment variable {name}", cause, "Remove them")
        if name in RESERVED:
            cause = f"environment variable {name} is reserved for session isolation"
            raise OptioError(f"environment variable {name}", cause, "Remove it from environment")


def recorded_options(spec: SessionSpec) -> dict[str, Any]:
    """Return the options of a spec as the session's record holds them."""
    return launch_options(spec.codex, spec.terminal, spec.limits)


def find_drift(view: ObservedSession, spec: SessionSpec) -> list[dict[str, Any]]:
    """Return the options of a live session that differ from the requested ones, each with its two values."""
    if view.session.adopted:
        # without recorded options, nothing can be compared
        return []
    running = options_of_record(view.session)
    if running is None:
        return [{"option": "record", "current": "damaged", "requested": "readable"}]
    wanted = recorded_options(spec)
    running = {**running, "trust": compared(view.session, running, spec.codex.trust)}
    drift = [
        {"option": name, "current": running.get(name), "requested": value}
        for name, value in wanted.items()
        if running.get(name) != value and name != EXCLUDED
    ]
    recorded_workdir = view.session.record.get("workdir")
    if recorded_workdir != view.layout.workdir:
        drift.append({"option": "workdir", "current": recorded_workdir, "requested": view.layout.workdir})
    return drift
