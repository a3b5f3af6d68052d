#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests a version of codex against the contract: its package, its command line, and the end-to-end tests on two workers.

``run`` prints the difference from the newest qualified version, records screens and rollouts, runs the tests of each line of the contract,
and adds the version to the table of digests and to scripts/qualified.json once all have passed. ``compare`` only prints the difference.
``page`` writes the page of the documentation, and ``check`` fails if it is not up to date.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "scripts" / "qualified.json"
PAGE = ROOT / "docs" / "docsite" / "rst" / "codex_versions.rst"
DIGESTS = ROOT / "plugins" / "module_utils" / "_release" / "digests.py"
USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("OPTIO_CODEX_DEV_CACHE") or USER_CACHE / "optio-codex-dev")

#: the lines of the contract, each with its tests in tests/e2e
CONTRACT: Mapping[str, tuple[str, ...]] = {
    "start, stop and teardown": ("test_session_life", "test_teardown"),
    "questions at the start": ("test_questions",),
    "composer and messages": ("test_messages",),
    "rollouts and states": ("test_states", "test_waits", "test_limits"),
    "resume and restart": ("test_session_resume",),
    "instructions and trust": ("test_workdirs",),
    "sandbox and permissions": ("test_sandbox", "test_permissions"),
    "credentials": ("test_credentials", "test_verify"),
    "upgrade under a session": ("test_upgrade", "test_rolling_upgrade"),
}
#: the lines that do not need a worker
PACKAGE, COMMANDS, RECORDINGS = "package", "command line", "recordings"
LINES = (PACKAGE, COMMANDS, RECORDINGS, *CONTRACT)
#: the unit tests that read the recordings, below tests/unit/plugins/module_utils
RECORDING_TESTS = ("_codex/test_screen.py", "_codex/test_rollout_facts.py", "_codex/test_rollout.py", "_transfer/test_composer.py")
#: recorded paths have the length of this one
SCRATCH = Path("/home/agent")
#: what the collection passes to codex, by the command whose help must have it
NEEDED: Mapping[str, tuple[str, ...]] = {
    "--help": ("resume", "exec", "sandbox", "login", "--ask-for-approval", "--sandbox", "--model", "--config", "--cd"),
    "resume --help": ("--ask-for-approval", "--sandbox", "--model", "--config", "--cd"),
    "exec --help": ("--json", "--ephemeral", "--skip-git-repo-check", "--ignore-user-config"),
    "login --help": ("--with-api-key", "--with-access-token", "status"),
    "app-server --help": ("--listen",),
    "debug models": ('"upgrade"', '"slug"'),
}
#: commands whose output is compared with that of the newest qualified version
COMPARED = (*(command for command in NEEDED if command != "debug models"), "sandbox --help", "features list")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\Z")


def qualified() -> dict[str, Any]:
    """Return the qualified versions with their lines, oldest first."""
    found: dict[str, Any] = json.loads(DATA.read_text("utf-8"))
    return found


def unpacked(version: str, place: Path) -> Path:
    """Unpack the package of a version from the mirror of the tests, and return the directory of its files."""
    machine, platform = ("aarch64", "linux-arm64") if os.uname().machine == "aarch64" else ("x86_64", "linux-x64")
    archive = CACHE / "artifacts" / "mirror" / "codex" / f"rust-v{version}" / f"codex-npm-{platform}-{version}.tgz"
    with tarfile.open(archive) as package:
        package.extractall(place / version, filter="data")
    return place / version / "package" / "vendor" / f"{machine}-unknown-linux-musl"


