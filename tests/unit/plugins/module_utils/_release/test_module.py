# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both subjects on this machine: real probe, real server, small releases."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release import acquire as release_supply
from ansible_collections.optio.codex.plugins.module_utils._release import cache as cache_module
from ansible_collections.optio.codex.plugins.module_utils._release import registry, trial_run
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, Tool
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import TTYD as TTYD_TOOL
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE, ReleaseResource
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    VERSION,
    Answer,
    QuickHost,
    Server,
    checksum,
    elf,
    npm_archive,
    package,
    serving,
    snapshot,
    write_tree,
)
from ansible_collections.optio.codex.tests.unit.support.release_sources import (
    ARCHIVE,
    CODEX_NAME,
    CODEX_PATH,
    TTYD,
    TTYD_PATH,
    Mirror,
    run,
)

pytestmark = pytest.mark.usefixtures("quick_disk")


def check_mode_result(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "source"}


@pytest.mark.parametrize(("subject", "link"), [(CODEX_RELEASE, "codex"), (TTYD_RELEASE, "ttyd")])
@pytest.mark.parametrize("scope", ["user", "system"])
def test_four_ways(subject: ReleaseResource, link: str, scope: str, home: Path, server: Server) -> None:
    options: dict[str, Any] = {"sources": [server.url], "scope": scope}
    if scope == "system":
        options["cache_dir"] = str(home / "srv/cache")
    check = run(subject, True, **options)
    assert check["changed"]
    assert os.listdir(home) == []
    assert server.seen == []

    done = run(subject, **options)
    assert check_mode_result(done) == check_mode_result(check)
    assert [action["kind"] for action in done["actions"]] == ["install", "link"]
    assert os.path.realpath(done["link"]) == os.path.realpath(done["path"])
    assert os.access(done["path"], os.X_OK)
    assert done["source"] == f"{server.url}{CODEX_PATH if link == 'codex' else TTYD_PATH}"
    assert set(os.listdir(done["cache_dir"])) == {".lock", link, "releases"}
    before = snapshot(home)

    for check_mode in (True, False):
        again = run(subject, check_mode, **options)
        assert (again["changed"], again["actions"]) == (False, [])
        assert {**again, "changed": True, "actions": done["actions"], "diff": done["diff"]} == done
    assert snapshot(home) == before
    assert len(server.seen) == 1

    check = run(subject, True, state="absent", **options)
    assert snapshot(home) == before
    gone = run(subject, state="absent", **options)
    assert gone == check
    assert [action["kind"] for action in gone["actions"]] == ["remove"] * 3
    for check_mode in (True, False):
        assert run(subject, check_mode, state="absent", **options)["changed"] is False
    # a cache of the user's own choice stays, the default one goes with its last release
    assert snapshot(home).keys() == ({"srv", "srv/cache"} if scope == "system" else {".cache"})


def test_everybody_can_use_a_system_cache(home: Path, mirror: Mirror) -> None:
    mask = os.umask(0o077)
    try:
        done = run(CODEX_RELEASE, scope="system", cache_dir=str(home / "cache"), sources=[mirror.url])
    finally:
        os.umask(mask)
    for directory, _directories, names in os.walk(done["cache_dir"]):
        assert os.stat(directory).st_mode & 0o777 == 0o755
        for name in set(names) - {".lock"}:
            assert os.stat(f"{directory}/{name}").st_mode & 0o777 in (0o755, 0o644)


def test_two_versions_and_back(home: Path, server: Server) -> None:
    other = npm_archive(package("0.1.3"))
    server.answers[CODEX_PATH.replace(VERSION, "0.1.3")] = Answer(other)
    first = run(CODEX_RELEASE, sources=[server.url])
    second = run(CODEX_RELEASE, sources=[server.url], version="0.1.3", checksum=checksum(other))
    assert os.path.realpath(second["link"]) == os.path.realpath(second["path"])
    assert os.access(first["path"], os.X_OK)
    back = run(CODEX_RELEASE, sources=[server.url])
    assert [action["kind"] for action in back["actions"]] == ["link"]
    assert len(server.seen) == 2
    gone = run(CODEX_RELEASE, state="absent", version="0.1.3", checksum=None)
    assert [action["target"] for action in gone["actions"]] == [
        os.path.dirname(os.path.dirname(second["path"])),
        os.path.dirname(os.path.dirname(second["path"])) + ".manifest",
    ]
    assert run(CODEX_RELEASE, install=False, version=None)["version"] == VERSION


