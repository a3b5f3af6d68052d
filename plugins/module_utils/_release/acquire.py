# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Getting a release: its sources are tried in order until one gives the expected bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._archive.download import Download, HttpOptions, SourceError, open_body
from .._archive.expected import ExpectedDigests
from .._archive.extract import store, unpack
from .._archive.urls import shown
from .._core import files, paths
from .._core.errors import OptioError
from .._core.probe import parse
from .catalog import BINARY_ARCHIVE, HOST, NPM, NPM_ARCHIVE, Release
from .manifest import (
    CHECKSUM,
    CONTENTS,
    DOWNLOAD,
    EXECUTABLE,
    INTEGRITY,
    PROGRAMS,
    RANKS,
    TABLE,
    ReleaseManifest,
    survey,
    tree_digest,
)
from .npmrc import NpmRegistry, find_registry
from .package import assemble, check_contents, check_executable, check_tree, copy_from_host
from .plan import required_rank
from .probe import host_script
from .progress import Progress
from .registry import PAUSES, PackageMetadata, fetch_document, require_encryption
from .sources import Source, is_local, own_origins, sources_of

if TYPE_CHECKING:
    from .._core.host import Host


def access_of(params: Mapping[str, Any], home: str) -> HttpOptions:
    """Return the HTTP options for the sources."""
    origins = own_origins(params)
    ca_path = params.get("ca_path")
    return HttpOptions(
        timeout=params["timeout"],
        validate_certs=params["validate_certs"],
        ca_path=paths.expand(ca_path, home) if ca_path else None,
        use_proxy=params["use_proxy"],
        username=params.get("url_username") or None,
        password=params.get("url_password") or None,
        headers={name: str(value) for name, value in (params.get("headers") or {}).items()},
        force_basic_auth=params["force_basic_auth"],
        origin=origins[0] if len(origins) == 1 else None,
    )


@dataclass(frozen=True)
class InstallRequest:
    """The release to install, its options, and its destination: ``tree`` is a directory to be made below ``cache``."""

    release: Release
    params: Mapping[str, Any]
    home: str
    cache: str
    tree: str
    progress: Progress

    @property
    def checksum(self) -> str | None:
        """The user's own digest of the archive."""
        return self.params.get("checksum") or None

    @property
    def archive(self) -> str:
        """The shape of archive that mirrors and upstream are asked for."""
        return self.params.get("archive") or self.release.tool.archive

    def verified_by(self, archive: str) -> str:
        """What states the digest of an archive that the task or the table has a digest of."""
        if self.checksum and archive == self.archive:
            return str(self.params.get("checksum_verified_by") or CHECKSUM)
        return TABLE

    @property
    def bare(self) -> bool:
        """Whether the executable alone will do."""
        return self.archive == BINARY_ARCHIVE and bool(self.params.get("allow_bare"))


def acquire(order: InstallRequest, host: Host) -> ReleaseManifest:
    """Fill the order's tree from the first source that can; return its manifest.

    Raises OptioError with the reason of every source when none can.
    """
    access = access_of(order.params, order.home)
    failures: list[SourceError] = []
    for source in sources_of(order.release, order.params, order.cache):
        for pause in (*PAUSES, None):
            try:
                order.progress.source(source.shown)
                return _from(source, order, access, host)
            except SourceError as failure:
                files.remove(order.tree)
                if failure.transient and pause is not None:
                    host.sleep(max(pause, failure.pause))
                    continue
                failures.append(failure)
                break
    raise _nothing_served(order, failures)


