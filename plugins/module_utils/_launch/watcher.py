# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that reports the activity of a session: its options, and its files in the session's directory.

A gateway's page and a webhook need it. Other sessions do not have it.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import json
import marshal
import os
import re
import shlex
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .._codex import screen
from .._core import files
from .._core.addresses import is_loopback
from .._core.errors import OptioError
from .._core.executor import Undo
from .._core.host import Host
from .._core.plan import Action
from .._core.resource import Params
from .._monitor import watcher as program
from .._monitor.session_status import EVENTS
from .._session.layout import SessionPaths
from .._session.state import ObservedSession
from .._session.tmux_settings import TMUX_SESSION

#: seconds between two looks while codex works, and if tmux has no hook for titles
INTERVAL, SHORT_INTERVAL = 30, 4
#: seconds that one request may take
LONGEST_TIMEOUT = 60
#: bytes of the data that a user adds to each event
DATA_LIMIT = 4096
#: variables of the session that decide how a receiver is reached
_NETWORK = re.compile(r"(https?|no|all)_proxy\Z|SSL_CERT_(FILE|DIR)\Z", re.IGNORECASE)
_TOKEN = re.compile(r"[!-~]+\Z")
#: the package of the program's files, and the package of their sources
_PACKAGE, _SOURCE = "optio_codex", __name__.rpartition(".")[0].rpartition(".")[0]
WEBHOOK_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "events": {"type": "list", "elements": "str", "choices": list(EVENTS), "default": list(EVENTS)},
    "timeout": {"type": "float", "default": 10.0},
    "ca_path": {"type": "str"},
    "data": {"type": "dict", "default": {}},
}


@dataclass(frozen=True)
class Webhook:
    """Where events are posted, and which; ``token`` is a secret."""

    url: str
    token: str | None = None
    events: tuple[str, ...] = EVENTS
    timeout: float = 10.0
    ca_path: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: Params) -> Webhook | None:
        """Return the webhook that a module's options specify; without a URL there is none."""
        given = {name: value for name, value in (params.get("webhook") or {}).items() if value not in (None, "")}
        if not given.get("url"):
            return None
        return cls(**{**given, "events": tuple(given.get("events", EVENTS))})


@dataclass(frozen=True)
class Watch:
    """The payload of the action that writes the program: its receivers; ``keeps`` leaves the webhook as it is."""

    web: bool
    webhook: Webhook | None
    #: variables for the requests
    environment: Mapping[str, str] = field(default_factory=dict)
    keeps: bool = False


def validate_webhook(webhook: Webhook) -> None:
    """Raise OptioError for a webhook that nothing can be posted to."""
    url = webhook.url
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", url):
        raise OptioError(f"webhook.url {url!r}", f"webhook.url {url!r} is not a URL of http or https", "Set http(s)://host:port/path")
    if "@" in parts.netloc:
        cause = f"webhook.url with host {parts.hostname} contains a user name or a password"
        raise OptioError("webhook.url", cause, "Remove it, and set webhook.token")
    if webhook.token and not _TOKEN.match(webhook.token):
        cause = "webhook.token contains blanks, or characters that are not ASCII"
        raise OptioError("webhook.token", cause, "Set the token alone, without the word Bearer")
    if not 0 < webhook.timeout <= LONGEST_TIMEOUT:
        cause = f"webhook.timeout must be greater than 0 and at most {LONGEST_TIMEOUT}, got {webhook.timeout:g}"
        raise OptioError("webhook.timeout", cause, "Set the seconds that one request may take")
    if not webhook.events:
        raise OptioError(
            "webhook.events", "webhook.events is an empty list", f"Set one or more of {', '.join(EVENTS)}, or omit webhook.url"
        )
    if webhook.ca_path and not webhook.ca_path.startswith("/"):
        subject = f"webhook.ca_path {webhook.ca_path}"
        raise OptioError(subject, f"{subject} is relative", "Set the absolute path of a file that the session's user can read")
    if len(json.dumps(webhook.data, default=str)) > DATA_LIMIT:
        cause = f"webhook.data has more than {DATA_LIMIT} bytes as JSON"
        raise OptioError("webhook.data", cause, "Set fewer or shorter values")


def webhook_warnings(name: str, webhook: Webhook | None) -> tuple[str, ...]:
    """Return a warning if the token of a webhook can be read on its way to another host."""
    parts = urlsplit(webhook.url) if webhook and webhook.token else None
    if parts is None or parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return ()
    return (f"session {name}: webhook.token is sent unencrypted, because webhook.url is not an https URL",)


def plan_watcher(view: ObservedSession, watch: Watch) -> list[Action]:
    """Return the actions that install the program for a launch, or remove that of the launch before."""
    path = view.layout.events
    is_there = os.path.basename(path) in view.session.state_files
    before = "program of the launch before" if is_there else "absent"
    if watch.web or watch.webhook or (watch.keeps and is_there):
        reports = [*(["the gateway's page"] if watch.web else []), *(["a webhook"] if watch.webhook or watch.keeps else [])]
        return [Action("watch", path, before, f"program that reports the session to {' and '.join(reports)}", payload=watch)]
    return [Action("remove", path, before, "absent")] if is_there else []


