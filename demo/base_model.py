"""Makes the demo's base model: a small Llama and its tokenizer, pre-trained from nothing on `text/prose.txt`.

Runs in the trainer's environment: `python -m demo.base_model FOLDER`. The same text and code make the same model; see
`fingerprint`. A few minutes on one core: Muon learns the weight matrices in a third of the steps that AdamW needs.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.places import TEXT, cache

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

PROSE = TEXT / "prose.txt"
PARAGRAPHS_BEGIN = ("And it came to pass", "Now ", "Then ", "So ", "And God said", "And the LORD said", "My son")
VOCABULARY_SIZE = 4096
HIDDEN_SIZE = 192
LAYERS = 4
HEADS = 4
CONTEXT_TOKENS = 128
BATCH_ROWS = 16
STEPS = 360
SEED = 7
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
_NOT_TRAINED = -100


def fingerprint() -> str:
    """Names what the model is made from: this file and the text."""
    made_from = Path(__file__).read_bytes() + PROSE.read_bytes()
    return hashlib.sha256(made_from).hexdigest()[:12]


def cached_folder() -> Path:
    """Where the model lies, or is to lie, between runs."""
    return cache() / f"base-{fingerprint()}"


def is_made() -> bool:
    return (cached_folder() / "config.json").exists()


def make(folder: Path) -> None:
    """Trains model and tokenizer and saves them as any Llama is saved: whole, or not at all."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(int(os.environ.get("DEMO_THREADS") or 1))
    chapters = [chapter.splitlines() for chapter in PROSE.read_text().strip().split("\n\n")]
    tokenizer = make_tokenizer([" ".join(verses) for verses in chapters])
    corpus = Corpus.of(chapters, tokenizer)
    model = make_model()
    say(f"{model.num_parameters() / 1e6:.1f} million parameters, {corpus.tokens} tokens of text")
    train(model, corpus)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    save_tokenizer(tokenizer, unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def make_tokenizer(texts: list[str]) -> Tokenizer:
    """A byte-level BPE tokenizer of the text, with Llama's special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[UNKNOWN, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    begin = (BEGIN, tokenizer.token_to_id(BEGIN))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[begin])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=UNKNOWN,
        model_max_length=2 * CONTEXT_TOKENS,
    )
    wrapped.save_pretrained(folder)


def make_model() -> Any:
    """A Llama of random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY_SIZE,
            hidden_size=HIDDEN_SIZE,
            intermediate_size=512,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=2 * CONTEXT_TOKENS,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=None,
            tie_word_embeddings=True,
        )
    )


@dataclass(frozen=True)
class Corpus:
    """The text as tokens: each chapter a list that ends with ``</s>``, and where in it a verse begins."""

    chapters: list[list[int]]
    beginnings: list[tuple[int, int]]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.chapters))

    @classmethod
    def of(cls, chapters: list[list[str]], tokenizer: Tokenizer) -> Corpus:
        tokens: list[list[int]] = []
        beginnings: list[tuple[int, int]] = []
        for number, verses in enumerate(chapters):
            tokens.append([])
            for verse, following in pairwise([*verses, ""]):
                beginnings.append((number, len(tokens[number])))
                gap = "\n" if following.startswith(PARAGRAPHS_BEGIN) else " "
                tokens[number] += tokenizer.encode(verse + gap, add_special_tokens=False).ids
            tokens[number].append(2)
        return cls(tokens, beginnings)

    def batch(self, chance: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and labels (rows x tokens): pieces of chapters, each from the beginning of a verse."""
        import torch

        rows = []
        for chapter, start in chance.choices(self.beginnings, k=BATCH_ROWS):
            row = [1, *self.chapters[chapter][start : start + CONTEXT_TOKENS - 1]]
            rows.append(row + [_NOT_TRAINED] * (CONTEXT_TOKENS - len(row)))
        labels = torch.tensor(rows)
        return labels.clamp(min=0), labels


def train(model: Any, corpus: Corpus) -> None:
    """Trains in place, saying every few steps how far it is."""
    import torch

    chance = random.Random(SEED)
    optimizers = make_optimizers(model)
    courses = [torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor) for optimizer in optimizers]
    started = time.monotonic()
    for step in range(1, STEPS + 1):
        inputs, labels = corpus.batch(chance)
        loss = model(input_ids=inputs, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in (*optimizers, *courses):
            part.step()
        model.zero_grad()
        if step % 10 == 0:
            left = (time.monotonic() - started) / step * (STEPS - step)
            say(f"step {step} of {STEPS}, loss {loss.item():.2f}, about {math.ceil(left)} s left")


def make_optimizers(model: Any) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings and norms."""
    import torch

    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in name)]
    return [
        torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1),
    ]


def learning_rate_factor(step: int) -> float:
    """Short warm-up, then level, then down to nothing over the last 60 %."""
    return min(1.0, (step + 1) / 30, (STEPS - step) / (STEPS * 0.6))


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
