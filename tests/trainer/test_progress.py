"""The operator hears of every stage over TLS; that it may be deaf or gone is nothing to the training."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from one_ring.api import ProgressReport
from one_ring.training.place import Listener


class Operator:
    """A TLS server that takes reports, and remembers them with their tokens."""

    def __init__(self, folder: Path, status: int = 204) -> None:
        self.reports: list[ProgressReport] = []
        self.tokens: list[str] = []
        self.token_file = folder / "token"
        self.token_file.write_text("first\n")
        certificate(folder)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(status))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.listener = Listener(
            url=f"https://localhost:{self.server.server_port}/v1alpha1/namespaces/x/trainingjobs/y/progress",
            token_file=str(self.token_file),
            ca_file=str(folder / "tls.crt"),
        )

    def _handler(self, status: int) -> type[BaseHTTPRequestHandler]:
        operator = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operator.reports.append(ProgressReport.model_validate_json(body))
                operator.tokens.append(self.headers["Authorization"])
                operator.token_file.write_text("renewed\n")
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.crt"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def operator(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Operator]:
    operator = Operator(tmp_path, getattr(request, "param", 204))
    thread = threading.Thread(target=operator.server.serve_forever)
    thread.start()
    yield operator
    operator.server.shutdown()
    thread.join()
    operator.server.server_close()


def test_every_stage_reaches_the_operator_in_order(world: Any, operator: Operator) -> None:
    ended = world.run(listener=operator.listener)

    assert ended.code == 0
    stages = [report.stage for report in operator.reports]
    assert sorted(set(stages), key=stages.index) == ["preparing", "running", "saving"]
    assert stages == sorted(stages, key=["preparing", "running", "saving"].index)
    sequence = [report.sequence for report in operator.reports]
    assert sequence == sorted(set(sequence))
    last = operator.reports[-1].final
    assert last is not None
    assert json.loads(last.model_dump_json(by_alias=True, exclude_none=True)) == ended.final
    assert last.progress is not None
    assert last.progress.step == last.progress.total_steps == 12
    assert last.progress.percent == 100


def test_the_token_is_read_anew_for_each_report(world: Any, operator: Operator) -> None:
    world.run(listener=operator.listener, max_steps=2)

    assert operator.tokens[0] == "Bearer first"
    assert set(operator.tokens[1:]) == {"Bearer renewed"}


def test_a_failed_run_reports_its_end(world: Any, operator: Operator) -> None:
    world.lines("train.jsonl", ["{"])

    ended = world.run(listener=operator.listener)

    last = operator.reports[-1].final
    assert ended.code == 3
    assert last is not None
    assert last.outcome == "failed"
    assert [fault.line for fault in last.faults] == [1]


@pytest.mark.parametrize("operator", [401, 409, 500], indirect=True)
def test_an_operator_that_refuses_does_not_disturb(world: Any, operator: Operator) -> None:
    assert world.run(listener=operator.listener, max_steps=2).code == 0


@pytest.mark.parametrize("missing", ["server", "token", "trust"])
def test_a_listener_that_cannot_be_reached_does_not_disturb(
    world: Any, operator: Operator, tmp_path: Path, missing: str
) -> None:
    heard = operator.listener
    listener = {
        "server": Listener("https://localhost:1/progress", heard.token_file, heard.ca_file),
        "token": Listener(heard.url, str(tmp_path / "absent"), heard.ca_file),
        "trust": Listener(heard.url, heard.token_file, ""),
    }[missing]

    ended = world.run(listener=listener, max_steps=2)

    assert ended.code == 0
    assert operator.reports == []