def network_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a session that decide how a receiver is reached."""
    return {name: value for name, value in variables.items() if _NETWORK.match(name)}


def watcher_settings() -> dict[str, Any]:
    """Return the settings of codex that show its state in the title of the terminal."""
    return {"tui.terminal_title": list(screen.TITLE_ITEMS)}


def start_lines(layout: SessionPaths) -> str:
    """Return the lines of the launcher that have tmux start the script: the launcher has no child but codex."""
    command = shlex.quote(f"/bin/sh {shlex.quote(f'{layout.events}/watch.sh')} >/dev/null 2>&1 </dev/null &")
    run = f'"$2" -S {shlex.quote(layout.tmux_socket)} -f /dev/null set-option -g @optio_watch {command}'
    return f"{run} \\; run-shell -b '#{{@optio_watch}}' >/dev/null 2>&1\n"


def end_lines(layout: SessionPaths) -> str:
    """Return the lines of the launcher that report how codex ended; with the launcher, systemd would end this too."""
    return f'[ -e "$1/stopped" ] || /bin/sh {shlex.quote(f"{layout.events}/watch.sh")} end >/dev/null 2>&1 </dev/null\n'


def write_watcher(action: Action, layout: SessionPaths, host: Host) -> Undo:
    """Write the program for a launch, without the state of the launch before."""
    watch: Watch = action.payload
    with host.privileged():
        # the session's user cannot read the module's files
        archive = _archive()
    directory, config = layout.events, f"{layout.events}/config"
    earlier = files.read_text(config)
    files.remove(directory)
    files.make_directory(directory)
    text = earlier if watch.keeps and earlier else _config_text(watch)
    files.write_text(config, text, follow=False)
    files.write_text(f"{directory}/watch.sh", _script(layout), follow=False)
    with files.replacing(f"{directory}/watcher.pyz") as stream:
        stream.write(archive)

    def undo() -> None:
        files.remove(directory)
        if earlier is not None:
            # the next launch may keep its options
            files.make_directory(directory)
            files.write_text(config, earlier, follow=False)

    return undo


def _config_text(watch: Watch) -> str:
    config: dict[str, Any] = {"web": watch.web}
    if watch.webhook:
        config.update(asdict(watch.webhook), environment=dict(watch.environment))
    return json.dumps(config, default=str)


def _script(layout: SessionPaths) -> str:
    """Return the script that starts the program: now and then without an argument, else once."""
    quoted = {
        name: shlex.quote(path)
        for name, path in {
            "python": sys.executable or "/usr/bin/python3",
            "program": f"{layout.events}/watcher.pyz",
            "settled": f"{layout.events}/settled",
            "socket": layout.tmux_socket,
            "exit": layout.exit_status,
            "log": layout.log,
            "rollouts": f"{layout.codex_home}/sessions",
        }.items()
    }
    return f"""\
#!/bin/sh
# Written by optio.codex.session; the next launch writes it again.
python={quoted["python"]}
[ -x "$python" ] || python=python3
[ -z "$1" ] || exec "$python" -I -S {quoted["program"]} "$1"
server=${{TMUX#*,}}; server=${{server%%,*}}
trap 'kill "$!"; exit 0' TERM HUP INT
"$python" -I -S {quoted["program"]} start
if [ "$?" = {program.UNTOLD} ]; then longest={SHORT_INTERVAL}; else longest={INTERVAL}; fi
pause=1 seen=
while [ ! -e {quoted["exit"]} ] && kill -0 "$server"; do
  sleep "$pause" & wait "$!"
  pause=$((pause * 2)); [ "$pause" -le "$longest" ] || pause=$longest
  title=$(tmux -S {quoted["socket"]} -f /dev/null display-message -p -t {TMUX_SESSION}: '#{{pane_title}}')
  # no look if nothing has changed since the last one
  if [ "$title" = "$seen" ] && [ -e {quoted["settled"]} ] && [ ! {quoted["log"]} -nt {quoted["settled"]} ] &&
    [ -z "$(find {quoted["rollouts"]} -maxdepth 4 -type f -newer {quoted["settled"]} | head -n 1)" ]; then continue; fi
  seen=$title
  "$python" -I -S {quoted["program"]} look
done
"""


def _archive() -> bytes:
    """Return the program with the files that it imports, as an archive that Python runs."""
    data = io.BytesIO()
    sources = dict(_sources(program.__name__))
    packages = {name.rpartition("/")[0] for name in sources}
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("__main__.py", f"import sys\nfrom {_PACKAGE}._monitor.watcher import main\nsys.exit(main(sys.argv))\n")
        for name in (_PACKAGE, *sorted(f"{_PACKAGE}/{package}" for package in packages)):
            archive.writestr(f"{name}/__init__.py", "")
        for name, text in sources.items():
            archive.writestr(f"{_PACKAGE}/{name}.py", text)
            archive.writestr(f"{_PACKAGE}/{name}.pyc", _compiled(f"{name}.py", text))
    return data.getvalue()


def _compiled(name: str, text: str) -> bytes:
    """Return a module as this Python compiles it, which halves the time of a look; another Python compiles the source."""
    flags = (1).to_bytes(4, "little")  # the hash of the text is not compared
    code = marshal.dumps(compile(text, name, "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(text.encode()) + code


def _sources(name: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of a module of this collection and of each that it imports, wherever they were loaded from."""
    waiting, seen = [name], set()
    while waiting:
        module = waiting.pop()
        text = None if module in seen else _source_of(module)
        seen.add(module)
        if text is None:
            continue
        yield module[len(_SOURCE) + 1 :].replace(".", "/"), text
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = ".".join([*module.split(".")[: -node.level], *([node.module] if node.module else [])])
                waiting += [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _source_of(module: str) -> str | None:
    """Return the text of a module, None for a package or a name that is none."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.submodule_search_locations is not None:
        return None
    source: str | None = spec.loader.get_source(module)  # type: ignore[union-attr]
    return source
