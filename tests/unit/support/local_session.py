# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole sessions on this machine, with shell scripts in the place of codex and ttyd, and a real tmux between them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.host import BufferedHost
from ansible_collections.optio.codex.plugins.module_utils._core.paths import COPY_ROOT
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE as SESSION_INFO
from ansible_collections.optio.codex.plugins.module_utils._session.layout import RUNTIME_ROOT, SessionPaths, task_layout
from ansible_collections.optio.codex.tests.unit.support import second_user
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

DEADLINE = 20  # seconds
#: draws what codex draws when it takes input, tells how it was called, and does what MODE says
CODEX = r"""#!/bin/bash
# a program's own first argument is the path that it was started by, a script's is its shell
# before anything is launched it is asked for its models, and not told what a session is told
[ "$1" != debug ] || { echo '{"models": [{"slug": "old", "upgrade": {"model": "new"}}, {"slug": "new", "upgrade": null}]}'; exit; }
[ "$1" != app-server ] || { echo '{"id":"hooks","result":{"data":[]}}'; exit; }
[ "$1" != sandbox ] || { echo '  -P, --permission-profile <NAME>'; exit; }
[ -n "$AGAIN" ] || AGAIN=1 exec -a "$0" /bin/bash "$0" "$@"
unset AGAIN
printf '%s\n' "$@" >>called
case $MODE in
  dies) echo "bad config"; exit 7 ;;
  menu) printf '  Sign in\n\n› 1. Yes\n  2. No\n'; sleep 60 & wait ;;
  deaf) trap '' TERM HUP ;;
  strays) setsid sleep 61 & env -i sleep 62 & ;;
esac
printf '\n› Ask Codex to do anything\n\n  stand-in default · %s\n' "$PWD"
# its login is renewed in the last moment
[ "$MODE" != renews ] || { trap 'cp "$CODEX_HOME/renewed.json" "$CODEX_HOME/auth.json"; exit' TERM; while :; do sleep 60 & wait; done; }
if [ "$MODE" = ends ]; then
  until [ -s end ]; do sleep 0.02; done
  read -r status <end; [ "$status" = 0 ] || echo "Error: no model"; exit "$status"
fi
while :; do sleep 60; done
"""
#: the launcher leaves the last screen standing for a second, in which here nothing happens
BRIEF = '#!/bin/sh\n[ "$1" != 1 ] || set -- 0.3\nexec /bin/sleep "$1"\n'
#: serves its socket as ttyd does, as far as anybody looks
TTYD = r"""#!{python}
import os, socket, sys
if os.path.exists(os.path.dirname(__file__) + "/broken"):
    sys.exit("[2026/11/22 10:00:00:0000] E: no such device")
where = sys.argv[sys.argv.index("-i") + 1]
with socket.socket(socket.AF_UNIX) as server:
    server.bind(where)
    server.listen()
    while True:
        connection, _peer = server.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.close()
"""


class Lab:
    """A worker whose home, programs and sessions are below one short directory."""

    python = sys.executable

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.programs = base / "bin"
        self.layout: SessionPaths = task_layout("one", str(self.root), None, None)
        self.params = options(
            RESOURCE,
            name="one",
            sessions_dir=str(self.root),
            codex_dir=str(self.programs),
            ttyd_dir=str(self.programs),
            # a provider that requires no login
            config={"model_provider": "stand_in"},
            stop_timeout=5,
        )

        self.warnings: list[str] = []

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        """Return the module's result for the options given."""
        host = BufferedHost()
        host.warnings = self.warnings
        return converge(RESOURCE, {**self.params, **given}, host, check, True)

    def look(self) -> dict[str, Any]:
        """Return what ``session_info`` returns of the session."""
        params = options(SESSION_INFO, sessions_dir=str(self.root), include_screen=True)
        (entry,) = converge(SESSION_INFO, params, BufferedHost(), False, False)["sessions"]
        return dict(entry)

    def mode(self, mode: str) -> dict[str, Any]:
        """Return the options that make codex behave so."""
        return {"environment": {"MODE": mode, "KEY": "hunter2"}}

    @property
    def called(self) -> list[str]:
        """The arguments that codex was ever called with."""
        return (Path(self.layout.workdir) / "called").read_text().splitlines()

    def alive(self) -> list[int]:
        """Return the session's processes."""
        return processes.tagged(self.layout.tag)

    def snapshot(self) -> dict[str, str]:
        """Return every file below the root with its text, but for the lock."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            kind = "link" if path.is_symlink() else path.read_text() if path.is_file() else f"{path.stat().st_mode:o}"
            found[str(path.relative_to(self.root))] = kind
        found.pop(".lock", None)
        return found


class RootLab(Lab):
    """A worker on which root launches the sessions of the second user, in that user's namespace."""

    # root's own may be where nobody else can enter
    python = "/usr/bin/python3"

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.root = second_user.home_of(base) / "root"
        self.layout = task_layout("one", str(self.root), None, RUNTIME_ROOT)
        self.params = {**self.params, "user": second_user.NAME, "sessions_dir": str(self.root)}

    def snapshot(self) -> dict[str, str]:
        """Return what is left below the root, and root's own copies and sockets."""
        places = [Path(root, "one") for root in (COPY_ROOT, RUNTIME_ROOT)]
        return {**super().snapshot(), **{str(place): "left" for place in places if place.exists()}}


def until(found: Callable[[], object]) -> None:
    """Wait until ``found`` returns something; fail the test after the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def laboratory(base: Path, patch: pytest.MonkeyPatch, kind: type[Lab] = Lab) -> Iterator[Lab]:
    """Give a lab on which nothing is left running."""
    lab = kind(base)
    lab.programs.mkdir()
    programs = {"codex": CODEX, "ttyd": TTYD.replace("{python}", lab.python), "sleep": BRIEF}
    if kind is Lab:
        # a plain user's sessions, whoever runs the tests: no systemd, no /run
        programs["id"] = '#!/bin/sh\n[ "$1" = -un ] && echo me && exit\necho 1000\n'
    for name, text in programs.items():
        (lab.programs / name).write_text(text)
        (lab.programs / name).chmod(0o755)
    patch.setenv("PATH", f"{lab.programs}:{os.environ['PATH']}")
    patch.setenv("HOME", str(base))
    try:
        yield lab
    finally:
        processes.send(lab.alive(), signal.SIGKILL)
