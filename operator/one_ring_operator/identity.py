"""Who sends a progress report? The pod that a projected token is bound to, as the API server says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from one_ring.api.pod import PROGRESS_AUDIENCE
from one_ring_operator.children import Key
from one_ring_operator.cluster import Cluster

_REMEMBERED_SECONDS = 10.0
_REMEMBERED_TOKENS = 4096
_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"


@dataclass(frozen=True)
class Sender:
    """A pod, proven by its token."""

    namespace: str
    pod_name: str
    pod_uid: str

    def may_be_of(self, key: Key) -> bool:
        """It lives in the job's namespace; all else is for the store to say."""
        return self.namespace == key.namespace


class Identities:
    """Has tokens reviewed, and remembers the answer for a few seconds by the token's hash."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._known: dict[str, tuple[float, Sender | None]] = {}

    async def sender(self, token: str) -> Sender | None:
        """The pod that this token was made for; None if it is forged, expired or for another audience."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        at, known = self._known.get(digest, (float("-inf"), None))
        if self._clock() - at < _REMEMBERED_SECONDS:
            return known
        sender = sender_of(await self._cluster.review_token(token, PROGRESS_AUDIENCE))
        if len(self._known) >= _REMEMBERED_TOKENS:
            self._known.clear()
        self._known[digest] = (self._clock(), sender)
        return sender


def sender_of(review: Mapping[str, Any]) -> Sender | None:
    """The pod in a TokenReview's status, if the token is valid, for us, and bound to a pod."""
    if not review.get("authenticated") or PROGRESS_AUDIENCE not in (review.get("audiences") or []):
        return None
    user = review.get("user") or {}
    extra = user.get("extra") or {}
    kind, _, account = str(user.get("username", "")).partition("system:serviceaccount:")
    names, uids = extra.get(_POD_NAME) or [], extra.get(_POD_UID) or []
    if kind or not account or len(names) != 1 or len(uids) != 1:
        return None
    return Sender(account.partition(":")[0], names[0], uids[0])
