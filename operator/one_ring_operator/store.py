"""What is known without asking: TrainingJobs and their children as events and listings showed them, and hints.

Events may come twice, late or out of order: an older version never replaces a newer one, and what was deleted stays so.
Everything here can be lost at any moment; a listing brings it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from one_ring.api import Phase, ProgressReport
from one_ring.kube import JOBS, PODS, TRAINING_JOBS, Object, Resource
from one_ring_operator.children import ChildJob, ChildPod, Key, key_of, parse_job, parse_pod, version_of
from one_ring_operator.facts import Refusal

T = TypeVar("T")
_REMEMBERED_SECONDS = 3600.0


@dataclass
class _Entry(Generic[T]):
    key: Key
    version: int
    seen_at: float
    value: T


@dataclass
class _Shelf(Generic[T]):
    """All objects of one kind, by uid and by TrainingJob."""

    entries: dict[str, _Entry[T]] = field(default_factory=dict)
    uids: dict[Key, set[str]] = field(default_factory=dict)
    deleted_at: dict[str, float] = field(default_factory=dict)

    def put(self, uid: str, entry: _Entry[T]) -> bool:
        """True if this is news."""
        known = self.entries.get(uid)
        if uid in self.deleted_at or (known and known.version >= entry.version):
            if known:
                known.seen_at = entry.seen_at
            return False
        self.entries[uid] = entry
        self.uids.setdefault(entry.key, set()).add(uid)
        return True

    def drop(self, uid: str, *, at: float) -> bool:
        """True if this is news."""
        news = uid not in self.deleted_at
        self.deleted_at[uid] = at
        return self.forget(uid) or news

    def forget(self, uid: str) -> bool:
        entry = self.entries.pop(uid, None)
        if entry is None:
            return False
        self.uids[entry.key].discard(uid)
        if not self.uids[entry.key]:
            del self.uids[entry.key]
        return True

    def of(self, key: Key) -> Iterator[T]:
        return (self.entries[uid].value for uid in sorted(self.uids.get(key, ())))

    def missing_from(self, uids: set[str], *, asked_at: float) -> list[str]:
        """What a listing that was asked for at this time no longer shows."""
        return [uid for uid, entry in self.entries.items() if uid not in uids and entry.seen_at < asked_at]


class Store:
    """The operator's memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._jobs: _Shelf[Object] = _Shelf()
        self._children: _Shelf[ChildJob] = _Shelf()
        self._pods: _Shelf[ChildPod] = _Shelf()
        self._gone: dict[Key, dict[str, tuple[float, ChildPod]]] = {}
        self.reports: dict[Key, ProgressReport] = {}
        self.refusals: dict[Key, Refusal] = {}
        self.last_writes: dict[Key, datetime] = {}

    def see(self, kind: Resource, body: Mapping[str, Any], *, deleted: bool = False) -> Key | None:
        """Takes in one object; the TrainingJob to look at again, or None if this was no news."""
        key = _owner(kind, body)
        if not key.name:
            return None
        uid = body["metadata"]["uid"]
        if deleted:
            return key if self._delete(kind, uid, body) else None
        entry = _Entry(key, version_of(body), self._clock(), _parse(kind, body))
        return key if self._shelf(kind).put(uid, entry) else None

    def relist(
        self, kind: Resource, bodies: Iterable[Mapping[str, Any]], *, asked_at: float, only: Key | None = None
    ) -> set[Key]:
        """Takes in a listing (of one job's objects with ``only``); the TrainingJobs it brings news of."""
        listed = list(bodies)
        news = {key for body in listed if (key := self.see(kind, body))}
        shelf = self._shelf(kind)
        for uid in shelf.missing_from({body["metadata"]["uid"] for body in listed}, asked_at=asked_at):
            entry = shelf.entries[uid]
            if only in (None, entry.key):
                self._delete(kind, uid, None)
                news.add(entry.key)
        self._forget_the_old()
        return news

    def known_jobs(self) -> list[Key]:
        """Every TrainingJob."""
        return list(self._jobs.uids)

    def job(self, key: Key) -> Object | None:
        """The TrainingJob as last seen; of two of the same name the newer."""
        return max(self._jobs.of(key), key=version_of, default=None)

    def is_over(self, key: Key) -> bool:
        """The job is in a terminal phase."""
        phase = ((self.job(key) or {}).get("status") or {}).get("phase")
        return phase is not None and Phase(phase).is_terminal

    def children(self, key: Key, uid: str) -> tuple[ChildJob, ...]:
        """The Jobs that belong to the TrainingJob of this uid."""
        return tuple(child for child in self._children.of(key) if child.run_id == child.owner_uid == uid)

    def pods(self, key: Key, uid: str) -> tuple[ChildPod, ...]:
        """The pods of the TrainingJob of this uid, also those deleted a while ago."""
        gone = (pod for _, pod in self._gone.get(key, {}).values())
        return tuple(pod for pod in (*self._pods.of(key), *gone) if pod.run_id == uid)

    def mark_deleting(self, child: ChildJob) -> None:
        """The API server has been told to delete it; the event will say so too."""
        entry = self._children.entries.get(child.uid)
        if entry:
            entry.value = replace(entry.value, deleting=True)

    def forget_child(self, child_name: str, key: Key) -> None:
        """The API server says that there is no Job of this name."""
        for child in list(self._children.of(key)):
            if child.name == child_name:
                self._children.drop(child.uid, at=self._clock())

    def now(self) -> float:
        """The store's own clock, for ``asked_at``."""
        return self._clock()

    def _delete(self, kind: Resource, uid: str, body: Mapping[str, Any] | None) -> bool:
        shelf = self._shelf(kind)
        entry = shelf.entries.get(uid)
        if kind is PODS and (body or entry):
            pod = parse_pod(body, gone=True) if body else replace(self._pods.entries[uid].value, gone=True)
            if pod.key in self._jobs.uids:
                self._gone.setdefault(pod.key, {}).setdefault(uid, (self._clock(), pod))
        if kind is TRAINING_JOBS and entry and len(self._jobs.uids[entry.key]) == 1:
            self._forget_hints(entry.key)
        return shelf.drop(uid, at=self._clock())

    def _forget_hints(self, key: Key) -> None:
        for hints in (self.reports, self.refusals, self.last_writes, self._gone):
            hints.pop(key, None)

    def _forget_the_old(self) -> None:
        limit = self._clock() - _REMEMBERED_SECONDS
        for shelf in (self._jobs, self._children, self._pods):
            shelf.deleted_at = {uid: at for uid, at in shelf.deleted_at.items() if at > limit}
        kept = {key: {u: gone for u, gone in pods.items() if gone[0] > limit} for key, pods in self._gone.items()}
        self._gone = {key: pods for key, pods in kept.items() if pods}

    def _shelf(self, kind: Resource) -> _Shelf[Any]:
        shelves: dict[Resource, _Shelf[Any]] = {
            TRAINING_JOBS: self._jobs,
            JOBS: self._children,
            PODS: self._pods,
        }
        return shelves[kind]


def _owner(kind: Resource, body: Mapping[str, Any]) -> Key:
    if kind is TRAINING_JOBS:
        return Key(body["metadata"]["namespace"], body["metadata"]["name"])
    return key_of(body)


def _parse(kind: Resource, body: Mapping[str, Any]) -> Any:
    if kind is JOBS:
        return parse_job(body)
    if kind is PODS:
        return parse_pod(body)
    return {**body, "metadata": {k: v for k, v in body["metadata"].items() if k != "managedFields"}}
