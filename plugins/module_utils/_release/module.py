# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The subject of ``codex_release`` and ``ttyd_release``: a release in a worker's cache, or whichever is there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._archive.expected import digest_of
from .._core import paths
from .._core.errors import OptioError
from .._core.plan import Plan
from .._core.probe import Section
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params
from .cache import Cache
from .catalog import CODEX, HOST, TTYD, UPSTREAM, Release, Tool, is_selector
from .elf import architecture_error, is_for_machine, noexec_error
from .manifest import INTEGRITY, SIGNATURE, TABLE, ReleaseManifest
from .plan import checksum_of, damage, is_recognised, not_writable, plan_absent, plan_present, result_of, verified_by
from .probe import Installation, Observed, ProbeRequest, observe, script
from .sources import validate_sources

if TYPE_CHECKING:
    from .._core.host import Host

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "version": {"type": "str"},
    "scope": {"type": "str", "choices": ["user", "system"], "default": "user"},
    "cache_dir": {"type": "str"},
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
    "keep_releases": {"type": "int"},
}
_CODEX_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "npm_registry": {"type": "str"},
    "archive": {"type": "str", "choices": list(CODEX.archives), "default": CODEX.archive},
    "allow_bare": {"type": "bool", "default": False},
    "require_verified_by": {"type": "str", "choices": [INTEGRITY, SIGNATURE, TABLE], "default": INTEGRITY},
}


