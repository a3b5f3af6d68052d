# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small stand-ins for releases, and a server that serves them well and badly."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import socket
import ssl
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._archive.download import Download
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, TTYD, Release, Target
from ansible_collections.optio.codex.plugins.module_utils._release.digests import Known
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import tree_digest

PLATFORM = f"{platform.system()} {platform.machine()}"
TARGET = CODEX.platforms[PLATFORM]
TTYD_TARGET = TTYD.platforms[PLATFORM]
#: no released version, so that no known digest stands in the way
VERSION = "0.1.2"
CODEX_RELEASE = Release(CODEX, VERSION, TARGET)

PARAMS: dict[str, Any] = {
    "state": "present",
    "version": None,
    "scope": "user",
    "cache_dir": None,
    **{"codex_dir": None, "ttyd_dir": None},
    "install": True,
    "sources": ["host", "upstream"],
    "npm_registry": None,
    "checksum": None,
    "validate_certs": True,
    "ca_path": None,
    "timeout": 5,
    "url_username": None,
    "url_password": None,
    "force_basic_auth": False,
    "headers": None,
    "use_proxy": False,
    "offline": False,
    "verify": False,
    "keep_releases": None,
    "archive": None,
    "allow_bare": False,
}

Member = tuple[bytes, int]


class QuickHost(LocalHost):
    """The machine the test runs on, without the pauses between two tries of a source."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        if seconds < 1:
            super().sleep(seconds)
        else:
            self.pauses.append(seconds)


#: by e_machine, the instructions of ``exit``, of which the first is given the status
_EXIT: dict[int, Callable[[int], bytes]] = {
    62: lambda status: b"\xbf" + struct.pack("<I", status) + bytes.fromhex("b83c0000000f05"),
    183: lambda status: struct.pack("<III", 0xD2800000 | status << 5, 0xD2800BA8, 0xD4000001),
}
_ADDRESS = 0x400000


def elf(target: Target = TARGET, text: bytes = b"", status: int = 0) -> bytes:
    """Return a program for the target that prints nothing; on 64-bit machines it runs, and ends with ``status``."""
    elf_class, machine = target.elf
    code = _EXIT[machine](status) if machine in _EXIT else b""
    size = 64 + 56 + len(code) + len(text)
    head = b"\x7fELF" + bytes([elf_class, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, machine, 1)
    places = struct.pack("<QQQIHHHHHH", _ADDRESS + 64 + 56, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000)
    return head + places + segment + code + text


def package(version: str = VERSION, target: Target = TARGET) -> dict[str, Member]:
    """Return the files of a codex package: path to content and mode."""
    described = {
        "layoutVersion": 1,
        "version": version,
        "target": target.name,
        "variant": "codex",
        "entrypoint": "bin/codex",
        "resourcesDir": "codex-resources",
        "pathDir": "codex-path",
    }
    return {
        "codex-package.json": (json.dumps(described, indent=2).encode(), 0o644),
        "bin/codex": (elf(target, version.encode() * 5000), 0o755),
        "bin/codex-code-mode-host": (elf(target), 0o755),
        "codex-resources/bwrap": (elf(target, b"bwrap"), 0o755),
        "codex-path/rg": (elf(target, b"rg"), 0o755),
    }


def member(name: str, content: bytes = b"", mode: int = 0o644, **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return one member of an archive; ``attributes`` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a gzip tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return stream.getvalue()


def npm_archive(files: Mapping[str, Member] | None = None, target: Target = TARGET) -> bytes:
    """Return a platform package as npm has it, with the two files that are no part of the release."""
    listed = package() if files is None else files
    prefix = f"package/vendor/{target.name}"
    return pack(
        member("package/package.json", b"{}"),
        *(member(f"{prefix}/{path}", content, mode) for path, (content, mode) in listed.items()),
        member("package/README.md", b"text"),
    )


def checksum(data: bytes) -> str:
    """Return ``sha256:`` and the digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def known_of(archive: bytes, files: Mapping[str, Member]) -> Known:
    """Return what a table that knows a package would say of it."""
    digests = {path: checksum(content)[7:] for path, (content, _mode) in files.items()}
    programs = {path: digests[path] for path in ("bin/codex", "bin/codex-code-mode-host", "codex-resources/bwrap")}
    size = sum(len(content) for content, _mode in files.values())
    return Known({"npm": (checksum(archive)[7:], len(archive))}, programs, tree_digest(digests), size)


def read_whole(body: Download) -> None:
    """Read a body to its end, and insist on its bytes."""
    with closing(body):
        while body.read():
            pass
        body.verify()


def write_tree(root: Path, files: Mapping[str, Member]) -> None:
    """Write files with their modes."""
    for path, (content, mode) in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(mode)


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, inode and link or digest of everything below a directory, the lock file left out."""
    found = {}
    for directory, directories, names in os.walk(root):
        for name in directories + names:
            path = Path(directory, name)
            if name == ".lock":
                continue
            what = os.readlink(path) if path.is_symlink() else "" if path.is_dir() else checksum(path.read_bytes())
            seen = path.lstat()
            found[str(path.relative_to(root))] = (seen.st_mode, seen.st_ino, what)
    return found


@dataclass
class Answer:
    """What the server says to one path. ``cut`` ends the body early, ``stall`` stops in it, ``hang`` never begins it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: int | None = None
    hang: bool = False
    #: without a length, in pieces
    chunked: bool = False
    #: the server's answer to the first request, before this one; its own ``first`` is the answer to the second
    first: Answer | None = None


@dataclass
class Server:
    """A server on the loopback address; ``seen`` lists path and headers of each request."""

    url: str
    answers: dict[str, Answer]
    seen: list[tuple[str, dict[str, str]]]
    #: set at the end, for answers that hang
    released: threading.Event = field(default_factory=threading.Event)

    def authorizations(self) -> list[str | None]:
        """Return the Authorization header of each request."""
        return [headers.get("authorization") for _path, headers in self.seen]


def in_pieces(body: bytes, size: int = 1000) -> bytes:
    """Return a body in the chunked coding."""
    pieces = [body[begin : begin + size] for begin in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Server

    def do_GET(self) -> None:
        self.server_state.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answer = self.server_state.answers.get(self.path, Answer(b"no such file", 404))
        if answer.first is not None:
            first, answer.first = answer.first, answer.first.first
            answer = first
        if answer.hang:
            self.server_state.released.wait(30)
            return
        self.send_response(answer.status)
        length = {"Transfer-Encoding": "chunked"} if answer.chunked else {"Content-Length": str(len(answer.body))}
        for name, value in {**length, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write((in_pieces(answer.body) if answer.chunked else answer.body)[: answer.cut or answer.stall])
        if answer.stall is not None:
            self.server_state.released.wait(30)
        if answer.cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    # as a proxy, for a server behind TLS
    do_CONNECT = do_GET

    def log_message(self, *_arguments: object) -> None:
        return


@contextmanager
def serving(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server in a thread; ``host`` is how its URL names it."""

    class Handler(_Handler):
        """One for each server, whose state it has."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    if tls is not None:
        listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    state = Server(f"{'https' if tls else 'http'}://{host}:{listener.server_address[1]}", {}, [])
    Handler.server_state = state
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        listener.shutdown()
        thread.join()
        listener.server_close()
