# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newcomer with a clean Debian follows the quick start letter by letter, and sees the session in a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fleet as fleets
import pytest
from containers.galaxy_server import served
from scripts.test_artifact import build

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/docsite/rst/quickstart.rst"
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
#: what the page requires of the newcomer's own machine; the image has ssh
PACKAGES = "python3-venv"
#: in the network of the newcomer's machine, where the tunnel ends
BROWSE = """
import sys
from pathlib import Path
from e2e.browser import Terminal
with Terminal(sys.argv[1], size=(1280, 800)) as terminal:
    terminal.wait_for("haiku.txt")
    terminal.screenshot(Path(sys.argv[2]))
"""

pytestmark = [pytest.mark.extended, pytest.mark.skipif(os.geteuid() != 0, reason="the browser enters the network of a container")]


def blocks() -> list[tuple[str, str]]:
    """Return the examples of the page in order, with their languages."""
    found = re.findall(r"^\.\. code-block:: (\w+)\n\n((?:  .*\n|\n)+)", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(language, re.sub(r"^  ", "", text, flags=re.MULTILINE).strip() + "\n") for language, text in found]


@dataclass
class Newcomer:
    """The machine of the newcomer, and the fleet with one bare worker."""

    fleet: fleets.Fleet
    galaxy: str = ""

    @property
    def container(self) -> str:
        return fleets.container_name(self.fleet.name, "newcomer")

    def address_of(self, worker: str) -> str:
        form = f'{{{{(index .NetworkSettings.Networks "{fleets.network_name(self.fleet.name)}").IPAddress}}}}'
        return fleets.podman("inspect", "--format", form, fleets.container_name(self.fleet.name, worker))

    def argv(self, script: str) -> list[str]:
        galaxy = ["-e", f"ANSIBLE_GALAXY_SERVER={self.galaxy}", "-e", "PIP_CERT=/opt/host-ca.crt", "-e", "LC_ALL=C.UTF-8"]
        return ["podman", "exec", "--user", "agent", "--workdir", "/home/agent", *galaxy, self.container, "bash", "-lec", script]

    def types(self, script: str) -> str:
        """Run a script as the newcomer and return what it prints; it goes well."""
        done = subprocess.run(self.argv(script), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{(done.stdout + done.stderr)[-4000:]}"
        return done.stdout

    def runs(self, example: str, seconds: dict[str, float]) -> str:
        """Run the commands of an example in the shell of the first one, and note the time of each."""
        printed = ""
        for command in re.split(r"^\$ ", example, flags=re.MULTILINE)[1:]:
            begin = time.monotonic()
            printed += self.types(f"cd ~/codex-fleet && . venv/bin/activate && export OPENAI_API_KEY=...\n{command}")
            seconds[" ".join(command.split())[:60]] = round(time.monotonic() - begin, 1)
        return printed

    def writes(self, example: str, more: str = "") -> None:
        """Write an example into the file that its first line names."""
        path = example.splitlines()[0].removeprefix("# ")
        done = [*self.argv(f"mkdir -p $(dirname ~/codex-fleet/{path}) && cat > ~/codex-fleet/{path}")]
        done.insert(2, "--interactive")
        subprocess.run(done, input=example + more, text=True, check=True)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    name = f"newcomer-{os.getpid()}"
    fleet = fleets.up(name, [fleets.WorkerSpec("worker1", "trixie-systemd-bare")], tmp_path / "inventory.yml", user="agent")
    try:
        newcomer = Newcomer(fleet)
        certificates = ["-v", f"{CERTIFICATES}:/opt/host-ca.crt:ro"]
        fleets.start(name, "newcomer", "trixie-nopython", ["--network", fleets.network_name(name), *certificates], ["sleep", "infinity"])
        fleets.podman("cp", str(fleets.dev_cache() / "ssh" / "id_ed25519"), f"{newcomer.container}:/home/agent/.ssh/id_ed25519")
        fleets.podman("exec", newcomer.container, "chown", "agent:", "/home/agent/.ssh/id_ed25519")
        (tmp_path / "artifact").mkdir()
        gateway = fleets.podman("network", "inspect", "--format", "{{(index .Subnets 0).Gateway}}", fleets.network_name(name))
        with served(build(tmp_path / "artifact"), gateway) as newcomer.galaxy:
            yield newcomer
    finally:
        fleets.down(name)


def site(fleet: fleets.Fleet) -> str:
    """Return the variables of this site: it reaches neither GitHub nor a model."""
    checksum = next(digest for path, digest in fleets.checksums().items() if path.startswith("ttyd/"))
    provider = f"{{name: stub, base_url: {fleet.model_url}, wire_api: responses, request_max_retries: 0, stream_max_retries: 0}}"
    config = f"{{model: stand-in, model_provider: stub, model_providers: {{stub: {provider}}}}}"
    return f"codex_worker_mirror_url: {fleet.mirror_url}\ncodex_worker_ttyd_checksum: {checksum}\ncodex_session_config: {config}\n"


def test_from_nothing_to_a_session_in_the_browser(newcomer: Newcomer, artifacts: Path) -> None:
    worker = newcomer.address_of("worker1")
    seconds: dict[str, float] = {}
    (install, inventory, variables, provision, launch, shown, further) = blocks()
    assert [language for language, _text in blocks()] == ["console", "yaml", "yaml", "console", "console", "text", "console"]
    begin = time.monotonic()
    newcomer.types(f"sudo apt-get update -q && sudo apt-get install -yq --no-install-recommends {PACKAGES}")
    newcomer.types(f"ssh -o StrictHostKeyChecking=accept-new agent@{worker} true")
    first, *others = re.split(r"^(?=\$ )", install[1], flags=re.MULTILINE)[1:]
    newcomer.types(first.removeprefix("$ "))
    newcomer.runs("".join(others), seconds)
    newcomer.writes(inventory[1].replace("192.0.2.10", worker).replace("debian", "agent"))
    newcomer.writes(variables[1], site(newcomer.fleet))
    newcomer.runs(provision[1], seconds)
    printed = newcomer.runs(launch[1], seconds)

    patterns = [re.search(pattern, printed) for pattern in (r"browser:  (ssh -N .*)", r"then (http://\S+)", r"terminal: (ssh -t .*)")]
    command, url, attach = (match[1] for match in patterns if match)
    assert all(word in shown[1] for word in ("worker1/hello", "browser:  ssh -N -L 127.0.0.1:", attach.split("tmux.sock")[1]))
    tunnel = subprocess.Popen(newcomer.argv(f"exec {command}"), stdin=subprocess.DEVNULL)
    try:
        port = url.rstrip("/").rpartition(":")[2]
        newcomer.types(f"timeout 120 bash -c 'until (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done'")
        process = fleets.podman("inspect", "--format", "{{.State.Pid}}", newcomer.container)
        enter = ["nsenter", "--target", process, "--net", sys.executable, "-c", BROWSE, url, str(artifacts / "quickstart.png")]
        subprocess.run(enter, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")}, check=True)
    finally:
        tunnel.terminate()
        tunnel.wait()
    seconds["all until the browser"] = round(time.monotonic() - begin, 1)

    newcomer.runs(further[1], seconds)
    assert "summary.json" in newcomer.types("ls ~/codex-fleet/collected/worker1/hello")
    (artifacts / "quickstart.txt").write_text("".join(f"{value:7.1f} s  {name}\n" for name, value in seconds.items()), "utf-8")
