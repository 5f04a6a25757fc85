"""What stands in the way of an attempt: the claim, secret or image that is missing, or the scheduler's reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from one_ring_operator.children import ChildPod

_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" not found')
_SECRET = re.compile(r'secret "([^"]+)" not found')
_SECRET_KEY = re.compile(r"couldn't find key (\S+) in Secret [^/\s]+/(\S+)")
_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*": ErrImagePull: ')
_IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
_CONTAINER_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


@dataclass(frozen=True)
class Blocker:
    """Why the trainer does not start: a word for programs, a sentence for people."""

    reason: str
    message: str


def blocker_of(pod: ChildPod, *, image: str) -> Blocker | None:
    """What keeps this pod's trainer from starting; None when nothing does."""
    if pod.unschedulable and not pod.scheduled:
        return _unschedulable(pod)
    if pod.waiting_reason in _IMAGE_REASONS:
        return Blocker("ImagePullFailed", _image(pod, image))
    if pod.waiting_reason in _CONTAINER_REASONS:
        return _container(pod)
    return None


def _unschedulable(pod: ChildPod) -> Blocker:
    if claim := _CLAIM.search(pod.unschedulable):
        fault = f"claim {claim[1]!r} not found in namespace {pod.key.namespace!r}"
        return Blocker("ClaimNotFound", f"{fault}: create it, or name another one in spec.storage")
    return Blocker("Unschedulable", pod.unschedulable)


def _container(pod: ChildPod) -> Blocker:
    if secret := _SECRET.search(pod.waiting_message):
        fault = f"secret {secret[1]!r} not found in namespace {pod.key.namespace!r}"
        return Blocker("SecretNotFound", f"{fault}: create it, or name another one in spec.hfTokenSecret")
    if key := _SECRET_KEY.search(pod.waiting_message):
        fault = f"secret {key[2]!r} has no key {key[1]!r}"
        return Blocker("SecretKeyNotFound", f"{fault}: add it, or name another one in spec.hfTokenSecret.key")
    return Blocker("ContainerNotCreated", pod.waiting_message or pod.waiting_reason)


def _image(pod: ChildPod, image: str) -> str:
    # The kubelet alternates between an error and a back-off that quotes it; the same sentence for both is one write.
    said = _BACK_OFF.sub("", pod.waiting_message)
    if said.startswith("Back-off pulling image") or not said:
        said = pod.waiting_reason
    return f"image {image!r} cannot be pulled: {said}"
