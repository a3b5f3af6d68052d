# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gateway and the mirror refuse, because it would be a line of nginx's configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._role_sites import site_errors, site_values

HASH = "$6$salt$abc./"
USER = {"name": "ann", "password_hash": HASH}
PEM = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
GATEWAY: dict[str, Any] = {"users": [USER]}
BROKEN = ["a b", "a;b", "a\nb", "a}", "$x", "#"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"users": [USER, {**USER, "name": "bob", "rights": "write", "sessions": ["a", "b.c"]}]},
        {"listen_port": 65535, "listen_address": ["192.0.2.10", "[::]", "*"], "server_name": ["codex.example.com", "*"]},
        {"tls_certificate": "/etc/x.pem", "tls_key": "/etc/x.key", "hsts_max_age": 0},
        {"tls_certificate": PEM, "tls_key": PEM},
        {"group": "www-data", "auth_request_ca_path": "/etc/ca.pem"},
        {"users": [], "auth_request_url": "http://127.0.0.1:9000/may"},
        {"users": [], "auth": "request", "auth_request_url": "https://[::1]/x?y=1"},
        {"users": [], "listen_port": 0, "state": "absent"},
    ],
)
def test_values_that_a_gateway_accepts(options: dict[str, Any]) -> None:
    assert site_errors("codex_gateway", {**GATEWAY, **options}) == []


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        *(({name: [text]}, f"{name} must be ") for name in ("listen_address", "server_name") for text in BROKEN),
        *(({name: text}, f"{name} must be ") for name in ("group", "auth_request_ca_path") for text in BROKEN),
        *(({"tls_certificate": text, "tls_key": "/etc/x.key"}, "tls_certificate must be ") for text in BROKEN),
        *(({"listen_port": port}, "listen_port must be a port from 1 to 65535, got ") for port in (0, 65536, 70000, 100000, -1)),
        ({"tls_key": "/etc/x.key"}, "tls_key requires codex_gateway_tls_certificate."),
        ({"hsts_max_age": 600}, "hsts_max_age requires codex_gateway_tls_certificate."),
        (
            {"tls_certificate": "/etc/x.pem"},
            "tls_key must be an absolute path on the worker, without spaces, or PEM text, got an empty value.",
        ),
        (
            {"tls_certificate": "/x.pem", "tls_key": "a secret"},
            "tls_key must be an absolute path on the worker, without spaces, or PEM text, got another text.",
        ),
        ({"tls_certificate": "/x.pem", "tls_key": "/x.key", "hsts_max_age": -1}, "hsts_max_age must be a number of seconds"),
        ({"users": []}, "users must have at least one user, unless codex_gateway_auth_request_url is set."),
        ({"users": [USER, USER]}, "users must not list a name more than once."),
        ({"users": [{**USER, "passwort": 1}]}, "users entry 1 must be a dictionary of name, password_hash, rights, sessions."),
        ({"users": [{**USER, "name": "a:b"}]}, "users entry 1 must have a name of letters"),
        ({"users": [{**USER, "password_hash": "plain"}]}, "users entry 1 must have a password_hash"),
        ({"users": [{**USER, "rights": "all"}]}, "users entry 1 must have the rights watch or write."),
        ({"users": [{**USER, "sessions": ["a;b"]}]}, "users entry 1 must have names of sessions"),
        ({"auth": "request"}, "auth_request_url must be the URL of the service"),
        ({"auth_request_url": "127.0.0.1"}, "auth_request_url must be the URL of the service"),
        (
            {"auth": "basic", "auth_request_url": "http://x/"},
            "auth_request_url cannot be set with codex_gateway_auth=basic, got http://x/.",
        ),
    ],
)
def test_values_that_a_gateway_refuses(options: dict[str, Any], beginning: str) -> None:
    [sentence] = site_errors("codex_gateway", {**GATEWAY, **options})
    assert sentence.startswith(f"codex_gateway_{beginning}")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dir": "/srv/mirror/"},
        {"tls_certificate": "/x.pem", "tls_key": "/x.key"},
        {"listen_port": 8080, "server_name": ["a_b.example"]},
    ],
)
def test_values_that_a_mirror_accepts(options: dict[str, Any]) -> None:
    assert site_errors("codex_mirror", options) == []


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        *(
            ({"dir": text}, "dir must be an absolute path of at least two parts")
            for text in ("/srv", "srv/mirror", "/srv/a b", "/", "/srv/mirror;")
        ),
        *(({"tls_certificate": text, "tls_key": "/x.key"}, "tls_certificate must be ") for text in BROKEN),
        ({"tls_key": "/x.key"}, "tls_key requires codex_mirror_tls_certificate"),
        ({"tls_certificate": "/x.pem"}, "tls_certificate requires codex_mirror_tls_key"),
        ({"listen_port": 0}, "listen_port must be a port"),
        ({"headers": {"X": "y"}}, "headers must be for one host, got no host of your own. Set codex_mirror_source_url or"),
        (
            {"url_username": "a", "url_password": "b", "source_url": "https://a:1/x", "npm_registry": "https://b/"},
            "url_username, codex_mirror_url_password must be for one host, got a:1, b.",
        ),
    ],
)
def test_values_that_a_mirror_refuses(options: dict[str, Any], beginning: str) -> None:
    [sentence] = site_errors("codex_mirror", options)
    assert sentence.startswith(f"codex_mirror_{beginning}")


