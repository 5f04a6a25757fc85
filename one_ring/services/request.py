"""What a program can ask for, and the TrainingJob that comes of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from one_ring.api import (
    API_VERSION,
    DISPLAY_NAME_ANNOTATION,
    KIND,
    Resources,
    SecretKey,
    Storage,
    TrainingConfig,
    TrainingJobSpec,
)
from one_ring.api.model import Model
from one_ring.api.spec import EnvVar, LabelValue, LocalObjectReference, Toleration

_EXAMPLE: JsonDict = {
    "config": {
        "model_name_or_path": "meta-llama/Llama-2-7b-chat-hf",
        "train_file": "path/to/train.jsonl",
        "num_train_epochs": 3,
        "use_peft": True,
        "peft_method": "lora",
    },
    "name": "my-finetuning-job",
    "start_immediately": True,
}


class JobRequest(Model):
    """A new training job. What is left out of resources and storage comes from the chart's values."""

    model_config = ConfigDict(strict=True, json_schema_extra={"examples": [_EXAMPLE]})

    config: TrainingConfig = Field(description="What to train and how.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")] = Field(
        description="A name for people; the id is made from it."
    )
    start_immediately: bool = Field(False, description="False leaves it pending until it is started.")
    resources: Resources | None = Field(None, description="What the job's pod takes.")
    storage: Storage | None = Field(None, description="The volumes of the job.")
    hf_token_secret: SecretKey | None = Field(None, description="Secret with a Hugging Face token, for gated models.")
    image_pull_secrets: list[LocalObjectReference] | None = Field(
        None, max_length=16, description="Secrets to pull with."
    )
    node_selector: dict[str, LabelValue] | None = Field(None, max_length=64, description="Labels the node must carry.")
    tolerations: list[Toleration] | None = Field(None, max_length=64, description="Taints to tolerate.")
    env: list[EnvVar] | None = Field(None, max_length=256, description="Environment of the trainer.")


def manifest(request: JobRequest, *, name: str) -> dict[str, Any]:
    """The TrainingJob to create: only what was said, so that the cluster's defaults do the rest."""
    said = {name: getattr(request, name) for name in request.model_fields_set - {"name", "start_immediately"}}
    spec = TrainingJobSpec(**said_only(said), suspend=not request.start_immediately)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "annotations": {DISPLAY_NAME_ANNOTATION: request.name}},
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True),
    }


def said_only(fields: dict[str, Any]) -> dict[str, Any]:
    """Without the ones that say nothing."""
    return {name: value for name, value in fields.items() if value is not None}
