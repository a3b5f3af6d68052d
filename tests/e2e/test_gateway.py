# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People behind the gateway, in a real browser: who types, who only watches, who gets nothing; and users of the worker."""

from __future__ import annotations

import base64
import http.client
import os
import shlex
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from e2e.browser import Terminal
from e2e.conftest import VERSIONS
from e2e.hostile_terminal import MARK
from e2e.sessions import ROOT, SYSTEMD, USER, WITHOUT, WORKERS, Workers, is_idle, kinds
from e2e.test_browser import tunnel
from selenium.webdriver.support.wait import WebDriverWait

from ansible_collections.optio.codex.tests.unit.support.certificates import Authority

pytestmark = pytest.mark.battery

#: of "open sesame", as openssl passwd -6 prints it
HASH = "$6$abcdefgh$CkjGkP7IIgZVUCNlt.Vi53LOYJLXZ5KzdpzEYCj01XGruA1hxZYJqccTU2zz68oJwAGsd1iPty5F7dHIatUTy/"
USERS = [
    {"name": "writer", "password_hash": HASH, "rights": "write"},
    {"name": "watcher", "password_hash": HASH},
    {"name": "guest", "password_hash": HASH, "rights": "write", "sessions": "shared, writable, other"},
]
WRITER, WATCHER, GUEST, WRONG = ("writer", "open sesame"), ("watcher", "open sesame"), ("guest", "open sesame"), ("writer", "wrong")
TERMINAL = {"group": "www-data", "writable": True}
WEB = "/run/optio-codex-web"
#: a page that opens a websocket as ttyd's own does, and says what came of it
FOREIGN = """<!doctype html><title>waiting</title><script>
const socket = new WebSocket(new URLSearchParams(location.search).get("to"), ["tty"]);
socket.onopen = () => { document.title = "open"; };
socket.onclose = () => { document.title = "closed"; };
</script>"""


@dataclass(frozen=True)
class Gateway:
    """A gateway, the certificate that it was given, and that of who vouches for it."""

    url: str
    certificate: str
    authority: str
    #: the cookies of clients that have logged in
    devices: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def pin(self) -> str:
        """What a browser knows the certificate by."""
        return Authority.pin(self.certificate)

    def open(self, path: str, login: tuple[str, str], **options: Any) -> Terminal:
        """Return a browser for a terminal behind it."""
        return Terminal(f"{self.url}{path}", login=login, **{"pin": self.pin, **options})

    def status(self, path: str, login: tuple[str, str]) -> int:
        """Return the status of an answer."""
        context = ssl.create_default_context(cadata=self.authority)
        credentials = base64.b64encode(":".join(login).encode()).decode()
        connection = http.client.HTTPSConnection(self.url.removeprefix("https://"), context=context, timeout=20)
        # a client that was let in before is not limited
        device = {"Cookie": self.devices[login]} if login in self.devices else {}
        connection.request("GET", path, headers={"Authorization": f"Basic {credentials}", **device})
        answer = connection.getresponse()
        if cookie := answer.getheader("Set-Cookie"):
            self.devices[login] = cookie.partition(";")[0]
        return answer.status


@pytest.fixture(scope="module")
def gateway(workers: Workers) -> Iterator[Gateway]:
    """Put a gateway and a session on the worker with systemd, and give the way to it that a session's tunnel takes."""
    authority = Authority()
    certificate, key = authority.server("127.0.0.1")
    given = {"codex_hosts": SYSTEMD, "codex_gateway_users": USERS, "codex_gateway_mirror_url": "{{ optio_mirror_url }}"}
    given |= {"codex_gateway_tls_certificate": certificate, "codex_gateway_tls_key": key}
    assert workers.controller.playbook("gateway", given).results
    launched = workers.session("shared", hosts=SYSTEMD, terminal=TERMINAL, prompt="SAY: look at me")[SYSTEMD]
    words = shlex.split(launched["tunnel_command"])
    place = words.index("-L") + 1
    words[place] = words[place].replace(launched["terminal_socket"], "127.0.0.1:443")
    with tunnel(shlex.join(words)) as url:
        yield Gateway(url.replace("http:", "https:"), certificate, authority.certificate)
    workers.session("shared", hosts=SYSTEMD, state="absent")
    assert workers.controller.playbook("gateway", {"codex_hosts": SYSTEMD, "codex_gateway_state": "absent"}).results
    assert workers.shell(SYSTEMD, f"ls -d /etc/optio-codex-gateway {WEB} 2>/dev/null") == ""


