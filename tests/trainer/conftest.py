"""A tiny base model, real text, and one fixture that runs the trainer on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # the tests share their cores; more threads would only wait for each other
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from one_ring.api import TrainingConfig, pod
from one_ring.training.place import Listener, Place, Roots
from one_ring.training.run import run
from one_ring.training.stop import Stop

REPOSITORY = Path(__file__).parents[2]
MODEL = "org/tiny"
DEADLINE_SECONDS = 300.0

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


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    code: int
    folder: Path
    message: str

    @property
    def final(self) -> dict[str, Any]:
        """The termination message."""
        parsed: dict[str, Any] = json.loads(self.message)
        return parsed

    @property
    def report(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return parsed

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]

    @property
    def losses(self) -> list[float]:
        return [entry["loss"] for entry in self.metrics if "loss" in entry]


class World:
    """Folders as a pod has them, and ways to run the trainer there."""

    def __init__(self, folder: Path, base_model: Path) -> None:
        self.folder = folder
        self.roots = Roots(folder / "datasets", folder / "models", folder / "outputs")
        for root in (self.roots.datasets, self.roots.models / "org", self.roots.outputs):
            root.mkdir(parents=True)
        (self.roots.models / MODEL).symlink_to(base_model)
        self.rows("train.jsonl", TALES * 2)

    def rows(self, name: str, texts: list[str]) -> None:
        """A file of rows on the datasets volume."""
        self.lines(name, [json.dumps({"text": text}) for text in texts])

    def lines(self, name: str, lines: list[str]) -> None:
        (self.roots.datasets / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def config(self, **fields: Any) -> dict[str, Any]:
        usual = {
            "model_name_or_path": MODEL,
            "train_file": "train.jsonl",
            "learning_rate": 1e-2,
            "num_train_epochs": 2,
            "logging_steps": 1,
            "save_steps": 1000,
            "max_seq_length": 64,
            "bf16": False,
        }
        return {**usual, **fields}

    def run(
        self, *, run_id: str = "run-1", stop: Stop | None = None, listener: Listener | None = None, **fields: Any
    ) -> Ended:
        """Train in this process."""
        message_file = self.folder / "termination-log"
        place = Place(self.roots, "job", run_id=run_id, message_file=str(message_file), listener=listener)
        config = TrainingConfig.model_validate(self.config(**fields))
        code = run(lambda: config, place, stop or Stop())
        return Ended(code, self.roots.outputs / "job", message_file.read_text())

    def start(self, **fields: Any) -> subprocess.Popen[bytes]:
        """Train in a process of its own, as the image does."""
        config_file = self.folder / "config.json"
        config_file.write_text(json.dumps(self.config(**fields)))
        env = {
            **os.environ,
            pod.CONFIG_FILE: str(config_file),
            pod.DATASETS_ROOT: str(self.roots.datasets),
            pod.MODELS_ROOT: str(self.roots.models),
            pod.OUTPUTS_ROOT: str(self.roots.outputs),
            pod.JOB_DIR: "job",
            pod.RUN_ID: "run-1",
            pod.TERMINATION_MESSAGE_FILE: str(self.folder / "termination-log"),
        }
        with (self.folder / "stdout").open("wb") as out, (self.folder / "stderr").open("wb") as err:
            command = [sys.executable, str(REPOSITORY / "trainer-image" / "entrypoint.py")]
            return subprocess.Popen(command, env=env, stdout=out, stderr=err)

    def ended(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for a process that was started here."""
        code = process.wait(DEADLINE_SECONDS)
        return Ended(code, self.roots.outputs / "job", (self.folder / "termination-log").read_text())

    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fail the test after five minutes."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    return wait_until


@pytest.fixture
def tales() -> list[str]:
    return list(TALES)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a tokenizer of its own, as the hub would have it."""
    return make_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model_maker() -> Callable[..., Path]:
    return make_model


@pytest.fixture
def world(tmp_path: Path, base_model: Path) -> World:
    """A place to train in."""
    return World(tmp_path, base_model)


@pytest.fixture
def tokenizer(base_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(base_model)


def make_model(folder: Path, *, dtype: str = "float32", eos: str | None = "</s>", poison: bool = False) -> Path:
    """A Llama of 100,000 random weights; ``poison`` makes one of them NaN."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(eos)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    model = LlamaForCausalLM(config)
    if poison:
        model.lm_head.weight.data[5, 5] = float("nan")
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tokenizer(eos: str | None) -> Any:
    """Byte-level BPE over the tales, without a padding token, as Llama 2 has none."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TALES, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token=eos, unk_token="<unk>")
