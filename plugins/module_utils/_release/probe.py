# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of a worker's cache and of its own installations, without running any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._core.errors import OptioError, ProbeError
from .._core.mounts import SHELL_MOUNT, Mount, parse_mount
from .._core.paths import COPY_ROOT, SHELL_DIRECTORIES, SYSTEM_CACHE
from .._core.probe import Section, compose
from .cache import REPLACING_PREFIX, SCRATCH_PREFIX, Cache
from .catalog import Tool
from .elf import HEAD_SIZE, elf_of
from .manifest import FileState, ReleaseManifest, parse_file, parse_manifest

#: defines ``login_command NAME``: REPLY becomes the path that the user's login shell finds, without its profile's output
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

#: defines ``is_program FILE``, also true for a file on a mount with noexec, which some shells do not find executable; and
#: ``describe ORIGIN FILE``. An emulator of another architecture is registered with the kernel, as interpreters are
_SHELL_DESCRIBE = rf"""
is_program() {{
  [ -f "$1" ] || return 1
  [ ! -x "$1" ] || return 0
  mount_line "$1"; _options=${{REPLY#* * * * * }}
  case ,${{_options%% *}}, in *,noexec,*) ;; *) return 1 ;; esac
}}
describe() {{
  section found
  emit origin "$1"
  emit path "$2"
  real=$(readlink -f "$2")
  emit real "$real"
  mount_line "$real"; emit mount "$REPLY"
  emit head "$(od -A n -t x1 -N {HEAD_SIZE} "$real" | tr -d ' \n')"
  for entry in /proc/sys/fs/binfmt_misc/*; do
    case ${{entry##*/}} in '*' | register | status | python* | jar | llvm*) ;; *) emit emulator 1 ;; esac
  done
  # beside bin/codex, or beside the bin/ of npm's launcher
  for package in "${{real%/*/*}}/codex-package.json" "${{real%/*/*}}/package.json"; do
    if [ -r "$package" ]; then
      emit version "$(sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p' "$package" | sed 1q)"
      return
    fi
  done
}}
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
# a newer release that is in use already is not replaced by the default
if [ "$keep_newer" = 1 ] && [ -n "$target" ] && [ -L "$link" ]; then
  linked=$(readlink "$link"); linked=${linked%/*}; linked=${linked#"$cache/"}
  case $linked in "releases/$prefix"*"-$target"*)
    linked=${linked#"releases/$prefix"}; linked=${linked%%"-$target"*}
    if [ -e "$cache/releases/$prefix$linked-$target.manifest" ] &&
      [ "$(printf '%s\n' "$version" "$linked" | sort -V | tail -n 1)" = "$linked" ]; then version=$linked; fi
  esac
fi
emit version "$version"
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
    for link in "$root"/*/home/.local/bin/codex; do
      # without a record there is nothing to resume, and a launch makes the link again
      task=${link%/home/.local/bin/codex}
      for record in "$task/session" "$root/.records/${task##*/}/record" "%COPIES%/${task##*/}/record"; do
        [ ! -e "$record" ] || printf '%s\n' "$link"
      done
    done
    # a session of the Python package has its home in its workdir
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
""".replace("%COPIES%", COPY_ROOT)

_SHELL_WRITABLE = r"""
case $cache in /*)
  existing "$cache"; place=$REPLY
  if [ -d "$place" ] && [ -w "$place" ] && [ -x "$place" ]; then emit writable 1
  elif [ "$(id -u)" = 0 ]; then emit root 1
  fi
  if [ -d "$cache/releases" ]; then place=$cache/releases; fi
  mount_line "$place"; emit mount "$REPLY" ;;
esac
"""

_SHELL_RESOLVE = r"""
if [ -d "$release" ]; then mount_line "$release"; emit mount "$REPLY"; fi
if is_program "$link"; then
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
file=$REPLY/$tool
if is_program "$file"; then describe directory "$file"; fi
"""

_SHELL_HOST = r"""
login_command "$tool"
emit command "$REPLY"
"""


@dataclass(frozen=True)
class ProbeRequest:
    """Which part of the worker to look at; ``version`` is empty where any will do."""

    version: str
    scope: str
    cache_dir: str | None = None
    directory: str | None = None
    resolve: bool = False
    #: whether to hash every file of the release, and whether to list the other releases and their use
    digests: bool = False
    others: bool = False
    #: whether a newer release that the link leads to takes the place of the version
    keep_newer: bool = False


