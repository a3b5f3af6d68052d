# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories that are cloned: the commands, every kind of version, submodules, and a token that nothing keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE as SESSION
from ansible_collections.optio.codex.plugins.module_utils._session.clone import (
    TOKEN_USER,
    Repository,
    clone_repository,
    tokens_of,
    validate_repository,
)
from ansible_collections.optio.codex.plugins.module_utils._session.workspace_module import RESOURCE as WORKSPACE
from ansible_collections.optio.codex.tests.unit.support.git_server import GitServer, serving
from ansible_collections.optio.codex.tests.unit.support.session_builders import FakeHost

TOKEN = "glpat-hunter2=x y"
URL = "https://git.example.com/x.git"
SETTINGS = ("core.askPass=true", "credential.interactive=false", "protocol.ext.allow=never", "protocol.file.allow=user")
GIT = ["env", "GIT_TERMINAL_PROMPT=0", "git", *(word for setting in SETTINGS for word in ("-c", setting))]


def commands(repository: Repository, *, missing: tuple[str, ...] = (), advertised: str = "") -> list[list[str]]:
    """Return the git commands of a clone, where ``missing`` names fail, without the check of git-lfs."""

    def answer(call: Any) -> Completed:
        argv = call.argv
        return Completed(1 if set(missing) & set(argv) else 0, advertised if "ls-remote" in argv else "", "")

    host = FakeHost(answer)
    clone_repository(host, repository, "/w")
    first, *others = host.argvs()
    assert first == [*GIT, "lfs", "version"]
    assert all(argv[: len(GIT)] == GIT for argv in others)
    return [argv[len(GIT) :] for argv in others]