def test_the_writer_sees_and_types_and_the_watcher_only_sees(workers: Workers, gateway: Gateway, artifacts: Path) -> None:
    """Side by side: what the one types the other sees, and what the other types nobody gets."""
    with gateway.open("/type/shared/", WRITER) as writer, gateway.open("/watch/shared/", WATCHER) as watcher:
        for terminal in (writer, watcher):
            terminal.wait_for("• look at me")
        writer.type("RUN: echo typed through the gateway > typed.txt; cat typed.txt")
        for terminal in (writer, watcher):
            terminal.wait_for("Done: typed through the gateway")
        watcher.timeout = 5
        with pytest.raises(TimeoutError, match="did not show the typed text"):
            watcher.type("SAY: nobody hears this")
        # nor has the right to the other path
        watcher.driver.get(f"{gateway.url}/type/shared/")
        assert "403 Forbidden" in watcher.driver.page_source
        writer.screenshot(artifacts / "session-behind-the-gateway.png")
    seen = workers.until("shared", is_idle, "idle", hosts=SYSTEMD)[SYSTEMD]
    assert "nobody hears this" not in seen["screen"] and (seen["terminal"], seen["url_path"]) == ("running", "/type/shared/")
    assert workers.read(SYSTEMD, f"{seen['workdir']}/typed.txt") == "typed through the gateway\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_terminal_fits_the_page(workers: Workers, gateway: Gateway, artifacts: Path, version: str) -> None:
    """The session follows a writer, down to a smallest size; the wheel and a drag type nothing."""
    launched = workers.session("fit", hosts=SYSTEMD, terminal=TERMINAL, version=version, prompt="SAY: look at me\nRUN: seq 100")
    # not one that an earlier test has left
    assert launched[SYSTEMD]["changed"]
    with gateway.open("/type/fit/", WRITER) as writer:
        writer.wait_for("Done:")
        sizes = {}
        for width, height in ((1920, 1080), (1366, 768), (400, 300)):
            writer.view(width, height)
            writer.wait_until(lambda _screen: "x".join(map(str, writer.grid())) == workers.window(SYSTEMD, "fit"), "the window")
            # codex draws again
            writer.wait_until(lambda screen: "100" in screen and "stand-in default" in screen, "codex")
            sizes[width] = writer.grid()
            used = writer.driver.execute_script("return [box().width, box().height, frame.scrollWidth, frame.scrollHeight]")
            if width == 400:
                assert sizes[width] == (80, 24) and used[2] > width and used[3] > height
            else:
                assert 0.97 < used[0] / width <= 1 and 0.95 < used[1] / height <= 1 and used[2:] == [width, height]
            writer.screenshot(artifacts / f"terminal-{version}-{width}.png")
        assert sizes[1920] > sizes[1366] > sizes[400]
        writer.view(1366, 768)
        writer.wait_until(lambda _screen: workers.window(SYSTEMD, "fit") == "x".join(map(str, sizes[1366])), "the window")
        assert writer.driver.title == "fit on systemd"
        writer.type("RUN: seq 300; echo the end")
        writer.wait_for("  the end")
        before = writer.settled()
        writer.turn_wheel(-5)
        writer.wait_until(lambda screen: screen != before, "what was above")
        writer.turn_wheel(20)
        writer.wait_until(lambda screen: screen == before, "what was below")
        assert writer.copy("the end") == "the end"
    workers.until_window(SYSTEMD, "fit", "200x50")
    seen = workers.until("fit", is_idle, "idle", hosts=SYSTEMD)[SYSTEMD]
    # nothing stands in the composer, and nothing was sent
    assert seen["turns"] == 2 and "› RUN: seq 300" not in seen["screen"].splitlines()[-5:]
    message = {"optio.codex.session_message": {"name": "fit", "user": USER, "text": "SAY: the composer was empty"}}
    sent = workers.play(message, hosts=SYSTEMD).records[0].result
    assert (sent["delivery"], sent["composer"]) == ("recorded", None)
    workers.session("fit", hosts=SYSTEMD, state="absent")


