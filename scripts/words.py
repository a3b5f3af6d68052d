#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts habits of prose that make the collection hard to read, and refuses more of them than were recorded.

``check`` compares each count with its ceiling in words_ceilings.json, and with ``--targets`` also with the rates that the
text must reach. ``record`` lowers the ceilings to the current counts; it never raises one. ``count`` prints the rates per
1,000 words, ``list HABIT [AREA]`` every occurrence, and with ``--since COMMIT`` only those in lines changed since a commit.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CEILINGS = Path(__file__).with_name("words_ceilings.json")

DOCUMENTATION, MESSAGES, DOCS, CODE = AREAS = ("documentation", "messages", "docs", "code")

_BRITISH_ISE = (
    "recogn|organ|initial|normal|serial|author|custom|synchron|summar|minim|maxim|util|central|final|general|optim|"
    "priorit|real|special|standard|visual|local|capital|categor|canonical"
)
#: the patterns match across line breaks; each is applied without regard to case
HABITS = {
    "nominal": r"whoever|whatever|whichever|those\s+(?:that|who)|ones?\s+that|what\s+(?:is|was|it|they|the|a)(?=\s)",
    "told": r"tells?|told|telling|says?|said|saying",
    "nobody": r"nobody|somebody|anybody",
    "is-no": r"(?:is|are|be)\s+no\s+(?!longer\b|more\s+than\b|less\b)[a-z]\w*",
    "give": r"give(?!\s+up\b)|mend(?:s|ed|ing)?|(?:take|leave)\s+(?:\w+\s+){0,3}?out|(?:taken|left)\s+out",
    "archaic": r"anew|afresh|likewise|besides?|shall|befall\w*|befell|hitherto|henceforth|whence|thereof|therein|lest|whilst|amongst",
    "british": r"(?:colour|behaviour|favour|honour|neighbour|flavour|artefact|catalogue|centre|licence|programme)\w*|grey|fulfil|defence|"
    rf"analys(?:e|ed|es|ing)|(?:{_BRITISH_ISE})is(?:e|ed|es|ing|ation)\w*",
}
ADVICE = "Rewrite them. scripts/words.py list HABIT AREA --since main shows the new ones."
CONTEXT = 40  # characters on each side
PATTERNS = {habit: re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE) for habit, pattern in HABITS.items()}

#: occurrences per 1,000 words that the text must come down to
TARGETS: dict[tuple[str, str], float] = {
    (DOCUMENTATION, "nominal"): 0.5,
    (DOCUMENTATION, "told"): 0.2,
    (DOCUMENTATION, "nobody"): 0.1,
    (DOCUMENTATION, "is-no"): 0.1,
    **{(area, habit): 0.0 for area in (DOCUMENTATION, MESSAGES) for habit in ("give", "archaic", "british")},
}

_WORD = re.compile(r"[A-Za-z][A-Za-z'\u2019-]*")
_MARKUP = re.compile(r"\b(?:RV|[CVOEMPIBU])\((?:\\.|[^)\\])*\)")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_QUOTE = re.compile(r"^\s*[rbf]*[\"']+|[\"']+\s*$", re.MULTILINE | re.IGNORECASE)
_ESCAPE = re.compile(r"\\[a-z]")
_URL = re.compile(r"\bhttps?://[^\s)>`]+")
_LINE = re.compile(".+")
_LITERAL = re.compile(r"``.+?``|:[\w:.-]+:`[^`]+`|`[^`]+`", re.DOTALL)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_MARKDOWN_TARGET = re.compile(r"(?<=\])\([^)]*\)|<[^>\n]+>")
#: an RST comment, target or directive, and the lines below it that belong to it
_DIRECTIVE = re.compile(r"^( *)\.\.(?: .*)?\n(?:(?: *\n)*\1 +.*\n?)*", re.MULTILINE)
#: directives whose content is prose
_PROSE_DIRECTIVE = re.compile(r" *\.\. (?:note|warning|tip|important|seealso|list-table)::")

_HUNK = re.compile(r"^\+\+\+ b/(?P<path>.*)$|^@@ -\S+ \+(?P<line>\d+)(?:,(?P<length>\d+))? @@", re.MULTILINE)
_HEADER = re.compile(r"# (?:Copyright|GNU General|SPDX|!)|#!")
_DOCUMENTATION_NAMES = ("DOCUMENTATION", "RETURN", "EXAMPLES")
_PROSE_KEYS = frozenset({"description", "short_description", "notes", "details", "requirements", "why", "alternative"})
_TASK_LISTS = frozenset({"block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"})
_MESSAGE_KEYS = frozenset({"msg", "fail_msg", "success_msg"})
#: calls whose text reaches the user: a raised error, a warning, the result of a failed module
_MESSAGE_CALLS = frozenset({"warn", "warning", "fail_json", "fail", "deprecate"})
_MESSAGE_FUNCTION = re.compile(r"(?:^|_)(?:warning|error|remedy|cause)s?(?:_|$)")


