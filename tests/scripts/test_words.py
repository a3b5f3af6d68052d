# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that counts habits of prose and refuses more of them than were recorded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import words

FOUND = {
    "nominal": ["whoever", "Whatever it is", "those that run", "One that runs", "what is\nkept", "what the session does"],
    "told": ["it tells the user", "was told", "It says so"],
    "nobody": ["Nobody knows", "needs somebody"],
    "is-no": ["is no session", "there are no more", "can be no\nlink"],
    "give": ["Give a name", "or mend it", "Take it out", "leave the two options out", "is left out"],
    "archaic": ["starts anew", "shall run", "beside it", "Likewise"],
    "british": ["artefacts", "recognised", "Colour", "serialisation", "behaviours"],
}
NOT_FOUND = {
    "nominal": ["what happened", "the one session", "those hosts"],
    "told": ["Returns", "toll"],
    "nobody": ["anyone"],
    "is-no": ["is no longer running", "is no more than a day", "is not a session", "is No"],
    "give": ["the given name", "gives a digest", "give up", "sets it out", "leave it as it is"],
    "archaic": ["shallow", "last"],
    "british": ["color", "recognizes", "promise", "otherwise", "emphasis", "parallelism"],
}

PLUGIN = '''\
# Copyright (c) 2026 somebody
# Nobody reads
# what is here.
"""Tells what ``nobody`` does."""

DOCUMENTATION = r"""
module: whoever
short_description: Say something
description:
  - Whoever reads V(whoever) and O(whoever) and
    C(whoever).
options:
  whoever:
    description: Nobody.
    choices: [nobody]
    type: str
"""

EXAMPLES = r"""
- name: Tell {{ whoever }}
  optio.codex.session:
    name: nobody
"""

RETURN = r"""
whoever:
  description: Those that are left.
  sample: nobody
"""

ADVICE = "Give it"

def check(host):
    host.warn(
        f"nobody {host} "
        f"is {host} told"
    )
    raise OptioError("whoever", "is no host", ADVICE)

def empty_warning():
    return "somebody"

OTHER = "whatever"
'''
PLUGIN_HITS = {
    "documentation": {
        ("told", 8),
        ("nominal", 10),
        ("nobody", 14),
        ("told", 20),
        ("nominal", 27),
    },
    "messages": {("nobody", 35), ("told", 36), ("nominal", 38), ("is-no", 38), ("give", 31), ("nobody", 41)},
    "code": {("nobody", 2), ("nominal", 3), ("told", 4)},
}

RST = """\
.. _whoever:

Nobody
======

``whoever`` and :ref:`whoever` and `whoever <https://whoever>`__

.. code-block:: yaml

  whoever: 1

  whatever: 2

Those that run

.. note::

  Somebody
"""
MARKDOWN = """\
# Nobody

`whoever` [the guide](whoever.md) <https://whoever>

```yaml
whoever: 1
```
Somebody
"""
TASKS = """\
---
# nobody
- name: Tell the controller
  block:
    - name: Refuse those that are left
      ansible.builtin.fail:
        msg: >-
          {{ whoever }}
          is no host
      vars:
        whoever: nobody
"""
SPECS = """\
argument_specs:
  main:
    short_description: Nobody
    options:
      whoever:
        description:
          - Those that V(whoever)
        default: whoever
"""
FRAGMENT = """\
minor_changes:
  - session - tells
    what is ``whoever``
"""
TEXT_HITS = {
    "docs/docsite/rst/a.rst": (RST, "docs", {("nobody", 3), ("nominal", 14), ("nobody", 18)}),
    "roles/a/README.md": (MARKDOWN, "docs", {("nobody", 1), ("nobody", 8)}),
    "README.md": (MARKDOWN, "documentation", {("nobody", 1), ("nobody", 8)}),
    "roles/a/tasks/main.yml": (TASKS, "messages", {("told", 3), ("nominal", 5), ("is-no", 9)}),
    "playbooks/a.yml": (TASKS, "messages", {("told", 3), ("nominal", 5), ("is-no", 9)}),
    "roles/a/meta/argument_specs.yml": (SPECS, "docs", {("nobody", 3), ("nominal", 7)}),
    "changelogs/fragments/1.yml": (FRAGMENT, "docs", {("told", 2), ("nominal", 3)}),
}


def texts_of(habit: str, text: str) -> list[str]:
    return [match for _line, match in words.Passage("a", 1, text).matches(habit)]


@pytest.mark.parametrize(("habit", "text"), [(habit, text) for habit, texts in FOUND.items() for text in texts])
def test_the_habits_are_found(habit: str, text: str) -> None:
    assert len(texts_of(habit, text)) == 1


