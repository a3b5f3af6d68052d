# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions that codex would ask at start or between turns, answered on its command line before it asks.

The installed codex is asked which models have a successor and which hooks it knows, so that no list here becomes outdated.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .._codex.hooks import (
    ANSWER,
    ANSWER_LIMIT,
    CONFIG_KEYS,
    HOOKS_FILE,
    PROJECT,
    SERVER_COMMAND,
    Hook,
    hooks_request,
    hooks_state,
    parse_hooks,
)
from .._codex.successors import CATALOG_COMMAND, CATALOG_LIMIT, DOWNLOADED_CATALOG, successors
from .._core import files
from .._core.errors import OptioError
from .._core.host import Completed, Host
from .._core.redaction import redacted
from .._core.safe_open import SafeDirectory
from .._core.toml import dumps, loads, toml_value
from .._session.codex_options import CodexOptions
from .._session.layout import SessionPaths
from .._session.project_trust import TRUSTED, hook_entries
from .._session.state import ObservedSession, Session

Entry = dict[str, Any]
#: values of ``question`` in a result
MODEL, HOOK, FOLDER = "model_migration", "hook", "folder_access"
#: no menu near a usage limit and none at it: both would wait for a choice
NUDGE = "hide_rate_limit_model_nudge"
#: seconds that codex gets for one answer; on an idle worker it needs 0.1 to 0.3
TIMEOUT = 15.0
#: bytes of a file of hooks or settings that are read
READ = 1 << 20


@dataclass(frozen=True)
class Answers:
    """The settings for codex's command line that answer its questions, and the answers that the result names."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    #: the model of the launch, as far as it is known
    model: str | None = None

    def with_keys(self, answered: Sequence[Entry]) -> list[Entry]:
        """Return the entries, and those of the questions that were answered by keys."""
        questions = {each["question"] for each in self.entries}
        named = [{**each, "name": self.model} if each["question"] == MODEL else each for each in answered]
        return [*self.entries, *(each for each in named if each["question"] not in questions)]


def entry(question: str, name: str | None, detail: str | None) -> Entry:
    """Return one entry of the returned value ``acknowledged``."""
    return {"question": question, "name": redacted(name, ()) if name else None, "detail": redacted(detail, ()) if detail else None}


def recorded_answers(session: Session) -> list[Entry]:
    """Return the answers of a session's launch by its record."""
    try:
        entries = json.loads(session.record.get("acknowledged", "[]"))
    except ValueError:
        return []
    return entries if isinstance(entries, list) else []


def predicted_answers(view: ObservedSession, config: Mapping[str, Any], trust: str | None) -> list[Entry]:
    """Return the answers of a launch as far as they are known without codex: the declared hooks."""
    found = [each for each in view.workspace.project or () if each["kind"] == "hook"] if trust == TRUSTED else []
    if view.workspace.config_kind == "absent":
        found = [*hook_entries("config.toml", config.get("hooks")), *found]
    return [entry(HOOK, each["name"], each["command"]) for each in found]


class Questions:
    """Asks the installed codex about one launch, as the session's user."""

    def __init__(self, host: Host, view: ObservedSession, config: Mapping[str, Any]) -> None:
        self._host, self._view, self._layout = host, view, view.layout
        #: the option ``config`` of this call: its own answers count
        self._config = config
        # in a directory that is kept with the session's files, because a module that is killed leaves it until the next launch
        self._scratch = f"{view.layout.codex_home}/.questions"

    def answers(self, codex: CodexOptions, asked_trust: str | None, has_project: bool) -> Answers:
        """Return the answers for a launch; ``has_project`` is whether the workdir has settings for codex."""
        settings = read_config(self._layout)
        notice = settings.get("notice")
        found: dict[str, Any] = {} if isinstance(notice, dict) and NUDGE in notice else {f"notice.{NUDGE}": True}
        entries: list[Entry] = []
        migrations = self._migrations()
        if migrations:
            found["notice.model_migrations"] = migrations
        model = str(codex.model or settings.get("model") or "")
        if model in migrations:
            entries.append(entry(MODEL, model, migrations[model]))
        if self._may_have_hooks(settings, codex, has_project):
            hooks = self._hooks(settings, codex)
            # a project that was trusted without a word has not declared any
            declared = [hook for hook in hooks if hook.source != PROJECT or asked_trust in (TRUSTED, None)]
            disabled = [hook for hook in hooks if hook not in declared]
            if hooks:
                found["hooks.state"] = hooks_state(declared, disabled, self._homes())
            entries.extend(entry(HOOK, hook.event, hook.command) for hook in declared)
        return Answers(found, entries, model or None)

    def _migrations(self) -> dict[str, str]:
        """Return the successor of each model that has one, except for models in the option ``config``."""
        with self._home({}) as environment:
            done = self._ask(CATALOG_COMMAND, "", None, CATALOG_LIMIT, environment)
        found = {}
        try:
            if done.rc:
                raise ValueError(f"ends with {done.message}")
            found = successors(done.stdout)
        except (ValueError, RecursionError) as error:
            self._warn(f"list its models ({error})", "if its model has a successor")
        with suppress(ValueError, RecursionError):
            found.update(successors(_text(self._layout.codex_home, DOWNLOADED_CATALOG, CATALOG_LIMIT)))
        notice = self._config.get("notice")
        own = notice.get("model_migrations") if isinstance(notice, Mapping) else None
        return {model: successor for model, successor in found.items() if not isinstance(own, Mapping) or model not in own}

    def _may_have_hooks(self, settings: Mapping[str, Any], codex: CodexOptions, has_project: bool) -> bool:
        # those of /etc/codex need no answer
        own = "hooks" in settings or os.path.lexists(f"{self._layout.codex_home}/{HOOKS_FILE}")
        return own or (has_project and codex.trust in (TRUSTED, None))

    def _hooks(self, settings: Mapping[str, Any], codex: CodexOptions) -> list[Hook]:
        workdir = self._layout.workdir
        arguments = [*SERVER_COMMAND]
        if codex.trust:
            arguments += ["-c", f"projects={toml_value({workdir: {'trust_level': codex.trust}})}"]
        texts = {"config.toml": dumps({key: settings[key] for key in CONFIG_KEYS if key in settings})}
        hooks_file = _text(self._layout.codex_home, HOOKS_FILE)
        if hooks_file:
            texts[HOOKS_FILE] = hooks_file
        with self._home(texts) as environment:
            done = self._ask(arguments, hooks_request(workdir), ANSWER, ANSWER_LIMIT, environment)
        try:
            if done.rc or not done.stdout:
                raise ValueError(f"ends with {done.message}")
            return parse_hooks(done.stdout)
        except (ValueError, RecursionError) as error:
            self._warn(f"list its hooks ({error})", "about hooks")
            return []

    def _ask(self, arguments: Sequence[str], request: str, until: str | None, limit: int, environment: Mapping[str, str]) -> Completed:
        program = self._view.worker.codex
        return self._host.converse([program, *arguments], request, until=until, environment=environment, limit=limit, timeout=TIMEOUT)

    def _warn(self, failure: str, question: str) -> None:
        self._host.warn(f"session {self._layout.name}: codex {self._view.worker.codex} did not {failure}, so it may ask {question}")

    def _homes(self) -> tuple[str, str]:
        # codex resolves links in its home
        return os.path.realpath(self._scratch), os.path.realpath(self._layout.codex_home)

    @contextmanager
    def _home(self, texts: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        """Make a home with files for a codex that is only asked, which has no credential; remove it afterwards."""
        try:
            files.remove(self._scratch)
            files.make_directory(self._scratch)
            for name, text in texts.items():
                files.write_text(f"{self._scratch}/{name}", text)
            yield {"HOME": self._scratch, "CODEX_HOME": self._scratch, "PATH": self._view.worker.path or "/usr/bin:/bin"}
        finally:
            try:
                files.remove(self._scratch)
            except OptioError as error:
                self._host.warn(f"session {self._layout.name}: {error}")


def read_config(layout: SessionPaths) -> Mapping[str, Any]:
    """Return codex's settings in its home; none if the file is missing or invalid."""
    return _document(_text(layout.codex_home, "config.toml"))


def _document(text: str) -> Mapping[str, Any]:
    try:
        return loads(text)
    except (ValueError, RecursionError):
        # codex reports it when it starts
        return {}


def _text(directory: str, name: str, limit: int = READ) -> str:
    """Return the text of a file, and an empty one if it is missing, too long or not a regular file."""
    try:
        with SafeDirectory(directory) as below, os.fdopen(below.open(name), "rb") as stream:
            data = stream.read(limit + 1)
    except OSError:
        return ""
    return data.decode("utf-8", "replace") if len(data) <= limit else ""
