# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of a cache, under each shell, and what its answers mean."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.mounts import Mount, mount_of
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._release.cache import Cache
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, TTYD, Tool
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import FileState, ReleaseManifest, survey
from ansible_collections.optio.codex.plugins.module_utils._release.probe import (
    Installation,
    Observed,
    ProbeRequest,
    host_script,
    observe,
    script,
)
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.mount_namespaces import needs_mounts
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    CODEX_RELEASE,
    PLATFORM,
    TARGET,
    VERSION,
    package,
    write_tree,
)

QUESTIONS = {
    "user": ProbeRequest(VERSION, "user"),
    "system": ProbeRequest(VERSION, "system"),
    "cache_dir": ProbeRequest(VERSION, "user", cache_dir="~/it's here"),
    "directory": ProbeRequest("", "user", directory="/opt/it's here", resolve=True),
    "resolve": ProbeRequest("", "user", resolve=True),
    "resolve a version": ProbeRequest(VERSION, "user", resolve=True),
    "digests": ProbeRequest(VERSION, "user", digests=True),
    "others": ProbeRequest(VERSION, "user", others=True),
}


@pytest.fixture(params=shells.SHELLS)
def interpreter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def look(
    interpreter: str,
    home: Path,
    question: ProbeRequest,
    environment: Mapping[str, str] | None = None,
    tool: Tool = CODEX,
    prefix: Sequence[str] = (),
) -> Observed:
    variables = {"HOME": str(home), "PATH": os.environ["PATH"], **(environment or {})}
    return observe(parse(shells.run(interpreter, script(tool, question), environment=variables, prefix=prefix)), question)


def fill(cache: Cache) -> ReleaseManifest:
    tree = Path(cache.tree(CODEX_RELEASE.directory))
    write_tree(tree, package())
    manifest = ReleaseManifest(VERSION, TARGET.name, "bin/codex", "download", "0" * 64, "host", *survey(str(tree)))
    Path(cache.manifest(CODEX_RELEASE.directory)).write_text(manifest.render())
    os.symlink(cache.link_target(CODEX_RELEASE.directory, "bin/codex"), cache.link("codex"))
    return manifest


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("tool", [CODEX, TTYD], ids=lambda tool: tool.name)
def test_shellcheck_is_content(tool: Tool, name: str) -> None:
    shells.shellcheck(script(tool, QUESTIONS[name]))


def test_shellcheck_is_content_with_the_search() -> None:
    shells.shellcheck(host_script(CODEX))


def test_a_bare_worker(interpreter: str, tmp_path: Path) -> None:
    path = f"{tmp_path}/.cache/optio-codex/bin"
    expected = Observed(PLATFORM, Cache(path), version=VERSION, home=str(tmp_path), writable=True)
    assert look(interpreter, tmp_path, QUESTIONS["user"]) == expected
    assert os.listdir(tmp_path) == []


def test_a_right_worker(interpreter: str, tmp_path: Path) -> None:
    cache = Cache(f"{tmp_path}/.cache/optio-codex/bin")
    manifest = fill(cache)
    seen = look(interpreter, tmp_path, QUESTIONS["user"])
    assert seen.manifest == manifest
    assert seen.files == manifest.files
    assert seen.manifest.damage(seen.files) is None
    assert (seen.tree, seen.record, seen.link) == (True, True, f"releases/{CODEX_RELEASE.directory}/bin/codex")


def test_digests_are_those_of_the_manifest(interpreter: str, tmp_path: Path) -> None:
    manifest = fill(Cache(f"{tmp_path}/.cache/optio-codex/bin"))
    seen = look(interpreter, tmp_path, QUESTIONS["digests"])
    assert seen.digests == manifest.digests
    # dash and busybox have no such command of their own
    without = look(interpreter, tmp_path, QUESTIONS["digests"], {"PATH": str(tools_without(tmp_path, "sha256sum"))})
    assert without.digests is None


def tools_without(directory: Path, missing: str) -> Path:
    """Return a directory with all tools of /usr/bin but one."""
    tools = directory / "tools"
    tools.mkdir()
    for tool in Path("/usr/bin").iterdir():
        if tool.name not in (missing, "busybox"):
            (tools / tool.name).symlink_to(tool)
    return tools


