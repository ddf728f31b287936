"""Augmentation one place at a time, in plain Python."""

from __future__ import annotations

import math

import numpy as np


def read_between(image: np.ndarray, right: float, down: float, fill: np.ndarray) -> np.ndarray:
    """The image (channels, height, width) at a place from its middle: four pixels by their areas, `fill` outside."""
    _, height, width = image.shape
    column, row = right + (width - 1) / 2, down + (height - 1) / 2
    left, top = math.floor(column), math.floor(row)
    total = np.zeros_like(fill)
    for i in (top, top + 1):
        for j in (left, left + 1):
            inside = 0 <= i < height and 0 <= j < width
            total = total + (1 - abs(row - i)) * (1 - abs(column - j)) * (image[:, i, j] if inside else fill)
    return total


def warped(image: np.ndarray, matrix: np.ndarray, fill: np.ndarray, bent: np.ndarray) -> np.ndarray:
    """Every pixel of the result by `read_between`; bent is (2, height, width)."""
    _, height, width = image.shape
    result = np.zeros_like(image)
    for i in range(height):
        for j in range(width):
            place = matrix @ [j - (width - 1) / 2, i - (height - 1) / 2, 1] + bent[:, i, j]
            result[:, i, j] = read_between(image, *place, fill)
    return result


def map_of(turn: float, lean: float, size: float, mirror: bool, right: float, down: float) -> np.ndarray:
    """The map (2, 3) from the result back to the image, as the inverse of what is done to the image; degrees."""
    t, k = math.radians(turn), math.tan(math.radians(lean))
    turned = np.array([[math.cos(t), -math.sin(t), 0], [math.sin(t), math.cos(t), 0], [0, 0, 1]])
    leant = np.array([[1, k, 0], [0, 1, 0], [0, 0, 1]])
    moved = np.array([[1, 0, right], [0, 1, down], [0, 0, 1]])
    done = moved @ turned @ leant @ np.diag([size, size, 1]) @ np.diag([-1 if mirror else 1, 1, 1])
    return np.linalg.inv(done)[:2]


def resampled(steps: np.ndarray, places: np.ndarray) -> np.ndarray:
    """One unpadded sequence (length, channels) read linearly."""
    return np.stack([np.interp(places, np.arange(len(steps)), channel) for channel in steps.T], axis=1)


def warp(length: int, waves: np.ndarray) -> list[float]:
    """The places of a time warp by the formula."""
    if length < 2:
        return [0.0] * length
    shares = [t / (length - 1) for t in range(length)]
    terms = [
        sum(a * math.sin(math.pi * k * u) / (math.pi * k) for k, a in enumerate(waves, 1)) for u in shares
    ]
    return [(u + s) * (length - 1) for u, s in zip(shares, terms, strict=True)]
