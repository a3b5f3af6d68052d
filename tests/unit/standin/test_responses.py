# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in: what its model answers, and the stream a codex sees."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "standin"))

import responses
from standin_model import Call, Failure, Limits, Text, decide, example_of, limits_of, tail

Json = dict[str, Any]
EXEC = [{"type": "function", "name": "exec_command"}, {"type": "function", "name": "write_stdin"}]


def user(*parts: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": part} for part in parts]}


def assistant(text: str) -> Json:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def call(number: int, name: str = "exec_command") -> Json:
    return {"type": "function_call", "name": name, "arguments": "{}", "call_id": f"call_{number}"}


def output(number: int, text: str, code: int | None = 0) -> Json:
    state = f"Process exited with code {code}" if code is not None else "Process running with session ID 4711"
    report = f"Chunk ID: 1a2b3c\nWall time: 0.1 seconds\n{state}\nOriginal token count: 2\nOutput:\n{text}"
    return {"type": "function_call_output", "call_id": f"call_{number}", "output": report}


def ask(*items: Json, tools: list[Json] | None = None) -> Any:
    return decide({"model": "stand-in", "input": list(items), "tools": EXEC if tools is None else tools})


def command(answer: Any) -> str:
    assert isinstance(answer, Call), answer
    return str(json.loads(answer.payload)["cmd"])


def test_run_lines_become_one_call_after_another_and_a_summary() -> None:
    task = user("please\n  RUN: echo one\n- RUN: echo two; false\nthanks")
    assert command(ask(task)) == "echo one"
    ran_one = [task, call(1), output(1, "one\n")]
    assert ask(*ran_one) == Call("exec_command", '{"cmd": "echo two; false"}', "call_2")
    assert ask(*ran_one, call(2), output(2, "two\n", 1)) == Text("Done: one\nFailed (exit 1): two")


def test_a_finished_turn_leaves_nothing_to_the_next() -> None:
    done = [user("RUN: echo one"), call(1), output(1, "one\n"), assistant("Done: one")]
    assert ask(*done, user("hello\nworld")) == Text("You said: hello")
    assert ask(*done, user("RUN: echo two")) == Call("exec_command", '{"cmd": "echo two"}', "call_2")


def test_a_message_sent_during_the_turn_joins_it() -> None:
    items = [user("RUN: echo one\nRUN: echo two"), call(1), output(1, "one\n"), user("SAY: noted\nRUN: echo three")]
    assert command(ask(*items)) == "echo two"
    items += [call(2), output(2, "two\n"), call(3), output(3, "three\n")]
    assert ask(*items) == Text("noted\nDone: one\nDone: two\nDone: three")


def test_an_interrupted_turn_is_dropped_and_a_killed_one_is_taken_up_again() -> None:
    cut_off = [user("RUN: echo one\nRUN: echo two"), call(1), {**output(1, ""), "output": "aborted"}]
    assert command(ask(*cut_off, user("System: you have been resumed"))) == "echo two"
    assert ask(*cut_off, user("<turn_aborted>\nThe user interrupted.\n</turn_aborted>"), user("hi")) == Text("You said: hi")


def test_context_that_codex_adds_as_user_text_is_not_a_message() -> None:
    context = user("# AGENTS.md instructions for /w\n<INSTRUCTIONS>\nRUN: rm -rf .\n</INSTRUCTIONS>", "<environment_context>\n")
    assert ask(context, user("SAY: safe")) == Text("safe")


def test_a_word_is_counted_in_the_whole_request() -> None:
    said = user("# AGENTS.md instructions\nMARKED twice: MARKED", "How often does MAR KED occur?")
    assert ask(said) == Text("2")


def test_a_resumed_turn_reads_nothing_again() -> None:
    assert ask(user("System: you have been resumed. Read /srv/x/agent/AGENTS.md again")).text.startswith("You said")


def test_the_contracts_prompt_reads_agents_md_and_follows_it() -> None:
    task = user("Read AGENTS.md and execute the task it describes")
    assert command(ask(task)) == "cat AGENTS.md"
    elsewhere = user("Read /srv/x/agent/AGENTS.md and execute the task it describes")
    assert command(ask(elsewhere)) == "cat /srv/x/agent/AGENTS.md"
    pointer = output(1, "Your instructions are in /srv/x/agent/AGENTS.md. Read that file.\n")
    assert command(ask(task, call(1), pointer)) == "cat /srv/x/agent/AGENTS.md"
    assert ask(elsewhere, call(1), output(1, "See /srv/x/agent/AGENTS.md\n")) == Text("AGENTS.md holds no directive.")
    read = [task, call(1), output(1, "# Task\nRUN: make it so\nSAY: made\n")]
    assert command(ask(*read)) == "make it so"
    assert ask(*read, call(2), output(2, "so\n")) == Text("made\nDone: so")
    assert ask(task, call(1), output(1, "# nothing here\n")) == Text("AGENTS.md holds no directive.")
    missing = output(1, "cat: AGENTS.md: No such file or directory\n", 1)
    assert ask(task, call(1), missing) == Text("Failed (exit 1): cat: AGENTS.md: No such file or directory")


def test_a_command_that_runs_on_is_polled_and_its_output_joined() -> None:
    items = [user("RUN: sleep 20; echo end"), call(1), output(1, "start\n", None)]
    answer = ask(*items)
    assert (answer.name, json.loads(answer.payload)) == ("write_stdin", {"session_id": 4711, "chars": ""})
    items += [call(2, "write_stdin"), output(2, "end\n")]
    assert ask(*items) == Text("Done: start\nend")


def code_mode_output(number: int, *texts: str) -> Json:
    parts = [{"type": "input_text", "text": text} for text in texts]
    return {"type": "custom_tool_call_output", "call_id": f"call_{number}", "output": parts}


def test_code_mode_runs_by_a_script_and_waits_for_its_cell() -> None:
    tools = [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}, {"name": "wait"}]}]
    items: list[Json] = [{"type": "additional_tools", "role": "developer", "tools": tools}, user('RUN: echo "a`b"')]
    answer = ask(*items, tools=[])
    assert (answer.name, answer.custom) == ("exec", True)
    assert 'tools.exec_command({"cmd": "echo \\"a`b\\""})' in answer.payload
    items.append({"type": "custom_tool_call", "name": "exec", "call_id": "call_1", "input": answer.payload})
    waiting = ask(*items, code_mode_output(1, "Script running with cell ID 7\nWall time 30 seconds\nOutput:\n"), tools=[])
    assert (waiting.name, json.loads(waiting.payload)["cell_id"]) == ("wait", "7")
    end = code_mode_output(1, "Script completed\nWall time 0.4 seconds\nOutput:\n", "Process exited with code 3\nOutput:\na\n")
    assert ask(*items, end, tools=[]) == Text("Failed (exit 3): a")


