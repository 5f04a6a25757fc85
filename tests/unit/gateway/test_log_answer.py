"""Only so many logs are sent at once: each takes a connection to the API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import HTTPException
from one_ring_gateway.log_answer import OpenLogs

from one_ring.services.errors import LogGone
from one_ring.services.log_stream import LogStream


async def one_line() -> AsyncGenerator[bytes, None]:
    yield b"a line\n"


async def still_there() -> bool:
    return True


async def opens() -> LogStream:
    return LogStream(one_line(), still_there)


async def is_gone() -> LogStream:
    raise LogGone("it is gone")


async def stays_connected() -> Any:
    await asyncio.Event().wait()


async def ignored(_: Any) -> None:
    return


def test_one_too_many_is_told_to_come_back() -> None:
    async def three() -> list[Any]:
        logs = OpenLogs(most=2)
        return await asyncio.gather(*(logs.answer(opens) for _ in range(3)), return_exceptions=True)

    refused = [answer for answer in asyncio.run(three()) if isinstance(answer, HTTPException)]
    assert [(refusal.status_code, refusal.headers) for refusal in refused] == [(503, {"Retry-After": "10"})]


def test_a_log_that_was_sent_makes_room() -> None:
    async def one_after_the_other() -> None:
        logs = OpenLogs(most=1)
        for _ in range(3):
            answer = await logs.answer(opens)
            await answer({"type": "http"}, stays_connected, ignored)

    asyncio.run(one_after_the_other())


def test_a_log_that_could_not_be_opened_takes_no_room() -> None:
    async def gone_then_there() -> None:
        logs = OpenLogs(most=1)
        with pytest.raises(LogGone):
            await logs.answer(is_gone)
        await logs.answer(opens)

    asyncio.run(gone_then_there())
