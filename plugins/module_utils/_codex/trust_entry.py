# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``trust``: the trust entry of one directory in one codex configuration."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core import files, paths
from .._core.errors import OptioError
from .._core.locks import TIMEOUT, acquire
from .._core.plan import ABSENT, Action, Plan
from .._core.resource import ArgumentSpec, Params, Resource
from .._core.toml import toml_string
from .trust_toml import level_of, line_of, loads, with_level, without_level

if TYPE_CHECKING:
    from .._core.host import Host

DEFAULT_CONFIG = "~/.codex/config.toml"


@dataclass(frozen=True)
class TrustState:
    """``directory`` and ``config`` are real paths; ``text`` is None if the configuration does not exist."""

    directory: str
    is_directory: bool
    config: str
    text: str | None
    level: str | None


class TrustResource(Resource[TrustState, Params]):
    """Observes in Python, because a shell cannot parse TOML: it has no probe and no action plugin."""

    name = "trust"
    specification = ArgumentSpec(
        argument_spec={
            "path": {"type": "str", "required": True},
            "config_file": {"type": "str", "default": DEFAULT_CONFIG},
            "trust_level": {"type": "str", "choices": ["trusted", "untrusted"], "default": "trusted"},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )

    def validate(self, params: Params) -> None:
        for option in ("path", "config_file"):
            if not params[option]:
                raise OptioError(option, f"{option} is empty", "Set an absolute path, or ~/… for the worker user's home")
            paths.validate_path(option, params[option])

    def observe(self, host: Host, params: Params) -> TrustState:
        with host.acting_as(params["user"]):
            directory, config = _real_paths(params)
            text = _read(config)
            is_directory = os.path.isdir(directory)
        try:
            level = level_of(loads(text or ""), directory)
        except ValueError as error:
            raise OptioError(
                config,
                f"{config} is not TOML: {error}",
                "Fix the file, which codex cannot read either; nothing was changed",
            ) from error
        return TrustState(directory, is_directory, config, text, level)

    def plan(self, observed: TrustState, params: Params) -> Plan:
        wanted = _wanted(params)
        result = {"path": observed.directory, "config_file": observed.config, "trust_level": wanted}
        if observed.level == wanted:
            return Plan(result=result)
        _edited(observed, wanted)
        kind = "create" if observed.text is None else "write"
        action = Action(kind, observed.config, _shown(observed, observed.level), _shown(observed, wanted))
        return Plan((action,), result)

    def unmet_requirements(self, observed: TrustState, params: Params, plan: Plan) -> list[OptioError]:
        if not plan or params["state"] == "absent" or observed.is_directory:
            return []
        # trusting a path that another user may still create would allow that user to run code
        cause = f"{observed.directory} is not a directory on the worker"
        return [OptioError(observed.directory, cause, "Create it before trusting it")]

    @contextmanager
    def lock(self, observed: TrustState, params: Params, host: Host) -> Iterator[None]:
        parent = os.path.dirname(observed.config)
        with host.acting_as(params["user"]):
            made = files.make_directory(parent)
        try:
            with _locked(parent, params["user"], host):
                yield
        except BaseException:
            with host.acting_as(params["user"]):
                files.remove_empty(made)
            raise

    def apply(self, plan: Plan, observed: TrustState, params: Params, host: Host) -> Mapping[str, Any]:
        text = _edited(observed, _wanted(params))
        with host.acting_as(params["user"]):
            mode = 0o600 if observed.text is None else os.stat(observed.config).st_mode & 0o7777
            files.write_text(observed.config, text, mode)
        return {}


def _wanted(params: Params) -> str | None:
    return str(params["trust_level"]) if params["state"] == "present" else None


def _real_paths(params: Params) -> tuple[str, str]:
    home = pwd.getpwnam(params["user"]).pw_dir if params["user"] else os.path.expanduser("~")
    directory, config = (os.path.realpath(paths.expand(params[option], home)) for option in ("path", "config_file"))
    return directory, config


def _read(config: str) -> str | None:
    try:
        return files.read_text(config)
    except OSError as error:
        raise files.failure(config, error) from error


def _edited(observed: TrustState, wanted: str | None) -> str:
    """Return the new text of the configuration; raise OptioError, with the line, when it must be edited by hand."""
    text = observed.text or ""
    try:
        observed.directory.encode("utf-8")
    except UnicodeEncodeError:
        cause = f"{observed.directory!r} is not valid UTF-8, so TOML cannot contain it"
        raise OptioError(repr(observed.directory), cause, "Rename the directory") from None
    directory = observed.directory
    edited = without_level(text, directory) if wanted is None else with_level(text, directory, wanted)
    if edited is not None:
        return edited
    number = line_of(text, observed.directory)
    place = f"line {number} of {observed.config}" if number else f"projects in {observed.config}"
    change = "Remove trust_level from" if wanted is None else f"Set trust_level = {toml_string(wanted)} in"
    raise OptioError(
        f"the entry of {observed.directory}",
        f"the entry of {observed.directory} cannot be edited without changing other text",
        f"{change} {place} by hand; nothing was changed",
    )


def _shown(observed: TrustState, level: str | None) -> str:
    # the rest of the file may hold tokens, so a diff shows the entry alone
    return ABSENT if level is None else f"projects.{toml_string(observed.directory)}.trust_level = {toml_string(level)}"


@contextmanager
def _locked(directory: str, user: str | None, host: Host) -> Iterator[None]:
    """Hold the directory's own lock, which needs no file and dies with its owner."""
    with host.acting_as(user):
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise files.failure(directory, error) from error
    try:
        # a file system without locks is accepted, because the file is still replaced by one rename
        acquire(descriptor, f"the configuration in {directory}", directory, host, TIMEOUT, flock=True, required=False)
        yield
    finally:
        os.close(descriptor)


RESOURCE = TrustResource()