@dataclass(frozen=True)
class Installation:
    """An executable that is there: ``origin`` is cache, host or directory, ``version`` empty when it cannot be read."""

    origin: str
    path: str
    real: str
    version: str
    #: the mount that contains it, if it has noexec
    mount: Mount | None = None
    #: (EI_CLASS, e_machine) of an ELF file, None for other files and for a worker that emulates other architectures
    elf: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Observed:
    """A worker's cache as the probe saw it.

    ``link`` is the text of the tool's link, None if it is missing or if ``link_kind`` is the kind of another file there.
    ``tree`` and ``record`` are whether the release's tree and manifest exist, in any state; ``leftovers`` are the
    scratch of ended runs.
    """

    platform: str
    cache: Cache
    #: that of the release, which may be newer than the requested one
    version: str = ""
    home: str = ""
    link: str | None = None
    link_kind: str = ""
    tree: bool = False
    record: bool = False
    manifest: ReleaseManifest | None = None
    files: Mapping[str, FileState] = field(default_factory=dict)
    #: SHA-256 of the release's files by path, None if the worker has no program for it
    digests: Mapping[str, str] | None = field(default_factory=dict)
    #: the other directories and manifests, with their times in seconds since the epoch
    releases: Mapping[str, int] = field(default_factory=dict)
    #: directories that a process or a session holds on to
    held: frozenset[str] = frozenset()
    leftovers: tuple[str, ...] = ()
    writable: bool = False
    #: whether root cannot write there either
    root: bool = False
    #: the mount that contains the cache, if it is read-only or has noexec
    mount: Mount | None = None
    found: tuple[Installation, ...] = ()
    directory: str = ""
    directory_present: bool = False
    command_present: bool = False


def script(tool: Tool, question: ProbeRequest) -> str:
    """Return the probe that answers the question."""
    variables = {"tool": tool.name, "version": question.version, "prefix": tool.prefix, "cache": ""}
    variables["keep_newer"] = "1" if question.keep_newer else ""
    if question.directory:
        variables = {"tool": tool.name, "directory": question.directory}
        return compose(SHELL_DIRECTORIES + SHELL_MOUNT + _SHELL_DESCRIBE + _SHELL_DIRECTORY, variables)
    if question.cache_dir:
        variables["cache"] = question.cache_dir
    elif question.scope == "system":
        variables["cache"] = SYSTEM_CACHE
    platforms = "\n".join(f"'{name}') target={target.name} ;;" for name, target in tool.platforms.items())
    places = {"@PLATFORMS@": platforms, "@SCRATCH@": SCRATCH_PREFIX, "@REPLACING@": REPLACING_PREFIX}
    body = SHELL_DIRECTORIES + SHELL_MOUNT + _SHELL_CACHE
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


def observe(sections: Sequence[Section], question: ProbeRequest) -> Observed:
    """Return the observation parsed from the probe's answer; raise UnknownObservation if it is invalid."""
    worker = sections[0]
    platform = worker.get("platform")
    if not platform:
        raise ProbeError("uname printed nothing")
    found = []
    for section in sections[1:]:
        if section.kind != "found":
            raise ProbeError(f"the probe printed @{section.kind}")
        found.append(_installation(section))
    if question.directory:
        return Observed(
            platform,
            Cache(""),
            found=tuple(found),
            directory=worker.get("directory"),
            directory_present=worker.flag("directory_present"),
            command_present=worker.flag("command_present"),
        )
    mount = _restricted(worker)
    return Observed(
        platform,
        Cache(_cache_path(worker, question), shared=question.scope == "system"),
        version=worker.get("version"),
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
        # some shells only look at the permissions
        writable=worker.flag("writable") and not (mount and mount.read_only),
        root=worker.flag("root"),
        mount=mount,
        found=tuple(found),
    )


def _installation(section: Section) -> Installation:
    try:
        head = bytes.fromhex(section.get("head"))
    except ValueError as error:
        raise ProbeError(f"od printed {section.get('head')[:80]!r}") from error
    elf = None if section.flag("emulator") else elf_of(head)
    origin, path, real, version = (section.get(name) for name in ("origin", "path", "real", "version"))
    return Installation(origin, path, real, version, _restricted(section), elf)


def _restricted(section: Section) -> Mount | None:
    mount = parse_mount(section.get("mount"))
    return mount if mount and (mount.read_only or mount.noexec) else None


def _parse_digest(line: str) -> tuple[str, str]:
    digest, path = _parse_pair(line)
    # two spaces, or one and the mark of a binary file
    path = path.lstrip(" *")
    return path[2:] if path.startswith("./") else path, digest


def _parse_pair(line: str) -> tuple[str, str]:
    first, space, second = line.partition(" ")
    if not space:
        raise ProbeError(f"the probe printed {line[:80]!r}")
    return first, second


def _cache_path(worker: Section, question: ProbeRequest) -> str:
    path = worker.get("cache")
    if not path:
        raise ProbeError("the probe printed no cache directory")
    given = question.cache_dir or ("" if question.scope == "user" else "/")
    if not path.startswith("/") or (not given.startswith("/") and not worker.get("home")):
        raise OptioError(
            f"cache directory {path}",
            f"cache directory {path} is relative: HOME, XDG_CACHE_HOME or OPTIO_CODEX_CACHE_DIR is unset or relative on the worker",
            "Set cache_dir to an absolute path, or fix the variable",
        )
    return path
