# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the roles with a site of nginx: none may end a line of its configuration, and what follows from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

Options = Mapping[str, Any]

_PATH = r"(/[A-Za-z0-9@._+~-]+)+"
_ADDRESS = r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]|\*"
_PATH_RULE = "must be an absolute path on the host, without spaces"
#: of a session, as in its module
SESSION_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
#: addresses that only a server can have
_LOCAL_ADDRESSES = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
#: options of the mirror and of the lookup release_artifacts
_OF_ARTIFACTS = ("codex_versions", "ttyd_versions", "platforms", "archives", "extra", "npm_registry")
#: of the mirror's sources, which the lookup needs for the registry
_OF_ACCESS = ("validate_certs", "ca_path", "timeout", "use_proxy", "url_username", "url_password", "force_basic_auth", "headers")
_USER_KEYS = ("name", "password_hash", "rights", "sessions")


def _unmatched(options: Options, name: str, pattern: str, rule: str) -> Iterator[str]:
    value = options.get(name)
    for item in value if isinstance(value, list) else [value]:
        if item is not None and not re.fullmatch(pattern, str(item)):
            yield f"{name} {rule}, got {item}."


def _site_errors(options: Options, example: str) -> Iterator[str]:
    port = options.get("listen_port")
    if port is not None and not 1 <= port <= 65535:
        yield f"listen_port must be a port from 1 to 65535, got {port}."
    rule = "must be addresses such as 192.0.2.10 or [2001:db8::1], without a port"
    yield from _unmatched(options, "listen_address", _ADDRESS, rule)
    yield from _unmatched(options, "server_name", r"[A-Za-z0-9.*_-]+", f"must be names such as {example}")


def mirror_errors(options: Options) -> Iterator[str]:
    """Yield the errors in the options of codex_mirror, without the prefix of the variables."""
    yield from _unmatched(options, "dir", f"(?=/[^/]+/[^/]){_PATH}/*", "must be an absolute path of at least two parts, without spaces")
    yield from _site_errors(options, "mirror.example.com")
    for name in ("tls_certificate", "tls_key"):
        yield from _unmatched(options, name, _PATH, _PATH_RULE)
    yield from _unpaired(options)
    yield from _credential_errors(options)


def _credential_errors(options: Options) -> Iterator[str]:
    given = [name for name in ("url_username", "url_password", "headers") if name in options]
    urls = [options[name] for name in ("source_url", "npm_registry") if name in options]
    hosts = list(dict.fromkeys(urlsplit(url).netloc for url in urls))
    if given and len(hosts) != 1 and "source_dir" not in options:
        names = ", codex_mirror_".join(given)
        yield (
            f"{names} must be for one host, got {', '.join(hosts) or 'no host of your own'}. Set codex_mirror_source_url or "
            "codex_mirror_npm_registry to that host. Credentials are never sent to upstream."
        )


def _unpaired(options: Options) -> Iterator[str]:
    if "tls_key" in options and "tls_certificate" not in options:
        yield "tls_key requires codex_mirror_tls_certificate, got no certificate."
    if "tls_certificate" in options and "tls_key" not in options:
        yield "tls_certificate requires codex_mirror_tls_key, got no key."


def gateway_errors(options: Options) -> Iterator[str]:
    """Yield the errors in the options of codex_gateway, without the prefix of the variables."""
    yield from _site_errors(options, "codex.example.com")
    yield from _certificate_errors(options)
    yield from _unmatched(
        options, "group", r"[A-Za-z_][A-Za-z0-9_.-]*", "must be the name of the group that nginx runs as, such as www-data"
    )
    yield from _unmatched(options, "auth_request_ca_path", _PATH, _PATH_RULE)
    url = options.get("auth_request_url")
    if options.get("auth", "request" if url else "basic") == "request":
        pattern = r"https?://[][A-Za-z0-9.:_-]+(/[A-Za-z0-9._~/?&=%-]*)?"
        yield from _unmatched(
            {"auth_request_url": url or ""}, "auth_request_url", pattern, "must be the URL of the service that authorizes requests"
        )
    else:
        if url:
            yield f"auth_request_url cannot be set with codex_gateway_auth=basic, got {url}."
        yield from _user_errors(options.get("users") or [])


def _certificate_errors(options: Options) -> Iterator[str]:
    rule = "must be an absolute path on the worker, without spaces, or PEM text"
    if "tls_certificate" not in options:
        for name in ("tls_key", "hsts_max_age"):
            if name in options:
                yield f"{name} requires codex_gateway_tls_certificate."
        return
    for name in ("tls_certificate", "tls_key"):
        text = str(options.get(name) or "").strip()
        if not text.startswith("-----BEGIN ") and not re.fullmatch(_PATH, text):
            # a key is a secret
            yield f"{name} {rule}, got {'another text' if name == 'tls_key' and text else text or 'an empty value'}."
    yield from _unmatched(options, "hsts_max_age", r"[0-9]{1,9}", "must be a number of seconds from 0 to 999999999")


