"""What is this adapter? Its model card: enough to know it again, and to make it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from one_ring import __version__
from one_ring.api import Progress, TrainingConfig, dump_yaml
from one_ring.training.data import DataFile

_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


def card(config: TrainingConfig, files: Sequence[DataFile], progress: Progress | None) -> str:
    """The card as Markdown with the hub's metadata on top."""
    header = {"library_name": "peft" if config.use_peft else "transformers", "base_model": config.model_name_or_path}
    return "\n".join(
        [
            f"---\n{dump_yaml(header)}---",
            f"# {_title(config)}",
            *_how_to_load(config),
            "\n## Training",
            *_course(progress),
            "\n## Data\n",
            "| file | rows | sha256 |\n| --- | --- | --- |",
            *(f"| `{file.name}` | {file.rows} | `{file.sha256}` |" for file in files),
            f"\n## Configuration\n\n```yaml\n{dump_yaml(config.model_dump(exclude_none=True))}```",
            "\n## Versions\n",
            *(f"- {name} {number}" for name, number in versions().items()),
            "",
        ]
    )


def versions() -> dict[str, str]:
    """Versions of what decides the result."""
    found = {"one-ring": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _title(config: TrainingConfig) -> str:
    method = {"lora": "LoRA", "qlora": "QLoRA", "adalora": "AdaLoRA"}[config.peft_method]
    return f"{method} adapter of {config.model_name_or_path}" if config.use_peft else config.model_name_or_path


def _how_to_load(config: TrainingConfig) -> list[str]:
    if not config.use_peft:
        return []
    name = json.dumps(config.model_name_or_path)
    return [
        "\n```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n",
        f"base = AutoModelForCausalLM.from_pretrained({name})",
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
        'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
        "```",
    ]


def _course(progress: Progress | None) -> list[str]:
    if progress is None:
        return []
    facts = {
        "steps": f"{progress.step} of {progress.total_steps}",
        "epochs": progress.epoch,
        "trained tokens": progress.tokens_seen,
        "training loss": progress.loss,
        "evaluation loss": progress.eval_loss,
    }
    return ["", *(f"- {name}: {value}" for name, value in facts.items() if value is not None)]
