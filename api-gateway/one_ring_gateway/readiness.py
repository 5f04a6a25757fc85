"""Can the gateway do its work now? Asked by the kubelet often, asked of the cluster seldom."""

from __future__ import annotations

import asyncio
import time

from one_ring.services.async_service import AsyncTrainingService
from one_ring.services.errors import TrainingServiceError

_KEPT_SECONDS = 5.0
_DEADLINE_SECONDS = 3.0


class Readiness:
    """Whether the cluster answers and lets us read TrainingJobs, known for a few seconds."""

    def __init__(self, service: AsyncTrainingService) -> None:
        self._service = service
        self._lock = asyncio.Lock()
        self._known_until = 0.0
        self._fault = ""

    async def fault(self) -> str:
        """What is wrong; empty when nothing is."""
        async with self._lock:
            if time.monotonic() >= self._known_until:
                self._fault = await self._ask()
                self._known_until = time.monotonic() + _KEPT_SECONDS
            return self._fault

    async def _ask(self) -> str:
        try:
            await asyncio.wait_for(self._service.check(), _DEADLINE_SECONDS)
        except TrainingServiceError as refused:
            return str(refused)
        except TimeoutError:
            return f"the cluster did not answer within {_DEADLINE_SECONDS:.0f} s"
        return ""