KNOWN = "refs/remotes/origin/v1"
UNKNOWN = ("refs/remotes/origin/refs/pull/12/head", "refs/pull/12/head^{commit}")
CASES: dict[str, tuple[Repository, dict[str, Any], list[list[str]]]] = {
    "the default branch": (Repository(URL), {}, [["clone", "--quiet", "--", URL, "/w"]]),
    "a version": (
        Repository(URL, "v1"),
        {},
        [
            ["clone", "--quiet", "--no-checkout", "--", URL, "/w"],
            ["-C", "/w", "rev-parse", "--verify", "--quiet", KNOWN],
            ["-C", "/w", "checkout", "--quiet", "v1", "--"],
        ],
    ),
    "a branch by its full name": (
        Repository(URL, "refs/heads/v1"),
        {},
        [
            ["clone", "--quiet", "--no-checkout", "--", URL, "/w"],
            ["-C", "/w", "rev-parse", "--verify", "--quiet", KNOWN],
            ["-C", "/w", "checkout", "--quiet", "v1", "--"],
        ],
    ),
    "a pull request": (
        Repository(URL, "refs/pull/12/head"),
        {"missing": UNKNOWN},
        [
            ["clone", "--quiet", "--no-checkout", "--", URL, "/w"],
            *(["-C", "/w", "rev-parse", "--verify", "--quiet", name] for name in UNKNOWN),
            ["-C", "/w", "fetch", "--quiet", "--", "origin", "refs/pull/12/head"],
            ["-C", "/w", "checkout", "--quiet", "--detach", "FETCH_HEAD", "--"],
        ],
    ),
    "shallow": (Repository(URL, depth=1), {}, [["clone", "--quiet", "--depth=1", "--no-local", "--", URL, "/w"]]),
    "a shallow branch": (
        Repository(URL, "v1", depth=2),
        {"advertised": "1\trefs/heads/a/v1\n2\trefs/heads/v1\n"},
        [
            ["ls-remote", "--quiet", "--", URL, "refs/heads/v1", "refs/tags/v1"],
            ["clone", "--quiet", "--depth=2", "--no-local", "--branch=v1", "--", URL, "/w"],
        ],
    ),
    "a shallow pull request, with submodules": (
        Repository(URL, "refs/pull/12/head", depth=1, submodules=True),
        {"missing": UNKNOWN, "advertised": "1\trefs/x/refs/heads/refs/pull/12/head\n"},
        [
            ["ls-remote", "--quiet", "--", URL, "refs/heads/refs/pull/12/head", "refs/tags/refs/pull/12/head"],
            ["clone", "--quiet", "--depth=1", "--no-local", "--no-checkout", "--", URL, "/w"],
            *(["-C", "/w", "rev-parse", "--verify", "--quiet", name] for name in UNKNOWN),
            ["-C", "/w", "fetch", "--quiet", "--depth=1", "--", "origin", "refs/pull/12/head"],
            ["-C", "/w", "checkout", "--quiet", "--detach", "FETCH_HEAD", "--"],
            ["-C", "/w", "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"],
        ],
    ),
    "submodules": (
        Repository(URL, submodules=True),
        {},
        [
            ["clone", "--quiet", "--", URL, "/w"],
            ["-C", "/w", "submodule", "--quiet", "update", "--init", "--recursive"],
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_commands(case: str) -> None:
    repository, answers, expected = CASES[case]
    assert commands(repository, **answers) == expected


def test_without_git_lfs_its_filter_is_off() -> None:
    host = FakeHost(lambda call: Completed(1 if "lfs" in call.argv else 0, "", ""))
    clone_repository(host, Repository(URL), "/w")
    assert {"filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false"} <= set(host.argvs()[1])


def test_a_token_is_on_standard_input_and_for_one_host() -> None:
    host = FakeHost()
    clone_repository(host, Repository("https://me@git.example.com:8443/x.git", "v1", token=TOKEN, token_user="oauth2"), "/w")
    for call in host.calls:
        assert call.stdin == f"{TOKEN}\n" and not any(TOKEN in word for word in call.argv)
        assert call.argv[0] == "/bin/sh" and "OPTIO_GIT_USER=oauth2" in call.argv
        # an empty helper first, so that no helper of the user's stores the token
        helpers = [word for word in call.argv if word.startswith("credential.https://git.example.com:8443.helper=")]
        assert len(helpers) == 2 and helpers[0].endswith(".helper=")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"version": "--orphan=x"}, "repository version --orphan=x begins with '-', so git would read it as an option"),
        ({"version": "+main"}, "contains characters that a ref cannot have"),
        ({"version": "main:main"}, "contains characters that a ref cannot have"),
        ({"version": "refs/*"}, "contains characters that a ref cannot have"),
        ({"version": "a b"}, "contains characters that a ref cannot have"),
        ({"depth": 0}, "repository.depth must be 1 or greater, got 0. Omit it"),
        ({"depth": -1}, "repository.depth must be 1 or greater, got -1"),
        ({"token": f"{TOKEN}\nhost=evil"}, "repository.token must not contain line breaks"),
        ({"token": TOKEN, "token_user": "a\nb"}, "repository.token_user must not contain line breaks"),
        ({"token": TOKEN, "url": "git@git.example.com:x.git"}, "cannot be cloned with a token, because its url is not an https URL"),
        ({"token": TOKEN, "url": "/srv/x.git"}, "cannot be cloned with a token, because its url is not an https URL"),
        ({"token": TOKEN, "url": "https://[::1/x"}, "cannot be cloned with a token, because its url is not an https URL"),
        ({"token": TOKEN, "url": "http://git.example.com/x"}, "would receive the token unencrypted"),
        ({"token": TOKEN, "url": "https://me:pass@git.example.com/x"}, r"repository https://\*\*\*@git.example.com/x has a password"),
    ],
)
def test_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptioError, match=message) as raised:
        validate_repository(replace(Repository(URL), **given))
    assert "hunter2" not in str(raised.value) and "pass@" not in str(raised.value)


@pytest.mark.parametrize("given", [{}, {"version": "feature/ä-1"}, {"version": "main~1"}, {"depth": 1}, {"token": TOKEN}])
def test_accepted(given: dict[str, Any]) -> None:
    validate_repository(replace(Repository(URL), **given))
    assert "hunter2" not in repr(replace(Repository(URL), **given))


@pytest.mark.parametrize("given", [None, {}, {"url": ""}, {"url": None, "token": "x"}])
def test_a_repository_requires_a_url(given: Any) -> None:
    assert Repository.from_params({"repository": given}) is None


def test_empty_values_count_as_unset() -> None:
    found = Repository.from_params({"repository": {"url": URL, "version": "", "token": "", "token_user": ""}})
    assert found == Repository(URL, token_user=TOKEN_USER)


