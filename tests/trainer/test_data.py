"""What is trained is exactly what the file says, and a file that cannot be trained on is refused line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from one_ring.training import data, tokens
from one_ring.training.errors import DataRefused


def encode(world: Any, tokenizer: Any, texts: list[str], max_length: int = 64) -> tokens.Rows:
    world.rows("rows.jsonl", texts)
    [file] = data.check([world.roots.datasets / "rows.jsonl"], world.roots.datasets)
    return tokens.tokenise(file, tokenizer, max_length)


def test_eos_ends_a_row_and_is_trained(world: Any, tokenizer: Any, tales: list[str]) -> None:
    rows = encode(world, tokenizer, tales)

    batch = tokens.Collator(tokens.pad_id(tokenizer))([rows[0], rows[6]])

    for ids, labels, seen in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        length = int(seen.sum())
        assert labels[length - 1] == ids[length - 1] == tokenizer.eos_token_id
        assert labels[:length].tolist() == ids[:length].tolist()
        assert set(labels[length:].tolist()) <= {tokens.IGNORED}


def test_a_real_eos_is_trained_even_where_eos_is_the_padding(world: Any, tokenizer: Any) -> None:
    rows = encode(world, tokenizer, ["short", "a much longer text than the other one"])

    batch = tokens.Collator(tokenizer.eos_token_id)([rows[0], rows[1]])

    assert [int(row.eq(tokenizer.eos_token_id).sum()) for row in batch["labels"]] == [1, 1]
    assert int(batch["input_ids"][0].eq(tokenizer.eos_token_id).sum()) > 1


@pytest.mark.parametrize("text", ["plain", "<s>brings its own", "brings its own</s>", "<s>brings both</s>"])
def test_a_row_has_one_bos_and_one_eos(world: Any, tokenizer: Any, text: str) -> None:
    ids = encode(world, tokenizer, [text])[0]["input_ids"]

    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.bos_token_id) == ids.count(tokenizer.eos_token_id) == 1


def test_a_row_that_is_cut_has_not_ended(world: Any, tokenizer: Any, tales: list[str]) -> None:
    rows = encode(world, tokenizer, [tales[1], "short"], max_length=8)

    assert rows.cut == 1
    assert len(rows[0]["input_ids"]) == 8
    assert tokenizer.eos_token_id not in rows[0]["input_ids"]
    assert rows[1]["input_ids"][-1] == tokenizer.eos_token_id


def test_a_line_that_makes_no_tokens_is_refused_with_its_number(world: Any, tokenizer: Any) -> None:
    tokenizer._tokenizer.post_processor = None  # no BOS either

    with pytest.raises(DataRefused) as refused:
        encode(world, tokenizer, ["fine", "</s>"])

    assert [fault.line for fault in refused.value.faults] == [2]


def test_trained_tokens_are_counted_without_padding(world: Any, tokenizer: Any, tales: list[str]) -> None:
    rows = encode(world, tokenizer, tales * 2)

    ended = world.run(num_train_epochs=2)

    once = sum(len(rows[index]["input_ids"]) - 1 for index in range(len(rows)))
    assert ended.final["progress"]["tokensSeen"] == 2 * once


def test_bad_lines_end_the_run_with_code_3_and_every_number(world: Any) -> None:
    good = json.dumps({"text": "fine"})
    bad = ["{", "[1]", '{"txt": "x"}', '{"text": 5}', '{"text": "  "}', '{"text": "\\ud800"}']
    world.lines("train.jsonl", [good, *bad, good, *["nonsense"] * 30])

    ended = world.ended(world.start())

    assert ended.code == 3
    assert ended.final["failureClass"] == "Data"
    assert ended.final["faultCount"] == 36
    assert len(ended.message.encode()) <= 4096
    assert [fault["line"] for fault in ended.final["faults"]] == [*range(2, 8), *range(9, 23)]
    assert [fault["line"] for fault in ended.report["faults"]] == [*range(2, 8), *range(9, 39)]
    assert {fault["file"] for fault in ended.report["faults"]} == {"train.jsonl"}
    lines = [json.loads(line) for line in world.stdout().splitlines()]
    assert lines[-1]["level"] == "error"
    assert (ended.folder / "train.log").read_text() == world.stdout()
