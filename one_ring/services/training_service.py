"""Training jobs for plain Python: ``training_service`` talks to the cluster that kubectl talks to.

It connects on first use: by ``$KUBECONFIG`` or ``~/.kube/config``, inside a pod by its service account.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from one_ring.api import TrainingConfig
from one_ring.kube import connect
from one_ring.services.async_service import AsyncTrainingService
from one_ring.services.errors import named_errors
from one_ring.services.job import Job, JobPage
from one_ring.services.loop_thread import LoopThread
from one_ring.services.waiting import Display

T = TypeVar("T")


class TrainingService:
    """Training jobs of one namespace of one cluster. Every method raises ``TrainingServiceError``."""

    def __init__(self, *, kubeconfig: str = "", context: str = "", namespace: str = "") -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._wanted_namespace = namespace
        self._thread = LoopThread()
        self._connected: AsyncTrainingService | None = None
        self._process_id = 0

    @property
    def namespace(self) -> str:
        """Where the jobs live."""
        return self._call(_namespace)

    def create_training_job(
        self, config: TrainingConfig | Mapping[str, Any], name: str, *, start_immediately: bool = False, **more: Any
    ) -> Job:
        """Creates a job, pending until it is started; ``more`` are the other fields of ``JobRequest``."""
        return self._call(
            lambda service: service.create_training_job(config, name, start_immediately=start_immediately, **more)
        )

    def start_training_job(self, job_id: str, background: bool = True) -> Job:
        """Starts a pending or paused job; with ``background=False`` shows its progress and waits until it is over."""
        job = self._call(lambda service: service.start_training_job(job_id))
        if background:
            return job
        with Display() as display:
            for job in self.watch_job(job_id):
                display.show(job)
        return job

    def pause_job(self, job_id: str) -> Job:
        """Saves a started job's state and frees its GPUs."""
        return self._call(lambda service: service.pause_job(job_id))

    def resume_job(self, job_id: str) -> Job:
        """Goes on with a paused job from its newest checkpoint."""
        return self._call(lambda service: service.resume_job(job_id))

    def cancel_job(self, job_id: str) -> bool:
        """Ends a job for good, keeping the adapter trained so far; False when it is over already."""
        return self._call(lambda service: service.cancel_job(job_id))

    def delete_job(self, job_id: str) -> None:
        """Deletes the job and its pod; what lies on the outputs volume stays."""
        self._call(lambda service: service.delete_job(job_id))

    def get_job(self, job_id: str) -> Job:
        """The job as it is now."""
        return self._call(lambda service: service.get_job(job_id))

    def list_jobs(
        self, status: str | Iterable[str] | None = None, limit: int | None = None, offset: int = 0
    ) -> JobPage:
        """The jobs, newest first; ``status`` as in ``"running,completed"`` or a list of such words."""
        return self._call(lambda service: service.list_jobs(status, limit, offset))

    def watch_job(self, job_id: str) -> Iterator[Job]:
        """The job now and whenever it has changed, until it is over."""
        service = self._service()
        return self._thread.iterate(lambda: service.watch_job(job_id))

    def wait_for_job(self, job_id: str) -> Job:
        """The job once it is over."""
        return self._call(lambda service: service.wait_for_job(job_id))

    def stream_logs(self, job_id: str, *, follow: bool = True) -> Iterator[str]:
        """The job's log line by line; with ``follow`` until its trainer ends, else what there is now."""
        service = self._service()
        return self._thread.iterate(lambda: service.stream_logs(job_id, follow=follow))

    def get_logs(self, job_id: str) -> str:
        """The job's log so far."""
        return self._call(lambda service: service.get_logs(job_id))

    def close(self) -> None:
        """Closes the connection; the next call opens a new one."""
        if self._connected is not None and self._process_id == os.getpid():
            self._thread.run(self._connected.close())
        self._connected = None
        self._thread.stop()

    def _call(self, ask: Callable[[AsyncTrainingService], Coroutine[Any, Any, T]]) -> T:
        return self._thread.run(ask(self._service()))

    def _service(self) -> AsyncTrainingService:
        # A forked child must not share its parent's connection.
        if self._connected is None or self._process_id != os.getpid():
            self._connected = self._thread.run(self._connect())
            self._process_id = os.getpid()
            atexit.register(self.close)
        return self._connected

    async def _connect(self) -> AsyncTrainingService:
        with named_errors():
            kube = await connect(kubeconfig=self._kubeconfig, context=self._context)
        return AsyncTrainingService(kube, namespace=self._wanted_namespace)


async def _namespace(service: AsyncTrainingService) -> str:
    return service.namespace


training_service = TrainingService()
