# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans of ``state: upgraded``, and of the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._launch import module as session_module
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._launch.upgrade import assess, plan_restored, restored_error, view_of_earlier
from ansible_collections.optio.codex.plugins.module_utils._monitor.activity_probe import has_draft
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession
from ansible_collections.optio.codex.tests.unit.support.session_builders import (
    CODEX,
    LAYOUT,
    MADE,
    WORKER,
    after,
    launcher_of,
    options,
    record_of,
    session_of,
    view_of,
)

OLD = CODEX.replace("0.169.0", "0.142.5")
TTYD = "/var/cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64/ttyd"
NEW_TTYD = TTYD.replace("1.7.7", "1.7.8")
TALK = "01a202d2-04bc-7371-ae76-9a22157469e5"
SPEC = SessionSpec.from_params(options(RESOURCE, name="review", model="large", prompt="Do it", sandbox="read-only"))
FILES = replace(MADE, link=OLD, logs=("optio.log", "resume.log"))
INHERITED: dict[str, str] = {}


def asked(**given: Any) -> SessionOptions:
    return RESOURCE.parse_options(options(RESOURCE, **{"name": "review", "state": "upgraded", **given}))


def running(codex: str = OLD, activity: str = "idle", ttyd: str = TTYD, **changes: Any) -> ObservedSession:
    record = {**record_of(SPEC), "codex": codex, **changes.pop("record", {})}
    given = {"record": record, "session_id": TALK, "terminal_program": ttyd, **changes}
    session = session_of("running", SPEC, **given)
    return replace(view_of(session, FILES, replace(WORKER, ttyd=TTYD)), activity=activity)


def plan_of(view: ObservedSession, **given: Any) -> Plan:
    return RESOURCE.plan(view, asked(**given))


def kinds(plan: Plan) -> list[str]:
    return [action.kind for action in plan.actions]


