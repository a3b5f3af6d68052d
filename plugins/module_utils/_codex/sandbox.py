# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether codex's sandbox works on a worker, found by running it, and why it does not.

Without it every shell command of a sandboxed session fails while codex itself ends well. A verdict is valid for one
codex, one boot, one bwrap and one set of kernel settings. It is stored with the sessions of the user it was found for.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass

from .._core import files
from .._core.host import Host
from .._core.probe import Section

#: seconds; a sandbox that works takes a tenth of one
PREFLIGHT_TIMEOUT = 30.0
OK, FAILED, UNKNOWN = "ok", "failed", "unknown"

#: where the role codex_worker puts the profile that allows user namespaces to codex's bwrap
APPARMOR_PROFILE = "/etc/apparmor.d/optio-codex"

#: shell: ``sandbox_facts`` prints the conditions of failures, the key of a verdict, and the last stored verdict
SHELL_SANDBOX = rf"""
switch() {{ REPLY=; [ ! -r "/proc/sys/$1" ] || read -r REPLY <"/proc/sys/$1"; }}
sandbox_facts() {{
  program bwrap; _bwrap=$REPLY; emit bwrap "$_bwrap"
  switch kernel/unprivileged_userns_clone; _switches=$REPLY; emit userns_clone "$REPLY"
  switch user/max_user_namespaces; _switches=$_switches,$REPLY; emit max_user_namespaces "$REPLY"
  switch kernel/apparmor_restrict_unprivileged_userns; _switches=$_switches,$REPLY; emit apparmor_restriction "$REPLY"
  _seccomp=
  while read -r _name _value; do [ "$_name" != Seccomp: ] || _seccomp=$_value; done </proc/self/status
  emit seccomp "$_seccomp"
  _codex=$1 _started=
  # a codex given by its directory may be replaced in place; the profile's file tells that it came or went
  _files=$(stat -L -c %s.%Y "$_codex" "${{_codex%/*}}/../codex-resources/bwrap" "$_bwrap" {APPARMOR_PROFILE})
  # a container may be started anew, with other rights, within one boot
  if read -r _stat </proc/1/stat; then set -- x ${{_stat##*) }}; _started=${{21}}; fi
  switch kernel/random/boot_id
  # unquoted: as one line
  set -- $_files
  emit sandbox_key "$_codex|$REPLY.$_started|$_switches,$_seccomp|$*"
  [ ! -f "$root/.sandbox" ] || sed 's/^/sandbox+/' "$root/.sandbox"
}}
"""


@dataclass(frozen=True)
class Conditions:
    """The kernel settings and programs that explain a sandbox's error; empty if the worker does not have the setting."""

    system_bwrap: bool = False
    userns_clone: str = ""
    max_user_namespaces: str = ""
    apparmor_restriction: str = ""
    seccomp: str = ""

    @property
    def apparmor_restricts(self) -> bool:
        """Return whether AppArmor takes the rights of user namespaces that no profile allows."""
        return self.apparmor_restriction not in ("", "0")


def parse_conditions(facts: Section) -> Conditions:
    """Return the output of ``sandbox_facts``."""
    return Conditions(
        bool(facts.get("bwrap")),
        *(facts.get(name) for name in ("userns_clone", "max_user_namespaces", "apparmor_restriction", "seccomp")),
    )


_NO_BWRAP = re.compile(r"bubblewrap is unavailable|could not find bubblewrap|codex-resources", re.IGNORECASE)
_PROC = re.compile(r"mount(ing)? /?proc\b", re.IGNORECASE)
#: the kernel refused the namespace itself
_REFUSED = re.compile(r"new namespace|user namespaces|unshare|clone", re.IGNORECASE)
#: there is a namespace, but without the rights that root has in it
_POWERLESS = re.compile(r"[ug]id[ _]map|setgroups|loopback:|RTM_NEW", re.IGNORECASE)
_EXHAUSTED = re.compile(r"exceeded|ENOSPC|No space left", re.IGNORECASE)


def explain(output: str, conditions: Conditions) -> tuple[str, str]:
    """Return the cause and the remedy for the output of a failing sandbox."""
    # codex's own warnings stand before it, and hold words like bwrap's
    said = output[max(output.find("bwrap: "), 0) :]
    if _NO_BWRAP.search(said):
        return (
            "the package of codex contains no bwrap",
            "Install the full package with optio.codex.codex_release, or the system package bubblewrap",
        )
    if _PROC.search(said):
        return _proc_refused(conditions.system_bwrap)
    if _REFUSED.search(said):
        return _namespace_refused(said, conditions)
    if _POWERLESS.search(said):
        return _apparmor(conditions) if conditions.apparmor_restricts else _powerless()
    shown = f" ({said.strip()[-200:]})" if said.strip() else ""
    return f"the sandbox ended with an error{shown}", "Run 'codex sandbox -- /bin/true' there and look"