def broken(version: str = VERSION) -> bytes:
    """Return the archive of a release whose program ends with an error."""
    return npm_archive({**package(version), "bin/codex": (elf(status=7), 0o755)})


@pytest.mark.parametrize("state", ["empty", "another", "damaged", "copied", "linked"])
def test_a_program_that_cannot_run_replaces_nothing(home: Path, mirror: Mirror, state: str) -> None:
    archive = broken()
    options: dict[str, Any] = {"sources": [mirror.url], "cache_dir": "~/cache"}
    wrong = {**options, "checksum": checksum(archive)}
    if state == "another":
        other = npm_archive(package("0.1.1"))
        mirror.put(CODEX_PATH.replace(VERSION, "0.1.1"), other)
        run(CODEX_RELEASE, version="0.1.1", **{**options, "checksum": checksum(other)})
    elif state == "damaged":
        Path(run(CODEX_RELEASE, **options)["path"]).chmod(0o700)
    elif state in ("copied", "linked"):
        mirror.put(CODEX_PATH, archive)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trial_run, "require_running", lambda path, scratch: None)
            done = run(CODEX_RELEASE, **wrong)
        if state == "copied":
            os.utime(done["path"], (1, 1))
        else:
            os.unlink(done["link"])
    mirror.put(CODEX_PATH, archive)
    before = snapshot(home)
    with pytest.raises(OptioError) as error:
        run(CODEX_RELEASE, **wrong)
    program = f"{home}/cache/releases/{CODEX_NAME}/bin/codex"
    assert error.value.subject == program
    assert error.value.cause == f"{program} --version ended with exit status 7: it printed nothing"
    assert snapshot(home) == before


@pytest.mark.parametrize("damage", ["remove", "bytes", "mode"])
def test_a_damaged_release_is_replaced(home: Path, mirror: Mirror, damage: str) -> None:
    done = run(CODEX_RELEASE, sources=[mirror.url])
    path = Path(done["path"])
    if damage == "remove":
        path.unlink()
    elif damage == "bytes":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        os.utime(path, (1, 1))
    else:
        path.chmod(0o644)
    check = run(CODEX_RELEASE, True, sources=[mirror.url])
    mended = run(CODEX_RELEASE, sources=[mirror.url])
    assert check_mode_result(mended) == check_mode_result(check)
    assert [action["kind"] for action in mended["actions"]] == ["install"]
    assert "damaged: bin/codex" in mended["diff"]["before"]
    assert path.read_bytes() == package()["bin/codex"][0]
    assert run(CODEX_RELEASE, sources=[mirror.url])["changed"] is False


def test_a_copied_cache_is_recognized_without_a_source(home: Path, server: Server) -> None:
    options: dict[str, Any] = {"sources": [server.url], "cache_dir": "~/cache"}
    first = run(CODEX_RELEASE, **options)
    shutil.copytree(home / "cache", home / "copy", symlinks=True)
    shutil.rmtree(home / "cache")
    shutil.copytree(home / "copy", home / "cache", symlinks=True)
    check = run(CODEX_RELEASE, True, **options)
    done = run(CODEX_RELEASE, **options)
    assert check_mode_result(done) == check_mode_result(check)
    assert done["source"] == first["source"]
    assert [action["kind"] for action in done["actions"]] == ["install"]
    assert run(CODEX_RELEASE, **options)["changed"] is False
    assert len(server.seen) == 1


def test_a_prefilled_executable_becomes_a_link(home: Path, mirror: Mirror) -> None:
    write_tree(home / "cache", {"ttyd": (TTYD, 0o755)})
    done = run(TTYD_RELEASE, cache_dir="~/cache", sources=[mirror.url])
    assert done["diff"]["before"].endswith("/ttyd: file\n")
    assert os.readlink(home / "cache/ttyd").startswith("releases/ttyd-")