@pytest.mark.parametrize("resource", [WORKSPACE, SESSION])
def test_a_token_is_masked_and_known_as_a_secret(resource: Any) -> None:
    repository = {"url": URL, "token": TOKEN}
    params = {"name": "a", "repository": repository, "sessions": [{"name": "b", "repository": {**repository, "token": "other"}}, "c"]}
    shown = str(resource.masked(params))
    assert TOKEN not in shown and "other" not in shown and URL in shown
    assert resource.secrets(params) == tokens_of(params) == {TOKEN, "other"}
    assert "hunter2" not in str(resource.masked({"repository": f"url={URL} token={TOKEN}"}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hunter2@git.example.com/x.git", "https://***@git.example.com/x.git"),
        ("https://hunter2@git.example.com/x.git", "https://***@git.example.com/x.git"),
        ("ssh://me:hunter2@git.example.com/x.git", "ssh://***@git.example.com/x.git"),
        ("ssh://git@git.example.com/x.git", "ssh://git@git.example.com/x.git"),
        ("git@git.example.com:x.git", "git@git.example.com:x.git"),
        ("https://git.example.com/a@b:c@d", "https://git.example.com/a@b:c@d"),
    ],
)
def test_secrets_in_urls_are_masked(url: str, shown: str) -> None:
    host = FakeHost(lambda call: Completed(128, "", f"Cloning\nfatal: unable to access '{url}/': refused\nhint: x"))
    with pytest.raises(OptioError) as raised:
        clone_repository(host, Repository(url), "/w")
    assert str(raised.value).startswith(f"repository {shown} cannot be cloned: fatal: unable to access '{shown}/': refused.")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("stderr", "given", "remedy"),
    [
        ("fatal: unable to get password from user", {}, "Set repository.token, or set up"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", {}, "Set repository.token, or set up"),
        (f"fatal: Authentication failed for '{TOKEN}'", {"token": TOKEN}, "Set another repository.token, or set up"),
        ("remote: Repository not found.\nfatal: repository 'x' not found", {}, "Set repository.token, or set up"),
        ("git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", {}, "Check its url and version"),
        ("fatal: transport 'file' not allowed\nfatal: clone of '/x' failed", {}, "Use submodules with https or ssh URLs"),
        ("fatal: couldn't find remote ref v9", {}, "Check its url and version (a branch, tag, commit or ref)"),
        ("fatal: remote error: upload-pack: not our ref 12", {"depth": 1}, "or, with depth, the full id of a commit"),
    ],
)
def test_an_error_has_a_remedy(stderr: str, given: dict[str, Any], remedy: str) -> None:
    host = FakeHost(lambda call: Completed(128, "", stderr))
    with pytest.raises(OptioError) as raised:
        clone_repository(host, replace(Repository(URL), **given), "/w")
    assert remedy in str(raised.value) and "hunter2" not in str(raised.value)


# with the real git


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits on main, a branch, a tag and a ref of a pull request."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    path = tmp_path / "repositories" / "up"
    path.mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=path)
    git("config", "uploadpack.allowReachableSHA1InWant", "true", cwd=path)
    for number, ref in enumerate(("refs/tags/v1", "refs/heads/side/branch", "refs/pull/12/head", "refs/heads/main")):
        (path / "file").write_text(ref)
        git("add", "-A", cwd=path)
        git("commit", "-qm", str(number), cwd=path)
        if not ref.endswith("main"):
            git("update-ref", ref, "HEAD", cwd=path)
        if "pull" in ref:
            # nothing else leads to this commit
            git("reset", "-q", "--hard", "HEAD~1", cwd=path)
    return path


