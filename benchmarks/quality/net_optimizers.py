"""Epochs and seconds to 99 % on MNIST, for every optimizer worth it, on the CNN of under 100,000 parameters.

Each trains at a constant rate, without augmentation, batches of 128; accuracy on the test part is looked at after every epoch, and
training stops at the first of at least 99 % (or after 8). The look is the same for all and is no judgement of
quality. Learning rates: the best of three by `--valid`, one epoch each on a fifth of the training part, judged on another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import final

import numpy as np
from _nets import arguments, wanted  # beside this file

from matweave.app.progress import say
from matweave.data.holdout import hold_out
from matweave.data.read_images import read_images
from matweave.nets.network import Network
from matweave.threads import threads
from matweave.train.watchers import Moment, Order, Stop

RECIPE = Network(net="small_cnn", schedule="constant", epochs=8, batch_size=128, judge="accuracy")
RATES = {
    "adam": (1e-3, 3e-3, 1e-2),
    "muon": (3e-3, 1e-2, 3e-2),
    "soap": (1e-3, 3e-3, 1e-2),
}
CHOSEN = {"adam": 3e-3, "muon": 3e-3, "soap": 3e-3}


@final
@dataclass(frozen=True, kw_only=True)
class Accurate:
    """Stops at an accuracy on the part that is looked at."""

    least: float

    @property
    def each_step(self) -> bool:
        return False

    def __call__(self, moment: Moment) -> Order | None:
        there = moment.at == "epoch" and moment.history[-1].measures["accuracy"] >= self.least
        return Stop("accurate") if there else None


def main() -> None:
    given = arguments(__doc__)
    train, test = (read_images(given.data / "mnist", part=part) for part in ("train", "test"))
    if given.valid:  # the choice of rates
        few = hold_out(train, 0.4, seed=0, name="few").test
        cut = hold_out(few, 0.5, seed=0, name="valid")
        for name, rates in RATES.items():
            for rate in rates if wanted(given, name) else ():
                recipe = replace(RECIPE, optimizer=name, learning_rate=rate, epochs=1)
                past = recipe.fit(cut.train, validation=cut.test).history
                print(json.dumps({"optimizer": name, "rate": rate, **past.epochs[0].measures}), flush=True)
        return
    for name, rate in CHOSEN.items():
        if not wanted(given, name):
            continue
        epochs, seconds, curves = [], [], []
        for seed in range(given.seeds):
            recipe = replace(RECIPE, optimizer=name, learning_rate=rate, seed=seed)
            past = recipe.fit(train, validation=test, watchers=[Accurate(least=0.99)]).history
            reached = past.stopped == "accurate"
            epochs.append(len(past.epochs) if reached else None)
            seconds.append(round(past.seconds, 1) if reached else None)
            curves.append([round(100 * e.measures["accuracy"], 2) for e in past.epochs])
            say(f"{name}, seed {seed}: {epochs[-1]} epochs, {seconds[-1]} s, {curves[-1]}")
        done = [s for s in seconds if s is not None]
        line = {
            "benchmark": "mnist, CNN < 100K: epochs and seconds to 99 %",
            "optimizer": name,
            "learning_rate": rate,
            "epochs": epochs,
            "seconds": seconds,
            "seconds_mean": round(float(np.mean(done)), 1) if len(done) == given.seeds else None,
            "accuracy_by_epoch": curves,
            "threads": threads(),
            "torch": version("torch"),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
