"""Everything a program can do with training jobs, async; the sync face and the gateway add nothing to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from pydantic import ValidationError

from one_ring.api import TrainingConfig
from one_ring.kube import Kube
from one_ring.services import selection, transitions
from one_ring.services.errors import ClusterUnavailable, WrongState, invalid
from one_ring.services.job import Job, JobPage, view
from one_ring.services.log_stream import LogStream, lines
from one_ring.services.logs import JobLogs
from one_ring.services.request import JobRequest
from one_ring.services.store import JobStore
from one_ring.services.waiting import Display

_POLL_SECONDS = 1.0


class AsyncTrainingService:
    """Training jobs of one namespace of one cluster. Every method raises ``TrainingServiceError``."""

    def __init__(self, kube: Kube, *, namespace: str = "") -> None:
        self._kube = kube
        self._store = JobStore(kube, namespace=namespace or kube.namespace)
        self._logs = JobLogs(self._store)

    @property
    def namespace(self) -> str:
        """Where the jobs live."""
        return self._store.namespace

    async def close(self) -> None:
        """Closes the connection."""
        await self._kube.close()

    async def check(self) -> None:
        """Returns when the cluster answers, knows TrainingJobs and lets us read them."""
        await self._store.check()

    async def create_training_job(
        self, config: TrainingConfig | Mapping[str, Any], name: str, *, start_immediately: bool = False, **more: Any
    ) -> Job:
        """Creates a job, pending until it is started; ``more`` are the other fields of ``JobRequest``."""
        fields = {"config": config, "name": name, "start_immediately": start_immediately} | more
        try:
            request = JobRequest.model_validate(fields)
        except ValidationError as refused:
            raise invalid(refused) from None
        return await self.create(request)

    async def create(self, request: JobRequest) -> Job:
        """Creates the job that was asked for."""
        return view(await self._store.create(request))

    async def start_training_job(self, job_id: str, background: bool = True) -> Job:
        """Starts a pending or paused job; with ``background=False`` shows its progress and waits until it is over."""
        job = view(await self._store.change(job_id, transitions.start))
        if background:
            return job
        with Display() as display:
            async with aclosing(self.watch_job(job_id)) as changes:
                async for job in changes:
                    display.show(job)
        return job

    async def pause_job(self, job_id: str) -> Job:
        """Saves a started job's state and frees its GPUs."""
        return view(await self._store.change(job_id, transitions.pause))

    async def resume_job(self, job_id: str) -> Job:
        """Goes on with a paused job from its newest checkpoint."""
        return view(await self._store.change(job_id, transitions.resume))

    async def cancel(self, job_id: str) -> Job:
        """Ends a job for good, keeping the adapter trained so far; ``WrongState`` when it is over already."""
        return view(await self._store.change(job_id, transitions.cancel))

    async def cancel_job(self, job_id: str) -> bool:
        """The same; False when the job is over already."""
        try:
            await self.cancel(job_id)
        except WrongState:
            return False
        return True

    async def delete_job(self, job_id: str) -> None:
        """Deletes the job and its pod; what lies on the outputs volume stays."""
        await self._store.delete(job_id)

    async def get_job(self, job_id: str) -> Job:
        """The job as it is now."""
        return view(await self._store.read(job_id))

    async def list_jobs(
        self, status: str | Iterable[str] | None = None, limit: int | None = None, offset: int = 0
    ) -> JobPage:
        """The jobs, newest first; ``status`` as in ``"running,completed"`` or a list of such words."""
        wanted = selection.Selection.of(status, limit=limit, offset=offset)
        return wanted.page(await self._store.bodies())

    async def watch_job(self, job_id: str) -> AsyncGenerator[Job, None]:
        """The job now and whenever it has changed, until it is over; sits out outages of the cluster."""
        last: Job | None = None
        while last is None or not last.is_over:
            if last is not None:
                await asyncio.sleep(_POLL_SECONDS)
            try:
                job = await self.get_job(job_id)
            except ClusterUnavailable:
                if last is None:
                    raise
                continue
            if job != last:
                yield job
            last = job

    async def wait_for_job(self, job_id: str) -> Job:
        """The job once it is over."""
        async with aclosing(self.watch_job(job_id)) as changes:
            return [job async for job in changes][-1]

    async def open_logs(self, job_id: str, *, follow: bool = True) -> LogStream:
        """The job's log in bytes; with ``follow`` from when its trainer starts until it ends, else what there is now.

        Raises ``NoLogYet`` or ``LogGone``.
        """
        return await self._logs.open(job_id, follow=follow)

    async def stream_logs(self, job_id: str, *, follow: bool = True) -> AsyncGenerator[str, None]:
        """The job's log line by line."""
        async with await self.open_logs(job_id, follow=follow) as log:
            async for line in lines(log):
                yield line

    async def get_logs(self, job_id: str) -> str:
        """The job's log so far."""
        async with await self.open_logs(job_id, follow=False) as log:
            return b"".join([chunk async for chunk in log]).decode(errors="replace")