def _nothing_served(order: InstallRequest, failures: list[SourceError]) -> OptioError:
    causes = "; ".join(failure.cause for failure in failures)
    details = [{"source": one.subject, "cause": one.cause, "remedy": one.remedy} for one in failures]
    if not order.params.get("offline"):
        remedy = "; ".join(dict.fromkeys(failure.remedy for failure in failures))
        return OptioError(order.release.title, f"no source could serve {order.release.title}: {causes}", remedy, failures=details)
    expected = order.release.expected(order.checksum, order.archive)
    size = f", {expected.size} bytes" if expected.size else ""
    digest = f" (sha256:{expected.sha256}{size})" if expected.sha256 else ""
    return OptioError(
        order.release.title,
        f"offline is set, and no source on the worker could serve {order.release.title}: {causes}",
        f"Place {order.release.file_name(order.archive)}{digest} in {paths.archives_directory(order.cache)} on the worker",
        failures=details,
    )


def _from(source: Source, order: InstallRequest, access: HttpOptions, host: Host) -> ReleaseManifest:
    if source.kind == HOST:
        return _from_host(order, host)
    if source.kind == NPM:
        registry = _registry(order, access, host)
        access, url = registry.access(access), order.release.npm_url(registry.url)
        order.progress.source(shown(url))
        return _download(order, url, NPM_ARCHIVE, access, _stated(order, registry.url, access, host))
    return _download(order, source.url, order.archive, access)


def _from_host(order: InstallRequest, host: Host) -> ReleaseManifest:
    release, tree = order.release, order.tree
    expected = _expected(order, order.archive, HOST)
    command = parse(host.probe(host_script(release.tool)))[0].get("command") or None
    origin = f"{HOST} ({copy_from_host(command, release, expected, tree)})"
    entrypoint = check_tree(tree, release, origin)
    states, digests = survey(tree)
    if release.tool.packaged:
        check_contents(expected, digests, origin)
        verified, sha256 = CONTENTS, tree_digest(digests)
    else:
        verified, sha256 = DOWNLOAD, digests[entrypoint]
        if sha256 != expected.sha256:
            raise SourceError(
                HOST,
                f"{command} has sha256:{sha256}, but {release.title} has {expected.archive}",
                f"Install the wanted release on the worker, or remove {HOST} from sources",
            )
    manifest = ReleaseManifest(release.version, release.target.name, entrypoint, verified, sha256, HOST, states, digests)
    return replace(manifest, verified_by=order.verified_by(order.archive))


def _registry(order: InstallRequest, access: HttpOptions, host: Host) -> NpmRegistry:
    found = find_registry(order.params.get("npm_registry") or None, order.home, host)
    _check_offline(order, found.url)
    return found


def _check_offline(order: InstallRequest, url: str) -> None:
    if order.params.get("offline") and not is_local(url):
        cause = f"{shown(url)} was not requested because offline is set"
        raise SourceError(shown(url), cause, "Set offline: false to allow the request")


def _stated(order: InstallRequest, registry: str, access: HttpOptions, host: Host) -> str | None:
    """Return the digest that the registry states, None if the task or the table has one."""
    if order.release.known or (order.checksum and order.archive == NPM_ARCHIVE):
        return None
    if required_rank(order.params) > RANKS[INTEGRITY]:
        raise SourceError(
            shown(registry),
            f"a worker cannot verify more than the {INTEGRITY} of {order.release.title}, "
            f"and require_verified_by is {order.params['require_verified_by']}",
            "Let the controller reach the registry, or set checksum",
        )
    require_encryption(registry, access)
    document = fetch_document(registry, order.release.tool, access, host.sleep)
    return str(PackageMetadata(**document).statement(order.release).digest)


def _download(order: InstallRequest, url: str, archive: str, access: HttpOptions, stated: str | None = None) -> ReleaseManifest:
    _check_offline(order, url)
    expected = order.release.expected(stated, archive) if stated else _expected(order, archive, shown(url))
    manifest = _binary(order, url, expected, access) if archive == BINARY_ARCHIVE else _package(order, url, archive, expected, access)
    return replace(manifest, verified_by=INTEGRITY if stated else order.verified_by(archive))


