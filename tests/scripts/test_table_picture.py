# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of the table of sessions shows what the filter prints."""

from __future__ import annotations

from xml.etree import ElementTree

import table_picture


def test_the_picture_is_up_to_date() -> None:
    assert table_picture.main(["check"]) == 0


def test_it_is_xml_with_a_line_for_each_of_the_table() -> None:
    lines = table_picture.table_lines()
    root = ElementTree.fromstring(table_picture.picture([{"text": "a < b", "color": ""}, *lines]))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a < b".replace(" ", "\u00a0"), *(line["text"].replace(" ", "\u00a0") for line in lines if line["text"])]
