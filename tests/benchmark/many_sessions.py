#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many sessions on one worker cost in one call with ``sessions``, beside a loop and a script by hand, in turn in one run.

Launched, looked at again, and ended, with the real codex. Fails when a run fails or a second launch changes something;
never because of a time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "environment")]

import fleet as fleets
from benchmark.measure import Runner
from benchmark.warm_run import COLD_LIMIT, PROVISION, WARM_LIMIT, on_fleet, say, variables_of, write

STEPS = ("launch", "again", "end")
WAYS = ("sessions", "loop", "script")
BY_HAND = TESTS / "benchmark" / "by_hand.sh"


def playbooks(scratch: Path, names: Sequence[str]) -> dict[tuple[str, str], str]:
    """Write a playbook for each step, in one call, as a loop, and with a shell script that does the same by hand."""
    model = {"name": "stub", "base_url": "{{ optio_model_url }}", "wire_api": "responses"}
    launch: dict[str, Any] = {
        "config": {"model": "stand-in", "model_provider": "stub", "model_providers": {"stub": model}},
        "ready_timeout": 120,
    }
    found: dict[tuple[str, str], str] = {}
    for step in STEPS:
        options = {"state": "absent"} if step == "end" else launch
        one: dict[str, Any] = {"name": step, "optio.codex.session": {**options, "sessions": list(names)}}
        loop: dict[str, Any] = {"name": step, "optio.codex.session": {**options, "name": "{{ item }}"}, "loop": list(names)}
        verb = "end" if step == "end" else "launch"
        script: dict[str, Any] = {"name": step, "ansible.builtin.script": f"{BY_HAND} {verb} {{{{ optio_model_url }}}} {' '.join(names)}"}
        for way, task in zip(WAYS, (one, loop, script), strict=True):
            found[way, step] = write(scratch, f"{step}-{way}", [task])
    return found


def benchmark(fleet: fleets.Fleet, scratch: Path, count: int, rounds: int) -> bool:
    """Provision, measure, print; whether no second launch changed anything."""
    variables = {**variables_of(fleet, ""), "optio_model_url": fleet.model_url}
    runner = Runner(fleet.inventory, scratch, 1, variables)
    runner.run(PROVISION, "the provision", limit=COLD_LIMIT)
    books = playbooks(scratch, [f"s{number:02}" for number in range(count)])
    walls: dict[tuple[str, str], list[float]] = {key: [] for key in books}
    good = True
    for number in range(rounds + 1):
        for way in WAYS:
            for step in STEPS:
                timing = runner.run(books[way, step], f"{step} by {way}", limit=WARM_LIMIT)
                if step == "again" and timing.changed and way != "script":
                    print(f"error: the second launch by {way} changed something", file=sys.stderr)
                    good = False
                # the first round fills the caches of the machine
                if number:
                    walls[way, step].append(timing.wall)
    say(f"\n{f'seconds, {count} sessions':26}{'sessions':>10}{'loop':>10}{'ratio':>8}{'by hand':>10}{'ratio':>8}")
    for step in STEPS:
        one = walls["sessions", step]
        line = f"{step:26}{statistics.median(one):10.2f}"
        for way in WAYS[1:]:
            ratio = statistics.median(first / second for first, second in zip(one, walls[way, step], strict=True))
            line += f"{statistics.median(walls[way, step]):10.2f}{ratio:8.2f}"
        say(line)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20, help="how many (20)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each playbook (3)")
    args = parser.parse_args()
    if args.sessions < 1 or args.rounds < 1:
        parser.error("--sessions and --rounds are at least 1")
    return on_fleet(1, lambda fleet, scratch: benchmark(fleet, scratch, args.sessions, args.rounds))


if __name__ == "__main__":
    sys.exit(main())
