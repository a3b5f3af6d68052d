#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a credential is alive, dead, or neither can be told."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_info
short_description: Tell whether the credential of an OpenAI codex session is alive
version_added: 0.1.0
description:
  - Lets the real codex ask the model one small question, with the credential and the model provider of a session, and tells from
    what comes back whether the credential is alive, dead, or neither can be told.
  - Nothing else can tell. C(codex login status) and C(codex doctor) do not ask the server.
  - It costs one short turn of the account, some ten thousand tokens of input.
options:
  name:
    description:
      - The session whose credential is asked with. It may run or not, and does not notice.
      - codex takes C(auth.json) and C(config.toml) from the session's own C(CODEX_HOME), and its variables from the file that the
        session was launched with.
      - Or O(sessions), for several that are asked with side by side.
    type: str
  codex_home:
    description:
      - A C(CODEX_HOME) outside of sessions to ask with, in place of O(name). C(~) and C(~/x) mean the home of O(user).
      - By default, without O(name), it is C(~/.codex).
    type: str
  codex_dir:
    description:
      - The directory whose executable C(codex) asks. By default the session's own, and without one that of the cache, first of
        O(user)'s and then of the system's.
    type: str
  environment:
    description:
      - More variables for codex, such as the key of a model provider that is to be tried before a session gets it.
      - They are on no command line, and they are masked in Ansible's output.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds after which codex is ended, with everything that it has started.
    type: float
    default: 180.0
notes:
  - Only what a server has refused for good counts as dead. RV(reason) then is V(unauthorized) (401), V(login_expired) (a
    refresh token that is spent, expired or revoked) or V(not_logged_in) (there is no credential at all).
  - A 403 is inconclusive. OpenAI answers so to an unsupported region, proxies and bot checks in front of it do too, and so does a
    key that may not use the model. A 401 for an address that is not on the account's allowlist is inconclusive as well. Neither
    says that the credential is used up.
  - A 429, a 5xx, an unreachable network and a time-out are inconclusive, and so is a wrong answer, which nobody has refused.
  - C(OPENAI_API_KEY), C(CODEX_API_KEY) and C(CODEX_ACCESS_TOKEN) are taken out of codex's variables, because C(codex exec) lets them
    win over the C(auth.json) that a session uses. The one that is the C(env_key) of the model provider in use stays.
  - codex works in the real C(CODEX_HOME). A login with ChatGPT has a refresh token that can be used once, and a copy that renews it
    would make the original worthless. At the time-out codex gets TERM and five seconds to save what it has renewed.
  - The question leaves no conversation (C(--ephemeral)), so the session's latest one stays what it was. It is asked in an empty
    directory, in the read-only sandbox, and without MCP servers, hooks, notifiers, plugins and instructions.
  - When codex has ended, everything that it has started is ended too, whatever session or environment it has.
  - In check mode nothing is asked. RV(verdict) then is V(inconclusive) and RV(reason) V(skipped).
attributes:
  check_mode:
    support: partial
    description: Changes nothing, so there is nothing to predict.
    details:
      - In check mode it does not ask, and says so in RV(reason).
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell, GNU or BusyBox tools, and Python 3.9 or newer.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.places
  - optio.codex.task.workdir
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Ask with the credential of a session
  optio.codex.credential_info:
    name: payments-1412
  register: credential

- name: Ask with those of several sessions, side by side
  optio.codex.credential_info:
    sessions:
      - payments-1412
      - payments-1413
  register: credentials

- name: Stop when it is dead
  ansible.builtin.assert:
    that: credential.verdict != 'dead'
    fail_msg: "{{ credential.message }}"

- name: Try a key before a session gets it
  optio.codex.credential_info:
    codex_home: /srv/codex/template
    environment:
      OPENAI_API_KEY: "{{ new_key }}"
    timeout: 60
"""

RETURN = r"""
sessions:
  description:
    - With O(sessions), for each session its C(name) and what this module returns for one session. One that failed has
      C(failed) and C(msg) instead.
    - No other value is returned then.
  returned: with O(sessions)
  type: list
  elements: dict
  sample:
    - name: payments-1412
      changed: false
      verdict: alive
verdict:
  description: V(alive), V(dead) or V(inconclusive).
  returned: success
  type: str
  sample: dead
reason:
  description:
    - Why, for programs.
    - V(answered) with V(alive).
    - V(unauthorized), V(login_expired) or V(not_logged_in) with V(dead).
    - V(forbidden), V(rate_limited), V(quota), V(server_error), V(unexpected_status), V(network), V(timeout), V(wrong_answer),
      V(codex_failed) or V(skipped) with V(inconclusive). codex 0.142.5 says the same of V(quota) as of V(rate_limited), which is
      returned then.
  returned: success
  type: str
  sample: unauthorized
message:
  description: The same for people, with what to do about it.
  returned: success
  type: str
  sample: >-
    session payments-1412: the server refuses the credential (401). Give it a new key or login, and stop using this one.
detail:
  description:
    - What codex said last of it, in one line of at most 300 characters. Every key and token that is known or looks like one is
      masked. V(null) when it said nothing.
  returned: success
  type: str
  sample: "unexpected status 401 Unauthorized: Incorrect API key provided: ***, url: https://api.openai.com/v1/responses"
name:
  description: The session, V(null) without one.
  returned: success
  type: str
  sample: payments-1412
status:
  description: The status of the session, as M(optio.codex.session_info) tells it. V(null) without one.
  returned: success
  type: str
  sample: running
codex_home:
  description: The directory with the credential.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir/home/.codex
provider:
  description: The model provider that was asked, by its name in codex's settings. V(null) in check mode.
  returned: success
  type: str
  sample: openai
version:
  description: The version of codex. V(null) when its path does not tell.
  returned: success
  type: str
  sample: 0.169.0
elapsed:
  description: How many seconds it took.
  returned: success
  type: float
  sample: 2.41
"""

from ansible_collections.optio.codex.plugins.module_utils._credential.info import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
