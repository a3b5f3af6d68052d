# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that reports a session: its options, its plan, its files, and real sessions that use it."""

from __future__ import annotations

import http.server
import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.batch import combined
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._launch import start as session_start
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.permissions import _others
from ansible_collections.optio.codex.plugins.module_utils._launch.plan import plan_restarted, plan_started
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._launch.watcher import (
    Watch,
    Webhook,
    network_variables,
    plan_watcher,
    validate_webhook,
    webhook_warnings,
)
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory, until
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, launcher_of, options, session_of, view_of

TOKEN = "t0ken-of-the-receiver"
HOOK = Webhook("https://eda.example.com:5000/codex", TOKEN)
EVENTS = LAYOUT.events

#: (an option and its value, the words of the error)
REFUSED: list[tuple[str, Any, str]] = [
    ("url", "ftp://eda.example.com/", "is not a URL of http or https"),
    ("url", "file:///etc/passwd", "is not a URL of http or https"),
    ("url", "eda.example.com", "is not a URL of http or https"),
    ("url", "http://", "is not a URL of http or https"),
    ("url", "http://host:99999/", "is not a URL of http or https"),
    ("url", "http://host/a b", "is not a URL of http or https"),
    ("url", "http://host/\r\nX: y", "is not a URL of http or https"),
    ("url", "https://user:hunter2@host/", "contains a user name or a password"),
    ("token", "two words", "webhook.token contains blanks"),
    ("token", "line\nbreak", "webhook.token contains blanks"),
    ("token", "schlüssel", "webhook.token contains blanks"),
    ("timeout", 0.0, "must be greater than 0 and at most 60, got 0"),
    ("timeout", 61.0, "must be greater than 0 and at most 60, got 61"),
    ("events", (), "is an empty list"),
    ("ca_path", "certs/ca.pem", "is relative"),
    ("data", {"text": "x" * 5000}, "has more than 4096 bytes"),
]


@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_wrong_values_are_errors(option: str, value: Any, words: str) -> None:
    with pytest.raises(OptioError) as caught:
        validate_webhook(replace(HOOK, **{option: value}))
    assert words in str(caught.value) and f"webhook.{option}" in str(caught.value)
    # not even of a part of a secret
    assert "hunter2" not in str(caught.value) and "two words" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "https://eda.example.com/a?b=c", "http://[::1]:5000/x"])
def test_urls_that_are_accepted(url: str) -> None:
    validate_webhook(replace(HOOK, url=url))


#: (the URL, the token, whether the token can be read on its way)
WARNED = [
    ("https://host/", TOKEN, False),
    ("http://host/", TOKEN, True),
    ("http://127.0.0.1.example.com/", TOKEN, True),
    ("http://127.0.0.1:5000/", TOKEN, False),
    ("http://[::1]/", TOKEN, False),
    ("http://host/", None, False),
]


@pytest.mark.parametrize(("url", "token", "warned"), WARNED)
def test_a_token_without_encryption_is_a_warning(url: str, token: str | None, warned: bool) -> None:
    assert bool(webhook_warnings("one", Webhook(url, token))) is warned
    plan = plan_started(view_of(session_of("absent", SessionSpec())), SessionSpec(webhook=Webhook(url, token)), {})
    assert any("unencrypted" in text for text in plan.warnings) is warned


def test_a_webhook_requires_a_url() -> None:
    for given in (None, {}, {"url": ""}, {"url": None, "token": "x"}):
        assert Webhook.from_params({"webhook": given}) is None
    params = options(RESOURCE, name="one", webhook={"url": "http://h/", "token": ""})
    assert SessionOptions.from_params(params).spec.webhook == Webhook("http://h/")


#: (the common options, those of a session, the result)
COMBINED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"url": "http://a/", "token": TOKEN}, {"events": ["done"]}, {"url": "http://a/", "token": TOKEN, "events": ["done"]}),
    # the token is for the host of the common URL
    ({"url": "http://a/", "token": TOKEN}, {"url": "http://b/"}, {"url": "http://b/"}),
]


