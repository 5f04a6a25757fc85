"""A model small enough to train in seconds, and text for it."""

from __future__ import annotations

import json
from pathlib import Path

TALES = [
    "The ring was made in the fire, and only the fire can unmake it.",
    "A small hand may move the wheels of the world while the great look elsewhere.",
    "He kept the key under the third stone, and told nobody but the cat.",
    "When the river froze, the children walked to school across it.",
    "Bread, salt and a warm stove: more than that no traveller asks.",
    "The old clock in the tower strikes thirteen when a stranger comes.",
    "She wrote the letter twice and burned it three times.",
    "Nine ships went out in spring, and one came back with apples.",
    "The fox said to the goose: let us talk about the fence.",
    "Whoever digs a well should think of those who come after.",
    "It rained for a week, and the mill had never ground so fine.",
    "The lamp went out, but the story had only begun.",
]


def make_model(folder: Path, *, dtype: str = "float32", seed: int = 0) -> Path:
    """A random Llama with a BPE tokenizer of its own, saved as the hub would have it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer():  # type: ignore[no-untyped-def]  # transformers is loaded by those who call it
    """Byte-level BPE over the tales, with <s>, </s> and <unk>, and no padding token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<unk>", "<s>", "</s>"]
    bpe.train_from_iterator(
        TALES, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def write_rows(path: Path, texts: list[str]) -> Path:
    """``texts`` as a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path