@dataclass(frozen=True)
class Passage:
    """Some prose of one file, with the number of its first line."""

    path: str
    line: int
    text: str

    def matches(self, habit: str) -> Iterator[tuple[int, str]]:
        """Yield the line number of each occurrence of a habit, and the text around it."""
        for match in PATTERNS[habit].finditer(self.text):
            context = self.text[max(match.start() - CONTEXT, 0) : match.start()], match.group(), self.text[match.end() :][:CONTEXT]
            before, word, after = (" ".join(part.split()) for part in context)
            yield self.line + self.text.count("\n", 0, match.start()), f"{before} [{word}] {after}".strip()


@dataclass(frozen=True)
class Hit:
    """One occurrence of a habit."""

    habit: str
    area: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Survey:
    """The number of words of each area, and every occurrence of a habit."""

    words: Mapping[str, int]
    hits: Sequence[Hit]

    def of(self, area: str, habit: str) -> list[Hit]:
        """Return the occurrences of a habit in an area."""
        return [hit for hit in self.hits if (hit.area, hit.habit) == (area, habit)]

    def rate(self, area: str, habit: str) -> float:
        """Return the occurrences per 1,000 words."""
        return 1000 * len(self.of(area, habit)) / max(self.words[area], 1)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of occurrences by area and habit."""
        return {area: {habit: len(self.of(area, habit)) for habit in HABITS} for area in AREAS}


def blank(text: str, *patterns: re.Pattern[str]) -> str:
    """Return the text with each match replaced by spaces, so that every line keeps its number."""
    for pattern in patterns:
        text = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    return text


def prose_of_rst(text: str) -> str:
    """Return reStructuredText without code, targets and comments."""

    def prose_of_directive(match: re.Match[str]) -> str:
        return match.group() if _PROSE_DIRECTIVE.match(match.group()) else blank(match.group(), _LINE)

    return blank(_DIRECTIVE.sub(prose_of_directive, text), _LITERAL, _URL)


def prose_of_markdown(text: str) -> str:
    """Return Markdown without code and the targets of links."""
    return blank(text, _FENCE, _LITERAL, _MARKDOWN_TARGET, _URL)


def prose_of_markup(text: str) -> str:
    """Return text of Ansible's documentation without the content of semantic markup."""
    return blank(text, _MARKUP, _LITERAL, _URL)


def scalars(node: yaml.Node, is_wanted: Callable[[str], bool], key: str = "") -> Iterator[yaml.ScalarNode]:
    """Yield the scalars that a wanted key holds, itself or in a list."""
    if isinstance(node, yaml.ScalarNode):
        if is_wanted(key):
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from scalars(item, is_wanted, key)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            yield from scalars(value, is_wanted, str(name.value))


def task_scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Yield the names of plays and tasks, and the messages of the tasks."""
    for task in node.value if isinstance(node, yaml.SequenceNode) else ():
        for key, value in task.value if isinstance(task, yaml.MappingNode) else ():
            if key.value == "name" and isinstance(value, yaml.ScalarNode):
                yield value
            elif key.value in _TASK_LISTS:
                yield from task_scalars(value)
            else:
                yield from scalars(value, _MESSAGE_KEYS.__contains__)


def yaml_passages(
    path: str, text: str, select: Callable[[yaml.Node], Iterable[yaml.ScalarNode]], clean: Callable[[str], str], first_line: int = 1
) -> Iterator[Passage]:
    """Yield the selected scalars as they are written, so that line breaks are kept."""
    for document in yaml.compose_all(text, yaml.SafeLoader):
        for node in select(document):
            begin, end = node.start_mark, node.end_mark
            yield Passage(path, first_line + begin.line, clean(text[begin.index : end.index]))


def descriptions(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Yield the prose of a DOCUMENTATION, a RETURN or an argument spec."""
    return scalars(node, _PROSE_KEYS.__contains__)


def documentation_passages(path: str, tree: ast.Module) -> Iterator[Passage]:
    """Yield the prose of the documentation of a plugin or of a fragment."""
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ModuleDocFragment")]
    for body in bodies:
        for node in body:
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)):
                continue
            name, value = node.targets[0].id, node.value.value
            if isinstance(value, str) and (name in _DOCUMENTATION_NAMES or body is not tree.body):
                select = task_scalars if name == "EXAMPLES" else descriptions
                clean = blank_jinja if name == "EXAMPLES" else prose_of_markup
                yield from yaml_passages(path, value, select, clean, node.value.lineno)