def test_a_watcher_sees_the_whole_window_and_never_resizes_it(workers: Workers, gateway: Gateway, artifacts: Path) -> None:
    """Alone, and beside a writer, whatever the size of its page."""

    def shows_window(watcher: Terminal) -> None:
        watcher.wait_until(lambda _screen: "x".join(map(str, watcher.grid())) == workers.window(SYSTEMD, "shared"), "the window")
        fits = "return box().width <= frame.clientWidth && box().height <= frame.clientHeight"
        watcher.wait_until(lambda screen: "look at me" in screen and watcher.driver.execute_script(fits), "all of it")

    with gateway.open("/watch/shared/", WATCHER) as watcher:
        for width, height in ((1920, 1080), (1366, 768)):
            watcher.view(width, height)
            shows_window(watcher)
            assert workers.window(SYSTEMD, "shared") == "200x50"
        with gateway.open("/type/shared/", WRITER) as writer:
            writer.view(1366, 768)
            writer.wait_until(lambda _screen: "x".join(map(str, writer.grid())) == workers.window(SYSTEMD, "shared"), "the window")
            size = workers.window(SYSTEMD, "shared")
            for width, height in ((1920, 1080), (1000, 700)):
                watcher.view(width, height)
                shows_window(watcher)
                assert workers.window(SYSTEMD, "shared") == size
                watcher.screenshot(artifacts / f"watcher-{width}-beside-a-writer.png")
            assert watcher.copy("look at me") == "look at me"
        workers.until_window(SYSTEMD, "shared", "200x50")
        shows_window(watcher)


def test_a_wrong_password_shows_nothing(gateway: Gateway) -> None:
    assert [gateway.status("/type/shared/", login) for login in (WRONG, WRITER)] == [401, 200]
    with pytest.raises((TimeoutError, ConnectionError)), gateway.open("/type/shared/", WRONG, timeout=4):
        pass


