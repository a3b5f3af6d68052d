# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that looks at the browser terminals of one session."""

from __future__ import annotations

from .layout import RUNTIME_ROOT, WEB_ROOT

# Inputs: ttyd_dir, web_group, task, name, runtime, and _pane and by_package from ``session_facts``. ``is_small`` is in ``SHELL_FILES``.
#   ttyd_program      prints ttyd
#   terminal_facts    prints web_group, terminal, terminal_stat, terminal_socket and the same of watch; with more also terminal_program
#   web_group_facts   prints web_group_missing
#: shell: the worker's ttyd, by the functions of ``SHELL_WORKER``, and the terminals of the task in ``$task``, whose
#: sockets are in ``$runtime`` or where a web server finds them
SHELL_TERMINAL = rf"""
ttyd_program() {{
  if [ -n "$ttyd_dir" ]; then
    expand "$ttyd_dir"; trim; emit ttyd_dir "$REPLY"
    if [ -f "$REPLY/ttyd" ] && [ -x "$REPLY/ttyd" ]; then REPLY=$(readlink -f "$REPLY/ttyd"); else REPLY=; fi
  else
    cached ttyd
    [ -n "$REPLY" ] || program ttyd
  fi
  emit ttyd "$REPLY"
}}
# whose a terminal is, its command line tells; the number on record, and its start time with it, may be anybody's. Of two
# the second has the socket for those who only watch
own_terminal() {{
  [ -O "/proc/$1" ] || return 1
  _words=$(tr '\0' '|' <"/proc/$1/cmdline")
  case $_words in *"|--|tmux|-S|$runtime/tmux.sock|"*) ;; *) return 1 ;; esac
  case $_words in */watch.sock'|'*) [ "$2" = "$_watching" ] ;; *) [ "$2" = terminal ] ;; esac
}}
terminal_facts() {{
  web='' _watching=terminal
  [ ! -e "$task/watch" ] || _watching=watch
  if [ "$runtime" = "{RUNTIME_ROOT}/$name" ] && [ -d "{WEB_ROOT}/$name" ]; then
    web={WEB_ROOT}/$name; emit web_group "$(stat -c %G "$web")"
  fi
  for _socket in "$runtime/ttyd.sock" ${{web:+"$web/type.sock"}}; do
    [ ! -S "$_socket" ] || emit terminal_socket 1
  done
  if [ -n "$web" ] && [ -S "$web/watch.sock" ]; then emit "${{_watching}}_socket" 1; fi
  one_terminal terminal
  [ "$_watching" = terminal ] || one_terminal watch
}}
one_program() {{ [ -z "$more" ] || emit "$1_program" "$(readlink "/proc/$_pid/exe")"; }}
terminal_stat() {{ _line=''; IFS= read -r _line <"/proc/$_pid/stat"; emit "$1_stat" "$_line"; }}
one_terminal() {{
  _line=''
  ! is_small "$1" || IFS= read -r _line <"$task/$1"
  case $_line in *[!0-9\ ]*) _line='' ;; esac
  emit "$1" "$_line"
  _pid=${{_line%% *}}
  if [ -n "$_pid" ] && own_terminal "$_pid" "$1"; then terminal_stat "$1"; one_program "$1"; return 0; fi
  [ -n "$_pane" ] && [ "$by_package" != 1 ] || return 0
  for _pid in $(pids_with cmdline "$runtime/tmux.sock"); do
    own_terminal "$_pid" "$1" || continue
    # 0 is no start time, so that the record is put right
    case $_words in *'|-p|'*) _port=${{_words##*'|-p|'}}; _port=${{_port%%'|'*}} ;; *) _port=0 ;; esac
    emit "$1" "$_pid 0 $_port"; terminal_stat "$1"; one_program "$1"
    return 0
  done
}}
web_group_facts() {{ [ -z "$web_group" ] || getent group "$web_group" >/dev/null || emit web_group_missing 1; }}
"""
