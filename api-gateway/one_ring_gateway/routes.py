"""The six endpoints of the users' guide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from one_ring.api.model import Model
from one_ring.services.async_service import AsyncTrainingService
from one_ring.services.job import Job
from one_ring.services.request import JobRequest
from one_ring_gateway.log_answer import LogAnswer, OpenLogs

router = APIRouter(prefix="/api/v1/training/jobs", tags=["training jobs"])


class ListQuery(Model):
    """Which jobs to list."""

    status: str = Field("", description="Status words, comma separated; left out: all.", examples=["running,completed"])
    limit: int = Field(50, ge=1, le=500, description="At most this many.")
    offset: int = Field(0, ge=0, description="Leaving out the newest this many.")


class JobList(BaseModel):
    """Some of the jobs, newest first."""

    jobs: list[Job]
    total: int = Field(description="All jobs that match.")
    limit: int
    offset: int


def _service(request: Request) -> AsyncTrainingService:
    service: AsyncTrainingService = request.app.state.service
    return service


def _open_logs(request: Request) -> OpenLogs:
    open_logs: OpenLogs = request.app.state.open_logs
    return open_logs


Service = Annotated[AsyncTrainingService, Depends(_service)]
Open = Annotated[OpenLogs, Depends(_open_logs)]
JobId = Annotated[str, Path(description="The job's id.", examples=["my-finetuning-job-x7k2p"])]
Follow = Annotated[bool, Query(description="False answers with what there is now.")]


@router.post("", status_code=201, summary="Create a training job", responses={400: {}, 413: {}, 415: {}, 422: {}})
async def create(body: JobRequest, service: Service, response: Response) -> Job:
    """Creates a job. It is pending until it is started, or starts at once with `start_immediately`."""
    job = await service.create(body)
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    return job


@router.get("", summary="List training jobs", responses={422: {}})
async def list_jobs(query: Annotated[ListQuery, Query()], service: Service) -> JobList:
    """Lists jobs, newest first."""
    page = await service.list_jobs(query.status, query.limit, query.offset)
    return JobList(jobs=page, total=page.total, limit=query.limit, offset=query.offset)


@router.get("/{job_id}", summary="Get training job status", responses={404: {}})
async def get(job_id: JobId, service: Service) -> Job:
    """The job as it is now."""
    return await service.get_job(job_id)


@router.post("/{job_id}/start", status_code=202, summary="Start a training job", responses={404: {}, 409: {}})
async def start(job_id: JobId, service: Service) -> Job:
    """Starts a pending job, or goes on with a paused one."""
    return await service.start_training_job(job_id)


@router.post("/{job_id}/cancel", status_code=202, summary="Cancel a training job", responses={404: {}, 409: {}})
async def cancel(job_id: JobId, service: Service) -> Job:
    """Ends a job for good and keeps the adapter trained so far. Asking twice is fine."""
    return await service.cancel(job_id)


@router.get(
    "/{job_id}/logs",
    status_code=200,
    summary="Get training logs",
    response_class=LogAnswer,
    responses={404: {}, 409: {}, 410: {}},
)
async def logs(job_id: JobId, service: Service, open_logs: Open, follow: Follow = True) -> LogAnswer:
    """The log as it is written, from the trainer's start until its end, one JSON object a line.

    When the pod is gone, 410 names the log's copy on the outputs volume.
    """
    return await open_logs.answer(lambda: service.open_logs(job_id, follow=follow))