def test_other_roles_have_no_site() -> None:
    assert site_errors("codex_worker", {"listen_port": 0}) == []


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, {"port": 443, "addresses": [], "names": [], "local_address": "127.0.0.1", "auth": "basic", "alternative_names": ""}),
        ({"listen_address": ["[::]"], "listen_port": 8443}, {"port": 8443, "local_address": "[::1]"}),
        ({"listen_address": ["192.0.2.10", "*"]}, {"local_address": "192.0.2.10"}),
        ({"server_name": ["*", "a.example.com", "192.0.2.1"]}, {"alternative_names": "DNS:a.example.com,IP:192.0.2.1"}),
        ({"users": [], "auth_request_url": "http://127.0.0.1:1/"}, {"auth": "request", "lists": [], "links": []}),
    ],
)
def test_values_of_a_gateway(options: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert wanted.items() <= site_values("codex_gateway", {**GATEWAY, **options}).items()


@pytest.mark.parametrize("sessions", [["a", "b.c"], "a, b.c", "a b.c", "a,\nb.c,a", ["a b.c"]])
def test_a_user_with_some_sessions_has_a_list(sessions: Any) -> None:
    values = site_values("codex_gateway", {"users": [USER, {**USER, "name": "bob", "sessions": sessions}]})
    assert values["lists"] == ["bob"] and values["links"] == ["bob/a", "bob/b.c"]


@pytest.mark.parametrize("sessions", [",", " ", [","], [" ", ""], ["."]])
def test_sessions_without_a_name_are_an_error(sessions: Any) -> None:
    """A user without a list would see every session."""
    assert site_errors("codex_gateway", {"users": [{**USER, "sessions": sessions}]}) == [
        "codex_gateway_users entry 1 must have names of sessions as its sessions."
    ]


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"listen_address": ["192.0.2.10"], "listen_port": 80}, "http://192.0.2.10:80"),
        ({"tls_certificate": "/c", "tls_key": "/k", "listen_address": ["[::]"]}, "https://[::1]:8443"),
    ],
)
def test_values_of_a_mirror(options: dict[str, Any], url: str) -> None:
    values = site_values("codex_mirror", options)
    assert values["local_url"] == url
    assert values["certificate_files"] == (["/c", "/k"] if values["tls"] else [])


@pytest.mark.parametrize(
    ("certificate", "key", "paths", "texts", "needs_openssl"),
    [
        ("", "", ("", ""), ("", ""), True),
        (" /c.pem\n", "/k.pem", ("/c.pem", "/k.pem"), ("", ""), False),
        (f"{PEM}\n", "/k.pem", ("", "/k.pem"), (PEM, ""), True),
        (PEM, PEM, ("", ""), (PEM, PEM), True),
    ],
)
def test_certificate_of_a_gateway(certificate: str, key: str, paths: tuple[str, str], texts: tuple[str, str], needs_openssl: bool) -> None:
    options = {name: value for name, value in {"tls_certificate": certificate, "tls_key": key}.items() if value}
    values = site_values("codex_gateway", {**GATEWAY, **options})
    assert values["paths"] == dict(zip(("certificate", "key"), paths, strict=True))
    assert values["texts"] == dict(zip(("certificate.pem", "key.pem"), texts, strict=True))
    assert (values["self_signed"], values["needs_openssl"]) == (not certificate, needs_openssl)


@pytest.mark.parametrize(
    ("names", "hosts", "wanted"),
    [
        ([], [], ["localhost"]),
        (["*"], ["W1", "192.0.2.1"], ["w1", "192.0.2.1", "localhost"]),
        ([], ["w1", "w1"], ["w1", "localhost"]),
        ([], ["localhost"], ["localhost"]),
        ([], ["w1", "2001:DB8::1"], ["w1", "[2001:db8::1]", "localhost"]),
        # they would be lines of nginx's configuration
        ([], ["a b", "a;b", "a\n", "fe80::1%eth0"], ["localhost"]),
        (["*", "codex.example.com"], ["w1"], ["codex.example.com"]),
    ],
)
def test_names_that_a_gateway_accepts(names: list[str], hosts: list[str], wanted: list[str]) -> None:
    assert site_values("codex_gateway", {**GATEWAY, "server_name": names}, hosts)["accepted_names"] == wanted


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"dir": "/srv/mirror", "tools": ["codex"]}, {}),
        ({"codex_versions": ["all"], "platforms": ["x86_64"]}, {"codex_versions": ["all"], "platforms": ["x86_64"]}),
        ({"source_url": "https://m/x", "npm_registry": "https://n"}, {"mirror_url": "https://m/x", "npm_registry": "https://n"}),
    ],
)
def test_artifacts_of_a_mirror(options: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert site_values("codex_mirror", options)["artifacts"] == wanted


@pytest.mark.parametrize(
    ("options", "url", "wanted"),
    [
        ({}, "https://github.com/x", False),
        ({"source_url": "https://m.example.com/x/"}, "https://m.example.com/x/codex/a.tgz", True),
        ({"source_url": "https://m.example.com/x"}, "https://m.example.com/xy/a.tgz", False),
        ({"source_url": "https://m.example.com/x"}, "https://m-example.com/x/a.tgz", False),
        ({"source_url": "https://m.example.com"}, "https://m.example.com.evil.test/a.tgz", False),
        ({"source_url": "https://m.example.com"}, "http://m.example.com/a.tgz", False),
        ({"source_url": "https://m.example.com"}, "https://evil.test/https://m.example.com/", False),
        ({"source_url": "https://m/a", "npm_registry": "https://m/npm//"}, "https://m/npm/@openai/codex", True),
    ],
)
def test_hosts_that_credentials_are_sent_to(options: dict[str, Any], url: str, wanted: bool) -> None:
    assert bool(re.match(site_values("codex_mirror", options)["own_urls"], url)) == wanted