@pytest.mark.parametrize(("common", "own", "result"), COMBINED)
def test_options_of_one_of_several_sessions(common: dict[str, Any], own: dict[str, Any], result: dict[str, Any]) -> None:
    assert combined({"webhook": common}, {"name": "one", "webhook": own})["webhook"] == result


WEB = "the gateway's page"
#: (what is asked, whether there is a program of an earlier launch, the action that it leads to)
PLANS: list[tuple[Watch, bool, tuple[str, str] | None]] = [
    (Watch(False, None), False, None),
    (Watch(False, None), True, ("remove", "absent")),
    (Watch(True, None), False, ("watch", f"program that reports the session to {WEB}")),
    (Watch(False, HOOK), True, ("watch", "program that reports the session to a webhook")),
    (Watch(True, HOOK), True, ("watch", f"program that reports the session to {WEB} and a webhook")),
    (Watch(False, None, keeps=True), False, None),
    (Watch(False, None, keeps=True), True, ("watch", "program that reports the session to a webhook")),
]


@pytest.mark.parametrize(("watch", "is_there", "expected"), PLANS)
def test_the_plan_of_the_program(watch: Watch, is_there: bool, expected: tuple[str, str] | None) -> None:
    session = session_of("stopped", SessionSpec(), state_files=("session", *(["events"] if is_there else [])))
    actions = plan_watcher(view_of(session), watch)
    assert [(action.kind, action.after) for action in actions] == ([expected] if expected else [])
    assert all(action.target == EVENTS for action in actions)


def test_a_launch_writes_it_before_the_launcher_and_shows_no_secret() -> None:
    spec = SessionSpec(webhook=HOOK, environment={"https_proxy": "http://proxy:3128", "KEY": "hunter2"})
    plan = plan_started(view_of(session_of("absent", spec)), spec, {"no_proxy": "localhost"})
    targets = [action.target for action in plan.actions]
    assert targets.index(EVENTS) < targets.index(LAYOUT.launcher)
    assert TOKEN not in str(plan.diff()) + str(plan.result) + launcher_of(plan)
    (watch,) = (action.payload for action in plan.actions if action.kind == "watch")
    assert watch.environment == {"https_proxy": "http://proxy:3128", "no_proxy": "localhost"}
    assert "tui.terminal_title" in launcher_of(plan) and f"{EVENTS}/watch.sh" in launcher_of(plan)


def test_other_launches_have_nothing_of_it() -> None:
    plan = plan_started(view_of(session_of("absent", SessionSpec())), SessionSpec(), {})
    assert "events" not in launcher_of(plan) and "terminal_title" not in launcher_of(plan)
    assert [action for action in plan.actions if action.target == EVENTS] == []


def test_options_that_are_kept_keep_the_webhook() -> None:
    spec = SessionSpec(webhook=HOOK)
    session = session_of("running", spec, state_files=("session", "environment", "launch.sh", "events"))
    plan = plan_restarted(view_of(session), SessionSpec(keep_options=True), {})
    (watch,) = (action.payload for action in plan.actions if action.kind == "watch")
    assert (watch.keeps, watch.webhook, watch.web) == (True, None, False)
    assert "terminal_title" in launcher_of(plan)
    # the webhook of a running session is not compared, as its environment is not
    assert plan_started(view_of(session), SessionSpec(), {}).result["drift"] == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE"])
def test_variables_of_the_network(name: str) -> None:
    assert network_variables({name: "x", "OPENAI_API_KEY": "y", "my_proxy": "z"}) == {name: "x"}


def test_the_token_is_masked_where_options_are_shown() -> None:
    params = {
        "name": "one",
        "webhook": {"url": "http://h/", "token": TOKEN},
        "sessions": [{"name": "two", "webhook": {"token": "other-t0ken"}}],
    }
    assert TOKEN not in str(RESOURCE.masked({**params, "sessions": None}))
    assert RESOURCE.secrets(params) == {TOKEN, "other-t0ken"}
    assert TOKEN not in str(RESOURCE.masked({"webhook": f"url=http://h/ token={TOKEN}"}))


