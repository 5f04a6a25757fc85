"""Is the data sound? JSONL read line by line, so that every fault is found and has its line number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from one_ring.api import Fault
from one_ring.training.errors import DataRefused

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_LETTERS = 40


class BadLine(ValueError):
    """One line that is no ``{"text": …}`` row; says why."""


@dataclass(frozen=True)
class DataFile:
    """A file whose every line has been checked."""

    path: Path
    name: str
    rows: int
    sha256: str


def check(paths: Sequence[Path], root: Path) -> list[DataFile]:
    """Check every line of every file; raises DataRefused with all the faults of all of them."""
    faults: list[Fault] = []
    files = [_check_file(path, root, faults) for path in paths]
    if faults:
        raise DataRefused(summary(faults), faults)
    return files


def summary(faults: Sequence[Fault]) -> str:
    """All faults in one sentence, the first one in full."""
    first = faults[0]
    where = f"{first.file}: " + (f"line {first.line}: " if first.line else "")
    more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
    return f"{where}{first.message}{more}"


def rows(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of every row of a checked file."""
    for number, raw in _lines(path):
        if (text := read_line(raw)) is not None:
            yield number, text


def read_line(raw: bytes) -> str | None:
    """The text of one line, or None for a blank one; raises BadLine."""
    if not raw.strip():
        return None
    try:
        row = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8: byte {error.object[error.start]:#04x} at position {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:  # numbers too long, brackets too deep
        raise BadLine(f"not JSON: {error}") from None
    return _text_of(row)


def _text_of(row: object) -> str:
    if not isinstance(row, dict):
        raise BadLine(f'is {_shown(row)}, not an object like {{"text": "…"}}')
    if "text" not in row:
        raise BadLine('"text" is missing' + (f"; the line has {_shown(list(row))}" if row else ""))
    text = row["text"]
    if not isinstance(text, str):
        raise BadLine(f'"text" is {_shown(text)}, not text')
    if not text.strip():
        raise BadLine('"text" is empty')
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadLine('"text" holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character')
    return text


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 1] + "…"


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            yield number, raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw


def _check_file(path: Path, root: Path, faults: list[Fault]) -> DataFile:
    name = path.relative_to(Path(root).absolute()).as_posix()
    count, digest, found_before = 0, hashlib.sha256(), len(faults)
    try:
        for number, raw in _lines(path):
            digest.update(raw)
            try:
                count += read_line(raw) is not None
            except BadLine as bad:
                faults.append(Fault(file=name, line=number, message=str(bad)))
    except OSError as error:
        faults.append(Fault(file=name, message=_unreadable(error, root)))
    if not count and len(faults) == found_before:
        faults.append(Fault(file=name, message='is empty: give at least one line like {"text": "…"}'))
    return DataFile(path, name, count, digest.hexdigest())


def _unreadable(error: OSError, root: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return f"does not exist in {root}: check train_file, validation_file and dataset_path"
    if isinstance(error, IsADirectoryError):
        return "is a folder: name the JSONL file in it"
    return f"cannot be read: {error.strerror}"