def blank_jinja(text: str) -> str:
    """Return the name or message of a task without its expressions."""
    return blank(text, _JINJA, _LITERAL, _URL)


def message_nodes(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions that make the text of errors and warnings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.exc
        elif isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
            if name in _MESSAGE_CALLS or name.endswith("Error"):
                yield node
            yield from (keyword.value for keyword in node.keywords if keyword.arg and _MESSAGE_FUNCTION.search(keyword.arg))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(_MESSAGE_FUNCTION.search(ast.unparse(target).rsplit(".", 1)[-1].lower()) for target in targets):
                yield node.value
        elif isinstance(node, ast.FunctionDef) and _MESSAGE_FUNCTION.search(node.name):
            yield from (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value is not None)


def module_constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values of the names that a module assigns at its top."""
    return {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}


def string_nodes(node: ast.AST, constants: Mapping[str, ast.expr]) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Yield the strings of an expression, also those that a name of the module stands for."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
    elif isinstance(node, ast.Name):
        if isinstance(constants.get(node.id), (ast.Constant, ast.JoinedStr)):
            yield from string_nodes(constants[node.id], {})
    elif not isinstance(node, ast.Subscript):
        for child in ast.iter_child_nodes(node):
            yield from string_nodes(child, constants)


def message_passages(path: str, text: str, tree: ast.Module) -> Iterator[Passage]:
    """Yield the texts of the errors and warnings of a plugin, as they are written, so that line breaks are kept."""
    constants = module_constants(tree)
    nodes = {id(string): string for node in message_nodes(tree) for string in string_nodes(node, constants)}
    for node in nodes.values():
        yield Passage(path, node.lineno, blank(ast.get_source_segment(text, node) or "", _PLACEHOLDER, _QUOTE, _ESCAPE, _URL))


def code_passages(path: str, text: str, tree: ast.Module) -> Iterator[Passage]:
    """Yield the docstrings and comments of a file; comments of adjacent lines are one passage."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
            docstring = node.body[0]
            assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
            yield Passage(path, docstring.lineno, blank(str(docstring.value.value), _LITERAL, _URL))
    block: list[str] = []
    first = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not _HEADER.match(token.string):
            if block and token.start[0] != first + len(block):
                yield Passage(path, first, blank("\n".join(block), _LITERAL, _URL))
                block = []
            first = first if block else token.start[0]
            block.append(token.string.lstrip("#: "))
    if block:
        yield Passage(path, first, blank("\n".join(block), _LITERAL, _URL))


def plugin_passages(path: str, text: str) -> Iterator[tuple[str, Passage]]:
    """Yield area and passage of a Python file below ``plugins``."""
    tree = ast.parse(text)
    yield from ((DOCUMENTATION, passage) for passage in documentation_passages(path, tree))
    yield from ((MESSAGES, passage) for passage in message_passages(path, text, tree))
    yield from ((CODE, passage) for passage in code_passages(path, text, tree))


def text_passages(path: str, text: str) -> Iterator[tuple[str, Passage]]:
    """Yield area and passage of any other file."""
    if path.endswith(".md"):
        yield (DOCUMENTATION if path == "README.md" else DOCS), Passage(path, 1, prose_of_markdown(text))
    elif path.endswith(".rst"):
        yield DOCS, Passage(path, 1, prose_of_rst(text))
    elif path.endswith("argument_specs.yml"):
        yield from ((DOCS, passage) for passage in yaml_passages(path, text, descriptions, prose_of_markup))
    elif path.startswith("changelogs/"):
        yield from ((DOCS, passage) for passage in yaml_passages(path, text, lambda node: scalars(node, bool), prose_of_rst))
    else:
        yield from ((MESSAGES, passage) for passage in yaml_passages(path, text, task_scalars, blank_jinja))


FILES = (
    "plugins/**/*.py",
    "README.md",
    "docs/docsite/rst/*.rst",
    "roles/*/README.md",
    "roles/*/meta/argument_specs.yml",
    "changelogs/fragments/*.yml",
    "roles/*/tasks/*.yml",
    "roles/*/handlers/*.yml",
    "playbooks/*.yml",
)


def survey(root: Path) -> Survey:
    """Read every file of the collection that holds prose."""
    words = dict.fromkeys(AREAS, 0)
    hits = []
    for file in sorted({file for pattern in FILES for file in root.glob(pattern)}):
        path = file.relative_to(root).as_posix()
        read = plugin_passages if path.endswith(".py") else text_passages
        for area, passage in read(path, file.read_text("utf-8")):
            words[area] += len(_WORD.findall(passage.text))
            hits += [Hit(habit, area, path, line, text) for habit in HABITS for line, text in passage.matches(habit)]
    return Survey(words, sorted(hits, key=lambda hit: (hit.path, hit.line)))


def changed_lines(root: Path, commit: str) -> set[tuple[str, int]]:
    """Return path and number of the lines that differ from a commit; untracked files are not compared."""
    command = ["git", "diff", "--unified=0", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/", "--relative", commit]
    difference = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    lines: set[tuple[str, int]] = set()
    path = ""
    for match in _HUNK.finditer(difference):
        path = match["path"] or path
        first = int(match["line"] or 0)
        lines.update((path, first + offset) for offset in range(int(match["length"] or 1) if first else 0))
    return lines


Ceilings = Mapping[str, Mapping[str, int]]


def excesses(survey: Survey, ceilings: Ceilings) -> Iterator[str]:
    """Yield a paragraph for each count above its ceiling."""
    for area in AREAS:
        for habit in HABITS:
            hits, ceiling = survey.of(area, habit), ceilings.get(area, {}).get(habit, 0)
            if len(hits) > ceiling:
                yield "\n".join([f"{area}: {len(hits)} of {habit}, at most {ceiling} are allowed:", *(f"  {hit}" for hit in hits)])


def missed_targets(survey: Survey) -> Iterator[str]:
    """Yield a paragraph for each rate above its target."""
    for (area, habit), target in TARGETS.items():
        rate = survey.rate(area, habit)
        if rate > target:
            hits = [f"  {hit}" for hit in survey.of(area, habit)]
            yield "\n".join([f"{area}: {rate:.2f} of {habit} per 1,000 words, the target is {target}:", *hits])


def lowered(ceilings: Ceilings, counts: Ceilings) -> dict[str, dict[str, int]]:
    """Return the ceilings lowered to the counts; a habit that has none gets its count."""
    return {
        area: {habit: min(count, ceilings.get(area, {}).get(habit, count)) for habit, count in by_habit.items()}
        for area, by_habit in counts.items()
    }


def table(survey: Survey) -> str:
    """Return occurrences per 1,000 words and, in parentheses, their number."""
    rows = [["", *AREAS], ["words", *(str(survey.words[area]) for area in AREAS)]]
    for habit in HABITS:
        rows.append([habit, *(f"{survey.rate(area, habit):.2f} ({len(survey.of(area, habit))})" for area in AREAS)])
    return "\n".join(f"{row[0]:<10}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def load_ceilings(path: Path) -> dict[str, dict[str, int]]:
    """Return the recorded ceilings, or none before the first record."""
    ceilings: dict[str, dict[str, int]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return ceilings


def run(arguments: argparse.Namespace) -> int:
    """Run one command; return its exit status."""
    current = survey(arguments.root)
    ceilings = load_ceilings(arguments.ceilings)
    if arguments.command == "count":
        print(table(current))
    elif arguments.command == "list":
        changed = changed_lines(arguments.root, arguments.since) if arguments.since else None
        for area in [arguments.area] if arguments.area else AREAS:
            for hit in current.of(area, arguments.habit):
                if changed is None or (hit.path, hit.line) in changed:
                    print(hit)
    else:
        problems = list(excesses(current, ceilings)) if ceilings or arguments.command == "check" else []
        problems += list(missed_targets(current)) if arguments.command == "check" and arguments.targets else []
        if problems:
            print("\n".join(problems), ADVICE, sep="\n", file=sys.stderr)
            return 1
        if arguments.command == "record":
            arguments.ceilings.write_text(json.dumps(lowered(ceilings, current.counts()), indent=2) + "\n", "utf-8")
        elif lowered(ceilings, current.counts()) != ceilings:
            print("some counts are below their ceilings: scripts/words.py record lowers them")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run its command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the collection (this one)")
    parser.add_argument("--ceilings", type=Path, default=CEILINGS, help="the file that holds the ceilings")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="fail when a count is above its ceiling")
    check.add_argument("--targets", action="store_true", help="fail also when a rate is above its target")
    commands.add_parser("record", help="lower the ceilings to the current counts")
    commands.add_parser("count", help="print the occurrences per 1,000 words")
    occurrences = commands.add_parser("list", help="print every occurrence of a habit")
    occurrences.add_argument("habit", choices=list(HABITS))
    occurrences.add_argument("area", choices=AREAS, nargs="?")
    occurrences.add_argument("--since", metavar="COMMIT", help="only in the lines that differ from this commit")
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