@pytest.mark.parametrize(("habit", "text"), [(habit, text) for habit, texts in NOT_FOUND.items() for text in texts])
def test_other_text_is_not_counted(habit: str, text: str) -> None:
    assert texts_of(habit, text) == []


def test_every_habit_has_examples() -> None:
    assert set(FOUND) == set(NOT_FOUND) == set(words.HABITS)
    assert {(area in words.AREAS, habit in words.HABITS) for area, habit in words.TARGETS} == {(True, True)}


def test_the_prose_of_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "modules").mkdir(parents=True)
    (tmp_path / "plugins" / "modules" / "a.py").write_text(PLUGIN)
    survey = words.survey(tmp_path)
    for area in words.AREAS:
        assert {(hit.habit, hit.line) for hit in survey.hits if hit.area == area} == PLUGIN_HITS.get(area, set()), area
    assert {hit.path for hit in survey.hits} == {"plugins/modules/a.py"}


@pytest.mark.parametrize(("path", "text", "area", "expected"), [(path, *row) for path, row in TEXT_HITS.items()], ids=TEXT_HITS)
def test_the_prose_of_other_files(tmp_path: Path, path: str, text: str, area: str, expected: set[tuple[str, int]]) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    survey = words.survey(tmp_path)
    assert {(hit.area, hit.habit, hit.line) for hit in survey.hits} == {(area, *hit) for hit in expected}
    assert [name for name, count in survey.words.items() if count] == [area]


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """Return a README with two hits of one habit, whose ceilings are recorded."""
    path = tmp_path / "README.md"
    path.write_text("Nobody.\n\nSomebody.\n")
    assert call(tmp_path, "record") == 0
    return path


def call(root: Path, *arguments: str) -> int:
    return words.main(["--root", str(root), "--ceilings", str(root / "ceilings.json"), *arguments])


def ceiling(root: Path) -> int:
    number: int = json.loads((root / "ceilings.json").read_text())["documentation"]["nobody"]
    return number


def test_the_check_fails_above_the_ceiling(readme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(readme.parent, "check") == 0
    readme.write_text("Nobody.\n\nSomebody.\nAnybody.\n")
    assert call(readme.parent, "check") == 1
    shown = capsys.readouterr().err
    assert "documentation: 3 of nobody, at most 2 are allowed:" in shown
    assert "README.md:4: Nobody. Somebody. [Anybody] ." in shown


def test_a_habit_without_a_ceiling_is_refused(readme: Path) -> None:
    (readme.parent / "ceilings.json").write_text("{}")
    assert call(readme.parent, "check") == 1


def test_record_only_lowers(readme: Path) -> None:
    assert ceiling(readme.parent) == 2
    readme.write_text("Nobody.\n")
    assert call(readme.parent, "check") == 0
    assert call(readme.parent, "record") == 0
    assert ceiling(readme.parent) == 1
    readme.write_text("Nobody.\n\nSomebody.\n")
    assert call(readme.parent, "record") == 1
    assert ceiling(readme.parent) == 1
    assert call(readme.parent, "check") == 1


def test_a_target_is_a_rate(readme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme.write_text("Nobody.\n" + "word " * 9998)
    assert call(readme.parent, "check", "--targets") == 1
    assert "documentation: 0.10 of nobody per 1,000 words, the target is 0.1:" in capsys.readouterr().err
    readme.write_text("Nobody.\n" + "word " * 9999)
    assert call(readme.parent, "check", "--targets") == 0


def test_list_and_count(readme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(readme.parent, "list", "nobody", "documentation") == 0
    assert capsys.readouterr().out == "README.md:1: [Nobody] . Somebody.\nREADME.md:3: Nobody. [Somebody] .\n"
    assert call(readme.parent, "list", "nobody", "code") == 0
    assert capsys.readouterr().out == ""
    assert call(readme.parent, "count") == 0
    assert "1000.00 (2)" in capsys.readouterr().out


def test_list_since_a_commit(readme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (readme.parent / "roles" / "a").mkdir(parents=True)
    (readme.parent / "roles" / "a" / "README.md").write_text("Nobody.\n")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "a"]):
        subprocess.run(["git", *arguments], cwd=readme.parent, check=True, capture_output=True)
    assert call(readme.parent, "list", "nobody", "--since", "HEAD") == 0
    assert capsys.readouterr().out == ""
    readme.write_text("Nobody.\n\nAnybody.\nAnybody.\n\n\nNobody.\n")
    assert call(readme.parent, "list", "nobody", "--since", "HEAD") == 0
    assert [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()] == ["README.md:3:", "README.md:4:", "README.md:7:"]
