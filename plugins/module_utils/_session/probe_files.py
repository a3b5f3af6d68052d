# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that reads the files of a session, and that ends a look which takes too long.

The session's user can write every file of the session, and the agent those of the workdir and of its own home: a file may be
a link, a pipe or of any size, and may be exchanged between a look at it and its use.
"""

from __future__ import annotations

#: bytes that are read of a file of instructions, and of a state file
TEXT_LIMIT, RECORD_LIMIT = 1 << 20, 1 << 18
#: seconds for the look at one session, and with the disk usage of its directories
LOOK_LIMIT, LONG_LIMIT = 20, 300

#: state files that a shell reads by itself, byte by byte and without a limit
_STATE = ("session", "exit", "prompt", "terminal", "watch", "launch.sh", "screen")

# Functions, with their inputs, the variables they set, and their output:
#   find_small            task, copy -> _small: the state files that are regular and not too large, each between blanks; those of
#                         the record's copy begin with copy/
#   is_small NAME         _small -> whether NAME is one of them
#   reading FILE COMMAND  runs COMMAND with the file as /proc/self/fd/4, if FILE is a regular file without links in its path
#   lines NAME FILE       prints a file as the text NAME
#   has_entries DIRECTORY whether a directory has entries, of which there may be any number, or cannot be read
#   watch_over SECONDS    -> _watch: ends a probe of one session that takes longer, with its children
#   watch_off             _watch; ends the watch
#   cut_off               reports that the probe of a session was ended
#: shell: see above
SHELL_FILES = rf"""
find_small() {{
  _small=' ' _list=$(stat -c '%f %s %n' {" ".join(f'"$task/{name}"' for name in _STATE)} "$copy/prompt" "$copy/record")$NL
  while [ -n "$_list" ]; do
    _line=${{_list%%"$NL"*}} _list=${{_list#*"$NL"}}
    # the type of a regular file
    case $_line in 8???\ *) ;; *) continue ;; esac
    _line=${{_line#* }} _file=${{_line##*/}}
    case ${{_line#* }} in "$copy/"*) _file=copy/$_file ;; esac
    [ "${{_line%% *}}" -gt {RECORD_LIMIT} ] || _small="$_small$_file "
  done
}}
is_small() {{ case $_small in *" $1 "*) return 0 ;; *) return 1 ;; esac; }}
# a link may take the file's place at any time, so the kernel is asked what was opened
reading() {{
  _path=$1; shift
  [ -f "$_path" ] && [ ! -L "$_path" ] || return 1
  {{ opened && "$@"; }} 4<"$_path"
}}
opened() {{
  _real=$(readlink /proc/self/fd/4)
  # the workdir itself may be behind a link of the user
  [ "$_real" = "$_path" ] || [ "$_real" = "$(cd -P -- "${{_path%/*}}" && pwd -P)/${{_path##*/}}" ]
}}
# the mark ends the last line, which would else run into the next field, whatever its last byte is
lines() {{ {{ head -c {TEXT_LIMIT} "$2"; echo '#'; }} | sed -e '$s/#$//' -e '${{/^$/d' -e '}}' -e "s/^/$1+/"; }}
has_entries() {{ [ -n "$(find "$1/." ! -name . -prune 2>&1 | head -c 1)" ]; }}
watch_over() {{
  read -r _shell _line </proc/self/stat
  {{
    read -r _own _line </proc/self/stat
    _last='' _waited=0
    while sleep 1 && [ -d "/proc/$_shell" ]; do
      _line=''; read -r _line <"/proc/$_shell/task/$_shell/children"
      # the youngest one looks at the session
      _line=${{_line##* }}
      if [ "$_line" = "$_own" ] || [ "$_line" != "$_last" ]; then _last=$_line _waited=0; continue; fi
      _waited=$((_waited + 1))
      [ "$_waited" -lt "$1" ] || {{ end_tree "$_line"; _last=''; }}
    done
  }} >/dev/null &
  _watch=$!
}}
# the wait keeps bash from a message of its own
watch_off() {{ kill -KILL "$_watch"; wait "$_watch"; }}
# from the top, so that nothing new is started meanwhile
end_tree() {{
  kill -STOP "$1"
  _line=''; read -r _line <"/proc/$1/task/$1/children"
  for _child in $_line; do end_tree "$_child"; done
  kill -KILL "$1"
}}
cut_off() {{ printf '\ncut=1\n'; }}
"""
