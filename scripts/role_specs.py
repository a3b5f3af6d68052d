#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the argument specs of the roles from the documentation of the modules.

scripts/role_specs/<role>.yml has the options of a role alone, and names the options of modules that become variables of the role.
``write`` writes roles/*/meta/argument_specs.yml. ``check`` fails when one is not up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from public_names import module_options

ROOT = Path(__file__).resolve().parents[1]
SOURCES = "scripts/role_specs"
AUTHOR = "The optio.codex contributors (@optio-codex)"
# REUSE-IgnoreStart
HEADER = "# SPDX-License-Identifier: GPL-3.0-or-later\n# Written by scripts/role_specs.py from the documentation of the modules\n---\n"
# REUSE-IgnoreEnd

#: what a role's spec takes from a module's option
_KEYS = ("type", "elements", "description", "choices", "default", "no_log")
_OPTION = re.compile(r"\bO\(([a-z_.]+)(=[^)]*)?\)")
_RETURN = re.compile(r"\bRV\(([a-z_.]+)(=[^)]*)?\)")
#: options of modules whose values are secret; the documentation of a module does not have ``no_log``
_SECRET = re.compile(r"(^|_)(token|password)\Z")

Option = dict[str, Any]


class Dumper(yaml.SafeDumper):
    """Writes lists indented, and no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Repeat what occurs twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of lists too."""
        super().increase_indent(flow, False)


def chosen_options(given: Mapping[str, Any], options: Mapping[str, Option]) -> Iterator[tuple[str, str, Option]]:
    """Yield what becomes a variable: the path of the module's option, the name without the role's prefix, the option."""
    if "options" in given:
        for path, name in given["options"].items():
            yield path, name, options[path]
        return
    for path, option in options.items():
        if path in given["omit"]:
            continue
        if path in given["flat"]:
            for inner, suboption in option["suboptions"].items():
                yield f"{path}.{inner}", f"{path}_{inner}", suboption
        else:
            yield path, path, option


def rewritten(text: str, module: str, names: Mapping[str, str]) -> str:
    """Return a description with references to the variables of the role, and to the module for everything else."""

    def option(match: re.Match[str]) -> str:
        path, value = match[1], match[2] or ""
        return f"O({names[path]}{value})" if path in names else f"O(optio.codex.{module}#module:{path}{value})"

    def returned(match: re.Match[str]) -> str:
        return f"RV(optio.codex.{module}#module:{match[1]}{match[2] or ''})"

    return _RETURN.sub(returned, _OPTION.sub(option, text))


def module_variables(role: str, given: Mapping[str, Any], own: Mapping[str, Option], options: Mapping[str, Option]) -> dict[str, Option]:
    """Return the variables of a role that are options of a module, by their whole names."""
    chosen = list(chosen_options(given, options))
    names = {path: f"{role}_{name}" for path, name, _option in chosen}
    names.update({name: f"{role}_{name}" for name in own if name in options and name not in names})
    defaults = given.get("defaults") or {}
    variables = {}
    for path, name, option in chosen:
        kept = {key: option[key] for key in _KEYS if key in option}
        kept["description"] = [rewritten(line, given["module"], names) for line in kept["description"]]
        if name in defaults:
            kept["default"] = defaults[name]
        if _SECRET.search(path):
            kept["no_log"] = True
        variables[f"{role}_{name}"] = kept
    return variables


def role_spec(role: str, source: Mapping[str, Any], root: Path = ROOT) -> dict[str, Any]:
    """Return the argument specs of a role."""
    entries = {}
    for entry, given in source["entries"].items():
        own: dict[str, Option] = {}
        for group in given.get("shared") or ():
            own.update(source["shared"][group])
        own.update(given["options"])
        options = {f"{role}_{name}": option for name, option in own.items()}
        for module in given.get("modules") or ():
            options.update(module_variables(role, module, own, module_options(root, module["module"])))
        texts = {key: given[key] for key in ("short_description", "description")}
        entries[entry] = {**texts, "author": [AUTHOR], "options": options}
    return {"argument_specs": entries}


def written_specs(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each argument spec by its path."""
    texts = {}
    for path in sorted((root / SOURCES).glob("*.yml")):
        spec = role_spec(path.stem, yaml.safe_load(path.read_text("utf-8")), root)
        text = yaml.dump(spec, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)
        texts[root / "roles" / path.stem / "meta" / "argument_specs.yml"] = HEADER + text
    return texts


def main(argv: list[str] | None = None) -> int:
    """Write or check the specs; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["write", "check"])
    action = parser.parse_args(argv).action
    outdated = {path: text for path, text in written_specs().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in outdated.items():
        if action == "write":
            path.write_text(text, encoding="utf-8")
        else:
            print(f"{path.relative_to(ROOT)} is not up to date. Run scripts/role_specs.py write.", file=sys.stderr)
    return 1 if outdated and action == "check" else 0


if __name__ == "__main__":
    sys.exit(main())
