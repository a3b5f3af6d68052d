# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts, as each shell and Python find them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.mounts import SHELL_MOUNT, Mount, mount_of, parse_mount
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.mount_namespaces import needs_mounts

EVERY_SHELL = pytest.mark.parametrize("interpreter", shells.SHELLS)
#: by line of mountinfo, what it says
LINES = {
    "": None,
    "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue": Mount("/mnt2", "ext3"),
    "40 1 0:45 / /srv/a\\040b\\134c rw,nosuid,noexec - tmpfs x rw,size=64k": Mount("/srv/a b\\c", "tmpfs", noexec=True),
    "41 1 0:46 / /home ro,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2": Mount("/home", "nfs4", read_only=True),
    "42 1 0:47 / /noexec rw - ext4 /dev/noexec ro": Mount("/noexec", "ext4", read_only=True),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_mountinfo(line: str) -> None:
    assert parse_mount(line) == LINES[line]


@pytest.mark.parametrize("line", ["x", "1 2 0:1 / /x rw", "1 2 0:1 / - ext4 /dev/x rw", "1 2 0:1 / /x rw - ext4"])
def test_an_odd_line(line: str) -> None:
    with pytest.raises(ProbeError):
        parse_mount(line)


@pytest.mark.parametrize(("filesystem", "network"), [("nfs", True), ("nfs4", True), ("cifs", True), ("ext4", False), ("overlay", False)])
def test_network_filesystems(filesystem: str, network: bool) -> None:
    assert Mount("/x", filesystem).network is network


def look(interpreter: str, path: Path, prefix: tuple[str, ...] = ()) -> Mount | None:
    script = compose(
        f'{SHELL_MOUNT}\nexisting "$place"; emit place "$REPLY"; mount_line "$REPLY"; emit mount "$REPLY"', {"place": str(path)}
    )
    return parse_mount(parse(shells.run(interpreter, script, prefix=prefix, environment={"PATH": os.environ["PATH"]}))[0].get("mount"))


def test_shellcheck_is_content() -> None:
    shells.shellcheck(compose(f"{SHELL_MOUNT}\nmount_line /; existing /", {}))


@EVERY_SHELL
def test_shell_and_python_find_the_same(interpreter: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/"), Path("/proc"), Path("/dev/shm"), tmp_path, tmp_path / "file"):
        mount = mount_of(str(path))
        assert mount is not None
        assert look(interpreter, path) == mount
    assert look(interpreter, tmp_path / "none/none") == mount_of(str(tmp_path))
    # it would block
    assert look(interpreter, tmp_path / "pipe") is None
    assert mount_of(str(tmp_path / "none")) is None


@needs_mounts
@EVERY_SHELL
def test_the_mount_in_use_is_found(interpreter: str, tmp_path: Path) -> None:
    place, inner = tmp_path / "it's a", tmp_path / "it's a/in"
    inner.mkdir(parents=True)
    # a mount over a mount hides the inner one, whose line is still there
    mounts = f"""mount -t tmpfs -o ro one "{place}" || exit; mount -t tmpfs two "{place}"; mkdir "{inner}"
    mount -t tmpfs -o noexec three "{inner}"; """
    hidden = f'{mounts}mount -t tmpfs four "{place}"; mkdir "{inner}"; '
    for script, mount in ((mounts, Mount(str(inner), "tmpfs", noexec=True)), (hidden, Mount(str(place), "tmpfs"))):
        assert look(interpreter, inner, ("unshare", "-m", "sh", "-c", f'{script} exec "$0" "$@"')) == mount
