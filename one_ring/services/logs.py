"""Opens a job's log wherever it is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from one_ring.api.pod import TRAINER_CONTAINER
from one_ring.kube import NotFound
from one_ring.services.errors import JobNotFound, LogGone, NotPermitted, named_errors
from one_ring.services.log_place import gone_with_its_job, pod_with_log, started_pod
from one_ring.services.log_stream import LogStream
from one_ring.services.store import JobStore

_POLL_SECONDS = 1.0


class JobLogs:
    """The logs of one namespace's jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def open(self, name: str, *, follow: bool) -> LogStream:
        """The job's log; raises ``NoLogYet`` or ``LogGone``."""
        pod = await self._pod(name)
        return LogStream(self._chunks(name, pod, follow=follow), lambda: self._may_go_on(name))

    async def _chunks(self, name: str, pod: str | None, *, follow: bool) -> AsyncGenerator[bytes, None]:
        while pod is None:
            if not follow:
                return
            await asyncio.sleep(_POLL_SECONDS)
            pod = await self._pod(name)
        with named_errors():
            try:
                async with aclosing(self._pod_log(pod, follow=follow)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except NotFound:
                await self._pod(name)  # names the file
                raise

    def _pod_log(self, pod: str, *, follow: bool) -> AsyncGenerator[bytes, None]:
        kube = self._store.kube
        return kube.stream_log(pod, namespace=self._store.namespace, container=TRAINER_CONTAINER, follow=follow)

    async def _pod(self, name: str) -> str | None:
        try:
            job = await self._store.read(name)
        except JobNotFound as unknown:
            return await self._pod_of_deleted(name, unknown)
        return pod_with_log(job, await self._store.pods(name))

    async def _pod_of_deleted(self, name: str, unknown: JobNotFound) -> str:
        if pod := started_pod(await self._store.pods(name)):
            return pod
        if uid := await self._uid_of_deleted(name):
            raise gone_with_its_job(name, uid) from None
        raise unknown

    async def _uid_of_deleted(self, name: str) -> str:
        try:
            return await self._store.remembered_uid(name)
        except NotPermitted:  # may read jobs, but no events: nothing is remembered
            return ""

    async def _may_go_on(self, name: str) -> bool:
        try:
            await self._pod(name)
        except (JobNotFound, LogGone):
            return False
        return True