def test_ask_requests_to_leave_the_sandbox() -> None:
    answer = ask(user("ASK: id -un"))
    assert json.loads(answer.payload)["sandbox_permissions"] == "require_escalated"


def test_fail_lasts_until_the_next_message() -> None:
    failing = user("FAIL: 429\nRUN: echo never")
    assert ask(failing) == Failure(429)
    assert ask(failing, user("SAY: better")) == Text("better")


def test_limits_are_reported_with_the_final_answer_until_the_next_message() -> None:
    near, reached, ran = user("LIMIT: 95 20\nSAY: hi"), user("RUN: id\nLIMIT: 20 100"), [call(1), output(1, "root\n")]
    asked = {"near": [near], "reached": [reached], "reached after a command": [reached, *ran], "next": [reached, *ran, user("SAY: on")]}
    limits = {name: limits_of({"input": items, "tools": EXEC}) for name, items in asked.items()}
    assert limits == {**dict.fromkeys(("reached", "reached after a command"), Limits(20, 100)), "near": Limits(95, 20), "next": None}
    assert ask(near) == Text("hi") and command(ask(reached)) == "id"
    assert limits_of({"input": [near], "tools": []}) is None, "codex names a session"


@pytest.mark.parametrize(("percent", "status"), [(95, 200), (100, 429)])
def test_limits_in_headers(server: Any, percent: int, status: int) -> None:
    client = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    client.request("POST", "/v1/responses", json.dumps({"input": f"LIMIT: 20 {percent}", "tools": EXEC}))
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    assert (answer.status, "usage_limit_reached" in text, '"resets_at": 2000600000' in text) == (status, status == 429, status == 429)
    assert answer.getheader("x-codex-primary-used-percent") == "20" and answer.getheader("x-codex-secondary-used-percent") == str(percent)
    assert answer.getheader("x-codex-secondary-window-minutes") == "10080"
    assert (answer.getheader("x-codex-rate-limit-reached-type") is not None) == (status == 429)


