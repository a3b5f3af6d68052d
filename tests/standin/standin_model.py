# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deterministic "model" of the stand-in: from the body of one request to its answer.

Pure functions, no state: the open turn's agenda is folded from the request's ``input`` items, so that
a resumed session, a steered turn and a hundred sessions at once need nothing of the server.
Standard library only, Python 3.9 and later.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Union

Json = dict[str, Any]

DIRECTIVES = """\
directives, one a line, in a user message or in an AGENTS.md that a message names:
  RUN: <shell command>   run it by codex's shell tool; several lines run one after another.
                         The turn ends with "Done: <tail of the output>" for each command,
                         or "Failed (exit N): <tail>".
  ASK: <shell command>   the same, but the call asks to leave the sandbox: under the approval
                         policy "on-request" codex shows its approval prompt.
  SAY: <text>            put the text in the final answer.
  SLOW: <seconds>        stream the final answer over that time, so that a working state shows.
  FAIL: <400..599>       answer with this HTTP status, until the next user message.
  LIMIT: <NN> <NN>       report these percentages of the account's first and second rate limit with the
                         final answer; from 100 on, answer that the limit is reached instead, until
                         the next user message.
A message without directives that names AGENTS.md, or a path of one, makes the model read it with
`cat` and follow the directives in it, or read the AGENTS.md that it names by an absolute path in its
turn. A message that asks for the "sum of A and B" gets it, and "How often does AB CD occur" the
number of times that ABCD occurs in the request. Any other message is answered by "You said: <its
first line>". A request
without tools, or for JSON (codex naming a session), gets a short title. Steps left over from a
turn that was cut off without a word run in the next one.
"""

TITLE = "Stand-in"
TAIL_LINES = 5
TAIL_CHARS = 600
POLL_MS = 5000
ESCALATION = {
    "sandbox_permissions": "require_escalated",
    "justification": "The task asks for this command outside the sandbox.",
}
#: seconds since the epoch, far enough from now that no limit counts as reset
RESETS_AT = {"primary": 2_000_000_000, "secondary": 2_000_600_000}
# In this order, because a request may offer several; "exec" is the JavaScript tool of code mode.
SHELL_TOOLS = ("exec_command", "shell_command", "shell", "exec")
CODE_MODE = """\
let run = await tools.exec_command(%s);
let output = run.output;
while (run.session_id !== undefined && run.exit_code === undefined) {
  run = await tools.write_stdin({session_id: run.session_id, chars: "", yield_time_ms: %d});
  output += run.output;
}
text(`Process exited with code ${run.exit_code}\\nOutput:\\n${output}`);
"""

_DIRECTIVE = re.compile(r"^\s*(?:[-*]\s+)?(RUN|ASK|SAY|SLOW|FAIL|LIMIT):[ \t]*(.*?)\s*$", re.MULTILINE)
_CONTEXT = re.compile(r"\s*(?:<[a-z][a-z0-9_ -]*>|# AGENTS\.md instructions)")
_ABORTED = re.compile(r"\s*<turn_aborted>")
_AGENTS = re.compile(r"(?:/[^\s'\"`]*/)?\bAGENTS\.md\b")
_RESUMED = re.compile(r"\s*System: you have been resumed")
_OTHER_AGENTS = re.compile(r"/[^\s'\"`]*/AGENTS\.md\b")
_SUM = re.compile(r"\bsum of (\d+) and (\d+)\b")
_COUNT = re.compile(r"\bHow often does ([A-Z]+) ([A-Z]+) occur\b")
_SESSION = re.compile(r"^Process running with session ID (\d+)$", re.MULTILINE)
_CELL = re.compile(r"Script running with cell ID (\S+)$", re.MULTILINE)
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)$", re.MULTILINE)
_OUTPUT = re.compile(r"^Output:\n", re.MULTILINE)
_SCRIPT = re.compile(r"\AScript (?:completed|running with cell ID \S+)\n.*?^Output:\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One shell command of the agenda; ``follow`` means: its output holds further directives."""

    command: str
    escalate: bool = False
    follow: bool = False


@dataclass(frozen=True)
class Result:
    """The outcome of one step; ``exit_code`` is None where codex reported none."""

    step: Step
    output: str
    exit_code: int | None


@dataclass(frozen=True)
class Call:
    """The answer is a tool call: a function with JSON arguments, or a custom tool with free-form input."""

    name: str
    payload: str
    call_id: str
    custom: bool = False


@dataclass(frozen=True)
class Text:
    """The answer is an assistant message, streamed over ``slow`` seconds."""

    text: str
    slow: float = 0.0


@dataclass(frozen=True)
class Failure:
    """The answer is an HTTP error."""

    status: int


@dataclass(frozen=True)
class Limits:
    """The used percentages of the account's two rate limits."""

    primary: int
    secondary: int

    @property
    def reached(self) -> bool:
        """Whether one of them is used up."""
        return max(self.primary, self.secondary) >= 100

    def headers(self) -> dict[str, str]:
        """Return the response headers that report them."""
        used = {"primary": (self.primary, 300), "secondary": (self.secondary, 10080)}
        values = {
            f"x-codex-{name}-{field}": str(value)
            for name, (percent, minutes) in used.items()
            for field, value in (("used-percent", percent), ("window-minutes", minutes), ("reset-at", RESETS_AT[name]))
        }
        return {**values, **({"x-codex-rate-limit-reached-type": "rate_limit_reached"} if self.reached else {})}

    def error(self) -> Json:
        """Return the API's error object for a limit that is reached."""
        resets_at = RESETS_AT["primary" if self.primary >= 100 else "secondary"]
        error = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "pro"}
        return {"error": {**error, "resets_at": resets_at}}


