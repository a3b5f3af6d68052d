# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the part of AWX's REST API that the modules of awx.awx use to create objects. It keeps them in memory."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "token-of-the-stand-in"
HIDDEN = "$encrypted$"
ROOT = "/api/v2"
#: names that AWX keeps unique, within these fields
UNIQUE = {
    "organizations": (),
    "credential_types": (),
    "execution_environments": (),
    "inventories": ("organization",),
    "projects": ("organization",),
    "job_templates": ("organization",),
    "credentials": ("organization", "credential_type"),
    "hosts": ("inventory",),
    "groups": ("inventory",),
}
#: what AWX stores for a null
DEFAULTS: dict[str, dict[str, Any]] = {
    "inventories": {"kind": "", "host_filter": None},
    "credentials": {"inputs": {}, "organization": None},
}
QUESTION_KEYS = {
    "question_name",
    "question_description",
    "variable",
    "type",
    "required",
    "choices",
    "default",
    "min",
    "max",
    "new_question",
}
QUESTION_TYPES = {"text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float"}

Item = dict[str, Any]


class Refused(Exception):
    """A request that AWX answers with an error: the status and the text."""


class Store:
    """The objects by endpoint and id, and what was done to them."""

    def __init__(self, playbooks: set[str]) -> None:
        self.playbooks = playbooks
        self.items: dict[str, dict[int, Item]] = {endpoint: {} for endpoint in UNIQUE}
        self.related: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Item] = {}
        self.writes: list[str] = []
        for name in ("Machine", "Source Control", "Ansible Galaxy/Automation Hub API Token"):
            self.create("credential_types", {"name": name, "managed": True})
        self.create("credentials", {"name": "Ansible Galaxy", "credential_type": 3})
        self.create("credentials", {"name": "Workers", "credential_type": 1})
        self.writes.clear()

    def named(self, endpoint: str, name: str) -> Item:
        """Return the one object with a name."""
        (item,) = (item for item in self.items[endpoint].values() if item["name"] == name)
        return item

    def find(self, endpoint: str, query: Mapping[str, str]) -> list[Item]:
        found = self.items[endpoint].values()
        return [self.shown(endpoint, item) for item in found if all(str(item.get(key)) == value for key, value in query.items())]

    def create(self, endpoint: str, fields: Item) -> Item:
        fields = {**DEFAULTS.get(endpoint, {}), **{key: value for key, value in fields.items() if value is not None}}
        same = {key: fields.get(key) for key in ("name", *UNIQUE[endpoint])}
        if any(all(item.get(key) == value for key, value in same.items()) for item in self.items[endpoint].values()):
            raise Refused(400, f"{endpoint} {same} exists already")
        number = len(self.items[endpoint]) + 1
        self.validate(endpoint, fields)
        self.items[endpoint][number] = {"id": number, **fields}
        self.writes.append(f"POST {endpoint} {fields['name']}")
        return self.shown(endpoint, self.items[endpoint][number])

    def update(self, endpoint: str, number: int, fields: Item) -> Item:
        item = self.items[endpoint][number]
        self.validate(endpoint, {**item, **fields})
        item.update({key: value for key, value in fields.items() if value is not None})
        self.writes.append(f"PATCH {endpoint} {item['name']}")
        return self.shown(endpoint, item)

    def validate(self, endpoint: str, fields: Item) -> None:
        if endpoint == "job_templates" and fields["playbook"] not in self.playbooks:
            raise Refused(400, f"Playbook {fields['playbook']} not found for project.")
        if endpoint == "credential_types" and not fields.get("managed") and fields["kind"] not in ("cloud", "net"):
            raise Refused(400, f"{fields['kind']} is not a kind of custom types")
        if endpoint == "credentials":
            declared = self.items["credential_types"][fields["credential_type"]].get("inputs", {}).get("fields", ())
            unknown = set(fields["inputs"]) - {field["id"] for field in declared}
            if unknown:
                raise Refused(400, f"Additional properties are not allowed ({unknown})")

    def shown(self, endpoint: str, item: Item) -> Item:
        """Return an object as the API shows it: with URLs and without secrets."""
        url = f"{ROOT}/{endpoint}/{item['id']}/"
        related = {name: f"{url}{name}/" for name in ("survey_spec", "hosts", "children", "update")}
        summary = {"current_update": {"id": item["id"]}} if endpoint == "projects" else {}
        result = {"type": endpoint, "url": url, "related": related, "summary_fields": summary, "scm_revision": "", **copy.deepcopy(item)}
        if endpoint == "credentials":
            result["inputs"] = dict.fromkeys(item["inputs"], HIDDEN)
        return result

    def set_survey(self, number: int, spec: Item) -> Item:
        if set(spec) != {"name", "description", "spec"} or not spec["spec"]:
            raise Refused(400, "the survey needs name, description and spec")
        variables = [question.get("variable") for question in spec["spec"]]
        if len(set(variables)) != len(variables):
            raise Refused(400, "a variable is not unique")
        for question in spec["spec"]:
            check_question(question)
        self.surveys[number] = copy.deepcopy(spec)
        self.writes.append(f"POST survey {number}")
        return {}

    def associate(self, endpoint: str, number: int, name: str, body: Item) -> None:
        numbers = self.related.setdefault((endpoint, number, name), [])
        if body.get("disassociate"):
            numbers.remove(body["id"])
        else:
            numbers.append(body["id"])
        self.writes.append(f"POST {endpoint} {number} {name}")


