# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of a trust entry in the text of a codex configuration.

codex refuses to start when a directory has two entries, in any spelling. So the file is parsed, never searched: an
edit is tried on the text, the result is parsed, and it is accepted only if the document differs in that one value.
All other bytes stay unchanged.
"""

from __future__ import annotations

import copy
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._core import toml
from .._core.toml import Document, toml_string

#: the line of an entry that cannot be edited is looked for in files up to this many lines
SEARCHED_LINES = 2000

_BYTE_ORDER_MARK = "\ufeff"


def loads(text: str) -> Document:
    """Return a configuration's document; raise ValueError for invalid TOML."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"not UTF-8 at character {error.start}") from error
    return toml.loads(text)


def _split_mark(text: str) -> tuple[str, str]:
    return (text[:1], text[1:]) if text.startswith(_BYTE_ORDER_MARK) else ("", text)


def entry_of(document: Document, directory: str) -> Mapping[str, Any] | None:
    """Return the table of a directory, None if it has none; raise ValueError if it is not a table."""
    projects = document.get("projects", {})
    if not isinstance(projects, dict):
        raise ValueError("projects is not a table")
    entry = projects.get(directory)
    if entry is not None and not isinstance(entry, dict):
        raise ValueError(f"projects.{toml_string(directory)} is not a table")
    return entry


def level_of(document: Document, directory: str) -> str | None:
    """Return a directory's trust level, None if it has none; raise ValueError if it is not a string."""
    level = (entry_of(document, directory) or {}).get("trust_level")
    if level is not None and not isinstance(level, str):
        raise ValueError(f"trust_level of projects.{toml_string(directory)} is not a string")
    return level


def with_level(text: str, directory: str, level: str) -> str | None:
    """Return the configuration with the directory at ``level``, None when no safe edit does it."""
    mark, text = _split_mark(text)
    document = loads(text)
    entry = entry_of(document, directory)
    old = level_of(document, directory)
    expected = copy.deepcopy(document)
    expected.setdefault("projects", {}).setdefault(directory, {})["trust_level"] = level
    value = f"trust_level = {toml_string(level)}"
    if entry is None:
        candidates = _additions(text, f"[projects.{toml_string(directory)}]", value, f"{toml_string(directory)} = {{ {value} }}")
    elif old is None:
        candidates = _insertions(text, directory, value)
    else:
        candidates = _replacements(text, directory, old, level)
    edited = _first(candidates, [expected])
    return None if edited is None else mark + edited


def without_level(text: str, directory: str) -> str | None:
    """Return the configuration without the directory's trust level, None when no safe edit does it.

    A table that held nothing else goes with it; comments inside it stay.
    """
    mark, text = _split_mark(text)
    document = loads(text)
    level = level_of(document, directory)
    if level is None:
        return mark + text
    accepted = _documents_without(document, directory)
    edited = _first(_removals(text, directory, level), accepted)
    if edited is None:
        return None
    if entry_of(loads(edited), directory) is not None:
        shorter = _first(_header_removals(edited), accepted[1:])
        edited = edited if shorter is None else shorter
    return mark + edited


def _documents_without(document: Document, directory: str) -> list[Document]:
    """Return the equivalent results of a removal, the one with an empty table first."""
    kept = copy.deepcopy(document)
    del kept["projects"][directory]["trust_level"]
    accepted = [kept]
    if not kept["projects"][directory]:
        without_entry = copy.deepcopy(kept)
        del without_entry["projects"][directory]
        accepted.append(without_entry)
        if not without_entry["projects"]:
            without_projects = copy.deepcopy(without_entry)
            del without_projects["projects"]
            accepted.append(without_projects)
    return accepted


def _first(candidates: Iterable[str], accepted: list[Document]) -> str | None:
    for candidate in candidates:
        try:
            document = loads(candidate)
        except ValueError:
            continue
        if any(_same(document, one) for one in accepted):
            return candidate
    return None