Answer = Union[Call, Text, Failure]  # noqa: UP007 - evaluated on Python 3.9


@dataclass
class Agenda:
    """What the conversation so far asks of the model in its next answer.

    ``slow`` is in seconds, ``fail`` an HTTP status; ``polling`` names the poll tool and its arguments
    while a command runs on, ``partial`` is what that command has printed so far.
    """

    steps: list[Step] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    slow: float = 0.0
    fail: int | None = None
    limits: Limits | None = None
    current: Step | None = None
    polling: Json | None = None
    partial: str = ""
    calls: int = 0
    heard: str = ""

    def take(self, text: str) -> None:
        """Add the directives in ``text``, in order; a malformed value is answered, never guessed."""
        for word, value in _DIRECTIVE.findall(text):
            if word in ("RUN", "ASK") and value:
                self.steps.append(Step(value, escalate=word == "ASK"))
            elif word == "SAY":
                self.says.append(value)
            elif word == "SLOW" and re.fullmatch(r"\d+(\.\d+)?", value):
                self.slow = float(value)
            elif word == "FAIL" and re.fullmatch(r"[45]\d\d", value):
                self.fail = int(value)
            elif word == "LIMIT" and re.fullmatch(r"\d{1,3} \d{1,3}", value):
                self.limits = Limits(*map(int, value.split()))
            else:
                self.says.append(f"{word}: {value!r} is malformed; see --help of the stand-in.")

    def take_output(self, report: str) -> None:
        """Add what codex reports of the current command: more of its output, or its end."""
        cell = _CELL.match(report)
        head, output = _split_report(_SCRIPT.sub("", report, count=1))
        session = _SESSION.search(head)
        self.partial += output
        self.polling = None
        if cell:
            self.polling = {"name": "wait", "cell_id": cell.group(1), "yield_time_ms": POLL_MS}
        elif session:
            self.polling = {"name": "write_stdin", "session_id": int(session.group(1)), "chars": ""}
        elif self.current is not None:
            exited = _EXIT.search(head)
            self.results.append(Result(self.current, self.partial, int(exited.group(1)) if exited else None))
            if self.current.follow:
                self.take(self.partial)
                other = _OTHER_AGENTS.search(self.partial)
                if other and not _DIRECTIVE.search(self.partial) and other.group() not in self.current.command:
                    self.steps.append(Step(f"cat {other.group()}", follow=True))
            self.current, self.partial = None, ""


def _split_report(report: str) -> tuple[str, str]:
    mark = _OUTPUT.search(report)
    return (report[: mark.start()], report[mark.end() :]) if mark else (report, report)


