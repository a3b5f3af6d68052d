# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that writes the public keys of the npm registry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import npm_keys
import pytest

NEW = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g=="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(npm_keys.FILE, tmp_path / "keys.py"))


def write(file: Path, text: str) -> int:
    given = file.parent / "given"
    given.write_text(text)
    return npm_keys.main(["write", "--file", str(file), "--from", str(given), "--source", "test"])


def row(**values: Any) -> dict[str, Any]:
    return {"keyid": "SHA256:new", "keytype": npm_keys.TYPE, "scheme": npm_keys.TYPE, "key": NEW, "expires": None, **values}


def test_the_file_is_as_it_is_written() -> None:
    assert npm_keys.main(["check"]) == 0


def test_a_key_is_added_and_an_old_one_ends(file: Path) -> None:
    old = dict(npm_keys.read(file)[2])
    (current,) = [name for name, (_key, expires) in old.items() if not expires]
    end = "2027-01-01T00:00:00.000Z"
    answer = {"keys": [row(), row(keyid=current, key=old[current][0], expires=end)]}
    assert write(file, json.dumps(answer)) == 0
    assert npm_keys.read(file)[1:] == ("test", {**old, current: (old[current][0], end), "SHA256:new": (NEW, "")})
    assert npm_keys.main(["check", "--file", str(file)]) == 0


def test_the_keys_of_corepack(file: Path) -> None:
    listed = "\n".join(f'        {name}: "{value}",' for name, value in row(expires="x").items()).rstrip(",")
    assert write(file, f"  keys: {{\n    npm: [\n      {{\n{listed}\n      }}\n    ]\n  }}\n") == 0
    assert npm_keys.read(file)[2]["SHA256:new"] == (NEW, "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        json.dumps([row(key="AAAA")]),
        json.dumps([row(keytype="rsa")]),
        json.dumps([row(keyid="SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA")]),
    ],
)
def test_files_that_are_not_written(file: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_text()
    assert write(file, text) == 1
    assert file.read_text() == before and capsys.readouterr().err.startswith("error: ")


def test_an_edit_by_hand_is_found(file: Path) -> None:
    file.write_text(file.read_text() + "\n")
    assert npm_keys.main(["check", "--file", str(file)]) == 1
