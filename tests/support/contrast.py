"""How well one colour can be read on another."""

from __future__ import annotations


def contrast(colour: str, background: str) -> float:
    """The contrast ratio of WCAG 2 (1 to 21) between two colours given as `#rrggbb`.

    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    lighter, darker = sorted((_luminance(colour), _luminance(background)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return sum(weight * _linear(channel) for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
