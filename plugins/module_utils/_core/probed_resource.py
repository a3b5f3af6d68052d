# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that observes by a shell script, which an action plugin can send without Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .probe import Section, parse
from .resource import Observed, Options, Resource

if TYPE_CHECKING:
    from .host import Host


class ProbedResource(Resource[Observed, Options]):
    """A resource whose state a probe reads."""

    def probe_script(self, options: Options) -> str:
        """Return the probe, a complete POSIX shell script."""
        raise NotImplementedError

    def parse_probe(self, sections: Sequence[Section], options: Options) -> Observed:
        """Return the observation parsed from the probe's answer; raise ProbeError if it is invalid."""
        raise NotImplementedError

    def probe_script_many(self, entries: Sequence[Options]) -> str:
        """Return one probe of many objects; where ``entries`` may return some and an action plugin looks at them."""
        raise NotImplementedError

    def parse_probe_many(self, answer: str, entries: Sequence[Options]) -> list[Observed]:
        """Return each observation parsed from that probe's answer; raise ProbeError if it is invalid."""
        raise NotImplementedError

    def parse_answer(self, answer: str, options: Options) -> Observed:
        """Return the parsed answer of the probe; where it may be several answers, a subclass overrides this."""
        return self.parse_probe(parse(answer), options)

    def observe(self, host: Host, options: Options) -> Observed:
        return self.parse_answer(host.probe(self.probe_script(options)), options)
