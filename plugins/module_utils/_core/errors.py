# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one error that reaches the user, and the one that only says "look again from the worker"."""

from __future__ import annotations


class OptioError(Exception):
    """A failure told as its object, its cause and its remedy.

    ``subject`` names the thing (a path, a session, a URL); ``cause`` says what is wrong with it;
    ``remedy`` says what the user can do. None ends with a full stop. ``details`` are JSON-able
    extras returned beside the message (an exit code, the tail of a log).
    """

    def __init__(self, subject: str, cause: str, remedy: str, **details: object) -> None:
        self.subject = subject
        self.cause = cause
        self.remedy = remedy
        self.details = details
        super().__init__(f"{subject}: {cause}. {remedy}.")


class UnknownObservation(Exception):
    """A probe answered with something its parser does not understand; the module itself must look."""
