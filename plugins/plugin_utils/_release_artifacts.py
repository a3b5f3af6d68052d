# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of a mirror of releases: paths, addresses and digests, from the table and from the user."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.optio.codex.plugins.module_utils._archive.download import SourceError
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import SHA256, digest_of
from ansible_collections.optio.codex.plugins.module_utils._archive.urls import shown
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release import xterm
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import (
    CODEX,
    NPM_ARCHIVE,
    TTYD,
    Release,
    Target,
    Tool,
    is_selector,
)
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import CHECKSUM, TABLE

TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in (CODEX, TTYD)}
#: every version that the table knows
ALL = "all"
#: the mirror's own list of its artifacts
SUMS = "SHA256SUMS"
_SEPARATORS = re.compile(r"[,\n]")
_DIGESTS = {"sha256": re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z"), "sha512": re.compile(r"(?:sha512:)?([0-9a-fA-F]{128})\Z")}
#: of the digits of a SHA-512 digest
_LONG = 128
#: safe in URLs, in nginx and in shells, and no part of it hidden
_PATH = re.compile(r"[A-Za-z0-9@][A-Za-z0-9@._+~-]*(?:/[A-Za-z0-9@][A-Za-z0-9@._+~-]*)*\Z")
_EXTRA_KEYS = ("path", *_DIGESTS, "size", "url")


@dataclass(frozen=True)
class ExtraArtifact:
    """An artifact that the user describes: an additional one, or another digest for one of the table."""

    path: str
    sha256: str
    url: str = ""
    size: int | None = None
    #: if the other one is not known
    sha512: str = ""

    @property
    def checksum(self) -> str:
        """The digest with its algorithm."""
        return f"sha256:{self.sha256}" if self.sha256 else f"sha512:{self.sha512}"


@dataclass(frozen=True)
class ArtifactFilter:
    """The selected artifacts and their sources; an empty value is the default."""

    tools: Sequence[str] = ()
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    platforms: Sequence[str] = ()
    archives: Sequence[str] = ()
    mirror_url: str = ""
    npm_registry: str = ""
    #: of npm's own configuration; only xterm.js has no other source
    configured_registry: str = ""
    extra: Sequence[ExtraArtifact] = ()
    #: look up the version of a selector, and the digest of a release with its archive, in a registry: its text, and what states it
    find_version: Callable[[Tool, str], str] | None = None
    find_digest: Callable[[Release, str], tuple[str, str]] | None = None


def words(value: object) -> list[str]:
    """Return the items of a list, or of text with commas or line breaks."""
    if value is None:
        return []
    items = value if isinstance(value, (list, tuple)) else _SEPARATORS.split(str(value))
    return [text for text in (str(item).strip() for item in items) if text]


def machine_names() -> dict[str, str]:
    """Return the names of each platform, and the name in results, which ``uname -m`` prints."""
    names = {"amd64": "x86_64"}
    for tool in TOOLS.values():
        first: dict[Target, str] = {}
        for platform, target in tool.platforms.items():
            machine = platform.partition(" ")[2]
            first.setdefault(target, machine)
            names.update(dict.fromkeys((machine, target.asset, target.name), first[target]))
    return names


def artifacts(wanted: ArtifactFilter) -> list[dict[str, Any]]:
    """Return the artifacts, each a dictionary; raise OptioError for unknown or contradictory values."""
    for option, url in (("mirror_url", wanted.mirror_url), ("npm_registry", wanted.npm_registry)):
        if url:
            _check_url(option, url)
    extra = {item.path: item for item in wanted.extra}
    rows = [_row(wanted, *of, extra) for of in _releases(wanted)]
    if xterm.NAME in wanted.tools or (not wanted.tools and _xterm_source(wanted)):
        rows += [_xterm_row(wanted, package, extra) for package in xterm.PACKAGES]
    paths = {row["path"] for row in rows}
    rows += [_extra_row(wanted, item) for path, item in extra.items() if path not in paths]
    return rows


def _releases(wanted: ArtifactFilter) -> Iterator[tuple[Release, str, str]]:
    names, machines = machine_names(), []
    for platform in wanted.platforms:
        if platform not in names:
            known = ", ".join(dict.fromkeys(names.values()))
            cause = f"platform {platform} is not a platform that upstream publishes for"
            raise OptioError(f"platform {platform}", cause, f"Set one of {known}, as uname -m prints it")
        machines.append(names[platform])
    for shape in wanted.archives:
        if shape not in CODEX.archives:
            cause = f"archive {shape} is not an archive of codex's releases"
            raise OptioError(f"archive {shape}", cause, f"Set one of {', '.join(CODEX.archives)}")
    for name in dict.fromkeys(wanted.tools or TOOLS):
        if name == xterm.NAME:
            continue
        if name not in TOOLS:
            remedy = f"Set one of {', '.join([*TOOLS, xterm.NAME])}"
            raise OptioError(f"tool {name}", f"tool {name} is not known to this collection", remedy)
        tool = TOOLS[name]
        shapes = dict.fromkeys(wanted.archives) if tool is CODEX and wanted.archives else [tool.archive]
        for version in _versions(tool, wanted.versions.get(name, ()), wanted.find_version):
            for target in dict.fromkeys(tool.platforms.values()):
                if not machines or names[target.name] in machines:
                    for shape in shapes:
                        yield tool.release(version, target), names[target.name], shape


def _versions(tool: Tool, given: Sequence[str], find: Callable[[Tool, str], str] | None) -> list[str]:
    versions: list[str] = []
    for version in given or [tool.default_version]:
        if version == ALL:
            versions += tool.table
        elif find and is_selector(version):
            versions.append(find(tool, version))
        else:
            tool.validate_version(version)
            versions.append(version)
    return list(dict.fromkeys(versions))


def _row(wanted: ArtifactFilter, release: Release, platform: str, shape: str, extra: Mapping[str, ExtraArtifact]) -> dict[str, Any]:
    tool, known = release.tool, release.known
    path = release.mirror_url(tool.name, shape)
    sha256, size = known.archives.get(shape, ("", 0)) if known else ("", 0)
    url = release.npm_url(wanted.npm_registry) if shape == NPM_ARCHIVE and wanted.npm_registry else _url(wanted, path)
    own = extra.get(path)
    if own:
        stated, size, url = (own.checksum, CHECKSUM), own.size or (size if own.sha256 == sha256 else 0), own.url or url
    else:
        stated = (f"sha256:{sha256}", TABLE) if sha256 else _looked_up(wanted, release, shape, path, url)
    return {
        **{"tool": tool.name, "version": release.version, "platform": platform, "archive": shape},
        **{"path": path, "url": url, "size": size or None, **_digest_values(*stated)},
    }


def _looked_up(wanted: ArtifactFilter, release: Release, shape: str, path: str, url: str) -> tuple[str, str]:
    reason = ""
    if wanted.find_digest:
        try:
            return wanted.find_digest(release, shape)
        except SourceError as failure:
            reason = f", and could not be looked up: {failure.cause}"
    raise OptioError(
        f"{path}",
        f"the digest of {path} is not known to this collection{reason}",
        f"Add its path and sha256 to extra; its bytes are at {shown(url)}",
    )


def _digest_values(checksum: str, verified_by: str) -> dict[str, Any]:
    digest = digest_of(checksum)
    return {"sha256": digest.hex if digest.algorithm == SHA256 else None, "checksum": str(digest), "verified_by": verified_by}


def _xterm_source(wanted: ArtifactFilter) -> str:
    return wanted.mirror_url or wanted.npm_registry or wanted.configured_registry


def _xterm_row(wanted: ArtifactFilter, package: xterm.NpmPackage, extra: Mapping[str, ExtraArtifact]) -> dict[str, Any]:
    own = extra.get(package.path) or ExtraArtifact(package.path, package.sha256, size=package.size)
    if not own.url and not _xterm_source(wanted):
        cause = f"{package.path} is only published to npm registries, and no npm registry is configured"
        raise OptioError(package.path, cause, "Set npm_registry to its URL (npm config get registry prints it), or mirror_url")
    registry = wanted.npm_registry or ("" if wanted.mirror_url else wanted.configured_registry)
    url = own.url or (package.npm_url(registry) if registry else _url(wanted, package.path))
    return {
        **{"tool": xterm.NAME, "version": package.version, "platform": None, "archive": NPM_ARCHIVE},
        **{"path": package.path, "url": url, "size": own.size},
        **_digest_values(own.checksum, CHECKSUM if package.path in extra else TABLE),
    }


def _extra_row(wanted: ArtifactFilter, item: ExtraArtifact) -> dict[str, Any]:
    name = item.path.partition("/")[0]
    return {
        **{"tool": name if name in TOOLS else None, "version": None, "platform": None, "archive": None},
        **{"path": item.path, "url": item.url or _url(wanted, item.path), "size": item.size},
        **_digest_values(item.checksum, CHECKSUM),
    }


def _url(wanted: ArtifactFilter, path: str) -> str:
    if wanted.mirror_url:
        return f"{wanted.mirror_url.rstrip('/')}/{path}"
    name, _slash, rest = path.partition("/")
    if name not in TOOLS:
        cause = f"extra {path} has no url, and upstream has no such file"
        raise OptioError(f"extra {path}", cause, "Set its url, or a path below codex/ or ttyd/")
    return f"{TOOLS[name].upstream}/{rest}"


def extras(value: object) -> list[ExtraArtifact]:
    """Return the user's artifacts: a list of dictionaries, or text in the format of ``sha256sum`` or ``sha512sum``, or its lines."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and value and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if isinstance(value, str):
        lines = [line.split(None, 1) for line in value.splitlines() if line.strip()]
        kinds = ["sha512" if len(line[0]) == _LONG else "sha256" for line in lines]
        rows: list[Any] = [
            {kind: line[0], "path": line[-1].strip().lstrip("*").removeprefix("./")} for kind, line in zip(kinds, lines, strict=True)
        ]
    else:
        rows = list(value) if isinstance(value, (list, tuple)) else [value]
    return [_extra(row) for row in rows]


def _extra(row: Any) -> ExtraArtifact:
    kinds = [kind for kind in _DIGESTS if kind in row] if isinstance(row, Mapping) else []
    if len(kinds) != 1 or set(row) - set(_EXTRA_KEYS) or "path" not in row:
        item = f"extra {', '.join(map(str, row)) if isinstance(row, Mapping) else repr(row)}"
        remedy = f"Use a dictionary of {', '.join(_EXTRA_KEYS)}; path and one of the digests are required"
        raise OptioError(item, f"{item} does not describe an artifact", remedy)
    [kind] = kinds
    path, digest, url = str(row["path"]), _DIGESTS[kind].match(str(row[kind])), str(row.get("url") or "")
    if not _PATH.match(path) or path == SUMS:
        cause = f"extra {path!r} is not a path below a mirror"
        raise OptioError(f"extra {path!r}", cause, "Set one such as codex/rust-v0.170.0/codex-npm-linux-x64-0.170.0.tgz")
    if not digest:
        cause = f"the {kind} of extra {path}, {row[kind]!r}, is not a SHA-{kind[3:]} digest"
        raise OptioError(f"extra {path}", cause, f"Set the {64 if kind == 'sha256' else _LONG} hex digits that {kind}sum prints")
    size = str(row.get("size") or "")
    if size and not size.isdigit():
        cause = f"the size of extra {path}, {size!r}, is not a number of bytes"
        raise OptioError(f"extra {path}", cause, "Set the number of bytes, or omit it")
    if url:
        _check_url(f"extra {path}", url)
    digits = {name: digest.group(1).lower() if name == kind else "" for name in _DIGESTS}
    return ExtraArtifact(path, url=url, size=int(size) if size else None, **digits)


def _check_url(option: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and url.isprintable() and " " not in url:
        return
    subject = f"{option} {shown(url)}"
    cause = "is not the URL of a server" if "@" not in parts.netloc else "contains a user or a password, which lists and logs would show"
    raise OptioError(subject, f"{subject} {cause}", "Set http:// or https:// and the name of the host")
