"""How do we talk to Kubernetes? The operator's only reads and writes: gathering facts and carrying out plans."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from one_ring.api import JOB_LABEL, TrainingJob, TrainingJobStatus, field_errors
from one_ring.kube import (
    EVENTS,
    JOBS,
    PODS,
    TOKEN_REVIEWS,
    TRAINING_JOBS,
    AlreadyExists,
    Conflict,
    Kube,
    KubeError,
    NotFound,
    Object,
    Resource,
    Unavailable,
)
from one_ring_operator.children import ChildJob, Key, parse_job
from one_ring_operator.facts import Facts, Refusal
from one_ring_operator.merge_patches import merge_patch_between
from one_ring_operator.metrics import Metrics
from one_ring_operator.plan import Plan
from one_ring_operator.settings import Settings
from one_ring_operator.status import set_condition
from one_ring_operator.store import Store
from one_ring_operator.transitions import Happening, event_manifest, happenings

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """A TrainingJob of another schema than ours; says which fields."""


class Cluster:
    """The cluster as the operator sees and changes it."""

    def __init__(
        self, kube: Kube, *, store: Store, settings: Settings, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._ca = settings.ca()

    async def observe(self, key: Key) -> Facts | None:
        """The facts about one job, None if it is gone; raises ``Unreadable``.

        That a child is missing is asked for once more before anything may be concluded from it: its events come by
        another way than those of its job.
        """
        facts = self._facts(key)
        if facts and _needs_proof(facts):
            await self._look_closer(key, facts)
            return self._facts(key)
        return facts

    async def carry_out(self, facts: Facts, decided: Plan) -> bool:
        """Does what the plan says, Jobs first; False if the API server refused a Job, which is a new fact."""
        for child in decided.delete:
            await self._delete(child)
        for manifest in decided.create:
            if not await self._create(facts, manifest):
                return False
        if decided.status != facts.status:
            await self._write(facts, decided.status)
        return True

    async def explain_unreadable(self, key: Key, why: str) -> None:
        """Says on the TrainingJob itself that it cannot be read; everything else of it stays as it is."""
        job = self._store.job(key)
        if job is None:
            return
        told = (job.get("status") or {}).get("conditions") or []
        known = TrainingJobStatus.model_validate({"conditions": told})
        conditions = set_condition(
            known.conditions, "Accepted", False, reason="Unreadable", message=why, now=self._clock()
        )
        after = known.model_copy(update={"conditions": conditions})
        if after == known:
            return
        change = {"conditions": _document(after)["conditions"]}
        metadata = job["metadata"]
        written = await self._patch_status(key, metadata["uid"], metadata["resourceVersion"], change)
        await self._tell(written, [Happening("Unreadable", why, is_warning=True)])

    async def list_all(self, kind: Resource, *, namespace: str = "", label_selector: str = "") -> list[Object]:
        """All objects of a kind that concern us."""
        self._count("list", kind)
        return await self._kube.list(kind, namespace=namespace, label_selector=label_selector)

    async def learn_of_pod(self, key: Key, name: str) -> None:
        """Has the store learn about a pod whose events may not have come yet."""
        self._count("get", PODS)
        try:
            self._store.see(PODS, await self._kube.get(PODS, name, namespace=key.namespace))
        except NotFound:
            return

    async def review_token(self, token: str, audience: str) -> Object:
        """The ``status`` of a TokenReview: whose token it is, if it is one for this audience."""
        self._count("create", TOKEN_REVIEWS)
        spec = {"token": token, "audiences": [audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        reviewed = await self._kube.create(TOKEN_REVIEWS, body)
        return reviewed.get("status") or {}

    def _facts(self, key: Key) -> Facts | None:
        document = self._store.job(key)
        if document is None:
            return None
        try:
            job = TrainingJob.model_validate(document)
        except ValidationError as refused:
            raise Unreadable("; ".join(f"{e.field}: {e.message}" for e in field_errors(refused))) from None
        uid = job.metadata.uid
        return Facts(
            job=job,
            settings=self._settings,
            now=self._clock(),
            ca=self._ca,
            children=self._store.children(key, uid),
            pods=self._store.pods(key, uid),
            last_report=self._store.reports.get(key),
            refusal=self._store.refusals.get(key),
            last_write=self._store.last_writes.get(key),
        )

    async def _look_closer(self, key: Key, facts: Facts) -> None:
        if facts.child is None and facts.status.job_name:
            self._count("get", JOBS)
            try:
                self._store.see(JOBS, await self._kube.get(JOBS, facts.status.job_name, namespace=key.namespace))
            except NotFound:
                self._store.forget_child(facts.status.job_name, key)
        asked_at = self._store.now()
        pods = await self.list_all(PODS, namespace=key.namespace, label_selector=f"{JOB_LABEL}={key.name}")
        self._store.relist(PODS, pods, asked_at=asked_at, only=key)

    async def _delete(self, child: ChildJob) -> None:
        """Foreground: the Job stays visible until its pod is gone. Without a policy the pod would be orphaned."""
        self._count("delete", JOBS)
        await self._kube.delete(
            JOBS, child.name, namespace=child.key.namespace, propagation_policy="Foreground", uid=child.uid
        )
        self._store.mark_deleting(child)

    async def _create(self, facts: Facts, manifest: Object) -> bool:
        """True if the Job is there; False, with the reason kept, if the API server would not have it."""
        key = Key(facts.job.metadata.namespace, facts.job.metadata.name)
        self._count("create", JOBS)
        try:
            created = await self._kube.create(JOBS, manifest, namespace=key.namespace)
        except AlreadyExists:
            created = await self._existing(manifest)
            if parse_job(created).owner_uid != facts.job.metadata.uid:
                self._refuse(key, f"a Job named {manifest['metadata']['name']!r} exists already: delete it")
                return False
        except Unavailable:
            raise
        except KubeError as refused:
            self._refuse(key, str(refused))
            return False
        self._store.see(JOBS, created)
        self._store.refusals.pop(key, None)
        return True

    async def _existing(self, manifest: Object) -> Object:
        self._count("get", JOBS)
        metadata = manifest["metadata"]
        return await self._kube.get(JOBS, metadata["name"], namespace=metadata["namespace"])

    def _refuse(self, key: Key, message: str) -> None:
        log.warning("%s: %s", key, message)
        self._store.refusals[key] = Refusal(message, self._clock())

    async def _write(self, facts: Facts, after: TrainingJobStatus) -> None:
        key = Key(facts.job.metadata.namespace, facts.job.metadata.name)
        change = merge_patch_between(_document(facts.status), _document(after))
        metadata = facts.job.metadata
        written = await self._patch_status(key, metadata.uid, metadata.resource_version, change)
        self._store.last_writes[key] = self._clock()
        self._metrics.count(facts.status, after)
        await self._tell(written, happenings(facts.status, after))

    async def _patch_status(self, key: Key, uid: str, version: str, change: dict[str, Any]) -> Object:
        """One merge patch, refused with ``Conflict`` if the object is not this version any more."""
        self._count("patch", TRAINING_JOBS)
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "status": change}
        try:
            written = await self._kube.merge_patch(
                TRAINING_JOBS, key.name, body, namespace=key.namespace, subresource="status"
            )
        except (Conflict, NotFound):
            await self._refresh(key)
            raise
        self._store.see(TRAINING_JOBS, written)
        return written

    async def _refresh(self, key: Key) -> None:
        self._count("get", TRAINING_JOBS)
        known = self._store.job(key)
        try:
            self._store.see(TRAINING_JOBS, await self._kube.get(TRAINING_JOBS, key.name, namespace=key.namespace))
        except NotFound:
            if known:
                self._store.see(TRAINING_JOBS, known, deleted=True)

    async def _tell(self, job: Object, news: Iterable[Happening]) -> None:
        """Events are for people: one that cannot be posted is dropped."""
        for happening in news:
            self._count("create", EVENTS)
            event = event_manifest(job, happening, now=self._clock())
            try:
                await self._kube.create(EVENTS, event, namespace=job["metadata"]["namespace"])
            except KubeError as refused:
                log.debug("event %s was not posted: %s", happening.reason, refused)

    def _count(self, verb: str, resource: Resource) -> None:
        self._metrics.api_requests.labels(verb, resource.plural).inc()


def _needs_proof(facts: Facts) -> bool:
    if facts.status.phase.is_terminal:
        return False
    if facts.child is None:
        return facts.open_attempt is not None
    return facts.child.finished and not (facts.pod and facts.pod.ended)


def _document(status: TrainingJobStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
