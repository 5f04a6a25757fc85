"""However a run ends, its exit code and its last words say how, and success is never claimed lightly."""

from __future__ import annotations

import itertools
import json
import math
import signal
from typing import Any

import pytest

from one_ring.training import guard
from one_ring.training.errors import NonFinite
from one_ring.training.stop import Stop


def test_a_poisoned_base_model_ends_as_non_finite(world: Any, model_maker: Any) -> None:
    model_maker(world.roots.models / "org" / "poisoned", poison=True)

    ended = world.run(model_name_or_path="org/poisoned")

    assert ended.code == 6
    assert ended.final["outcome"] == "failed"
    assert ended.final["failureClass"] == "NonFinite"
    assert "step 1: the loss is nan" in ended.final["message"]
    assert not (ended.folder / "adapter").exists()


def test_nan_in_the_middle_of_a_run_is_no_success(world: Any, tales: list[str]) -> None:
    world.rows("train.jsonl", [*tales, "Q"])  # 'Q' stands nowhere else
    break_embedding(world, "Q")

    ended = world.run(model_name_or_path="org/broken", per_device_train_batch_size=1, num_train_epochs=1)

    assert ended.code == 6, ended.message
    assert ended.final["outcome"] == "failed"
    assert all(math.isfinite(loss) for loss in ended.losses)
    assert not (ended.folder / "adapter").exists()


def test_a_saved_tensor_with_nan_is_found(tmp_path: Any) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"fine": torch.ones(2), "broken": torch.tensor([1.0, float("inf")])}, tmp_path / "x.safetensors")

    with pytest.raises(NonFinite, match=r"broken in x\.safetensors"):
        guard.check_files(tmp_path)


def test_an_evaluation_that_is_not_finite_fails_the_run(world: Any, tales: list[str]) -> None:
    # 'Q' stands nowhere in the training rows: only the evaluation meets its broken embedding.
    world.rows("validation.jsonl", ["Q"])
    break_embedding(world, "Q")

    ended = world.run(model_name_or_path="org/broken", validation_file="validation.jsonl", max_steps=1)

    assert ended.code == 6, ended.message
    assert "evaluation loss" in ended.final["message"]


def break_embedding(world: Any, text: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, target = world.roots.models / "org" / "tiny", world.roots.models / "org" / "broken"
    tokenizer, model = AutoTokenizer.from_pretrained(source), AutoModelForCausalLM.from_pretrained(source)
    model.get_input_embeddings().weight.data[tokenizer(text)["input_ids"][-1]] = float("nan")
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        pytest.param({"model_name_or_path": "org/absent"}, 4, "put the model at", id="absent model, no hub"),
        pytest.param({"model_name_or_path": "./nowhere/at/all"}, 4, "no model in", id="absent path"),
        pytest.param({"model_name_or_path": "../x"}, 2, "lies outside", id="model outside the volume"),
        pytest.param({"fp16": True, "bf16": None}, 2, "needs a GPU", id="fp16 on a CPU"),
        pytest.param({"lora_target_modules": ["nope"]}, 2, "lora_target_modules does not fit", id="no such module"),
        pytest.param(
            {"peft_method": "adalora", "adalora_tinit": 9, "max_steps": 5}, 2, "no step to prune", id="adalora"
        ),
        pytest.param({"train_file": "absent.jsonl"}, 3, "does not exist", id="absent file"),
    ],
)
def test_what_cannot_run_ends_with_its_code_and_a_remedy(
    world: Any, fields: dict[str, Any], code: int, said: str
) -> None:
    ended = world.run(**fields)

    assert ended.code == code, ended.message
    assert said in ended.final["message"]


def test_a_tokenizer_without_eos_is_refused(world: Any, model_maker: Any) -> None:
    model_maker(world.roots.models / "org" / "endless", eos=None)

    ended = world.run(model_name_or_path="org/endless")

    assert ended.code == 2
    assert "EOS" in ended.final["message"]


