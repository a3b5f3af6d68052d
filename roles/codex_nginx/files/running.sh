# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# sh function: nginx runs, and its process ID is $pid; the PID file of a killed nginx may name another process
PATH=$PATH:/usr/sbin:/sbin
running() {
  pid=$(cat /run/nginx.pid 2>/dev/null) && [ -n "$pid" ] || return 1
  case $(readlink "/proc/$pid/exe") in */nginx | */nginx\ *) ;; *) return 1 ;; esac
}
