# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What upstream publishes of codex and ttyd: platforms, names of assets, where they lie, which digests they have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._archive.expected import SHA512, ExpectedDigests, digest_of
from .._core.errors import OptioError
from . import digests as release_data
from .digests import Known

#: the sources that are not URLs
HOST = "host"
NPM = "npm"
UPSTREAM = "upstream"
#: of a packaged release that is more than an executable, it describes the package
PACKAGE_FILE = "codex-package.json"
#: the shapes in which upstream publishes a release
NPM_ARCHIVE, PACKAGE_ARCHIVE, BINARY_ARCHIVE, EXECUTABLE = "npm", "package", "binary", "executable"
#: the version that is looked up as the newest one
LATEST = "latest"
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?\Z")
_SERIES = re.compile(r"[0-9]+(?:\.[0-9]+)?\Z")


def is_selector(version: str | None) -> bool:
    """Return whether a version has to be looked up: ``latest``, or a series such as ``0.171``."""
    return bool(version) and (version == LATEST or bool(_SERIES.match(version or "")))


def is_version(version: object) -> bool:
    """Return whether a value can be an exact version, and so a part of a path and a URL."""
    return isinstance(version, str) and bool(_VERSION.match(version))


@dataclass(frozen=True)
class Target:
    """One platform a tool is published for.

    ``name`` ends the release's directory, ``asset`` is the platform's part of upstream's file name, ``elf`` is
    (EI_CLASS, e_machine) of its executables.
    """

    name: str
    asset: str
    elf: tuple[int, int]


@dataclass(frozen=True)
class Tool:
    """One program that is provisioned.

    ``packaged`` releases are archives with a tree of files, the others a single executable. ``platforms`` is keyed by
    ``uname -sm``. ``upstream`` is the base URL of which a mirror repeats the layout. ``archives`` (by shape, the usual
    one first), ``companions`` (the files that a binary alone lacks, by path), ``npm_path`` and ``npm_version``
    are templates over ``version``, ``asset`` and ``target``. ``npm_package`` is the name in npm registries. ``upstream_api`` is
    the URL of GitHub's list of releases, whose tags are versions after ``tag_prefix``.
    """

    name: str
    default_version: str
    entrypoint: str
    packaged: bool
    prefix: str
    platforms: Mapping[str, Target]
    upstream: str
    upstream_api: str
    tag_prefix: str
    archives: Mapping[str, str]
    companions: Mapping[str, str]
    npm_package: str | None
    npm_path: str | None
    npm_version: str | None
    table: release_data.Table

    @property
    def archive(self) -> str:
        """The usual shape."""
        return next(iter(self.archives))

    def target(self, platform: str) -> Target:
        """Return the target for ``uname -sm``; raise OptioError where upstream publishes nothing."""
        found = self.platforms.get(platform)
        if found is None:
            system, _space, machine = platform.partition(" ")
            known = ", ".join(sorted({name.replace(" ", "/") for name in self.platforms}))
            raise OptioError(
                f"{self.name} on {system or 'an unknown system'}/{machine or 'unknown'}",
                f"upstream publishes {self.name} only for {known}, not for {system or 'an unknown system'}/{machine or 'unknown'}",
                f"Install {self.name} there by other means and set {self.name}_dir to its directory, "
                f"or put an executable at {self.name} in the cache directory and resolve it with install: false",
            )
        return found

    def release(self, version: str, target: Target) -> Release:
        """Return one version for one platform."""
        return Release(self, version, target)

    def version_in(self, directory: str) -> str:
        """Return the version that the name of a release's directory holds, empty when it is none of the tool's."""
        for target in self.platforms.values():
            if directory.startswith(self.prefix) and directory.endswith(f"-{target.name}"):
                return directory[len(self.prefix) : -len(target.name) - 1]
        return ""

    def validate_version(self, version: str) -> None:
        """Raise OptioError unless ``version`` can be a version of the tool, and so a part of a path and a URL."""
        if not is_version(version):
            raise OptioError(
                f"version {version!r}",
                f"version {version!r} is not a version of {self.name}",
                f"Set one such as {self.default_version}, without a leading v or rust-v",
            )


