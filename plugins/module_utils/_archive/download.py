# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One body from one URL, read once: counted, hashed, bounded, and with an error that a user can act on."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from netrc import NetrcParseError
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit

from .._core.errors import OptioError
from .expected import ExpectedDigests
from .urls import DEFAULT_PORTS, same_party, shown

CHUNK = 1 << 18
#: bytes of a download whose size the table does not know
LARGEST_DOWNLOAD = 2 << 30
MOST_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
#: answers that another try may better
TRANSIENT = (408, 429, 500, 502, 503, 504)
#: seconds of a Retry-After that are worth waiting for
LONGEST_PAUSE = 60.0
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_PROXY_REMEDY = "Set the proxy's user and password in the proxy variables of the task's environment"
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)


class SourceError(OptioError):
    """One source could not serve a release; ``transient`` when the same source may, not before ``pause`` seconds."""

    def __init__(self, source: str, cause: str, remedy: str, transient: bool = False, pause: float = 0) -> None:
        super().__init__(source, cause, remedy)
        self.transient = transient
        self.pause = pause


class Response(Protocol):
    """The response from which a body is read."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class HttpOptions:
    """How to reach the sources; the credentials are for ``origin`` alone. ``timeout`` in seconds, for each read."""

    timeout: float = 30
    validate_certs: bool = True
    ca_path: str | None = None
    use_proxy: bool = True
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    force_basic_auth: bool = False
    origin: str | None = None
    #: whether a redirect to another host is an error, for answers that no digest verifies
    stay: bool = False

    def options(self, url: str) -> dict[str, Any]:
        """Return the keyword arguments of ``open_url``, with the credentials only for the host they were given for."""
        options: dict[str, Any] = {
            "timeout": self.timeout,
            "validate_certs": self.validate_certs,
            "ca_path": self.ca_path,
            "use_proxy": self.use_proxy,
            "http_agent": "optio.codex",
            # redirects are followed here, because a handler would carry headers to a foreign host
            "follow_redirects": "no",
            # the digest is that of the file, also where a server calls a .tgz an encoding
            "decompress": False,
        }
        if self.origin is not None and same_party(self.origin, url):
            options["headers"] = dict(self.headers)
            options["url_username"] = self.username
            options["url_password"] = self.password
            options["force_basic_auth"] = self.force_basic_auth
            # a netrc entry would replace an Authorization header that the user gave
            options["use_netrc"] = not any(name.lower() == "authorization" for name in self.headers)
        return options


class Download:
    """The bytes of one download, hashed as they pass; a source's ``read`` errors become SourceError."""

    def __init__(self, url: str, response: Response, length: int | None, expected: ExpectedDigests) -> None:
        self.name = shown(url)
        self.begin = b""
        #: called with the length of each chunk
        self.on_bytes: Callable[[int], None] = lambda count: None
        self._response = response
        self._length = length
        self._expected = expected
        self._limit = expected.size or LARGEST_DOWNLOAD
        self._digest = hashlib.sha256()
        # the manifest of a release needs SHA-256 in any case
        self._sha512 = hashlib.sha512() if expected.sha512 else None
        self._count = 0

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    @property
    def size(self) -> int | None:
        """The bytes to come, as far as that is known."""
        return self._length if self._length is not None else self._expected.size

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes read so far."""
        return self._digest.hexdigest()

    @property
    def sha512(self) -> str:
        """The SHA-512 of the same bytes, empty unless it is expected."""
        return self._sha512.hexdigest() if self._sha512 else ""

    def read(self, size: int = CHUNK) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        try:
            data = self._response.read(size)
        except (OSError, HTTPException) as error:
            raise _failed(self.name, error) from error
        if not self.begin:
            self.begin = data[:64]
        self._count += len(data)
        self.on_bytes(len(data))
        self._digest.update(data)
        if self._sha512:
            self._sha512.update(data)
        if self._count > self._limit:
            raise SourceError(
                self.name,
                f"{self.name} sends more than the {self._limit} bytes of the release",
                "Check that the URL is that of the release and not of another file",
            )
        return data

    def verify(self) -> None:
        """Raise SourceError unless every byte came and the digest is the expected one; to be called at the end."""
        if self._length is not None and self._count != self._length:
            raise SourceError(
                self.name,
                f"{self.name} ended after {self._count} of {self._length} bytes",
                "Run again. A proxy, or a full disk on the mirror, may have cut off the download",
                transient=True,
            )
        found, is_page = f"sha512:{self.sha512}" if self._sha512 else f"sha256:{self.sha256}", _MARKUP.match(self.begin)
        # without an expected digest, the contents of the archive are compared
        if found == self._expected.archive or (not self._expected.archive and not is_page):
            return
        if is_page:
            raise SourceError(
                self.name,
                f"{self.name} answers with a web page instead of the release",
                "Check that page, which is often a login or a notice of a proxy",
            )
        raise SourceError(
            self.name,
            f"{self.name} has {self._count} bytes with {found}, expected {self._expected.archive}",
            "Replace the file on the mirror, or correct checksum if these bytes are the ones you trust",
        )


def open_body(url: str, access: HttpOptions, expected: ExpectedDigests) -> Download:
    """Open an ``http``, ``https`` or ``file`` URL; raise SourceError when it cannot be had."""
    if urlsplit(url).scheme == "file":
        return _open_file(url, expected)
    response = _follow(url, access)
    length = response.headers.get("Content-Length")
    return Download(url, response, int(length) if length and _NUMBER.match(length) else None, expected)


def _open_file(url: str, expected: ExpectedDigests) -> Download:
    path = unquote(urlsplit(url).path)
    try:
        stream = open(path, "rb")  # noqa: SIM115  # the body closes it
    except OSError as error:
        cause = f"{shown(url)} cannot be read on the worker: {(error.strerror or str(error)).lower()}"
        raise SourceError(shown(url), cause, f"Put the file at {path} on the worker") from error
    return Download(url, stream, os.fstat(stream.fileno()).st_size, expected)


def _follow(url: str, access: HttpOptions) -> Any:
    # 94 ms of import that a controller planning by probe never needs
    from ansible.module_utils.urls import open_url

    if access.ca_path and access.validate_certs:
        _check_ca(shown(url), access.ca_path)
    current = url
    for _hop in range(MOST_REDIRECTS):
        try:
            return open_url(current, **access.options(current))
        except HTTPError as error:
            location = error.headers.get("Location") if error.headers and error.code in REDIRECTS else None
            error.close()
            if not location:
                raise _refused(url, current, error) from error
            current = urljoin(current, location.replace(" ", "%20"))
            if access.stay and not same_party(url, current):
                cause = f"{shown(url)} redirects to another host, {shown(current)}"
                raise SourceError(shown(url), cause, "Specify the URL of the host that answers, without a redirect") from error
            if urlsplit(current).scheme not in DEFAULT_PORTS:
                cause = f"{shown(url)} redirects to {shown(current)}"
                raise SourceError(shown(url), cause, "Specify an http:// or https:// URL without such a redirect") from error
        except NetrcParseError as error:
            # its own text quotes the file, and so perhaps a password
            route = _route(url, current)
            cause = f"{route} was not requested because line {error.lineno} of {error.filename} is not valid"
            raise SourceError(route, cause, "Fix that file on the worker, or set NETRC to another file") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(_route(url, current), error) from error
    raise SourceError(shown(url), f"{shown(url)} redirects more than {MOST_REDIRECTS} times", "Specify the final URL")


def _check_ca(source: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        cause = f"{source} was not requested because ca_path {path} cannot be used: {(error.strerror or str(error)).lower()}"
        raise SourceError(source, cause, "Put the CA's certificates in that file on the worker, in PEM form") from error


def _route(url: str, current: str) -> str:
    return shown(url) if current == url else f"{shown(url)} (redirected to {urlsplit(current).hostname})"


def _refused(url: str, current: str, error: HTTPError) -> SourceError:
    code, cause = error.code, f"{_route(url, current)} answers HTTP {error.code} {error.reason}".rstrip()
    transient, wait = code in TRANSIENT, error.headers.get("Retry-After", "") if error.headers else ""
    pause = float(wait) if transient and _NUMBER.match(wait) else 0
    if pause > LONGEST_PAUSE:
        transient, cause = False, f"{cause} and asks to wait {wait} s"
    if code in (401, 403):
        remedy = "Set url_username and url_password, or headers, for that host"
    elif code == 407:
        remedy = _PROXY_REMEDY
    elif code in (404, 410):
        remedy = "Check that the source holds this version and platform"
    else:
        remedy = "Run again later or add another source"
    return SourceError(_route(url, current), cause, remedy, transient, pause)


def _failed(source: str, error: BaseException) -> SourceError:
    reason = error.reason if isinstance(error, URLError) and isinstance(error.reason, BaseException) else error
    text = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
    if isinstance(reason, (socket.timeout, TimeoutError)):
        return SourceError(source, f"{source} does not answer in time", "Raise timeout, or use a source that is nearer")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return SourceError(
            source,
            f"the certificate of {source} is not trusted: {getattr(reason, 'verify_message', '') or text}",
            "Set ca_path to the CA bundle that signed it",
        )
    if isinstance(reason, socket.gaierror):
        cause = f"the host of {source} was not found: {text}"
        return SourceError(source, cause, "Check the name, the worker's DNS, and the proxy variables")
    if isinstance(reason, (ConnectionResetError, BrokenPipeError, HTTPException)):
        return SourceError(source, f"{source} closed the connection: {text}", "Run again; a proxy may close it", transient=True)
    if text.startswith("Tunnel connection failed: 407"):
        return SourceError(source, f"{source} cannot be reached: {text}", _PROXY_REMEDY)
    return SourceError(
        source,
        f"{source} cannot be reached: {text}",
        "Check the network between the worker and the source, or specify a mirror or a proxy that it can reach",
    )
