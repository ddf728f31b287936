"""A log whose tastes follow words: users like one kind of item, texts tell the kind, and some items have no rows yet."""

from __future__ import annotations

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent

WORDS = (("heist", "police", "gun"), ("love", "wedding", "paris"), ("space", "robot", "planet"))


def planted(users: int = 90, items: int = 60, cold: int = 9, rows: int = 12, seed: int = 0):
    """(log of the warm items, content of all of them, ids of the cold ones, kind of each item, kind of each user)."""
    rng = np.random.default_rng(seed)
    kinds, tastes = np.arange(items) % 3, np.arange(users) % 3
    noise = ["the", "a", "film", "of", "year", "story"]
    texts = [
        " ".join(rng.permutation([*rng.choice(WORDS[k], 2, replace=False), *rng.choice(noise, 3)]))
        for k in kinds
    ]
    warm = items - cold
    u, j = [], []
    for user in range(users):
        liked = np.flatnonzero(kinds[:warm] == tastes[user])
        chosen = rng.choice(liked, min(rows, len(liked)), replace=False)
        u += [user] * len(chosen)
        j += chosen.tolist()
    log = Interactions.from_codes(u, j, n_users=users, n_items=warm)
    shuffled = rng.permutation(items)
    content = ItemContent.of(
        [str(i) for i in shuffled],
        texts=[texts[i] for i in shuffled],
        attributes=np.eye(3)[kinds[shuffled]][:, :2],
        names=["crime", "romance"],
    )
    return log, content, list(range(warm, items)), kinds, tastes


def share_of_own_kind(model, cold, kinds, tastes) -> float:
    """Of the cold items best for each user, as many as are of the user's kind, the share that are."""
    codes, known = model.items.encode(cold)
    assert known.all()
    scores = model.scores(model.known(np.arange(len(tastes))))[:, codes]
    best = np.argsort(-scores, axis=1, kind="stable")[:, : len(cold) // 3]
    return float((kinds[np.array(cold)][best] == tastes[:, None]).mean())
