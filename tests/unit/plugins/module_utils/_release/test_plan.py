# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was seen and what is wanted to the actions, without touching anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.mounts import Mount
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE, ReleaseResource
from ansible_collections.optio.codex.plugins.module_utils._release.probe import Installation, Observed
from ansible_collections.optio.codex.tests.unit.support.release_builders import PARAMS
from ansible_collections.optio.codex.tests.unit.support.release_plans import CACHE, STATE, bare, planned, release_of, right

OTHER = "sha256:" + "a" * 64
CHANGED = {
    "size": replace(STATE, size=99),
    "mtime": replace(STATE, mtime=99),
    "inode": replace(STATE, inode=99),
    "mode": replace(STATE, mode="644"),
}
#: each tool on each machine it is published for
TOOLS = [
    (subject, platform)
    for subject in (CODEX_RELEASE, TTYD_RELEASE)
    for platform in ("Linux x86_64", "Linux aarch64", "Linux armv7l")
    if platform in subject.tool.platforms
]


def changes(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Return kind, target below the cache, before and after of each action."""
    for action in plan.actions:
        assert action.target.startswith(f"{CACHE}/")
    return [(one.kind, one.target[len(CACHE) + 1 :], one.before, one.after) for one in plan.actions]


@dataclass(frozen=True)
class Case:
    """A way in which a worker differs from the right one, and what mends it."""

    name: str
    differs: dict[str, Any]
    kinds: Sequence[str]
    before: Sequence[str] = ()


def manifest_with(observed: Observed, **values: Any) -> dict[str, Any]:
    assert observed.manifest is not None
    return {"manifest": replace(observed.manifest, **values)}


def cases(subject: ReleaseResource, platform: str) -> list[Case]:
    good = right(subject, platform)
    assert good.manifest is not None
    entrypoint = subject.tool.entrypoint
    found = [
        Case("right", {}, []),
        Case("extra files", {"files": {**good.files, "extra": STATE}}, []),
        Case("no link", {"link": None}, ["link"], ["absent"]),
        Case("a link elsewhere", {"link": "releases/other/bin"}, ["link"], ["releases/other/bin"]),
        Case("an absolute link", {"link": f"{CACHE}/{good.link}"}, ["link"], [f"{CACHE}/{good.link}"]),
        Case("a file", {"link": None, "link_kind": "file"}, ["link"], ["file"]),
        Case("no tree", {"tree": False, "files": {}}, ["install"], ["absent"]),
        Case("no manifest", {"record": False, "manifest": None}, ["install"], ["damaged: it has no manifest"]),
        Case("bad manifest", {"manifest": None}, ["install"], ["damaged: its manifest is not readable"]),
        Case("empty tree", {"files": {}}, ["install"], [f"damaged: {entrypoint} is missing"]),
        Case("bare", {"tree": False, "record": False, "manifest": None, "files": {}, "link": None}, ["install", "link"]),
        Case(
            "another release's manifest",
            manifest_with(good, version="0.0.1"),
            ["install"],
            [f"damaged: its manifest is that of 0.0.1 for {release_of(subject, platform).target.name}"],
        ),
        Case(
            "other bytes",
            manifest_with(good, sha256="b" * 64),
            ["install"],
            [f"damaged: its download had sha256:{'b' * 64}"],
        ),
    ]
    executable = Case(
        "another executable",
        manifest_with(good, digests={**good.manifest.digests, entrypoint: "c" * 64}),
        ["install"],
        [f"damaged: its {entrypoint} had sha256:{'c' * 64}"],
    )
    found.append(executable)
    for name, changed in CHANGED.items():
        text = f"damaged: {entrypoint} has {name} {getattr(changed, name)}, verified was {getattr(STATE, name)}"
        found.append(Case(f"changed {name}", {"files": {**good.files, entrypoint: changed}}, ["install"], [text]))
    return found


@pytest.mark.parametrize(
    ("subject", "platform", "case"),
    [
        pytest.param(subject, platform, case, id=f"{subject.tool.name}-{platform[6:]}-{case.name}")
        for subject, platform in TOOLS
        for case in cases(subject, platform)
    ],
)
def test_plan_for_each_difference(subject: ReleaseResource, platform: str, case: Case) -> None:
    release = release_of(subject, platform)
    plan = planned(subject, replace(right(subject, platform), **case.differs))
    assert [action.kind for action in plan.actions] == case.kinds
    if case.before:
        assert [action.before for action in plan.actions] == case.before
    expected = release.expected(None)
    after = {
        "install": (f"releases/{release.directory}", f"{release.title}, sha256:{expected.sha256}"),
        "link": (subject.tool.name, f"releases/{release.directory}/{subject.tool.entrypoint}"),
    }
    for kind, target, _before, text in changes(plan):
        assert (target, text) == after[kind]
    assert plan.result == {
        "version": release.version,
        "path": f"{CACHE}/releases/{release.directory}/{subject.tool.entrypoint}",
        "link": f"{CACHE}/{subject.tool.name}",
        "cache_dir": CACHE,
        "source": "unknown" if "install" in case.kinds else "https://mirror.example/file",
        "checksum": f"sha256:{expected.sha256}",
        "verified_by": "table",
        "platform": release.target.name,
    }


def test_another_version_is_installed_next_to_the_first() -> None:
    seen = replace(bare("Linux x86_64"), link=right(CODEX_RELEASE, "Linux x86_64").link)
    assert changes(planned(CODEX_RELEASE, seen, version="0.142.5")) == [
        (
            "install",
            "releases/0.142.5-x86_64-unknown-linux-musl",
            "absent",
            "codex 0.142.5 for x86_64-unknown-linux-musl, sha256:a03e3116cb0909aebb033e39cd4018b3a1daf9d489631939b6163ffa907ade47",
        ),
        (
            "link",
            "codex",
            "releases/0.171.0-x86_64-unknown-linux-musl/bin/codex",
            "releases/0.142.5-x86_64-unknown-linux-musl/bin/codex",
        ),
    ]


def test_a_checksum_takes_the_place_of_the_known_digest() -> None:
    good = right(TTYD_RELEASE, "Linux x86_64")
    assert [action.kind for action in planned(TTYD_RELEASE, good, checksum=OTHER).actions] == ["install"]
    own = replace(good, **manifest_with(good, sha256="a" * 64))
    assert not planned(TTYD_RELEASE, own, checksum=OTHER.upper().replace("SHA", "sha"))


@pytest.mark.parametrize("verified", ["contents", "programs"])
def test_a_release_is_identified_by_its_contents(verified: str) -> None:
    good = right(CODEX_RELEASE, "Linux x86_64")
    release = release_of(CODEX_RELEASE, "Linux x86_64")
    assert release.known is not None
    sha256 = {"contents": release.known.tree, "programs": release.known.programs["bin/codex"]}[verified]
    copied = replace(good, **manifest_with(good, verified=verified, sha256=sha256))
    assert not planned(CODEX_RELEASE, copied)
    assert not planned(CODEX_RELEASE, copied, archive="package")
    assert not planned(CODEX_RELEASE, copied, checksum=f"sha256:{release.expected(None).sha256}")
    # of other bytes than the known ones it proves nothing
    assert planned(CODEX_RELEASE, copied, checksum=OTHER)
    other = replace(good, **manifest_with(good, verified="contents", sha256="b" * 64))
    assert planned(CODEX_RELEASE, other).actions[0].before == f"damaged: its contents had sha256:{'b' * 64}"


def executable_alone() -> Observed:
    """Return a worker that holds codex without its package, known by its executable."""
    good = right(CODEX_RELEASE, "Linux x86_64")
    known = release_of(CODEX_RELEASE, "Linux x86_64").known
    assert known is not None
    digests = {"bin/codex": known.programs["bin/codex"]}
    files = {"bin/codex": STATE}
    return replace(good, files=files, **manifest_with(good, verified="executable", files=files, digests=digests))


@pytest.mark.parametrize(
    ("subject", "changes"), [(CODEX_RELEASE, "its questions, screens, rollouts and sandbox"), (TTYD_RELEASE, "its pages and options")]
)
def test_only_a_version_that_was_not_tested_is_warned_of(subject: ReleaseResource, changes: str) -> None:
    tested = ", ".join(subject.tool.table)
    for version in (None, *subject.tool.table):
        assert planned(subject, bare("Linux x86_64"), version=version).warnings == ()
    assert planned(subject, bare("Linux x86_64"), version="9.9.9", checksum=OTHER).warnings == (
        f"{subject.tool.name} 9.9.9 was not tested with this collection, so {changes} may have changed. Tested versions: {tested}.",
    )


def test_an_executable_alone_counts_only_where_it_is_allowed_and_is_warned_of() -> None:
    plan = planned(CODEX_RELEASE, executable_alone())
    assert plan.actions[0].before == "damaged: it is the executable alone, without the package of the release"
    assert plan.warnings == ()
    allowed = planned(CODEX_RELEASE, executable_alone(), archive="binary", allow_bare=True)
    assert not allowed
    assert "sandboxed commands fail unless the worker has a bwrap" in allowed.warnings[0]
    # a whole one will do as well, and needs no warning
    whole = planned(CODEX_RELEASE, right(CODEX_RELEASE, "Linux x86_64"), archive="binary", allow_bare=True)
    assert not whole and whole.warnings == ()
    coming = planned(CODEX_RELEASE, bare("Linux x86_64"), archive="binary", allow_bare=True)
    assert coming.warnings == allowed.warnings
    assert planned(CODEX_RELEASE, bare("Linux x86_64"), archive="binary").warnings == ()


def test_a_program_that_is_missing_makes_a_package_incomplete() -> None:
    good = right(CODEX_RELEASE, "Linux x86_64")
    assert good.manifest is not None
    digests = {path: digest for path, digest in good.manifest.digests.items() if path != "codex-resources/bwrap"}
    lacking = replace(good, **manifest_with(good, digests=digests))
    assert planned(CODEX_RELEASE, lacking).actions[0].before == "damaged: it lacks codex-resources/bwrap"


def test_an_archive_without_a_digest_is_verified_by_its_files() -> None:
    plan = planned(CODEX_RELEASE, bare("Linux x86_64"), archive="package")
    assert plan.actions[0].after == "codex 0.171.0 for x86_64-unknown-linux-musl, verified by its files"
    assert plan.result["checksum"] is None


def test_verifying() -> None:
    good = right(CODEX_RELEASE, "Linux x86_64")
    assert good.manifest is not None
    digests = dict(good.manifest.digests)
    assert not planned(CODEX_RELEASE, replace(good, digests=digests), verify=True)
    assert not planned(CODEX_RELEASE, good, verify=False)
    changed = replace(good, digests={**digests, "bin/codex": "e" * 64})
    assert [action.kind for action in planned(CODEX_RELEASE, changed, verify=True).actions] == ["install"]
    assert planned(CODEX_RELEASE, replace(good, digests={}), verify=True).actions[0].before.startswith("damaged: ")
    with pytest.raises(OptioError, match="sha256sum is missing on the worker"):
        planned(CODEX_RELEASE, replace(good, digests=None), verify=True)


X86 = "x86_64-unknown-linux-musl"


@pytest.mark.parametrize(
    ("keep", "held", "removed"),
    [
        (None, [], []),
        (9, [], []),
        (3, [], []),
        (2, [], ["0.140.0"]),
        (1, [], ["0.140.0", "0.150.0"]),
        (0, [], ["0.140.0", "0.142.5", "0.150.0"]),
        (0, ["0.150.0"], ["0.140.0", "0.142.5"]),
        (1, ["0.140.0"], ["0.150.0"]),
        (0, ["0.140.0", "0.150.0", "0.142.5"], []),
    ],
)
def test_keeping(keep: int | None, held: list[str], removed: list[str]) -> None:
    times = {"0.140.0": 10, "0.150.0": 20, "0.142.5": 30, "0.171.0": 5}
    releases = {f"{version}-{X86}{suffix}": time for version, time in times.items() for suffix in ("", ".manifest")}
    # what is not codex for this platform is nobody's business
    releases.update({"ttyd-1.7.7-x86_64": 1, "0.1.0-aarch64-unknown-linux-musl": 1, f"notes-{X86}.txt": 1, "other": 1})
    held_names = frozenset(f"{version}-{X86}" for version in held)
    seen = replace(right(CODEX_RELEASE, "Linux x86_64"), releases=releases, held=held_names)
    plan = planned(CODEX_RELEASE, seen, keep_releases=keep)
    wanted = [f"releases/{version}-{X86}{suffix}" for version in removed for suffix in ("", ".manifest")]
    assert [(kind, target) for kind, target, _before, _after in changes(plan)] == [("remove", target) for target in wanted]


def test_an_upgrade_that_keeps_one_other() -> None:
    there = right(CODEX_RELEASE, "Linux x86_64", "0.142.5")
    releases = {f"0.140.0-{X86}": 10, f"0.142.5-{X86}": 20, f"0.142.5-{X86}.manifest": 20}
    seen = replace(there, tree=False, record=False, manifest=None, files={}, releases=releases)
    assert [(kind, target) for kind, target, _before, _after in changes(planned(CODEX_RELEASE, seen, keep_releases=1))] == [
        ("install", f"releases/0.171.0-{X86}"),
        ("link", "codex"),
        ("remove", f"releases/0.140.0-{X86}"),
    ]


def test_an_unknown_version_needs_a_checksum_only_to_be_installed() -> None:
    for subject, options in (
        (TTYD_RELEASE, {}),
        (CODEX_RELEASE, {"offline": True}),
        (CODEX_RELEASE, {"archive": "package", "sources": ["host"]}),
    ):
        with pytest.raises(OptioError, match="Set checksum to sha256"):
            planned(subject, bare("Linux x86_64"), version="9.9.9", **options)
    # a registry states it
    assert planned(CODEX_RELEASE, bare("Linux x86_64"), version="9.9.9").result["verified_by"] == "unknown"
    assert planned(CODEX_RELEASE, bare("Linux x86_64"), version="9.9.9", checksum=OTHER)
    there = right(CODEX_RELEASE, "Linux x86_64")
    link = "releases/9.9.9-x86_64-unknown-linux-musl/bin/codex"
    there = replace(there, link=link, **manifest_with(there, version="9.9.9"))
    assert not planned(CODEX_RELEASE, there, version="9.9.9")


def test_the_source_is_predicted_where_there_is_one() -> None:
    seen = bare("Linux x86_64")
    assert planned(CODEX_RELEASE, seen, sources=["npm"]).result["source"] == "unknown"
    plan = planned(TTYD_RELEASE, seen, sources=["https://u:p@mirror.example/ttyd"])
    assert plan.result["source"] == "https://mirror.example/ttyd/1.7.7/ttyd.x86_64"
    assert planned(TTYD_RELEASE, seen, sources=["host"]).result["source"] == "host"


def test_a_directory_in_the_links_place_is_left_alone() -> None:
    seen = replace(right(CODEX_RELEASE, "Linux x86_64"), link=None, link_kind="directory")
    with pytest.raises(OptioError, match="is a directory, but must be a link to codex"):
        planned(CODEX_RELEASE, seen)


READ_ONLY = Mount("/home", "ext4", read_only=True)
NOEXEC = Mount("/home", "ext4", noexec=True)


@pytest.mark.parametrize(
    ("differs", "cause", "remedy"),
    [
        (
            {"mount": READ_ONLY},
            "is on a filesystem that is mounted read-only at /home",
            "Remount it read-write (mount -o remount,rw /home), or",
        ),
        ({"mount": READ_ONLY, "root": True}, "is on a filesystem that is mounted read-only at /home", "Remount it read-write"),
        ({"root": True}, "is not writable, not even by root", "Check its mount and attributes (NFS with root_squash, lsattr), or"),
    ],
)
def test_become_is_only_a_remedy_for_users(differs: dict[str, Any], cause: str, remedy: str) -> None:
    seen = replace(bare("Linux x86_64"), writable=False, **differs)
    (unmet,) = CODEX_RELEASE.unmet_requirements(seen, PARAMS, CODEX_RELEASE.plan(seen, PARAMS))
    assert unmet.cause == f"cache {CACHE} {cause}"
    assert unmet.remedy.startswith(remedy)
    assert "set cache_dir to a directory" in unmet.remedy
    assert "become" not in unmet.remedy


@pytest.mark.parametrize(("subject", "platform"), TOOLS)
def test_a_cache_with_noexec(subject: ReleaseResource, platform: str) -> None:
    remedy = "Remount it with exec (mount -o remount,exec /home), or set cache_dir to a directory on another filesystem"
    seen = replace(bare(platform), mount=NOEXEC)
    for state, count in (("present", 1), ("absent", 0)):
        params = {**PARAMS, "state": state}
        unmet = subject.unmet_requirements(seen, params, replace(subject.plan(seen, params), actions=(Action("install", CACHE),)))
        assert [str(one) for one in unmet] == [
            f"programs in cache {CACHE} cannot be executed: /home is mounted with noexec. {remedy}.",
        ][:count]
    # what was installed before
    seen = replace(right(subject, platform), mount=NOEXEC)
    path = f"{CACHE}/releases/{release_of(subject, platform).directory}/{subject.tool.entrypoint}"
    for options in ({}, {"install": False, "version": subject.tool.default_version}):
        with pytest.raises(OptioError) as error:
            planned(subject, seen, **options)
        assert str(error.value) == f"{path} cannot be executed: /home is mounted with noexec. {remedy}."
    assert planned(subject, seen, state="absent").actions_of_kind("remove")
    assert not planned(subject, replace(seen, mount=READ_ONLY))


@pytest.mark.parametrize(
    ("differs", "message"),
    [
        ({"mount": NOEXEC}, r"/opt/codex cannot be executed: /home is mounted with noexec. .*, or install codex on another filesystem."),
        (
            {"elf": (2, 183)},
            "/opt/codex cannot be executed: it is built for aarch64, but the worker is x86_64.",
        ),
    ],
)
def test_a_program_that_is_found_and_cannot_run(differs: dict[str, Any], message: str) -> None:
    found = Installation("host", "/opt/codex", "/opt/codex", "")
    runs = replace(bare("Linux x86_64"), found=(replace(found, elf=(2, 62)),))
    assert planned(CODEX_RELEASE, runs, install=False).result["path"] == "/opt/codex"
    seen = replace(bare("Linux x86_64"), found=(replace(found, **differs),))
    with pytest.raises(OptioError, match=message):
        planned(CODEX_RELEASE, seen, install=False)


@pytest.mark.parametrize(("state", "platform"), [("present", "Linux riscv64"), ("absent", "Darwin arm64")])
def test_an_unsupported_platform(state: str, platform: str) -> None:
    with pytest.raises(OptioError, match="upstream publishes codex only for"):
        planned(CODEX_RELEASE, bare(platform), state=state)


def test_a_cache_that_cannot_be_written() -> None:
    seen = replace(bare("Linux x86_64"), writable=False)
    params = {**PARAMS, "scope": "system"}
    plan = CODEX_RELEASE.plan(seen, params)
    assert [str(one) for one in CODEX_RELEASE.unmet_requirements(seen, params, plan)] == [
        f"cache {CACHE} is not writable by the user that runs the task. "
        "Set become: true, or set cache_dir to a directory that this user can write."
    ]
    good = replace(right(CODEX_RELEASE, "Linux x86_64"), writable=False)
    assert CODEX_RELEASE.unmet_requirements(good, params, CODEX_RELEASE.plan(good, params)) == []


@pytest.mark.parametrize(
    ("differs", "targets"),
    [
        ({}, ["codex", "releases/{}", "releases/{}.manifest"]),
        ({"link": None}, ["releases/{}", "releases/{}.manifest"]),
        ({"link": "releases/0.1.0-x/bin/codex"}, ["releases/{}", "releases/{}.manifest"]),
        ({"tree": False}, ["codex", "releases/{}.manifest"]),
        ({"record": False, "manifest": None}, ["codex", "releases/{}"]),
        ({"record": False, "manifest": None, "tree": False}, ["codex"]),
        ({"record": False, "manifest": None, "tree": False, "link": None}, []),
    ],
)
def test_removing(differs: dict[str, Any], targets: list[str]) -> None:
    name = release_of(CODEX_RELEASE, "Linux x86_64").directory
    plan = planned(CODEX_RELEASE, replace(right(CODEX_RELEASE, "Linux x86_64"), **differs), state="absent")
    assert [target for _kind, target, _before, _after in changes(plan)] == [text.format(name) for text in targets]
    assert {(action.kind, action.after) for action in plan.actions} <= {("remove", "absent")}
