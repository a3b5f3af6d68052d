# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing TOML, and reading it on a worker: by Python's own parser (3.11) or tomli, and where there is neither by a smaller one.

The smaller parser is for reading, never for editing. It supports the whole grammar except dates, which it returns as text, and
it accepts some invalid documents. It raises an error for anything else, so that no setting is missed.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Mapping
from typing import Any

from .errors import OptioError

#: why there is neither library; the module that edits needs one
LIBRARY_IMPORT_ERROR: str | None = None
try:
    import tomllib as library
except ImportError:
    try:
        import tomli as library  # type: ignore[no-redef,import-not-found,unused-ignore]
    except ImportError:
        library = None  # type: ignore[assignment]
        LIBRARY_IMPORT_ERROR = traceback.format_exc()

Document = dict[str, Any]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG = (re.compile(r'"""\r?\n?((?:[^\\]|\\.)*?)"""(?!")', re.DOTALL), re.compile(r"'''\r?\n?(.*?)'''(?!')", re.DOTALL))
_WORD = re.compile(r"[^\s,#\]}=]+(?: \d[^\s,#\]}]*)?")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
#: an escaped backslash, or a backslash that folds lines
_FOLDED = re.compile(r"\\(\\|[ \t]*\r?\n\s*)")
_CODE_POINT = re.compile(r"\\U([0-9A-Fa-f]{8})")
_NUMBER = re.compile(r"[+-]?(?:0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*)\Z")
DEEPEST = 50


def loads(text: str) -> Document:
    """Return a document; raise ValueError for invalid TOML."""
    if library is None:
        return parse(text)
    try:
        document: Document = library.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return document


def parse(text: str) -> Document:
    """Return a document by the smaller parser."""
    return _Reader(text.removeprefix("\ufeff")).document()


def dumps(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Return a mapping as TOML: plain values first, then one table for each nested mapping."""
    lines = [f"{_key(key)} = {toml_value(value)}\n" for key, value in document.items() if not isinstance(value, Mapping)]
    tables = [(key, value) for key, value in document.items() if isinstance(value, Mapping)]
    text = "".join(lines)
    if path and (lines or not tables):
        text = f"\n[{'.'.join(_key(key) for key in path)}]\n{text}"
    return text + "".join(dumps(value, (*path, str(key))) for key, value in tables)


def toml_value(value: Any) -> str:
    """Return one value in TOML's inline spelling, for a file or for codex's ``-c key=value``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(entry) for entry in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml_value(entry)}" for key, entry in value.items()) + "}"
    cause = f"config value {value!r} is of type {type(value).__name__}, which TOML does not have"
    raise OptioError(f"config value {value!r}", cause, "Use a string, number, boolean, list or dict")


def _key(key: object) -> str:
    text = str(key)
    return text if _BARE.fullmatch(text) else toml_string(text)


def toml_string(text: str) -> str:
    """Return ``text`` as a TOML basic string."""
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped, and surrogate pairs, which it forbids
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def document(self) -> Document:
        """Read to the end."""
        root: Document = {}
        table = root
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return root
            if self._take("[["):
                keys = self._keys()
                self._expect("]]")
                table = self._table(root, keys[:-1])
                entries = table.setdefault(keys[-1], [])
                if not isinstance(entries, list):
                    raise self._odd("is not an array of tables")
                table = {}
                entries.append(table)
            elif self._take("["):
                table = self._table(root, self._keys())
                self._expect("]")
            else:
                self._pair(table)
            self._match(_LINE_END, "has more than one value")

    def _pair(self, table: Document) -> None:
        keys = self._keys()
        self._expect("=")
        self._skip(_SPACE)
        value = self._value()
        into = self._table(table, keys[:-1])
        if keys[-1] in into:
            raise self._odd(f"names {keys[-1]} twice")
        into[keys[-1]] = value

    def _table(self, root: Document, keys: list[str]) -> Document:
        found: Any = root
        for key in keys:
            found = found.setdefault(key, {})
            # a path goes on in the last of an array's tables
            if isinstance(found, list) and found:
                found = found[-1]
            if not isinstance(found, dict):
                raise self._odd(f"makes a table of {key}, which is none")
        result: Document = found
        return result

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._take("."):
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip(_SPACE)
        quoted = self._text[self._at : self._at + 1] in ('"', "'")
        key = self._string() if quoted else self._match(_BARE, "has no key").group()
        self._skip(_SPACE)
        return key

    def _value(self) -> Any:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._odd("is nested too deeply")
        try:
            if self._text[self._at : self._at + 1] in ('"', "'"):
                return self._string()
            if self._take("["):
                return self._array()
            if self._take("{"):
                return self._inline_table()
            return _plain(self._match(_WORD, "has no value").group())
        except ValueError as error:
            raise self._odd(str(error)) from error
        finally:
            self._depth -= 1

    def _array(self) -> list[Any]:
        entries: list[Any] = []
        while True:
            self._skip(_BLANK)
            if self._take("]"):
                return entries
            entries.append(self._value())
            self._skip(_BLANK)
            if not self._take(",") and self._text[self._at : self._at + 1] != "]":
                raise ValueError("has an array without end")

    def _inline_table(self) -> Document:
        table: Document = {}
        while True:
            self._skip(_BLANK)
            if self._take("}"):
                return table
            self._pair(table)
            self._skip(_BLANK)
            if not self._take(",") and self._text[self._at : self._at + 1] != "}":
                raise ValueError("has an inline table without end")

    def _string(self) -> str:
        basic = self._text[self._at] == '"'
        if self._text.startswith(self._text[self._at] * 3, self._at):
            text = self._match(_LONG[0] if basic else _LONG[1], "has a string without end").group(1)
            return _unescape(_FOLDED.sub(_unfold, text).replace("\r\n", "\n")) if basic else text
        text = self._match(_BASIC if basic else _LITERAL, "has a string without end").group()[1:-1]
        return _unescape(text) if basic else text

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._odd(f"lacks {mark}")

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _match(self, pattern: re.Pattern[str], complaint: str) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if not found:
            raise self._odd(complaint)
        self._at = found.end()
        return found

    def _odd(self, complaint: str) -> ValueError:
        if complaint.startswith("line "):
            return ValueError(complaint)
        return ValueError(f"line {self._text.count(chr(10), 0, self._at) + 1} {complaint}")


def _plain(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    if _NUMBER.match(word):
        return int(word.replace("_", ""), 0 if word.lstrip("+-").startswith(("0x", "0o", "0b")) else 10)
    if re.match(r"\d{4}-\d\d-\d\d|\d\d:\d\d", word):
        return word
    return float(word.replace("_", ""))


def _unfold(found: re.Match[str]) -> str:
    return found.group() if found.group(1) == "\\" else ""


def _unescape(text: str) -> str:
    # JSON's escapes are TOML's too, but for the long one and the two of newer versions; a line break may stand as it is
    text = _CODE_POINT.sub(lambda found: chr(int(found.group(1), 16)), text)
    text = text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    quoted = re.sub(r'(\\.)|"', lambda found: found.group(1) or '\\"', text)
    return str(json.loads(f'"{quoted}"', strict=False))
