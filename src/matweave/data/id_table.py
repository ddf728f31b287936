"""A hash table from the bytes of an id to its code, for compiled loops.

Open addressing with linear probing at most half full. A slot is four words: the first eight bytes of the
id, the next eight (of a longer id: its hash), length << 32 | code + 1, and where the bytes are kept. So an
id of up to 16 bytes is compared within one cache line; a longer one is compared with its bytes as well. No
two ids are ever taken for one because their hashes agree. `first` holds for each code the place (any
rising number) where its id was seen first, so that tables filled by several threads are merged into one
order of first appearance.

`encode` works on blocks of rows: it hashes all ids of a block and calls their slots in before it compares the
first one. The waits for memory then overlap; one row after the other, they took three quarters of all time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from matweave.data.bytes_simd import PADDING, prefetch, word

FOUND, NEW = 0, 1

EMPTY_ID, ENCODING = 1, 8
"""What can be wrong with an id; among the kinds of bad rows of `bad_rows`."""

_BLOCK = 32


class IdTable(NamedTuple):
    """The arrays of a table; `size` holds the number of ids and of bytes in use."""

    slots: np.ndarray
    letters: np.ndarray
    offsets: np.ndarray
    first: np.ndarray
    size: np.ndarray


def new_table(ids: int = 1 << 12, letters: int = 1 << 16) -> IdTable:
    """An empty table with room for at least `ids` ids and `letters` bytes."""
    limit = 1 << max(4, (ids - 1).bit_length())
    return IdTable(
        slots=np.zeros(8 * limit, np.uint64),
        letters=np.zeros(letters + PADDING, np.uint8),
        offsets=np.zeros(limit + 1, np.int64),
        first=np.empty(limit, np.int64),
        size=np.zeros(2, np.int64),
    )


def grown(table: IdTable, letters: int) -> IdTable:
    """The same ids and codes in a table with room for more of them, and for `letters` more bytes."""
    n, used = int(table.size[0]), int(table.size[1])
    limit = len(table.first)
    room = len(table.letters) - PADDING
    bigger = new_table(2 * limit if 2 * n > limit else limit, max(room, 2 * (used + letters)))
    bigger.letters[:used] = table.letters[:used]
    bigger.offsets[: n + 1] = table.offsets[: n + 1]
    bigger.first[:n] = table.first[:n]
    bigger.size[:] = table.size
    refill(bigger)
    return bigger


def merged(tables: list[IdTable]) -> tuple[IdTable, list[np.ndarray]]:
    """All ids in one table (the first, which grows), and for each table the code there of each of its codes."""
    whole = tables[0]
    maps = [np.arange(whole.size[0], dtype=np.int32)]
    for table in tables[1:]:
        codes = np.empty(table.size[0], np.int32)
        done = 0
        while (done := adopt(whole, table, done, codes)) < len(codes):
            whole = grown(whole, int(table.size[1]))
        maps.append(codes)
    return whole, maps


@njit(nogil=True, cache=True, inline="always")
def key_of(letters, start, end):
    """The two words and the hash of the id letters[start:end]."""
    length = end - start
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    low, high = word(letters, start), np.uint64(0)
    if length < 8:
        low &= ~(ones << np.uint64(8 * length))
    elif length > 8:
        high = word(letters, start + 8)
        if length < 16:
            high &= ~(ones << np.uint64(8 * (length - 8)))
    mix = (low ^ np.uint64(length)) * np.uint64(0x9E3779B97F4A7C15)
    mix = (mix ^ (mix >> np.uint64(32)) ^ high) * np.uint64(0xD6E8FEB86659FD93)
    if length > 16:
        for at in range(start + 16, end, 8):
            more = word(letters, at)
            if end - at < 8:
                more &= ~(ones << np.uint64(8 * (end - at)))
            mix = (mix ^ (mix >> np.uint64(32)) ^ more) * np.uint64(0xD6E8FEB86659FD93)
        high = mix
    mix ^= mix >> np.uint64(32)
    return low, high, mix


@njit(nogil=True, cache=True, inline="always")
def find(slots, kept, letters, start, end, low, high, mix):
    """(FOUND, code), or (NEW, the slot where the id belongs), in a table's `slots` and `letters` (kept)."""
    mask = np.uint64(len(slots) // 4 - 1)
    slot = mix & mask
    length = np.uint64(end - start)
    while True:
        at = np.int64(slot) * 4
        meta = slots[at + 2]
        if meta == 0:
            return NEW, at
        if slots[at] == low and slots[at + 1] == high and meta >> np.uint64(32) == length:
            same = True
            if end - start > 16:
                base = np.int64(slots[at + 3]) - start
                for k in range(start + 8, end):
                    if kept[base + k] != letters[k]:
                        same = False
                        break
            if same:
                return FOUND, np.int64(meta & np.uint64(0xFFFFFFFF)) - 1
        slot = (slot + np.uint64(1)) & mask


@njit(nogil=True, cache=True)
def _utf8(text, start, end):
    """True for well-formed UTF-8 (Unicode 15, table 3-7)."""
    at = start
    while at < end:
        byte = text[at]
        if byte < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low, high = (0xA0 if byte == 0xE0 else 0x80), (0x9F if byte == 0xED else 0xBF)
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low, high = (0x90 if byte == 0xF0 else 0x80), (0x8F if byte == 0xF4 else 0xBF)
        else:
            return False
        if at + more > end - 1:
            return False
        for k in range(1, more + 1):
            if text[at + k] < low or text[at + k] > high:
                return False
            low, high = 0x80, 0xBF
        at += more + 1
    return True


@njit(nogil=True, cache=True)
def _fault(text, start, end):
    """-1 for the bytes of a good id; EMPTY_ID where all are blank; ENCODING."""
    at = start
    while at < end and text[at] == 32:
        at += 1
    if at == end:
        return EMPTY_ID
    return -1 if _utf8(text, start, end) else ENCODING


@njit(nogil=True, cache=True)
def encode(text, starts, ends, done, place, table, codes):
    """The codes of the ids text[starts[i]:ends[i]] from i = done on, new ones put into the table.

    Where an id is blank or not UTF-8 its code is -1 - kind. Stops where there is no room; returns how many
    are done. The i-th was seen at `place` + i. The text is followed by spare bytes.
    """
    slots, kept = table.slots, table.letters
    mask = np.uint64(len(slots) // 4 - 1)
    low, high, mix = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint64)
    n = len(codes)
    for block in range(done, n, _BLOCK):
        size = min(_BLOCK, n - block)
        for k in range(size):
            start, end = np.int64(starts[block + k]), np.int64(ends[block + k])
            low[k], high[k], mix[k] = key_of(text, start, end)
            prefetch(slots, np.int64(mix[k] & mask) * 4)
        for k in range(size):
            start, end = np.int64(starts[block + k]), np.int64(ends[block + k])
            state, at = find(slots, kept, text, start, end, low[k], high[k], mix[k])
            if state == NEW:
                fault = _fault(text, start, end)
                if fault >= 0:
                    at = -1 - fault
                elif not has_room(table, end - start):
                    return block + k
                else:
                    at = insert(table, at, text, start, end, low[k], high[k], place + block + k)
            codes[block + k] = at
    return n


@njit(nogil=True, cache=True)
def has_room(table, length):
    """True where one more id of this length fits."""
    return table.size[0] < len(table.first) and table.size[1] + length + PADDING <= len(table.letters)


@njit(nogil=True, cache=True)
def insert(table, at, letters, start, end, low, high, place):
    """Put a new id into the free slot `at`, first seen at `place`; its code. There must be room."""
    code, used = table.size[0], table.size[1]
    length = end - start
    for k in range(length):
        table.letters[used + k] = letters[start + k]
    table.offsets[code], table.offsets[code + 1] = used, used + length
    table.first[code] = place
    table.size[0], table.size[1] = code + 1, used + length
    table.slots[at], table.slots[at + 1] = low, high
    table.slots[at + 2] = (np.uint64(length) << np.uint64(32)) | np.uint64(code + 1)
    table.slots[at + 3] = np.uint64(used)
    return code


@njit(nogil=True, cache=True)
def refill(table):
    """Put the ids that the table's letters hold into its empty slots, codes unchanged."""
    for code in range(table.size[0]):
        start, end = table.offsets[code], table.offsets[code + 1]
        low, high, mix = key_of(table.letters, start, end)
        _, at = find(table.slots, table.letters, table.letters, start, end, low, high, mix)
        table.slots[at], table.slots[at + 1] = low, high
        table.slots[at + 2] = (np.uint64(end - start) << np.uint64(32)) | np.uint64(code + 1)
        table.slots[at + 3] = np.uint64(start)


@njit(nogil=True, cache=True)
def adopt(table, other, done, codes):
    """Put other's ids from code `done` on into `table`; stops where there is no room; how many are done."""
    for code in range(done, other.size[0]):
        start, end = other.offsets[code], other.offsets[code + 1]
        low, high, mix = key_of(other.letters, start, end)
        state, at = find(table.slots, table.letters, other.letters, start, end, low, high, mix)
        if state == NEW:
            if not has_room(table, end - start):
                return code
            at = insert(table, at, other.letters, start, end, low, high, other.first[code])
        elif other.first[code] < table.first[at]:
            table.first[at] = other.first[code]
        codes[code] = at
    return other.size[0]