def test_another_certificate_is_not_believed(gateway: Gateway) -> None:
    """What browsers here believe is the configured one alone, and so does a client that knows who vouches for it."""
    other = Authority.pin(Authority().server("127.0.0.1")[0])
    with pytest.raises((TimeoutError, ConnectionError)), gateway.open("/type/shared/", WRITER, pin=other, timeout=4):
        pass
    assert gateway.status("/", WRITER) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        replace(gateway, authority=Authority().certificate).status("/", WRITER)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(FOREIGN.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def elsewhere() -> Iterator[str]:
    """Serve a page of another origin."""
    # a browser also opens connections on which it sends nothing
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = Thread(target=partial(server.serve_forever, 0.05), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def test_a_page_of_another_origin_cannot_connect(gateway: Gateway) -> None:
    """In the browser of somebody who has logged in: the gateway's own page connects, another's does not."""
    address = f"{gateway.url.replace('https:', 'wss:')}/type/shared/ws"
    own = """const done = arguments[1], socket = new WebSocket(arguments[0], ["tty"]);
        socket.onopen = () => done("open");
        socket.onclose = () => done("closed");"""
    with gateway.open("/type/shared/", WRITER) as writer, elsewhere() as foreign:
        assert writer.driver.execute_async_script(own, address) == "open"
        writer.driver.get(f"{foreign}?to={address}")
        WebDriverWait(writer.driver, 20).until(lambda driver: driver.title != "waiting")
        assert writer.driver.title == "closed"


def test_the_page_of_sessions_follows_them(workers: Workers, gateway: Gateway, artifacts: Path) -> None:
    """It shows what is live and what one may do with it, and needs no reload."""

    def shows(links: list[str], driver: Any) -> bool:
        seen = driver.execute_script("return [...document.querySelectorAll('#sessions a')].map((a) => a.pathname)")
        # what a session does decides on its place
        return sorted(seen) == sorted(links)

    both = ["/watch/shared/", "/type/shared/"]
    for login, expected in ((WATCHER, both[:1]), (WRITER, both)):
        with gateway.open("/watch/shared/", login) as browser:
            browser.load(f"{gateway.url}/")
            wait = WebDriverWait(browser.driver, 90, poll_frequency=0.2)
            wait.until(partial(shows, expected))
            if login is WATCHER:
                continue
            workers.session("visitor", hosts=SYSTEMD, terminal={"group": "www-data"})
            wait.until(partial(shows, [*both, "/watch/visitor/"]))
            browser.screenshot(artifacts / "gateway.png")
            workers.session("visitor", hosts=SYSTEMD, state="absent")
            wait.until(partial(shows, both))


def test_other_users_of_the_worker_get_nothing(workers: Workers, gateway: Gateway) -> None:
    """Neither somebody else nor the web server reads, attaches to, types into or squats what is not its own."""
    connect = "python3 -c 'import socket,sys;socket.socket(socket.AF_UNIX).connect(sys.argv[1])'"
    tmux = tmux_socket("shared")
    own = {
        **{f"connect to {path}": f"{connect} {path}" for path in (f"{WEB}/shared/type.sock", f"{WEB}/shared/watch.sock", tmux)},
        "list the sockets": f"ls {WEB}/shared",
        "ask tmux": f"tmux -S {tmux} list-sessions",
        "read the record": f"cat {ROOT}/shared/session",
        "read the workdir": f"ls {ROOT}/shared/workdir",
    }
    harm = {
        "attach": f"tmux -S {tmux} attach-session -t optio",
        "type": f"tmux -S {tmux} send-keys -t optio: x",
        "make a socket": f"touch {WEB}/shared/more.sock",
        "take a socket away": f"rm -f {WEB}/shared/type.sock",
        "squat a session": f"mkdir {WEB}/next",
        "squat a session's tmux": "mkdir /run/optio-codex/next",
    }

    def allowed(user: str, attempts: dict[str, str]) -> set[str]:
        script = {what: f"( {attempt} ) >/dev/null 2>&1 </dev/null && echo yes" for what, attempt in attempts.items()}
        return {what for what, tried in script.items() if workers.shell(SYSTEMD, tried, user=user) == "yes\n"}

    # whose session it is can, so the attempts are real ones
    assert allowed(USER, own) == set(own)
    assert allowed("nobody", {**own, **harm}) == set()
    assert allowed("www-data", {**own, **harm}) == {name for name in own if name.startswith(f"connect to {WEB}/")}


def test_no_session_stands_in_for_another(workers: Workers, gateway: Gateway) -> None:
    """A link in the place of a socket does not turn the right to watch one session into the right to type in another."""
    workers.session("decoy", hosts=SYSTEMD, terminal={"group": "www-data"})
    assert gateway.status("/watch/decoy/", WATCHER) == 200
    workers.shell(SYSTEMD, f"ln -sf {WEB}/shared/type.sock {WEB}/decoy/watch.sock", user=USER)
    assert gateway.status("/watch/decoy/", WATCHER) == 404
    workers.shell(SYSTEMD, f"ln -sf {tmux_socket('shared')} {WEB}/decoy/watch.sock", user=USER)
    assert gateway.status("/watch/decoy/", WATCHER) == 404
    workers.session("decoy", hosts=SYSTEMD, state="absent")


def attacked(gateway: Gateway, place: str, login: tuple[str, str], directory: Path) -> dict[str, Any]:
    """Return what a hostile session has reached in the browser of a person who looks at it."""
    with gateway.open("/watch/shared/", login) as browser:
        driver: Any = browser.driver
        driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(directory)})
        driver.execute_async_script("navigator.clipboard.writeText('mine').then(arguments[0], arguments[0])")
        driver.get(f"{gateway.url}/{place}/hostile/")
        # a page of the session's own does not show this
        with suppress(TimeoutError):
            browser.wait_for(MARK, 10)
        time.sleep(2)
        return {
            "title": driver.title,
            "ran": driver.execute_script("return window.hostile === true"),
            "cookies": [cookie["name"] for cookie in driver.get_cookies()],
            "clipboard": driver.execute_async_script("navigator.clipboard.readText().then(arguments[0], () => arguments[0](null))"),
            "downloads": os.listdir(directory),
            "windows": len(driver.window_handles),
            "problems": driver.get_log("browser"),
        }


