"""MNIST handwritten digits: a CNN of under 100,000 parameters, and LeNet-5 of 430,500 weights; 60,000 training images,
accuracy on the 10,000 of the test part, means of three seeds. Known: 99.2 % for "2 conv, < 100K parameters"
(Fashion-MNIST's README, side table), 98.82 % for LeNet-5 (Schotthöfer et al. 2022, DLRT, mean of five).
"""

from __future__ import annotations

from _nets import arguments, row, show, wanted  # beside this file

from matweave.data.read_images import read_images
from matweave.nets.network import Network

SMALL = Network(
    net="small_cnn",
    optimizer="nesterov",
    learning_rate=0.1,
    weight_decay=5e-4,
    schedule="one_cycle",
    epochs=12,
    batch_size=128,
    augment="shift=0.1,rotate=10,scale=0.1",
)
LENET = Network(
    net="lenet5", optimizer="adam", learning_rate=1e-3, schedule="cosine", epochs=8, batch_size=128
)


def main() -> None:
    given = arguments(__doc__)
    folder = given.data / "mnist"
    train, test = (read_images(folder, part=part) for part in ("train", "test"))
    rows = [
        ("mnist, CNN < 100K", SMALL, 99.4, "99.2 for < 100K"),
        ("mnist, LeNet-5", LENET, 98.9, "98.82 (DLRT)"),
    ]
    show(
        row(name, recipe, lambda seed: (train, test), must=must, known=known, given=given)
        for name, recipe, must, known in rows
        if wanted(given, name)
    )


if __name__ == "__main__":
    main()