def test_what_else_there_is_and_who_holds_it(interpreter: str, tmp_path: Path) -> None:
    cache = Cache(f"{tmp_path}/.cache/optio-codex/bin")
    fill(cache)
    held = {"held by a session", "held by a session of the package", "held by a copy of a record"}
    idle = {"held by a link", "of a session without a record"}
    for name in (*held, *idle):
        (Path(cache.releases) / name / "bin").mkdir(parents=True)
    for number, workdir in enumerate((f"{tmp_path}/own", f"{tmp_path}/given")):
        record = tmp_path / f"data/optio-codex/{number}/session"
        record.parent.mkdir(parents=True)
        record.write_text(f"name={number}\nworkdir={workdir}\n")
    copy = tmp_path / "data/optio-codex/.records/2/record"
    copy.parent.mkdir(parents=True)
    copy.write_text("name=2\n")
    for home, release in (
        ("data/optio-codex/0", "held by a session"),
        ("given", "held by a session of the package"),
        ("data/optio-codex/2", "held by a copy of a record"),
        ("data/optio-codex/3", "of a session without a record"),
    ):
        link = tmp_path / home / "home/.local/bin/codex"
        link.parent.mkdir(parents=True)
        link.symlink_to(f"{cache.releases}/{release}/bin/codex")
    seen = look(interpreter, tmp_path, QUESTIONS["others"], {"XDG_DATA_HOME": f"{tmp_path}/data"})
    assert set(seen.releases) == {
        CODEX_RELEASE.directory,
        f"{CODEX_RELEASE.directory}.manifest",
        *idle,
        *held,
    }
    assert seen.releases[CODEX_RELEASE.directory] == int(os.stat(cache.tree(CODEX_RELEASE.directory)).st_mtime)
    assert seen.held == held
    assert look(interpreter, tmp_path, QUESTIONS["user"]).held == frozenset()


def test_busybox_tools_answer_alike(tmp_path: Path) -> None:
    manifest = fill(Cache(f"{tmp_path}/.cache/optio-codex/bin"))
    program = shells.command("busybox")[0]
    for applet in ("find", "id", "readlink", "sed", "stat", "timeout", "uname"):
        os.symlink(program, tmp_path / applet)
    write_tree(tmp_path, {".profile": (NOISE.encode(), 0o644)})
    variables = {"PATH": str(tmp_path)}
    assert look("busybox", tmp_path, QUESTIONS["user"], variables).files == manifest.files
    assert look("busybox", tmp_path, QUESTIONS["resolve a version"], variables).found[0].version == VERSION


def test_a_changed_file_is_seen(interpreter: str, tmp_path: Path) -> None:
    cache = Cache(f"{tmp_path}/.cache/optio-codex/bin")
    fill(cache)
    changed = Path(cache.tree(CODEX_RELEASE.directory), "codex-resources/bwrap")
    changed.unlink()
    seen = look(interpreter, tmp_path, QUESTIONS["user"])
    assert seen.manifest is not None
    assert seen.manifest.damage(seen.files) == "codex-resources/bwrap is missing"


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({}, "{home}/.cache/optio-codex/bin"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/optio-codex/bin"),
        ({"XDG_CACHE_HOME": ""}, "{home}/.cache/optio-codex/bin"),
        ({"OPTIO_CODEX_CACHE_DIR": "/own//"}, "/own"),
        ({"OPTIO_CODEX_CACHE_DIR": "~/own/", "XDG_CACHE_HOME": "/xdg"}, "{home}/own"),
    ],
)
def test_where_a_users_cache_is(interpreter: str, tmp_path: Path, environment: dict[str, str], cache: str) -> None:
    seen = look(interpreter, tmp_path, QUESTIONS["user"], environment)
    assert seen.cache == Cache(cache.format(home=tmp_path))


def test_other_caches(interpreter: str, tmp_path: Path) -> None:
    environment = {"OPTIO_CODEX_CACHE_DIR": "/never"}
    assert look(interpreter, tmp_path, QUESTIONS["cache_dir"], environment).cache.path == f"{tmp_path}/it's here"
    assert look(interpreter, tmp_path, QUESTIONS["system"], environment).cache == Cache("/var/cache/optio-codex/bin", shared=True)


