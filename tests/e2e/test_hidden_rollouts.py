# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conversations that are archived, compressed, damaged or moved: the prompt is given once, and the result names the remedy."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import CACHE, ROOT, USER, WITHOUT, Result, Workers, home, is_idle, workdir

pytestmark = pytest.mark.battery

OTHER = "ffffffff-04bd-7371-ae76-9a22157469e5"


def compressed(data: bytes) -> bytes:
    """Return a Zstandard frame of blocks that are stored as they are."""
    blocks = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    heads = [struct.pack("<I", (number == len(blocks)) | len(block) << 3)[:3] for number, block in enumerate(blocks, 1)]
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", len(data)) + b"".join(map(bytes.__add__, heads, blocks))


class Again:
    """One session on one worker, launched again and again by the same play."""

    def __init__(self, workers: Workers, version: str) -> None:
        self.workers = workers
        self.name = f"hidden-{version}"
        self.asked: dict[str, Any] = {"version": version, "prompt": "RUN: echo given >>count.txt"}

    def launch(self) -> tuple[Result, str]:
        """Launch the stopped session, check that the prompt was not given again, and return the result and the output on one line."""
        run = self.workers.play(self.workers.task(self.name, **self.asked), hosts=WITHOUT)
        assert self.workers.read(WITHOUT, f"{workdir(self.name)}/count.txt") == "given\n"
        return run.records[0].result, " ".join(run.output.split())

    def shell(self, script: str) -> str:
        """Return what a script prints in codex's home while codex does not run."""
        self.workers.session(self.name, hosts=WITHOUT, state="stopped")
        return self.workers.shell(WITHOUT, f"cd {home(self.name)}/.codex && {{ {script}; }} 2>&1", user=USER)


@pytest.mark.parametrize("version", VERSIONS)
def test_conversation_that_codex_does_not_find_is_reported_and_the_prompt_is_given_once(workers: Workers, version: str) -> None:
    again = Again(workers, version)
    workers.session(again.name, hosts=WITHOUT, **again.asked)
    conversation = workers.until(again.name, is_idle, "idle", hosts=WITHOUT)[WITHOUT]["session_id"]

    archive = f"CODEX_HOME=$PWD HOME={home(again.name)} {CACHE}/{version}-x86_64-unknown-linux-musl/bin/codex archive {conversation}"
    assert "Archived session" in again.shell(archive)
    fresh, output = again.launch()
    assert (fresh["status"], fresh["resumed"], fresh["session_id"]) == ("running", False, None)
    remedy = output.partition(f"because conversation {conversation} is archived. To resume it, stop the session, run ")[2]
    assert "Unarchived session" in again.shell(remedy.partition(" and launch again")[0]), output
    assert again.launch()[0]["session_id"] == conversation

    rollout = again.shell("find sessions -name 'rollout-*.jsonl'").strip()
    data = compressed(base64.b64decode(again.shell(f"base64 {rollout}")))
    again.shell(f"base64 -d >{rollout}.zst <<'END'\n{base64.encodebytes(data).decode()}END\nmv {rollout} {ROOT}/kept-{version}")
    # that of a sub-agent, for example: which is the session's own cannot be read
    other = f"{rollout.removesuffix('.jsonl')[:-36]}{OTHER}.jsonl.zst"
    again.shell(f"cp {rollout}.zst {other}")
    failed = again.launch()[0]
    assert f"session {again.name} cannot be resumed, because several rollouts in" in failed["msg"], failed
    again.shell(f"rm {other}")
    resumed, _output = again.launch()
    assert (resumed["resumed"], resumed["session_id"]) == (True, conversation)

    assert again.shell(f"find sessions -name 'rollout-*'; : >{rollout}").strip() == rollout, "codex did not decompress it"
    failed = again.launch()[0]["msg"]
    assert "did not start" in failed and f"restore {home(again.name)}/.codex/{rollout} from a backup" in failed
    again.shell(f"mv {rollout} {ROOT}/damaged-{version}")
    fresh, output = again.launch()
    assert (fresh["status"], fresh["resumed"]) == ("running", False)
    assert "without the prompt, which an earlier launch may have given" in output
    again.shell(f"rm {ROOT}/damaged-{version}; mv {ROOT}/kept-{version} {rollout}")
    assert again.launch()[0]["session_id"] == conversation
    workers.session(again.name, hosts=WITHOUT, state="absent", purge=True)