BAD = {
    "cut": Answer(ARCHIVE, cut=len(ARCHIVE) // 2),
    "flipped": Answer(ARCHIVE[:-9] + b"!" + ARCHIVE[-8:]),
    "page": Answer(b"<html>"),
    "missing": Answer(b"", 404),
    "broken": Answer(b"", 500),
    "hanging": Answer(hang=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("bad", BAD)
def test_the_next_source_serves(home: Path, server: Server, bad: str) -> None:
    with serving() as first:
        first.answers[CODEX_PATH] = BAD[bad]
        host = QuickHost()
        options: dict[str, Any] = {"timeout": 1} if bad == "hanging" else {}
        done = run(CODEX_RELEASE, host=host, sources=[first.url, server.url], **options)
    assert done["source"].startswith(server.url)
    tries = 3 if bad in ("cut", "broken") else 1
    assert len(first.seen) == tries
    assert host.pauses == list(registry.PAUSES)[: tries - 1]


def test_the_error_names_every_source_and_leaves_nothing(home: Path, server: Server) -> None:
    server.answers[CODEX_PATH] = Answer(ARCHIVE + b"!")
    sources = ["host", server.url, "http://no-such-host.invalid", "file:///nowhere"]
    with pytest.raises(OptioError) as error:
        run(CODEX_RELEASE, sources=sources)
    causes = error.value.details["failures"]
    assert isinstance(causes, list)
    assert [one["source"].partition(CODEX_PATH)[0] for one in causes] == sources
    for one in causes:
        assert one["cause"] in error.value.cause
        assert one["remedy"] in error.value.remedy
    assert error.value.subject == f"codex {VERSION} for {TARGET.name}"
    assert os.listdir(home) == []


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ({"bin/codex": None}, "bin/codex cannot be read: no such file"),
        ({"bin/codex": (b"#!/bin/sh\n", 0o755)}, f"bin/codex is not an executable for {TARGET.name}"),
        ({"bin/codex": (elf(), 0o644)}, "bin/codex is not an executable file"),
        ({"codex-resources/bwrap": None}, "codex-resources/bwrap cannot be read"),
        ({"codex-package.json": None}, "it has no codex-package.json"),
        ({"codex-package.json": (b"[", 0o644)}, "codex-package.json is not JSON"),
        ({"codex-package.json": (b"[]", 0o644)}, "codex-package.json is not a JSON object"),
        ({"codex-package.json": package("0.9.9")["codex-package.json"]}, "has version '0.9.9'"),
        (
            {
                "codex-package.json": (
                    package()["codex-package.json"][0].replace(b'"bin/codex"', b'"../../x"'),
                    0o644,
                )
            },
            "not a path below the package",
        ),
    ],
)
def test_an_incomplete_package_is_not_published(home: Path, mirror: Mirror, files: dict[str, Any], cause: str) -> None:
    members = {path: value for path, value in {**package(), **files}.items() if value is not None}
    archive = npm_archive(members)
    mirror.put(CODEX_PATH, archive)
    with pytest.raises(OptioError) as error:
        run(CODEX_RELEASE, sources=[mirror.url], checksum=checksum(archive))
    assert cause in error.value.cause
    assert os.listdir(home) == []


def test_the_entrypoint_is_read_from_the_package(home: Path, mirror: Mirror) -> None:
    files = package()
    files["libexec/codex"] = files.pop("bin/codex")
    described, mode = files["codex-package.json"]
    files["codex-package.json"] = (described.replace(b'"bin/codex"', b'"libexec/codex"'), mode)
    archive = npm_archive(files)
    mirror.put(CODEX_PATH, archive)
    for changed in (True, False):
        done = run(CODEX_RELEASE, sources=[mirror.url], checksum=checksum(archive))
        assert done["changed"] is changed
        assert done["path"].endswith("/libexec/codex")
        assert os.path.realpath(done["link"]) == os.path.realpath(done["path"])


@pytest.mark.parametrize("state", ["empty", "another", "damaged"])
@pytest.mark.parametrize("failing", ["survey", "Cache.publish", "Cache.set_link", "files.write_text"])
def test_a_failure_anywhere_leaves_the_cache_as_before(
    home: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, failing: str, state: str
) -> None:
    if state == "another":
        other = npm_archive(package("0.1.1"))
        mirror.put(CODEX_PATH.replace(VERSION, "0.1.1"), other)
        run(CODEX_RELEASE, sources=[mirror.url], version="0.1.1", checksum=checksum(other))
    elif state == "damaged":
        damaged = run(CODEX_RELEASE, sources=[mirror.url])
        os.unlink(damaged["path"])
        # so that there is something left to do for each step
        os.unlink(damaged["link"])
    before = snapshot(home)

    def fail(*_arguments: object) -> None:
        raise OptioError("disk", "the disk is full", "Free it")

    module = release_supply if failing == "survey" else cache_module
    monkeypatch.setattr(f"{module.__name__}.{failing}", fail)
    with pytest.raises(OptioError, match="the disk is full"):
        run(CODEX_RELEASE, sources=[mirror.url])
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home))
    after = snapshot(home)
    manifest = f".cache/optio-codex/bin/releases/{CODEX_NAME}.manifest"
    if failing == "Cache.set_link" and manifest in before:
        # it was written again
        assert after.pop(manifest)[2] == before.pop(manifest)[2]
    assert after == before
    assert run(CODEX_RELEASE, sources=[mirror.url])["changed"] is True