RESTART = ["close", "stop", "link", "append", "remove", "remove", "write", "write", "copy", "start", "open"]
CASES: dict[str, tuple[ObservedSession, list[str], dict[str, Any]]] = {
    "idle": (running(), RESTART, {"status": "upgraded", "codex_before": "0.142.5", "codex_after": "0.169.0", "ttyd_after": None}),
    "done": (running(activity="done"), RESTART, {"status": "upgraded", "reason": None}),
    "limited": (running(activity="limited"), RESTART, {"status": "upgraded"}),
    "failed": (running(activity="failed"), RESTART, {"status": "upgraded"}),
    "working": (running(activity="working"), [], {"status": "busy", "reason": "it is working", "codex_after": "0.169.0"}),
    "waiting": (running(activity="waiting"), [], {"status": "busy", "reason": "it is waiting"}),
    "starting": (running(activity="starting"), [], {"status": "busy"}),
    "unknown": (running(activity="unknown"), [], {"status": "busy"}),
    "draft": (
        replace(running(), draft=True),
        [],
        {"status": "busy", "reason": "its composer contains text that was not submitted", "codex_after": "0.169.0", "draft": True},
    ),
    "draft and the same codex": (replace(running(CODEX), draft=True), [], {"status": "current", "reason": None, "draft": True}),
    "draft of a turn": (replace(running(activity="working"), draft=True), [], {"status": "busy", "reason": "it is working"}),
    "draft and an old terminal": (
        replace(running(ttyd=TTYD.replace("1.7.7", "1.7.6")), draft=True),
        ["close", "open"],
        {"status": "busy", "ttyd_after": "1.7.7", "draft": True},
    ),
    "current": (running(CODEX), [], {"status": "current", "codex_before": "0.169.0", "codex_after": None, "ttyd_before": "1.7.7"}),
    "downgrade": (
        replace(running(CODEX), worker=replace(WORKER, codex=OLD, ttyd=TTYD), workspace=replace(FILES, link=CODEX)),
        RESTART,
        {"status": "upgraded", "codex_before": "0.169.0", "codex_after": "0.142.5"},
    ),
    "old terminal": (
        running(CODEX, ttyd=TTYD.replace("1.7.7", "1.7.6")),
        ["close", "open"],
        {"status": "upgraded", "codex_after": None, "ttyd_before": "1.7.6", "ttyd_after": "1.7.7"},
    ),
    "old terminal of a turn": (
        running(activity="working", ttyd="/usr/bin/ttyd (deleted)"),
        ["close", "open"],
        {"status": "busy", "codex_after": "0.169.0", "ttyd_before": "/usr/bin/ttyd (deleted)", "ttyd_after": "1.7.7"},
    ),
    "dead terminal": (running(CODEX, ttyd="/usr/bin/ttyd", terminal_alive=False), [], {"status": "current", "ttyd_before": None}),
    "own codex": (running("/opt/codex/bin/codex"), [], {"status": "skipped", "codex_after": None}),
    "damaged record": (running(record={"options": "{"}), [], {"status": "skipped"}),
    "lost tmux": (running(unreachable=True), [], {"status": "skipped"}),
    "of the package": (running(record={"adopted": "1"}), [], {"status": "skipped"}),
    "archived": (
        running(session_id=None, archived_id=TALK, prompt_mark=True),
        [],
        {"status": "skipped", "reason": "its conversation is archived"},
    ),
    "no conversation": (
        running(session_id=None, prompt_mark=True),
        [],
        {"status": "skipped", "reason": "its conversation is not recorded"},
    ),
    "stopped": (replace(running(), session=session_of("stopped", SPEC)), [], {"status": "ended", "reason": "it is stopped"}),
    "absent": (replace(running(), session=session_of("absent", SPEC)), [], {"status": "ended", "reason": "it is absent"}),
    "no codex": (replace(running(), worker=replace(WORKER, codex="", ttyd=TTYD)), [], {"status": "current"}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_a_session(name: str) -> None:
    view, expected, upgrade = CASES[name]
    plan = plan_of(view)
    without_own_files = [kind for kind in kinds(plan) if kind != "remove"]
    assert without_own_files == [kind for kind in expected if kind != "remove"]
    assert upgrade.items() <= plan.result["upgrade"].items(), plan.result["upgrade"]
    assert plan.result["status"] == ("running" if plan else view.session.status)


def test_restart_has_the_recorded_options_the_conversation_and_no_message() -> None:
    view = running()
    given = {"model": "other", "prompt": "Once more", "instructions": "x", "environment": {"A": "b"}, "sandbox": "danger-full-access"}
    plan = plan_of(view, auto_start=True, **given)
    launcher = launcher_of(plan)
    assert f"resume {TALK}" in launcher and "--model large" in launcher and ":read-only" in launcher
    assert "Once more" not in launcher and "-- '" not in launcher and "you have been resumed" not in launcher
    targets = [action.target for action in plan.actions]
    assert LAYOUT.environment not in targets and LAYOUT.instructions not in targets
    [record] = [action.payload.text for action in plan.actions if action.target == LAYOUT.record]
    assert "continued=1\n" in record and f"codex={CODEX}\n" in record
    assert plan.result["version"] == "0.169.0" and not plan.warnings


def test_second_run_changes_nothing() -> None:
    view = running()
    later = after(view, plan_of(view))
    assert later.session.continued
    later = replace(later, session=replace(later.session, terminal_program=TTYD), activity="idle")
    assert not plan_of(later) and plan_of(later).result["upgrade"]["status"] == "current"
    # the next launch with a message begins anew
    started = RESOURCE.plan(later, RESOURCE.parse_options(options(RESOURCE, name="review", state="restarted")))
    assert not after(later, started).session.continued


def test_codex_dir_of_the_call_replaces_a_codex_of_its_own() -> None:
    view = running("/opt/codex/bin/codex")
    assert plan_of(replace(view, worker=replace(view.worker, codex_dir="/srv/codex"))).result["upgrade"]["status"] == "upgraded"


def test_way_back_after_codex_did_not_start() -> None:
    before = running()
    # the launch was undone: the record is the old one, and nothing runs
    lost = replace(before, session=session_of("lost", SPEC, record=before.session.record, session_id=TALK), workspace=FILES)
    view = view_of_earlier(before, lost)
    plan = plan_restored(view, asked().spec, INHERITED)
    assert f"resume {TALK}" in launcher_of(plan)
    [record] = [action.payload.text for action in plan.actions if action.target == LAYOUT.record]
    assert f"codex={OLD}\n" in record
    assert "link" not in kinds(plan), "the link is the old one"
    assert kinds(plan)[-2:] == ["start", "open"]


def test_way_back_after_ttyd_did_not_start() -> None:
    before = running(CODEX, ttyd="/usr/bin/ttyd")
    now = replace(before, session=replace(before.session, terminal_alive=False, terminal_pid=None))
    view = view_of_earlier(before, now)
    assert view.worker.ttyd == "/usr/bin/ttyd"
    assert kinds(plan_restored(view, asked().spec, INHERITED)) == ["open"]
    # codex was not ended
    assert not plan_restored(view_of_earlier(before, before), asked().spec, INHERITED)


def test_errors_name_both_versions() -> None:
    upgrade = assess(running()).as_result()
    error = OptioError("session review", "session review did not start: codex ended with exit status 1", "Fix it", screen="x")
    restored = restored_error("review", error, upgrade, None)
    assert str(restored) == (
        "session review did not start with codex 0.169.0, and runs with 0.142.5 again: codex ended with exit status 1. Fix it."
    )
    assert restored.details["upgrade"] == {**upgrade, "status": "restored", "reason": "codex ended with exit status 1"}
    assert restored.details["screen"] == "x"
    second = OptioError("session review", "there is no space on /", "Free space")
    assert str(restored_error("review", error, upgrade, second)) == (
        "session review did not start with codex 0.169.0, and could not be put back on 0.142.5: codex ended with exit status 1; "
        "there is no space on /. Free space."
    )


class Failing:
    """Carries out plans of a session; the first one fails."""

    def __init__(self, views: list[ObservedSession], failures: list[OptioError | None]) -> None:
        self.views, self.failures, self.plans = views, failures, list[tuple[str, list[str]]]()

    def observe(self, _host: Any, _options: Any) -> ObservedSession:
        return self.views.pop(0)

    def carry_out(self, plan: Plan, view: ObservedSession, _options: Any, _host: Any) -> dict[str, Any]:
        self.plans.append((view.worker.codex, kinds(plan)))
        failure = self.failures.pop(0)
        if failure:
            raise failure
        return {}


@pytest.mark.parametrize(("second", "status"), [(None, "restored"), (OptioError("x", "nor did the old one", "Look"), "failed")])
def test_failed_upgrade_is_put_back(monkeypatch: pytest.MonkeyPatch, second: OptioError | None, status: str) -> None:
    before = running()
    lost = replace(before, session=session_of("lost", SPEC, record=before.session.record, session_id=TALK))
    failing = Failing([lost], [OptioError("session review", "session review did not start: why", "Fix it"), second])
    resource = session_module.SessionResource()
    monkeypatch.setattr(resource, "observe", failing.observe)
    monkeypatch.setattr(resource, "_carry_out", failing.carry_out)
    plan = plan_of(before)
    with pytest.raises(OptioError) as caught:
        resource.apply(plan, before, asked(), object())  # type: ignore[arg-type]
    assert f"'status': '{status}'" in str(caught.value.details["upgrade"])
    assert [codex for codex, _kinds in failing.plans] == [CODEX, OLD]


def test_failure_before_codex_was_ended_is_reported_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = running()
    failing = Failing([before], [OptioError("port", "port 7681 is in use", "Set another one")])
    resource = session_module.SessionResource()
    monkeypatch.setattr(resource, "observe", failing.observe)
    monkeypatch.setattr(resource, "_carry_out", failing.carry_out)
    with pytest.raises(OptioError, match="port 7681 is in use") as caught:
        resource.apply(plan_of(before), before, asked(), object())  # type: ignore[arg-type]
    assert "upgrade" not in caught.value.details
    assert len(failing.plans) == 1


@pytest.mark.parametrize(
    ("line", "is_draft"),
    [("\x1b[1m›\x1b[0m \x1b[2mAsk Codex to do anything\x1b[0m", False), ("\x1b[1m›\x1b[0m half typed", True), ("", False)],
)
def test_draft_is_what_is_not_faint_in_the_composer(line: str, is_draft: bool) -> None:
    section = Section("session", lines={"screen": ["• Done", "", line, "", "  large default · /srv/work"]})
    assert has_draft(section) == is_draft
    assert has_draft(Section("session")) is False


def test_only_upgrades_look_at_the_activity() -> None:
    given = options(RESOURCE, name="review")
    assert "upgrade_facts()" not in RESOURCE.probe_script(RESOURCE.parse_options(given))
    entries = [RESOURCE.parse_options({**given, "state": state}) for state in ("started", "upgraded")]
    script = RESOURCE.probe_script_many(entries)
    assert script.count("upgrade_facts()") == 1
    assert RESOURCE.probe_script_many(entries[:1]).count("upgrade_facts()") == 0
