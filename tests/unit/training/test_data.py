"""Every bad line of a JSONL file is found, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from one_ring.training.data import BadLine, check, read_line, rows
from one_ring.training.errors import DataRefused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(b"{", "not JSON: Expecting property name enclosed in double quotes at character 2", id="torn"),
        pytest.param(b"plain text", "not JSON: Expecting value at character 1", id="plain text"),
        pytest.param(b"[1, 2]", 'is [1, 2], not an object like {"text": "…"}', id="list"),
        pytest.param(b"null", 'is null, not an object like {"text": "…"}', id="null"),
        pytest.param(b"{}", '"text" is missing', id="empty object"),
        pytest.param(b'{"prompt": "x", "n": 1}', '"text" is missing; the line has ["prompt", "n"]', id="other keys"),
        pytest.param(b'{"text": 5}', '"text" is 5, not text', id="number"),
        pytest.param(b'{"text": null}', '"text" is null, not text', id="null text"),
        pytest.param(b'{"text": ""}', '"text" is empty', id="empty"),
        pytest.param(b'{"text": " \\n"}', '"text" is empty', id="blank"),
        pytest.param(b'{"text": "\xff"}', "not UTF-8: byte 0xff at position 11", id="latin-1"),
        pytest.param(b'{"text": "\\ud83d"}', '"text" holds half of a surrogate pair', id="half a character"),
        pytest.param(b"[" * 100_000, "not JSON: ", id="too deep"),
        pytest.param(b'{"text": ' + b"1" * 5000 + b"}", "not JSON: ", id="too long a number"),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: bytes, message: str) -> None:
    with pytest.raises(BadLine) as bad:
        read_line(line)

    assert str(bad.value).startswith(message)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(b'{"text": "a"}\n', "a", id="plain"),
        pytest.param(b'{"text": "a"}\r\n', "a", id="windows"),
        pytest.param('{"text": "ä\u2028ö"}'.encode(), "ä\u2028ö", id="line separator within"),
        pytest.param(b'{"text": "\\ud83d\\ude00", "more": 1}', "😀", id="surrogate pair and another key"),
        pytest.param(b"  \r\n", None, id="blank line"),
    ],
)
def test_a_good_line_gives_its_text(line: bytes, text: str | None) -> None:
    assert read_line(line) == text


def test_faults_of_all_files_are_found_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "x"}\n\nbad\n{"text": "y"}\n{"text": 1}')
    (tmp_path / "b.jsonl").write_bytes(b"worse\n")

    with pytest.raises(DataRefused) as refused:
        check([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], tmp_path)

    assert [(fault.file, fault.line) for fault in refused.value.faults] == [
        ("a.jsonl", 3),
        ("a.jsonl", 5),
        ("b.jsonl", 1),
    ]
    assert str(refused.value).startswith("a.jsonl: line 3: not JSON")
    assert "(3 faults in all)" in str(refused.value)


def test_a_sound_file_is_counted_and_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "x"}\n\n{"text": "y"}\n')

    [file] = check([tmp_path / "a.jsonl"], tmp_path)

    assert (file.name, file.rows) == ("a.jsonl", 2)
    assert list(rows(file.path)) == [(1, "x"), (3, "y")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "does not exist", id="absent"),
        pytest.param(lambda path: path.mkdir(), "is a folder", id="folder"),
        pytest.param(lambda path: path.touch(), "is empty", id="empty"),
        pytest.param(lambda path: path.write_text("\n\n"), "is empty", id="blank lines only"),
    ],
)
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, make: object, message: str) -> None:
    make(tmp_path / "a.jsonl")  # type: ignore[operator]

    with pytest.raises(DataRefused, match=message):
        check([tmp_path / "a.jsonl"], tmp_path)
