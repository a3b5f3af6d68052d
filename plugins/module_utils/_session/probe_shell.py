# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that looks at one session: its record, its processes, its terminal, its conversation.

What somebody has damaged hides nothing else: a state file is read as one line or by whole lines, and where it tells
nothing, the processes themselves are asked.
"""

from __future__ import annotations

from .layout import RUNTIME_ROOT, SESSION_UNIT, TAG_VARIABLE, TERMINAL_UNIT, WATCH_UNIT
from .._codex.rollout import HEAD, OTHERS

#: shell: ``record_facts`` and ``session_facts`` tell of the session ``$name`` in ``$task`` below ``$root``
SHELL_SESSION = rf"""
newest_rollout() {{
  [ -d "$workdir/home/.codex/sessions" ] || return 0
  find "$workdir/home/.codex/sessions" -type f -name 'rollout-*.jsonl' |
    sed -n 's/^\(.*-\([0-9a-f]\{{8\}}\(-[0-9a-f]\{{4\}}\)\{{3\}}-[0-9a-f]\{{12\}}\)\.jsonl\)$/\2 \1/p' | sort -r | cut -c 38- |
    while IFS= read -r _rollout; do
      head -n 1 "$_rollout" | head -c {HEAD} | grep -qE '{OTHERS}' || {{ printf '%s\n' "$_rollout"; break; }}
    done
}}
# sets recorded to whole, damaged or nothing; of a line that was cut off nothing is taken
record_facts() {{
  recorded='' _adopted='' _workdir='' _runtime='' _name='' _line=cut
  [ -e "$task/session" ] || [ -L "$task/session" ] || return 0
  if [ -f "$task/session" ] && [ -r "$task/session" ]; then
    while IFS= read -r _line; do
      printf 'record+%s\n' "$_line"
      case $_line in
        name=*) _name=${{_line#name=}} ;;
        workdir=/*) _workdir=${{_line#workdir=}} ;;
        runtime=*) _runtime=${{_line#runtime=}} ;;
        adopted=*) _adopted=${{_line#adopted=}} ;;
      esac
    done <"$task/session"
  fi
  recorded=whole
  if [ -n "$_line" ] || [ "$_name" != "$name" ] || [ -z "$_workdir" ]; then recorded=damaged; echo damaged+session; fi
  # the launcher knows the place too
  [ -n "$_workdir" ] || _workdir=$(sed -n "s,^if cd '*\(/[^']*\)'*; then\$,\1,p" "$task/launch.sh" | head -n 1)
}}
# the sockets of the Python package optio-codex lie where anybody can make files, and somebody else's server could make
# its clients run what it likes; what is one's own nobody else can move out of a sticky directory
own_socket() {{ [ -S "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && case $1 in /tmp/optio-cx-*) [ -k /tmp ] ;; esac; }}
own_pane() {{
  case $(tr '\0' '|' <"/proc/$1/cmdline") in '' | *"|$task/launch.sh|"*) return 0 ;; esac
  [ "$_adopted" = 1 ] && tr '\0' '\n' <"/proc/$1/environ" | grep -qxF "CODEX_HOME=$workdir/home/.codex"
}}
# what does not answer must not hide every other session; it still holds the output that tmux has handed over to it, so
# that this is not the caller's own
ask_tmux() {{
  if command -v timeout >/dev/null; then timeout -s KILL 5 /bin/sh -c 'tmux "$@" | cat' tmux "$@"; else tmux "$@"; fi
}}
# the record is its user's own file, and root acts on what it says: only the two places that a launch uses count
session_runtime() {{
  case $_runtime in
    "{RUNTIME_ROOT}/$name") runtime=$_runtime; return ;;
    "$root/.run/"*) case ${{_runtime#"$root/.run/"}} in '' | *[!0-9a-f]*) ;; *) runtime=$_runtime; return ;; esac ;;
  esac
  [ -n "$recorded" ] || return 0
  [ -n "$digest" ] || digest=$(printf %s "$name" | sha256sum | cut -c 1-12)
  if [ "$privileged" = 1 ]; then runtime={RUNTIME_ROOT}/$name; else runtime=$root/.run/$digest; fi
  for _dir in "$runtime" "{RUNTIME_ROOT}/$name" "$root/.run/$digest"; do
    if [ -d "$_dir" ] && [ -O "$_dir" ]; then runtime=$_dir; break; fi
  done
}}
session_facts() {{
  session_runtime
  emit runtime "$runtime"
  kind "$runtime"; emit runtime_kind "$REPLY"
  socket=$runtime/tmux.sock _as=pane _pane=''
  # one that is not on record may be the package's, and so may one whose record is damaged and that has no launcher
  if [ ! -S "$socket" ]; then
    if [ -z "$recorded" ]; then _adopted=1 _as=adoptable; elif [ "$recorded" = damaged ] && [ ! -e "$task/launch.sh" ]; then _adopted=1; fi
  fi
  [ "$_adopted" != 1 ] || socket=/tmp/optio-cx-$(printf %s "$workdir" | sha256sum | cut -c 1-16).sock
  if [ -d "$runtime" ] && ! [ -O "$runtime" ]; then
    emit runtime_foreign 1
    socket=
  elif own_socket "$socket"; then
    _pane=$(ask_tmux -S "$socket" -f /dev/null list-panes -s -t optio \
      -F '#{{pane_pid}} #{{pid}} #{{pane_dead}} #{{pane_in_mode}} #{{session_created}}')
    if [ -n "$_pane" ]; then
      _pid=${{_pane%% *}}
      if own_pane "$_pid"; then
        emit "$_as" "$_pane"
        if [ "$recorded$_adopted" = damaged1 ]; then echo record+adopted=1; fi
      elif [ "$_as" = pane ]; then
        emit pane_foreign 1
      fi
      emit launcher_children "$(cat "/proc/$_pid/task/$_pid/children")"
    fi
  elif [ "$_adopted" = 1 ] && {{ [ -e "$socket" ] || [ -L "$socket" ]; }}; then
    emit socket_foreign 1
  fi
  state_facts
  [ -n "$_pane" ] || [ -z "$recorded" ] || [ -n "$_exit" ] || [ "$_adopted" = 1 ] || lost_pane
  terminal_facts
  rollout=$(newest_rollout); emit rollout "$rollout"
}}
state_facts() {{
  _exit=''
  if [ -e "$task/exit" ] || [ -L "$task/exit" ]; then
    if [ -f "$task/exit" ] && IFS= read -r _exit <"$task/exit"; then case $_exit in *[!0-9\ ]*) _exit='' ;; esac; else _exit=''; fi
    if [ -n "$_exit" ]; then emit exit "$_exit"; else echo damaged+exit; fi
  fi
  [ ! -e "$task/stopped" ] || emit stopped 1
  for _file in environment launch.sh stopped terminal watch; do
    if [ -e "$task/$_file" ] && ! {{ [ -f "$task/$_file" ] && [ -r "$task/$_file" ]; }}; then echo "damaged+$_file"; fi
  done
}}
# a server whose socket somebody has removed or replaced, or that does not answer, may still have its codex
lost_pane() {{
  for _pid in $(knowing cmdline "$task/launch.sh"); do
    [ "$(tr '\0' '|' <"/proc/$_pid/cmdline")" = "/bin/sh|$task/launch.sh|" ] || continue
    _server=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$_pid/status")
    case $(cat "/proc/$_server/comm") in tmux*) ;; *) continue ;; esac
    _pane="$_pid $_server 0 0 0" socket=
    emit pane "$_pane"; emit unreachable 1
    emit launcher_children "$(cat "/proc/$_pid/task/$_pid/children")"
    return
  done
}}
# one's own processes with a word in that file of theirs; grep must not find itself, so the word is on no command line
knowing() {{
  for _file in $(printf '%s\n' "$2" | grep -lF -f - /dev/null /proc/[0-9]*/"$1"); do
    [ ! -O "$_file" ] || tr '\0' '\n' <"$_file" | while IFS= read -r _word; do
      if [ "$_word" = "$2" ]; then _number=${{_file#/proc/}}; echo "${{_number%/*}}"; break; fi
    done
  done
}}
leftovers() {{
  if [ "$_adopted" = 1 ] && [ "$_as" = pane ] && [ -n "$socket" ]; then
    # nothing of it carries a tag: codex and what it starts know their home, tmux and ttyd the socket
    {{ knowing environ "CODEX_HOME=$workdir/home/.codex"; knowing cmdline "$socket"; }} | sed 's/^/left+/'
  fi
  grep -lF "{TAG_VARIABLE}=$task:" /proc/[0-9]*/environ | sed 's,^/proc/,left+,; s,/environ$,,'
  # root's units go by the session's name alone, so they are this task's only where its sockets are root's too
  if [ "$runtime" = "{RUNTIME_ROOT}/$name" ]; then
    [ "$systemd" != 1 ] || units "$name" systemctl
  elif [ "$user_manager" = 1 ]; then
    units "$name-$(printf %s "$task" | sha256sum | cut -c 1-12)" env "XDG_RUNTIME_DIR=/run/user/$uid" systemctl --user
  fi
}}
units() {{
  _unit=$1.service; shift
  "$@" list-units --all --plain --no-legend "{SESSION_UNIT}$_unit" "{TERMINAL_UNIT}$_unit" "{WATCH_UNIT}$_unit" |
    sed 's/^[^a-z]*/unit+/; s/ .*//'
}}
"""
