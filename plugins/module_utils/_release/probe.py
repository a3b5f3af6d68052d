# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe sees of a worker's cache and of its own installations, without running any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .cache import REPLACING_PREFIX, SCRATCH_PREFIX, Cache, FileState, Manifest, parse_file, parse_manifest
from .._core.errors import OptioError, UnknownObservation
from .._session.layout import SHELL_DIRECTORIES, SYSTEM_CACHE
from .._core.probe import Section, compose
from .catalog import Tool

#: defines ``login_command NAME``: REPLY becomes the path that the user's login shell finds, whatever its profile prints
SHELL_LOGIN = r"""
login_command() {
  shell=$(getent passwd "$(id -u)"); shell=${shell##*:}
  case $shell in ''|*/nologin|*/false) shell=/bin/sh ;; esac
  [ -x "$shell" ] || shell=/bin/sh
  limit=
  if command -v timeout >/dev/null; then limit='timeout 20'; fi
  # shellcheck disable=SC2086  # the limit is two words or none
  said=$($limit "$shell" -lc "echo optio-begin; command -v $1; echo optio-end")
  said=${said##*optio-begin}; said=${said%%optio-end*}
  REPLY=
  while IFS= read -r line; do
    # an alias or a function has no path
    case $line in /*) REPLY=$line ;; esac
  done <<EOF
$said
EOF
}
"""

_SHELL_DESCRIBE = r"""
describe() {
  section found
  emit origin "$1"
  emit path "$2"
  real=$(readlink -f "$2")
  emit real "$real"
  # beside bin/codex, or beside the bin/ of npm's launcher
  for package in "${real%/*/*}/codex-package.json" "${real%/*/*}/package.json"; do
    if [ -r "$package" ]; then
      emit version "$(sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p' "$package" | sed 1q)"
      return
    fi
  done
}
"""

_SHELL_CACHE = r"""
platform=$(uname -sm)
emit platform "$platform"
case $cache in '') user_cache ;; *) expand "$cache"; trim ;; esac
cache=$REPLY
emit home "$HOME"
emit cache "$cache"
for entry in "$cache"/@SCRATCH@* "$cache"/@REPLACING@* "$cache"/releases/@REPLACING@*; do
  owner=${entry##*/}; owner=${owner#.*-}; owner=${owner%%-*}
  if { [ -e "$entry" ] || [ -L "$entry" ]; } && [ ! -d "/proc/$owner" ]; then printf 'leftover+%s\n' "$entry"; fi
done
case $platform in
@PLATFORMS@
*) target= ;;
esac
link=$cache/$tool
if [ -L "$link" ]; then emit link "$(readlink "$link")"
elif [ -d "$link" ]; then emit link_kind directory
elif [ -e "$link" ]; then emit link_kind file
fi
release=$cache/releases/$prefix$version-$target
if [ -n "$version" ] && [ -n "$target" ]; then
  if [ -e "$release" ] || [ -L "$release" ]; then emit tree 1; fi
  if [ -e "$release.manifest" ]; then
    emit record 1
    while IFS= read -r line; do printf 'manifest+%s\n' "$line"; done <"$release.manifest"
    (cd "$release" && find . ! -type d -exec stat -c 'file+%s %Y %i %a %n' {} +)
  fi
fi
"""

_SHELL_DIGESTS = r"""
if [ -n "$version" ] && [ -d "$release" ]; then
  if command -v sha256sum >/dev/null; then
    (cd "$release" && find . ! -type d -exec sha256sum {} + | sed 's/^/digest+/')
  else
    emit digests_impossible 1
  fi
fi
"""