def _proc_refused(system_bwrap: bool) -> tuple[str, str]:
    cause = "bwrap cannot mount /proc in this container"
    unmasked = "an unmasked /proc (podman: --security-opt unmask=ALL, or --privileged)"
    if not system_bwrap:
        return cause, f"Run the container with {unmasked}"
    return (
        f"{cause} (the system's bwrap on PATH wins over the one in codex's package)",
        f"Remove the package bubblewrap so that codex uses the one in its package, or run the container with {unmasked}",
    )


def _namespace_refused(said: str, conditions: Conditions) -> tuple[str, str]:
    limit = conditions.max_user_namespaces
    if conditions.userns_clone == "0":
        return (
            "kernel.unprivileged_userns_clone=0 keeps user namespaces from everybody but root",
            "Set kernel.unprivileged_userns_clone=1 (sysctl, and a file in /etc/sysctl.d)",
        )
    if limit == "0" or _EXHAUSTED.search(said):
        return (
            f"user.max_user_namespaces={limit or '?'} allows no further user namespace",
            "Raise user.max_user_namespaces, to 15000 for instance (sysctl, and a file in /etc/sysctl.d)",
        )
    if conditions.seccomp == "2":
        return (
            "a seccomp filter refuses user namespaces, as those of containers do",
            "Run the container with a seccomp profile that allows clone and unshare with CLONE_NEWUSER (--security-opt seccomp=…; "
            "a service of systemd: RestrictNamespaces=no)",
        )
    if conditions.apparmor_restricts:
        return _apparmor(conditions)
    return (
        "the kernel refuses user namespaces to this user",
        "Look for the refusal in the kernel's log (journalctl -k), and allow user namespaces in the policy that it names",
    )


def _apparmor(conditions: Conditions) -> tuple[str, str]:
    remedy = (
        "Install an AppArmor profile for codex's bwrap (the role codex_worker does, with codex_worker_apparmor_profile=true), "
        "or set kernel.apparmor_restrict_unprivileged_userns=0 for all programs"
    )
    if conditions.system_bwrap:
        remedy = f"Remove the package bubblewrap, whose bwrap wins over codex's and has no profile. {remedy}"
    return "AppArmor restricts unprivileged user namespaces", remedy


def _powerless() -> tuple[str, str]:
    return (
        "a user namespace has no rights here, as in a container or under a security module that takes them",
        "Look for the refusal in the kernel's log (journalctl -k), and allow user namespaces in the policy that it names or in "
        "the container's security options",
    )


@dataclass(frozen=True)
class SandboxVerdict:
    """``ok``, ``failed`` or ``unknown``; a failure with its cause, its remedy and the output of the sandbox."""

    verdict: str
    cause: str | None = None
    remedy: str | None = None
    output: str | None = None

    def as_result(self) -> dict[str, str | None]:
        """Return the four values as modules return them."""
        return {"verdict": self.verdict, "cause": self.cause, "remedy": self.remedy, "output": self.output}


def kept_verdict(lines: list[str], key: str, conditions: Conditions) -> SandboxVerdict:
    """Return the verdict kept on the worker when it holds for ``key``, unknown otherwise."""
    fields = dict(line.partition("=")[::2] for line in lines)
    if not key or fields.get("key") != key or fields.get("verdict") not in (OK, FAILED):
        return SandboxVerdict(UNKNOWN)
    if fields["verdict"] == OK:
        return SandboxVerdict(OK)
    output = fields.get("output", "")
    return SandboxVerdict(FAILED, *explain(output, conditions), output)


def run_preflight(host: Host, codex: str, root: str, key: str, conditions: Conditions) -> SandboxVerdict:
    """Run a command in codex's sandbox, keep the verdict below ``root`` and return it.

    codex gets a temporary home. A time-out is not a verdict and is not kept.
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
        return SandboxVerdict(UNKNOWN, done.message, "Run the task again when the worker is less busy")
    output = " ".join(line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip())[:500]
    verdict = SandboxVerdict(OK) if done.rc == 0 else SandboxVerdict(FAILED, *explain(output, conditions), output)
    text = f"key={key}\nverdict={verdict.verdict}\noutput={output if done.rc else ''}\n"
    files.write_text(os.path.join(root, ".sandbox"), text)
    return verdict
