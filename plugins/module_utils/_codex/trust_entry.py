# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One directory's trust entry in one codex configuration.

codex refuses to start when a directory has two entries, however they are spelled. So the file is parsed, never
searched; a change is tried on the text, parsed again, and kept only when the document differs in that one value.
All bytes that are no part of the entry stay as they are.
"""

from __future__ import annotations

import copy
import errno
import fcntl
import math
import os
import pwd
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core import files
from .._session import layout
from .._core.errors import OptioError
from .._core.plan import ABSENT, Action, Plan
from .._core.resource import Params, Specification, Subject

if TYPE_CHECKING:
    from .._core.host import Host

TOML_IMPORT_ERROR: str | None = None
try:
    import tomllib as toml
except ImportError:
    try:
        import tomli as toml  # type: ignore[no-redef,import-not-found,unused-ignore]
    except ImportError:
        toml = None  # type: ignore[assignment]
        TOML_IMPORT_ERROR = traceback.format_exc()

Document = dict[str, Any]

DEFAULT_CONFIG = "~/.codex/config.toml"
#: seconds to wait for another run that edits the same configuration
LOCK_TIMEOUT = 30.0
#: the line of an entry that cannot be edited is looked for in files up to this many lines
SEARCHED_LINES = 2000

_BYTE_ORDER_MARK = "\ufeff"
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def quote(text: str) -> str:
    """Return ``text`` as a TOML basic string."""
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return f"\\u{ord(char):04X}" if char < " " or char == "\x7f" else char


def loads(text: str) -> Document:
    """Return a configuration's document; raise ValueError for what is not TOML."""
    try:
        text.encode("utf-8")
        document: Document = toml.loads(_split_mark(text)[1])
    except UnicodeEncodeError as error:
        raise ValueError(f"not UTF-8 at character {error.start}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return document


def _split_mark(text: str) -> tuple[str, str]:
    return (text[:1], text[1:]) if text.startswith(_BYTE_ORDER_MARK) else ("", text)


def entry_of(document: Document, directory: str) -> Mapping[str, Any] | None:
    """Return the table of a directory, None when there is none; raise ValueError when it is no table."""
    projects = document.get("projects", {})
    if not isinstance(projects, dict):
        raise ValueError("projects is not a table")
    entry = projects.get(directory)
    if entry is not None and not isinstance(entry, dict):
        raise ValueError(f"projects.{quote(directory)} is not a table")
    return entry


def level_of(document: Document, directory: str) -> str | None:
    """Return a directory's trust level, None when it has none; raise ValueError when it is no string."""
    level = (entry_of(document, directory) or {}).get("trust_level")
    if level is not None and not isinstance(level, str):
        raise ValueError(f"trust_level of projects.{quote(directory)} is not a string")
    return level


def with_level(text: str, directory: str, level: str) -> str | None:
    """Return the configuration with the directory at ``level``, None when no safe edit does it."""
    mark, text = _split_mark(text)
    document = loads(text)
    entry = entry_of(document, directory)
    old = level_of(document, directory)
    expected = copy.deepcopy(document)
    expected.setdefault("projects", {}).setdefault(directory, {})["trust_level"] = level
    value = f"trust_level = {quote(level)}"
    if entry is None:
        candidates = _additions(text, f"[projects.{quote(directory)}]", value, f"{quote(directory)} = {{ {value} }}")
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
    """Return the equivalent results of a removal, the one that keeps an empty table first."""
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
        for separator in (", ", " "):
            yield f"{text[: brace.start()]}{{ {item}{separator}{text[brace.end() :]}"


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
    """Return the matches, those that follow a mention of the directory closely first: each one costs a parse."""
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


@dataclass(frozen=True)
class Observed:
    """``directory`` and ``config`` are real paths; ``text`` is None when there is no configuration."""

    directory: str
    is_directory: bool
    config: str
    text: str | None
    level: str | None


class TrustSubject(Subject[Observed]):
    """Observes in Python, because no shell can parse TOML: there is no probe and no action plugin."""

    name = "trust"
    specification = Specification(
        argument_spec={
            "path": {"type": "str", "required": True},
            "config": {"type": "str", "default": DEFAULT_CONFIG},
            "trust_level": {"type": "str", "choices": ["trusted", "untrusted"], "default": "trusted"},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )

    def check(self, params: Params) -> None:
        for option in ("path", "config"):
            if not params[option]:
                raise OptioError(option, "is empty", "Give an absolute path, or ~/… for the worker user's home")
            layout.check_path(option, params[option])

    def observe_on(self, host: Host, params: Params) -> Observed:
        with host.acting_as(params["user"]):
            directory, config = _real_paths(params)
            text = _read(config)
            is_directory = os.path.isdir(directory)
        try:
            level = level_of(loads(text or ""), directory)
        except ValueError as error:
            raise OptioError(
                config,
                f"is not TOML: {error}",
                "Correct the file; nothing was changed, and codex itself does not start with it",
            ) from error
        return Observed(directory, is_directory, config, text, level)

    def plan(self, observed: Observed, params: Params) -> Plan:
        wanted = _wanted(params)
        result = {"path": observed.directory, "config": observed.config, "trust_level": wanted}
        if observed.level == wanted:
            return Plan(result=result)
        _edited(observed, wanted)
        kind = "create" if observed.text is None else "write"
        action = Action(kind, observed.config, _shown(observed, observed.level), _shown(observed, wanted))
        return Plan((action,), result)

    def preconditions(self, observed: Observed, params: Params, plan: Plan) -> list[OptioError]:
        if not plan or params["state"] == "absent" or observed.is_directory:
            return []
        # trusting a path that somebody else may still create would hand them the right to run code
        return [OptioError(observed.directory, "is not a directory on the worker", "Create it before trusting it")]

    @contextmanager
    def lock(self, observed: Observed, params: Params, host: Host) -> Iterator[None]:
        parent = os.path.dirname(observed.config)
        with host.acting_as(params["user"]):
            made = files.make_directory(parent)
        try:
            with _locked(parent, params["user"], host):
                yield
        except BaseException:
            with host.acting_as(params["user"]):
                _remove_empty(made)
            raise

    def apply(self, plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
        text = _edited(observed, _wanted(params))
        with host.acting_as(params["user"]):
            mode = 0o600 if observed.text is None else os.stat(observed.config).st_mode & 0o7777
            files.write_text(observed.config, text, mode)
        return {}


def _wanted(params: Params) -> str | None:
    return str(params["trust_level"]) if params["state"] == "present" else None


def _real_paths(params: Params) -> tuple[str, str]:
    home = pwd.getpwnam(params["user"]).pw_dir if params["user"] else os.path.expanduser("~")
    directory, config = (os.path.realpath(layout.expand(params[option], home)) for option in ("path", "config"))
    return directory, config


def _read(config: str) -> str | None:
    try:
        return files.read_text(config)
    except OSError as error:
        raise files.failure(config, error) from error


def _edited(observed: Observed, wanted: str | None) -> str:
    """Return the new text of the configuration; raise OptioError, with the line, when it must be edited by hand."""
    text = observed.text or ""
    try:
        observed.directory.encode("utf-8")
    except UnicodeEncodeError:
        raise OptioError(repr(observed.directory), "is not UTF-8, so TOML cannot hold it", "Rename the directory") from None
    directory = observed.directory
    edited = without_level(text, directory) if wanted is None else with_level(text, directory, wanted)
    if edited is not None:
        return edited
    number = line_of(text, observed.directory)
    place = f"line {number} of {observed.config}" if number else f"projects in {observed.config}"
    change = "take the trust_level out of" if wanted is None else f"set trust_level = {quote(wanted)} in"
    raise OptioError(
        f"the entry of {observed.directory}",
        "is spelled in a way that cannot be edited without touching something else",
        f"Nothing was changed; {change} {place} by hand",
    )


def _shown(observed: Observed, level: str | None) -> str:
    # the rest of the file may hold tokens, so a diff shows the entry alone
    return ABSENT if level is None else f"projects.{quote(observed.directory)}.trust_level = {quote(level)}"


@contextmanager
def _locked(directory: str, user: str | None, host: Host) -> Iterator[None]:
    """Hold the directory's own lock, which needs no file and dies with its owner."""
    with host.acting_as(user):
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise files.failure(directory, error) from error
    try:
        deadline = host.monotonic() + LOCK_TIMEOUT
        while not _try_lock(descriptor):
            if host.monotonic() > deadline:
                raise OptioError(
                    directory,
                    f"has been locked by another run for {LOCK_TIMEOUT:g} s",
                    "Wait for that run to end, then run again",
                )
            host.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # network filesystems lock no directories; the file is still replaced by one rename
        if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):
            raise
    return True


def _remove_empty(directories: list[str]) -> None:
    for directory in reversed(directories):
        try:
            os.rmdir(directory)
        except OSError:
            return


SUBJECT = TrustSubject()
