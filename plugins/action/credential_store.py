# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the work of ``optio.codex.credential_store``: it compares here, on the controller, and reads and writes the host by a shell."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._codex import auth_file
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import Credential
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.paths import validate_path
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan, check_mode_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose, parse
from ansible_collections.optio.codex.plugins.module_utils._core.probed_resource import ProbedResource
from ansible_collections.optio.codex.plugins.module_utils._core.resource import ArgumentSpec, Params
from ansible_collections.optio.codex.plugins.module_utils._session.login import LIMIT
from ansible_collections.optio.codex.plugins.plugin_utils._credential_action import SECRET, CredentialAction, description
from ansible_collections.optio.codex.plugins.plugin_utils._credential_file import SCRATCH, decoded, encoded, is_to_save
from ansible_collections.optio.codex.plugins.plugin_utils._lasting import remote_temporary_parent, temporary_parent

#: attempts to write a file that another run changes at the same time
ATTEMPTS = 3
_READ = f"""
expand "$path"
emit path "$REPLY"
emit target "$(readlink -f -- "$(dirname -- "$REPLY")")/$(basename -- "$REPLY")"
if [ -L "$REPLY" ]; then emit kind other
elif [ -f "$REPLY" ]; then
  if ! [ -r "$REPLY" ]; then emit kind unreadable
  elif [ "$(stat -c %s "$REPLY")" -gt {LIMIT} ]; then emit kind other
  else emit kind file; base64 "$REPLY" | sed 's/^/content+/'; fi
elif [ -e "$REPLY" ]; then emit kind other
else emit kind absent
fi
"""
#: one rename under the lock of the directory, if the file is unchanged since it was compared; ``source`` is a file of Ansible's
_WRITE = f"""
umask 077
dir=$(dirname -- "$path")
mkdir -p -- "$dir" || {{ emit failed "$dir cannot be created"; return 0; }}
new=$dir/{SCRATCH}$$
{{
  exec 9>"$dir/.optio-codex.lock" && {{ ! command -v flock >/dev/null || flock -w 30 9; }}
}} || {{ emit failed "$dir cannot be locked"; return 0; }}
current=''
if [ -e "$path" ] || [ -L "$path" ]; then current=$(sha256sum <"$path" | cut -c 1-64); fi
if [ "$current" != "$expected" ]; then emit outdated 1; return 0; fi
rm -f -- "$dir/{SCRATCH}"*
set -C
cat -- "$source" >"$new" && {{ sync "$new" || sync; }} && mv -f -- "$new" "$path" && {{ sync "$dir" || sync; }} && emit written 1
"""


@dataclass(frozen=True)
class StoredFile:
    """A file of the host: its path, the same without links in its directories, and its bytes, None if it does not exist."""

    path: str
    target: str
    raw: bytes | None = None

    @property
    def digest(self) -> str:
        """Return what identifies the bytes, the empty string for a missing file."""
        return "" if self.raw is None else hashlib.sha256(self.raw).hexdigest()


class StoreResource(ProbedResource[StoredFile, Params]):
    """The options of the action, which does not ship a module."""

    name = "credential_store"
    specification = ArgumentSpec(
        argument_spec={
            "path": {"type": "str", "required": True},
            "auth_json": {"type": "json", "no_log": True},
            "vault": {"type": "bool"},
            "vault_id": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "require_lasting": {"type": "bool", "default": False},
        }
    )