def output_of(package: Path, command: str) -> str:
    """Return what a codex prints for a command, in a home of its own and without its version."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "CODEX_HOME": home, "PATH": "/usr/bin:/bin"}
        argv = [str(package / "bin" / "codex"), *command.split()]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
        return (done.stdout + done.stderr).replace(home, "~")


def tree_of(package: Path) -> list[str]:
    """Return the files of a package with their sizes in MB."""
    files = sorted(path for path in package.rglob("*") if path.is_file())
    return [f"{path.relative_to(package)} {path.stat().st_size >> 20} MB" for path in files]


def missing_options(package: Path) -> list[str]:
    """Return what the collection needs of the command line and the help does not have."""
    missing = []
    for command, words in NEEDED.items():
        text = output_of(package, command)
        missing += [f"codex {command}: {word}" for word in words if word not in text]
    return missing


def differences(old: Path, new: Path) -> list[str]:
    """Return the lines that differ between two packages: their files, and what they print."""
    pairs = [("files", tree_of(old), tree_of(new))]
    pairs += [(f"codex {command}", output_of(old, command).splitlines(), output_of(new, command).splitlines()) for command in COMPARED]
    lines = []
    for title, before, after in pairs:
        compared = difflib.unified_diff(before, after, lineterm="", n=0)
        changed = [line for line in compared if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        lines += [f"{title}:", *(f"  {line}" for line in changed)] if changed else []
    return lines


def record(version: str, package: Path) -> list[str]:
    """Record screens and rollouts as fixtures, and return the unit tests of recordings that fail with them."""
    argv = [sys.executable, "tests/standin/record.py", str(package / "bin" / "codex"), "tests/unit/fixtures"]
    scratch = [] if SCRATCH.exists() else ["--scratch", str(SCRATCH)]
    done = subprocess.run([*argv, *scratch], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        return ["tests/standin/record.py"]
    failed, _passed = run_pytest([*(f"tests/unit/plugins/module_utils/{file}" for file in RECORDING_TESTS), "-k", f"{version} or recorded"])
    return failed


def run_pytest(arguments: Sequence[str], **variables: str) -> tuple[list[str], set[str]]:
    """Run pytest, and return the tests that failed, each as ``file::test``, and the files that have a test that passed."""
    failed, passed = [], set()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        argv = [sys.executable, "-m", "pytest", "-q", "-mnot extended", f"--junitxml={report}", *arguments]
        subprocess.run(argv, cwd=ROOT, env={**os.environ, **variables}, check=False)
        for case in ElementTree.parse(report).iter("testcase"):
            file = str(case.get("classname")).rpartition(".")[2]
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(f"{file}::{case.get('name')}")
            elif case.find("skipped") is None:
                passed.add(file)
    return failed, passed


def verdicts(lines: Iterable[str], failed: Sequence[str], passed: Container[str]) -> dict[str, list[str]]:
    """Return the failed tests of each line; a file without a test that passed has failed too."""
    found: dict[str, list[str]] = {}
    for line in lines:
        found[line] = [test for file in CONTRACT[line] for test in failed if test.startswith(f"{file}::")]
        found[line] += [file for file in CONTRACT[line] if file not in passed and not found[line]]
    return found


def run_tests(version: str, lines: Sequence[str]) -> dict[str, list[str]]:
    """Run the end-to-end tests of the lines with a version, and return the failed ones of each line."""
    files = [f"tests/e2e/{file}.py" for line in lines for file in CONTRACT[line]]
    return verdicts(lines, *run_pytest(["-n2", "--dist=loadscope", *files], OPTIO_CODEX_CANDIDATE=version))


def prepare(version: str) -> None:
    """Add the version to the table of digests, and the package to the mirror of the tests."""
    if f'"{version}": {{' not in DIGESTS.read_text("utf-8"):
        subprocess.run([sys.executable, "scripts/release_data.py", "add", "codex", version], cwd=ROOT, check=True)
    environment = {**os.environ, "OPTIO_CODEX_CANDIDATE": version}
    subprocess.run(["tests/environment/bootstrap.sh", "all"], cwd=ROOT, env=environment, check=True)


def run(version: str, lines: Sequence[str]) -> int:
    """Test a version, and store it as qualified if all lines of the contract pass; return the exit status."""
    before, newest = DIGESTS.read_text("utf-8"), list(qualified())[-1]
    results = CACHE / f"qualify-{version}.json"
    earlier: dict[str, str] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    begin = datetime.datetime.now(datetime.UTC)
    failures: dict[str, list[str]] = {}
    try:
        prepare(version)
        place = Path(tempfile.mkdtemp(prefix="qualify-", dir=CACHE))
        try:
            packages = [unpacked(one, place) for one in (newest, version)]
            print("\n".join([f"codex {version}, compared with {newest}:", *differences(*packages)]), flush=True)
            failures[PACKAGE] = [] if version in output_of(packages[1], "--version") else ["codex --version"]
            failures[COMMANDS] = missing_options(packages[1])
            if RECORDINGS in lines:
                failures[RECORDINGS] = record(version, packages[1])
        finally:
            shutil.rmtree(place, ignore_errors=True)
        failures |= run_tests(version, [line for line in lines if line in CONTRACT])
    finally:
        passed = {line: f"{begin:%Y-%m-%d}" for line, failed in failures.items() if not failed}
        passed = {line: date for line, date in {**earlier, **passed}.items() if line not in failures or line in passed}
        results.write_text(json.dumps(passed), "utf-8")
        is_whole = set(passed) >= set(LINES)
        if not is_whole:
            DIGESTS.write_text(before, "utf-8")
    for line, failed in failures.items():
        print(f"{line:28} {'passed' if not failed else 'FAILED: ' + ', '.join(failed)}")
    seconds = int((datetime.datetime.now(datetime.UTC) - begin).total_seconds())
    print(f"codex {version}: {'qualified' if is_whole else 'not qualified'} after {seconds // 60} min {seconds % 60} s")
    if is_whole:
        add(version, passed)
        results.unlink()
    return 0 if is_whole else 1


def add(version: str, passed: Mapping[str, str]) -> None:
    """Store a version as qualified, with the day on which each line passed."""
    known = {**qualified(), version: {line: passed[line] for line in LINES}}
    ordered = dict(sorted(known.items(), key=lambda item: [int(part) for part in item[0].split(".")]))
    DATA.write_text(json.dumps(ordered, indent=2) + "\n", "utf-8")
    PAGE.write_text(page(ordered), "utf-8")


def page(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page of the documentation."""
    head = """..
  SPDX-License-Identifier: GPL-3.0-or-later
  Written by scripts/qualify.py

.. _ansible_collections.optio.codex.docsite.codex_versions:

Versions of codex
=================

A version is qualified if it passes every line of the contract that the collection has with codex, on a worker with systemd and on one
without. ``make qualify CODEX=0.172.0`` in a checkout tests a version. Other versions can be used too, because the collection asks the
installed codex for its models, hooks and permission profiles, but they were not tested.

A date is the day of ``make qualify``. *Every run* means that ``make test`` and ``make test-batteries`` test the line in every run, and
*extended* means that ``make test-extended`` does.

.. list-table::
  :header-rows: 1

"""
    rows = [["Line of the contract", *versions]]
    rows += [[line.capitalize(), *(lines.get(line, "not tested") for lines in versions.values())] for line in LINES]
    return head + "".join(f"  * - {row[0]}\n" + "".join(f"    - {cell}\n" for cell in row[1:]) for row in rows)


def main(argv: list[str] | None = None) -> int:
    """Run the script and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["run", "compare", "page", "check"])
    parser.add_argument("version", nargs="?", default="", help="the version of codex, for run and compare")
    parser.add_argument("--line", action="append", choices=LINES, help="only these lines, which completes an earlier run")
    options = parser.parse_args(argv)
    if options.action in ("page", "check"):
        text = page(qualified())
        if options.action == "page":
            PAGE.write_text(text, "utf-8")
        elif PAGE.read_text("utf-8") != text:
            print(f"{PAGE.relative_to(ROOT)} is not up to date. Run scripts/qualify.py page.", file=sys.stderr)
            return 1
        return 0
    if not _VERSION.match(options.version):
        parser.error("the version must be one such as 0.172.0")
    if options.action == "run":
        return run(options.version, options.line or LINES)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        packages = [unpacked(one, Path(scratch)) for one in (list(qualified())[-1], options.version)]
        print("\n".join([*differences(*packages), *(f"missing: {one}" for one in missing_options(packages[1]))]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