class ReleaseResource(ProbedResource[Observed, Params]):
    """One tool's release in one cache."""

    masked_options = ("headers",)

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.name = f"{tool.name}_release"
        #: the option that names a directory to resolve the executable in
        self.directory_option = f"{tool.name}_dir"
        own = {self.directory_option: {"type": "str"}}
        self.specification = ArgumentSpec({**_OPTIONS, **own, **(_CODEX_OPTIONS if tool.packaged else {})})

    def validate(self, params: Params) -> None:
        if is_selector(params.get("version")) and self.tool.npm_package:
            self._validate_selector(params)
        elif params.get("version"):
            self.tool.validate_version(params["version"])
        for option in ("cache_dir", self.directory_option, "ca_path"):
            paths.validate_path(option, params.get(option) or None)
        # no mutually_exclusive: a survey sends empty strings for what is unset
        directory = params.get(self.directory_option)
        if directory and params.get("cache_dir"):
            option = self.directory_option
            cause = f"{option} {directory} is used instead of a cache, so cache_dir has no effect"
            raise OptioError(f"{option} {directory}", cause, f"Omit cache_dir or {option}")
        if params.get("checksum"):
            digest_of(params["checksum"])
        if params["timeout"] <= 0:
            raise OptioError("timeout", f"timeout must be greater than 0, got {params['timeout']}", "Set a number of seconds, at least 1")
        if params.get("keep_releases") is not None and params["keep_releases"] < 0:
            cause = f"keep_releases must be 0 or greater, got {params['keep_releases']}"
            raise OptioError("keep_releases", cause, "Set 0 or more, or omit it to keep all releases")
        resolving = self.directory_option if directory else "install: false"
        for other, given in (("state: absent", params["state"] == "absent"), ("verify", params.get("verify"))):
            if given and self._resolves(params):
                cause = f"{resolving} only finds an executable, and {other} applies to a release in the cache"
                raise OptioError(resolving, cause, "Omit one of the two")
        if params["state"] == "present" and not self._resolves(params):
            validate_sources(self.tool, params)

    def _validate_selector(self, params: Params) -> None:
        version = params["version"]
        for option, given, remedy in (
            ("state: absent", params["state"] == "absent", "Set the exact version to remove"),
            ("checksum", params.get("checksum"), "Set the exact version that the checksum is of"),
            ("install: false", self._resolves(params), "Set an exact version, or omit it"),
            ("offline", params.get("offline"), "Set an exact version, such as one of the directory archives of the cache"),
        ):
            if given:
                cause = f"version {version} is looked up in the npm registry, and {option} is set"
                raise OptioError(f"version {version}", cause, remedy)

    def probe_script(self, params: Params) -> str:
        if is_selector(params.get("version")):
            # the action plugin and the module look it up first
            cause = f"version {params['version']} was not looked up"
            raise OptioError(f"version {params['version']}", cause, "Set an exact version")
        return script(self.tool, self._question(params))

    def parse_probe(self, sections: Sequence[Section], params: Params) -> Observed:
        return observe(sections, self._question(params))

    def plan(self, observed: Observed, params: Params) -> Plan:
        if params.get(self.directory_option):
            return self._resolve_directory(observed, params)
        if self._resolves(params):
            return self._resolve(observed, params)
        release = self._release(observed, params)
        if params["state"] == "absent":
            return plan_absent(release, observed)
        plan = plan_present(release, observed, params)
        return plan if plan else _executable(plan, observed)

    def unmet_requirements(self, observed: Observed, params: Params, plan: Plan) -> list[OptioError]:
        if not plan:
            return []
        unmet = []
        if params["state"] == "present" and observed.mount and observed.mount.noexec:
            unmet.append(noexec_error(f"cache {observed.cache.path}", observed.mount))
        if not observed.writable:
            unmet.append(not_writable(observed))
        return unmet

    def lock(self, observed: Observed, params: Params, host: Host) -> AbstractContextManager[Any]:
        return observed.cache.locked(host)

    def apply(self, plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
        cache = observed.cache
        with cache.scratch() as scratch:
            if params["state"] == "present":
                return self._apply_present(plan, observed, params, host, scratch)
            cache.remove_all(_removed(plan, observed), scratch)
        cache.remove_empty(own=not params.get("cache_dir"))
        return {}

    def _apply_present(self, plan: Plan, observed: Observed, params: Params, host: Host, scratch: str) -> Mapping[str, Any]:
        # only what changes a cache runs programs
        from .trial_run import require_running

        cache, release = observed.cache, self._release(observed, params)
        with ExitStack() as undo:
            manifest = observed.manifest
            if manifest is None or plan.actions_of_kind("install"):
                manifest = self._install(release, observed, params, host, scratch, undo)
            elif plan.actions_of_kind("link"):
                require_running(f"{cache.tree(release.directory)}/{manifest.entrypoint}", scratch)
            target = cache.link_target(release.directory, manifest.entrypoint)
            if observed.link != target:
                cache.set_link(self.tool.name, target)
            undo.pop_all()
        # the wanted release is there whatever comes of these
        cache.remove_all(_removed(plan, observed), scratch)
        path = f"{cache.tree(release.directory)}/{manifest.entrypoint}"
        stated = {"checksum": checksum_of(manifest), "verified_by": manifest.verified_by} if plan.actions_of_kind("install") else {}
        return {"path": path, "source": manifest.source, **stated}

    def _install(self, release: Release, observed: Observed, params: Params, host: Host, scratch: str, undo: ExitStack) -> ReleaseManifest:
        from .trial_run import require_running

        cache, name, there = observed.cache, release.directory, observed.manifest

        def check(program: str) -> None:
            require_running(program, scratch)

        checksum = params.get("checksum")
        # None: a publisher is asked for it
        expected = release.expected(checksum, params.get("archive")) if checksum or release.known else None
        if observed.tree and there is not None and is_recognised(release, there, expected, params):
            recognised = cache.revalidate(name, there)
            if recognised is not None:
                recognised = replace(recognised, verified_by=verified_by(release, there, params))
                check(f"{cache.tree(name)}/{recognised.entrypoint}")
                undo.enter_context(cache.record(name, recognised))
                return recognised
        # archives and TLS, which a controller planning by probe never needs
        from .acquire import InstallRequest, acquire
        from .progress import Progress

        tree = f"{scratch}/tree"
        progress = Progress(scratch, f"{release.tool.name} {release.version}", host.monotonic)
        manifest = acquire(InstallRequest(release, params, observed.home, cache.path, tree, progress), host)
        undo.enter_context(cache.publish(name, scratch, tree, manifest, check))
        return manifest

    def _resolves(self, params: Params) -> bool:
        return bool(params.get(self.directory_option)) or not params["install"]

    def _question(self, params: Params) -> ProbeRequest:
        resolve = self._resolves(params)
        version = params.get("version") or ("" if resolve else self.tool.default_version)
        return ProbeRequest(
            version,
            params["scope"],
            params.get("cache_dir") or None,
            params.get(self.directory_option) or None,
            resolve,
            digests=bool(params.get("verify")),
            others=params["state"] == "present" and params.get("keep_releases") is not None,
            keep_newer=params["state"] == "present" and not resolve and not params.get("version") and not params.get("checksum"),
        )

    def _release(self, observed: Observed, params: Params) -> Release:
        version = params.get("version") or observed.version or self.tool.default_version
        return self.tool.release(version, self.tool.target(observed.platform))

    def _resolve_directory(self, observed: Observed, params: Params) -> Plan:
        command = f"{observed.directory}/{self.tool.name}"
        if observed.found:
            return self._resolved(observed.found[0], observed, params)
        if observed.command_present:
            cause = f"{command} is not a file that this user can execute"
        elif observed.directory_present:
            cause = f"{command} does not exist"
        else:
            cause = f"{command} does not exist, nor does the directory {observed.directory}"
        raise OptioError(
            command,
            cause,
            f"Put an executable {self.tool.name} there, or omit {self.directory_option} to search the PATH",
        )

    def _resolve(self, observed: Observed, params: Params) -> Plan:
        if params.get("version") and observed.platform in self.tool.platforms:
            release = self._release(observed, params)
            if observed.tree and observed.manifest and not damage(release, observed, None, params):
                return _executable(Plan(result=result_of(release, observed, observed.manifest.source, None)), observed)
        wanted = params.get("version") or ""
        for found in observed.found:
            if found.origin == HOST or not wanted or found.version == wanted:
                return self._resolved(found, observed, params)
        raise OptioError(
            self.tool.name,
            f"{self.tool.name} is neither in the cache {observed.cache.path} nor found by the worker's login shell",
            f"Set install: true, put it on the login shell's PATH, or set {self.directory_option} to its directory",
        )

    def _resolved(self, found: Installation, observed: Observed, params: Params) -> Plan:
        machine = observed.platform.rpartition(" ")[2]
        if found.mount and found.mount.noexec:
            raise noexec_error(found.path, found.mount, f"install {self.tool.name} on another filesystem")
        if not is_for_machine(found.elf, machine):
            raise architecture_error(found.path, found.elf, machine)
        wanted = params.get("version")
        warnings: tuple[str, ...] = ()
        if wanted and found.version and found.version != wanted:
            warnings = (f"Found {self.tool.name} {found.version} at {found.path}, but {wanted} was requested.",)
        target = self.tool.platforms.get(observed.platform)
        in_cache = found.origin == "cache"
        result = {
            "version": found.version or self._version_in_cache(observed.cache, found) or None,
            "path": found.real if in_cache else found.path,
            "link": found.path if in_cache else None,
            "cache_dir": observed.cache.path or None,
            "source": found.origin,
            "checksum": None,
            "verified_by": None,
            "platform": target.name if target else observed.platform,
        }
        return Plan(result=result, warnings=warnings)

    def _version_in_cache(self, cache: Cache, found: Installation) -> str:
        return self.tool.version_in(posixpath.relpath(found.real, cache.releases).partition("/")[0]) if cache.path else ""


def _executable(plan: Plan, observed: Observed) -> Plan:
    """Return a plan that only finds a program; raise OptioError if the mount of the cache has become noexec since the install."""
    if observed.mount and observed.mount.noexec:
        raise noexec_error(plan.result["path"], observed.mount)
    return plan


def _removed(plan: Plan, observed: Observed) -> list[str]:
    # what killed runs left is gone as soon as there is a new scratch
    return [action.target for action in plan.actions_of_kind("remove") if action.target not in observed.leftovers]


CODEX_RELEASE = ReleaseResource(CODEX)
TTYD_RELEASE = ReleaseResource(TTYD)