def _user_errors(users: list[Any]) -> Iterator[str]:
    if not users:
        yield "users must have at least one user, unless codex_gateway_auth_request_url is set."
    for number, user in enumerate(users, 1):
        label = f"users entry {number}"
        if set(user) - set(_USER_KEYS):
            yield f"{label} must be a dictionary of {', '.join(_USER_KEYS)}."
            continue
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._@-]{0,63}", str(user.get("name") or "")):
            yield f"{label} must have a name of letters, digits and ._@-."
        if not re.fullmatch(r"\$(5|6|2[aby]|y|apr1)\$[A-Za-z0-9./$=,]+", str(user.get("password_hash") or "")):
            yield f"{label} must have a password_hash, such as openssl passwd -6 prints."
        if (user.get("rights") or "watch") not in ("watch", "write"):
            yield f"{label} must have the rights watch or write."
        sessions = user.get("sessions") or []
        names = ",".join(map(str, sessions)) if isinstance(sessions, list) else str(sessions)
        # without a name, the user would see every session
        if not re.fullmatch(r"[A-Za-z0-9., \n_-]*", names) or (sessions and not _session_names(user)):
            yield f"{label} must have names of sessions as its sessions."
    names_of_users = [str(user.get("name")) for user in users]
    if len(set(names_of_users)) != len(names_of_users):
        yield "users must not list a name more than once."


ERRORS: Mapping[str, Callable[[Options], Iterator[str]]] = {"codex_gateway": gateway_errors, "codex_mirror": mirror_errors}


def site_errors(role: str, options: Options) -> list[str]:
    """Return a sentence for each option of a role that its site cannot have; none for a role without a site."""
    if role not in ERRORS or options.get("state") == "absent":
        return []
    return [f"{role}_{sentence}" for sentence in ERRORS[role](options)]


def _session_names(user: Mapping[str, Any]) -> list[str]:
    """Return the names in a list, or in a text with commas or spaces, none for a user who sees every session."""
    sessions = user.get("sessions") or []
    text = ",".join(map(str, sessions)) if isinstance(sessions, list) else str(sessions)
    return list(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if re.fullmatch(SESSION_NAME, name)))


def _common_values(options: Options, port: int) -> dict[str, Any]:
    addresses = options.get("listen_address", [])
    first = addresses[0] if addresses else ""
    return {
        "port": options.get("listen_port", port),
        "addresses": addresses,
        "names": options.get("server_name", []),
        # where the worker itself reaches the site
        "local_address": _LOCAL_ADDRESSES.get(first, first),
    }


def gateway_values(options: Options, hosts: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values of the gateway's site; ``lists`` are users who see only some sessions, ``links`` their ``user/session``.

    ``hosts`` are the names of the worker in the inventory.
    """
    values = _common_values(options, 443)
    auth = options.get("auth", "request" if "auth_request_url" in options else "basic")
    users = options.get("users", [])
    names = {user["name"]: _session_names(user) for user in users if auth == "basic"}
    own = [name for name in values["names"] if name != "*"]
    return {
        **values,
        **_certificate_values(options),
        "accepted_names": own or likely_names(hosts),
        "auth": auth,
        "users": users,
        "lists": [name for name, sessions in names.items() if sessions],
        "links": [f"{name}/{session}" for name, sessions in names.items() for session in sessions],
        "alternative_names": ",".join(f"{'IP' if re.fullmatch('[0-9.]+', name) else 'DNS'}:{name}" for name in own),
    }


def likely_names(hosts: Iterable[str]) -> list[str]:
    """Return the names that clients are likely to use; nginx adds the host name and the addresses of the worker."""
    lowered = [host.lower() for host in (*hosts, "localhost")]
    names = [f"[{name}]" if re.fullmatch(r"[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*", name) else name for name in lowered]
    return list(dict.fromkeys(name for name in names if re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", name)))


def _certificate_values(options: Options) -> dict[str, Any]:
    """Return the certificate and the key as paths on the worker or as the texts of files, both empty for a self-signed one."""
    given = {name: str(options.get(f"tls_{name}") or "").strip() for name in ("certificate", "key")}
    paths = {name: text if text.startswith("/") else "" for name, text in given.items()}
    texts = {f"{name}.pem": text if text.startswith("-----BEGIN ") else "" for name, text in given.items()}
    self_signed = not given["certificate"]
    return {"paths": paths, "texts": texts, "self_signed": self_signed, "needs_openssl": self_signed or any(texts.values())}


def mirror_values(options: Options, _hosts: Iterable[str] = ()) -> dict[str, Any]:
    """Return the values of the mirror's site, and the options of the lookup that lists its artifacts."""
    tls = "tls_certificate" in options
    values = _common_values(options, 8443 if tls else 8080)
    url = f"{'https' if tls else 'http'}://{values['local_address']}:{values['port']}"
    files = [options["tls_certificate"], options["tls_key"]] if tls else []
    passed = (*_OF_ARTIFACTS, *_OF_ACCESS) if "npm_registry" in options else _OF_ARTIFACTS
    artifacts = {name: options[name] for name in passed if name in options}
    if "source_url" in options:
        artifacts["mirror_url"] = options["source_url"]
    return {
        **{**values, "tls": tls, "certificate_files": files, "local_url": url},
        "artifacts": artifacts,
        "own_urls": own_urls(options),
    }


def own_urls(options: Options) -> str:
    """Return a regular expression for the URLs of the hosts that credentials may be sent to; it matches nothing if there are none."""
    bases = [options[name].rstrip("/") + "/" for name in ("source_url", "npm_registry") if name in options]
    return f"(?:{'|'.join(map(re.escape, bases))})" if bases else "(?!)"


VALUES: Mapping[str, Callable[[Options, Iterable[str]], dict[str, Any]]] = {"codex_gateway": gateway_values, "codex_mirror": mirror_values}


def site_values(role: str, options: Options, hosts: Iterable[str] = ()) -> dict[str, Any]:
    """Return what follows from valid options for the site of a role on a worker with these names in the inventory."""
    return VALUES[role](options, hosts)
