# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The models that have a successor, by the catalog of a codex.

codex asks before the first turn with such a model whether to use the successor. It does not ask if ``notice.model_migrations`` maps the
model to the same successor that the catalog names.
"""

from __future__ import annotations

import json
import re
from typing import Any

#: prints the catalog that comes with codex, and needs neither the network nor a login; 0.142.5, 0.169.0 and 0.171.0 take less than 0.1 s
CATALOG_COMMAND = ("debug", "models", "--bundled")
#: the catalog that codex has downloaded, relative to CODEX_HOME
DOWNLOADED_CATALOG = "models_cache.json"
#: bytes; the catalog of 0.171.0 has 920,320
CATALOG_LIMIT = 16 << 20
#: the number of models that are read
MOST = 500
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z")


def successors(catalog: str) -> dict[str, str]:
    """Return the successor of each model of a catalog that has one; raise ValueError if the text is not a catalog."""
    document = json.loads(catalog)
    models = document.get("models") if isinstance(document, dict) else None
    if not isinstance(models, list):
        raise ValueError("has no list of models")
    pairs = [(_text(model, "slug"), _text(_table(model, "upgrade"), "model")) for model in models[:MOST]]
    return {model: successor for model, successor in pairs if model and successor}


def _table(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Any, key: str) -> str:
    text = _table(value, key)
    return text if isinstance(text, str) and _MODEL.match(text) else ""
