# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from Python source which texts an expression can have, with placeholders for values such as ``<path>``.

A text may depend on a condition, on one of several assignments, on a row of a table, or on the caller of its function. Each of these is
a choice. The arguments of one call share their choices, so that a cause is listed with its own remedy.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: alternatives of one call, and callers through which a text is followed
MOST_TEXTS = 40
MOST_CALLERS = 3

#: parameters that are text of a message, and not a value in it
_FOLLOWED = re.compile(r"_?(?:cause|remedy|reason|problem|otherwise|hint|why|states?)")
_TEXTUAL = (ast.JoinedStr, ast.Constant, ast.IfExp, ast.BinOp, ast.BoolOp, ast.Name)

Choices = Mapping[str, int]
Function = ast.FunctionDef | ast.AsyncFunctionDef


class NeedChoice(Exception):
    """The text depends on something that has not been chosen."""

    def __init__(self, key: str, count: int) -> None:
        super().__init__(key)
        self.key = key
        self.count = count


@dataclass(frozen=True)
class Binding:
    """One assignment: an expression, the part of it if it is unpacked, and the rows of a table if it has several values."""

    value: ast.expr
    index: int | None
    rows: bool
    key: str


@dataclass
class Module:
    """A parsed file: its constants, and for each node the node around it."""

    path: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    statements: dict[Function, list[ast.Assign | ast.For]] = field(default_factory=dict)
    #: by function, those whose name is unique
    returns: dict[str, list[ast.expr]] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: Path, root: Path) -> Module:
        module = cls(str(path.relative_to(root)), ast.parse(path.read_text("utf-8")))
        for node in ast.walk(module.tree):
            module.parents.update((child, node) for child in ast.iter_child_nodes(node))
            if isinstance(node, ast.ImportFrom) and node.module:
                module.imports.update((name.asname or name.name, (node.module, name.name)) for name in node.names)
            if isinstance(node, Function):
                values = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value is not None]
                module.returns[node.name] = [] if node.name in module.returns else values
        for statement in module.tree.body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and value is not None:
                module.constants[target.id] = value
        return module

    def function_of(self, node: ast.AST) -> Function | None:
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Function):
                return node
        return None

    def statements_of(self, function: Function) -> list[ast.Assign | ast.For]:
        """Return the assignments and loops of a function, the last one first."""
        if function not in self.statements:
            inside = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.For) and self.function_of(node) is function]
            self.statements[function] = sorted(inside, key=lambda node: node.lineno, reverse=True)
        return self.statements[function]

    def blocks_of(self, node: ast.AST) -> list[tuple[ast.AST, str]]:
        """Return the blocks around a node, from the inside: a statement and the name of its list of statements."""
        blocks = []
        while node in self.parents:
            parent = self.parents[node]
            for name, value in ast.iter_fields(parent):
                if isinstance(value, list) and node in value:
                    blocks.append((parent, name))
            node = parent
        return blocks


@dataclass(frozen=True)
class Place:
    """Where an expression stands, and through how many callers it was reached."""

    module: Module
    node: ast.AST
    depth: int = 0