@pytest.mark.parametrize(
    "environment",
    [{"OPTIO_CODEX_CACHE_DIR": "relative"}, {"OPTIO_CODEX_CACHE_DIR": "~other/x"}, {"XDG_CACHE_HOME": "x"}, {"HOME": ""}],
)
def test_a_cache_that_is_nowhere(interpreter: str, tmp_path: Path, environment: dict[str, str]) -> None:
    with pytest.raises(OptioError, match=r"cache directory .* is relative: HOME"):
        look(interpreter, tmp_path, QUESTIONS["user"], environment)


@pytest.mark.parametrize(("kind", "seen"), [("file", "file"), ("directory", "directory")])
def test_other_files_in_place_of_the_link(interpreter: str, tmp_path: Path, kind: str, seen: str) -> None:
    cache = tmp_path / "it's here"
    if kind == "file":
        write_tree(cache, {"codex": (b"", 0o755)})
    else:
        (cache / "codex").mkdir(parents=True)
    found = look(interpreter, tmp_path, QUESTIONS["cache_dir"])
    assert (found.link, found.link_kind) == (None, seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_cache_of_another_user(interpreter: str, open_path: Path) -> None:
    question = ProbeRequest(VERSION, "user", cache_dir=f"{open_path}/a/b")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    variables = {"HOME": "/", "PATH": os.environ["PATH"]}
    text = shells.run(interpreter, script(CODEX, question), environment=variables, prefix=as_nobody)
    assert observe(parse(text), question).writable is False
    open_path.chmod(0o777)
    text = shells.run(interpreter, script(CODEX, question), environment=variables, prefix=as_nobody)
    assert observe(parse(text), question).writable is True


def test_an_explicit_directory(interpreter: str, tmp_path: Path) -> None:
    question = ProbeRequest("", "user", directory="~/bin/", resolve=True)
    seen = look(interpreter, tmp_path, question)
    assert (seen.directory, seen.directory_present, seen.command_present) == (f"{tmp_path}/bin", False, False)
    write_tree(tmp_path, {"bin/codex": (b"", 0o644), "onpath/codex": (b"", 0o755)})
    # the PATH is never searched for it
    path = {"PATH": f"{tmp_path}/onpath:{os.environ['PATH']}"}
    seen = look(interpreter, tmp_path, question, path)
    assert (seen.directory_present, seen.command_present, seen.found) == (True, True, ())
    (tmp_path / "bin/codex").chmod(0o755)
    command = f"{tmp_path}/bin/codex"
    assert look(interpreter, tmp_path, question).found == (Installation("directory", command, command, ""),)


@needs_mounts
@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_mounts_that_stop_programs(interpreter: str, tmp_path: Path, option: str) -> None:
    cache = Cache(f"{tmp_path}/.cache/optio-codex/bin")
    fill(cache)
    write_tree(tmp_path, package())
    prefix = (
        "unshare",
        "-m",
        "sh",
        "-c",
        f'mount --bind {tmp_path} {tmp_path} && mount -o remount,bind,{option} {tmp_path} && exec "$0" "$@"',
    )
    mount = Mount(str(tmp_path), mount_of_path(tmp_path), read_only=option == "ro", noexec=option == "noexec")
    seen = look(interpreter, tmp_path, QUESTIONS["user"], prefix=prefix)
    assert (seen.mount, seen.writable) == (mount, option == "noexec")
    assert seen.manifest is not None
    assert look(interpreter, tmp_path, QUESTIONS["resolve a version"], prefix=prefix).mount == mount
    # shells differ in what they find executable there
    for question in (QUESTIONS["resolve"], ProbeRequest("", "user", directory="~/bin", resolve=True)):
        (found,) = look(interpreter, tmp_path, question, prefix=prefix).found
        assert (found.mount, found.elf) == (mount, TARGET.elf)
    assert look(interpreter, tmp_path, QUESTIONS["user"]).mount is None


def mount_of_path(path: Path) -> str:
    mount = mount_of(str(path))
    assert mount is not None
    return mount.type


def test_a_head_that_is_odd() -> None:
    with pytest.raises(ProbeError, match="od printed 'xy'"):
        observe(parse("optio-probe-begin\nplatform=Linux x86_64\n@found\nhead=xy\noptio-probe-end\n"), QUESTIONS["directory"])


NOISE = "echo welcome; echo /usr/bin/welcome; echo optio-begin; echo /noise; codex() { :; }; unset -f codex\n"


def test_the_login_shell_is_asked_through_its_noise(interpreter: str, tmp_path: Path) -> None:
    write_tree(tmp_path, package() | {".profile": (f"{NOISE}PATH={tmp_path}/bin:$PATH\n".encode(), 0o644)})
    seen = look(interpreter, tmp_path, QUESTIONS["resolve"])
    command = f"{tmp_path}/bin/codex"
    assert seen.found == (Installation("host", command, os.path.realpath(command), VERSION),)


def test_an_alias_is_not_a_path(interpreter: str, tmp_path: Path) -> None:
    write_tree(tmp_path, {".profile": (f"{NOISE}codex() {{ echo /usr/bin/nothing; }}\n".encode(), 0o644)})
    assert look(interpreter, tmp_path, QUESTIONS["resolve"]).found == ()


def test_the_cache_comes_before_the_login_shell(interpreter: str, tmp_path: Path) -> None:
    cache = Cache(f"{tmp_path}/.cache/optio-codex/bin")
    fill(cache)
    write_tree(tmp_path, {".profile": (b"echo asked >$HOME/asked\n", 0o644)})
    real = f"{cache.tree(CODEX_RELEASE.directory)}/bin/codex"
    seen = look(interpreter, tmp_path, QUESTIONS["resolve"])
    assert seen.found == (Installation("cache", cache.link("codex"), os.path.realpath(real), VERSION),)
    assert not (tmp_path / "asked").exists()


def test_the_version_of_an_npm_installation(interpreter: str, tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "lib/node_modules/@openai/codex/bin/codex.js": (b"#!/usr/bin/env node\n", 0o755),
            "lib/node_modules/@openai/codex/package.json": (b'{\n  "name": "x",\n  "version": "0.142.5"\n}\n', 0o644),
            "bin/placeholder": (b"", 0o644),
        },
    )
    os.symlink("../lib/node_modules/@openai/codex/bin/codex.js", tmp_path / "bin/codex")
    seen = look(interpreter, tmp_path, ProbeRequest("", "user", directory="~/bin", resolve=True))
    assert [found.version for found in seen.found] == ["0.142.5"]


