# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of public names, and the rule that a change of it needs a changelog fragment."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import public_names
import pytest

ROOT = Path(__file__).resolve().parents[2]

COLLECTION = {
    "meta/runtime.yml": "action_groups:\n  codex:\n    - session\n",
    "plugins/modules/session.py": '''
DOCUMENTATION = r"""
options:
  state:
    type: str
    choices: [started, true, '']
    aliases: [status]
  repository:
    type: dict
    suboptions:
      url:
        description: The URL.
extends_documentation_fragment:
  - ansible.builtin.files
  - optio.codex.location
  - optio.codex.location.one
"""
RETURN = r"""
sessions:
  type: list
  elements: dict
  contains:
    name:
      type: str
"""
''',
    "plugins/doc_fragments/location.py": """
class ModuleDocFragment:
    DOCUMENTATION = "options: {user: {type: str}}"
    ONE = "options: {name: {type: str}, state: {type: raw, aliases: [other]}}"
    CONTENT = "options: {prompt: {type: str}}"
""",
    "plugins/filter/to_toml.py": 'DOCUMENTATION = "options: {_input: {type: dict}}"\nRETURN = "_value: {type: str}"\n',
    "plugins/lookup/_private.py": "",
    "plugins/callback/fleet.py": 'DOCUMENTATION = "extends_documentation_fragment: [default_callback]"\n',
    "plugins/plugin_utils/_role_options.py": 'PLAYBOOK_VARIABLES = ("codex_hosts", "codex_user")\n',
    "roles/worker/README.md": "The result is in `worker_result`.",
    "roles/worker/meta/argument_specs.yml": """
argument_specs:
  main:
    options:
      worker_user: &id001
        type: str
      worker_state:
        choices: [present]
  remove:
    options:
      worker_user: *id001
""",
    "roles/worker/tasks/main.yml": """
- name: Install
  block:
    - name: Look
      ansible.builtin.command: id
      register: worker_result
      tags: packages
  tags: [codex, always]
- name: Keep
  ansible.builtin.set_fact:
    worker_scratch: 1
""",
    "playbooks/run.yml": """
# worker_comment | default(1)
- name: Run
  hosts: "{{ codex_hosts | default('all') }}"
  vars:
    a: "{{ worker_user | default('') }} {{ worker__private|default('') }}"
  roles: [worker]
""",
}
NAMES = """\
action_group codex session
callback fleet
filter to_toml
filter to_toml option _input: dict
filter to_toml return _value: str
module session
module session option name: str
module session option repository.url: str
module session option repository: dict
module session option state alias status
module session option state choice ""
module session option state choice started
module session option state choice true
module session option state: str
module session option user: str
module session return sessions.name: str
module session return sessions: list/dict
playbook run
playbook run variable codex_hosts
role worker
role worker entry main
role worker entry main variable worker_state choice present
role worker entry main variable worker_state: str
role worker entry main variable worker_user: str
role worker entry remove
role worker entry remove variable worker_user: str
role worker result worker_result
role worker tag codex
role worker tag packages
variable codex_user
"""

REQUIRED = {
    "nothing changed": (["a"], ["a"], [], False),
    "only the order changed": (["a", "b"], ["b", "a"], ["plugins/a.py"], False),
    "a new name": (["a"], ["a", "b"], [], True),
    "a new name, other files": (["a"], ["a", "b"], ["plugins/a.py", "changelogs/config.yaml"], True),
    "a removed name": (["a"], [], ["plugins/a.py"], True),
    "a renamed name": (["a"], ["b"], ["plugins/a.py"], True),
    "a new name with a fragment": (["a"], ["b"], ["plugins/a.py", "changelogs/fragments/1.yml"], False),
    "a new name with a release": (["a"], ["b"], ["changelogs/changelog.yaml"], False),
    "a fragment alone": (["a"], ["a"], ["changelogs/fragments/1.yml"], False),
}


