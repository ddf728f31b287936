"""NeuMF and MultVAE beside RecBole 1.2.1, and AutoRec beside a dense torch loop: seconds an epoch on ml-1m, two threads.

    python benchmarks/speed/recbole.py [--data DIR] [--peers DIR] [--rounds 3] [--epochs 5] [--only neu_mf,mult_vae,auto_rec]

RecBole's defaults, on all rows but each user's last two, the same rows for both; RecBole's own training loop.
NeuMF: vectors of 64 numbers for the product and for the tower, the tower's layers of 128 and 64, dropout 0.1, one negative drawn for each
positive, 2,048 rows a batch. MultVAE: one hidden layer of 600 on each side, 64 latent means and 64 log-variances, 2,048 users a batch, dropout
0.5. Ours fits with 1 and with 1 + EPOCHS epochs; an epoch is the difference over EPOCHS, RecBole's the mean of all but its first, so that set-up
does not count. In each round all take turns; medians over the rounds, and nDCG@10 of the last rows but one, full ranking without training
items, after 1 + EPOCHS epochs, as each computes it.
AutoRec: 500 hidden units, 512 items a batch, all rows; the loop multiplies whole matrices, masks, and steps with torch's fused Adam.
The peers' environment is PEERS/recbole (see ../README.md). One JSON line for each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from matweave.data.interactions import Interactions
from matweave.data.split import split_leave_last_out
from matweave.evaluation.evaluate import evaluate
from matweave.neural.auto_rec import AutoRec
from matweave.neural.mult_vae import MultVAE
from matweave.neural.neu_mf import NeuMF
from matweave.threads import set_threads

RECBOLE = """
import json, os, sys, time
import numpy as np, torch
torch.set_num_threads(2)
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
folder, epochs, name, own = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
sys.argv = sys.argv[:1]
os.chdir(folder)
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
settings = dict(data_path=folder, use_gpu=False, show_progress=False, state="ERROR", load_col=dict(inter=["user_id", "item_id", "timestamp"]),
                metrics=["NDCG"], topk=[10], valid_metric="NDCG@10", checkpoint_dir=folder + "/saved",
                eval_args=dict(split=dict(LS="valid_and_test"), order="TO", group_by="user", mode="full"))
config = Config(model=name, dataset="ml", config_dict=settings | own)
init_seed(0, True)
data = create_dataset(config)
train, valid, _ = data_preparation(config, data)
model = get_model(name)(config, train._dataset).to("cpu")
trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
took = []
for epoch in range(1 + epochs):
    began = time.perf_counter()
    trainer._train_epoch(train, epoch)
    took.append(time.perf_counter() - began)
trainer.eval_collector.data_collect(train)
found = trainer.evaluate(valid, load_best_model=False)
print("RESULT", json.dumps(dict(epoch=sum(took[1:]) / epochs, ndcg=found["ndcg@10"], batches=len(train))))
"""


def read(data: Path) -> Interactions:
    """All ratings of ml-1m with times."""
    with gzip.open(data / "ml-1m" / "ratings.dat.gz") as file:
        rows = np.array(file.read().replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    users, items = (np.unique(rows[:, c], return_inverse=True)[1] for c in (0, 1))
    return Interactions.from_codes(users, items, rows[:, 2], rows[:, 3] * 1_000_000)


def an_epoch(fit: Callable[[int], object], epochs: int) -> float:
    """Seconds of an epoch without what is done once."""
    took = []
    for n in (1, 1 + epochs):
        began = time.perf_counter()
        fit(n)
        took.append(time.perf_counter() - began)
    return (took[1] - took[0]) / epochs


SIDES: dict[str, tuple[str, str, dict[str, Any], Callable[..., Any], dict[str, Any]]] = {
    "neu_mf": (
        "NeuMF",
        "NeuMF",
        {},
        NeuMF,
        {"rank": 64, "mlp_rank": 64, "width": 128, "layers": 2, "dropout": 0.1, "negatives": 1, "batch_size": 2048},
    ),
    "mult_vae": (
        "MultVAE",
        "MultiVAE",
        {"train_neg_sample_args": None},
        MultVAE,
        {"rank": 64, "hidden": 600, "layers": 1, "dropout": 0.5, "anneal_steps": 200_000, "beta": 1.0, "batch_size": 2048},
    ),
}  # fmt: skip
"""Our name, RecBole's, its settings beside the defaults, our recipe and its settings."""


