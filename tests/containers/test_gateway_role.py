# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role that puts nginx in front of terminals, with systemd and without; what gets through to a socket, and who."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fleet as fleets
import pytest
from containers.gateways import (
    DIRECTORY,
    GUEST,
    HASH,
    NAME,
    SITE,
    SOCKETS,
    USERS,
    WATCHER,
    WRITER,
    Gateways,
    changed,
    check_own_certificate,
    left,
    message,
    own,
    pages_written,
)
from containers.playbook_runner import Controller

from ansible_collections.optio.codex.tests.unit.support.certificates import Authority

pytestmark = pytest.mark.battery


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Start the fleet."""
    scratch = tmp_path_factory.mktemp("gateways")
    inventory = scratch / "inventory.yml"
    images = {"systemd": "trixie-systemd-bare", "plain": "bookworm-bare"}
    fleet = fleets.up(f"gateways-{os.getpid()}", [fleets.WorkerSpec(name, image) for name, image in images.items()], inventory)
    try:
        found = Gateways(Controller(inventory, scratch), fleet)
        for host in images:
            found.shell(host, "cat >/kit.py", (Path(__file__).parent / "gateway_builders.py").read_text(encoding="utf-8"))
        yield found
    finally:
        fleets.down(fleet.name)


@pytest.fixture(scope="module")
def served(gateways: Gateways) -> tuple[Gateways, str, str]:
    """Make a gateway on the worker with systemd from a given certificate: four ways; return it, certificate and key."""
    host = "systemd"
    certificate, key = Authority().server("192.0.2.1")
    given = {"server_name": NAME, "tls_certificate": certificate, "tls_key": key}
    assert changed(gateways.run(host, "--check", "--diff", **given))
    assert left(gateways, host) == ""
    first = gateways.run(host, "--diff", **given)
    assert changed(first) and HASH not in first.output and key.splitlines()[1] not in first.output
    assert changed(gateways.run(host, "--check", **given)) == changed(gateways.run(host, **given)) == []
    assert gateways.shell(host, "systemctl is-enabled nginx") == "enabled\n"
    modes = gateways.shell(host, f"cd {DIRECTORY}; stat -c '%a %U:%G %n' *.pem users")
    assert modes.splitlines() == ["644 root:root certificate.pem", "600 root:root key.pem", "640 root:www-data users"]
    # the distribution's own site is not enabled
    connect = 'import socket;print(socket.socket().connect_ex(("127.0.0.1",80)))'
    assert gateways.shell(host, f"ls /etc/nginx/sites-enabled; python3 -c '{connect}'") == f"{errno.ECONNREFUSED}\n"
    for name in ("review", "docs"):
        gateways.launch(host, name)
    return gateways, certificate, key


NOBODY = [None, "writer:wrong", "nobody:open sesame", "writer", f"Writer:{WRITER.partition(':')[2]}"]
PATHS = [
    *("/", "/gateway.js", "/optio-codex-web/", "/type/review/", "/type/review/ws", "/watch/review/status.json"),
    *("/watch/review", "/nothing"),
]


def test_nginx_requires_a_login(served: tuple[Gateways, str, str]) -> None:
    gateways = served[0]
    requests = [own(path=path, login=login, websocket=path.endswith("/ws")) for login in NOBODY for path in PATHS]
    answers = gateways.ask("systemd", *requests)
    assert {answer["status"] for answer in answers} == {401}
    assert not any("target" in answer["text"] for answer in answers)
    # nor to what is nginx's own
    assert gateways.statuses("systemd", own(path="/-rights"), own(path="/lists/guest/"), own(path="/-socket")) == [404, 404, 404]


RIGHTS = [
    # login, path, status, what arrives at which socket
    (WRITER, "/type/review/", 200, None),
    (WRITER, "/watch/review/status.json", 204, None),
    (WRITER, "/type/review/ws", 101, "/type/review/ws"),
    (WRITER, "/watch/review/ws", 101, "/watch/review/ws"),
    (WRITER, "/watch/none/ws", 404, None),
    (WATCHER, "/watch/review/", 200, None),
    (WATCHER, "/watch/review/ws", 101, "/watch/review/ws"),
    (WATCHER, "/type/review/", 403, None),
    (WATCHER, "/type/review/ws", 403, None),
    (WATCHER, "/type/review/status.json", 403, None),
    (WATCHER, "/watch/../type/review/", 403, None),
    (WATCHER, "/watch/review/../../type/review/", 403, None),
    (WATCHER, "/watch/review/%2e%2e/%2e%2e/type/review/status.json", 403, None),
    (WATCHER, "//type/review/", 403, None),
    (WATCHER, "/watch/../../../etc/passwd", 400, None),
    (WATCHER, "/watch/%2e%2e%2freview/", 404, None),
    (WATCHER, "/watch/..%2freview/status.json", 404, None),
    (WATCHER, "/watch/review%00/", 400, None),
    (WATCHER, "/watch/review/status.json%0d%0aX-Right:%20type", 404, None),
    (WATCHER, "/watch/review/secrets", 404, None),
    (WATCHER, "/watch/none/", 404, None),
    (GUEST, "/type/docs/ws", 101, "/type/docs/ws"),
    (GUEST, "/watch/review/", 403, None),
    (GUEST, "/watch/review/status.json", 403, None),
    (GUEST, "/watch/none/", 403, None),
    (GUEST, "/type/other/", 404, None),
]


def test_each_right_reaches_its_own_socket(served: tuple[Gateways, str, str]) -> None:
    requests = [own(path=path, login=login, websocket=path.endswith("/ws")) for login, path, _status, _target in RIGHTS]
    answers = served[0].ask("systemd", *requests)
    seen = []
    for (login, path, _status, _target), answer in zip(RIGHTS, answers, strict=True):
        headers = answer["headers"]
        seen.append((login, path, answer["status"], headers.get("x-target")))
        # the login is none of the session's business, nor is the browser
        assert not {"authorization", "cookie"} & set(headers.get("x-names", "").split())
        assert not {"clear-site-data", "strict-transport-security", "alt-svc"} & set(headers) and "target" not in answer["text"]
        assert answer["status"] != 101 or "set-cookie" not in headers
    assert seen == RIGHTS
    assert "terminal.js" in answers[0]["text"]
    # a browser that opens the address of a websocket as a page gets nothing of a session
    assert served[0].statuses("systemd", own(path="/type/review/ws", login=WRITER)) == [426]
    page = answers[0]["headers"]
    assert "frame-ancestors 'none'" in page["content-security-policy"] and page["x-frame-options"] == "DENY"
    assert page["server"] == "nginx" and "strict-transport-security" not in page


def test_a_password_is_not_guessed(served: tuple[Gateways, str, str]) -> None:
    """Few attempts from one address, and no end of them for a browser that has logged in as the same user."""
    gateways, place = served[0], "127.7.7.7"

    def statuses(*logins: str, **headers: str) -> list[int]:
        return gateways.statuses("systemd", *(own(path="/", login=login, source=place, headers=headers) for login in logins))

    cookie = gateways.ask("systemd", own(path="/", login=WRITER))[0]["headers"]["set-cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    device = {"Cookie": cookie.partition(";")[0]}
    seen = statuses(*(f"writer:{guess}" for guess in range(30)))
    assert seen == [401] * seen.count(401) + [429] * seen.count(429) and 20 <= seen.count(401) <= 23
    assert statuses(WRITER) == statuses(WATCHER) == [429]
    # it does not replace the password, and is for its own user
    assert statuses(*[WRITER] * 30, **device) == [200] * 30
    assert statuses("writer:wrong", **device) == [401] and statuses("watcher:wrong", **device) == [429]
    assert "set-cookie" not in gateways.ask("systemd", own(path="/", login="writer:wrong"))[0]["headers"]
    # a request without a login is no attempt
    assert gateways.statuses("systemd", *[own(path="/", source=place)] * 30) == [401] * 30


def test_only_ciphers_that_authenticate(served: tuple[Gateways, str, str]) -> None:
    script = """