VERSIONS = {
    "": ("refs/heads/main", "main"),
    "main": ("refs/heads/main", "main"),
    "v1": ("refs/tags/v1", ""),
    "refs/tags/v1": ("refs/tags/v1", ""),
    "side/branch": ("refs/heads/side/branch", "side/branch"),
    "refs/heads/side/branch": ("refs/heads/side/branch", "side/branch"),
    "refs/pull/12/head": ("refs/pull/12/head", ""),
    "pull/12/head": ("refs/pull/12/head", ""),
    "commit": ("refs/heads/side/branch", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("depth", [None, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_version(upstream: Path, tmp_path: Path, version: str, depth: int | None) -> None:
    ref, branch = VERSIONS[version]
    named = git("rev-parse", "side/branch", cwd=upstream) if version == "commit" else version
    target = tmp_path / "clone"
    clone_repository(LocalHost(), Repository(str(upstream), named or None, depth=depth), str(target))
    assert git("rev-parse", "HEAD", cwd=target) == git("rev-parse", ref, cwd=upstream)
    assert git("branch", "--show-current", cwd=target) == branch and (target / "file").read_text() == ref
    assert git("status", "--porcelain", cwd=target) == ""
    assert git("rev-list", "--count", "HEAD", cwd=target) == "1" or not depth


@pytest.mark.parametrize("depth", [None, 1])
def test_a_version_that_does_not_exist(upstream: Path, tmp_path: Path, depth: int | None) -> None:
    with pytest.raises(OptioError, match=r"cannot be cloned: fatal: couldn't find remote ref nowhere\. Check its url and version"):
        clone_repository(LocalHost(), Repository(str(upstream), "nowhere", depth=depth), str(tmp_path / "clone"))


def test_a_filter_of_git_lfs_that_is_missing(upstream: Path, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text(
        '[filter "lfs"]\nsmudge = git-lfs smudge -- %f\nprocess = git-lfs filter-process\nrequired = true\n'
    )
    (upstream / ".gitattributes").write_text("large filter=lfs\n")
    (upstream / "large").write_text("version https://git-lfs.github.com/spec/v1\n")
    git("-c", "filter.lfs.process=", "-c", "filter.lfs.clean=", "-c", "filter.lfs.required=false", "add", "-A", cwd=upstream)
    git("-c", "filter.lfs.process=", "-c", "filter.lfs.required=false", "commit", "-qm", "large", cwd=upstream)
    clone_repository(LocalHost(), Repository(str(upstream), submodules=True), str(tmp_path / "clone"))
    assert (tmp_path / "clone/large").read_text().startswith("version")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Callable[..., GitServer]]:
    """Servers of the repositories that accept a login only."""
    servers = []

    def serve(login: tuple[str, str] | None) -> GitServer:
        context = serving(tmp_path / "repositories", login)
        servers.append(context)
        return context.__enter__()

    yield serve
    for context in servers:
        context.__exit__(None, None, None)


def add_submodule(upstream: Path, name: str, url: str) -> None:
    path = upstream.parent / name
    path.mkdir()
    git("init", "-q", "-b", "main", cwd=path)
    git("commit", "-q", "--allow-empty", "-m", name, cwd=path)
    git("submodule", "add", "-q", str(path), name, cwd=upstream)
    git("config", "-f", ".gitmodules", f"submodule.{name}.url", url, cwd=upstream)
    git("add", "-A", cwd=upstream)
    git("commit", "-qm", name, cwd=upstream)


def test_a_token_reaches_its_host_and_submodules_there_and_no_file(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: Callable[..., GitServer]
) -> None:
    (tmp_path / ".gitconfig").write_text("[credential]\nhelper = store\n")
    server = closed((TOKEN_USER, TOKEN))
    add_submodule(upstream, "relative", "../relative")
    add_submodule(upstream, "by-ssh", "git@127.0.0.1:by-ssh")
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    target = tmp_path / "clone"
    clone_repository(LocalHost(), Repository(server.url("up"), depth=1, submodules=True, token=TOKEN), str(target))
    assert set(server.received) == {(TOKEN_USER, TOKEN)} and len(server.received) > 3
    assert git("submodule", "status", cwd=target).count(" (heads/main)") == 2
    assert "submodule update" in trace.read_text() or "submodule--helper" in trace.read_text()
    for path in [*target.rglob("*"), *tmp_path.glob(".*"), trace]:
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    assert "credential" not in (target / ".git/config").read_text() and "insteadOf" not in (target / ".git/config").read_text()


@pytest.mark.slow
def test_a_token_reaches_no_other_host(upstream: Path, tmp_path: Path, closed: Callable[..., GitServer]) -> None:
    server, other = closed((TOKEN_USER, TOKEN)), closed(("somebody", "else"))
    add_submodule(upstream, "other", other.url("other"))
    with pytest.raises(OptioError, match=r"cannot be cloned: fatal: .*/other.* Set another repository\.token"):
        clone_repository(LocalHost(), Repository(server.url("up"), submodules=True, token=TOKEN), str(tmp_path / "clone"))
    assert not any(TOKEN in login for login in other.received)


def test_a_wrong_token_is_not_shown(upstream: Path, tmp_path: Path, closed: Callable[..., GitServer]) -> None:
    server = closed((TOKEN_USER, "right"))
    with pytest.raises(OptioError, match=r"cannot be cloned: .*Authentication failed.* Set another repository\.token") as raised:
        clone_repository(LocalHost(), Repository(server.url("up"), token=TOKEN), str(tmp_path / "clone"))
    assert "hunter2" not in str(raised.value)
    with pytest.raises(OptioError, match=r"Set repository\.token"):
        clone_repository(LocalHost(), Repository(server.url("up")), str(tmp_path / "clone"))


@pytest.mark.slow
@pytest.mark.parametrize("url", ["file:///none", "ext::sh -c 'touch pwned'"])
def test_a_submodule_with_a_protocol_that_git_refuses(upstream: Path, tmp_path: Path, url: str) -> None:
    add_submodule(upstream, "sub", url)
    (tmp_path / ".gitconfig").write_text('[protocol]\nallow = always\n[protocol "file"]\nallow = always\n')
    with pytest.raises(OptioError, match=r"cannot be cloned: fatal: transport '(file|ext)' not allowed; .*Use submodules with https"):
        clone_repository(LocalHost(), Repository(str(upstream), submodules=True), str(tmp_path / "clone"))
    assert not list(tmp_path.rglob("pwned"))
