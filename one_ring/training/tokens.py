"""What exactly is trained? Rows as token ids that end in EOS, padded into batches without touching a real EOS."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from one_ring.api import Fault
from one_ring.training import data
from one_ring.training.errors import DataRefused

_log = logging.getLogger(__name__)
IGNORED = -100
_BATCH_ROWS = 256
T = TypeVar("T")


class Rows:
    """Tokenised rows, four bytes a token; what ``transformers.Trainer`` takes as a dataset."""

    def __init__(self) -> None:
        self._rows: list[array[int]] = []
        self.cut = 0
        self.largest_id = 0
        self.longest = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return {"input_ids": self._rows[index].tolist()}

    def add(self, ids: list[int], *, cut: bool) -> None:
        """Append one row; ``cut`` says that its end is missing."""
        self._rows.append(array("i", ids))
        self.cut += cut
        self.largest_id = max(self.largest_id, *ids)
        self.longest = max(self.longest, len(ids))


def tokenise(file: data.DataFile, tokenizer: Any, max_length: int) -> Rows:
    """Every row of ``file`` as token ids; raises DataRefused with the lines that make no tokens."""
    rows, faults = Rows(), []
    for batch in _batches(data.rows(file.path), _BATCH_ROWS):
        encoded = tokenizer([text for _, text in batch], return_attention_mask=False, verbose=False)["input_ids"]
        for (line, _), ids in zip(batch, encoded, strict=True):
            whole = _one_bos_one_eos(list(ids), tokenizer)
            if len(whole) < 2:
                message = '"text" makes no tokens with this model\'s tokenizer: remove the line'
                faults.append(Fault(file=file.name, line=line, message=message))
            else:
                # A row that is cut has not ended: it gets no EOS.
                rows.add(whole[:max_length], cut=len(whole) > max_length)
    if faults:
        raise DataRefused(data.summary(faults), faults)
    if rows.cut:
        _log.warning(
            f"{file.name}: {rows.cut} of {len(rows)} rows are longer than max_seq_length ({max_length}) and cut"
        )
    return rows


def _one_bos_one_eos(ids: list[int], tokenizer: Any) -> list[int]:
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and ids[:2] == [bos, bos]:  # the text brought its own
        ids = ids[1:]
    return ids if ids[-1:] == [eos] else [*ids, eos]


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Collator:
    """Pads rows to the longest of a batch. Labels are ignored by position, never by id: EOS may be the padding too."""

    def __init__(self, pad_id: int) -> None:
        self._pad_id = pad_id

    def __call__(self, rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        import torch

        ids = [row["input_ids"] for row in rows]
        longest = max(map(len, ids))
        gaps = [longest - len(row) for row in ids]
        return {
            "input_ids": torch.tensor([row + [self._pad_id] * gap for row, gap in zip(ids, gaps, strict=True)]),
            "attention_mask": torch.tensor([[1] * (longest - gap) + [0] * gap for gap in gaps]),
            "labels": torch.tensor([row + [IGNORED] * gap for row, gap in zip(ids, gaps, strict=True)]),
        }


def pad_id(tokenizer: Any) -> int:
    """An id to pad with that the model already knows; the embeddings are never resized for one."""
    for candidate in (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id):
        if candidate is not None:
            return int(candidate)
    return 0
