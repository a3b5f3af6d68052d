# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's configuration of the documentation site; site.sh copies it next to the pages."""

from typing import Any

project = "optio.codex"
author = "The optio.codex contributors"
copyright = f"2026, {author}"
title = "optio.codex documentation"
html_short_title = "optio.codex"

extensions = ["sphinx_antsibull_ext"]
highlight_language = "YAML+Jinja"
pygments_style = "ansible"

html_theme = "sphinx_ansible_theme"
html_title = title
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "display_version": False,
    "topbar_links": {},
}

# the site is built without a network, so the pages of ansible-core are not linked
nitpick_ignore_regex = [
    ("std:ref", "(action|become|callback|connection|filter|lookup)_plugins|common_return_values|ansible_configuration_settings"),
    ("std:ref", r"ansible_collections\.ansible\.builtin\..*"),
    ("std:envvar", "ANSIBLE_.*"),
]
default_role = "any"
