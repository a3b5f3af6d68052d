# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reader of TOML of Python 3.11, and its backport before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

loads: Callable[[str], dict[str, Any]] = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads
