#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print a report to the screen of Ansible; its action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Print lines of text to the screen of Ansible
version_added: 1.0.0
description:
  - Prints lines as they are, while M(ansible.builtin.debug) prints them as JSON or YAML. The roles of this collection print their
    tables with it.
  - The lines are printed by the task, before the callback plugin prints its result. They are printed with every callback plugin
    for standard output except V(json), V(jsonl) and V(null), whose output is a document or empty, and P(optio.codex.fleet#callback),
    which prints them itself. All callback plugins get them in RV(lines).
  - Characters that a terminal would act on, such as escape sequences, are replaced with spaces. Nothing is printed if the task
    has C(no_log).
  - It can also write the data of the report to a JSON file for scripts.
options:
  lines:
    description:
      - The text to print, or a list of lines. A line can be a dictionary with C(text) and C(color), which is the name of a color of
        Ansible, V(changed), V(error), V(highlight), V(ok), V(skip), V(unreachable), V(verbose) or V(warn).
      - Colors are omitted without a terminal, and if C(ANSIBLE_NOCOLOR) is set.
    type: raw
    required: true
  data:
    description:
      - The data to write to O(dest).
    type: raw
  dest:
    description:
      - Path of the JSON file on the controller. It is replaced at each run, which does not count as a change, and is not written in check
        mode. Its directory must exist.
      - A new file is readable only by its owner. An existing file keeps its mode.
      - Relative paths are relative to the directory in which Ansible was started. Requires O(data).
    type: path
  stats:
    description:
      - Statistics of the run, which are published as by M(ansible.builtin.set_stats) with C(aggregate=true). AWX stores them in the
        artifacts of the job, and passes them to the next jobs of a workflow.
    type: dict
  written_path:
    description:
      - A path on the controller that the report is about. If it goes away with the job of ansible-runner or AWX, the module
        warns, as it does for O(dest).
    type: path
extends_documentation_fragment:
  - optio.codex.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing changes.
  platform:
    platforms: all
    details: It runs on the controller only, and does not connect to the host.
seealso:
  - plugin: optio.codex.session_table
    plugin_type: filter
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Get the sessions of the worker
  optio.codex.session_info:
  register: here

- name: Show the sessions of the worker, and write them to a file
  optio.codex.report:
    lines: "{{ {inventory_hostname: here.sessions} | optio.codex.session_table }}"
    data: "{{ here.sessions }}"
    dest: sessions.json
"""

RETURN = r"""
lines:
  description: The printed lines.
  returned: success
  type: list
  elements: dict
  contains:
    text:
      description: The text.
      type: str
    color:
      description: The name of the color, empty for none.
      type: str
  sample:
    - {text: 1 session on 1 worker., color: ""}
path:
  description: The absolute path of O(dest). V(null) if it was omitted.
  returned: success
  type: str
  sample: /home/alice/sessions.json
"""
