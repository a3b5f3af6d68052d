# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateway's page in a real browser, with many sessions: what it shows, what it asks for, and what a session cannot do to it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from e2e import test_gateway
from e2e.browser import Terminal
from e2e.sessions import SYSTEMD, USER, Workers
from e2e.test_gateway import GUEST, WATCHER, WEB, WRITER, Gateway
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.battery

#: the fixture
gateway = test_gateway.gateway

KIT = Path(__file__).parents[1] / "containers" / "gateway_builders.py"
#: how many of 39 sessions do what, and for how many minutes at least
MANY = {"waiting": 2, "failed": 1, "limited": 1, "working": 27, "idle": 5, "done": 3}
LOG = "/var/log/nginx/access.log"

Sessions = Mapping[str, Mapping[str, Any]]


def status(activity: str, minutes: int = 0, **values: Any) -> str:
    """Return the text of a status."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    known = {"format": 1, "activity": activity, "since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "codex_version": "0.169.0"}
    return json.dumps({**known, **values})


def many(count: int) -> dict[str, dict[str, Any]]:
    """Return sessions that do all there is to do; the last ones of each kind are the longest at it."""
    activities = [activity for activity, number in MANY.items() for _one in range(number)]
    texts = {"progress": "3 of 5 steps: the migration is written", "last_message": "The two failures are unrelated."}
    numbers = {"turns": 3, "tokens": 48213}
    return {
        f"{activities[at % 39]}-{at}": {
            "places": ["watch", "type"] if activities[at % 39] != "done" else [],
            "status": status(activities[at % 39], 5 + at, **texts, **numbers, limit={"used_percent": 10 + at, "resets_at": None}),
            "age": 60,
        }
        for at in range(count)
    }


@contextmanager
def made(workers: Workers, sessions: Sessions) -> Iterator[Callable[[Sessions], None]]:
    """Make the directories of sessions beside the real one, and remove them; yield what makes more."""
    workers.shell(SYSTEMD, f"cat >/kit.py <<'END'\n{KIT.read_text(encoding='utf-8')}\nEND")

    def make(more: Sessions) -> None:
        given = shlex.quote(json.dumps(more))
        assert workers.shell(SYSTEMD, f"printf %s {given} | python3 /kit.py sessions {USER} && echo made") == "made\n"

    make(sessions)
    try:
        yield make
    finally:
        workers.shell(SYSTEMD, f"find {WEB} -mindepth 1 -maxdepth 1 ! -name shared -exec rm -r {{}} +")


@contextmanager
def page(gateway: Gateway, login: tuple[str, str]) -> Iterator[Page]:
    """Open the page in a browser that has logged in."""
    with gateway.open("/watch/shared/", login, size=(1366, 900)) as browser:
        seen = Page(browser)
        # of the terminal
        seen.driver.get_log("browser")
        browser.load(f"{gateway.url}/")
        yield seen


class Page:
    """What a person sees and does."""

    def __init__(self, browser: Terminal) -> None:
        self.browser = browser
        self.driver: Any = browser.driver

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        return self.driver.execute_script(f"return {script}")

    def until(self, script: str, expected: Any) -> None:
        """Wait until an expression has a value."""
        with suppress(TimeoutException):
            WebDriverWait(self.driver, 30, poll_frequency=0.1).until(lambda _driver: self.run(script) == expected)
        assert self.run(script) == expected

    def names(self) -> list[str]:
        """Return the visible sessions in the order of the page."""
        visible = "[...document.querySelectorAll('.session:not([hidden]) .name')].map((name) => name.textContent)"
        return [str(name) for name in self.run(visible)]

    def row(self, name: str) -> list[str]:
        """Return the lines of a session."""
        lines = str(self.run(f"document.getElementById('name:{name}').parentElement.innerText")).splitlines()
        return [line for line in lines if line]

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def opened(self) -> str:
        """Return the path of the window that was opened last, and close it."""
        first, *more = self.driver.window_handles
        self.driver.switch_to.window(more[-1])
        WebDriverWait(self.driver, 20).until(lambda driver: driver.execute_script("return location.pathname") != "blank")
        path = str(self.run("location.pathname"))
        self.driver.close()
        self.driver.switch_to.window(first)
        return path


LOOKS: dict[str, tuple[str, tuple[int, int]]] = {
    **{"light": ("light", (1366, 900)), "dark": ("dark", (1366, 900))},
    **{"phone": ("light", (390, 844)), "phone-dark": ("dark", (390, 844))},
    # the picture of the guide
    "guide": ("light", (1100, 560)),
}


def test_forty_sessions_are_shown_in_order(workers: Workers, gateway: Gateway, artifacts: Path) -> None:
    """Those that wait for a person first; light, dark, on a phone; and the keys."""
    with made(workers, many(39)), page(gateway, WRITER) as seen:
        seen.until("document.querySelectorAll('.session').length", 40)
        seen.until("document.querySelectorAll('.session[data-activity=working]').length", 27)
        text = str(seen.run("document.getElementById('summary').textContent"))
        assert text.startswith("2 wait, 1 failed, 1 limited, 27 work, ") and seen.driver.title.startswith(f"{text} · ")
        names = [name for name in seen.names() if name != "shared"]
        expected = ["waiting-1", "waiting-0", "failed-2", "limited-3", *(f"working-{at}" for at in range(30, 3, -1))]
        assert names[:31] == expected and names[-3:] == ["done-38", "done-37", "done-36"]
        row = seen.row("waiting-1")
        assert row.pop(2).endswith(" min") and row == [
            *("!", "waits", "waiting-1", "3 of 5 steps: the migration is written", "The two failures are unrelated."),
            *("3 turns · 48k tokens", "11 % of limit", "Watch", "Type"),
        ]
        assert "Watch" not in "".join(seen.row("done-38"))
        assert seen.run("document.getElementById('since:waiting-1').title").startswith("since ")
        for look, (scheme, (width, height)) in LOOKS.items():
            seen.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 400}
            seen.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            seen.until("document.documentElement.scrollWidth <= innerWidth", True)
            seen.browser.screenshot(artifacts / f"gateway-page-{look}.png")
        seen.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

        focused = "document.activeElement.querySelector('.name').textContent"
        seen.press("j", "j", Keys.ARROW_DOWN, "k")
        assert seen.run(focused) == "waiting-0"
        seen.press("/", "work 12")
        assert seen.names() == ["working-12"]
        # letters in the filter are no commands
        seen.press(Keys.ENTER)
        assert seen.run(focused) == "working-12" and len(seen.driver.window_handles) == 1
        seen.press(Keys.ENTER)
        assert seen.opened() == "/watch/working-12/"
        seen.press("t")
        assert seen.opened() == "/type/working-12/"
        seen.press("/", Keys.ESCAPE, Keys.END)
        assert seen.run(focused) == seen.names()[-1] and len(seen.names()) == 40
        seen.press("/", "nothing like it")
        assert seen.names() == [] and seen.run("document.getElementById('none').hidden") is False


def requests(workers: Workers) -> list[str]:
    """Return the paths of all requests since the log was emptied, and since the page was loaded last."""
    paths = [line.split('"')[1].split()[1] for line in workers.shell(SYSTEMD, f"cat {LOG}").splitlines()]
    # the browser loads it again if a network interface appears, such as that of another fleet
    return paths[max((at for at, path in enumerate(paths) if path == "/"), default=0) :]


def test_a_hundred_sessions_take_a_request_each_when_they_change(workers: Workers, gateway: Gateway) -> None:
    """And one for the list of all in each round."""
    lists = "/optio-codex-web/"

    def rounds(number: int, _driver: Any) -> bool:
        return requests(workers).count(lists) >= number

    workers.shell(SYSTEMD, f": >{LOG}")
    with made(workers, many(99)) as make, page(gateway, WRITER) as seen:
        wait = WebDriverWait(seen.driver, 60, poll_frequency=0.2)
        seen.until("document.querySelectorAll('.session[data-activity=unknown]').length < 2", True)
        wait.until(partial(rounds, 3))
        # the real session may change at any time
        asked = [path for path in requests(workers) if path.endswith("/status.json") and "/shared/" not in path]
        assert sorted(asked) == sorted(f"/type/{name}/status.json" for name in many(99))
        assert not any(path.endswith("/token") for path in requests(workers))

        workers.shell(SYSTEMD, f": >{LOG}")
        make({"working-4": {"status": status("waiting", reason="may I?")}, "working-5": {"status": status("failed")}})
        seen.until("document.querySelector('.session .name').textContent", "waiting-79")
        seen.until("document.getElementById('summary').textContent.slice(0, 17)", "7 wait, 4 failed,")
        seen.until("document.getElementById('news').textContent", "working-4 waits, working-5 failed")
        assert seen.row("working-4")[4] == "may I?"
        wait.until(partial(rounds, requests(workers).count(lists) + 3))
        asked = [path for path in requests(workers) if path.endswith("/status.json") and "/shared/" not in path]
        # once more, because a change may follow in the same second
        assert set(asked) == {"/type/working-4/status.json", "/type/working-5/status.json"} and len(asked) <= 4

        workers.shell(SYSTEMD, f"rm -r {WEB}/working-6")
        seen.until("document.querySelectorAll('.session').length", 99)


#: text that a page must not take for anything else
MARKUP = "<img src=x onerror='window.hostile=1'><script>window.hostile=1</script>\u202e\u2066\x1b[31m</p></li>"
HOSTILE = {
    "h-markup": status("failed", reason=MARKUP, last_message=MARKUP, progress=MARKUP, codex_version=MARKUP),
    "h-types": status("idle", turns={"a": 1}, tokens="<b>", limit=[1], last_message=["x"], progress=7, since=MARKUP),
    "h-deep": "[" * 8000,
    "h-proto": '{"__proto__": {"activity": "waiting"}, "constructor": 1, "format": 1, "activity": "__proto__"}',
    "h-html": f"<!doctype html>{MARKUP}",
}
LONG = r"""printf '{"format": 1, "activity": "idle", "reason": "'; head -c 1000000 /dev/zero | tr '\0' x; printf '"}'"""
ODD = {
    "h-long": f"( {LONG} ) >status.json",
    **{"h-link": "ln -s /etc/passwd status.json", "h-fifo": "mkfifo -m 666 status.json", "h-sparse": "truncate -s 10G status.json"},
}


def test_a_hostile_status_is_text_or_nothing(workers: Workers, gateway: Gateway) -> None:
    """No markup, no link, no flood; the other sessions are shown as ever."""
    sessions = {name: {"places": ["watch"], "status": text} for name, text in HOSTILE.items()}
    with made(workers, {**sessions, **{name: {"places": ["watch"]} for name in ODD}, "good": {"status": status("done")}}):
        for name, script in ODD.items():
            workers.shell(SYSTEMD, f"cd {WEB}/{name} && {script}", user=USER)
        with page(gateway, WATCHER) as seen:
            seen.until("document.querySelectorAll('.session').length", len(HOSTILE) + len(ODD) + 2)
            seen.until("document.querySelector('.session .name').textContent", "h-markup")
            seen.until("[...sessions.values()].every((session) => session.isRead)", True)
            activity = "document.getElementById('name:{}').parentElement.dataset.activity"
            activities = {name: seen.run(activity.format(name)) for name in (*HOSTILE, *ODD, "good")}
            known = {"h-markup": "failed", "h-types": "idle", "good": "done"}
            assert activities == {name: known.get(name, "unknown") for name in activities}
            text = MARKUP.replace("\u202e\u2066\x1b", " ").replace("  ", " ")
            assert seen.row("h-markup")[4].replace(" ", "") == text.replace(" ", "")
            assert seen.row("h-types") == ["○", "idle", "h-types", "Watch"]
            assert seen.run("window.hostile === undefined && document.querySelectorAll('img, #sessions script').length === 0")
            assert seen.run("document.querySelectorAll('.session > *').length === 5 * document.querySelectorAll('.session').length")
            assert seen.driver.get_log("browser") == []
            assert seen.run("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_has_the_links_that_a_user_may_open(workers: Workers, gateway: Gateway) -> None:
    """Who watches gets no link to type, a session that is not writable has none, and a guest sees no other session."""
    links = "[...document.querySelectorAll('#sessions a')].map((link) => link.pathname).sort()"
    writable = {"places": ["watch", "type"], "status": status("idle")}
    sessions: Sessions = {"closed": {"places": ["watch"]}, "stopped": {}, "writable": writable}
    watched, typed = ["/watch/closed/", "/watch/shared/", "/watch/writable/"], ["/type/shared/", "/type/writable/"]
    expected = {WATCHER: watched, WRITER: [*typed, *watched], GUEST: [*typed, *watched[1:]]}
    with made(workers, sessions):
        for login, found in expected.items():
            with page(gateway, login) as seen:
                seen.until(links, found)
                assert "stopped" not in seen.names() and seen.driver.get_log("browser") == []
