"""The compiled parts of top-k search: masking, selection by threshold, one matrix-vector product, merging.

A row's best list is kept sorted (score descending, item ascending). A score can only enter by being
greater than the current k-th best, so a row is read 64 scores at a time: one vector comparison gives a
64-bit mask of the scores above the threshold, almost always zero. To start with a good threshold,
the largest score of each of 64 lanes is taken first: the k-th largest of 64 different scores of the row
is a lower bound of the row's k-th best (k <= 32).

Cost for n users, m items: n m / 64 comparisons of 64 lanes twice, plus about k ln(64/k) + k insertions a row.
Checked against a full stable sort (tests/by_hand/topk.py).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 64
SEEDED_K = 32  # above this, 64 lanes say too little about the k-th best
LINEAR_K = 32  # above this, the place of an insertion is found by bisection

_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _load(builder, pointer):
    vector = builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()))
    vector.align = 4  # rows start anywhere
    return vector


@intrinsic
def above(typing, array, at, threshold):
    """Bit t is set unless array[at + t] <= threshold, for 64 scores; so a NaN is always reported."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        scores = _load(builder, builder.gep(data, [args[1]]))
        lane = ir.Constant(ir.IntType(32), 0)
        single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), args[2], lane)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        level = builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), everywhere)
        return builder.bitcast(builder.fcmp_unordered(">", scores, level), ir.IntType(64))

    return types.uint64(array, types.intp, types.float32), generate


@intrinsic
def lane_maxima(typing, array, chunks, out):
    """out[t] = max of array[t], array[64 + t], ... over `chunks` chunks of 64; NaN is passed over."""

    def generate(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        target = context.make_array(signature.args[2])(context, builder, args[2]).data
        best = cgutils.alloca_once(builder, _VECTOR)
        builder.store(ir.Constant(_VECTOR, [float("-inf")] * LANES), best)
        with cgutils.for_range(builder, args[1]) as loop:
            at = builder.mul(loop.index, ir.Constant(loop.index.type, LANES))
            scores, old = _load(builder, builder.gep(data, [at])), builder.load(best)
            larger = builder.fcmp_ordered(">", scores, old)
            builder.store(builder.select(larger, scores, old), best)
        store = builder.store(builder.load(best), builder.bitcast(target, _VECTOR.as_pointer()))
        store.align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, out), generate


@intrinsic
def trailing_zeros(typing, bits):
    """Place of the lowest set bit of a nonzero uint64."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.uint64), generate


@njit(nogil=True, cache=True)
def push(scores, codes, count, score, code):
    """Insert into a list sorted by falling score, behind its equals; the last one falls out of a full list."""
    place = min(count, len(scores) - 1)
    if place > LINEAR_K:
        low, high = 0, place
        while low < high:
            middle = (low + high) >> 1
            if scores[middle] < score:
                high = middle
            else:
                low = middle + 1
        for p in range(place, low, -1):
            scores[p] = scores[p - 1]
        for p in range(place, low, -1):
            codes[p] = codes[p - 1]
        place = low
    else:
        while place > 0 and scores[place - 1] < score:
            scores[place] = scores[place - 1]
            codes[place] = codes[place - 1]
            place -= 1
    scores[place] = score
    codes[place] = code


@njit(nogil=True, cache=True)
def _lower_bound(row, k, maxima, best):
    """A level just below a lower bound of the row's k-th best score."""
    lane_maxima(row, len(row) // LANES, maxima)  # pyright: ignore[reportCallIssue]
    best[:k] = -np.inf
    for value in maxima:
        if value > best[k - 1]:
            place = k - 1
            while place > 0 and best[place - 1] < value:
                best[place] = best[place - 1]
                place -= 1
            best[place] = value
    return np.nextafter(best[k - 1], np.float32(-np.inf))


@njit(nogil=True, cache=True)
def select(block, first_item, scores, codes, counts):
    """Merge a block of scores (n, w) of the items first_item.. into the lists (n, k) of n users.

    Lists must be filled with -inf before their first block, and blocks come by rising item: so of equal
    scores the smaller item stays ahead. A score of -inf never enters. Returns -1, or the first row with a NaN.
    """
    n, width = block.shape
    k = scores.shape[1]
    whole = width // LANES * LANES
    maxima, best = np.empty(LANES, np.float32), np.empty(SEEDED_K, np.float32)
    for r in range(n):
        row, best_scores, best_codes, count = block[r], scores[r], codes[r], counts[r]
        level = best_scores[k - 1]
        if level == -np.inf and k <= SEEDED_K and width >= 8 * LANES:
            level = _lower_bound(row, k, maxima, best)
        for start in range(0, whole, LANES):
            bits = above(row, start, level)  # pyright: ignore[reportCallIssue]
            while bits:
                t = start + trailing_zeros(bits)
                bits &= bits - np.uint64(1)
                score = row[t]
                if not (score <= level):  # the level may have risen within the chunk
                    if np.isnan(score):
                        return r
                    push(best_scores, best_codes, count, score, first_item + t)
                    count = min(count + 1, k)
                    level = max(level, best_scores[k - 1])
        for t in range(whole, width):
            score = row[t]
            if not (score <= level):
                if np.isnan(score):
                    return r
                push(best_scores, best_codes, count, score, first_item + t)
                count = min(count + 1, k)
                level = max(level, best_scores[k - 1])
        counts[r] = count
    return -1


@njit(nogil=True, cache=True)
def mask(block, first_item, m, indptr, indices, first_row):
    """Set the left-out items of each row to -inf; returns -1, or the first row that is not rising within [0, m).

    Rows are checked to their end with the block of item 0, so once per search.
    """
    n, width = block.shape
    for r in range(n):
        row = block[r]
        start, end = indptr[first_row + r], indptr[first_row + r + 1]
        if first_item > 0:
            start += np.searchsorted(indices[start:end], first_item)
        before = -1
        for p in range(start, end):
            at = indices[p] - first_item
            if at <= before:
                return first_row + r
            if at < width:
                row[at] = -np.inf
            elif first_item > 0:
                break
            before = at
        if before >= m - first_item:
            return first_row + r
    return -1


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def dots(vectors, x, out):
    """out[j] = vectors[j] . x, one pass over memory; infinities and NaN keep their meaning."""
    for j in range(len(vectors)):
        vector, total = vectors[j], np.float32(0)
        for t in range(len(x)):
            total += vector[t] * x[t]
        out[j] = total


@njit(nogil=True, cache=True)
def merge(part_scores, part_codes, part_counts, scores, codes, counts):
    """Merge lists (parts, n, k) over rising ranges of items into one list (n, k) per user."""
    parts, n, k = part_scores.shape
    for r in range(n):
        count = 0
        for p in range(parts):
            for t in range(part_counts[p, r]):
                score = part_scores[p, r, t]
                if count == k and score <= scores[r, k - 1]:
                    break
                push(scores[r], codes[r], count, score, part_codes[p, r, t])
                count = min(count + 1, k)
        counts[r] = count
