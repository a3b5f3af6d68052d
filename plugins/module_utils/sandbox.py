# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether codex's sandbox works on a worker, found by running it, and why it does not.

Without it every shell command of a sandboxed session fails while codex itself ends well. The verdict holds for one
codex, one boot and one system bwrap, and is kept beside the sessions of the user it was found for.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass

from . import files
from .host import Host

#: seconds; a sandbox that works takes a tenth of one
PREFLIGHT_TIMEOUT = 30.0
OK, FAILED, UNKNOWN = "ok", "failed", "unknown"

#: shell: ``sandbox_facts`` prints the key that a verdict holds for and the verdict kept last
SHELL_SANDBOX = r"""
sandbox_facts() {
  program bwrap; _bwrap=$REPLY
  emit bwrap "$_bwrap"
  [ -z "$_bwrap" ] || _bwrap=$_bwrap@$(stat -L -c %s.%Y "$_bwrap")
  emit sandbox_key "$1|$(cat /proc/sys/kernel/random/boot_id)|${_bwrap}|$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns)"
  [ ! -f "$root/.sandbox" ] || sed 's/^/sandbox+/' "$root/.sandbox"
}
"""

_REMEDIES = (
    (
        re.compile(r"bubblewrap is unavailable|could not find bubblewrap|codex-resources", re.IGNORECASE),
        "codex has no bwrap beside it",
        "Install the full package with optio.codex.codex_release, or the system package bubblewrap",
    ),
    (
        re.compile(r"mount(ing)? (proc|/proc)|proc.*(not permitted|denied|invalid)", re.IGNORECASE),
        "bwrap cannot mount /proc in this container",
        "Run the container with an unmasked /proc (podman: --security-opt unmask=ALL, or --privileged), or, where only "
        "the system's bwrap fails, remove the package bubblewrap so that codex uses the one in its package",
    ),
    (
        re.compile(r"uid map|uid_map|apparmor|loopback: Failed RTM_NEWADDR", re.IGNORECASE),
        "AppArmor restricts unprivileged user namespaces",
        "Set kernel.apparmor_restrict_unprivileged_userns=0, or load an AppArmor profile that allows userns for codex",
    ),
    (
        re.compile(r"namespace|unshare|clone|operation not permitted", re.IGNORECASE),
        "the kernel refuses user namespaces to this user",
        "Set kernel.unprivileged_userns_clone=1 and user.max_user_namespaces above 0; in a container, allow them in its seccomp profile",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """``ok``, ``failed`` or ``unknown``; a failure with its cause, its remedy and what the sandbox printed."""

    verdict: str
    cause: str | None = None
    remedy: str | None = None
    output: str | None = None

    def as_result(self) -> dict[str, str | None]:
        """Return the four values as modules return them."""
        return {"verdict": self.verdict, "cause": self.cause, "remedy": self.remedy, "output": self.output}


def kept_verdict(lines: list[str], key: str) -> Verdict:
    """Return the verdict kept on the worker when it holds for ``key``, unknown otherwise."""
    fields = dict(line.partition("=")[::2] for line in lines)
    if not key or fields.get("key") != key or fields.get("verdict") not in (OK, FAILED):
        return Verdict(UNKNOWN)
    if fields["verdict"] == OK:
        return Verdict(OK)
    return failed(fields.get("output", ""), bool(key.split("|")[2:3] != [""]))


def failed(output: str, system_bwrap: bool) -> Verdict:
    """Return the verdict for what a failing sandbox printed."""
    for pattern, cause, remedy in _REMEDIES:
        if pattern.search(output):
            if system_bwrap and "bwrap" in cause and "system" not in cause:
                cause = f"{cause} (the system's bwrap on PATH wins over the one in codex's package)"
            return Verdict(FAILED, cause, remedy, output)
    return Verdict(FAILED, "the sandbox ended with an error", "Run 'codex sandbox -- /bin/true' there and look", output)


def run_preflight(host: Host, codex: str, root: str, key: str) -> Verdict:
    """Run a command in codex's sandbox, keep the verdict below ``root`` and return it.

    codex gets a home of its own that is removed again; a time-out is no verdict and is not kept.
    """
    files.make_directory(root)
    # codex refuses helpers below /tmp
    with tempfile.TemporaryDirectory(prefix=".preflight-", dir=root) as home:
        codex_home = os.path.join(home, ".codex")
        os.mkdir(codex_home, 0o700)
        environment = {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            **{"HOME": home, "CODEX_HOME": codex_home, "LANG": "C.UTF-8"},
        }
        done = host.run([codex, "sandbox", "--", "/bin/true"], environment=environment, cwd=home, timeout=PREFLIGHT_TIMEOUT)
    if done.rc == 124:
        return Verdict(UNKNOWN, done.message, "Run the task again when the worker is less busy")
    output = " ".join(line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip())[:500]
    verdict = Verdict(OK) if done.rc == 0 else failed(output, key.split("|")[2:3] != [""])
    text = f"key={key}\nverdict={verdict.verdict}\noutput={output if done.rc else ''}\n"
    files.write_text(os.path.join(root, ".sandbox"), text)
    return verdict
