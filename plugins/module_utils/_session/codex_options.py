# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of codex's own command line, as a task sets them and a record holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .._core.resource import Params
from .command_line import TerminalOptions
from .limits import LIMITS

WORKSPACE_WRITE = "workspace-write"
#: the options of the sandbox that only this mode has
WORKSPACE_WRITE_ONLY = ("writable_roots", "network_access", "git_writable")
#: the argument spec of these options; ``trust`` and ``prompt`` belong to the session too
CODEX_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "model": {"type": "str"},
    "approval_policy": {"type": "str", "choices": ["never", "on-request"], "default": "never"},
    "sandbox": {
        "type": "str",
        "choices": ["read-only", WORKSPACE_WRITE, "danger-full-access"],
        "default": WORKSPACE_WRITE,
    },
    "writable_roots": {"type": "list", "elements": "str", "default": []},
    "network_access": {"type": "bool", "default": False},
    "git_writable": {"type": "bool", "default": False},
    "git_identity": {
        "type": "dict",
        "options": {"name": {"type": "str", "required": True}, "email": {"type": "str", "required": True}},
    },
}

#: codex's setting for the network of commands, without a permission profile
NETWORK_SETTING = "sandbox_workspace_write.network_access=true"


@dataclass(frozen=True)
class CodexOptions:
    """The options of codex's own command line."""

    approval_policy: str = "never"
    sandbox: str = WORKSPACE_WRITE
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    git_writable: bool = False
    #: ``name`` and ``email``
    git_identity: Mapping[str, str] | None = None
    model: str | None = None
    #: ``auto`` is decided when the project is there
    trust: str | None = "auto"
    prompt: str | None = None
    resume_id: str | None = None
    #: shell_environment_policy of the session's own configuration
    shell_environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def excluded_variables(self) -> tuple[str, ...]:
        """The patterns of environment variables that commands do not get."""
        excluded = self.shell_environment.get("exclude")
        return tuple(map(str, excluded)) if isinstance(excluded, (list, tuple)) else ()

    @property
    def has_network(self) -> bool:
        """Whether the commands of the sandbox have the network."""
        return self.network_access

    @classmethod
    def from_params(cls, params: Params) -> CodexOptions:
        """Return the options of a module; an empty string counts as unset, as AWX surveys send it."""
        trust = params.get("trust")
        identity = params.get("git_identity") or {}
        policy = (params.get("config") or {}).get("shell_environment_policy")
        return cls(
            approval_policy=params["approval_policy"],
            sandbox=params["sandbox"],
            writable_roots=tuple(params.get("writable_roots") or ()),
            network_access=bool(params.get("network_access")),
            git_writable=bool(params.get("git_writable")),
            git_identity=dict(identity) if any(identity.values()) else None,
            model=params.get("model") or None,
            trust=None if trust == "none" else trust,
            prompt=params.get("prompt") or None,
            shell_environment=policy if isinstance(policy, Mapping) else {},
        )

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The names of the set options that the sandbox's mode does not have."""
        return () if self.sandbox == WORKSPACE_WRITE else tuple(name for name in WORKSPACE_WRITE_ONLY if getattr(self, name))


#: names of variables that the configuration of the first launch keeps from commands; not an option, so it is not compared
EXCLUDED = "excluded_variables"


def launch_options(codex: CodexOptions, terminal: TerminalOptions, limits: Mapping[str, str]) -> dict[str, Any]:
    """Return the options that a record holds and a running session is compared by; a prompt is used only once."""
    options = asdict(codex)
    del options["prompt"], options["resume_id"], options["shell_environment"]
    if codex.excluded_variables:
        options[EXCLUDED] = list(codex.excluded_variables)
    options["writable_roots"] = list(codex.writable_roots)
    options.update({name: limits.get(name) for name in LIMITS})
    options["terminal"] = {**terminal.as_record(), "port": terminal.port or None}
    return options
