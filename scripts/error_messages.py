#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/docsite/rst/error_messages.rst: every error that the collection can report, with its remedy.

``write`` writes the page. ``check`` fails if it is outdated. ``unknown`` lists the places whose errors have no text of their own, because
they pass on the text of another error.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from error_texts import Texts, is_bare, tidy

ROOT = Path(__file__).resolve().parents[1]
PAGE = "docs/docsite/rst/error_messages.rst"

#: sections of the page, by the beginning of the path
SECTIONS = {
    "plugins/module_utils/_launch/": "Launching, resuming and stopping sessions",
    "plugins/module_utils/_session/": "Sessions, workdirs and terminals",
    "plugins/module_utils/_monitor/": "Status and waits",
    "plugins/module_utils/_transfer/": "Messages, output and snapshots",
    "plugins/module_utils/_credential/": "Credentials and leases",
    "plugins/module_utils/_dispatch/": "Dispatch",
    "plugins/module_utils/_release/": "Releases of codex and ttyd",
    "plugins/module_utils/_archive/": "Downloads and archives",
    "plugins/module_utils/_codex/": "Files of codex",
    "plugins/module_utils/_core/": "Options, files and processes of all modules",
    "roles/codex_worker/": "Role codex_worker",
    "roles/codex_session/": "Role codex_session",
    "roles/codex_session_users/": "Role codex_session",
    "roles/codex_dispatch/": "Role codex_dispatch",
    "roles/codex_gateway/": "Role codex_gateway",
    "roles/codex_mirror/": "Role codex_mirror",
    "roles/codex_nginx/": "Roles codex_gateway and codex_mirror",
    "": "Variables, filters, lookups and the controller",
}

#: classes of errors with a cause and a remedy, and of those with one text
PAIRS = ("OptioError", "SourceError")
SINGLE = ("AnsibleError", "AnsibleActionFail", "AnsibleFilterError", "AnsibleLookupError", "RoleVariableError")

_EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
_SENTENCE = re.compile(r"(?<=[a-z0-9>)'\"])\. (?=[A-Z])")


@dataclass(frozen=True, order=True)
class Message:
    """A cause and its remedy; the remedy is empty if the sentence has none."""

    cause: str
    remedy: str
    path: str

    @classmethod
    def from_sentence(cls, text: str, path: str) -> Message:
        """Return the parts of one text: the first sentence is the cause."""
        cause, *rest = _SENTENCE.split(tidy(text).rstrip("."), maxsplit=1)
        return cls(cause, rest[0] if rest else "", path)


def plugin_paths(root: Path) -> list[Path]:
    return sorted((root / "plugins").rglob("*.py"))


def has_text(cause: str) -> bool:
    """Return whether a cause can be recognized: by a word, or as the error of a path."""
    return not is_bare(cause) or ": " in cause


def plugin_messages(texts: Texts) -> Iterator[tuple[str, int, list[Message]]]:
    """Yield for each place that builds an error its path, its line and its messages."""
    for module, call in texts.calls_of(PAIRS):
        # the subject comes first; a call with one starred argument repeats an error that another place has built
        if len(call.args) >= 3 and not any(isinstance(argument, ast.Starred) for argument in call.args):
            pairs = texts.alternatives(module, call, call.args[1:3])
            messages = [Message(cause, "" if is_bare(remedy) else remedy, module.path) for cause, remedy in pairs if has_text(cause)]
            yield module.path, call.lineno, messages
    for module, call in texts.calls_of(SINGLE):
        if len(call.args) == 1:
            texts_of_call = [text for (text,) in texts.alternatives(module, call, call.args) if not is_bare(text)]
            yield module.path, call.lineno, [Message.from_sentence(text, module.path) for text in texts_of_call]


