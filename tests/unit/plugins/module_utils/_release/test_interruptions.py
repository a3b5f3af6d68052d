# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``kill -9`` and a full disk at every point of a run: what was current stays, the next run heals."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release.cache import Cache
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    TTYD_TARGET,
    VERSION,
    QuickHost,
    checksum,
    elf,
    npm_archive,
    package,
    snapshot,
    write_tree,
)

pytestmark = pytest.mark.slow

OLD = "0.1.1"
ARCHIVES = {version: npm_archive(package(version)) for version in (OLD, VERSION)}
MOST_POINTS = 500
#: what changes the filesystem or takes a lock: Python tells of these itself ...
AUDITED = {
    *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    *("os.truncate", "os.utime", "fcntl.flock", "fcntl.lockf"),
}
#: ... and a profiler of these, by the name of the C function
PROFILED = {"write", "writelines", "writev", "pwrite", "sendfile", "copy_file_range", "posix_fallocate", "fsync", "fdatasync"}


class NoWaitHost(QuickHost):
    """A host of which nobody else holds a lock."""

    def sleep(self, seconds: float) -> None:
        raise AssertionError("waits, although no other run is alive")


@dataclass
class CrashAt:
    """Kills its process, from whatever thread, before the change of that number."""

    point: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self._lock:
            self.point -= 1
            if self.point < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in AUDITED or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self.count()

    def profile(self, _frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in PROFILED:
            self.count()


def killed_at(point: int, act: Callable[[], object]) -> bool:
    """Run ``act`` in a process that dies before its change number ``point``; False when it ended before that."""
    child = os.fork()
    if child == 0:
        dying = CrashAt(point)
        try:
            sys.addaudithook(dying.audit)
            threading.setprofile(dying.profile)
            sys.setprofile(dying.profile)
            act()
            sys.setprofile(None)
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@dataclass
class Full:
    """A filesystem that has no room left from the change of that number on; what needs none still works."""

    root: Path
    point: int

    def count(self) -> None:
        self.point -= 1
        if self.point < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        target = arguments[1 if event == "os.symlink" else 0] if arguments else None
        creates = event in ("os.mkdir", "os.symlink") or (event == "open" and arguments[2] & os.O_CREAT)
        if creates and str(target).startswith(f"{self.root}/"):
            self.count()

    def profile(self, _frame: FrameType, event: str, function: Any) -> None:
        stream = getattr(function, "__self__", None)
        if event == "c_call" and function.__name__ == "write" and isinstance(stream, (io.FileIO, io.TextIOWrapper, io.BufferedWriter)):
            self.count()


def full_from(point: int, place: Place) -> bool:
    """Run where the disk is full from a point on; return whether that mattered, and then it was told by name."""
    child = os.fork()
    if child == 0:
        full = Full(place.root, point)
        sys.addaudithook(full.audit)
        sys.setprofile(full.profile)
        try:
            place.run()
        except OptioError as error:
            os._exit(2 if "no space left on device" in error.cause.lower() and str(place.root) in error.cause else 1)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 2), f"point {point}"
    return status == 2


