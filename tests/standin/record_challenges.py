# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what a real codex prints when a credential is tried, as fixtures for the unit tests.

It runs the command line of the module ``credential_info`` against the stand-in, one fresh home a scenario, and writes
``<directory>/<version>.json``. Run it in a container without a network, with ``collections`` on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from responses import RequestLog, Server

from ansible_collections.optio.codex.plugins.module_utils._codex.config import base_config
from ansible_collections.optio.codex.plugins.module_utils._credential.challenge import Challenge, exec_arguments

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
TIMEOUT = 10.0
PORT = 8090


class Scenario(NamedTuple):
    """A base URL below the stand-in's, or a whole one; whether the provider has a key; the login and where it is renewed."""

    url: str
    key: str | None = KEY
    login: str | None = None
    renewal: str | None = None


SCENARIOS: Mapping[str, Scenario] = {
    **{"right": Scenario("/v1"), "wrong": Scenario("/faults/wrong/v1"), "hang": Scenario("/faults/hang/v1")},
    **{str(status): Scenario(f"/faults/{status}/v1") for status in (400, 401, 403, 404, 429, 500, 503)},
    **{"quota": Scenario("/faults/quota/v1"), "address": Scenario("/faults/address/v1")},
    **{"refused": Scenario("http://127.0.0.1:9/v1"), "no-such-name": Scenario("http://no-such-host.invalid/v1")},
    **{"no-variable": Scenario("/v1", key=""), "no-login": Scenario("/faults/401/v1", key=None)},
    "key-login-401": Scenario("/faults/401/v1", None, json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": KEY})),
    "broken-login": Scenario("/faults/401/v1", None, "{"),
    **{f"renewal-{fault}": Scenario("/faults/401/v1", None, "chatgpt", f"/faults/{fault}/oauth/token") for fault in (401, 403, 429, 500)},
    "renewal-refused": Scenario("/faults/401/v1", None, "chatgpt", "http://127.0.0.1:9/oauth/token"),
    "broken-config": Scenario(""),
}


def chatgpt_login() -> str:
    """Return an auth.json as a login with ChatGPT leaves it, of tokens that nobody has issued."""
    claims = {"chatgpt_account_id": "account", "chatgpt_plan_type": "pro", "chatgpt_user_id": "user"}
    payload = {"exp": int(time.time()) + 99999, "email": "a@example.com", "https://api.openai.com/auth": claims}
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, payload, {}))
    tokens = {"id_token": token, "access_token": token, "refresh_token": "renew", "account_id": "account"}
    return json.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2026-11-01T00:00:00Z"})


def record(codex: str, scenario: Scenario, base: str, home: Path) -> dict[str, Any]:
    """Run one scenario; return its exit status (None at the time-out) and the lines that it printed."""

    def whole(url: str) -> str:
        return url if url.startswith("http") else f"{base}{url}"

    codex_home = home / ".codex"
    codex_home.mkdir(parents=True)
    (home / "empty").mkdir()
    provider = {"name": "stub", "base_url": whole(scenario.url), "wire_api": "responses", "request_max_retries": 0, "stream_max_retries": 0}
    provider.update({"requires_openai_auth": True} if scenario.key is None else {"env_key": "STUB_KEY"})
    config = base_config({"model": "stand-in", "model_provider": "stub", "model_providers": {"stub": provider}})
    (codex_home / "config.toml").write_text(config if scenario.url else "model_provider = \n")
    if scenario.login:
        (codex_home / "auth.json").write_text(chatgpt_login() if scenario.login == "chatgpt" else scenario.login)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(codex_home), "LANG": "C.UTF-8"}
    environment.update({"STUB_KEY": scenario.key} if scenario.key else {})
    environment.update({"CODEX_REFRESH_TOKEN_URL_OVERRIDE": whole(scenario.renewal)} if scenario.renewal else {})
    argv = exec_arguments(Challenge(codex, environment, (), TIMEOUT), str(home / "empty"))
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home / "empty", env=environment
    )
    try:
        texts = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.terminate()
        texts = process.communicate()
    rc = None if process.returncode < 0 else process.returncode
    lines = [[re.sub(r"//127\.0\.0\.1:(?!9/)\d+", f"//127.0.0.1:{PORT}", line) for line in text.splitlines()] for text in texts]
    return {"rc": rc, "stdout": lines[0], "stderr": [line.replace(str(home), "/home/agent") for line in lines[1]]}


def main() -> None:
    """Record one release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codex")
    parser.add_argument("directory", type=Path)
    options = parser.parse_args()
    version = subprocess.run([options.codex, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    server = Server(("127.0.0.1", 0), RequestLog(Path(os.devnull)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory(dir=Path.home()) as scratch:
        recorded = {name: record(options.codex, scenario, base, Path(scratch) / name) for name, scenario in SCENARIOS.items()}
    (options.directory / f"{version}.json").write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    main()
