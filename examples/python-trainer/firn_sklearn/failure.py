"""What a training can end with besides a model."""

from typing import Literal

Kind = Literal["invalid-input", "contract-broken", "training-failed", "config", "io"]


class Failure(Exception):
    """Says what failed, with which values, and what to do; `io` alone is worth another attempt."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Stopped(Exception):
    """The training was cancelled."""