class ActionModule(CredentialAction):
    """The action of the module of the same name, which has no code of its own."""

    resource = StoreResource()

    def _perform(self, params: Params) -> dict[str, Any]:
        validate_path("path", params["path"])
        given = auth_file.of_auth_json(params["auth_json"], "auth_json") if params["auth_json"] else None
        for _attempt in range(ATTEMPTS):
            stored = self._read(params["path"])
            saved = None if stored.raw is None else decoded(stored.raw, stored.path, self._vault_secrets)
            temporary = self._temporary(stored)
            plan = plan_store(stored, saved, given, params["force"], temporary)
            if given and temporary and params["require_lasting"]:
                raise _unlasting(stored, temporary)
            if not plan or self._task.check_mode or self._write(stored, plan, params):
                kept = plan.actions[0].payload if plan else saved
                return {**check_mode_result(plan, [], bool(self._task.diff)), SECRET: kept.text if kept else ""}
        raise OptioError(stored.path, f"{stored.path} was changed by other runs at the same time", "Run again")

    def _temporary(self, stored: StoredFile) -> str | None:
        if self._connection.transport == "local":
            return temporary_parent(stored.path, os.environ)
        return remote_temporary_parent(stored.target)

    def _read(self, path: str) -> StoredFile:
        with self._unseen():
            answer = self._probe(compose(_READ, {"path": path}), self._environment_prefix())
        return parse_stored(parse(answer))

    def _write(self, stored: StoredFile, plan: Plan, params: Params) -> bool:
        """Write the file; return whether it was unchanged since it was read."""
        text = plan.actions[0].payload.text
        data = encoded(text, stored.raw, stored.path, params["vault"], params["vault_id"] or None, self._vault_secrets)
        # not on a command line, which other users can read
        directory = self._make_tmp_path()
        try:
            source = self._transfer_data(self._connection._shell.join_path(directory, "source"), data)
            variables = {"path": stored.path, "expected": stored.digest, "source": source}
            # a function, because the script returns from it
            script = compose(f"store() {{\n{_WRITE}\n}}\nstore", variables)
            with self._unseen():
                answer = parse(self._probe(script, self._environment_prefix()))[0]
        finally:
            self._remove_tmp_path(directory)
        if answer.flag("outdated"):
            return False
        if not answer.flag("written"):
            cause = answer.get("failed") or f"{stored.path} cannot be written"
            raise OptioError(stored.path, cause, "Set path to a file in a directory that the connection's user can write to")
        return True


def parse_stored(sections: Sequence[Section]) -> StoredFile:
    """Return the file in the answer of the probe; raise ProbeError for an odd answer, and OptioError for a file that cannot be read."""
    facts = sections[0]
    path, kind = facts.get("path"), facts.get("kind")
    if kind == "unreadable":
        raise OptioError(path, f"{path} cannot be read by the connection's user", "Make this user the owner of the file")
    if kind == "other":
        raise OptioError(path, f"{path} is not a regular file of the size of a login", "Move it away, or set another path")
    if not path or kind not in ("file", "absent"):
        raise ProbeError("the probe printed no state of the file")
    try:
        raw = base64.b64decode("".join(facts.lines.get("content", ())), validate=True) if kind == "file" else None
    except binascii.Error as error:
        raise ProbeError("the content of the file is incomplete") from error
    return StoredFile(path, facts.get("target"), raw)


def plan_store(stored: StoredFile, saved: Credential | None, given: Credential | None, force: bool, temporary: str | None) -> Plan:
    """Return what brings a login to the file, if it is newer; purely."""
    actions = []
    if given is not None and is_to_save(saved, given, stored.path, force):
        actions.append(Action("write", stored.path, description(saved), description(given), given))
    known = given if actions else saved
    result = {
        **{"path": stored.path, "present": known is not None, "kind": known.kind if known else None},
        **{"account": (known.account if known else "") or None, "last_refresh": (known.refreshed if known else "") or None},
        "outlasts_run": temporary is None,
    }
    return Plan(tuple(actions), result)


def _unlasting(stored: StoredFile, temporary: str) -> OptioError:
    return OptioError(
        stored.path,
        f"path {stored.path} is in {temporary}, which does not outlast this run, and the login exists nowhere else",
        "Set path (codex_session_credential_auth_file) to a file that outlasts the run, and codex_session_credential_host to its host, "
        "or set codex_session_discard_login: true to remove the login without saving it",
    )