def test_a_hostile_session_reaches_nothing(workers: Workers, gateway: Gateway, tmp_path: Path) -> None:
    """A server of its user's in the place of its terminals, for a person who types and one who watches."""
    workers.session("hostile", hosts=SYSTEMD, terminal=TERMINAL)
    script = f"cat >/tmp/hostile.py <<'END'\n{Path(__file__).with_name('hostile_terminal.py').read_text(encoding='utf-8')}\nEND"
    workers.shell(SYSTEMD, script, user=USER)
    for place in ("type", "watch"):
        serve = f"setsid python3 /tmp/hostile.py {WEB}/hostile/{place}.sock shared </dev/null >/tmp/hostile-{place} 2>&1 &"
        workers.shell(SYSTEMD, f"{serve} for i in $(seq 100); do grep -q ready /tmp/hostile-{place} && break; sleep 0.1; done", user=USER)
    expected = {
        **{"title": "hostile on systemd", "ran": False, "cookies": ["optio_codex_device"]},
        **{"clipboard": "mine", "downloads": [], "windows": 1, "problems": []},
    }
    for place, login in (("type", WRITER), ("watch", WATCHER)):
        directory = tmp_path / place
        directory.mkdir()
        assert attacked(gateway, place, login, directory) == expected
    assert "typed by another session" not in workers.info("shared", SYSTEMD, include_screen=True)[SYSTEMD]["screen"]
    workers.shell(SYSTEMD, "pkill -f '[h]ostile.py'", user=USER)
    workers.session("hostile", hosts=SYSTEMD, state="absent")


def test_a_terminal_that_floods_or_ends_does_not_stop_its_page(workers: Workers, gateway: Gateway) -> None:
    """It answers during a flood, and connects again by itself after the server was gone."""
    with gateway.open("/type/shared/", WRITER) as browser:
        script = f"cat >/tmp/flood.py <<'END'\n{Path(__file__).with_name('hostile_terminal.py').read_text(encoding='utf-8')}\nEND"
        workers.shell(SYSTEMD, script, user=USER)
        workers.session("flood", hosts=SYSTEMD, terminal=TERMINAL)
        serve = f"setsid python3 /tmp/flood.py {WEB}/flood/type.sock shared flood </dev/null >/tmp/flood 2>&1 &"
        workers.shell(SYSTEMD, f"{serve} for i in $(seq 100); do grep -q ready /tmp/flood && break; sleep 0.1; done", user=USER)
        browser.load(f"{gateway.url}/type/flood/")
        browser.wait_for("flood")
        for _look in range(5):
            assert browser.driver.execute_script("return unparsed") <= 4 << 20
            time.sleep(0.2)
        workers.shell(SYSTEMD, "pkill -f '[f]lood.py'", user=USER)
        notice = "return document.getElementById('notice').textContent"
        WebDriverWait(browser.driver, 30).until(lambda driver: "Disconnected" in driver.execute_script(notice))
        workers.session("flood", hosts=SYSTEMD, state="absent")
        # its own server ends, and is repaired
        browser.load(f"{gateway.url}/type/shared/")
        browser.wait_for("look at me")
        workers.shell(SYSTEMD, f"kill -9 $(cut -d ' ' -f 1 {ROOT}/shared/terminal)")
        WebDriverWait(browser.driver, 30).until(lambda driver: "Disconnected" in driver.execute_script(notice))
        workers.session("shared", hosts=SYSTEMD, terminal=TERMINAL, prompt="SAY: look at me")
        WebDriverWait(browser.driver, 60).until(lambda driver: driver.execute_script(notice) == "")
        browser.wait_for("look at me")