@pytest.mark.slow
def test_the_list_is_up_to_date() -> None:
    listed = (ROOT / public_names.LIST).read_text("utf-8").splitlines()
    assert public_names.changes(listed, public_names.public_names(ROOT)) == [], "run scripts/public_names.py write"


@pytest.mark.parametrize(("old", "new", "paths", "expected"), REQUIRED.values(), ids=REQUIRED)
def test_a_changed_name_requires_a_fragment(old: list[str], new: list[str], paths: list[str], expected: bool) -> None:
    assert public_names.requires_fragment(old, new, paths) is expected


def test_changes_are_removed_and_new_names() -> None:
    assert public_names.changes(["a", "c"], ["c", "b"]) == ["- a", "+ b"]


def write_files(directory: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def call(root: Path, command: str) -> int:
    return public_names.main(["--root", str(root), command])


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Return a collection whose list is up to date."""
    root = tmp_path / "collection"
    write_files(root, COLLECTION)
    (root / public_names.LIST).parent.mkdir(parents=True)
    assert call(root, "write") == 0
    return root


@pytest.fixture
def repository(collection: Path) -> Path:
    """Return the collection in a git repository whose newest commit has a fragment."""
    git(collection, "init", "-q")
    write_files(collection, {"changelogs/fragments/0.yml": "a"})
    commit(collection)
    return collection


def rename_option(root: Path) -> None:
    write_files(root, {"plugins/filter/to_toml.py": 'DOCUMENTATION = "options: {value: {type: dict}}"\n'})
    assert call(root, "check") == 1
    call(root, "write")


def test_every_kind_of_name_is_listed(collection: Path) -> None:
    assert (collection / public_names.LIST).read_text() == NAMES


def test_a_list_that_is_not_up_to_date_is_refused(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(collection, {"playbooks/stop.yml": "[]"})
    assert call(collection, "check") == 1
    remedy = f"{public_names.LIST} is not up to date. Run scripts/public_names.py write."
    assert capsys.readouterr().err == f"+ playbook stop\n{remedy}\n"


def test_without_git_only_the_list_is_checked(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rename_option(collection)
    assert call(collection, "check") == 0
    assert capsys.readouterr().out == "skipped the comparison with an earlier list: this is not a git repository\n"


@pytest.mark.parametrize("committed", [False, True])
def test_a_change_after_the_last_fragment_is_refused(repository: Path, committed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(repository, "check") == 0
    rename_option(repository)
    if committed:
        commit(repository)
    capsys.readouterr()
    assert call(repository, "check") == 1
    assert "- filter to_toml option _input: dict" in capsys.readouterr().err
    write_files(repository, {"changelogs/fragments/1.yml": "b"})
    assert call(repository, "check") == 0
    commit(repository)
    assert call(repository, "check") == 0


def test_a_branch_is_compared_with_where_it_began(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    write_files(clone, {"changelogs/fragments/1.yml": "b"})
    commit(clone)
    rename_option(clone)
    commit(clone)
    assert call(clone, "check") == 0
    git(clone, "rm", "-q", "changelogs/fragments/1.yml")
    git(clone, "commit", "-qm", "b")
    assert call(clone, "check") == 1


def test_a_shallow_clone_is_compared_with_its_only_commit(repository: Path, tmp_path: Path) -> None:
    write_files(repository, {"README.md": "b"})
    commit(repository)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", str(clone))
    git(clone, "remote", "remove", "origin")
    assert call(clone, "check") == 0
    rename_option(clone)
    assert call(clone, "check") == 1


def test_a_list_without_an_earlier_one_is_not_compared(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "rm", "-q", "--cached", public_names.LIST)
    write_files(repository, {"changelogs/fragments/1.yml": "b"})
    git(repository, "add", "changelogs")
    git(repository, "commit", "-qm", "b")
    assert call(repository, "check") == 0
    assert "skipped" in capsys.readouterr().out
