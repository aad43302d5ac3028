"""A setting whose words mean nothing."""

from __future__ import annotations


class Misread(ValueError):
    """The words of a key mean nothing: the key and the reason stand beside the text, from which nobody reads them."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why
