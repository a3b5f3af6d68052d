# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The definitions for AWX in examples/awx, as AWX gets them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

AWX = Path(__file__).resolve().parents[2] / "examples" / "awx"


class Loader(yaml.SafeLoader):
    """Reads ``!unsafe`` as text."""


Loader.add_constructor("!unsafe", lambda loader, node: str(node.value))


def load(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), Loader=Loader)


TEMPLATES: list[dict[str, Any]] = load(AWX / "definitions/templates.yml")["setup_templates"]
QUESTIONS: list[dict[str, Any]] = load(AWX / "definitions/questions.yml")["setup_questions"]
CREDENTIAL_TYPE: dict[str, Any] = load(AWX / "definitions/credential_type.yml")["setup_credential_type"]


def asked(template: Mapping[str, Any]) -> list[str]:
    """Return the variables of a template's survey in their order."""
    return [*template.get("required", ()), *template.get("optional", ())]