def test_the_files_are_closed_where_the_directory_of_sessions_cannot_be(tmp_path: Path) -> None:
    layout = replace(LAYOUT, task=str(tmp_path / "review"))
    for name in ("review", "other"):
        (tmp_path / name).mkdir()
    assert _others(layout) == (str(tmp_path / "other"),)
    (tmp_path / "review" / "events").mkdir()
    assert _others(layout) == (str(tmp_path / "review" / "events"), str(tmp_path / "other"))


# real sessions, with a script in the place of codex


class Answer(http.server.BaseHTTPRequestHandler):
    """Accepts every event."""

    got: list[Mapping[str, Any]]

    def do_POST(self) -> None:
        """Keep the event."""
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.got.append({**event, "authorization": self.headers["Authorization"]})
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """A URL, and the events that were posted to it."""
    got: list[Mapping[str, Any]] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Answer,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/codex", got
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(session_start, "SETTLED", 0.05)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with laboratory(open_path, monkeypatch) as lab:
        yield lab


#: (the exit status of codex, the event and its reason)
ENDS = [("0", "done", "codex exited"), ("3", "failed", "Error: no model")]


@pytest.mark.parametrize(("status", "event", "reason"), ENDS)
def test_the_end_of_codex_is_posted(lab: Lab, receiver: tuple[str, list[Mapping[str, Any]]], status: str, event: str, reason: str) -> None:
    url, got = receiver
    lab.run(**lab.mode("ends"), webhook={"url": url, "token": TOKEN, "data": {"host": "w1"}})
    events = Path(lab.layout.events)
    assert stat.S_IMODE(events.stat().st_mode) == 0o700
    assert {stat.S_IMODE((events / name).stat().st_mode) for name in ("config", "watch.sh", "watcher.pyz")} == {0o600}
    for pid in lab.alive():
        # a look may have ended by now
        with suppress(FileNotFoundError, ProcessLookupError):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes() + " ".join(processes.arguments(pid)).encode()
    (Path(lab.layout.workdir) / "end").write_text(f"{status}\n")
    until(lambda: got)
    assert [(each["event"], each["reason"], each["authorization"], each["data"]) for each in got] == [
        (event, reason, f"Bearer {TOKEN}", {"host": "w1"})
    ]
    # it ends with the session
    until(lambda: not lab.alive())
    assert len(got) == 1
    lab.run(state="absent")
    assert not events.exists()


def test_a_question_at_the_start_is_posted(lab: Lab, receiver: tuple[str, list[Mapping[str, Any]]]) -> None:
    url, got = receiver
    lab.run(**lab.mode("menu"), ready_timeout=0, webhook={"url": url, "events": ["waiting"]})
    until(lambda: got)
    assert (got[0]["event"], got[0]["authorization"], got[0]["session"]) == ("waiting", None, "one")
    lab.run(state="stopped")
    # an end by request is no event
    assert len(got) == 1 and lab.alive() == []


def test_a_failed_launch_leaves_nothing_of_it(lab: Lab) -> None:
    with pytest.raises(OptioError):
        lab.run(**lab.mode("dies"), webhook={"url": "http://127.0.0.1:9/"})
    assert not os.path.exists(lab.layout.events) and lab.alive() == []


def test_the_program_has_all_that_it_imports(lab: Lab) -> None:
    lab.run(webhook={"url": "http://127.0.0.1:9/"})
    program = f"{lab.layout.events}/watcher.pyz"
    lab.run(state="stopped")
    done = subprocess.run([sys.executable, "-I", "-S", program, "post"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    with zipfile.ZipFile(program) as archive:
        names = archive.namelist()
    sources = {name for name in names if name.endswith(".py") and "__" not in name}
    assert {f"{name}c" for name in sources} <= set(names)
    assert not [name for name in names if "ansible" in name]
