# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The npm registry that a worker's user has configured, and the token that is sent to it alone.

The places of npm: its environment variables, the user's ``.npmrc``, the machine's. npm itself is only asked if none
of these has a value, because starting it takes half a second and it does not show tokens.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._archive.download import HttpOptions, SourceError
from .._archive.urls import origin_of
from .._core import files
from .catalog import NPM

if TYPE_CHECKING:
    from .._core.host import Host

SCOPE = "@openai"
#: of the machine, where the prefixes that npm is usually installed with have theirs
GLOBAL_FILES = ("/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc")
NPM_TIMEOUT = 20.0  # seconds
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class NpmRegistry:
    """A registry's URL and the headers of its configured token."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def access(self, access: HttpOptions) -> HttpOptions:
        """Return how the registry is reached: with its own token, unless the task has credentials for it."""
        own = access.origin == origin_of(self.url) and (access.username or access.headers)
        if not self.headers or own:
            return access
        return replace(access, origin=origin_of(self.url), headers=self.headers, username=None, password=None)


def find_registry(given: str | None, home: str, host: Host) -> NpmRegistry:
    """Return the registry that the task names, or else the worker's user; raise SourceError when there is none."""
    settings = _settings(home, os.environ)
    url = given or _configured(settings, SCOPE, host)
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise SourceError(
            NPM,
            f"the worker's npm configuration names {url!r} as registry" if url else "the worker's user has no npm registry configured",
            "Set npm_registry to its URL (npm config get registry prints it)",
        )
    return NpmRegistry(url, _authorization(settings, url))


def configured_registry(scope: str, home: str, host: Host) -> str:
    """Return the URL of the registry that npm's configuration names for a scope, empty if there is none."""
    url = _configured(_settings(home, os.environ), scope, host)
    return url if urlsplit(url).scheme in ("http", "https") else ""


def _configured(settings: Mapping[str, str], scope: str, host: Host) -> str:
    return settings.get(f"{scope}:registry") or settings.get("registry") or _ask_npm(scope, host)


def _settings(home: str, environment: Mapping[str, str]) -> dict[str, str]:
    variables = {
        name.lower()[len("npm_config_") :]: value for name, value in environment.items() if name.lower().startswith("npm_config_") and value
    }
    user = variables.get("userconfig") or f"{home}/.npmrc"
    shared: Sequence[str] = (variables["globalconfig"],) if "globalconfig" in variables else GLOBAL_FILES
    result: dict[str, str] = {}
    for path in (*shared, user):
        result.update(parse_npmrc(files.read_text(path) or "", environment))
    result.update(variables)
    return result


def parse_npmrc(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of an ``.npmrc``; ``${NAME}`` stands for a variable, which stays as it is when unset."""
    result = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith(("#", ";")):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        result[name.strip()] = _VARIABLE.sub(lambda found: environment.get(found.group(1), found.group(0)), value)
    return result


def _authorization(settings: Mapping[str, str], url: str) -> dict[str, str]:
    # npm keys credentials by //host[:port]/path/, the longest that the URL lies below
    parts = urlsplit(url)
    place = f"//{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/"
    while place != "//":
        token, basic = settings.get(f"{place}:_authToken"), settings.get(f"{place}:_auth")
        user, password = settings.get(f"{place}:username"), settings.get(f"{place}:_password")
        if token:
            return {"Authorization": f"Bearer {token}"}
        if user and password:
            basic = _basic(user, password)
        if basic:
            return {"Authorization": f"Basic {basic}"}
        place = place.rstrip("/").rpartition("/")[0] + "/"
    return {}


def _basic(user: str, password: str) -> str | None:
    try:
        # npm keeps the password in base64
        return base64.b64encode(user.encode() + b":" + base64.b64decode(password, validate=True)).decode()
    except ValueError:
        return None


def _ask_npm(scope: str, host: Host) -> str:
    for setting in (f"{scope}:registry", "registry"):
        done = host.run(["npm", "config", "get", setting], cwd="/", timeout=NPM_TIMEOUT)
        answer = done.stdout.strip()
        if done.rc == 0 and answer not in ("", "undefined", "null"):
            return answer
    return ""