def test_rows_longer_than_the_model_can_read_are_refused(world: Any, tales: list[str]) -> None:
    world.rows("train.jsonl", [" ".join(tales) * 3])

    ended = world.run(max_seq_length=1024)

    assert ended.code == 2
    assert ended.final["faults"][0]["field"] == "max_seq_length"


def test_a_broken_weights_file_is_a_matter_of_model_access(world: Any, model_maker: Any) -> None:
    folder = model_maker(world.roots.models / "org" / "torn")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    ended = world.run(model_name_or_path="org/torn")

    assert ended.code == 4
    assert "org/torn" in ended.final["message"]


def test_an_unexpected_exception_is_internal_and_says_its_last_line(world: Any) -> None:
    (world.roots.outputs / "job").mkdir()
    (world.roots.outputs / "job" / "checkpoints").write_text("in the way")

    ended = world.run()

    assert ended.code == 203
    assert "internal error: " in ended.final["message"]
    assert ended.final["failureClass"] == "Internal"


def test_sigterm_while_torch_is_loading_ends_at_once(world: Any, eventually: Any) -> None:
    process = world.start()
    eventually(lambda: "loading torch" in world.stdout())

    process.send_signal(signal.SIGTERM)

    ended = world.ended(process)
    assert ended.code == 143
    assert ended.final["outcome"] == "stopped"
    assert ended.final["saved"] is False


def test_sigterm_mid_run_keeps_the_adapter_and_a_checkpoint(world: Any, eventually: Any) -> None:
    process = world.start(max_steps=100_000, logging_steps=1)
    eventually(lambda: '"step": 3,' in world.stdout())

    process.send_signal(signal.SIGTERM)

    ended = world.ended(process)
    assert ended.code == 143
    assert ended.final["outcome"] == "stopped"
    assert ended.final["saved"] is True
    step = ended.final["progress"]["step"]
    assert 3 <= step < 100_000
    assert ended.final["lastCheckpoint"]["step"] == step
    assert (ended.folder / "checkpoints" / f"step-{step}" / "manifest.json").is_file()
    assert (ended.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert all(json.loads(line) for line in world.stdout().splitlines())


class StopsWhen(Stop):
    """A stop that is requested once a condition has held."""

    def __init__(self, condition: Any) -> None:
        self._condition = condition
        super().__init__()

    @property
    def requested(self) -> bool:
        return bool(self._condition())

    @requested.setter
    def requested(self, value: bool) -> None:
        pass


def evaluating() -> bool:
    import inspect

    return any(frame.function == "evaluation_loop" for frame in inspect.stack(context=0))


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_a_stop_during_an_evaluation_does_not_wait_for_its_end(world: Any, tales: list[str], strategy: str) -> None:
    world.rows("validation.jsonl", tales)
    met = False

    def once_evaluating() -> bool:
        nonlocal met
        met = met or evaluating()
        return met

    stop = StopsWhen(once_evaluating)

    ended = world.run(
        stop=stop, validation_file="validation.jsonl", eval_strategy=strategy, eval_steps=2, num_train_epochs=5
    )

    assert ended.code == 143
    assert ended.final["saved"] is True
    assert "evalLoss" not in ended.final["progress"]
    assert ended.final["lastCheckpoint"]["step"] == (2 if strategy == "steps" else 6)


def test_a_stopped_adalora_run_keeps_its_adapter_but_no_checkpoint(world: Any) -> None:
    looks = itertools.count()
    stop = StopsWhen(lambda: next(looks) >= 3)

    ended = world.run(stop=stop, peft_method="adalora", max_steps=50)

    assert ended.code == 143
    assert ended.final["saved"] is True
    assert "lastCheckpoint" not in ended.final
    assert (ended.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert not (ended.folder / "checkpoints").exists()


def test_a_stop_before_the_first_step_saves_nothing_and_says_so(world: Any) -> None:
    ended = world.run(stop=StopsWhen(lambda: True), gradient_accumulation_steps=4)

    assert ended.code == 143
    assert ended.final["saved"] is False
    assert not (ended.folder / "adapter").exists()
