# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that looks at one session: its record, its processes, its conversation, its files.

One damaged file hides nothing else: a state file is read as one line or by whole lines, and if it is not readable, the
processes themselves are examined.
"""

from __future__ import annotations

from .._codex.rollout_files import HEAD, OTHERS
from .._core.paths import COPY_ROOT, SYSTEM_CACHE, TAG_VARIABLE
from .layout import OWN, PACKAGE, PROJECT, RUNTIME_ROOT, SESSION_UNIT, TERMINAL_UNIT, WATCH_UNIT
from .login import SHELL_LOGIN
from .probe_files import SHELL_FILES
from .probe_terminal import SHELL_TERMINAL

#: shell: tools of the worker; ``real`` sets REPLY to a path without links, as far as the path exists. REPLY is the same
#: once the rest exists too, because a session is identified by the text of its path
SHELL_WORKER = rf"""
real() {{
  # a relative directory has no end to climb to, and the parser refuses it
  case $1 in /*) ;; *) REPLY=$1; return ;; esac
  _dir=$1 _rest=
  while :; do
    case $_dir in
      *//*) _dir=${{_dir%%//*}}/${{_dir#*//}} ;;
      */./*) _dir=${{_dir%%/./*}}/${{_dir#*/./}} ;;
      */.) _dir=${{_dir%/.}} ;;
      *) break ;;
    esac
  done
  while [ ! -d "$_dir" ]; do _rest=/${{_dir##*/}}$_rest; _dir=${{_dir%/*}}; [ -n "$_dir" ] || _dir=/; done
  REPLY=$(cd -P -- "$_dir" && pwd -P) || REPLY=$_dir
  case $REPLY in /) REPLY=${{_rest:-/}} ;; *) REPLY=$REPLY$_rest ;; esac
}}
program() {{ REPLY=$(command -v "$1") || REPLY=; case $REPLY in /*) ;; *) REPLY= ;; esac; }}
cached() {{
  user_cache
  for _cache in "$REPLY" {SYSTEM_CACHE}; do
    if [ -f "$_cache/$1" ] && [ -x "$_cache/$1" ]; then REPLY=$(readlink -f "$_cache/$1"); return; fi
  done
  REPLY=
}}
worker_facts() {{
  # no part of this contains a blank, and it has this order whatever the order of the options
  _words=$(uname -snm)
  emit system "${{_words%% *}}"; emit machine "${{_words##* }}"; _words=${{_words#* }}; emit node "${{_words%% *}}"
  emit user "$(id -un)"; emit home "$HOME"; emit path "$PATH"
  uid=$(id -u); emit uid "$uid"
  privileged=${{OPTIO_PRIVILEGED:-0}}
  [ "$uid" != 0 ] || privileged=1
  emit privileged "$privileged"
  systemd=0
  if [ "$privileged" = 1 ] && [ -d /run/systemd/system ]; then systemd=1; fi
  emit systemd "$systemd"
  user_manager=0
  if [ -d /run/systemd/system ] && [ -S "/run/user/$uid/systemd/private" ]; then user_manager=1; fi
  emit user_manager "$user_manager"
  program tmux; emit tmux "$REPLY"
  program git; emit git "$REPLY"
}}
codex_program() {{
  if [ -n "$codex_dir" ]; then
    expand "$codex_dir"; trim; emit codex_dir "$REPLY"
    if [ -f "$REPLY/codex" ] && [ -x "$REPLY/codex" ]; then REPLY=$(readlink -f "$REPLY/codex"); else REPLY=; fi
  else
    cached codex
  fi
  emit codex "$REPLY"
}}
"""

# Variables of a session's probe. Inputs: name, sessions directory (root), workdir, digest, sweep, web_group. Set by
# worker_facts: uid, privileged, systemd, user_manager. Set by task_paths and task_workdir: root, task, workdir, runtime.
# Set by record_facts and session_facts, read by the functions that follow:
#   record_state  '' (no record), whole, damaged
#   by_package    1 if the Python package optio-codex launched the session: its tmux socket is then in /tmp
#   pane_field    pane, or adoptable for a session of the package that is not on record; the field that emits the pane
#   socket        the tmux socket, '' if no server may be asked
#   origin        of the workdir: own, project, package (see SessionPaths); home and log_dir follow from it
#   copy          the directory of the record's copy, outside of the session's directory
#   _pane, _exit  the line of tmux's pane and of the file exit, '' if there is none
# digest_of computes what layout.py computes too (runtime_digest, package_socket, unit_instance): the names of a list
# and the resolved paths are known only on the worker. A test compares both.
#: shell: ``record_facts`` and ``session_facts`` print the facts of session ``$name`` in ``$task`` below ``$root``
SHELL_SESSION = (
    SHELL_FILES
    + rf"""
digest_of() {{ printf %s "$1" | sha256sum | cut -c "1-$2"; }}
# sets REPLY to the newest conversation of the session's own below the directory $1 of codex's home; $2 ends the names of its files
newest_rollout() {{
  REPLY=''
  [ ! -d "$home/.codex/$1" ] || REPLY=$(newest_file "$1" "$2")
}}
newest_file() {{
  find "$home/.codex/$1" -type f -name "rollout-*.jsonl$2" |
    sed -n "s/^\(.*-\([0-9a-f]\{{8\}}\(-[0-9a-f]\{{4\}}\)\{{3\}}-[0-9a-f]\{{12\}}\)\.jsonl$2\)\$/\2 \1/p" | sort -r |
    while IFS=' ' read -r _line _rollout; do
      head -c {HEAD} "$_rollout" | head -n 1 | grep -qE '{OTHERS}' || {{ printf '%s\n' "$_rollout"; break; }}
    done
}}
# where no rollout is in use: codex resumes a compressed one by its id, and none that is archived; which of several
# compressed ones is the session's own cannot be read
hidden_rollouts() {{
  if [ -d "$home/.codex/sessions" ]; then
    emit compressed_count "$(find "$home/.codex/sessions" -type f -name 'rollout-*.jsonl.zst' | wc -l)"
  fi
  newest_rollout sessions .zst; emit compressed "$REPLY"
  newest_rollout archived_sessions ''
  [ -n "$REPLY" ] || newest_rollout archived_sessions .zst
  emit archived "$REPLY"
}}
# sets record_state (see above); of a line that was cut off nothing is taken
record_facts() {{
  record_state='' by_package='' _workdir='' _runtime='' _origin='' _codex=''
  if [ "$privileged" = 1 ]; then copy={COPY_ROOT}/$name; else copy=$root/.records/$name; fi
  find_small
  copy_facts
  if [ -e "$task/session" ] || [ -L "$task/session" ]; then
    record_state=damaged
    ! whole_record session "$task/session" '' || record_state=whole
  fi
  [ "$record_state" != whole ] || {{ read_record "$task/session"; return; }}
  # what was removed or damaged is known from the copy
  if [ -n "$_copied" ] && whole_record copy/record "$copy/record" "$task"; then
    read_record "$copy/record"
    [ "$record_state" != damaged ] || echo damaged+session
    emit record_copied 1
    record_state=whole
  elif [ "$record_state" = damaged ]; then
    echo damaged+session
    ! own_record session "$task/session" || read_record "$task/session"
    # the launcher knows the place too
    if [ -z "$_workdir" ] && is_small launch.sh; then _workdir=$(launched_in "$task/launch.sh"); fi
  fi
}}
launched_in() {{ sed -n "s,^if cd '\(/[^']*\)'[; ].*,\1,p; s,^if cd \(/[^' ;]*\)[; ].*,\1,p" "$1" | head -n 1; }}
# no link is followed, and nothing is read that no launch has written
own_record() {{ is_small "$1" && [ -r "$2" ]; }}
# whether the record $2, in find_small $1, is whole and that of the session; with $3 also of its directory
whole_record() {{
  _name='' _place='' _where='' _line=cut
  own_record "$1" "$2" || return 1
  while IFS= read -r _line; do
    case $_line in name=*) _name=${{_line#name=}} ;; task=*) _place=${{_line#task=}} ;; workdir=/*) _where=1 ;; esac
  done <"$2"
  [ -z "$_line" ] && [ "$_name" = "$name" ] && [ -n "$_where" ] && [ "$_place" = "${{3:-$_place}}" ]
}}
# prints the record $1, which own_record has accepted
read_record() {{
  while IFS= read -r _line; do
    printf 'record+%s\n' "$_line"
    case $_line in
      workdir=/*) _workdir=${{_line#workdir=}} ;;
      runtime=*) _runtime=${{_line#runtime=}} ;;
      adopted=*) by_package=${{_line#adopted=}} ;;
      origin=*) _origin=${{_line#origin=}} ;;
      codex=/*) _codex=${{_line#codex=}} ;;
    esac
  done <"$1"
}}
# whether a prompt was given, by the launcher's mark and by the copy, and whether a launch was begun or has ended before
copy_facts() {{
  _copied='' _kept='' _place=''
  if is_small copy/prompt; then
    IFS=' ' read -r _kept _place <"$copy/prompt"
    [ "$_place" = "$task" ] || _kept=''
  fi
  [ ! -f "$copy/record" ] || _copied=1
  emit prompt_copied "$_kept"
  for _file in session environment launch.sh stopped restored exit screen prompt events; do
    if [ -e "$task/$_file" ] || [ -L "$task/$_file" ]; then echo "state+$_file"; fi
  done
}}
# what the workdir is, and what follows from it; the record says it of a workdir that was the agent's since
session_places() {{
  origin=$_origin
  case $origin in {PROJECT} | {PACKAGE}) ;; *) [ "$workdir" = "$task/workdir" ] || origin={PROJECT} ;; esac
  case $origin in
    {OWN} | {PROJECT} | {PACKAGE}) ;;
    *)
      origin={OWN}
      if [ "${{repository:-}}" = 1 ] || [ -e "$workdir/.git" ]; then
        case $(readlink "$workdir/home") in "$task/home") ;; *) origin={PROJECT} ;; esac
      fi ;;
  esac
  [ "$by_package" != 1 ] || origin={PACKAGE}
  home=$task/home log_dir=$workdir
  case $origin in {PACKAGE}) home=$workdir/home ;; {PROJECT}) log_dir=$task/agent ;; esac
}}
# any user can make files beside the sockets of the Python package, and another user's server could run code in its
# clients; own files cannot be moved out of a sticky directory
own_socket() {{ [ -S "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && case $1 in /tmp/optio-cx-*) [ -k /tmp ] ;; esac; }}
own_pane() {{
  case $(tr '\0' '|' <"/proc/$1/cmdline") in '' | *"|$task/launch.sh|"*) return 0 ;; esac
  # of the package's sessions, the home is in the workdir
  [ "$by_package" = 1 ] && tr '\0' '\n' <"/proc/$1/environ" | grep -qxF "CODEX_HOME=$workdir/home/.codex"
}}
launcher_children() {{ _children=''; IFS= read -r _children <"/proc/$1/task/$1/children"; emit launcher_children "$_children"; }}
# one that hangs must not hide the other sessions; tmux hands its output over to it, so this is not the caller's own
ask_tmux() {{
  if command -v timeout >/dev/null; then timeout -s KILL 5 /bin/sh -c 'tmux "$@" | cat' tmux "$@"; else tmux "$@"; fi
}}
# the record is its user's own file, and root acts on what it says: only the two places that a launch uses count
session_runtime() {{
  case $_runtime in
    "{RUNTIME_ROOT}/$name") runtime=$_runtime; return ;;
    "$root/.run/"*) case ${{_runtime#"$root/.run/"}} in '' | *[!0-9a-f]*) ;; *) runtime=$_runtime; return ;; esac ;;
  esac
  [ -n "$record_state" ] || return 0
  [ -n "$digest" ] || digest=$(digest_of "$name" 12)
  if [ "$privileged" = 1 ]; then runtime={RUNTIME_ROOT}/$name; else runtime=$root/.run/$digest; fi
  for _dir in "$runtime" "{RUNTIME_ROOT}/$name" "$root/.run/$digest"; do
    if [ -d "$_dir" ] && [ -O "$_dir" ]; then runtime=$_dir; break; fi
  done
}}
session_facts() {{
  session_runtime
  emit runtime "$runtime"
  kind "$runtime"; emit runtime_kind "$REPLY"
  socket=$runtime/tmux.sock pane_field=pane _pane=''
  # one that is not on record may be the package's, and so may one whose record is damaged and that has no launcher
  if [ ! -S "$socket" ]; then
    case $record_state in
      '') by_package=1 pane_field=adoptable ;;
      damaged) [ -e "$task/launch.sh" ] || by_package=1 ;;
    esac
  fi
  [ "$by_package" != 1 ] || socket=/tmp/optio-cx-$(digest_of "$workdir" 16).sock
  if [ -d "$runtime" ] && ! [ -O "$runtime" ]; then
    emit runtime_foreign 1
    socket=
  elif own_socket "$socket"; then
    _pane=$(ask_tmux -S "$socket" -f /dev/null list-panes -s -t optio \
      -F '#{{pane_pid}} #{{pid}} #{{pane_dead}} #{{pane_in_mode}} #{{session_created}}')
    if [ -n "$_pane" ]; then
      _pid=${{_pane%% *}}
      if own_pane "$_pid"; then
        emit "$pane_field" "$_pane"
        if [ "$record_state$by_package" = damaged1 ]; then echo record+adopted=1; fi
      elif [ "$pane_field" = pane ]; then
        emit pane_foreign 1
      fi
      launcher_children "$_pid"
    fi
  elif [ "$by_package" = 1 ] && {{ [ -e "$socket" ] || [ -L "$socket" ]; }}; then
    emit socket_foreign 1
  fi
  # a session of the package that is not on record here
  [ "$by_package$pane_field" != 1adoptable ] || [ -z "$_pane" ] || {{ home=$workdir/home log_dir=$workdir origin={PACKAGE}; }}
  emit origin "$origin"
  state_facts
  [ -n "$_pane" ] || [ -z "$record_state" ] || [ -n "$_exit" ] || [ "$by_package" = 1 ] || lost_pane
  terminal_facts
  newest_rollout sessions ''; rollout=$REPLY; emit rollout "$rollout"
  [ -n "$rollout" ] || hidden_rollouts
}}
state_facts() {{
  _exit=''
  if [ -e "$task/exit" ] || [ -L "$task/exit" ]; then
    if is_small exit && IFS= read -r _exit <"$task/exit"; then case $_exit in *[!0-9\ ]*) _exit='' ;; esac; else _exit=''; fi
    if [ -n "$_exit" ]; then emit exit "$_exit"; else echo damaged+exit; fi
  fi
  [ ! -e "$task/stopped" ] || emit stopped 1
  [ ! -e "$task/prompt" ] || emit prompt_mark 1
  for _file in environment launch.sh stopped terminal watch; do
    if [ -e "$task/$_file" ] && ! {{ [ -f "$task/$_file" ] && [ -r "$task/$_file" ]; }}; then echo "damaged+$_file"; fi
  done
}}
# a server whose socket somebody has removed or replaced, or that does not answer, may still have its codex
lost_pane() {{
  for _pid in $(pids_with cmdline "$task/launch.sh"); do
    [ "$(tr '\0' '|' <"/proc/$_pid/cmdline")" = "/bin/sh|$task/launch.sh|" ] || continue
    _server=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$_pid/status")
    case $(cat "/proc/$_server/comm") in tmux*) ;; *) continue ;; esac
    _pane="$_pid $_server 0 0 0" socket=
    emit pane "$_pane"; emit unreachable 1
    launcher_children "$_pid"
    return
  done
}}
# one's own processes with a word in that file of theirs; grep must not find itself, so the word is on no command line
pids_with() {{
  for _file in $(printf '%s\n' "$2" | grep -lF -f - /dev/null /proc/[0-9]*/"$1"); do
    [ ! -O "$_file" ] || tr '\0' '\n' <"$_file" | while IFS= read -r _word; do
      if [ "$_word" = "$2" ]; then _number=${{_file#/proc/}}; echo "${{_number%/*}}"; break; fi
    done
  done
}}
leftovers() {{
  if [ "$by_package" = 1 ] && [ "$pane_field" = pane ] && [ -n "$socket" ]; then
    # nothing of it carries a tag: codex and what it starts know their home, tmux and ttyd the socket
    {{ pids_with environ "CODEX_HOME=$workdir/home/.codex"; pids_with cmdline "$socket"; }} | sed 's/^/left+/'
  fi
  # bwrap leaves one behind if it is killed while it makes a sandbox; its environment has no tag
  for _pid in $(pids_with cmdline "$task/agent"); do
    case $(tr '\0' '|' <"/proc/$_pid/cmdline") in bwrap'|'* | */bwrap'|'*) echo "left+$_pid" ;; esac
  done
  grep -lF "{TAG_VARIABLE}=$task:" /proc/[0-9]*/environ | sed 's,^/proc/,left+,; s,/environ$,,'
  # units of root are named after the session alone, so they are its own only if its sockets are root's too
  if [ "$runtime" = "{RUNTIME_ROOT}/$name" ]; then
    [ "$systemd" != 1 ] || units "$name" systemctl
  elif [ "$user_manager" = 1 ]; then
    units "$name-$(digest_of "$task" 12)" env "XDG_RUNTIME_DIR=/run/user/$uid" systemctl --user
  fi
}}
# of a session that resume: auto may start again: what is left of it, and the time that limits how often
ended_leftovers() {{
  [ -n "$record_state" ] || return 0
  # the third word of a pane is 0 while its program runs
  case $_exit${{_pane#* * }} in 0\ *) ;; *) emit now "$(date +%s)"; leftovers ;; esac
}}
units() {{
  _unit=$1.service; shift
  "$@" list-units --all --plain --no-legend "{SESSION_UNIT}$_unit" "{TERMINAL_UNIT}$_unit" "{WATCH_UNIT}$_unit" |
    sed 's/^[^a-z]*/unit+/; s/ .*//'
}}
"""
)

#: shell: the files and processes of the task in ``$task``, ``$workdir`` and ``$runtime``
SHELL_TASK = (
    SHELL_TERMINAL
    + SHELL_SESSION
    + SHELL_LOGIN
    + rf"""
kind() {{ if [ -d "$1" ]; then REPLY=directory; elif [ -e "$1" ] || [ -L "$1" ]; then REPLY=other; else REPLY=absent; fi; }}
task_paths() {{
  if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
  real "$REPLY"; root=$REPLY; task=$root/$name
  emit root "$root"
  if [ "$privileged" = 1 ]; then runtime={RUNTIME_ROOT}/$name; else runtime=$root/.run/$digest; fi
}}
task_workdir() {{
  record_facts
  if [ -n "$workdir" ]; then
    expand "$workdir"; trim; real "$REPLY"; workdir=$REPLY
  else
    workdir=${{_workdir:-$task/workdir}}
  fi
  emit workdir "$workdir"
  session_places
}}
# a killed sandbox leaves an empty file or directory in the place of a protected one
has_project_config() {{
  if [ -L "$1" ]; then return 0; elif [ -d "$1" ]; then has_entries "$1"; return; fi
  [ -e "$1" ] && ! {{ [ -f "$1" ] && [ ! -s "$1" ]; }}
}}
pointer_facts() {{ emit pointer_text "$(head -c 8192 /proc/self/fd/4 | tr -d '\000' | head -n 1)"; }}
workspace_facts() {{
  kind "$task"; emit task_kind "$REPLY"
  if [ -d "$task" ] && ! [ -O "$task" ]; then emit task_foreign 1; fi
  kind "$workdir"; emit workdir_kind "$REPLY"
  if [ "$REPLY" = directory ]; then
    # most workdirs have one of these
    for _entry in home .git AGENTS.md; do
      if [ -e "$workdir/$_entry" ] || [ -L "$workdir/$_entry" ]; then break; fi
      _entry=
    done
    if [ -n "$_entry" ] || has_entries "$workdir"; then emit workdir_filled 1; fi
  fi
  for _dir in home/.codex home/.config home/.local/share home/.local/bin home/.cache agent/.config agent/.local/share agent/.cache; do
    case $_dir in home/*) _dir=$home/${{_dir#home/}} ;; *) _dir=$task/$_dir ;; esac
    [ -d "$_dir" ] || emit home_incomplete 1
  done
  # a link or a file of that name is the project's too
  ! has_project_config "$workdir/.codex" || emit project_config 1
  kind "$home"; emit home_kind "$REPLY"
  kind "$home/.codex"; emit codex_home_kind "$REPLY"
  if [ "$origin" = {OWN} ]; then
    kind "$workdir/home"
    # a line break in a value would make the whole answer unknown
    if [ -L "$workdir/home" ]; then
      REPLY=$(readlink "$workdir/home"); emit home_link "${{REPLY%%"$NL"*}}"
    elif [ "$REPLY" != absent ]; then
      emit link_blocked 1
    fi
    if [ -L "$workdir/AGENTS.md" ] || [ -e "$workdir/AGENTS.md" ]; then
      emit pointer other
      reading "$workdir/AGENTS.md" pointer_facts
    fi
  fi
  [ ! -L "$home/.local/bin/codex" ] || {{ _link=$(readlink "$home/.local/bin/codex"); emit link "${{_link%%"$NL"*}}"; }}
  kind "$home/.codex/config.toml"; emit config_kind "$REPLY"
  if [ -f "$home/.codex/AGENTS.md" ] && [ ! -L "$home/.codex/AGENTS.md" ]; then
    emit instructions 1; lines instructions "$home/.codex/AGENTS.md"
  elif [ -e "$home/.codex/AGENTS.md" ] || [ -L "$home/.codex/AGENTS.md" ]; then
    emit instructions_blocked 1
  fi
  # it silences the file above
  if [ -e "$home/.codex/AGENTS.override.md" ] || [ -L "$home/.codex/AGENTS.override.md" ]; then emit override 1; fi
  for _log in optio.log optio.log.old resume.log; do
    if [ -e "$log_dir/$_log" ] || [ -L "$log_dir/$_log" ]; then echo "logs+$_log"; fi
  done
  # codex's sandbox may leave an empty directory there when it is killed
  if [ -e "$workdir/.git/HEAD" ]; then emit git_kind directory; elif [ -f "$workdir/.git" ]; then emit git_kind file; fi
}}
"""
)
