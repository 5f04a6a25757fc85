"""What the operator puts into a trainer pod, and where the trainer finds it."""

from __future__ import annotations

from typing import Final

TRAINER_CONTAINER: Final = "trainer"

# Mounts
JOB_FILES: Final = "/etc/one-ring/job"
TOKEN_FILES: Final = "/var/run/secrets/one-ring"
DATASETS_MOUNT: Final = "/datasets"
MODELS_MOUNT: Final = "/models"
OUTPUTS_MOUNT: Final = "/outputs"

# Pod annotations that the downward API turns into files under JOB_FILES
CONFIG_ANNOTATION: Final = "training.one-ring.io/config"
CA_ANNOTATION: Final = "training.one-ring.io/progress-ca"

# Environment
CONFIG_FILE: Final = "ONE_RING_CONFIG_FILE"  # TrainingConfig as JSON
DATASETS_ROOT: Final = "ONE_RING_DATASETS_ROOT"
MODELS_ROOT: Final = "ONE_RING_MODELS_ROOT"
OUTPUTS_ROOT: Final = "ONE_RING_OUTPUTS_ROOT"
JOB_DIR: Final = "ONE_RING_JOB_DIR"  # folder under the outputs root that is used when output_dir is empty
RUN_ID: Final = "ONE_RING_RUN_ID"  # the TrainingJob's uid: checkpoints of another run are never resumed
ATTEMPT: Final = "ONE_RING_ATTEMPT"
PROGRESS_URL: Final = "ONE_RING_PROGRESS_URL"  # full URL of this job's progress endpoint; unset: nobody listens
PROGRESS_TOKEN_FILE: Final = "ONE_RING_PROGRESS_TOKEN_FILE"
PROGRESS_CA_FILE: Final = "ONE_RING_PROGRESS_CA_FILE"
TERMINATION_MESSAGE_FILE: Final = "ONE_RING_TERMINATION_MESSAGE_FILE"

PROGRESS_AUDIENCE: Final = "one-ring-progress"


def progress_path(namespace: str, name: str) -> str:
    """Path of the operator's endpoint that takes the progress of one job."""
    return f"/v1alpha1/namespaces/{namespace}/trainingjobs/{name}/progress"


def job_dir(name: str, uid: str) -> str:
    """The job's own folder on the outputs volume; the uid keeps a successor of the same name apart."""
    return f"{name}-{uid[:8]}"
