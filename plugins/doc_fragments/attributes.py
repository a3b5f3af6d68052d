# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ``attributes`` of the modules of this collection."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.attributes`` for check_mode, diff_mode, idempotent, async and platform.

    Use ``optio.codex.attributes.info`` instead for modules that only read. ``.actiongroup_session`` or
    ``.actiongroup_release`` and ``.probe`` (for modules with an action plugin that answers without sending Python) can be added to either.
    """

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Predicts the changes without making them. Requires neither the network nor installed
      tools.
  diff_mode:
    support: full
    description: Shows each changed object before and after.
  idempotent:
    support: full
    description: A second run with the same options changes nothing, unless the worker was changed in between.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell, GNU or BusyBox tools, and Python 3.9 or newer for
      changes.
"""

    ACTIONGROUP_SESSION = r"""
options: {}
attributes:
  action_group:
    support: full
    description: Use C(group/optio.codex.session) in C(module_defaults) to set C(user) and C(sessions_dir) for all modules that have them.
    membership:
      - optio.codex.session
"""

    ACTIONGROUP_RELEASE = r"""
options: {}
attributes:
  action_group:
    support: full
    description: Use C(group/optio.codex.release) in C(module_defaults) to set the cache and the sources of codex and ttyd together.
    membership:
      - optio.codex.release
"""

    PROBE = r"""
options: {}
attributes:
  action:
    support: full
    description:
      - Uses an action plugin that checks the worker with one small shell script through the open connection.
        If the worker is already in the requested state, Python is neither sent nor started.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: This module only reads, so check mode makes no difference.
  diff_mode:
    support: N/A
    description: This module does not change anything, so it does not return a diff.
  idempotent:
    support: full
    description: This module does not change anything.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell and GNU or BusyBox tools.
"""