def jinja_text(template: str) -> str:
    """Return a template's text with placeholders for its expressions."""

    def named(match: re.Match[str]) -> str:
        expression = match[1].split("|")[0]
        literals = re.findall(r"'([^']*)'", expression)
        if expression.startswith("'") and len(literals) > 0 and " if " in expression:
            return str(literals[0])
        names = _IDENTIFIER.findall(re.sub(r"'[^']*'", "", expression))
        return f"<{names[-1 if len(names) == 1 else 0].rpartition('.')[2].rpartition('__')[2]}>" if names else "<value>"

    return tidy(_STATEMENT.sub("", _EXPRESSION.sub(named, template)))


def _tasks(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _tasks(child)


def role_messages(root: Path) -> Iterator[Message]:
    """Yield the errors of the tasks fail and assert."""
    for path in sorted((root / "roles").glob("*/tasks/*.yml")):
        for task in _tasks(yaml.safe_load(path.read_text("utf-8")) or []):
            for action, key in (("ansible.builtin.fail", "msg"), ("ansible.builtin.assert", "fail_msg")):
                text = jinja_text(str((task.get(action) or {}).get(key) or ""))
                if text and not is_bare(text):
                    yield Message.from_sentence(text, str(path.relative_to(root)))


def collect(root: Path) -> list[Message]:
    messages = [message for _path, _line, built in plugin_messages(Texts(root, plugin_paths(root))) for message in built]
    return sorted({*messages, *role_messages(root)})


def unknown(root: Path) -> list[str]:
    """Return the places whose errors have no text of their own."""
    return [f"{path}:{line}" for path, line, messages in plugin_messages(Texts(root, plugin_paths(root))) if not messages]


def section_of(path: str) -> str:
    return next(title for prefix, title in SECTIONS.items() if path.startswith(prefix))


def escape(text: str) -> str:
    return re.sub(r"([\\*`|]|_(?=\W|$))", r"\\\1", text)


def sort_key(cause: str) -> str:
    return re.sub(r"<[^<>]*>|\W+", " ", cause).strip().lower()


def definition(cause: str, remedies: list[str]) -> str:
    """Return an entry: the cause as a term, and its remedies below it."""
    lines = [f"``{cause}``"]
    if len(remedies) > 1:
        lines += [f"  - {escape(remedy)}." for remedy in remedies]
    else:
        lines.append(f"  {escape(remedies[0])}." if remedies else "  Change the value as the message describes.")
    return "\n".join(lines)


def render(messages: list[Message]) -> str:
    by_section: dict[str, dict[str, list[str]]] = {title: {} for title in SECTIONS.values()}
    for message in messages:
        remedies = by_section[section_of(message.path)].setdefault(message.cause, [])
        if message.remedy and message.remedy not in remedies:
            remedies.append(message.remedy)
    parts = [HEAD]
    for title, entries in by_section.items():
        if entries:
            parts.append(f"{title}\n{'-' * len(title)}\n")
            parts += [definition(cause, entries[cause]) + "\n" for cause in sorted(entries, key=sort_key)]
    return "\n".join(parts)


HEAD = """..
  SPDX-License-Identifier: GPL-3.0-or-later
  Written by scripts/error_messages.py

.. _ansible_collections.optio.codex.docsite.error_messages:

Error messages
==============

This page lists every error that the collection can report, with its remedy. It is generated from the code. A name in angle brackets, such
as ``<name>``, is a value of your run. Search the page for the words of your message that are not such a value.

:ref:`Troubleshooting <ansible_collections.optio.codex.docsite.troubleshooting>` describes how to find the cause of a problem that
has no message.
"""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["write", "check", "unknown"])
    command = parser.parse_args(arguments).command
    if command == "unknown":
        print("\n".join(unknown(root)))
        return 0
    page, text = root / PAGE, render(collect(root))
    if command == "write":
        page.write_text(text, "utf-8")
    elif not page.exists() or page.read_text("utf-8") != text:
        print(f"{PAGE} is outdated. Run scripts/error_messages.py write.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
