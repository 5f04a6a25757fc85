"""What does a run leave behind? An adapter (or model) that is proven to load, with its tokenizer and its card."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from one_ring.api import Progress, TrainingConfig
from one_ring.training import guard
from one_ring.training.card import card
from one_ring.training.data import DataFile
from one_ring.training.loop import save_weights

_PROOF = "proof"


@dataclass(frozen=True)
class Origin:
    """What the card says about where the weights come from."""

    config: TrainingConfig
    files: list[DataFile]
    progress: Progress | None


def save(model: Any, tokenizer: Any, folder: Path, origin: Origin) -> None:
    """Write ``folder`` whole or not at all; raises NonFinite, or RuntimeError if it does not load as it was trained."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT wonders about the ranks of 0 that AdaLoRA may choose
        save_weights(model, unfinished)
        guard.check_files(unfinished)
        _prove(model, unfinished)
    tokenizer.save_pretrained(str(unfinished))
    (unfinished / "README.md").write_text(card(origin.config, origin.files, origin.progress), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _prove(model: Any, folder: Path) -> None:
    """Load what was saved the way its users will, and compare it with what was trained."""
    from safetensors.torch import load_file

    if hasattr(model, "peft_config"):
        loaded = _load_beside(model, folder)
        saved = load_file(str(folder / "adapter_model.safetensors"))
    else:
        loaded, saved = _load_anew(folder), dict(model.state_dict())
    missing = [name for name in saved if name not in loaded]
    changed = [name for name in saved if name in loaded and not _equal(saved[name], loaded[name])]
    if missing or changed or not saved:
        raise RuntimeError(f"{folder.name} does not load as it was trained: {(missing + changed)[:5] or 'it is empty'}")


def _load_beside(model: Any, folder: Path) -> dict[str, Any]:
    """The saved adapter, loaded by PEFT next to the trained one, on the same base model."""
    from peft import get_peft_model_state_dict

    model.load_adapter(str(folder), adapter_name=_PROOF)
    try:
        return dict(get_peft_model_state_dict(model, adapter_name=_PROOF, save_embedding_layers=False))
    finally:
        model.delete_adapter(_PROOF)


def _load_anew(folder: Path) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM

    return dict(AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True).state_dict())


def _equal(saved: Any, loaded: Any) -> bool:
    # PEFT may load by way of the base model's data type: equal is what agrees to the digits of bfloat16.
    close = {"rtol": 2**-7, "atol": 1e-7}
    return saved.shape == loaded.shape and bool(saved.cpu().float().allclose(loaded.cpu().float(), **close))