def test_both_terminals_are_repaired_closed_and_removed(workers: Workers) -> None:
    """With systemd and without: one that dies alone comes back alone, and they go with codex."""
    life: dict[str, Any] = {"terminal": TERMINAL}
    predicted = workers.session("pair", check=True, **life)
    launched = workers.session("pair", **life)
    sockets = [f"{WEB}/pair/{place}.sock" for place in ("type", "watch")]
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(launched[worker])
        assert [launched[worker][name] for name in ("terminal_socket", "terminal_watch_socket")] == sockets
        workers.shell(worker, f"kill -9 $(cut -d ' ' -f 1 {ROOT}/pair/watch)")
    workers.until("pair", lambda entry: entry["terminal"] == "dead", "seen without a terminal")
    for result in workers.session("pair", **life).values():
        assert kinds(result) == [("open", sockets[1])] and result["drift"] == []
    assert {result["changed"] for result in workers.session("pair", **life).values()} == {False}

    # codex ends by itself
    for worker, launch in launched.items():
        workers.shell(worker, f"kill {launch['pid']}")
    workers.until("pair", lambda entry: entry["status"] == "finished", "ended")
    ended = f"for i in $(seq 200); do pgrep -f '[t]tyd.*/pair/' >/dev/null || break; sleep 0.05; done; ls {WEB}/pair"
    # the gateway's page still shows how it ended
    assert {worker: workers.shell(worker, ended) for worker in WORKERS} == dict.fromkeys(WORKERS, "status.json\n")
    # and goes on for a web server, after it was told again for whose group
    resumed = workers.session("pair", resume="always", **life)
    assert {(result["status"], result["terminal_socket"]) for result in resumed.values()} == {("running", sockets[0])}
    workers.session("pair", state="stopped")
    assert {workers.shell(worker, f"ls {WEB}/pair") for worker in WORKERS} == {""}
    workers.session("pair", state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, "pair") == [] and workers.shell(worker, f"ls -d {WEB}/pair 2>/dev/null") == ""


#: arguments: address and port, then what a client shows
CLIENT = """
import http.client, ssl, sys
context = ssl.create_default_context(cafile="/tls/ca.pem")
if sys.argv[2:]:
    context.load_cert_chain(*sys.argv[2:])
connection = http.client.HTTPSConnection(sys.argv[1], context=context, timeout=20)
try:
    connection.request("GET", "/")
    print(connection.getresponse().status)
except OSError as error:
    print(type(error).__name__)
"""


def test_an_address_is_for_those_who_show_a_certificate(workers: Workers) -> None:
    """Without a gateway: TLS both ways, and no address without it."""
    address = workers.shell(WITHOUT, "hostname -I").split()[0]
    authority, stranger = Authority(), Authority()
    files = {"ca.pem": authority.certificate}
    for name, issuer, subject in (("worker", authority, address), ("person", authority, "192.0.2.1"), ("stranger", stranger, "192.0.2.1")):
        files[f"{name}.pem"], files[f"{name}.key"] = issuer.server(subject)
    for name, text in {**files, "client.py": CLIENT}.items():
        workers.shell(WITHOUT, f"mkdir -p /tls; printf %s {shlex.quote(text)} >/tls/{name}")
    address_alone = {"listen": "tcp", "address": address, "writable": True, "auth_header": "X-User"}
    refused = workers.play(workers.task("lan", terminal=address_alone), hosts=WITHOUT)
    assert "is not a loopback address" in refused.failure["msg"] and "codex_gateway" in refused.failure["msg"]

    tls = {"tls_certificate": "/tls/worker.pem", "tls_key": "/tls/worker.key", "tls_client_ca": "/tls/ca.pem"}
    terminal = {"listen": "tcp", "address": address, **tls}
    launched = workers.session("lan", hosts=WITHOUT, terminal=terminal)[WITHOUT]
    place = launched["url"].removeprefix("https://").rstrip("/")
    assert launched["url"] == f"https://{address}:{launched['port']}/"
    shown = {"person": "/tls/person.pem /tls/person.key", "nobody": "", "stranger": "/tls/stranger.pem /tls/stranger.key"}
    said = {who: workers.shell(WITHOUT, f"python3 /tls/client.py {place} {what}").strip() for who, what in shown.items()}
    assert said.pop("person") == "200"
    assert not any(answer.isdigit() or not answer for answer in said.values()), said
    assert not workers.session("lan", hosts=WITHOUT, terminal=terminal)[WITHOUT]["changed"]
    workers.session("lan", hosts=WITHOUT, state="absent")


def tmux_socket(name: str) -> str:
    """Return the socket of a session's tmux."""
    return f"/run/optio-codex/{name}/tmux.sock"
