# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the modules of this collection behave, for their ``attributes``."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.attributes`` for check_mode, diff_mode, idempotent, async and platform.

    ``optio.codex.attributes.info`` takes its place in modules that only look. ``.actiongroup_codex`` and ``.probe``
    (for modules with an action plugin that answers without shipping Python) add to either.
    """

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Predicts what it would change without changing anything. It needs neither the network nor installed
      tools.
  diff_mode:
    support: full
    description: Shows each changed object before and after.
  idempotent:
    support: full
    description: A second run with the same options changes nothing, as long as nothing else changed the worker.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell, GNU or BusyBox tools, and Python 3.9 or newer for what
      changes it.
"""

    ACTIONGROUP_CODEX = r"""
options: {}
attributes:
  action_group:
    support: full
    description: Use C(group/optio.codex.codex) in C(module_defaults) to set defaults for all modules of this
      collection.
    membership:
      - optio.codex.codex
"""

    PROBE = r"""
options: {}
attributes:
  action:
    support: full
    description:
      - Has an action plugin that looks at the worker with one small shell script through the open connection.
        What is already right is answered from that, so no Python is sent or started.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Only looks, so check mode makes no difference.
  diff_mode:
    support: N/A
    description: Changes nothing, so there is no difference to show.
  idempotent:
    support: full
    description: Changes nothing.
  async:
    support: full
    description: Supports being used with the C(async) keyword.
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell and GNU or BusyBox tools.
"""
