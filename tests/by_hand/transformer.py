"""SASRec and BERT4Rec from their papers' equations, one history at a time in float64; slow, no sharing of code."""

from __future__ import annotations

import math

import numpy as np

Weights = dict[str, np.ndarray]


def norm(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    """Layer normalisation of each row."""
    made = np.empty_like(x)
    for t, row in enumerate(x):
        made[t] = (row - row.mean()) / math.sqrt(row.var() + 1e-5)
    return made * w[f"{name}.weight"] + w[f"{name}.bias"]


def dense(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    """A dense layer."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """x Φ(x)."""
    return x * np.array([0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel()]).reshape(x.shape)


def attention(z: np.ndarray, w: Weights, name: str, heads: int, *, causal: bool) -> np.ndarray:
    """What each step finds among all steps, or among those up to it; heads one behind the other."""
    steps, width = z.shape
    each = width // heads
    query, key, value = np.split(dense(z, w, name), 3, axis=1)
    found = np.zeros((steps, width))
    for head in range(heads):
        cut = slice(head * each, (head + 1) * each)
        for t in range(steps):
            seen = range(t + 1) if causal else range(steps)
            scores = np.array([query[t, cut] @ key[s, cut] / math.sqrt(each) for s in seen])
            shares = np.exp(scores - scores.max())
            shares /= shares.sum()
            found[t, cut] = sum(share * value[s, cut] for share, s in zip(shares, seen, strict=True))
    return found


def causal_block(x: np.ndarray, w: Weights, name: str, heads: int, *, output: bool) -> np.ndarray:
    """Kang & McAuley's block without dropout."""
    found = attention(norm(x, w, f"{name}norm1"), w, f"{name}joint", heads, causal=True)
    x = x + (dense(found, w, f"{name}join") if output else found)
    inner = np.maximum(dense(norm(x, w, f"{name}norm2"), w, f"{name}first"), 0)
    return x + dense(inner, w, f"{name}second")


def bidirectional_block(x: np.ndarray, w: Weights, name: str, heads: int) -> np.ndarray:
    """Sun et al.'s block without dropout."""
    found = attention(x, w, f"{name}joint", heads, causal=False)
    x = norm(x + dense(found, w, f"{name}join"), w, f"{name}norm1")
    inner = gelu(dense(x, w, f"{name}first"))
    return norm(x + dense(inner, w, f"{name}second"), w, f"{name}norm2")


def sas_rec(
    items: list[int], w: Weights, *, length: int, blocks: int, heads: int, output: bool
) -> np.ndarray:
    """What is known after each step of one history, (steps, rank)."""
    table, places = w["items.weight"], w["places.weight"]
    n, rank = len(items), table.shape[1]
    x = np.array([math.sqrt(rank) * table[j] + places[length - n + t] for t, j in enumerate(items)])
    for block in range(blocks):
        x = causal_block(x, w, f"blocks.{block}.", heads, output=output)
    return norm(x, w, "norm")


def bert4_rec(items: list[int], w: Weights, *, length: int, blocks: int, heads: int) -> np.ndarray:
    """What is known at each step of one history, -1 for a hidden item, before the last layer; (steps, rank)."""
    table, places = w["items.weight"], w["places.weight"]
    n = len(items)
    x = np.array(
        [(table[j] if j >= 0 else w["mask.weight"][0]) + places[length - n + t] for t, j in enumerate(items)]
    )
    for block in range(blocks):
        x = bidirectional_block(x, w, f"blocks.{block}.", heads)
    return x
