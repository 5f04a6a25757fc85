"""Writes the same beginnings on with the base model alone and with the adapter: plain Transformers and PEFT.

Runs in the trainer's environment: `python demo/compare.py BASE ADAPTER BEGINNING…` prints JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

TOKENS_AT_MOST = 40


def main(base: str, adapter: str, beginnings: list[str]) -> None:
    """Prints ``[{beginning, without, with}]``."""
    warnings.filterwarnings("ignore")
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    written = []
    for beginning in beginnings:
        with model.disable_adapter():
            without = write_on(beginning, model, tokenizer)
        written.append({"beginning": beginning, "without": without, "with": write_on(beginning, model, tokenizer)})
    print(json.dumps(written, ensure_ascii=False))


def write_on(beginning: str, model: Any, tokenizer: Any) -> str:
    """The beginning and what the model makes of it; the same each time."""
    import torch

    torch.manual_seed(1)
    inputs = tokenizer(beginning, return_tensors="pt")
    tokens = model.generate(
        **inputs, max_new_tokens=TOKENS_AT_MOST, do_sample=True, temperature=0.6, top_p=0.9, pad_token_id=2
    )
    return str(tokenizer.decode(tokens[0], skip_special_tokens=True)).strip()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
