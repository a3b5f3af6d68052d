# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repository of a workdir: its options, and the git commands that clone it.

A token is read from standard input into the environment of git, where a credential helper on the command line finds it.
So it is on no command line and in no file, and git itself limits it to the host of the URL.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .._core import files
from .._core.addresses import is_loopback
from .._core.batch import SESSIONS
from .._core.errors import OptioError
from .._core.host import Completed, Host
from .._core.resource import MASK, Params

#: seconds, for each command
CLONE_TIMEOUT = 900
#: options of modules that have a token
WITH_TOKEN = ("repository", "webhook")
#: GitHub and GitLab accept any user name with a personal token
TOKEN_USER = "x-access-token"
REPOSITORY_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True},
    "version": {"type": "str"},
    "depth": {"type": "int"},
    "submodules": {"type": "bool", "default": False},
    "token": {"type": "str", "no_log": True},
    "token_user": {"type": "str", "default": TOKEN_USER, "no_log": False},
}
#: lines of git's output that contain a cause
SHOWN_LINES = 3

#: a password in a URL, or a token in a user's place
_PASSWORD = re.compile(r"//[^/@\s]*:[^/@\s]*@|(?:(?<=https:)|(?<=http:))//[^/@\s]+@")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?\Z")
#: a ref specification, a pattern or an option, or nothing that a ref can contain
_NOT_A_REF = re.compile(r"\A[-+]|[:*?\[\\\s\x00-\x1f\x7f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CAUSE = re.compile(r"(?:fatal|error|remote|ERROR): ")
_REFUSED = re.compile(
    r"could not read (?:Username|Password)|unable to get password|Authentication failed|Access denied|Permission denied|not found"
    r"|error: 40[13]\b",
    re.IGNORECASE,
)
#: the token is the one line on standard input
_WITH_TOKEN = 'IFS= read -r OPTIO_GIT_TOKEN; export OPTIO_GIT_TOKEN; exec "$@" </dev/null'
_HELPER = '!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$OPTIO_GIT_USER" "$OPTIO_GIT_TOKEN"; }; f'
#: git must not ask at a terminal; the protocols are git's own defaults
_SETTINGS = {
    "core.askPass": "true",
    "credential.interactive": "false",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "user",
}
#: without git-lfs its files stay pointers, even if the user's configuration requires its filter
_WITHOUT_LFS = {"filter.lfs.smudge": "", "filter.lfs.process": "", "filter.lfs.required": "false"}


@dataclass(frozen=True)
class Repository:
    """A repository to clone, as the option ``repository`` specifies it."""

    url: str
    version: str | None = None
    depth: int | None = None
    submodules: bool = False
    token: str | None = field(default=None, repr=False)
    token_user: str = TOKEN_USER

    @classmethod
    def from_params(cls, params: Params) -> Repository | None:
        """Return the repository that a module's options specify, None without a URL."""
        given = params.get("repository") or {}
        if not given.get("url"):
            return None
        return cls(
            url=given["url"],
            version=given.get("version") or None,
            depth=given.get("depth"),
            submodules=bool(given.get("submodules")),
            token=given.get("token") or None,
            token_user=given.get("token_user") or TOKEN_USER,
        )

    @property
    def shown(self) -> str:
        """The URL without a password."""
        return _PASSWORD.sub("//***@", self.url)

    def describe(self) -> str:
        """Return the text that a diff shows of the clone."""
        words = [f"clone of {self.shown}"]
        words += [f"at {self.version}"] if self.version else []
        words += [f"with a depth of {self.depth}"] if self.depth else []
        words += ["with its submodules"] if self.submodules else []
        return " ".join(words)


def validate_repository(repository: Repository) -> None:
    """Raise OptioError for a repository that git cannot clone on any worker."""
    version, depth = repository.version or "", repository.depth
    if version.startswith("-"):
        cause = f"repository version {version} begins with '-', so git would read it as an option"
        raise OptioError(f"repository version {version}", cause, "Set a branch, tag or commit")
    if _NOT_A_REF.search(version):
        cause = f"repository version {version!r} contains characters that a ref cannot have"
        raise OptioError(f"repository version {version!r}", cause, "Set a branch, tag, commit or ref, such as refs/pull/12/head")
    if depth is not None and depth < 1:
        raise OptioError("repository.depth", f"repository.depth must be 1 or greater, got {depth}", "Omit it for the whole history")
    if repository.token:
        _validate_token(repository, repository.token)


def _validate_token(repository: Repository, token: str) -> None:
    subject = f"repository {repository.shown}"
    for name, value in (("token", token), ("token_user", repository.token_user)):
        if _CONTROL.search(value):
            cause = f"repository.{name} must not contain line breaks or other control characters"
            raise OptioError(f"repository.{name}", cause, f"Remove them from {name}")
    parts = _http_parts(repository.url)
    if parts is None:
        cause = f"{subject} cannot be cloned with a token, because its url is not an https URL"
        raise OptioError(subject, cause, "Set an https URL, or omit repository.token")
    if parts.password is not None:
        cause = f"{subject} has a password in its url and a token"
        raise OptioError(subject, cause, "Remove the password from the url, or omit repository.token")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        cause = f"{subject} would receive the token unencrypted, because its url is not an https URL"
        raise OptioError(subject, cause, "Set an https URL, or omit repository.token")


def _http_parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and _HOST.match(_host(parts)) else None


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def masked_token(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a module as ``invocation`` shows them, without the tokens."""
    masked = dict(shown)
    for option in WITH_TOKEN:
        value = shown.get(option)
        if isinstance(value, Mapping):
            masked[option] = {**value, "token": MASK} if value.get("token") else value
        elif value:
            # before the validation it may be text, which can contain the token too
            masked[option] = MASK
    return masked


def tokens_of(params: Params) -> set[str]:
    """Return the tokens in the options of a module, also those of its ``sessions``."""
    sessions = params.get(SESSIONS)
    entries = [params, *(sessions if isinstance(sessions, list) else [])]
    values = [entry.get(option) for entry in entries if isinstance(entry, Mapping) for option in WITH_TOKEN]
    tokens = [value.get("token") for value in values if isinstance(value, Mapping)]
    return {str(token) for token in tokens if token}


def clone_into(host: Host, repository: Repository, workdir: str, name: str) -> None:
    """Clone a repository for session ``name`` into a directory that is missing or empty, by one rename.

    A clone that is killed leaves nothing in the workdir. If the parent directory cannot be used, it clones to the workdir
    directly.
    """
    existed = os.path.isdir(workdir)
    parent, prefix = os.path.dirname(workdir), f".optio-clone-{name}-"
    made = files.make_directory(parent)
    if not os.access(parent, os.W_OK) or os.path.ismount(workdir):
        try:
            clone_repository(host, repository, workdir)
        except BaseException:
            files.clear(workdir, keep=existed)
            raise
        return
    for left in os.listdir(parent):
        if left.startswith(prefix):
            files.remove(f"{parent}/{left}")
    scratch = f"{parent}/{prefix}{secrets.token_hex(8)}"
    try:
        clone_repository(host, repository, scratch)
        if existed:
            os.chmod(scratch, os.stat(workdir).st_mode & 0o7777)
        os.rename(scratch, workdir)
    except BaseException as error:
        files.remove(scratch)
        files.remove_empty(made)
        if isinstance(error, OSError):
            raise files.failure(workdir, error) from error
        raise


def clone_repository(host: Host, repository: Repository, workdir: str) -> None:
    """Clone a repository into a directory that is missing or empty; never asks for a password."""
    git = _Git(host, repository)
    git.clone(workdir)
    if repository.submodules:
        git.run("-C", workdir, "submodule", "--quiet", "update", "--init", "--recursive", *git.depth)


class _Git:
    """The git commands of one clone."""

    def __init__(self, host: Host, repository: Repository) -> None:
        self._host = host
        self._repository = repository
        self._settings = [*_SETTINGS.items(), *_token_settings(repository)]
        self.depth = [f"--depth={repository.depth}"] if repository.depth else []
        if self._run("lfs", "version").rc != 0:
            self._settings += _WITHOUT_LFS.items()

    def clone(self, workdir: str) -> None:
        """Clone the repository, and check out its version."""
        version = (self._repository.version or "").removeprefix("refs/heads/")
        # git ignores the depth of a local clone
        local = ["--no-local"] if self.depth else []
        command = ["clone", "--quiet", *self.depth, *local]
        place = ["--", self._repository.url, workdir]
        if not version:
            self.run(*command, *place)
        elif self.depth and self._is_advertised(version):
            self.run(*command, f"--branch={version}", *place)
        else:
            self.run(*command, "--no-checkout", *place)
            self._check_out(version, workdir)

    def _check_out(self, version: str, workdir: str) -> None:
        names = (f"refs/remotes/origin/{version}", f"{version}^{{commit}}")
        if any(self._run("-C", workdir, "rev-parse", "--verify", "--quiet", name).rc == 0 for name in names):
            self.run("-C", workdir, "checkout", "--quiet", version, "--")
            return
        self.run("-C", workdir, "fetch", "--quiet", *self.depth, "--", "origin", version)
        self.run("-C", workdir, "checkout", "--quiet", "--detach", "FETCH_HEAD", "--")

    def _is_advertised(self, version: str) -> bool:
        names = (f"refs/heads/{version}", f"refs/tags/{version}")
        found = self.run("ls-remote", "--quiet", "--", self._repository.url, *names)
        return any(line.partition("\t")[2] in names for line in found.splitlines())

    def run(self, *arguments: str) -> str:
        """Run git, and return its output; raise OptioError if it fails."""
        done = self._run(*arguments)
        if done.rc != 0:
            raise self._failure(done)
        return done.stdout

    def _run(self, *arguments: str) -> Completed:
        token = self._repository.token
        settings = [word for name, value in self._settings for word in ("-c", f"{name}={value}")]
        argv = ["env", "GIT_TERMINAL_PROMPT=0", "git", *settings, *arguments]
        if not token:
            return self._host.run(argv, timeout=CLONE_TIMEOUT)
        argv.insert(2, f"OPTIO_GIT_USER={self._repository.token_user}")
        return self._host.run(["/bin/sh", "-c", _WITH_TOKEN, "sh", *argv], stdin=f"{token}\n", timeout=CLONE_TIMEOUT)

    def _failure(self, done: Completed) -> OptioError:
        lines = [line.strip() for line in done.stderr.splitlines()]
        causes = list(dict.fromkeys(line for line in lines if _CAUSE.match(line)))[:SHOWN_LINES]
        text = _PASSWORD.sub("//***@", "; ".join(causes) or done.message)
        if self._repository.token:
            text = text.replace(self._repository.token, "***")
        subject = f"repository {self._repository.shown}"
        return OptioError(subject, f"{subject} cannot be cloned: {text}", self._remedy(text))

    def _remedy(self, cause: str) -> str:
        if "transport '" in cause and "not allowed" in cause:
            return "Use submodules with https or ssh URLs, or omit repository.submodules"
        if _REFUSED.search(cause):
            own = "Set another repository.token" if self._repository.token else "Set repository.token"
            return f"{own}, or set up a key or a credential helper for the session's user. Check its url too"
        commit = ", or, with depth, the full id of a commit" if self.depth else ""
        return f"Check its url and version (a branch, tag, commit or ref{commit}), and that the worker reaches it with its own credentials"


def _token_settings(repository: Repository) -> Sequence[tuple[str, str]]:
    """Return the settings by which the host of the URL gets the token, also if a submodule has an SSH URL of that host."""
    parts = _http_parts(repository.url)
    if not repository.token or parts is None:
        return ()
    place = f"{parts.scheme}://{_host(parts)}"
    helper = f"credential.{place}.helper"
    rewrite = f"url.{place}/.insteadOf"
    # an empty value removes the user's helpers, which could store the token
    return ((helper, ""), (helper, _HELPER), (rewrite, f"git@{parts.hostname}:"), (rewrite, f"ssh://git@{parts.hostname}/"))
