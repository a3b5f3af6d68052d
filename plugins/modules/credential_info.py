#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check whether a credential is accepted by the model provider."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_info
short_description: Check whether the credential of an OpenAI codex session is alive
version_added: 1.0.0
description:
  - Runs codex with the credential and the model provider of a session to ask the model one small question. The response determines
    whether the credential is alive or dead, or whether the check is inconclusive.
  - A cheaper check does not exist, because C(codex login status) and C(codex doctor) do not contact the server.
  - Each check costs one short turn of the account, about ten thousand input tokens.
options:
  name:
    description:
      - The session whose credential is checked. The session may be running or not, and is not affected.
      - codex uses C(auth.json) and C(config.toml) in the session's own C(CODEX_HOME), and the environment variables with which the
        session was launched.
      - Use O(sessions) instead to check several sessions in parallel.
    type: str
  codex_home:
    description:
      - A C(CODEX_HOME) that does not belong to a session, to check instead of O(name). C(~) and C(~/x) refer to the home directory
        of O(user).
      - If O(name) is not set, the default is C(~/.codex).
    type: str
  codex_dir:
    description:
      - The directory of the C(codex) executable to run. The default is the session's own codex. Without a session, it is the codex in the
        cache of O(user), then the one in the system's cache.
    type: str
  environment:
    description:
      - Additional environment variables for codex, such as the key of a model provider to check before it is used for a session.
      - They never appear on a command line, and their values are masked in Ansible's output.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds after which codex and all processes that it has started are terminated.
    type: float
    default: 180.0
notes:
  - A credential only counts as dead if the server rejected it permanently. RV(reason) is then V(unauthorized) (401), V(login_expired)
    (the refresh token was already used, has expired or was revoked) or V(not_logged_in) (a credential does not exist).
  - A 403 is inconclusive. OpenAI returns it for unsupported regions, proxies and bot checks in front of it return it too, and it is
    returned for keys without access to the model. A 401 for an address that is not on the account's allowlist is also inconclusive.
    Neither of them means that the credential is invalid.
  - A 429, a 5xx, an unreachable network, a timeout and a wrong answer are inconclusive, because the credential was not rejected.
  - C(OPENAI_API_KEY), C(CODEX_API_KEY) and C(CODEX_ACCESS_TOKEN) are removed from codex's environment, because in C(codex exec) they
    take precedence over the C(auth.json) of the session. The variable that is the C(env_key) of the current model provider is not removed.
  - codex runs in the real C(CODEX_HOME). The refresh token of a ChatGPT login can be used only once, so refreshing a copy would
    invalidate the original. After the timeout, codex receives SIGTERM and has five seconds to save refreshed tokens.
  - The question is not recorded as a conversation (C(--ephemeral)), so the session's latest conversation does not change. It is asked
    in an empty directory, in the read-only sandbox, and without MCP servers, hooks, notifiers, plugins and instructions.
  - After codex has ended, all processes that it has started are terminated too, regardless of their process session and environment.
  - In check mode, the question is not asked. RV(verdict) is V(inconclusive) and RV(reason) is V(skipped).
attributes:
  check_mode:
    support: partial
    description: Changes nothing, so there is nothing to predict.
    details:
      - In check mode, the question is not asked, and RV(reason) is V(skipped).
  platform:
    support: full
    platforms: posix
    description: The worker runs Linux with a POSIX shell, GNU or BusyBox tools, and Python 3.9 or newer.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Check the credential of a session
  optio.codex.credential_info:
    name: payments-1412
  register: credential

- name: Check the credentials of several sessions in parallel
  optio.codex.credential_info:
    sessions:
      - payments-1412
      - payments-1413
  register: credentials

- name: Fail if the credential is dead
  ansible.builtin.assert:
    that: credential.verdict != 'dead'
    fail_msg: "{{ credential.message }}"

- name: Check a key before it is used for a session
  optio.codex.credential_info:
    codex_home: /srv/codex/template
    environment:
      OPENAI_API_KEY: "{{ new_key }}"
    timeout: 60
"""

RETURN = r"""
sessions:
  description:
    - The result for each of O(sessions), with its C(name) and the values below. For a failed session, it contains
      C(failed) and C(msg) instead.
    - Other values are not returned with O(sessions).
  returned: when O(sessions) is set
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
    - Machine-readable reason for RV(verdict).
    - V(answered) if RV(verdict=alive).
    - V(unauthorized), V(login_expired) or V(not_logged_in) if RV(verdict=dead).
    - V(forbidden), V(rate_limited), V(quota), V(server_error), V(unexpected_status), V(network), V(timeout), V(wrong_answer),
      V(codex_failed) or V(skipped) if RV(verdict=inconclusive). codex 0.142.5 does not distinguish V(quota) from V(rate_limited), so
      V(rate_limited) is returned for both.
  returned: success
  type: str
  sample: unauthorized
message:
  description: Human-readable reason, with the remedy.
  returned: success
  type: str
  sample: >-
    session payments-1412: the server refuses the credential (401). Set a new key or login, and stop using this one.
detail:
  description:
    - The last message that codex printed about it, in one line of at most 300 characters. All known keys and tokens, and strings that
      look like keys or tokens, are masked. V(null) if codex printed nothing.
  returned: success
  type: str
  sample: "unexpected status 401 Unauthorized: Incorrect API key provided: ***, url: https://api.openai.com/v1/responses"
name:
  description: The name of the session. V(null) without a session.
  returned: success
  type: str
  sample: payments-1412
status:
  description: The status of the session, as returned by M(optio.codex.session_info). V(null) without a session.
  returned: success
  type: str
  sample: running
codex_home:
  description: The directory that contains the credential.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/home/.codex
provider:
  description: Name of the model provider in codex's settings. V(null) in check mode.
  returned: success
  type: str
  sample: openai
version:
  description: The version of codex. V(null) if its path does not contain the version.
  returned: success
  type: str
  sample: 0.169.0
elapsed:
  description: Duration of the check in seconds.
  returned: success
  type: float
  sample: 2.41
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._credential.info import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(resource=RESOURCE, supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
