# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subject of ``codex_release`` and ``ttyd_release``: a release in a worker's cache, or whichever is there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

from .._session import layout
from .cache import Cache, Manifest
from .._core.errors import OptioError
from .._core.plan import Plan
from .._core.probe import Section
from .plan import damage, foreign, plan_absent, plan_present, result_of
from .probe import Found, Observed, Question, observe, script
from .sources import check_sources
from .catalog import CODEX, HOST, TTYD, UPSTREAM, Release, Tool, digest_of
from .._core.resource import Params, Specification, Subject

if TYPE_CHECKING:
    from .._core.host import Host

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "version": {"type": "str"},
    "scope": {"type": "str", "choices": ["user", "system"], "default": "user"},
    "cache_dir": {"type": "str"},
    "directory": {"type": "str"},
    "install": {"type": "bool", "default": True},
    "sources": {"type": "list", "elements": "str", "default": [HOST, UPSTREAM]},
    "checksum": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "str"},
    "timeout": {"type": "int", "default": 30},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "force_basic_auth": {"type": "bool", "default": False},
    "headers": {"type": "dict"},
    "use_proxy": {"type": "bool", "default": True},
    "offline": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": False},
    "keep": {"type": "int"},
}
_CODEX_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "npm_registry": {"type": "str"},
    "archive": {"type": "str", "choices": list(CODEX.archives), "default": CODEX.archive},
    "allow_bare": {"type": "bool", "default": False},
}