def placeholder(node: ast.AST) -> str:
    """Return a name for a value that only a run has, such as ``<path>`` for ``shown(self.path)``."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return f"<{node.slice.value}>"
    if isinstance(node, ast.Call):
        method = isinstance(node.func, ast.Attribute) and node.func.attr
        if method == "get" and node.args and isinstance(node.args[0], ast.Constant):
            return f"<{node.args[0].value!s}>"
        if node.args and method in (False, "join", "named", "quote"):
            return placeholder(node.args[0])
        return placeholder(node.func.value if isinstance(node.func, ast.Attribute) else node.func)
    if isinstance(node, ast.Attribute):
        return f"<{node.attr}>"
    if isinstance(node, ast.Name):
        return f"<{node.id}>"
    for child in ast.iter_child_nodes(node):
        if (name := placeholder(child)) != "<value>":
            return name
    return "<value>"


def is_bare(text: str) -> bool:
    """Return whether a text contains placeholders alone."""
    return re.search(r"\w", re.sub(r"<[^<>]*>", "", text)) is None


def tidy(text: str) -> str:
    text = re.sub(r"<_*(\w+?)_*>", lambda match: f"<{match[1].replace('_', ' ')}>", text)
    return re.sub(r"\s+", " ", text).strip()


def _parameters(function: Function) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _names(target: ast.expr) -> list[str | None]:
    """Return the names of a target in order."""
    if isinstance(target, ast.Tuple):
        return [element.id if isinstance(element, ast.Name) else None for element in target.elts]
    return [target.id] if isinstance(target, ast.Name) else []


class Texts:
    """Finds the texts of expressions in the modules of a tree."""

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.modules = [Module.from_file(path, root) for path in paths]
        self._by_name = {module.path.removesuffix(".py").replace("/", "."): module for module in self.modules}
        self._calls: dict[str, list[tuple[Module, ast.Call]]] = {}
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and (name := _called(node)):
                    self._calls.setdefault(name, []).append((module, node))

    def calls_of(self, names: Collection[str]) -> Iterator[tuple[Module, ast.Call]]:
        """Yield the calls of classes or functions by their own names, in the order of the files."""
        for module in self.modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and _called(node) in names:
                    yield module, node

    def alternatives(self, module: Module, call: ast.Call, arguments: Sequence[ast.expr]) -> list[tuple[str, ...]]:
        """Return the texts that the arguments of one call have together."""
        place = Place(module, call)
        results: dict[tuple[str, ...], None] = {}
        pending: list[dict[str, int]] = [{}]
        while pending and len(results) < MOST_TEXTS:
            choices = pending.pop()
            try:
                results[tuple(tidy(self._text(argument, place, choices)) for argument in arguments)] = None
            except NeedChoice as need:
                pending += [{**choices, need.key: index} for index in reversed(range(need.count))]
        return list(results)

    def _text(self, node: ast.expr, place: Place, choices: Choices) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part, place, choices) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            value = node.value
            return self._text(value.values[0] if isinstance(value, ast.BoolOp) else value, place, choices)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left, place, choices) + self._text(node.right, place, choices)
        if isinstance(node, ast.IfExp):
            branches = [branch for branch in (node.body, node.orelse) if ast.unparse(branch) != "''"]
            chosen = _choose(choices, ast.unparse(node.test), 2) if len(branches) == 2 else 0
            return self._text(branches[chosen], place, choices)
        if isinstance(node, ast.BoolOp):
            first = self._text(node.values[0], place, choices)
            return self._text(node.values[-1], place, choices) if not first or is_bare(first) else first
        if isinstance(node, ast.Name):
            return self._name(node, place, choices)
        return self._call(node, place, choices) if isinstance(node, ast.Call) else placeholder(node)

    def _call(self, node: ast.Call, place: Place, choices: Choices) -> str:
        """Return a text that a function of the same file returns, or the text that a method only changes at its ends."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("strip", "rstrip") and isinstance(node.func.value, _TEXTUAL):
            return self._text(node.func.value, place, choices)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            rows = [row for row in self._rows(node, place) if isinstance(row, (*_TEXTUAL, ast.Call)) and ast.unparse(row) != "''"]
            return self._text(rows[_choose(choices, ast.unparse(node), len(rows))], place, choices) if rows else placeholder(node)
        returns = place.module.returns.get(_called(node) or "", [])
        if not returns or place.depth >= MOST_CALLERS or not all(isinstance(value, (*_TEXTUAL, ast.Call)) for value in returns):
            return placeholder(node)
        value = returns[_choose(choices, f"return of {_called(node)}", len(returns))]
        return self._text(value, Place(place.module, value, place.depth + 1), choices)

    def _name(self, node: ast.Name, place: Place, choices: Choices) -> str:
        bindings = list(self._bindings(node.id, place))
        if bindings:
            binding = bindings[_choose(choices, _group(bindings), len(bindings))] if len(bindings) > 1 else bindings[0]
            return self._bound(binding, node, place, choices)
        function = place.module.function_of(place.node)
        if function and node.id in _parameters(function):
            return self._argument(node, function, place, choices)
        constant = self._constant(node.id, place.module)
        if constant is None or not isinstance(constant[1], _TEXTUAL):
            return placeholder(node)
        return self._text(constant[1], Place(constant[0], constant[1], place.depth + 1), choices)

    def _bindings(self, name: str, place: Place) -> Iterator[Binding]:
        """Yield the assignments that may be in effect, up to the last one that certainly is."""
        function = place.module.function_of(place.node)
        if function is None:
            return
        around = place.module.blocks_of(place.node)
        loops = [parent for parent, _block in around]
        line = getattr(place.node, "lineno", 0)
        for statement in place.module.statements_of(function):
            target = statement.target if isinstance(statement, ast.For) else statement.targets[0]
            names = _names(target)
            is_loop = isinstance(statement, ast.For)
            if name not in names or statement.lineno >= line or (is_loop and statement not in loops):
                continue
            block = place.module.blocks_of(statement)[0]
            index = names.index(name) if isinstance(target, ast.Tuple) else None
            value = statement.iter if isinstance(statement, ast.For) else statement.value
            yield Binding(value, index, is_loop, f"{block[1]} of {place.module.path}:{getattr(block[0], 'lineno', 0)}")
            if is_loop or block in around:
                return

    def _bound(self, binding: Binding, node: ast.Name, place: Place, choices: Choices) -> str:
        inside = Place(place.module, binding.value, place.depth)
        value = binding.value
        if binding.index is None and not binding.rows:
            text = self._text(value, inside, choices) if isinstance(value, (*_TEXTUAL, ast.Call)) else ""
            # the variable's own name is better than that of its value
            return placeholder(node) if is_bare(text) else text
        while isinstance(value, ast.IfExp):
            value = value.orelse if _choose(choices, ast.unparse(value.test), 2) else value.body
        if not binding.rows and isinstance(value, ast.Tuple) and binding.index is not None:
            return self._text(value.elts[binding.index], inside, choices)
        rows = self._rows(value, inside)
        if not rows:
            return placeholder(node)
        row = rows[_choose(choices, ast.unparse(value), len(rows))]
        if binding.index is None:
            return self._text(row, inside, choices)
        if isinstance(row, ast.Tuple) and binding.index < len(row.elts):
            return self._text(row.elts[binding.index], inside, choices)
        return placeholder(node)

    def _rows(self, value: ast.expr, place: Place) -> list[ast.expr]:
        """Return the rows of a table: a tuple or list in place, or the values of a constant and the default of ``get``."""
        rest: list[ast.expr] = []
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
            rest, value = value.args[1:], value.func.value
        elif isinstance(value, ast.Subscript):
            value = value.value
        if isinstance(value, ast.Name):
            constant = self._constant(value.id, place.module)
            local = next(iter(self._bindings(value.id, place)), None)
            value = local.value if local and local.index is None else constant[1] if constant else value
        if isinstance(value, ast.Dict):
            return [*value.values, *rest]
        return [*value.elts] if isinstance(value, ast.Tuple | ast.List) else rest

    def _constant(self, name: str, module: Module) -> tuple[Module, ast.expr] | None:
        if name in module.constants:
            return module, module.constants[name]
        if name in module.imports:
            package, original = module.imports[name]
            for known, other in self._by_name.items():
                if known.endswith(f"{package.removeprefix('ansible_collections.optio.codex.')}") and original in other.constants:
                    return other, other.constants[original]
        return None

    def _argument(self, node: ast.Name, function: Function, place: Place, choices: Choices) -> str:
        """Return the text of a parameter at one of the calls of its function."""
        calls = self._calls.get(function.name, [])
        if not _FOLLOWED.fullmatch(node.id) or not calls or place.depth >= MOST_CALLERS:
            return placeholder(node)
        module, call = calls[_choose(choices, f"call of {function.name}", len(calls))]
        value = _argument_of(call, function, node.id)
        return placeholder(node) if value is None else self._text(value, Place(module, call, place.depth + 1), choices)


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else None


def _argument_of(call: ast.Call, function: Function, name: str) -> ast.expr | None:
    """Return what a call passes for a parameter, or its default."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    names = _parameters(function)
    index = names.index(name)
    position = index - (names[0] in ("self", "cls"))
    if position < len(call.args) and not isinstance(call.args[position], ast.Starred):
        return call.args[position]
    defaults = function.args.defaults
    first = len(function.args.posonlyargs) + len(function.args.args) - len(defaults)
    return defaults[index - first] if first <= index < first + len(defaults) else None


def _choose(choices: Choices, key: str, count: int) -> int:
    if key not in choices:
        raise NeedChoice(key, count)
    return min(choices[key], count - 1)


def _group(bindings: Sequence[Binding]) -> str:
    """Return a key that names assigned in the same blocks share."""
    return "; ".join(binding.key for binding in bindings)
