"""What goes wrong is said with its remedy."""

from __future__ import annotations


class Problem(Exception):
    """Something a person has to mend: what it is, and how."""

    def __init__(self, what: str, remedy: str, details: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.details = details

    def __str__(self) -> str:
        shown = f"\n{self.details.rstrip()}" if self.details else ""
        return f"{self.what}{shown}\n  remedy: {self.remedy}"


class Problems(Exception):
    """Several at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