def _same(one: Any, other: Any) -> bool:
    """Return whether two TOML values are equal, 1 being neither 1.0 nor true, and nan being nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def _additions(text: str, header: str, value: str, inline: str) -> Iterator[str]:
    end = _line_end(text)
    body = text if not text or text.endswith("\n") else text + end
    separator = end if body else ""
    yield f"{body}{separator}{header}{end}{value}{end}"
    # an inline ``projects = { … }`` is closed: the entry has to go inside
    yield from _inside_braces(text, inline)


def _insertions(text: str, directory: str, value: str) -> Iterator[str]:
    end = _line_end(text)
    lines = _lines(text)
    headers = [number for number, line in enumerate(lines) if line.lstrip(" \t").startswith("[")]
    for number in sorted(headers, key=lambda number: not _mentions(lines[number], directory)):
        header = lines[number] if lines[number].endswith("\n") else lines[number] + end
        yield "".join([*lines[:number], header, value + end, *lines[number + 1 :]])
    yield from _inside_braces(text, value)


def _inside_braces(text: str, item: str) -> Iterator[str]:
    for brace in re.finditer(r"\{[ \t]*", text):
        rest = text[brace.end() :]
        # TOML 1.1, which some parsers accept, allows a comma before the brace; codex does not
        separator = " " if rest.startswith("}") else ", "
        yield f"{text[: brace.start()]}{{ {item}{separator}{rest}"


def _replacements(text: str, directory: str, old: str, new: str) -> Iterator[str]:
    for found in _nearest(re.finditer(_literal(old), text), text, directory):
        yield text[: found.start()] + found.group(1) + new + found.group(1) + text[found.end() :]


def _removals(text: str, directory: str, level: str) -> Iterator[str]:
    for found in _nearest(re.finditer(_literal(level), text), text, directory):
        start = text.rfind("\n", 0, found.start()) + 1
        stop = text.find("\n", found.end()) + 1 or len(text)
        yield text[:start] + text[stop:]
    key = r"(?:trust_level|'trust_level'|\"trust_level\")"
    value = rf"{key}[ \t]*=[ \t]*{_literal(level)}"
    for pattern in (rf"{value}[ \t]*,[ \t]*", rf",[ \t]*{value}", value):
        for found in _nearest(re.finditer(pattern, text), text, directory):
            yield text[: found.start()] + text[found.end() :]


def _header_removals(text: str) -> Iterator[str]:
    lines = _lines(text)
    for number, line in enumerate(lines):
        if not line.lstrip(" \t").startswith("["):
            continue
        before, after = lines[:number], lines[number + 1 :]
        # the blank line that set the table apart goes with it
        if before and not before[-1].strip() and (not after or not after[0].strip() or after[0].startswith("[")):
            yield "".join([*before[:-1], *after])
        yield "".join([*before, *after])


def _literal(level: str) -> str:
    return rf"([\"']){re.escape(level)}\1"


def _nearest(found: Iterable[re.Match[str]], text: str, directory: str) -> list[re.Match[str]]:
    """Return the matches, sorted by their distance from the directory's name: each one costs a parse."""
    name = os.path.basename(directory)
    return sorted(found, key=lambda match: match.start() - text.rfind(name, 0, match.start()))


def _mentions(line: str, directory: str) -> bool:
    return os.path.basename(directory) in line


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _lines(text: str) -> list[str]:
    # str.splitlines would also split at characters that TOML takes for text
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def line_of(text: str, directory: str) -> int | None:
    """Return the number of the line with which the directory's entry (its level, if it has one) is there."""
    lines = _lines(text)
    wanted = "trust_level" in (entry_of(loads(text), directory) or {})
    for number in range(1, min(len(lines), SEARCHED_LINES) + 1):
        try:
            entry = entry_of(loads("".join(lines[:number])), directory)
        except ValueError:
            continue
        if entry is not None and (not wanted or "trust_level" in entry):
            return number
    return None
