"""Which base model, and how is it loaded? From the models volume first, then from the hub; safetensors only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from one_ring.api import TrainingConfig
from one_ring.training.errors import ConfigRefused, ModelUnavailable, refuse_field
from one_ring.training.hardware import Hardware, Precision
from one_ring.training.place import inside
from one_ring.training.tokens import Rows

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
_FIELD = "model_name_or_path"


@dataclass(frozen=True)
class Base:
    """The base model: its name as the user wrote it, and where it is read from."""

    name: str
    source: str
    models_root: Path

    @property
    def is_local(self) -> bool:
        return Path(self.source).is_absolute()


def find(name: str, models_root: Path) -> Base:
    """Where ``name`` is read from; raises ConfigRefused for a path that leaves the models root."""
    folder = inside(models_root, name, field=_FIELD)
    if (folder / "config.json").is_file():
        return Base(name, str(folder), models_root)
    if folder.is_dir() and any(folder.iterdir()):
        raise ModelUnavailable(f"{folder} has no config.json: copy the whole model there, in the Hugging Face layout")
    if not _HUB_ID.match(name):
        raise ModelUnavailable(f"no model in {folder}: put it there, or give its name on the Hugging Face hub")
    return Base(name, name, models_root)


def load_tokenizer(base: Base) -> Any:
    """The model's own tokenizer; it must have an EOS token, or the model could never learn to stop."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base.source, local_files_only=base.is_local)
    except Exception as error:
        raise _unavailable(base, error, "the tokenizer") from error
    if tokenizer.eos_token_id is None:
        raise refuse_field(_FIELD, f"{base.name!r} has a tokenizer without an EOS token: set eos_token in its files")
    return tokenizer


def load(base: Base, config: TrainingConfig, precision: Precision, hardware: Hardware) -> Any:
    """The base model, quantised when the config says so."""
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {}
    if quantisation := _quantisation(config, precision):
        options["quantization_config"] = quantisation
        options["device_map"] = {"": 0 if hardware.cuda else "cpu"}
    # Weights that are themselves trained stay in float32: bfloat16 has too few digits for small updates.
    dtype = getattr(torch, precision) if config.use_peft else torch.float32
    try:
        return AutoModelForCausalLM.from_pretrained(
            base.source, dtype=dtype, use_safetensors=True, local_files_only=base.is_local, **options
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise _unavailable(base, error, "the weights") from error


def check_fit(base: Base, model: Any, rows: list[Rows]) -> None:
    """Refuse rows that the model has no embeddings or no positions for."""
    known = model.get_input_embeddings().num_embeddings
    if (largest := max(part.largest_id for part in rows)) >= known:
        raise refuse_field(_FIELD, f"{base.name!r} has a tokenizer that does not fit it: token {largest} of {known}")
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions and (longest := max(part.longest for part in rows)) > positions:
        message = f"lets rows of {longest} tokens through, but {base.name} takes {positions}: lower it to {positions}"
        raise refuse_field("max_seq_length", message)


def _quantisation(config: TrainingConfig, precision: Precision) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if config.load_in_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)
    if config.peft_method != "qlora":
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=config.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=config.bnb_4bit_use_double_quant,
        bnb_4bit_compute_dtype=getattr(torch, config.bnb_4bit_compute_dtype or precision),
    )


def _unavailable(base: Base, error: Exception, part: str) -> ConfigRefused | ModelUnavailable:
    """What an exception of transformers or the hub means for the user, and what to do."""
    causes = _causes(error)
    kinds = {type(cause).__name__ for cause in causes}
    if "GatedRepoError" in kinds:
        return ModelUnavailable(
            f"{base.name} is gated: accept its licence at https://huggingface.co/{base.name} and give a token that may "
            "read it (spec.hfTokenSecret on a cluster, HF_TOKEN on a laptop)"
        )
    if base.is_local:
        return _unreadable(base, error, part)
    if kinds & {"RepositoryNotFoundError", "HfHubHTTPError", "HTTPStatusError"}:
        return ModelUnavailable(
            f"{base.name} is neither in {base.models_root} nor readable on the Hugging Face hub: check the name; if it "
            "is private, give a token (spec.hfTokenSecret on a cluster, HF_TOKEN on a laptop)"
        )
    if kinds & {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectionError", "ConnectError", "ConnectTimeout"}:
        return ModelUnavailable(
            f"{base.name} is not in {base.models_root} and the Hugging Face hub cannot be reached: put the model at "
            f"{base.models_root / base.name}"
        )
    return _unreadable(base, error, part)


def _unreadable(base: Base, error: Exception, part: str) -> ConfigRefused | ModelUnavailable:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "Unrecognized configuration class" in said or "does not recognize this architecture" in str(error):
        return refuse_field(_FIELD, f"{base.name!r} is no causal language model that this version can train")
    if "safetensors" in said and "no file" in said:
        said += "; only safetensors are read: convert the model first"
    return ModelUnavailable(f"{part} of {base.name} cannot be read from {base.source}: {said}")


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