@dataclass
class Place:
    """One home with a cache; its runs take releases from a directory."""

    root: Path
    mirror: Path
    scope: str = "user"

    @property
    def cache(self) -> Path:
        return self.root / "new/cache"

    def name(self, version: str) -> str:
        return f"{version}-{TARGET.name}"

    def params(self, version: str | None) -> dict[str, Any]:
        return {
            **PARAMS,
            "version": version,
            "scope": self.scope,
            "cache_dir": str(self.cache),
            "sources": [f"file://{self.mirror}"],
            "checksum": checksum(ARCHIVES[version]) if version else None,
        }

    def run(self, version: str | None = VERSION, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        return converge(CODEX_RELEASE, {**self.params(version), **options}, NoWaitHost(), check_mode, False)

    def clone(self, root: Path) -> Place:
        """Return a place with the same inodes: a file that was written to in place would change in both."""
        for directory, directories, names in os.walk(self.root):
            copy = root / Path(directory).relative_to(self.root)
            copy.mkdir(mode=os.stat(directory).st_mode & 0o777)
            for name in directories + names:
                if not (Path(directory, name).is_dir() and not Path(directory, name).is_symlink()):
                    os.link(Path(directory, name), copy / name, follow_symlinks=False)
        return Place(root, self.mirror, self.scope)

    def whole(self, version: str) -> bool:
        """Return whether the release is there to the last byte and permission."""
        tree = self.cache / "releases" / self.name(version)
        return all(
            (tree / path).is_file() and ((tree / path).read_bytes(), (tree / path).stat().st_mode & 0o777) == wanted
            for path, wanted in package(version).items()
        )

    def verified(self, version: str) -> bool:
        """Return whether a run would take the release as it is."""
        return "install" not in [action["kind"] for action in self.run(version, True)["actions"]]

    def current(self) -> str | None:
        """Return the version that the cache's link leads to, None when there is no link or it leads nowhere."""
        link = self.cache / "codex"
        return link.resolve().parents[1].name.partition("-")[0] if link.exists() else None

    def assert_clean(self, *versions: str) -> None:
        releases = {entry for version in versions for entry in (self.name(version), f"{self.name(version)}.manifest")}
        assert set(os.listdir(self.cache)) == {".lock", "codex", "releases"}
        assert set(os.listdir(self.cache / "releases")) == releases


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote: only a power cut would."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for version, archive in ARCHIVES.items():
        path = f"rust-v{version}/codex-npm-linux-{TARGET.asset}-{version}.tgz"
        write_tree(tmp_path / "mirror", {path: (archive, 0o644)})
    (tmp_path / "start").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "start"))
    return Place(tmp_path / "start", tmp_path / "mirror")


def walk(start: Place, act: Callable[[Place], object], check: Callable[[Place], None]) -> int:
    """Kill ``act`` at one point after the other, each time from a copy of ``start``; return the number of points."""
    for point in range(MOST_POINTS):
        place = start.clone(start.root.parent / f"{point}")
        killed = killed_at(point, lambda place=place: act(place))  # type: ignore[misc]
        try:
            check(place)
        except (AssertionError, OptioError) as error:
            raise AssertionError(f"killed at point {point}: {error}") from error
        if not killed:
            return point
    raise AssertionError(f"the run has more than {MOST_POINTS} points")


def healed(place: Place, *versions: str) -> None:
    """Run once more and look at all that there is then."""
    place.run()
    assert place.current() == VERSION
    assert place.whole(VERSION)
    place.assert_clean(*versions)
    assert place.run(check_mode=True)["changed"] is False


def test_in_an_empty_cache(place: Place) -> None:
    place.scope = "system"

    def install(place: Place) -> None:
        os.umask(0o077)
        place.run()

    def check(place: Place) -> None:
        assert place.whole(VERSION) or not place.verified(VERSION)
        assert place.current() is None or place.verified(VERSION)
        healed(place, VERSION)
        # whoever made them: the other users of the worker must be able to enter
        assert {path.stat().st_mode & 0o777 for path in place.root.rglob("*") if path.is_dir()} == {0o755}

    assert walk(place, install, check) > 40


def test_next_to_another_version(place: Place) -> None:
    place.run(OLD)

    def check(place: Place) -> None:
        assert place.whole(OLD) and place.verified(OLD)
        assert place.whole(VERSION) or not place.verified(VERSION)
        assert place.current() == OLD or (place.current() == VERSION and place.verified(VERSION))
        assert place.run(None, install=False)["version"] == place.current()
        going_back(place.clone(Path(f"{place.root}-back")))
        healed(place, OLD, VERSION)

    assert walk(place, Place.run, check) > 40


def scratch_of(place: Place) -> set[str]:
    patterns = (".scratch-*", ".optio-*", "releases/.optio-*")
    return {str(path) for pattern in patterns for path in place.cache.glob(pattern)}


def going_back(place: Place) -> None:
    """Want the earlier version again: nothing has to be done for it, but what the killed run left must go."""
    left = scratch_of(place)
    check_mode_result, done = place.run(OLD, True), place.run(OLD)
    assert check_mode_result["actions"] == done["actions"]
    assert {action["target"] for action in done["actions"] if action["kind"] == "remove"} == left
    assert scratch_of(place) == set()
    assert place.current() == OLD