def _package(order: InstallRequest, url: str, archive: str, expected: ExpectedDigests, access: HttpOptions) -> ReleaseManifest:
    release, tree, name = order.release, order.tree, shown(url)
    body = _open(order, url, access, expected)
    if release.tool.packaged:
        written = unpack(body, tree, f"package/vendor/{release.target.name}" if archive == NPM_ARCHIVE else "")
    else:
        store(body, f"{tree}/{release.tool.entrypoint}")
        written = {release.tool.entrypoint: body.sha256}
    order.progress.check()
    entrypoint = check_tree(tree, release, name)
    states, digests = survey(tree, written)
    if not expected.archive:
        check_contents(expected, digests, name)
    proof = (DOWNLOAD, body.sha256) if expected.archive else (CONTENTS, tree_digest(digests))
    return ReleaseManifest(release.version, release.target.name, entrypoint, *proof, name, states, digests, body.sha512)


def _open(order: InstallRequest, url: str, access: HttpOptions, expected: ExpectedDigests) -> Download:
    body = open_body(url, access, expected)
    order.progress.download(body.size)
    body.on_bytes = order.progress.received
    return body


def _expected(order: InstallRequest, archive: str, source: str) -> ExpectedDigests:
    try:
        # a digest that the user gave is that of the shape that was asked for
        return order.release.expected(order.checksum if archive == order.archive else None, archive)
    except OptioError as error:
        raise SourceError(source, error.cause, error.remedy) from error


def _binary(order: InstallRequest, url: str, expected: ExpectedDigests, access: HttpOptions) -> ReleaseManifest:
    """Get the executable, and the other programs that the release requires, into one package."""
    release, tree, name = order.release, order.tree, shown(url)
    entrypoint, companions = release.tool.entrypoint, {} if order.bare else release.companions()
    if not companions and not order.bare:
        raise SourceError(
            name,
            f"{name} contains {release.tool.name} alone, and the other programs of this version are not known",
            "Set archive to npm or package, or set allow_bare to do without codex's sandbox helper",
        )
    digest, body = _program(order, url, access, expected, entrypoint)
    written = {entrypoint: digest}
    for path, file_name in companions.items():
        # the origin of the executable does not vouch for these, so the table must have each digest
        beside = f"{url.rpartition('/')[0]}/{file_name}"
        written[path], _body = _program(order, beside, access, ExpectedDigests(None), path)
    known = release.known
    programs = known.programs if known else {}
    wanted = {path: programs[path] for path in written if path in programs and (path != entrypoint or not expected.archive)}
    check_contents(ExpectedDigests(None, programs=wanted), written, name)
    if order.bare:
        check_executable(tree, release, name)
    else:
        assemble(tree, release)
        check_tree(tree, release, name)
    proof = (EXECUTABLE if order.bare else PROGRAMS, written[entrypoint])
    if expected.archive:
        proof = (DOWNLOAD, body.sha256)
    return ReleaseManifest(release.version, release.target.name, entrypoint, *proof, name, *survey(tree, written), body.sha512)


def _program(order: InstallRequest, url: str, access: HttpOptions, expected: ExpectedDigests, path: str) -> tuple[str, Download]:
    """Put the one file of an archive at ``path`` of the tree; return its SHA-256, and the body that was read."""
    part = f"{order.tree}.part"
    files.remove(part)
    body = _open(order, url, access, expected)
    written = unpack(body, part, "")
    if len(written) != 1:
        cause = f"{shown(url)} contains {len(written)} files instead of one program"
        raise SourceError(shown(url), cause, "Check that the URL is that of one program")
    ((name, digest),) = written.items()
    place = f"{order.tree}/{path}"
    for directory in files.make_directory(os.path.dirname(place), 0o755):
        # mkdir obeys the umask, and a shared cache must not
        os.chmod(directory, 0o755)
    os.rename(f"{part}/{name}", place)
    os.chmod(place, 0o755)
    files.remove(part)
    return digest, body
