# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observation by one small POSIX shell script, and the parser of its output.

The same text runs on both sides: an action plugin sends it through the open connection, a module runs it with
``/bin/sh``. A script prints ``name=value`` lines; ``@kind`` opens a section; ``name+line`` adds a line to a text.
A missing end mark, a value with a line break or an unknown line makes the whole answer unknown; in the section of a
session, it makes that session unknown. ``cut=1`` after an empty line ends a section that was not completed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import ProbeError

BEGIN = "optio-probe-begin"
END = "optio-probe-end"

#: helpers that every probe body may call; they fork nothing
PRELUDE = r"""
LC_ALL=C; export LC_ALL
NL='
'
emit() { case $2 in *"$NL"*) printf 'odd=%s\n' "$1" ;; *) printf '%s=%s\n' "$1" "$2" ;; esac; }
section() { printf '@%s\n' "$1"; }
expand() { case $1 in '~') REPLY=$HOME ;; '~/'*) REPLY=$HOME/${1#'~/'} ;; *) REPLY=$1 ;; esac; }
"""

#: shell: sets uid, gid and home of the user ``$user``, all empty if there is none
_ACCOUNT = r"""
account() {
  # name:password:uid:gid:comment:home:shell
  _line=$(getent passwd "$user" 2>/dev/null) || _line=
  _line=${_line#*:*:} uid=${_line%%:*}
  _line=${_line#*:} gid=${_line%%:*}
  _line=${_line#*:*:} home=${_line%%:*}
}
"""

_FIELD = re.compile(r"([a-z][a-z0-9_]*)=(.*)\Z")
_TEXT = re.compile(r"([a-z][a-z0-9_]*)\+(.*)\Z")
_SECTION = re.compile(r"@([a-z][a-z0-9_]*)\Z")
#: kinds of sections whose problems are their own
_APART = ("session", "task")
CUT = "cut"


@dataclass
class Section:
    """One group of a probe's answer: ``fields`` by name (the last of a name wins), ``lines`` of its texts."""

    kind: str
    fields: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    #: why it was not understood
    problem: str | None = None

    def get(self, name: str) -> str:
        """Return a field's value, the empty string when the probe did not print it."""
        return self.fields.get(name, "")

    def flag(self, name: str) -> bool:
        """Return whether the probe printed ``1`` for the field."""
        return self.get(name) == "1"

    def number(self, name: str) -> int | None:
        """Return a field as an integer, None when it is absent or empty."""
        value = self.get(name)
        if not value:
            return None
        try:
            return int(value)
        except ValueError as error:
            raise ProbeError(f"{self.kind}.{name} is {value!r}, not a number") from error

    def text(self, name: str) -> str | None:
        """Return a text with its line ends, None when the probe did not print it."""
        lines = self.lines.get(name)
        return None if lines is None else "".join(f"{line}\n" for line in lines)


def assignments(variables: Mapping[str, str]) -> str:
    """Return shell variables of these names and values, a line each."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def compose(body: str, variables: Mapping[str, str], user: str | None = None) -> str:
    """Return a whole probe: variables, prelude and body between the marks, run as ``user`` where that is another.

    ``variables`` become shell variables of the same names, quoted. As root, another user's view is taken with that
    user's identity and home, because root in a container may not read a foreign ``/proc/<pid>/environ``.
    ``OPTIO_PRIVILEGED`` shows that root runs it.
    """
    inner = f"{PRELUDE}{assignments(variables)}printf '{BEGIN}\\n'\n{{\n{body}\n}} </dev/null 2>/dev/null\nprintf '{END}\\n'\n"
    if not user:
        return inner
    return _AS_USER.replace("@USER@", shlex.quote(user)).replace("@BODY@", shlex.quote(inner))


def compose_for_users(body: str, variables: Mapping[str, str], users: str) -> str:
    """Return a probe that root runs as each of several users, with an answer for each, and any other user once.

    ``users`` is shell that prints a line for each, the name, a blank and a path, which is ``$1`` in ``body``.
    """
    return f"""{PRELUDE}{_ACCOUNT}{assignments(variables)}body={shlex.quote(compose(body, variables))}
