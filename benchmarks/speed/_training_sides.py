"""The sides of training_loop.py, each in a process of its own: python _training_sides.py WHO MODEL FILE EPOCHS SEED

FILE holds the examples (x, y) and the first weights ("weights/NAME"); threads are those of OMP_NUM_THREADS. Every side tells
its mean training loss of each epoch, as its users have it: ours and skorch by themselves, Lightning by `self.log`.

    hand        the loop of the tutorials: default optimizer, `loss.item()` added up at every step, torch's own memory
                layout (for images NCHW)
    hand_nhwc   the same in channels-last memory
    hand_tuned  the same as hand with the fused optimizer, the summed loss read once an epoch

Only the side that runs is imported, so the peers' environment needs no matweave.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

THREADS, BATCH = int(os.environ["OMP_NUM_THREADS"]), 128
RULES: dict[str, tuple[str, dict[str, Any]]] = {  # model -> torch's optimizer, its settings
    "mlp, adam": ("Adam", {"lr": 5e-4}),
    "mlp, momentum": ("SGD", {"lr": 0.02, "momentum": 0.9}),
    "cnn, nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
}


def network(model: str) -> nn.Sequential:
    """The network in plain torch; ours ("mlp" and "small_cnn") has the same parameters under the same names."""
    if model.startswith("mlp"):
        return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    layers: list[nn.Module] = []
    for before, after, kernel, halved in (
        (1, 16, 5, True),
        (16, 32, 3, False),
        (32, 32, 3, True),
        (32, 64, 3, False),
        (64, 64, 3, False),
    ):
        layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)]
        layers += [nn.MaxPool2d(2)] if halved else []
        layers += [nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Clock:
    """Wall and CPU seconds at the end of each epoch, and its mean loss."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.losses: list[float] = []

    def __call__(self, loss: float) -> None:
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())
        self.losses.append(loss)


def by_hand(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """A loop as the tutorials write it."""
    name, settings = RULES[model]
    optimizer = getattr(torch.optim, name)(module.parameters(), **settings)
    loss_of = nn.CrossEntropyLoss()
    module.train()
    for _ in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for at in range(0, len(x), BATCH):
            chosen = order[at : at + BATCH]
            inputs, targets = x[chosen], y[chosen]
            optimizer.zero_grad()
            loss = loss_of(module(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        clock(total / len(x))


def by_hand_nhwc(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """The same in channels-last memory."""
    module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    by_hand(module, model, x.contiguous(memory_format=torch.channels_last), y, epochs, clock)


def by_hand_tuned(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """The loop with the fused optimizer, the loss read once an epoch."""
    name, settings = RULES[model]
    optimizer = getattr(torch.optim, name)(module.parameters(), fused=True, **settings)
    loss_of = nn.CrossEntropyLoss()
    module.train()
    for _ in range(epochs):
        order, total = torch.randperm(len(x)), torch.zeros(())
        for at in range(0, len(x), BATCH):
            chosen = order[at : at + BATCH]
            inputs, targets = x[chosen], y[chosen]
            optimizer.zero_grad()
            loss = loss_of(module(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(chosen)
        clock(total.item() / len(x))


def ours(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """`Trainer.fit` with the watchers of the command line: a schedule and a checkpoint's clock, asked at every step, and
    the lines of progress. The schedule's factor stays 1, as nobody else has one; nothing is stored."""
    from matweave.app.net_progress import training
    from matweave.threads import set_threads
    from matweave.train.batches import InMemory
    from matweave.train.losses import make_loss
    from matweave.train.schedules import Schedule
    from matweave.train.task import Supervised
    from matweave.train.trainer import Trainer
    from matweave.train.watchers import Moment, Timely

    class Told:
        each_step = False

        def __call__(self, moment: Moment) -> None:
            if moment.at == "epoch":
                clock(moment.loss)

    name, settings = RULES[model]
    rule = "adam" if name == "Adam" else "nesterov" if "nesterov" in settings else "momentum"
    trainer = Trainer(optimizer=rule, learning_rate=settings["lr"], epochs=epochs, device="cpu")
    set_threads(THREADS)
    with training("training") as shown:
        watchers = [Schedule(kind="constant", warmup=1e-12), *shown, Timely(), Told()]
        task = Supervised(module, make_loss("cross_entropy"))
        batches = InMemory([x, y], batch_size=BATCH, seed=torch.initial_seed())
        trainer.fit(task, batches, watchers=watchers)


def skorch(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """Its defaults, but no validation part and no printing."""
    from skorch import NeuralNetClassifier  # pyright: ignore[reportMissingImports]
    from skorch.callbacks import Callback  # pyright: ignore[reportMissingImports]

    class Told(Callback):
        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            clock(net.history[-1, "train_loss"])

    name, settings = RULES[model]
    net = NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        optimizer=getattr(torch.optim, name),
        **{f"optimizer__{key}": value for key, value in settings.items()},
        max_epochs=epochs,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[("told", Told())],
        callbacks__print_log=None,
    )
    net.fit(x.numpy(), y.numpy())


def lightning(module: nn.Module, model: str, x: Tensor, y: Tensor, epochs: int, clock: Clock) -> None:
    """Its Trainer on the CPU; logger, checkpoints, progress bar and summary off."""
    from lightning.pytorch import (  # pyright: ignore[reportMissingImports]
        Callback,
        LightningModule,
        Trainer,
    )
    from torch.utils.data import DataLoader, TensorDataset

    name, settings = RULES[model]

    class Wrapped(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module, self.loss_of = module, nn.CrossEntropyLoss()

        def training_step(self, batch: Any, at: int) -> Tensor:
            inputs, targets = batch
            loss = self.loss_of(self.module(inputs), targets)
            self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
            return loss

        def configure_optimizers(self) -> Any:
            return getattr(torch.optim, name)(self.parameters(), **settings)

    class Told(Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            clock(float(trainer.callback_metrics["loss"]))

    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Told()],
    )
    trainer.fit(Wrapped(), DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True))


SIDES = {
    "matweave": ours,
    "hand": by_hand,
    "hand_tuned": by_hand_tuned,
    "hand_nhwc": by_hand_nhwc,
    "skorch": skorch,
    "lightning": lightning,
}


def main() -> None:
    who, model, file, epochs = sys.argv[1], sys.argv[2], np.load(sys.argv[3]), int(sys.argv[4])
    warnings.simplefilter("ignore")
    torch.set_num_threads(THREADS)
    torch.manual_seed(int(sys.argv[5]))  # the order of examples; ours has a seed of its own
    module = network(model)
    weights = {
        name.removeprefix("weights/"): torch.from_numpy(file[name])
        for name in file.files
        if name.startswith("weights/")
    }
    module.load_state_dict(weights)
    clock = Clock()
    SIDES[who](module, model, torch.from_numpy(file["x"]), torch.from_numpy(file["y"]), epochs, clock)
    found = {
        "wall": np.diff(clock.wall).tolist(),
        "cpu": np.diff(clock.cpu).tolist(),
        "losses": clock.losses,
        "versions": {name: version(name) for name in {"torch", "torch" if "hand" in who else who}},
    }
    print("RESULT", json.dumps(found))


if __name__ == "__main__":
    main()