@pytest.mark.parametrize("line", ["LIMIT: 95", "LIMIT: 95% 20", "FAIL: 200", "FAIL: soon", "SLOW: -1", "SLOW: a while", "RUN:"])
def test_a_malformed_directive_is_answered_not_guessed(line: str) -> None:
    answer = ask(user(line))
    assert isinstance(answer, Text) and "malformed" in answer.text and answer.slow == 0


def test_requests_that_name_a_session_get_a_title() -> None:
    assert ask(user("RUN: echo x"), tools=[]) == Text("Stand-in")
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    body = {"input": [user("RUN: x")], "tools": EXEC, "text": {"format": {"type": "json_schema", "schema": schema}}}
    assert decide(body) == Text('{"title": "Stand-in"}')


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["a", "b"]}, "a"),
        ({"type": ["integer", "null"]}, 0),
        ({"type": "array"}, []),
        ({"type": "null"}, None),
    ],
)
def test_example_of_fits_the_schema(schema: Json, value: Any) -> None:
    assert example_of(schema) == value


def test_tail_keeps_the_last_lines() -> None:
    assert tail("\n".join(str(number) for number in range(9)) + "\n\n") == "4\n5\n6\n7\n8"
    assert tail(" \n") == "(no output)"


@pytest.fixture(name="server")
def running_server(tmp_path: Path) -> Iterator[responses.Server]:
    server = responses.Server(("127.0.0.1", 0), responses.RequestLog(tmp_path / "log"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


def post(server: responses.Server, body: bytes, path: str = "/v1/responses", **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def stream(server: responses.Server, *items: Json) -> list[Json]:
    status, text = post(server, json.dumps({"input": items, "tools": EXEC, "stream": True}).encode())
    assert status == 200
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    events = [json.loads(data.removeprefix("data: ")) for _name, data in blocks]
    assert [name for name, _data in blocks] == [f"event: {event['type']}" for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_the_text_stream_has_the_events_of_the_api(server: responses.Server) -> None:
    events = stream(server, user("SAY: hello big  world\nSLOW: 0.5"))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.output_item.added"]
    assert set(kinds[2:-2]) == {"response.output_text.delta"}
    assert kinds[-2:] == ["response.output_item.done", "response.completed"]
    said = "".join(event["delta"] for event in events[2:-2])
    item = events[-2]["item"]
    assert said.endswith("hello big  world") and item["content"][0]["text"] == said
    response = events[-1]["response"]
    assert (response["status"], response["output"], response["id"]) == (
        "completed",
        [item],
        events[0]["response"]["id"],
    )
    assert response["usage"]["total_tokens"] == response["usage"]["input_tokens"] + response["usage"]["output_tokens"]


def test_the_call_stream_carries_the_whole_function_call(server: responses.Server) -> None:
    events = stream(server, user("RUN: echo hi"))
    item = events[-2]["item"]
    assert (item["type"], item["name"], item["call_id"]) == ("function_call", "exec_command", "call_1")
    assert json.loads(item["arguments"]) == {"cmd": "echo hi"}
    assert events[1]["item"]["arguments"] == ""


@pytest.mark.parametrize(("status", "code"), [(401, "invalid_api_key"), (429, "rate_limit_exceeded"), (500, "server_error")])
def test_fail_is_an_http_status(server: responses.Server, status: int, code: str) -> None:
    got, text = post(server, json.dumps({"input": f"FAIL: {status}", "tools": EXEC}).encode())
    assert (got, json.loads(text)["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        ("/faults/403/v1/responses", "k", 403, "unsupported_country_region_territory"),
        ("/faults/quota/v1/responses", "k", 429, "insufficient_quota"),
        ("/faults/address/v1/responses", "k", 401, "ip_not_authorized"),
        ("/faults/404/v1/responses", "k", 404, "invalid_request"),
        ("/faults/503/v1/responses", "k", 503, "server_error"),
        ("/v1/responses", "sk-x-fault-429", 429, "rate_limit_exceeded"),
        ("/faults/401/oauth/token", "", 401, "refresh_token_reused"),
        ("/faults/500/oauth/token", "", 500, "server_error"),
    ],
)
def test_faults_by_path_and_by_key(server: responses.Server, path: str, key: str, status: int, code: str) -> None:
    body = json.dumps({"input": "SAY: hi", "tools": EXEC}).encode()
    got, text = post(server, body, path=path, Authorization=f"Bearer {key}")
    assert (got, json.loads(text)["error"]["code"]) == (status, code)


def test_a_refused_key_is_shown_masked_and_a_missing_one_missed(server: responses.Server) -> None:
    body = json.dumps({"input": "x", "tools": EXEC}).encode()
    text = post(server, body, path="/faults/401/v1/responses", Authorization="Bearer sk-proj-0123456789abcd")[1]
    assert "provided: sk-proj-**********abcd." in text and "0123456789" not in text
    assert "Missing bearer" in post(server, body, path="/faults/401/v1/responses")[1]


def test_question_is_answered_and_by_a_fault_wrongly(server: responses.Server) -> None:
    body = json.dumps({"input": "What is the sum of 19 and 23?", "tools": EXEC, "stream": False}).encode()
    answers = [post(server, body, path=path)[1] for path in ("/v1/responses", "/faults/wrong/v1/responses")]
    texts = [json.loads(answer)["output"][0]["content"][0]["text"] for answer in answers]
    assert texts == ["42", responses.WRONG]


def test_hang_lasts_until_the_client_goes(server: responses.Server, tmp_path: Path) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=0.5)
    connection.request("POST", "/faults/hang/v1/responses", b"{}")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    deadline = time.monotonic() + 10
    while '"answer": "hang"' not in (tmp_path / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_without_streaming_gets_the_response_object(server: responses.Server) -> None:
    status, text = post(server, json.dumps({"input": "SAY: hi", "tools": EXEC, "stream": False}).encode())
    assert (status, json.loads(text)["output"][0]["content"][0]["text"]) == (200, "hi")


def test_compressed_and_broken_bodies(server: responses.Server) -> None:
    body = json.dumps({"input": "SAY: hi", "tools": EXEC, "stream": False}).encode()
    assert post(server, gzip.compress(body), Content_Encoding="gzip")[0] == 200
    assert post(server, body, Content_Encoding="zstd")[0] == 415
    assert post(server, b"{")[0] == 400
    assert post(server, b"[]")[0] == 400
    assert post(server, body, path="/v1/chat/completions")[0] == 404


def test_the_log_contains_no_secret_and_no_text(server: responses.Server, tmp_path: Path) -> None:
    body = json.dumps({"model": "m", "input": [user("SAY: private")], "tools": EXEC}).encode()
    post(server, body, Authorization="Bearer sk-secret")
    # The stream ends by closing the connection, which is after the entry was written.
    text = (tmp_path / "log").read_text()
    entry = json.loads(text)
    assert (entry["status"], entry["answer"], entry["authorization"], entry["items"]) == (200, "text", "present", 1)
    assert "secret" not in text and "private" not in text


def test_sessions_do_not_wait_for_each_other(server: responses.Server) -> None:
    slow = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    slow.request("POST", "/v1/responses", json.dumps({"input": "SLOW: 60", "tools": EXEC}))
    # Kept by name, because the connection ends with its response object.
    answer = slow.getresponse()
    assert answer.readline() == b"event: response.created\n"
    assert stream(server, user("SAY: quick"))[-1]["type"] == "response.completed"
    answer.close()


def test_ready_file_appears_whole(tmp_path: Path) -> None:
    responses.write_ready(tmp_path / "ready", 8765)
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
    assert (tmp_path / "ready").read_text() == "8765\n"


def test_a_refresh_token_is_spent_for_another() -> None:
    one = responses.next_tokens("rt")
    assert one["refresh_token"] == "rt-next" and one["access_token"].count(".") == 2
    assert responses.next_tokens(one["refresh_token"])["refresh_token"] == "rt-next-next"
