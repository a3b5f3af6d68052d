#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Sessions as a person would launch them by hand: a home, tmux with codex, ttyd, and the same permission profile. by_hand.sh launch|end MODEL_URL NAME...
set -eu
root=$HOME/by-hand verb=$1 model=$2
shift 2
cache=/var/cache/optio-codex/bin
[ -x "$cache/codex" ] || cache=$HOME/.cache/optio-codex/bin

in_tmux() { socket=$root/$1/tmux.sock; shift; tmux -S "$socket" -f /dev/null "$@"; }
launch() {
  home=$root/$1/home workdir=$root/$1/workdir
  in_tmux "$1" has-session 2>/dev/null && return
  mkdir -p "$workdir" "$home/.codex" "$home/.local/bin"
  ln -sfn "$(readlink -f "$cache/codex")" "$home/.local/bin/codex"
  cat >"$home/.codex/config.toml" <<EOF
model = "stand-in"
model_provider = "stub"
check_for_update_on_startup = false
[features]
plugins = false
daemon_auto_start = false
[analytics]
enabled = false
[tui]
animations = false
[projects."$workdir"]
trust_level = "trusted"
[model_providers.stub]
name = "stub"
base_url = "$model"
wire_api = "responses"
EOF
  # with a profile, codex reads the project's files in its sandbox, which takes most of its start
  profile="{extends = \":workspace\", filesystem = {\"$root\" = \"deny\", \"$workdir\" = \"write\"}}"
  in_tmux "$1" new-session -d -s optio -x 200 -y 50 -c "$workdir" \
    env HOME="$home" CODEX_HOME="$home/.codex" LANG=C.UTF-8 "$home/.local/bin/codex" \
    --ask-for-approval never -c 'default_permissions="optio"' -c "permissions.optio=$profile"
  setsid "$cache/ttyd" -i "$root/$1/ttyd.sock" -O -m 16 tmux -S "$root/$1/tmux.sock" attach-session -r -t optio </dev/null >/dev/null 2>&1 &
}
# codex takes input when the line below its composer names the model
ready() { in_tmux "$1" capture-pane -p | grep -q '^  stand-in.* · '; }

case $verb in
  launch)
    for name; do launch "$name"; done
    for name; do until ready "$name" && [ -S "$root/$name/ttyd.sock" ]; do sleep 0.03; done; done ;;
  end)
    for name; do in_tmux "$name" kill-server || true; done
    pkill -f "ttyd -i $root/" || true
    rm -rf "$root" ;;
esac