def flatten(content: Any) -> str:
    """Return the text of a content field: a string, or a list of parts that have a ``text``."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))


def user_texts(item: Json) -> list[str]:
    """Return the parts a person wrote in a user item, without the context codex adds as user text."""
    content = item.get("content")
    parts = [content] if isinstance(content, str) else [flatten([part]) for part in content or []]
    return [part for part in parts if part.strip() and not _CONTEXT.match(part)]


def read_agenda(items: list[Json]) -> Agenda:
    """Fold the input items of a request into the agenda of the turn that is open at their end."""
    agenda = Agenda()
    for item in items:
        kind, role, name = item.get("type", "message"), item.get("role"), item.get("name")
        if kind == "message" and role == "assistant":
            agenda = Agenda(calls=agenda.calls)
        elif kind == "message" and role == "user":
            agenda = _hear(agenda, item)
        elif kind in ("function_call", "custom_tool_call"):
            agenda.calls += 1
            if name in SHELL_TOOLS and agenda.steps:
                agenda.current = agenda.steps.pop(0)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            agenda.take_output(flatten(item.get("output")))
    return agenda


def _hear(agenda: Agenda, item: Json) -> Agenda:
    if _ABORTED.match(flatten(item.get("content"))):
        return Agenda(calls=agenda.calls)
    for text in user_texts(item):
        if agenda.fail is not None or (agenda.limits and agenda.limits.reached):
            agenda = Agenda(calls=agenda.calls)
        agenda.heard = text
        agenda.take(text)
        named = _AGENTS.search(text)
        # what a resumed turn has left over is enough to do
        if named and not _DIRECTIVE.search(text) and not _RESUMED.match(text):
            agenda.steps.append(Step(f"cat {named.group()}", follow=True))
    return agenda


def tool_names(body: Json) -> set[str]:
    """Return the names of all tools of a request, those inside namespaces and ``additional_tools`` items too."""
    names: set[str] = set()
    items = body.get("input")
    extra = [item for item in items if item.get("type") == "additional_tools"] if isinstance(items, list) else []
    pending: list[Json] = list(body.get("tools") or []) + extra
    while pending:
        tool = pending.pop()
        names.add(str(tool.get("name")))
        pending.extend(tool.get("tools") or [])
    return names


def agenda_of(body: Json) -> Agenda:
    """Return the agenda of the body of one ``POST /v1/responses``."""
    items = body.get("input") or []
    return read_agenda([{"role": "user", "content": items}] if isinstance(items, str) else items)


def limits_of(body: Json) -> Limits | None:
    """Return the rate limits that the answer to a request reports; requests without tools (codex naming a session) have none."""
    return agenda_of(body).limits if tool_names(body).intersection(SHELL_TOOLS) else None


def decide(body: Json) -> Answer:
    """Return the model's answer to the body of one ``POST /v1/responses``."""
    schema = ((body.get("text") or {}).get("format") or {}).get("schema")
    tools = tool_names(body)
    if schema:
        return Text(json.dumps(example_of(schema)))
    if not tools.intersection(SHELL_TOOLS):
        return Text(TITLE)
    agenda = agenda_of(body)
    call_id = f"call_{agenda.calls + 1}"
    if agenda.fail is not None:
        return Failure(agenda.fail)
    if agenda.polling is not None:
        arguments = dict(agenda.polling)
        return Call(arguments.pop("name"), json.dumps(arguments), call_id)
    if agenda.steps:
        return _shell_call(agenda.steps[0], tools, call_id)
    counted = _COUNT.search(agenda.heard)
    if counted:
        return Text(str(json.dumps(body).count("".join(counted.groups()))))
    return Text(final_text(agenda), agenda.slow)


def _shell_call(step: Step, tools: set[str], call_id: str) -> Call:
    name = next(tool for tool in SHELL_TOOLS if tool in tools)
    forms: dict[str, Json] = {
        "exec_command": {"cmd": step.command},
        "shell_command": {"command": step.command},
        "shell": {"command": ["bash", "-lc", step.command]},
        "exec": {"cmd": step.command},
    }
    arguments = forms[name]
    if step.escalate:
        arguments.update(ESCALATION)
    if name == "exec":
        return Call(name, CODE_MODE % (json.dumps(arguments), POLL_MS), call_id, custom=True)
    return Call(name, json.dumps(arguments), call_id)


def final_text(agenda: Agenda) -> str:
    """Return the closing message of a turn: what was to be said, then each command's verdict."""
    lines = list(agenda.says)
    for result in agenda.results:
        if result.step.follow and result.exit_code == 0:
            continue
        status = "no exit status" if result.exit_code is None else f"exit {result.exit_code}"
        verdict = "Done" if result.exit_code == 0 else f"Failed ({status})"
        lines.append(f"{verdict}: {tail(result.output)}")
    if lines:
        return "\n".join(lines)
    if agenda.results:
        return "AGENTS.md holds no directive."
    asked = _SUM.search(agenda.heard)
    if asked:
        return str(int(asked.group(1)) + int(asked.group(2)))
    heard = agenda.heard.strip().splitlines() or ["nothing"]
    return f"You said: {heard[0][:200]}"


def tail(output: str) -> str:
    """Return the last lines of a command's output that a message can quote, or ``(no output)``."""
    kept = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
    return kept[-TAIL_CHARS:] or "(no output)"


def example_of(schema: Json) -> Any:
    """Return the smallest value that fits a JSON schema of objects, arrays, enums and scalars."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example_of(child) for name, child in (schema.get("properties") or {}).items()}
    empty: Json = {"array": [], "integer": 0, "number": 0, "boolean": False, "null": None}
    return empty.get(kind, TITLE)