#: which releases there are, and which of them a process, or a session of any user that can be seen, holds on to
_SHELL_HELD = r"""
homes() { if [ "$(id -u)" = 0 ]; then getent passwd | cut -d: -f6 | sort -u; else printf '%s\n' "$HOME"; fi; }
held_paths() {
  # shellcheck disable=SC2012  # one process for all of them
  ls -l /proc/[0-9]*/exe | sed -n 's/^.* -> //p'
  # another user's exe cannot be read in every container, its command line can
  cat /proc/[0-9]*/cmdline | tr '\0' '\n' | grep '^/'
  data_root
  sort -u <<EOF | while IFS= read -r root; do
$REPLY
$(homes | sed 's,$,/.local/share/optio-codex,')
EOF
    for record in "$root"/*/session; do
      [ ! -f "$record" ] || sed -n 's,^workdir=\(.*\)$,\1/home/.local/bin/codex,p' "$record"
    done
  done
}
if [ -d "$cache/releases" ]; then
  (cd "$cache/releases" && stat -c 'release+%Y %n' -- *)
  real=$(readlink -f "$cache")
  held_paths | sort -u | while IFS= read -r path; do
    case $path in */home/.local/bin/codex) path=$(readlink "$path") ;; esac
    case $path in "$cache/releases/"* | "$real/releases/"*) ;; *) continue ;; esac
    path=${path#*/releases/}
    printf 'held+%s\n' "${path%%/*}"
  done
fi
"""

_SHELL_WRITABLE = r"""
case $cache in /*)
  place=$cache
  while [ -n "$place" ] && [ ! -e "$place" ]; do place=${place%/*}; done
  if [ -d "${place:-/}" ] && [ -w "${place:-/}" ] && [ -x "${place:-/}" ]; then emit writable 1; fi ;;
esac
"""

_SHELL_RESOLVE = r"""
if [ -f "$link" ] && [ -x "$link" ]; then
  describe cache "$link"
  found=1
fi
if [ -n "$version" ] || [ -z "$found" ]; then
  login_command "$tool"
  if [ -n "$REPLY" ]; then describe host "$REPLY"; fi
fi
"""

_SHELL_DIRECTORY = r"""
emit platform "$(uname -sm)"
expand "$directory"; trim
emit directory "$REPLY"
if [ -d "$REPLY" ]; then emit directory_present 1; fi
if [ -e "$REPLY/$tool" ]; then emit command_present 1; fi
if [ -f "$REPLY/$tool" ] && [ -x "$REPLY/$tool" ]; then describe directory "$REPLY/$tool"; fi
"""

_SHELL_HOST = r"""
login_command "$tool"
emit command "$REPLY"
"""


@dataclass(frozen=True)
class Question:
    """Which part of the worker to look at; ``version`` is empty where any will do."""

    version: str
    scope: str
    cache_dir: str | None = None
    directory: str | None = None
    resolve: bool = False
    #: whether to hash every file of the release, and whether to tell what else is there and in use
    digests: bool = False
    others: bool = False


@dataclass(frozen=True)
class Found:
    """An executable that is there: ``origin`` is cache, host or directory, ``version`` empty when it cannot be read."""

    origin: str
    path: str
    real: str
    version: str


@dataclass(frozen=True)
class Observed:
    """A worker's cache as the probe saw it.

    ``link`` is the text of the tool's link, None when there is none or when ``link_kind`` says what is there instead.
    ``tree`` and ``record`` say whether the release's tree and manifest exist, in whatever state; ``leftovers`` are the
    scratch of runs that are no more.
    """

    platform: str
    cache: Cache
    home: str = ""
    link: str | None = None
    link_kind: str = ""
    tree: bool = False
    record: bool = False
    manifest: Manifest | None = None
    files: Mapping[str, FileState] = field(default_factory=dict)
    #: SHA-256 of the release's files by path, None where nothing on the worker can tell
    digests: Mapping[str, str] | None = field(default_factory=dict)
    #: directories and manifests beside the release's, with their times in seconds since the epoch
    releases: Mapping[str, int] = field(default_factory=dict)
    #: directories that a process or a session holds on to
    held: frozenset[str] = frozenset()
    leftovers: tuple[str, ...] = ()
    writable: bool = False
    found: tuple[Found, ...] = ()
    directory: str = ""
    directory_present: bool = False
    command_present: bool = False