import socket, ssl, sys
for cipher in sys.argv[1:]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode, context.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    try:
        print(context.wrap_socket(socket.create_connection(("127.0.0.1", 443))).cipher()[0])
    except ssl.SSLError:
        print("refused")
"""
    ciphers = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"]
    seen = served[0].shell("systemd", f"python3 -c {shlex.quote(script)} {' '.join(ciphers)}").split()
    assert seen == [ciphers[0], "refused", "refused"]

    # all others of TLS 1.2, and older protocols
    rest = "ALL:COMPLEMENTOFALL:!AESGCM:!CHACHA20:!AESCCM:!ARIAGCM:@SECLEVEL=0"
    for text, more in ((script, rest), (script.replace("TLSv1_2", "TLSv1_1"), "ALL:@SECLEVEL=0")):
        assert served[0].shell("systemd", f"python3 -c {shlex.quote(text)} {more}") == "refused\n"


#: path, login, status, and whether styles may be inline, which xterm.js needs
POLICIES = [
    *(("/", WRITER, 200, False), ("/", None, 401, False), ("/nothing", WRITER, 404, False), ("/gateway.js", WRITER, 200, False)),
    *(("/watch/review/", WATCHER, 200, True), ("/type/review/", WRITER, 200, True), ("/watch/none/", WATCHER, 404, True)),
    *(("/type/review/", WATCHER, 403, True), ("/watch/review/status.json", WATCHER, 204, True), ("/optio-codex-web/", WRITER, 200, False)),
]


def test_no_page_runs_a_script_that_is_not_the_gateways_own(served: tuple[Gateways, str, str]) -> None:
    """The policy is part of each answer, and the pages have no script of their own between their tags."""
    answers = served[0].ask("systemd", *(own(path=path, login=login) for path, login, _status, _inline in POLICIES))
    for (path, _login, status, inline), answer in zip(POLICIES, answers, strict=True):
        assert answer["status"] == status, path
        header = answer["headers"]["content-security-policy"]
        policy = {name: sources.split() for name, _blank, sources in (part.strip().partition(" ") for part in header.split(";"))}
        assert (policy["default-src"], policy["script-src"]) == (["'none'"], ["'self'"]), path
        assert policy["style-src"] == ["'self'", *(["'unsafe-inline'"] if inline else [])], path
        assert policy["connect-src"] == ([f"wss://{NAME}"] if inline else ["'self'"]), path
        assert {policy[name][0] for name in ("base-uri", "form-action", "frame-ancestors", "trusted-types")} == {"'none'"}, path
        assert policy["require-trusted-types-for"] == ["'script'"]
        if status == 200 and "<html" in answer["text"]:
            assert re.findall(r"<script(?! src=\"/[a-z/-]+\.js\" defer></script>)", answer["text"]) == [], path
            assert re.findall(r"\son[a-z]+=|javascript:|<style|\sstyle=", answer["text"]) == [], path


ORIGINS = [
    (own(path="/watch/review/ws", websocket=True), 101),
    ({"path": "/watch/review/ws", "websocket": True, "headers": {"Host": NAME}}, 403),
    *(
        (own(path="/watch/review/ws", websocket=True, headers={"Origin": origin}), 403)
        for origin in ("https://evil.example", f"http://{NAME}", "null")
    ),
    (own(path="/watch/review/status.json", headers={"Origin": "https://evil.example"}), 403),
    ({"path": "/watch/review/status.json", "headers": {"Host": NAME}}, 204),
    # a page whose name somebody has pointed here
    ({"path": "/", "headers": {"Host": "evil.example", "Origin": "https://evil.example"}}, 421),
    # the address, once there is a name
    *(({"path": "/", "headers": {"Host": name}}, 421) for name in ("127.0.0.1", "localhost", f"{NAME}.evil.example")),
]


def test_a_page_of_another_origin_does_not_connect(served: tuple[Gateways, str, str]) -> None:
    requests = [{**request, "login": WATCHER} for request, _status in ORIGINS]
    assert served[0].statuses("systemd", *requests) == [status for _request, status in ORIGINS]


def test_the_list_is_what_one_may_see(served: tuple[Gateways, str, str]) -> None:
    """And has the time of each session, of which a new status is one."""
    gateways = served[0]

    def lists() -> list[dict[str, dict[str, str]]]:
        answers = gateways.ask("systemd", *(own(path="/optio-codex-web/", login=login) for login in (WATCHER, GUEST)))
        assert {answer["headers"]["content-type"] for answer in answers} == {"application/json"}
        assert [answer["headers"]["x-codex-right"] for answer in answers] == ["watch", "write"]
        return [{entry["name"]: entry for entry in json.loads(answer["text"])} for answer in answers]

    aged = {"docs": {"age": 600}}
    gateways.shell("systemd", "python3 /kit.py sessions 1234", json.dumps(aged))
    before = lists()
    assert [list(entries) for entries in before] == [["docs", "review"], ["docs", "other"]]
    # a link to a session that is not there is no directory
    assert [entry["type"] for entries in before for entry in entries.values()] == ["directory", "directory", "directory", "other"]
    gateways.shell("systemd", "python3 /kit.py sessions 1234", json.dumps({"docs": {"status": "{}"}}))
    after = lists()
    assert [entries["docs"]["mtime"] != old["docs"]["mtime"] for entries, old in zip(after, before, strict=True)] == [True, True]
    assert after[0]["review"] == before[0]["review"]
    gateways.shell("systemd", f"rm {SOCKETS}/docs/status.json")


#: what a session's user makes in the place of its status
ODD = {
    "absent": "true",
    "link": "ln -s ../odd-good/status.json status.json",
    "outside": "ln -s /etc/passwd status.json",
    "fifo": "mkfifo -m 666 status.json",
    "directory": "mkdir -m 777 status.json; echo {} >status.json/index.html",
    "socket": "python3 -c 'import socket;socket.socket(socket.AF_UNIX).bind(\"status.json\")'; chmod 777 status.json",
    "closed": "echo {} >status.json; chmod 600 status.json",
}


def check_statuses(gateways: Gateways, host: str, **request: Any) -> None:
    """Regular files that the group may read are sent as JSON, and nothing else is."""
    good = "<script>window.hostile = true</script>"
    gateways.shell(host, "python3 /kit.py sessions 1234", json.dumps({"odd-good": {"places": ["watch"], "status": good}}))
    for name, script in ODD.items():
        gateways.shell(host, "python3 /kit.py sessions 1234", json.dumps({f"odd-{name}": {}}))
        gateways.shell(host, f"cd {SOCKETS}/odd-{name}; setpriv --reuid 1234 --regid 1234 --clear-groups sh -ec {shlex.quote(script)}")
    names = ["odd-good", *(f"odd-{name}" for name in ODD), "review"]
    answers = gateways.ask(host, *({**request, "path": f"/watch/{name}/status.json"} for name in names))
    sent, *odd = answers
    assert (sent["status"], sent["text"], sent["headers"]["content-type"]) == (200, good, "application/json")
    assert sent["headers"]["x-content-type-options"] == "nosniff" and "default-src 'none'" in sent["headers"]["content-security-policy"]
    assert [(answer["status"], answer["text"]) for answer in odd] == [(204, "")] * len(odd)
    # which sockets there are
    assert [answer["headers"].get("x-codex-terminals") for answer in answers] == ["watch", *[None] * len(ODD), "watch type"]
    gateways.shell(host, f"rm -r {SOCKETS}/odd-*")


def test_a_status_is_a_regular_file(served: tuple[Gateways, str, str]) -> None:
    check_statuses(served[0], "systemd", **own(login=WATCHER))


def test_sessions_come_and_go_while_a_terminal_is_open(served: tuple[Gateways, str, str]) -> None:
    """No reload for a session; and one for the configuration closes nothing."""
    gateways, certificate, key = served
    host = "systemd"
    given = {"server_name": NAME, "tls_certificate": certificate, "tls_key": key}
    workers = gateways.shell(host, "pgrep -x -P $(cat /run/nginx.pid) nginx")
    with gateways.websocket(host, "/type/review/ws") as terminal:
        assert terminal.echo("before") == "before"
        gateways.launch(host, "late", ["watch"])
        late = [own(path=path, login=WRITER) for path in ("/watch/late/", "/type/late/")]
        assert gateways.statuses(host, *late) == [200, 404]
        gateways.end(host, "late")
        assert gateways.statuses(host, *late) == [404, 404]
        # a user's right needs none either, as long as the rights stay
        assert gateways.shell(host, "pgrep -x -P $(cat /run/nginx.pid) nginx") == workers and terminal.echo("same") == "same"

        assert any("Reload" in task for task in changed(gateways.run(host, **{**given, "users": USERS[:1]})))
        assert terminal.echo("after") == "after"
        request = own(path="/watch/review/", login=WATCHER)
        assert gateways.statuses(host, request) == [401]
        assert changed(gateways.run(host, **given)) and gateways.statuses(host, request) == [200]
        assert terminal.echo("still") == "still"


def test_the_certificate_is_the_configured_one(served: tuple[Gateways, str, str]) -> None:
    gateways, certificate, key = served
    host = "systemd"
    assert gateways.certificate(host).strip() == certificate.strip()
    # of no pair: nothing is put in the place of what is served
    another, another_key = Authority().server("192.0.2.2")
    said = message(gateways.run(host, server_name=NAME, tls_certificate=another, tls_key=key))
    assert "the key does not belong to the certificate" in said
    said = message(gateways.run(host, server_name=NAME, tls_certificate="/etc/none.pem", tls_key="/etc/none.key"))
    assert "cannot load certificate" in said and "The configuration is unchanged." in said
    assert gateways.shell(host, f"cat {DIRECTORY}/certificate.pem").strip() == certificate.strip()
    assert changed(gateways.run(host, server_name=NAME, tls_certificate=another, tls_key=another_key, hsts_max_age=600))
    assert gateways.certificate(host).strip() == another.strip()
    assert gateways.ask(host, own(path="/"))[0]["headers"]["strict-transport-security"] == "max-age=600"
    assert changed(gateways.run(host, server_name=NAME, tls_certificate=certificate, tls_key=key))


def test_an_interrupted_run_is_repaired_by_the_next(served: tuple[Gateways, str, str]) -> None:
    """A site that was written but not loaded, as if the run was killed before its reload."""
    gateways, certificate, key = served
    host = "systemd"
    given = {"server_name": NAME, "tls_certificate": certificate, "tls_key": key}
    gateways.shell(host, f"cp {SITE} /root/site")
    assert changed(gateways.run(host, **{**given, "server_name": "other.example.com"}))
    gateways.shell(
        host, f"cp /root/site {SITE}; cd {DIRECTORY}/www; echo odd >>gateway.js; chmod 600 list.js; rm status.js; chmod 700 lists"
    )
    request = own(path="/watch/review/", login=WATCHER)
    assert gateways.statuses(host, request) == [421]
    foreseen = changed(gateways.run(host, "--check", **given))
    assert any("outdated" in task for task in foreseen) and any("Create the directories" in task for task in foreseen)
    assert gateways.statuses(host, request) == [421]
    repaired = gateways.run(host, **given)
    assert any("Reload" in task for task in changed(repaired))
    assert pages_written(repaired) == [f"{DIRECTORY}/www/{name}" for name in ("gateway.js", "list.js", "status.js")]
    modes = gateways.shell(host, f"cd {DIRECTORY}/www; stat -c %a lists gateway.js list.js status.js; tail -n 1 gateway.js")
    assert modes.split()[:4] == ["755", "644", "644", "644"] and "odd" not in modes
    assert gateways.statuses(host, request) == [200]
    assert changed(gateways.run(host, **given)) == []


def test_the_group_gives_no_more_than_the_sockets(served: tuple[Gateways, str, str]) -> None:
    """What nginx runs as goes through to a name that it knows; any other user of the worker does not."""
    gateways = served[0]
    connect = "import socket;socket.socket(socket.AF_UNIX).connect('/run/optio-codex-web/review/type.sock')"
    directory = f"{SOCKETS}/review"
    attempts = [
        f"python3 -c {shlex.quote(connect)}",
        f"ls {directory}",
        f"cat {directory}/status.json",
        f"touch {directory}/x",
        f"rm -f {directory}/type.sock",
        f"mkdir {SOCKETS}/x",
    ]

    gateways.shell("systemd", "python3 /kit.py sessions 1234", json.dumps({"review": {"status": "{}"}}))

    def works(user: str) -> list[bool]:
        argvs = [gateways.argv("systemd", "sh", "-c", attempt, user=user) for attempt in attempts]
        return [subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode == 0 for argv in argvs]

    assert works("www-data") == [True, False, True, False, False, False]
    assert works("nobody") == [False] * len(attempts)


def test_the_gateway_goes_and_leaves_nothing(served: tuple[Gateways, str, str]) -> None:
    gateways, host = served[0], "systemd"
    gateways.shell(host, "echo 'server { listen 8123; location / { return 200 mine; } }' >/etc/nginx/conf.d/mine.conf")
    for name in ("review", "docs"):
        gateways.end(host, name)
    gateways.shell(host, f"rmdir {SOCKETS}; ln -s ../sites-available/default /etc/nginx/sites-enabled/default")
    assert changed(gateways.run(host, "--check", state="absent")) and left(gateways, host)
    assert changed(gateways.run(host, state="absent"))
    # a site that the role did not find when it installed nginx is the user's
    assert gateways.shell(host, "ls /etc/nginx/sites-enabled") == "default\n"
    assert left(gateways, host) == ""
    assert changed(gateways.run(host, state="absent")) == []
    get = "python3 -c 'import urllib.request as r;print(r.urlopen(\"http://127.0.0.1:8123/\").read().decode())'"
    assert gateways.shell(host, get).strip() == "mine"


def test_a_service_of_ones_own_decides(gateways: Gateways) -> None:
    """Without systemd, with a certificate that the role made."""
    host = "plain"
    given = {"users": "", "auth_request_url": "http://127.0.0.1:9000/may?from=gateway", "listen_port": "8443"}
    assert changed(gateways.run(host, "--check", **given))
    gateways.shell(host, "setsid python3 /kit.py service 9000 </dev/null >>/service.log 2>&1 &")
    assert changed(gateways.run(host, **given))
    assert changed(gateways.run(host, "--check", **given)) == changed(gateways.run(host, **given)) == []
    gateways.launch(host, "review")
    gateways.shell(host, ": >/service.log")

    cookies = {"nobody": {}, "watcher": {"Cookie": "session=watcher"}, "writer": {"Cookie": "session=writer"}}
    paths = ["/", "/watch/review/", "/type/review/status.json"]
    requests = [{"path": path, "port": 8443, "headers": headers} for headers in cookies.values() for path in paths]
    assert gateways.statuses(host, *requests) == [401, 401, 401, 200, 200, 403, 200, 200, 204]
    asked = gateways.shell(host, "cat /service.log").splitlines()
    assert asked[:3] == [
        "GET /may?from=gateway list None /",
        "GET /may?from=gateway watch review /watch/review/",
        "GET /may?from=gateway write review /type/review/status.json",
    ]

    check_statuses(gateways, host, port=8443, headers=cookies["watcher"])
    lists = [{"path": path, "port": 8443, "headers": cookies["writer"]} for path in ("/optio-codex-web/", "/watch/review/")]
    assert [answer["headers"].get("x-codex-right") for answer in gateways.ask(host, *lists)] == ["write", None]

    # by default the worker's own names and addresses, and no other
    own_name = gateways.shell(host, "hostname").strip()
    hosts = {"plain": 200, "127.0.0.1": 200, "localhost": 200, own_name.upper(): 200, "evil.example": 421, "192.0.2.1": 421}
    named = [{"path": "/", "port": 8443, "headers": {"Host": f"{name}:8443", **cookies["writer"]}} for name in hosts]
    assert gateways.statuses(host, *named) == list(hosts.values())
    assert changed(gateways.run(host, **given, server_name="*"))
    assert gateways.statuses(host, *named) == [200] * len(hosts)
    assert changed(gateways.run(host, **given))

    # who does not answer lets nobody in
    gateways.shell(host, "pkill -f '[k]it.py service'")
    assert set(gateways.statuses(host, *requests)) == {500}

    check_own_certificate(gateways, host, given)
    gateways.end(host, "review")
    gateways.shell(host, f"rmdir {SOCKETS}")
    # a removal that was interrupted before its reload
    gateways.shell(host, f"rm {SITE}")
    assert any("Reload" in task for task in changed(gateways.run(host, state="absent"))) and left(gateways, host) == ""
    connect = 'import socket;print(socket.socket().connect_ex(("127.0.0.1",8443)))'
    assert gateways.shell(host, f"python3 -c '{connect}'") != "0\n"
    assert changed(gateways.run(host, state="absent")) == []


BAD = {
    "listen_port": "70000",
    "listen_address": "::1",
    "server_name": "a;b",
    "tls_certificate": "etc/x.pem",
    "group": "www-data;",
}
BAD_USERS = [
    {"nme": "alice", "password_hash": HASH},
    {"name": "a b", "password_hash": HASH},
    {"name": "alice", "password_hash": "open sesame"},
    {"name": "alice", "password_hash": HASH, "rights": "all"},
    {"name": "alice", "password_hash": HASH, "sessions": ["a|b"]},
    {"name": "alice", "password": "open sesame"},
]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            BAD,
            [
                *(f"codex_gateway_{name} must be " for name in BAD),
                *(f", got {value}." for value in BAD.values()),
            ],
        ),
        ({"listen_port": "443; include x"}, ["codex_gateway_listen_port must be an integer, got '443; include x'."]),
        ({"users": ["alice"]}, ["codex_gateway_users must be a list, and each item a dictionary, got another value."]),
        ({"hsts_max_age": 600}, ["codex_gateway_hsts_max_age requires codex_gateway_tls_certificate."]),
        ({"tls_key": "/etc/x.key"}, ["codex_gateway_tls_key requires codex_gateway_tls_certificate."]),
        ({"users": []}, ["codex_gateway_users must have at least one user"]),
        ({"users": USERS + USERS[:1]}, ["codex_gateway_users must not list a name more than once."]),
        (
            {"users": BAD_USERS},
            [
                *("entry 1 must be a dictionary", "entry 2 must have a name", "entry 3 must have a password_hash"),
                *("entry 4 must have the rights", "entry 5 must have names of sessions", "entry 6 must be a dictionary"),
            ],
        ),
        ({"auth_request_url": "127.0.0.1"}, ["codex_gateway_auth_request_url must be the URL", "got 127.0.0.1."]),
        ({"auth": "basic", "auth_request_url": "http://127.0.0.1/"}, ["cannot be set with codex_gateway_auth=basic"]),
    ],
)
def test_refusals(gateways: Gateways, variables: dict[str, Any], says: list[str]) -> None:
    run = gateways.run("plain", "--check", **variables)
    assert [text for text in says if text not in message(run)] == [] and "open sesame" not in message(run)