def fill(home: str, url: str, barrier: Any, results: Any) -> None:
    os.environ["HOME"] = home
    barrier.wait()
    try:
        results.put(run(CODEX_RELEASE, sources=[url])["changed"])
    except BaseException as error:
        results.put(repr(error))
        raise


def test_runs_that_race_download_once(home: Path, server: Server) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    racers = [context.Process(target=fill, args=(str(home), server.url, barrier, results)) for _number in range(4)]
    for racer in racers:
        racer.start()
    changed = [results.get(timeout=60) for _racer in racers]
    for racer in racers:
        racer.join(60)
    assert sorted(changed, key=str) == [False, False, False, True]
    assert len(server.seen) == 1


def hold(home: str, url: str) -> None:
    os.environ["HOME"] = home
    run(CODEX_RELEASE, sources=[url], timeout=600)


def test_a_killed_run_leaves_no_lock_and_its_scratch_goes(home: Path, server: Server) -> None:
    cache = home / ".cache/optio-codex/bin"
    with serving() as stuck:
        stuck.answers[CODEX_PATH] = Answer(hang=True)
        racer = multiprocessing.get_context("fork").Process(target=hold, args=(str(home), stuck.url))
        racer.start()
        deadline = time.monotonic() + 60
        while not stuck.seen:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(cache.glob(".scratch-*"))
        racer.kill()
        racer.join(60)
    assert run(CODEX_RELEASE, sources=[server.url])["changed"] is True
    assert not list(cache.glob(".scratch-*"))


def test_from_a_registry_and_from_a_directory(home: Path, server: Server, mirror: Mirror) -> None:
    path = f"/npm/@openai/codex/-/codex-{VERSION}-linux-{TARGET.asset}.tgz"
    server.answers[path] = Answer(ARCHIVE)
    done = run(CODEX_RELEASE, sources=["npm"], npm_registry=f"{server.url}/npm/")
    assert done["source"] == f"{server.url}{path}"
    assert run(TTYD_RELEASE, sources=[mirror.url])["changed"] is True


@pytest.mark.parametrize(("tool", "subject"), [(CODEX, CODEX_RELEASE), (TTYD_TOOL, TTYD_RELEASE)], ids=["codex", "ttyd"])
@pytest.mark.parametrize(("default", "kept"), [("0.0.1", True), ("0.9.10", False), (VERSION, True)])
def test_the_default_version_does_not_replace_a_newer_release(
    tool: Tool, subject: ReleaseResource, default: str, kept: bool, home: Path, mirror: Mirror
) -> None:
    """A plain run after one with a version keeps it, unless it is older than the default."""
    installed = run(subject, sources=[mirror.url])
    plain = ReleaseResource(replace(tool, default_version=default))
    options = {**PARAMS, "sources": [mirror.url], "version": ""}
    if kept:
        again = converge(plain, options, QuickHost(), False, True)
        assert (again["changed"], again["version"], again["path"]) == (False, VERSION, installed["path"])
    else:
        with pytest.raises(OptioError, match=default):
            converge(plain, options, QuickHost(), False, True)


def test_a_checksum_is_for_the_default_version(home: Path, mirror: Mirror) -> None:
    run(CODEX_RELEASE, sources=[mirror.url])
    plain = ReleaseResource(replace(CODEX, default_version="0.0.1"))
    check = converge(plain, {**PARAMS, "sources": [mirror.url], "version": None, "checksum": checksum(ARCHIVE)}, QuickHost(), True, True)
    assert check["changed"] and check["version"] == "0.0.1"


@pytest.mark.parametrize(
    "link", ["releases/../../evil-x86_64-unknown-linux-musl/bin/codex", "releases/9.9.9-other/bin/codex", "/bin/sh", "x"]
)
def test_a_link_to_something_else_does_not_count(link: str, home: Path, mirror: Mirror) -> None:
    done = run(CODEX_RELEASE, sources=[mirror.url])
    Path(done["link"]).unlink()
    Path(done["link"]).symlink_to(link)
    plain = ReleaseResource(replace(CODEX, default_version=VERSION))
    again = converge(plain, {**PARAMS, "sources": [mirror.url], "version": None}, QuickHost(), False, True)
    assert again["version"] == VERSION and [action["kind"] for action in again["actions"]] == ["link"]