class ReleaseSubject(Subject[Observed]):
    """One tool's release in one cache."""

    hidden = ("headers",)

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.name = f"{tool.name}_release"
        self.specification = Specification({**_OPTIONS, **(_CODEX_OPTIONS if tool.packaged else {})})

    def check(self, params: Params) -> None:
        if params.get("version"):
            self.tool.check_version(params["version"])
        for option in ("cache_dir", "directory", "ca_path"):
            layout.check_path(option, params.get(option) or None)
        # no mutually_exclusive: a survey sends empty strings for what is unset
        if params.get("directory") and params.get("cache_dir"):
            raise OptioError(f"directory {params['directory']}", "is used instead of a cache", "Leave cache_dir or directory out")
        if params.get("checksum"):
            digest_of(params["checksum"])
        if params["timeout"] <= 0:
            raise OptioError(f"timeout {params['timeout']}", "is no time", "Give seconds, at least 1")
        if params.get("keep") is not None and params["keep"] < 0:
            raise OptioError(f"keep {params['keep']}", "is no number of releases", "Give 0 or more, or leave it out to keep all")
        resolving = "directory" if params.get("directory") else "install: false"
        for other, given in (("state: absent", params["state"] == "absent"), ("verify", params.get("verify"))):
            if given and _resolves(params):
                raise OptioError(resolving, f"only resolves, and {other} is for a release in the cache", "Leave one of the two out")
        if params["state"] == "present" and not _resolves(params):
            check_sources(self.tool, params)

    def script(self, params: Params) -> str:
        return script(self.tool, self._question(params))

    def observe(self, sections: Sequence[Section], params: Params) -> Observed:
        return observe(sections, self._question(params))

    def plan(self, observed: Observed, params: Params) -> Plan:
        if params.get("directory"):
            return self._resolve_directory(observed, params)
        if _resolves(params):
            return self._resolve(observed, params)
        release = self._release(observed, params)
        if params["state"] == "absent":
            return plan_absent(release, observed)
        return plan_present(release, observed, params)

    def preconditions(self, observed: Observed, params: Params, plan: Plan) -> list[OptioError]:
        if not plan or observed.writable:
            return []
        return [
            OptioError(
                f"cache {observed.cache.path}",
                "cannot be written by the user the task runs as",
                "Set become: true, or cache_dir to a directory that this user may write",
            )
        ]

    def lock(self, observed: Observed, params: Params, host: Host) -> AbstractContextManager[Any]:
        return observed.cache.locked(host)

    def apply(self, plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
        cache = observed.cache
        with cache.scratch() as scratch:
            if params["state"] == "present":
                return self._apply_present(plan, observed, params, host, scratch)
            cache.withdraw(_removed(plan, observed), scratch)
        cache.remove_empty(own=not params.get("cache_dir"))
        return {}

    def _apply_present(self, plan: Plan, observed: Observed, params: Params, host: Host, scratch: str) -> Mapping[str, Any]:
        cache, release = observed.cache, self._release(observed, params)
        with ExitStack() as undo:
            manifest = observed.manifest
            if manifest is None or plan.having("install"):
                manifest = self._install(release, observed, params, host, scratch, undo)
            target = cache.link_target(release.directory, manifest.entrypoint)
            if observed.link != target:
                cache.set_link(self.tool.name, target)
            undo.pop_all()
        # the wanted release is there whatever comes of these
        cache.withdraw(_removed(plan, observed), scratch)
        path = f"{cache.tree(release.directory)}/{manifest.entrypoint}"
        return {"path": path, "source": manifest.source}

    def _install(self, release: Release, observed: Observed, params: Params, host: Host, scratch: str, undo: ExitStack) -> Manifest:
        cache, name, there = observed.cache, release.directory, observed.manifest
        expected = release.expected(params.get("checksum"), params.get("archive"))
        if observed.tree and there is not None and not foreign(release, there, expected, params):
            recognised = cache.recognise(name, there)
            if recognised is not None:
                undo.enter_context(cache.record(name, recognised))
                return recognised
        # archives and TLS, which a controller planning by probe never needs
        from .progress import Progress
        from .acquire import Order, obtain

        tree = f"{scratch}/tree"
        progress = Progress(scratch, f"{release.tool.name} {release.version}", host.monotonic)
        manifest = obtain(Order(release, params, observed.home, cache.path, tree, progress), host)
        undo.enter_context(cache.publish(name, scratch, tree, manifest))
        return manifest

    def _question(self, params: Params) -> Question:
        resolve = _resolves(params)
        version = params.get("version") or ("" if resolve else self.tool.default_version)
        return Question(
            version,
            params["scope"],
            params.get("cache_dir") or None,
            params.get("directory") or None,
            resolve,
            digests=bool(params.get("verify")),
            others=params["state"] == "present" and params.get("keep") is not None,
        )

    def _release(self, observed: Observed, params: Params) -> Release:
        version = params.get("version") or self.tool.default_version
        return self.tool.release(version, self.tool.target(observed.platform))

    def _resolve_directory(self, observed: Observed, params: Params) -> Plan:
        command = f"{observed.directory}/{self.tool.name}"
        if observed.found:
            return self._resolved(observed.found[0], observed, params)
        if observed.command_present:
            cause = "is not a file that this user can execute"
        elif observed.directory_present:
            cause = "does not exist"
        else:
            cause = f"does not exist, nor does the directory {observed.directory}"
        raise OptioError(
            command,
            cause,
            f"Put an executable {self.tool.name} there, or leave directory out: while it is set, no PATH is searched",
        )

    def _resolve(self, observed: Observed, params: Params) -> Plan:
        if params.get("version") and observed.platform in self.tool.platforms:
            release = self._release(observed, params)
            if observed.tree and observed.manifest and not damage(release, observed, None, params):
                return Plan(result=result_of(release, observed, observed.manifest.source, None))
        wanted = params.get("version") or ""
        for found in observed.found:
            if found.origin == HOST or not wanted or found.version == wanted:
                return self._resolved(found, observed, params)
        raise OptioError(
            self.tool.name,
            f"is neither in the cache {observed.cache.path} nor found by the worker's login shell",
            "Let it be installed (install: true), or put it on the login shell's PATH, or name its directory",
        )

    def _resolved(self, found: Found, observed: Observed, params: Params) -> Plan:
        wanted = params.get("version")
        warnings: tuple[str, ...] = ()
        if wanted and found.version and found.version != wanted:
            warnings = (f"{found.path} is {self.tool.name} {found.version}, asked for was {wanted}.",)
        target = self.tool.platforms.get(observed.platform)
        in_cache = found.origin == "cache"
        result = {
            "version": found.version or self._version_in_cache(observed.cache, found) or None,
            "path": found.real if in_cache else found.path,
            "link": found.path if in_cache else None,
            "cache_dir": observed.cache.path or None,
            "source": found.origin,
            "checksum": None,
            "platform": target.name if target else observed.platform,
        }
        return Plan(result=result, warnings=warnings)

    def _version_in_cache(self, cache: Cache, found: Found) -> str:
        return self.tool.version_in(posixpath.relpath(found.real, cache.releases).partition("/")[0]) if cache.path else ""


def _removed(plan: Plan, observed: Observed) -> list[str]:
    # what killed runs left is gone as soon as there is a new scratch
    return [action.target for action in plan.having("remove") if action.target not in observed.leftovers]


def _resolves(params: Params) -> bool:
    return bool(params.get("directory")) or not params["install"]


CODEX_RELEASE = ReleaseSubject(CODEX)
TTYD_RELEASE = ReleaseSubject(TTYD)