def script(tool: Tool, question: Question) -> str:
    """Return the probe that answers the question."""
    variables = {"tool": tool.name, "version": question.version, "prefix": tool.prefix, "cache": ""}
    if question.directory:
        variables = {"tool": tool.name, "directory": question.directory}
        return compose(SHELL_DIRECTORIES + _SHELL_DESCRIBE + _SHELL_DIRECTORY, variables)
    if question.cache_dir:
        variables["cache"] = question.cache_dir
    elif question.scope == "system":
        variables["cache"] = SYSTEM_CACHE
    platforms = "\n".join(f"'{name}') target={target.name} ;;" for name, target in tool.platforms.items())
    places = {"@PLATFORMS@": platforms, "@SCRATCH@": SCRATCH_PREFIX, "@REPLACING@": REPLACING_PREFIX}
    body = SHELL_DIRECTORIES + _SHELL_CACHE
    for mark, text in places.items():
        body = body.replace(mark, text)
    if not question.resolve:
        more = (_SHELL_DIGESTS if question.digests else "") + (_SHELL_HELD if question.others else "")
        return compose(body + more + _SHELL_WRITABLE, variables)
    variables["found"] = ""
    return compose(SHELL_LOGIN + _SHELL_DESCRIBE + body + _SHELL_RESOLVE, variables)


def host_script(tool: Tool) -> str:
    """Return the probe that finds the worker's own installation."""
    return compose(SHELL_LOGIN + _SHELL_HOST, {"tool": tool.name})


def observe(sections: Sequence[Section], question: Question) -> Observed:
    """Return what the probe's answer says; raise UnknownObservation when it is odd."""
    worker = sections[0]
    platform = worker.get("platform")
    if not platform:
        raise UnknownObservation("uname printed nothing")
    found = []
    for section in sections[1:]:
        if section.kind != "found":
            raise UnknownObservation(f"the probe printed @{section.kind}")
        found.append(Found(section.get("origin"), section.get("path"), section.get("real"), section.get("version")))
    if question.directory:
        return Observed(
            platform,
            Cache(""),
            found=tuple(found),
            directory=worker.get("directory"),
            directory_present=worker.flag("directory_present"),
            command_present=worker.flag("command_present"),
        )
    return Observed(
        platform,
        Cache(_cache_path(worker, question), shared=question.scope == "system"),
        home=worker.get("home"),
        link=worker.fields.get("link"),
        link_kind=worker.get("link_kind"),
        tree=worker.flag("tree"),
        record=worker.flag("record"),
        manifest=parse_manifest(worker.lines.get("manifest", [])),
        files=dict(parse_file(line) for line in worker.lines.get("file", [])),
        digests=None if worker.flag("digests_impossible") else dict(_parse_digest(line) for line in worker.lines.get("digest", [])),
        releases={name: int(time) for time, name in (_parse_pair(line) for line in worker.lines.get("release", []))},
        held=frozenset(worker.lines.get("held", [])),
        leftovers=tuple(worker.lines.get("leftover", [])),
        writable=worker.flag("writable"),
        found=tuple(found),
    )


def _parse_digest(line: str) -> tuple[str, str]:
    digest, path = _parse_pair(line)
    # two spaces, or one and the mark of a binary file
    path = path.lstrip(" *")
    return path[2:] if path.startswith("./") else path, digest


def _parse_pair(line: str) -> tuple[str, str]:
    first, space, second = line.partition(" ")
    if not space:
        raise UnknownObservation(f"the probe printed {line[:80]!r}")
    return first, second


def _cache_path(worker: Section, question: Question) -> str:
    path = worker.get("cache")
    if not path:
        raise UnknownObservation("the probe printed no cache directory")
    given = question.cache_dir or ("" if question.scope == "user" else "/")
    if not path.startswith("/") or (not given.startswith("/") and not worker.get("home")):
        raise OptioError(
            f"cache directory {path}",
            "is not absolute: HOME, XDG_CACHE_HOME or OPTIO_CODEX_CACHE_DIR is unset or relative on the worker",
            "Set cache_dir to an absolute path, or correct the variable",
        )
    return path