def check_question(question: Item) -> None:
    """Refuse a question of a survey that AWX refuses."""
    missing = {"question_name", "variable", "type", "required"} - set(question)
    if missing or set(question) - QUESTION_KEYS or question["type"] not in QUESTION_TYPES or not isinstance(question["required"], bool):
        raise Refused(400, f"the survey question {question} is wrong, {missing} are missing")
    if question["type"] in ("multiplechoice", "multiselect") and not question.get("choices"):
        raise Refused(400, f"the survey question {question} must specify choices")


class Handler(BaseHTTPRequestHandler):
    """One request of a module."""

    store: Store

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def do_PATCH(self) -> None:
        self.answer("PATCH")

    def answer(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        try:
            status, document = self.dispatch(method, body)
        except Refused as error:
            status, document = error.args[0], {"error": error.args[1]}
        data = b"" if status == 204 else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def dispatch(self, method: str, body: Item) -> tuple[int, Item]:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "no token")
        parts = urlsplit(self.path)
        endpoint, *rest = parts.path.removeprefix(f"{ROOT}/").strip("/").split("/")
        if endpoint == "project_updates":
            return 200, {"status": "successful"}
        if endpoint not in self.store.items:
            raise Refused(404, self.path)
        if not rest:
            return self.of_endpoint(method, endpoint, dict(parse_qsl(parts.query)), body)
        if len(rest) > 1:
            return self.of_related(method, endpoint, int(rest[0]), rest[1], body)
        if method == "PATCH":
            return 200, self.store.update(endpoint, int(rest[0]), body)
        return 200, self.store.shown(endpoint, self.store.items[endpoint][int(rest[0])])

    def of_endpoint(self, method: str, endpoint: str, query: Mapping[str, str], body: Item) -> tuple[int, Item]:
        if method == "POST":
            return 201, self.store.create(endpoint, body)
        return 200, listing(self.store.find(endpoint, query))

    def of_related(self, method: str, endpoint: str, number: int, name: str, body: Item) -> tuple[int, Item]:
        if name == "survey_spec":
            return 200, self.store.set_survey(number, body) if method == "POST" else self.store.surveys.get(number, {})
        if method == "POST":
            self.store.associate(endpoint, number, name, body)
            return 204, {}
        return 200, listing([{"id": other} for other in self.store.related.get((endpoint, number, name), ())])

    def log_message(self, format: str, *args: object) -> None:
        """The writes of the store are the only log."""


def listing(items: list[Item]) -> Item:
    return {"count": len(items), "next": None, "previous": None, "results": items}


@contextmanager
def served(store: Store) -> Iterator[str]:
    """Serve the objects on a port of this machine; yield the URL."""
    handler = type("StoreHandler", (Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
