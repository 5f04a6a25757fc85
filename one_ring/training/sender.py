"""How does news leave the pod? A thread that posts the latest report; training never waits for it, nor fails by it."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from one_ring.api import ProgressReport
from one_ring.training.place import Listener

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_POSTS = 1.0
_TIMEOUT_SECONDS = 5.0
_FINAL_TRIES = 3


class Sender:
    """Posts reports in order. Of several that wait in one stage only the newest goes out, at most one a second."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._waiting: deque[ProgressReport] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._last_problem = ""
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def send(self, report: ProgressReport) -> None:
        """Hand over one report; returns at once."""
        with self._changed:
            if self._waiting and self._waiting[-1].stage == report.stage and report.final is None:
                self._waiting.pop()
            self._waiting.append(report)
            self._changed.notify()

    def close(self, *, timeout_seconds: float = 15.0) -> None:
        """Let what waits go out, then end the thread; gives up after the timeout."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        last_stage, last_time = "", float("-inf")
        while report := self._next(last_stage, last_time):
            tries = _FINAL_TRIES if report.final else 1
            while tries and not self._post(report):
                tries -= 1
                time.sleep(_SECONDS_BETWEEN_POSTS if tries else 0)
            last_stage, last_time = report.stage, time.monotonic()

    def _next(self, last_stage: str, last_time: float) -> ProgressReport | None:
        """The next report to post, once it is due; None when the thread shall end."""
        with self._changed:
            while True:
                if self._waiting:
                    head = self._waiting[0]
                    wait = last_time + _SECONDS_BETWEEN_POSTS - time.monotonic()
                    if wait <= 0 or head.stage != last_stage or head.final or self._closing:
                        return self._waiting.popleft()
                    self._changed.wait(wait)
                elif self._closing:
                    return None
                else:
                    self._changed.wait()

    def _post(self, report: ProgressReport) -> bool:
        """Whether the listener has answered; what it answers changes nothing here."""
        body = report.model_dump_json(by_alias=True, exclude_none=True).encode()
        try:
            status = self._request(body)
        except Exception as error:  # nobody listens, or no token: none of it is the training's business
            self._say_once(f"progress report not delivered: {error or type(error).__name__}")
            return False
        if status >= http.HTTPStatus.BAD_REQUEST:
            self._say_once(f"progress report refused with status {status}")
            return status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        self._last_problem = ""
        return True

    def _request(self, body: bytes) -> int:
        # The token is read each time: the kubelet renews it.
        token = Path(self._listener.token_file).read_text(encoding="utf-8").strip() if self._listener.token_file else ""
        connection = self._connection()
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", urlsplit(self._listener.url).path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        url = urlsplit(self._listener.url)
        if url.scheme == "http":
            return http.client.HTTPConnection(url.netloc, timeout=_TIMEOUT_SECONDS)
        trust = ssl.create_default_context(cafile=self._listener.ca_file or None)
        return http.client.HTTPSConnection(url.netloc, timeout=_TIMEOUT_SECONDS, context=trust)

    def _say_once(self, problem: str) -> None:
        if problem != self._last_problem:
            _log.warning(problem)
        self._last_problem = problem