def beside_recbole(which: str, log: Interactions, python: Path, epochs: int, rounds: int) -> None:
    """Both take turns; a line for each."""
    ours, theirs, own, recipe, settings = SIDES[which]
    split = split_leave_last_out(log)
    assert split.valid is not None

    def fit(n: int) -> object:
        return recipe(**settings, epochs=n, device="cpu").fit(split.train)

    seconds: dict[str, list[float]] = {"matweave": []}
    quality: dict[str, float] = {}
    fit(1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ml").mkdir()
        with (Path(folder) / "ml" / "ml.inter").open("w") as file:
            file.write("user_id:token\titem_id:token\ttimestamp:float\n")
            assert log.times is not None
            places = np.argsort(
                log.times, kind="stable"
            )  # equal times keep the order of the log, as in our split
            order = np.empty(len(log), np.int64)
            order[places] = np.arange(len(log))
            rows = zip(log.user_codes.tolist(), log.item_codes.tolist(), order.tolist(), strict=True)
            file.writelines(f"{u}\t{i}\t{t}\n" for u, i, t in rows)
        for _ in range(rounds):
            if python.exists():
                environment = os.environ | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
                done = subprocess.run(
                    [python, "-W", "ignore", "-c", RECBOLE, folder, str(epochs), theirs, json.dumps(own)],
                    capture_output=True, text=True, env=environment, check=True,
                )  # fmt: skip
                row = json.loads(
                    next(t for t in done.stdout.splitlines() if "RESULT" in t).split("RESULT", 1)[1]
                )
                seconds.setdefault("recbole", []).append(row["epoch"])
                quality["recbole"] = row["ndcg"]
            seconds["matweave"].append(an_epoch(fit, epochs))
    found = evaluate(fit(1 + epochs), split.valid, metrics=["ndcg@10"])  # type: ignore[arg-type]
    quality["matweave"] = found.metrics["ndcg@10"].mean
    tell(f"{ours}, ml-1m, RecBole's defaults", seconds, "recbole", quality)


def dense_loop(log: Interactions, epochs: int) -> None:
    """I-AutoRec as it is mostly written: whole rows, a mask, Adam."""
    torch.manual_seed(0)
    rows = torch.from_numpy(log.by_item.scipy().toarray())
    n, users = rows.shape
    into, out = (torch.nn.Parameter(torch.randn(users, 500) * 0.02) for _ in range(2))
    mu, bias = torch.nn.Parameter(torch.zeros(500)), torch.nn.Parameter(torch.zeros(users))
    optimizer = torch.optim.Adam([into, out, mu, bias], lr=1e-3, fused=True)
    for _ in range(epochs):
        order = torch.randperm(n)
        for at in range(0, n, 512):
            r = rows[order[at : at + 512]]
            optimizer.zero_grad()
            errors = (torch.sigmoid(r @ into + mu) @ out.T + bias - r) * (r > 0)
            share = n / (len(r) * log.by_item.nnz)
            loss = share * errors.square().sum()
            loss = loss + 50.0 * (into.square().sum() + out.square().sum()) / log.by_item.nnz
            loss.backward()
            optimizer.step()


def auto_rec(log: Interactions, epochs: int, rounds: int) -> None:
    """Ours and the dense loop take turns; a line for each."""

    def fit(n: int) -> object:
        return AutoRec(epochs=n, batch_size=512, device="cpu").fit(log)

    fit(1)
    seconds: dict[str, list[float]] = {"matweave": [], "dense loop": []}
    for _ in range(rounds):
        seconds["dense loop"].append(an_epoch(lambda n: dense_loop(log, n), epochs))
        seconds["matweave"].append(an_epoch(fit, epochs))
    tell("I-AutoRec, ml-1m, 500 hidden, 512 items a batch", seconds, "dense loop", {})


def tell(name: str, seconds: dict[str, list[float]], peer: str, quality: dict[str, float]) -> None:
    """A JSON line for each."""
    middle = {who: median(times) for who, times in seconds.items()}
    for who, value in middle.items():
        line = {
            "benchmark": name,
            "who": who,
            "version": version("matweave")
            if who == "matweave"
            else {"recbole": "1.2.1"}.get(who, torch.__version__),
            "epoch_seconds": round(value, 4),
            "all": [round(t, 4) for t in seconds[who]],
            f"ratio_to_{peer.replace(' ', '_')}": round(value / middle[peer], 3) if peer in middle else None,
            **({"ndcg@10": round(quality[who], 4)} if who in quality else {}),
            "machine": {
                "threads": 2,
                "load": round(os.getloadavg()[0], 2),
                "python": platform.python_version(),
            },
        }
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", default="neu_mf,mult_vae,auto_rec")
    given = parser.parse_args()
    set_threads(2)
    torch.set_num_threads(2)
    log = read(given.data)
    for which in SIDES:
        if which in given.only:
            beside_recbole(which, log, given.peers / "recbole" / "bin" / "python", given.epochs, given.rounds)
    if "auto_rec" in given.only:
        auto_rec(log, given.epochs, given.rounds)


if __name__ == "__main__":
    main()
