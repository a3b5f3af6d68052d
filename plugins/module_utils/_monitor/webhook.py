# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Posting an event to a webhook: TLS is verified, no redirect is followed, and nothing of the answer is read but its status.

An event is sent again only if the receiver has certainly not taken it.
"""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

#: seconds before each further attempt
BACKOFF = (1.0, 5.0)
#: answers after which another attempt may succeed
BUSY = (408, 425, 429, 500, 502, 503, 504)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other that does not accept the event: the token is for one host."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


def send(config: Mapping[str, Any], event: Mapping[str, Any], deadline: float | None = None) -> str | None:
    """Post an event; return None once it was accepted, else why it was not.

    ``deadline`` is a time of the monotonic clock after which no further attempt is made.
    """
    problem: str | None = None
    for pause in (0.0, *BACKOFF):
        if deadline is not None and time.monotonic() + pause >= deadline:
            return problem or "no time was left"
        time.sleep(pause)
        left = config["timeout"] if deadline is None else min(config["timeout"], deadline - time.monotonic())
        problem, again = attempt(config, event, left)
        if problem is None or not again:
            break
    return problem


def attempt(config: Mapping[str, Any], event: Mapping[str, Any], timeout: float) -> tuple[str | None, bool]:
    """Post an event once; return why it was not accepted, or None, and whether it may be sent again."""
    try:
        opener = _opener(config)
        with _at_most(timeout), opener.open(_request(config, event), timeout=timeout) as answer:
            status = int(answer.status)
        return (None, False) if 200 <= status < 300 else (f"the answer is {status}", False)
    except urllib.error.HTTPError as error:
        error.close()
        return f"the answer is {error.code}", error.code in BUSY
    except urllib.error.URLError as error:
        # nothing, or not all of it, was sent
        return f"it cannot be reached: {error.reason}", not isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, http.client.HTTPException) as error:
        # all of it was sent, so the receiver may have taken it
        return f"it did not answer: {error or type(error).__name__}", False
    except ValueError as error:
        return f"it cannot be sent: {type(error).__name__}", False


def _request(config: Mapping[str, Any], event: Mapping[str, Any]) -> urllib.request.Request:
    headers = {"Content-Type": "application/json", "User-Agent": "optio.codex"}
    if config.get("token"):
        headers["Authorization"] = f"Bearer {config['token']}"
    return urllib.request.Request(config["url"], json.dumps(event).encode(), headers, method="POST")


def _opener(config: Mapping[str, Any]) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=config.get("ca_path"))
    return urllib.request.build_opener(urllib.request.ProxyHandler(), _NoRedirect(), urllib.request.HTTPSHandler(context=context))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, also if the receiver sends a byte from time to time."""

    def expire(*_arguments: Any) -> None:
        raise TimeoutError("no answer in time")

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