@dataclass(frozen=True)
class Release:
    """One version of one tool for one platform."""

    tool: Tool
    version: str
    target: Target

    @property
    def directory(self) -> str:
        """The name of the release's directory in a cache."""
        return f"{self.tool.prefix}{self.version}-{self.target.name}"

    @property
    def title(self) -> str:
        """How messages name the release."""
        return f"{self.tool.name} {self.version} for {self.target.name}"

    @property
    def known(self) -> Known | None:
        """The table's entry for the release, None if it has none."""
        return self.tool.table.get(self.version, {}).get(self.target.name)

    def mirror_url(self, base: str, archive: str | None = None) -> str:
        """Return the URL of an archive of the release below a mirror that has upstream's layout."""
        return self._url(base, self.tool.archives[archive or self.tool.archive])

    def companions(self) -> dict[str, str]:
        """Return the files that a binary alone lacks, by the program's path: all that the table contains."""
        known = self.known
        return {path: self._file(name) for path, name in self.tool.companions.items() if known and path in known.programs}

    def npm_url(self, registry: str) -> str:
        """Return the URL of the release in an npm registry."""
        return self._url(registry, self.tool.npm_path or "")

    @property
    def npm_version(self) -> str:
        """The version that npm registries have of the platform's package."""
        return self._file(self.tool.npm_version or "")

    def file_name(self, archive: str | None = None) -> str:
        """Return what an archive of the release is called."""
        return self._file(self.tool.archives[archive or self.tool.archive]).rpartition("/")[2]

    def expected(self, checksum: str | None, archive: str | None = None) -> ExpectedDigests:
        """Return the bytes to insist on: the user's ``checksum`` (in a form of ``digest_of``) or the table's.

        Raises OptioError without a digest from either.
        """
        known, shape = self.known, archive or self.tool.archive
        sha256, size = known.archives.get(shape, (None, 0)) if known else (None, 0)
        given = digest_of(checksum) if checksum else None
        if given and given.algorithm == SHA512:
            return ExpectedDigests(None, sha512=given.hex)
        digest = given.hex if given else sha256
        if known and digest == sha256:
            archives = frozenset(row[0] for row in known.archives.values())
            return ExpectedDigests(sha256, size or None, known.programs, known.tree or None, archives)
        if digest is None:
            versions = ", ".join(self.tool.table)
            raise OptioError(
                self.title,
                f"the digest of {self.title} is not known to this collection, which knows {versions}",
                f"Set checksum to sha256:<64 hex digits> of {self.mirror_url(self.tool.upstream, shape)}"
                + (f", or add {NPM} to sources, whose registry states it" if self.tool.npm_package else ""),
            )
        return ExpectedDigests(digest, archives=frozenset({digest}))

    def _url(self, base: str, template: str) -> str:
        return f"{base.rstrip('/')}/{self._file(template)}"

    def _file(self, template: str) -> str:
        return template.format(version=self.version, asset=self.target.asset, target=self.target.name)


_ELF64_X86 = (2, 62)
_ELF64_ARM = (2, 183)
_ELF32_ARM = (1, 40)
_CODEX_X86 = Target("x86_64-unknown-linux-musl", "x64", _ELF64_X86)
_CODEX_ARM = Target("aarch64-unknown-linux-musl", "arm64", _ELF64_ARM)
_TTYD_ARMHF = Target("armhf", "armhf", _ELF32_ARM)

CODEX = Tool(
    name="codex",
    default_version="0.171.0",
    entrypoint="bin/codex",
    packaged=True,
    prefix="",
    platforms={"Linux x86_64": _CODEX_X86, "Linux aarch64": _CODEX_ARM},
    upstream="https://github.com/openai/codex/releases/download",
    upstream_api="https://api.github.com/repos/openai/codex/releases",
    tag_prefix="rust-v",
    archives={
        NPM_ARCHIVE: "rust-v{version}/codex-npm-linux-{asset}-{version}.tgz",
        PACKAGE_ARCHIVE: "rust-v{version}/codex-package-{target}.tar.gz",
        BINARY_ARCHIVE: "rust-v{version}/codex-{target}.tar.gz",
    },
    companions={
        "codex-resources/bwrap": "bwrap-{target}.tar.gz",
        "bin/codex-code-mode-host": "codex-code-mode-host-{target}.tar.gz",
    },
    npm_package="@openai/codex",
    npm_path="@openai/codex/-/codex-{version}-linux-{asset}.tgz",
    npm_version="{version}-linux-{asset}",
    table=release_data.CODEX,
)

TTYD = Tool(
    name="ttyd",
    default_version="1.7.7",
    entrypoint="ttyd",
    packaged=False,
    prefix="ttyd-",
    platforms={
        "Linux x86_64": Target("x86_64", "x86_64", _ELF64_X86),
        "Linux aarch64": Target("aarch64", "aarch64", _ELF64_ARM),
        # upstream publishes no ttyd.armv7l; the armhf build runs there
        "Linux armv7l": _TTYD_ARMHF,
        "Linux armv8l": _TTYD_ARMHF,
    },
    upstream="https://github.com/tsl0922/ttyd/releases/download",
    upstream_api="https://api.github.com/repos/tsl0922/ttyd/releases",
    tag_prefix="",
    archives={EXECUTABLE: "{version}/ttyd.{asset}"},
    companions={},
    npm_package=None,
    npm_path=None,
    npm_version=None,
    table=release_data.TTYD,
)
