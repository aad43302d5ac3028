"""Draws a head, slice by slice, so that a person sees at a glance which series and slice came back from the archive.

Plain bytes and spans of rows, no array library: a picture of 256 × 256 takes about a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

# Brightness of each tissue, by what the pictures are said to be: as in T1, T2, FLAIR and proton density images.
_CONTRASTS = (
    {"scalp": 215, "skull": 25, "fluid": 45, "grey": 120, "white": 175, "eye": 60},
    {"scalp": 120, "skull": 20, "fluid": 240, "grey": 140, "white": 80, "eye": 235},
    {"scalp": 150, "skull": 20, "fluid": 30, "grey": 165, "white": 115, "eye": 45},
    {"scalp": 190, "skull": 30, "fluid": 185, "grey": 205, "white": 160, "eye": 190},
)
_DIGITS = {
    "0": (14, 17, 19, 21, 25, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
}
_BRIGHT = bytes(value >> 4 for value in range(256))  # high byte of a 12-bit sample
_FINE = bytes((value << 4) & 0xF0 for value in range(256))  # low byte; its last four bits are noise
_NOISE = bytes(value & 0x0F for value in range(256))


@dataclass(slots=True)
class Canvas:
    """A picture of 8-bit grey values, drawn in units of its size: x to the right and y downwards, both from -1 to 1."""

    rows: int
    columns: int
    grey: bytearray

    def ellipse(self, x: float, y: float, wide: float, high: float, value: int, *, wave: float = 0.0) -> None:
        """Fill an ellipse; `wave` makes its edge ripple, as the surface of a brain does."""
        half_rows, half_columns = self.rows / 2, self.columns / 2
        for row in range(max(0, math.ceil((y - high + 1) * half_rows)), self.rows):
            rise = (row / half_rows - 1 - y) / high
            if rise >= 1:
                break
            reach = wide * math.sqrt(max(0.0, 1 - rise * rise))
            left = x - reach * (1 + wave * math.sin(17 * rise + 5 * x))
            right = x + reach * (1 + wave * math.sin(19 * rise + 1 + 5 * x))
            self._span(row, round((left + 1) * half_columns), round((right + 1) * half_columns), value)

    def number(self, text: str, value: int) -> None:
        """Write digits into the upper left corner, large enough to read in a thumbnail."""
        dot = max(1, self.rows // 40)
        for place, digit in enumerate(text):
            for line, bits in enumerate(_DIGITS.get(digit, ())):
                for bit in range(5):
                    if bits >> (4 - bit) & 1:
                        left = dot * (2 + 6 * place + bit)
                        for row in range(dot * (2 + line), dot * (3 + line)):
                            self._span(row, left, left + dot, value)

    def _span(self, row: int, left: int, right: int, value: int) -> None:
        left, right = max(0, left), min(self.columns, right)
        if left < right and row < self.rows:
            start = row * self.columns
            self.grey[start + left : start + right] = bytes((value,)) * (right - left)


def draw_head(rows: int, columns: int, *, series: int, height: float) -> Canvas:
    """Draw one axial slice; `height` goes from 0 at the eyes to 1 near the crown.  The series chooses the contrast."""
    tissue = _CONTRASTS[(series - 1) % len(_CONTRASTS)]
    canvas = Canvas(rows, columns, bytearray(rows * columns))
    grow = math.sqrt(max(0.0, 1 - (0.95 * height - 0.15) ** 2))  # a head is round upwards, too
    canvas.ellipse(0, 0.04, 0.70 * grow, 0.88 * grow, tissue["scalp"])
    canvas.ellipse(0, 0.04, 0.65 * grow, 0.83 * grow, tissue["skull"])
    canvas.ellipse(0, 0.04, 0.60 * grow, 0.78 * grow, tissue["fluid"])
    canvas.ellipse(0, 0.04, 0.565 * grow, 0.745 * grow, tissue["grey"], wave=0.03)
    for y, high in ((-0.52, 0.20), (0.60, 0.20)):  # the fissure between the hemispheres
        canvas.ellipse(0, 0.04 + y * grow, 0.025 * grow, high * grow, tissue["fluid"])
    for side in (-1, 1):
        canvas.ellipse(side * 0.25 * grow, 0.05, 0.21 * grow, 0.58 * grow, tissue["white"], wave=0.12)
        for fold in range(7):  # sulci
            y = 0.5 - 0.17 * fold
            edge = 0.56 * math.sqrt(1 - (y / 0.745) ** 2)
            canvas.ellipse(side * (edge - 0.04) * grow, 0.04 + y * grow, 0.07 * grow, 0.013, tissue["fluid"])
        if 0.15 < height < 0.8:  # ventricles: a pair of horns in front and behind
            open_up = 1 - abs(height - 0.45) / 0.4
            canvas.ellipse(side * 0.08 * grow, -0.10 * grow, 0.05 * grow, 0.22 * grow * open_up, tissue["fluid"])
            canvas.ellipse(side * 0.14 * grow, 0.22 * grow, 0.05 * grow, 0.18 * grow * open_up, tissue["fluid"])
            canvas.ellipse(side * 0.17 * grow, 0.02 * grow, 0.06 * grow, 0.14 * grow, tissue["grey"])
        if height < 0.25:  # eyes
            canvas.ellipse(side * 0.30, -0.68 * grow, 0.17, 0.15, tissue["scalp"])
            canvas.ellipse(side * 0.30, -0.70 * grow, 0.13, 0.12, tissue["eye"])
            canvas.ellipse(side * 0.30, -0.79 * grow, 0.05, 0.03, tissue["white"])
    if height < 0.25:
        canvas.ellipse(0, -0.90 * grow, 0.10, 0.12, tissue["scalp"])  # nose
    canvas.number(str(series), 255)
    return canvas


def samples(canvas: Canvas, noise: Random) -> bytes:
    """Return the picture as 12-bit samples in 16-bit little-endian words, with the noise a scanner would add."""
    count = len(canvas.grey)
    low = int.from_bytes(canvas.grey.translate(_FINE), "little")
    grain = int.from_bytes(noise.randbytes(count).translate(_NOISE), "little")
    words = bytearray(2 * count)
    words[0::2] = (low | grain).to_bytes(count, "little")
    words[1::2] = canvas.grey.translate(_BRIGHT)
    return bytes(words)
