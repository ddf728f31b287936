"""A convolutional network for images: CNNClassifier.

Inputs      n × h × w or n × c × h × w (c 1, 3 or 4): bytes, or finite numbers. Each channel is standardised by the training images
            (ImagePreparation); bytes are taken as 0..1, and later images must be given on the same scale.
Checked by  tests/sklearn/test_images.py: a planted pattern, searches, pipelines, bytes against numbers, saved twins.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from matweave.data.images import Images
from matweave.sklearn.base import plain_targets
from matweave.sklearn.networks import NetClassifier


@final
class CNNClassifier(NetClassifier):
    """A network that tells images apart.

    net: small_cnn, cnn, lenet5, residual_cnn, or any other that takes images. settings: of that net, by name.
    augment: for example "shift,rotate=10,mixup" (matweave/train/augment.py). label_smoothing: in [0, 1). class_weights: none
    or balanced. The others: see `matweave.sklearn.networks`.

    >>> X = np.zeros((60, 8, 8), np.uint8)
    >>> X[:30, :, :4] = 255  # left, and right
    >>> X[30:, :, 4:] = 255
    >>> y = ["left"] * 30 + ["right"] * 30
    >>> net = CNNClassifier("cnn", settings={"channels": (4,), "dense": ()}, learning_rate=0.01, epochs=5).fit(X, y)
    >>> net.predict(X[[0, 59]]).tolist()
    ['left', 'right']
    """

    def __init__(
        self,
        net: str = "small_cnn",
        *,
        settings: dict[str, Any] | None = None,
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
        return tags

    def _net(self) -> str:
        return self.get_params(deep=False)["net"]

    def _read(self, X: Any, y: Any = None, *, first: bool = False) -> tuple[Images, np.ndarray]:
        images = Images.of(X)
        return images, plain_targets(images.pixels, y) if first else np.zeros(0)
