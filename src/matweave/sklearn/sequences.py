"""A recurrent network for sequences: RNNClassifier.

Inputs      an array n × T or n × T × c of numbers; a list of n arrays (T_i,) or (T_i, c), of any lengths; or n texts, taken
            character by character. Channels are standardised by the training sequences; the alphabet is theirs too, and a
            character outside it is "unknown" (SequencePreparation).
Checked by  tests/sklearn/test_sequences.py: planted orders of steps, ragged against padded, texts, searches, saved twins.
"""

from __future__ import annotations

from typing import Any, ClassVar, final

import numpy as np

from matweave.config import one_of
from matweave.data.sequences import Sequences
from matweave.errors import ConfigError
from matweave.sklearn.base import plain_targets
from matweave.sklearn.networks import NetClassifier

NETS = ("gru", "lstm", "rnn")
OUTPUTS = ("last", "mean", "max", "attention")


@final
class RNNClassifier(NetClassifier):
    """A recurrent network that tells sequences apart.

    net: gru, lstm or rnn (Elman's). hidden, layers, bidirectional, dropout, output, embedding: of `matweave.nets.rnn.GRU`;
    output: last, mean, max or attention. augment: for example "jitter,mask=0.2" (matweave/train/augment.py).
    label_smoothing: in [0, 1). class_weights: none or balanced. The others: see `matweave.sklearn.networks`.

    >>> X = ["aab", "aba", "aa", "ba"] * 3 + ["bba", "bab", "bb", "bbbb"] * 3
    >>> net = RNNClassifier(hidden=8, embedding=4, learning_rate=0.05, epochs=15).fit(X, ["a"] * 12 + ["b"] * 12)
    >>> net.predict(["aaab", "bbb"]).tolist()
    ['a', 'b']
    """

    net: str
    output: str
    spec: ClassVar[tuple[str, ...]] = ("hidden", "layers", "bidirectional", "dropout", "output", "embedding")

    def __init__(
        self,
        net: str = "gru",
        *,
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        output: str = "last",
        embedding: int = 64,
        augment: str = "",
        label_smoothing: float = 0.0,
        class_weights: str = "none",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        momentum: float | None = None,
        schedule: str = "cosine",
        warmup: float = 0.0,
        epochs: int = 20,
        batch_size: int | None = None,
        clip: float | None = None,
        valid: float = 0.0,
        patience: int | None = None,
        judge: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
    ) -> None:
        self._keep(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.input_tags.string = True
        return tags

    def _net(self) -> str:
        rules = {"net": one_of(*NETS), "output": one_of(*OUTPUTS)}
        said = {name: rule(getattr(self, name)) for name, rule in rules.items()}
        problems = [f"{n} is {getattr(self, n)!r}, but must be {w}" for n, w in said.items() if w]
        if problems:
            raise ConfigError("\n".join(problems), where="RNNClassifier", mend="correct what is named")
        return self.net

    def _read(self, X: Any, y: Any = None, *, first: bool = False) -> tuple[Sequences, np.ndarray]:
        sequences = Sequences.of(X)
        return sequences, plain_targets(sequences.offsets[1:], y) if first else np.zeros(0)