@pytest.mark.parametrize("damage", ["changed", "no manifest"])
def test_repairing(place: Place, damage: str) -> None:
    place.run()
    tree = place.cache / "releases" / place.name(VERSION)
    if damage == "changed":
        write_tree(tree, {"bin/codex": (b"changed", 0o755)})
    else:
        Path(f"{tree}.manifest").unlink()

    def check(place: Place) -> None:
        assert place.current() == VERSION, "the link leads nowhere"
        assert place.whole(VERSION) or not place.verified(VERSION)
        healed(place, VERSION)

    assert walk(place, Place.run, check) > 40


def test_repairing_where_trees_cannot_be_exchanged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.optio.codex.plugins.module_utils._core.files.exchange", lambda one, other: False)
    place.run()
    write_tree(place.cache / "releases" / place.name(VERSION), {"bin/codex": (b"changed", 0o755)})

    def check(place: Place) -> None:
        assert place.whole(VERSION) or not place.verified(VERSION)
        healed(place, VERSION)

    assert walk(place, Place.run, check) > 40


def test_removal(place: Place) -> None:
    place.run(OLD)
    place.run()

    def remove(place: Place) -> dict[str, Any]:
        return place.run(state="absent")

    def check(place: Place) -> None:
        assert place.whole(OLD) and place.verified(OLD)
        assert place.current() is None or place.whole(VERSION)
        remove(place)
        assert set(os.listdir(place.cache)) == {".lock", "releases"}
        assert set(os.listdir(place.cache / "releases")) == {place.name(OLD), f"{place.name(OLD)}.manifest"}
        assert remove(place)["changed"] is False

    assert walk(place, remove, check) > 5


def test_scratch_of_a_live_run_is_kept(place: Place) -> None:
    place.run()
    cache = Cache(str(place.cache))
    with cache.locked(NoWaitHost()), cache.scratch() as scratch:
        assert place.run(check_mode=True)["changed"] is False
        os.rename(scratch, place.cache / ".scratch-0-dead")
        assert place.run(check_mode=True)["actions"] == [{"kind": "remove", "target": f"{place.cache}/.scratch-0-dead"}]


def test_who_may_not_write_is_not_stopped_by_what_another_run_left(place: Place) -> None:
    place.run()
    (place.cache / ".scratch-0-dead").mkdir()
    params = place.params(VERSION)
    observed = CODEX_RELEASE.observe(NoWaitHost(), params)
    assert CODEX_RELEASE.plan(observed, params)
    assert not CODEX_RELEASE.plan(replace(observed, writable=False), params)


def test_a_single_executable(place: Place) -> None:
    data = elf(TTYD_TARGET, b"ttyd" * 1000)
    write_tree(place.mirror, {f"{VERSION}/ttyd.{TTYD_TARGET.asset}": (data, 0o644)})
    place.run(OLD)

    def install(place: Place) -> dict[str, Any]:
        params = {**place.params(None), "version": VERSION, "checksum": checksum(data)}
        return converge(TTYD_RELEASE, params, NoWaitHost(), False, False)

    def check(place: Place) -> None:
        link = place.cache / "ttyd"
        assert not os.path.lexists(link) or link.read_bytes() == data
        assert place.whole(OLD) and place.verified(OLD) and place.current() == OLD
        install(place)
        assert link.read_bytes() == data
        assert set(os.listdir(place.cache)) == {".lock", "codex", "releases", "ttyd"}
        assert install(place)["changed"] is False

    assert walk(place, install, check) > 15


@pytest.mark.parametrize("state", ["empty", "another", "damaged"])
def test_a_disk_that_is_full(place: Place, state: str) -> None:
    if state == "another":
        place.run(OLD)
    elif state == "damaged":
        place.run()
        write_tree(place.cache / "releases" / place.name(VERSION), {"bin/codex": (b"changed", 0o755)})
        # so that there is something left to do for each step
        (place.cache / "codex").unlink()
    for point in range(MOST_POINTS):
        trial = place.clone(place.root.parent / f"{point}")
        before = snapshot(trial.root)
        if not full_from(point, trial):
            break
        after = snapshot(trial.root)
        manifest = f"new/cache/releases/{place.name(VERSION)}.manifest"
        if state == "damaged" and after[manifest] != before[manifest]:
            # to write the old one again there was no room; of a damaged tree it says as little
            assert not trial.verified(VERSION)
            after[manifest] = before[manifest]
        assert after == before, point
        healed(trial, VERSION, *((OLD,) if state == "another" else ()))
    assert point > 15
