# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shapes of archives, the npm configuration, offline workers, verifying and keeping: on real directories."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    VERSION,
    Answer,
    QuickHost,
    Server,
    checksum,
    elf,
    known_of,
    member,
    npm_archive,
    pack,
    package,
    serving,
)

FILES = package()
ARCHIVE = npm_archive(FILES)
RELEASE = f"/rust-v{VERSION}"
NPM_PATH = f"{RELEASE}/codex-npm-linux-{TARGET.asset}-{VERSION}.tgz"
PACKAGE_PATH = f"{RELEASE}/codex-package-{TARGET.name}.tar.gz"
BINARY_PATH = f"{RELEASE}/codex-{TARGET.name}.tar.gz"
REGISTRY_PATH = f"/npm/@openai/codex/-/codex-{VERSION}-linux-{TARGET.asset}.tgz"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("XDG_") or name.lower().startswith("npm_config_") or name == "OPTIO_CODEX_CACHE_DIR":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the small release in the table of known ones."""
    monkeypatch.setitem(CODEX_RELEASE.tool.table, VERSION, {TARGET.name: known_of(ARCHIVE, FILES)})


def run(check_mode: bool = False, **options: Any) -> dict[str, Any]:
    params = {**PARAMS, "version": VERSION, "archive": "npm", **options}
    return converge(CODEX_RELEASE, params, QuickHost(), check_mode, True)


def root_archive(files: dict[str, tuple[bytes, int]] | None = None, prefix: str = "") -> bytes:
    return pack(*(member(f"{prefix}{path}", content, mode) for path, (content, mode) in (files or FILES).items()))


def one_file(name: str, path: str, content: bytes | None = None) -> bytes:
    return pack(member(f"{name}-{TARGET.name}", FILES[path][0] if content is None else content, 0o755))


def serve_binaries(server: Server) -> None:
    server.answers[BINARY_PATH] = Answer(one_file("codex", "bin/codex"))
    server.answers[f"{RELEASE}/bwrap-{TARGET.name}.tar.gz"] = Answer(one_file("bwrap", "codex-resources/bwrap"))
    host = one_file("codex-code-mode-host", "bin/codex-code-mode-host")
    server.answers[f"{RELEASE}/codex-code-mode-host-{TARGET.name}.tar.gz"] = Answer(host)


# ---- shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("prefix", ["", "./"])
def test_upstreams_package_is_known_by_its_files(home: Path, server: Server, prefix: str) -> None:
    server.answers[PACKAGE_PATH] = Answer(root_archive(prefix=prefix))
    done = run(sources=[server.url], archive="package")
    assert done["source"] == f"{server.url}{PACKAGE_PATH}"
    assert Path(done["path"]).read_bytes() == FILES["bin/codex"][0]
    # whichever archive it came in, it is the release
    for archive in ("package", "npm", "binary"):
        assert run(sources=[server.url], archive=archive)["changed"] is False
    assert len(server.seen) == 1


@pytest.mark.usefixtures("known")
def test_a_package_with_another_file_is_refused(home: Path, server: Server) -> None:
    server.answers[PACKAGE_PATH] = Answer(root_archive({**FILES, "codex-path/rg": (elf(text=b"other"), 0o755)}))
    with pytest.raises(OptioError, match=r"some files of .* are not those of the release"):
        run(sources=[server.url], archive="package")
    assert os.listdir(home) == []


def test_a_package_of_an_unknown_version_needs_its_checksum(home: Path, server: Server) -> None:
    archive = root_archive()
    server.answers[PACKAGE_PATH] = Answer(archive)
    with pytest.raises(OptioError, match=f"Set checksum to sha256:.* of .*{PACKAGE_PATH}"):
        run(sources=[server.url], archive="package")
    assert run(sources=[server.url], archive="package", checksum=checksum(archive))["changed"] is True


@pytest.mark.usefixtures("known")
def test_a_binary_comes_with_its_companions(home: Path, server: Server) -> None:
    serve_binaries(server)
    check = run(True, sources=[server.url], archive="binary")
    done = run(sources=[server.url], archive="binary")
    assert check["actions"] == done["actions"]
    assert "warnings" not in done
    tree = Path(done["path"]).parents[1]
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert found == set(FILES) - {"codex-path/rg"}
    assert {path.stat().st_mode & 0o777 for path in tree.rglob("*") if path.name != "codex-package.json"} == {0o755}
    for archive in ("binary", "npm"):
        assert run(sources=[server.url], archive=archive)["changed"] is False


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("path", "answer", "cause"),
    [
        ("bwrap", Answer(b"", 404), "answers HTTP 404"),
        ("bwrap", Answer(one_file("bwrap", "", elf(text=b"evil"))), "codex-resources/bwrap of http://127.0.0.1:"),
        ("codex", Answer(one_file("codex", "", elf(text=b"evil"))), "bin/codex of http://127.0.0.1:"),
        ("codex-code-mode-host", Answer(root_archive()), "contains 5 files instead of one program"),
        ("codex", Answer(pack(member("codex", type=b"2", linkname="/bin/sh"))), "leads out of it"),
        ("codex", Answer(b"<!doctype html>"), "answers with a web page"),
    ],
)
def test_a_binary_with_a_wrong_companion_is_refused(home: Path, server: Server, path: str, answer: Answer, cause: str) -> None:
    serve_binaries(server)
    server.answers[f"{RELEASE}/{path}-{TARGET.name}.tar.gz"] = answer
    with pytest.raises(OptioError) as error:
        run(sources=[server.url], archive="binary")
    assert cause in error.value.cause
    assert os.listdir(home) == []


@pytest.mark.usefixtures("known")
def test_a_checksum_of_the_binary_does_not_vouch_for_its_companions(home: Path, server: Server) -> None:
    serve_binaries(server)
    own = one_file("codex", "", elf(text=b"own build"))
    server.answers[BINARY_PATH] = Answer(own)
    options: dict[str, Any] = {"sources": [server.url], "archive": "binary", "checksum": checksum(own)}
    assert Path(run(**options)["path"]).read_bytes() == elf(text=b"own build")
    assert run(**options)["changed"] is False
    shutil.rmtree(home / ".cache")
    server.answers[f"{RELEASE}/bwrap-{TARGET.name}.tar.gz"] = Answer(one_file("bwrap", "", elf(text=b"evil")))
    with pytest.raises(OptioError, match=r"codex-resources/bwrap of http.* has sha256:"):
        run(**options)


def test_a_bare_binary_has_to_be_asked_for(home: Path, server: Server) -> None:
    archive = one_file("codex", "bin/codex")
    server.answers[BINARY_PATH] = Answer(archive)
    options: dict[str, Any] = {"sources": [server.url], "archive": "binary", "checksum": checksum(archive)}
    with pytest.raises(OptioError, match=r"the other programs of this version are not known.*allow_bare"):
        run(**options)
    assert os.listdir(home) == []
    done = run(allow_bare=True, **options)
    assert done["warnings"][0].endswith("tool calls require codex-code-mode-host in the same directory.")
    again = run(allow_bare=True, **options)
    assert (again["changed"], again["warnings"]) == (False, done["warnings"])
    # without the leave it is not taken for the release
    assert run(True, **{**options, "archive": "npm"})["actions"][0]["kind"] == "install"


@pytest.mark.usefixtures("known")
def test_a_bare_binary_of_a_known_version_is_known_by_its_bytes(home: Path, server: Server) -> None:
    server.answers[BINARY_PATH] = Answer(one_file("codex", "", elf(text=b"evil")))
    options: dict[str, Any] = {"sources": [server.url], "archive": "binary", "allow_bare": True}
    with pytest.raises(OptioError, match=r"bin/codex of http.* has sha256:"):
        run(**options)
    server.answers[BINARY_PATH] = Answer(one_file("codex", "bin/codex"))
    assert run(**options)["changed"] is True
    assert run(**options)["changed"] is False
    server.answers[NPM_PATH] = Answer(ARCHIVE)
    assert "damaged: it is the executable alone" in run(sources=[server.url])["diff"]["before"]
    assert "warnings" not in run(sources=[server.url])


# ---- npm -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("registry={url}/npm/\n", {}),
        ("registry=https://elsewhere.invalid\n@openai:registry = '{url}/npm'\n", {}),
        ("; registry=https://elsewhere.invalid\nregistry = ${{MIRROR}}/npm\n", {"MIRROR": "{url}"}),
        ("registry=https://elsewhere.invalid\n", {"NPM_CONFIG_REGISTRY": "{url}/npm"}),
        ("", {"npm_config_registry": "{url}/npm"}),
    ],
)
def test_the_registry_of_the_workers_user(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str]
) -> None:
    (home / ".npmrc").write_text(text.format(url=server.url))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(url=server.url))
    server.answers[REGISTRY_PATH] = Answer(ARCHIVE)
    assert run(True, sources=["npm"], checksum=checksum(ARCHIVE))["source"] == "unknown"
    assert run(sources=["npm"], checksum=checksum(ARCHIVE))["source"] == f"{server.url}{REGISTRY_PATH}"
    assert server.authorizations() == [None]


def test_npm_is_asked_without_a_configured_registry(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = home / "bin/npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\ncase $3 in registry) echo {server.url}/npm/ ;; *) echo undefined ;; esac\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}/bin:/usr/bin:/bin")
    server.answers[REGISTRY_PATH] = Answer(ARCHIVE)
    assert run(sources=["npm"], checksum=checksum(ARCHIVE))["changed"] is True
    npm.write_text("#!/bin/sh\necho undefined\n")
    shutil.rmtree(home / ".cache")
    with pytest.raises(OptioError, match=r"the worker's user has no npm registry configured.*Set npm_registry"):
        run(sources=["npm"], checksum=checksum(ARCHIVE))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("{place}/npm/:_authToken=secret", "Bearer secret"),
        ("{place}/:_authToken=${{TOKEN}}", "Bearer from-environment"),
        ("{place}/npm/:_auth=dTpw", "Basic dTpw"),
        ("{place}/npm/:username=u\n{place}/npm/:_password=cA==", "Basic dTpw"),
        ("{place}/npm/:username=u\n{place}/npm/:_password=%%", None),
        ("{place}/np/:_authToken=secret", None),
        ("//elsewhere.invalid/npm/:_authToken=secret", None),
        ("_authToken=secret", None),
    ],
)
@pytest.mark.parametrize("named", [True, False], ids=["named", "configured"])
def test_a_registrys_token_goes_to_it_alone(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch, line: str, header: str | None, named: bool
) -> None:
    monkeypatch.setenv("TOKEN", "from-environment")
    place = server.url.removeprefix("http:")
    (home / ".npmrc").write_text(f"registry={server.url}/npm\n{line.format(place=place)}\n")
    with serving("localhost") as other:
        server.answers[REGISTRY_PATH] = Answer(b"", 302, {"Location": f"{other.url}/file"})
        other.answers["/file"] = Answer(ARCHIVE)
        more: dict[str, Any] = {"npm_registry": f"{server.url}/npm"} if named else {}
        assert run(sources=["npm"], checksum=checksum(ARCHIVE), **more)["changed"] is True
        assert server.authorizations() == [header]
        assert other.authorizations() == [None]


def test_credentials_of_the_task_win_over_a_configured_token(home: Path, server: Server) -> None:
    (home / ".npmrc").write_text(f"{server.url.removeprefix('http:')}/npm/:_authToken=secret\n")
    server.answers[REGISTRY_PATH] = Answer(ARCHIVE)
    own: dict[str, Any] = {"headers": {"Authorization": "Bearer own"}, "npm_registry": f"{server.url}/npm"}
    assert run(sources=["npm"], checksum=checksum(ARCHIVE), **own)["changed"] is True
    assert server.authorizations() == ["Bearer own"]


# ---- offline -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("archive", ["npm", "package", "binary"])
def test_offline_asks_no_server_and_names_the_missing_file(home: Path, server: Server, archive: str) -> None:
    server.answers[NPM_PATH] = Answer(ARCHIVE)
    options: dict[str, Any] = {"sources": ["host", "npm", server.url], "npm_registry": f"{server.url}/npm", "offline": True}
    with pytest.raises(OptioError) as error:
        run(archive=archive, **options)
    names = {"npm": NPM_PATH, "package": PACKAGE_PATH, "binary": BINARY_PATH}
    digest = f" ({checksum(ARCHIVE)}, {len(ARCHIVE)} bytes)" if archive == "npm" else ""
    archives = home / ".cache/optio-codex/bin/archives"
    assert error.value.remedy == f"Place {names[archive].rpartition('/')[2]}{digest} in {archives} on the worker"
    assert error.value.cause.startswith(
        "offline is set, and no source on the worker could serve codex 0.1.2 for x86_64-unknown-linux-musl: "
        "the installation of the host cannot be used: the worker's login shell"
    )
    assert os.listdir(home) == []
    assert server.seen == []


@pytest.mark.usefixtures("known")
def test_a_placed_archive_is_installed(home: Path, server: Server) -> None:
    archives = home / ".cache/optio-codex/bin/archives"
    archives.mkdir(parents=True)
    place = archives / NPM_PATH.rpartition("/")[2]
    place.write_bytes(ARCHIVE[:-1])
    options: dict[str, Any] = {"sources": [server.url], "offline": True}
    with pytest.raises(OptioError, match="bytes with sha256"):
        run(**options)
    place.write_bytes(ARCHIVE)
    done = run(**options)
    assert done["source"] == f"file://{place}"
    assert run(**options)["changed"] is False
    assert server.seen == [] and place.exists()


@pytest.mark.usefixtures("known")
def test_a_binary_and_its_companions_are_placed_side_by_side(home: Path, server: Server) -> None:
    archives = home / ".cache/optio-codex/bin/archives"
    archives.mkdir(parents=True)
    serve_binaries(server)
    for path, answer in server.answers.items():
        (archives / path.rpartition("/")[2]).write_bytes(answer.body)
    assert run(sources=["upstream"], archive="binary", offline=True)["changed"] is True


# ---- verify and keep -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("known")
def test_verify_finds_what_looks_the_same(home: Path, server: Server) -> None:
    server.answers[NPM_PATH] = Answer(ARCHIVE)
    options: dict[str, Any] = {"sources": [server.url], "archive": "npm"}
    path = Path(run(**options)["path"])
    assert run(verify=True, **options)["changed"] is False
    seen = path.stat()
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"!")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert run(**options)["changed"] is False, "nothing but its bytes tells"
    check, done = run(True, verify=True, **options), run(verify=True, **options)
    assert check["actions"] == done["actions"] and [action["kind"] for action in done["actions"]] == ["install"]
    assert "damaged: bin/codex has sha256:" in done["diff"]["before"]
    assert path.read_bytes() == FILES["bin/codex"][0]
    assert run(verify=True, **options)["changed"] is False


@pytest.fixture
def versions(home: Path, server: Server) -> list[str]:
    """Install four releases one after the other; the last is the current one."""
    numbers = ["0.1.6", "0.1.7", "0.1.8", "0.1.9"]
    for age, number in enumerate(reversed(numbers)):
        archive = npm_archive(package(number))
        server.answers[NPM_PATH.replace(VERSION, number)] = Answer(archive)
        done = run(sources=[server.url], version=number, checksum=checksum(archive))
        manifest = Path(done["path"]).parents[1].with_suffix(Path(done["path"]).parents[1].suffix + ".manifest")
        os.utime(manifest, (1_700_000_000 - age * 100,) * 2)
        os.utime(manifest.with_suffix(""), (1_700_000_000 - age * 100,) * 2)
    # the newest first, and current is what was linked last
    return numbers


def installed(home: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (home / ".cache/optio-codex/bin/releases").iterdir() if path.is_dir())


@pytest.mark.slow
def test_keep(home: Path, server: Server, versions: list[str]) -> None:
    options: dict[str, Any] = {"sources": [server.url], "version": "0.1.9", "checksum": None}
    assert run(**options)["changed"] is True  # the link
    for keep, left in ((2, ["0.1.7", "0.1.8", "0.1.9"]), (0, ["0.1.9"])):
        check, done = run(True, keep_releases=keep, **options), run(keep_releases=keep, **options)
        assert check["actions"] == done["actions"] != []
        assert {action["kind"] for action in done["actions"]} == {"remove"}
        assert installed(home) == left
        assert run(keep_releases=keep, **options)["changed"] is False
    assert sorted(os.listdir(home / ".cache/optio-codex/bin/releases")) == [f"0.1.9-{TARGET.name}", f"0.1.9-{TARGET.name}.manifest"]


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["process", "link", "session", "session of the package"])
def test_keep_spares_what_is_in_use(home: Path, server: Server, versions: list[str], holder: str) -> None:
    program = home / f".cache/optio-codex/bin/releases/0.1.7-{TARGET.name}/bin/codex"
    task = home / ".local/share/optio-codex/fix"
    link = (task if holder == "session" else home / "task/workdir") / "home/.local/bin/codex"
    link.parent.mkdir(parents=True)
    link.symlink_to(program)
    process = None
    if holder.startswith("session"):
        task.mkdir(parents=True, exist_ok=True)
        (task / "session").write_text(f"name=fix\nworkdir={home}/task/workdir\n")
    else:
        shutil.copy("/usr/bin/sleep", program)
        process = subprocess.Popen([str(link) if holder == "link" else str(program), "600"])
    try:
        run(sources=[server.url], version="0.1.9", checksum=None, keep_releases=0)
        assert installed(home) == ["0.1.7", "0.1.9"]
    finally:
        if process:
            process.kill()
            process.wait()
    link.unlink()
    run(sources=[server.url], version="0.1.9", checksum=None, keep_releases=0)
    assert installed(home) == ["0.1.9"]


# ---- what the controller loads ----------------------------------------------------------------------------------------


def test_planning_loads_neither_tls_nor_archives() -> None:
    code = (
        "import sys; import ansible_collections.optio.codex.plugins.module_utils._release.module; "
        "print([name for name in ('ssl', 'tarfile', 'http.client', 'ansible.module_utils.urls') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
