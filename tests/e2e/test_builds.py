# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An agent installs and builds in its clone under workspace-write: pip, npm and go, each from local sources."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import USER, WITHOUT, Workers, is_idle

pytestmark = pytest.mark.battery

LAB = f"/home/{USER}/builds"
WHEEL = """\
import zipfile
with zipfile.ZipFile("wheels/thing-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("thing.py", "print('built by pip')\\n")
    wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n")
    wheel.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("thing-1.0.dist-info/RECORD", "")
"""


@dataclass(frozen=True)
class Tool:
    """A build tool: its Debian packages, what a repository for it holds, and the command of the agent."""

    packages: str
    prepare: str
    command: str


TOOLS = {
    "pip": Tool(
        "python3-venv",
        f"mkdir wheels; python3 - <<'END'\n{WHEEL}END",
        "python3 -m venv .venv && .venv/bin/pip install -q --no-index --find-links wheels thing && .venv/bin/python -m thing",
    ),
    "npm": Tool(
        "npm",
        """mkdir package; echo '{"name": "thing", "version": "1.0.0"}' >package/package.json
echo 'console.log("built by npm")' >package/index.js; tar czf thing-1.0.0.tgz package; rm -r package
echo '{"name": "app", "version": "1.0.0", "dependencies": {"thing": "file:thing-1.0.0.tgz"}}' >package.json
npm install --package-lock-only --offline --silent""",
        "npm ci --no-audit --no-fund && node -e 'require(\"thing\")'",
    ),
    "go": Tool(
        "golang-go",
        """printf 'module example.com/thing\\n\\ngo 1.19\\n' >go.mod
printf 'package main\\n\\nimport "fmt"\\n\\nfunc main() { fmt.Println("built by go") }\\n' >main.go""",
        "go build -o thing . && ./thing",
    ),
}
#: hundreds of packages
CASES = [pytest.param(name, marks=[] if name == "pip" else [pytest.mark.extended]) for name in TOOLS]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", VERSIONS)
def test_builds_in_a_clone(workers: Workers, name: str, version: str) -> None:
    tool, source, session = TOOLS[name], f"{LAB}/{name}", f"{name}-{version}"
    install = f"apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {tool.packages}"
    workers.shell(WITHOUT, f"dpkg -s {tool.packages} 2>&1 | grep -q '^Status: .* installed' || {{ {install}; }}", timeout=600)
    commit = "git add -A && git -c user.name=t -c user.email=t@example.com commit -qm first && echo made"
    made = workers.shell(
        WITHOUT, f"rm -rf {source}; mkdir -p {source} && cd {source} && git init -q && {tool.prepare}\n{commit}", user=USER
    )
    assert made.endswith("made\n"), made
    workers.session(session, hosts=WITHOUT, version=version, repository={"url": source}, prompt=f"RUN: {tool.command}")
    done = workers.until(session, lambda entry: is_idle(entry) and bool(entry["message"]), "built", hosts=WITHOUT)
    assert done[WITHOUT]["message"].endswith(f"built by {name}") and done[WITHOUT]["message"].startswith("Done: ")
    workers.session(session, hosts=WITHOUT, state="absent", purge=True)
