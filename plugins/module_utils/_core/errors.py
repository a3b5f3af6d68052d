# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The error that is reported to the user, and the error of a probe whose answer was not understood."""

from __future__ import annotations

from typing import Any


class OptioError(Exception):
    """A failure that the user can act on; its message is ``"{cause}. {remedy}."``.

    ``cause`` is a full clause that names its object ("history must be 0 or greater, got -3") and ``remedy`` is the
    action to take; neither ends with a full stop. ``subject`` is the object alone (a path, a session, an option), returned
    as ``object``. ``details`` are JSON-able values returned with the message (an exit code, the tail of a log).
    """

    def __init__(self, subject: str, cause: str, remedy: str, **details: object) -> None:
        self.subject = subject
        self.cause = cause
        self.remedy = remedy
        self.details = details
        super().__init__(f"{cause}. {remedy}.")


class ProbeError(Exception):
    """A probe's answer was not understood; the module itself must observe the worker."""


def error_result(error: OptioError | ProbeError, module: str) -> dict[str, Any]:
    """Return the keys of a failed result of ``module`` for an error."""
    if isinstance(error, OptioError):
        return {"msg": str(error), "object": error.subject, **error.details}
    remedy = "Run the task with -vvv and report the probe's output"
    return {"msg": f"{module}: the worker's answer was not understood: {error}. {remedy}."}
