#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cost of a warm provision and of a ping by the size of the fleet, in turn in one run; draws a plot with ``--plot``.

Fails when a run fails or changes something; never because of a time.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "environment")]

import fleet as fleets
from benchmark.measure import BenchError, Runner
from benchmark.warm_run import COLD_LIMIT, PROVISION, WARM_LIMIT, on_fleet, say, variables_of, write

Costs = Mapping[str, Mapping[int, float]]


def benchmark(fleet: fleets.Fleet, scratch: Path, sizes: Sequence[int], rounds: int) -> dict[str, dict[int, float]]:
    """Return the median wall seconds of each playbook by the number of workers."""
    variables = variables_of(fleet, "")
    runner = Runner(fleet.inventory, scratch, len(fleet.workers), variables)
    runner.run(PROVISION, "the provision", limit=COLD_LIMIT)
    books = {"warm provision": PROVISION, "ping": write(scratch, "ping", [{"name": "Ping", "ansible.builtin.ping": {}}])}
    found: dict[str, dict[int, list[float]]] = {title: {size: [] for size in sizes} for title in books}
    for number in range(rounds + 1):
        for size in sizes:
            part = Runner(fleet.inventory, scratch, size, variables)
            for title, book in books.items():
                timing = part.run(book, f"{title} of {size}", limit=WARM_LIMIT, options=["--limit", f"codex_workers[0:{size - 1}]"])
                if timing.changed:
                    raise BenchError(f"{title} of {size}: a warm run changed something")
                # the first round fills the caches of the machine
                if number:
                    found[title][size].append(timing.wall)
    return {title: {size: statistics.median(times) for size, times in by_size.items()} for title, by_size in found.items()}


def table(costs: Costs) -> str:
    """Return the seconds by size, and the milliseconds that each further worker costs between two sizes."""
    sizes = list(next(iter(costs.values())))
    lines = [f"\n{'seconds, workers':26}" + "".join(f"{size:8}" for size in sizes)]
    for title, by_size in costs.items():
        lines.append(f"{title:26}" + "".join(f"{by_size[size]:8.2f}" for size in sizes))
    lines.append(f"\n{'ms for each more worker':26}" + " " * 8 + "".join(f"{size:8}" for size in sizes[1:]))
    for title, by_size in costs.items():
        steps = [(by_size[after] - by_size[before]) / (after - before) * 1000 for before, after in itertools.pairwise(sizes)]
        lines.append(f"{title:26}" + " " * 8 + "".join(f"{step:8.0f}" for step in steps))
    return "\n".join(lines)


def draw(costs: Costs, path: Path) -> None:
    """Draw seconds by the number of workers as SVG. matplotlib is needed."""
    # nothing else of the project needs it
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "optio.codex"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6))
    for title, by_size in costs.items():
        axes.plot(list(by_size), list(by_size.values()), marker="o", label=title)
    axes.set(xlabel="workers", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 15, 20, 25], help="numbers of workers (5 10 15 20 25)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each playbook (3)")
    parser.add_argument("--plot", type=Path, help="the SVG file to write (needs matplotlib)")
    args = parser.parse_args()

    def measure(fleet: fleets.Fleet, scratch: Path) -> bool:
        costs = benchmark(fleet, scratch, sorted(args.sizes), args.rounds)
        say(table(costs))
        if args.plot:
            draw(costs, args.plot)
        return True

    return on_fleet(max(args.sizes), measure)


if __name__ == "__main__":
    sys.exit(main())