#: recorded on Debian 12
ANSWER = """optio-probe-begin
platform=Linux aarch64
home=/home/worker
cache=/home/worker/.cache/optio-codex/bin
link=releases/ttyd-1.7.7-aarch64/ttyd
tree=1
record=1
manifest+optio-manifest 1
manifest+version 1.7.7
manifest+target aarch64
manifest+entrypoint ttyd
manifest+verified download b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165
manifest+source https://mirror.example/ttyd/1.7.7/ttyd.aarch64
manifest+file 1364120 1795343402 2236563 755 b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165 ttyd
file+1364120 1795343402 2236563 755 ./ttyd
writable=1
optio-probe-end
"""


def test_a_recorded_answer() -> None:
    seen = observe(parse(ANSWER), ProbeRequest("1.7.7", "user"))
    state = FileState(1364120, 1795343402, 2236563, "755")
    assert seen == Observed(
        "Linux aarch64",
        Cache("/home/worker/.cache/optio-codex/bin"),
        home="/home/worker",
        link="releases/ttyd-1.7.7-aarch64/ttyd",
        tree=True,
        record=True,
        manifest=ReleaseManifest(
            "1.7.7",
            "aarch64",
            "ttyd",
            "download",
            "b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165",
            "https://mirror.example/ttyd/1.7.7/ttyd.aarch64",
            {"ttyd": state},
            {"ttyd": "b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165"},
        ),
        files={"ttyd": state},
        writable=True,
    )


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("platform=Linux aarch64\n", ""),
        ("cache=/home/worker/.cache/optio-codex/bin\n", ""),
        ("file+1364120 1795343402 2236563 755 ./ttyd\n", "file+stat: unknown option -c\n"),
        ("tree=1\n", "@other\n"),
        ("tree=1\n", "odd=link\n"),
        ("optio-probe-end\n", ""),
    ],
)
def test_an_odd_answer_is_unknown(line: str, other: str) -> None:
    assert line in ANSWER
    with pytest.raises(ProbeError):
        observe(parse(ANSWER.replace(line, other)), ProbeRequest("1.7.7", "user"))