if [ "$(id -u)" != 0 ]; then exec /bin/sh -c "$body"; fi
{{
{users}
}} </dev/null 2>/dev/null | sort -u | while IFS= read -r _line; do
user=${{_line%% *}} place=${{_line#* }}
account
[ -n "$uid" ] || continue
if [ "$uid" = 0 ]; then /bin/sh -c "$body" sh "$place" </dev/null; continue; fi
(
{_AS_ANOTHER}) </dev/null
done
"""


# setpriv is in util-linux; su serves where it is missing, at the price of a PAM session.
_AS_ANOTHER = """cd /
if command -v setpriv >/dev/null 2>&1; then
# busybox has a setpriv without these options, so a failure leaves it to su
setpriv --reuid="$uid" --regid="$gid" --init-groups \\
env -i OPTIO_PRIVILEGED=1 HOME="$home" USER="$user" LOGNAME="$user" PATH="$PATH" /bin/sh -c "$body" sh "$place" 2>/dev/null && exit 0
fi
exec su -s /bin/sh -c "exec env -i OPTIO_PRIVILEGED=1 HOME='$home' USER='$user' LOGNAME='$user' PATH='$PATH' \\
/bin/sh -c \\"\\$0\\" sh \\"\\$1\\"" "$user" "$body" "$place"
"""

_AS_USER = f"""user=@USER@
body=@BODY@ place={_ACCOUNT}{{
account
if [ -z "$uid" ]; then printf '{BEGIN}\\nuser_missing=1\\nrequested_user=%s\\n{END}\\n' "$user"; exit 0; fi
_own=$(id -u)
if [ "$_own" = "$uid" ]; then exec /bin/sh -c "$body"; fi
if [ "$_own" != 0 ]; then printf '{BEGIN}\\nuser_refused=1\\nrequested_user=%s\\n{END}\\n' "$user"; exit 0; fi
{_AS_ANOTHER}}} </dev/null
"""


def parse(output: str) -> list[Section]:
    """Return the sections of a probe's answer, the unnamed one (kind ``worker``) first.

    Raises UnknownObservation for anything but one complete, well-formed answer. Text before the begin mark
    (a login banner, a sudo lecture) is ignored.
    """
    text = output.replace("\r\n", "\n")
    _noise, begin, rest = text.partition(f"{BEGIN}\n")
    # a mark is a whole line: inside a value or a text the same words are data
    answer, end, _tail = f"\n{rest}".partition(f"\n{END}\n")
    if not begin or not end:
        raise ProbeError("the probe's answer is not complete")
    sections = [Section("worker")]
    # str.splitlines would also split at the control characters that a screen text may hold
    for line in answer.split("\n")[1:]:
        _add(sections, line)
    for section in sections:
        if section.problem and section.kind not in _APART and not section.flag(CUT):
            raise ProbeError(section.problem)
    return sections


def answers(output: str) -> list[list[Section]]:
    """Return the sections of each of several probes' answers that one output holds; raises as ``parse`` does."""
    parts = output.replace("\r\n", "\n").split(f"\n{END}\n")
    return [parse(f"{part}\n{END}\n") for part in parts[:-1]]


def _add(sections: list[Section], line: str) -> None:
    current = sections[-1]
    found = _FIELD.match(line)
    if found:
        name, value = found.groups()
        if name == "odd":
            current.problem = f"the value of {value} has a line break"
        current.fields[name] = value
        return
    found = _TEXT.match(line)
    if found:
        current.lines.setdefault(found.group(1), []).append(found.group(2))
        return
    found = _SECTION.match(line)
    if not found:
        # the empty line before the mark of a section that was not completed
        current.problem = current.problem or (f"the probe printed {line[:80]!r}" if line else "the probe printed an empty line")
        return
    sections.append(Section(found.group(1)))
