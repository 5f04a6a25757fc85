"""What does the run tell the world? One object that knows its stage and progress, and passes each change on."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from one_ring.api import Checkpoint, Fault, FinalReport, Outcome, Output, Progress, ProgressReport, Stage
from one_ring.training.checkpoints import Saved
from one_ring.training.logs import Display
from one_ring.training.place import Place
from one_ring.training.sender import Sender

FAULTS_SHOWN = 20

_log = logging.getLogger(__name__)


class Reporter:
    """The latest state of the run; its listeners are the operator, the log and the terminal."""

    def __init__(self, place: Place, display: Display) -> None:
        self.progress: Progress | None = None
        self.last_checkpoint: Checkpoint | None = None
        self.resumed_from_step: int | None = None
        self.output_dir: Path | None = None
        self.outputs: list[Output] = []
        self._place = place
        self._display = display
        self._sender = Sender(place.listener) if place.listener else None
        self._sequence = 0
        self._stage = Stage.PREPARING
        self._message = ""

    def writes_to(self, output_dir: Path) -> None:
        """From here on the run has a folder."""
        self.output_dir = output_dir

    def enters(self, stage: Stage, message: str) -> None:
        """The run does something else now."""
        self._stage, self._message = stage, message
        _log.info(message)
        self._display.says(message)
        self._send()

    def advances(self, progress: Progress) -> None:
        """One more step is done; cheap enough for every step."""
        self.progress = progress
        self._display.shows(progress)
        self._send()

    def logs(self, message: str, numbers: dict[str, Any]) -> None:
        """One line of the training log, also into metrics.jsonl."""
        _log.info(message, extra={"fields": numbers})
        if self.output_dir:
            with (self.output_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(numbers) + "\n")

    def resumes(self, saved: Saved) -> None:
        """The run goes on from a checkpoint."""
        self.resumed_from_step = saved.step
        self.last_checkpoint = self._checkpoint(saved)

    def saves(self, saved: Saved) -> None:
        """A checkpoint is complete."""
        self.last_checkpoint = self._checkpoint(saved)
        _log.info(f"checkpoint of step {saved.step} saved", extra={"fields": {"path": self._place.shown(saved.path)}})
        self._send()

    def leaves(self, kind: str, path: Path) -> None:
        """A result lies on the outputs volume."""
        self.outputs = [output for output in self.outputs if output.kind != kind]
        self.outputs.append(Output(kind=kind, path=self._place.shown(path), bytes=_size(path)))

    def fails(self, message: str, faults: Sequence[Fault], cause: BaseException | None) -> None:
        """The run cannot go on; the first faults are shown, report.json has all of them."""
        shown = [fault.model_dump(by_alias=True, exclude_none=True) for fault in faults[:FAULTS_SHOWN]]
        fields = {"faults": shown, "fault_count": len(faults)} if faults else {}
        _log.error(message, extra={"fields": {"outcome": Outcome.FAILED.value, **fields}}, exc_info=cause)
        self._display.says(f"Error: {message}")
        for fault in faults[:FAULTS_SHOWN]:
            self._display.says(f"  {_place_of(fault)}: {fault.message}")
        if len(faults) > FAULTS_SHOWN:
            self._display.says(f"  … and {len(faults) - FAULTS_SHOWN} more, all of them in report.json")

    def final(self, outcome: Outcome, message: str, **fields: Any) -> FinalReport:
        """A final report with everything that holds however the run ends."""
        return FinalReport(
            outcome=outcome,
            message=message,
            progress=self.progress,
            last_checkpoint=self.last_checkpoint,
            resumed_from_step=self.resumed_from_step,
            outputs=self.outputs,
            **fields,
        )

    def ends(self, final: FinalReport) -> None:
        """The last word; waits a few seconds for the operator to take it."""
        self._message = final.message[:1024]
        if final.outcome is not Outcome.FAILED:
            _log.info(final.message, extra={"fields": {"outcome": final.outcome.value, "saved": final.saved}})
            self._display.says(final.message)
        self._send(final)
        if self._sender:
            self._sender.close()

    def _checkpoint(self, saved: Saved) -> Checkpoint:
        return Checkpoint(step=saved.step, path=self._place.shown(saved.path), time=saved.time, bytes=saved.bytes)

    def _send(self, final: FinalReport | None = None) -> None:
        if self._sender is None:
            return
        self._sequence += 1
        self._sender.send(
            ProgressReport(
                attempt=self._place.attempt,
                sequence=self._sequence,
                time=datetime.now(UTC),
                stage=self._stage,
                message=self._message,
                resumed_from_step=self.resumed_from_step,
                progress=self.progress,
                last_checkpoint=self.last_checkpoint,
                final=final,
            )
        )


def _place_of(fault: Fault) -> str:
    where = fault.file or fault.field or "-"
    return f"{where} line {fault.line}" if fault.line else where


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
