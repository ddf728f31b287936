"""Self-attention over packed histories: causal blocks as SASRec has them, bidirectional ones as BERT4Rec has them.

    Block           x ← x + drop(A(N(x))),  x ← x + drop(F(N(x)))        causal             (Kang & McAuley, ICDM 2018)
    PostNormBlock   x ← N(x + drop(A(x))),  x ← N(x + drop(F(x)))        all steps of the history  (Sun et al., CIKM 2019)

    A(z) = softmax(Q Kᵀ / √(width / heads)) V per head, then joined;  F(z) = act(z W₁ + b₁) W₂ + b₂, act ReLU or GELU

N is layer normalisation. Dense layers and norms see the packed steps only, P in all; queries, keys and values are laid out on a
grid (users, longest) for the products of each user's steps with themselves. Histories stand at the left of the grid,
so a causal step never looks at padding, which is in its future; where steps look both ways, padding is masked.

Cost        P·(8 to 12) width² + users · longest² · 2 width multiply-adds a block, three times that with the backward pass.
Checked by  tests/neural/test_self_attention.py: NumPy in float64, no leak from the future, packed against padded alone.
"""

from __future__ import annotations

import math
from typing import final

from matweave.deep import Tensor, functional, nn, torch
from matweave.nets.fast_dropout import FastDropout

SHORT = 128  # steps


@final
class Block(nn.Module):
    """One causal block: forward(x (P, width), slots (P,), users, longest) to (P, width).

    output: whether heads are joined by a dense layer (as in Vaswani et al. 2017; SASRec's paper has none). inner: width of F.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, inner: int, output: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.joint = nn.LayerNorm(width), _joint(width)
        self.join = nn.Linear(width, width) if output else None
        self.norm2 = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, inner), nn.Linear(inner, width)
        self.drop = FastDropout(dropout)

    def forward(self, x: Tensor, slots: Tensor, users: int, longest: int) -> Tensor:
        found = _all_steps(self.joint(self.norm1(x)), slots, users, longest, self.heads, None, slots)
        return self._rest(x, found)

    def last(self, x: Tensor, slots: Tensor, lengths: Tensor, longest: int) -> Tensor:
        """The same at each user's last step only, (users, width): a quarter of the work where nothing else is asked for."""
        z, ends = self.norm1(x), lengths.cumsum(0) - 1
        return self._rest(x[ends], _last_steps(self.joint, z, slots, lengths, longest, self.heads))

    def _rest(self, x: Tensor, found: Tensor) -> Tensor:
        x = self.drop(found if self.join is None else self.join(found), x)
        inner = functional.relu(self.first(self.norm2(x)), inplace=True)
        return self.drop(self.second(inner), x)


@final
class PostNormBlock(nn.Module):
    """One bidirectional block: forward(x (P, width), slots (P,), there (users, longest) bool) to (P, width).

    there: which cells of the grid are steps. inner: width of F. With `rows`, places of steps, what comes out is those only.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.joint, self.join, self.norm1 = _joint(width), nn.Linear(width, width), nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm2, self.drop = nn.LayerNorm(width), FastDropout(dropout)

    def forward(self, x: Tensor, slots: Tensor, there: Tensor, rows: Tensor | None = None) -> Tensor:
        users, longest = there.shape
        wanted = slots if rows is None else slots[rows]
        mask = there[:, None, None, :]
        found = _all_steps(self.joint(x), slots, users, longest, self.heads, mask, wanted)
        return self._rest(x if rows is None else x.index_select(0, rows), found)

    def last(self, x: Tensor, slots: Tensor, lengths: Tensor, longest: int) -> Tensor:
        """The same at each user's last step only, (users, width)."""
        found = _last_steps(self.joint, x, slots, lengths, longest, self.heads)
        return self._rest(x[lengths.cumsum(0) - 1], found)

    def _rest(self, x: Tensor, found: Tensor) -> Tensor:
        x = self.norm1(self.drop(self.join(found), x))
        return self.norm2(self.drop(self.second(functional.gelu(self.first(x))), x))


def _joint(width: int) -> nn.Linear:
    made = nn.Linear(width, 3 * width)
    # queries, keys and values are three matrices to an optimizer that orthogonalises (train/routing.py)
    made.__dict__["matrix_blocks"] = {"weight": 3}
    return made


def _all_steps(
    parts: Tensor,
    slots: Tensor,
    users: int,
    longest: int,
    heads: int,
    mask: Tensor | None,
    wanted: Tensor,
) -> Tensor:
    """What the steps at the slots `wanted` find, for queries, keys and values (P, 3 width) of all; mask None: causal."""
    width = parts.shape[1] // 3
    grid = parts.new_zeros(users * longest, 3 * width).index_copy(0, slots, parts)
    query, key, value = _split(grid.view(users, longest, -1), 3, heads)
    found = attend(query, key, value, causal=mask is None, mask=mask)
    return found.transpose(1, 2).reshape(-1, width).index_select(0, wanted)


def _last_steps(
    joint: nn.Linear, z: Tensor, slots: Tensor, lengths: Tensor, longest: int, heads: int
) -> Tensor:
    """What each user's last step finds, (users, width), for packed steps z (P, width)."""
    users, width = len(lengths), z.shape[1]
    pair = functional.linear(z, joint.weight[width:], joint.bias[width:])
    grid = pair.new_zeros(users * longest, 2 * width).index_copy(0, slots, pair)
    key, value = _split(grid.view(users, longest, 2 * width), 2, heads)
    query = functional.linear(z[lengths.cumsum(0) - 1], joint.weight[:width], joint.bias[:width])
    query = query.view(users, heads, width // heads).unsqueeze(2)
    scores = (query @ key.transpose(2, 3)) / math.sqrt(width // heads)
    beyond = torch.arange(longest, device=z.device) >= lengths[:, None]
    shares = scores.masked_fill(beyond[:, None, None], -math.inf).softmax(3)
    return (shares @ value).reshape(users, width)


def _split(grid: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    users, longest, width = grid.shape
    each = width // parts // heads
    return grid.view(users, longest, parts, heads, each).permute(2, 0, 3, 1, 4).unbind(0)


def attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d) v for (users, heads, steps, d); causal: steps up to now only; mask (users, 1, 1, steps): True may be seen.

    Up to `SHORT` steps on the CPU by two batched products and a softmax: at 50 steps forward and backward are 1.4 to 1.8 times
    as fast as torch's fused kernel on two cores; at 200 that is as fast or faster, and is taken, as it is elsewhere.

    >>> q = torch.zeros(1, 1, 2, 4)
    >>> attend(q, q, torch.tensor([[[[1.0], [3.0]]]]), causal=True).flatten().tolist()
    [1.0, 2.0]
    """
    if query.device.type != "cpu" or query.shape[2] > SHORT:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
    users, heads, steps, each = query.shape
    q, k, v = (t.reshape(users * heads, -1, t.shape[3]) for t in (query, key, value))
    if causal:
        never = torch.full((steps, steps), -math.inf, dtype=q.dtype).triu_(1)[None]
    elif mask is None:
        never = q.new_zeros(())
    else:
        never = q.new_zeros(users, heads, 1, k.shape[1]).masked_fill_(~mask, -math.inf).flatten(0, 1)
    scores = torch.baddbmm(never, q, k.transpose(1, 2), alpha=1 / math.sqrt(each))
    return torch.bmm(scores.softmax(2), v).view(users, heads, steps, -1)
