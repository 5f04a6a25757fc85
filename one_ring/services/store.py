"""The TrainingJobs of one namespace: read, made and changed so that a lost answer or another writer does no harm."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

from one_ring.api import JOB_LABEL, KIND, TrainingJob, job_id
from one_ring.kube import EVENTS, PODS, TRAINING_JOBS, AlreadyExists, Conflict, Kube, NotFound, Unavailable
from one_ring.services.errors import JobNotFound, named, named_errors
from one_ring.services.job import read
from one_ring.services.request import JobRequest, manifest
from one_ring.services.transitions import Change, Decide

_TRIES = 8
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?")


class JobStore:
    """TrainingJobs as the API server keeps them. Raises ``TrainingServiceError`` alone."""

    def __init__(self, kube: Kube, *, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    async def read(self, name: str) -> TrainingJob:
        """The job of that name."""
        if not _NAME.fullmatch(name):
            raise JobNotFound(name)
        with named_errors():
            try:
                return read(await self.kube.get(TRAINING_JOBS, name, namespace=self.namespace))
            except NotFound as refused:
                raise (JobNotFound(name) if refused.body else named(refused)) from None

    async def bodies(self) -> list[dict[str, Any]]:
        """Every job, unread."""
        with named_errors():
            return await self.kube.list(TRAINING_JOBS, namespace=self.namespace)

    async def create(self, request: JobRequest) -> TrainingJob:
        """Makes one job, never two."""
        with named_errors():
            return read(await self._create(request))

    async def _create(self, request: JobRequest) -> dict[str, Any]:
        name = job_id(request.name)
        lost = False
        for left in reversed(range(_TRIES)):
            try:
                return await self.kube.create(TRAINING_JOBS, manifest(request, name=name), namespace=self.namespace)
            except Unavailable:
                lost = True
                if not left:
                    raise
                await _pause()
            except AlreadyExists:
                if lost:  # The answer was lost, the job was not.
                    return await self.kube.get(TRAINING_JOBS, name, namespace=self.namespace)
                if not left:
                    raise
                name = job_id(request.name)
        raise AssertionError("unreachable")

    async def change(self, name: str, decide: Decide) -> TrainingJob:
        """Makes the change that ``decide`` wants, whoever else is writing at the same time."""
        asked: Change = {}
        for left in reversed(range(_TRIES)):
            job = await self.read(name)
            if asked and _is_so(job, asked):
                return job  # The answer was lost, the change was not.
            change = decide(job)
            if not change:
                return job
            with named_errors():
                try:
                    return await self._patch(job, change)
                except (Conflict, Unavailable) as missed:
                    if not left:
                        raise
                    asked = change if isinstance(missed, Unavailable) else asked
            await _pause()
        raise AssertionError("unreachable")

    async def _patch(self, job: TrainingJob, change: Change) -> TrainingJob:
        body = {"metadata": {"resourceVersion": job.metadata.resource_version}, "spec": change}
        return read(await self.kube.merge_patch(TRAINING_JOBS, job.metadata.name, body, namespace=self.namespace))

    async def delete(self, name: str) -> None:
        """Deletes the job and, by their owner references, all it made."""
        uid = (await self.read(name)).metadata.uid
        with named_errors():
            await self.kube.delete(TRAINING_JOBS, name, namespace=self.namespace, uid=uid)

    async def pods(self, name: str) -> list[dict[str, Any]]:
        """The pods of every attempt that are still there."""
        with named_errors():
            return await self.kube.list(PODS, namespace=self.namespace, label_selector=f"{JOB_LABEL}={name}")

    async def remembered_uid(self, name: str) -> str:
        """The uid of a job that was deleted lately, from its events (the cluster keeps them for an hour), or ""."""
        about = f"involvedObject.kind={KIND},involvedObject.name={name}"
        with named_errors():
            events = await self.kube.list(EVENTS, namespace=self.namespace, field_selector=about)
        newest = max(events, key=lambda event: event["metadata"]["creationTimestamp"], default=None)
        return newest["involvedObject"].get("uid", "") if newest else ""

    async def check(self) -> None:
        """Returns when the cluster answers, knows TrainingJobs and lets us read them."""
        try:
            await self.read("no-such-job")
        except JobNotFound:
            return


def _is_so(job: TrainingJob, change: Change) -> bool:
    return all(getattr(job.spec, field) == value for field, value in change.items())


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0.05, 0.4))
