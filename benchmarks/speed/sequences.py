"""Sequence methods on the CPU: targets a second in training, and a full ranking of 6,040 users, on sasrec-ml-1m with two threads.

    python benchmarks/speed/sequences.py [--data DIR] [--peers DIR] [--rounds 3] [--epochs 2] [--only sasrec,gru4rec] [--seconds 20]

SASRec, width 64, 2 blocks, 1 head with an output layer, length 50, 128 users a batch, dropout 0.2, Adam at 0.001, with one negative
(bce) and with cross-entropy over all items (softmax), beside a plain loop in torch of the same network and RecTools 0.19; GRU4Rec, 64 wide,
128 states, length 50, cross-entropy, beside RecBole 1.2.1 with its own settings. Training rows are all but each user's last two; a target is an item
that is to be guessed from those before it. RecBole runs through a history of 50 once for each target (every prefix is an example of its own),
the others once for all of its targets; so its rate is of the same work for the model, not of the same work for the processor. In each
round the sides take turns; a side's first epoch is not counted; medians over rounds and epochs.

The ranking is of each user's last but one item: ours leaves out the items that the user has had and gives nDCG@10 through `validation`, the plain
one counts better scores among all items. Histories are encoded in both. One JSON line a side; `ratio` is ours to that side's rate (times: theirs to ours).
The peers' environments are PEERS/rectools and PEERS/recbole (see ../README.md); a peer that is not there is told.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.split import Split, split_leave_last_out
from matweave.deep import Tensor, functional, nn, torch
from matweave.evaluation.evaluate import validation
from matweave.factor.recommender import Recommender
from matweave.neural.gru4_rec import GRU4Rec
from matweave.neural.sas_rec import SASRec
from matweave.threads import set_threads

THREADS, LENGTH, WIDTH, BATCH, DROPOUT = 2, 50, 64, 128, 0.2

RECTOOLS = """
import json, logging, sys, time, warnings
import numpy as np, pandas as pd, torch
warnings.simplefilter("ignore"); torch.set_num_threads(2)
logging.getLogger("lightning").setLevel(logging.ERROR)
from importlib.metadata import version
from lightning_fabric import seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel
rows, loss, epochs = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seed_everything(0, verbose=False)
data = Dataset.construct(pd.DataFrame(dict(user_id=rows["users"], item_id=rows["items"], weight=1.0,
    datetime=pd.Timestamp("2000-01-01") + pd.to_timedelta(rows["times"], unit="s"))))
model = SASRecModel(n_blocks=2, n_heads=1, n_factors=64, session_max_len=50, batch_size=128, epochs=1, loss=loss,
                    dropout_rate=0.2, lr=1e-3, deterministic=False)
spent = []
for _ in range(epochs + 1):
    began = time.perf_counter(); model.fit_partial(data, min_epochs=1, max_epochs=1)
    spent.append(time.perf_counter() - began)
print("RESULT", json.dumps(dict(seconds=spent[1:], version=version("rectools"))))
"""

RECBOLE = """
import json, os, sys, time
import numpy as np, torch
torch.set_num_threads(2)
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
import recbole
path, limit = sys.argv[1], float(sys.argv[2])
sys.argv = sys.argv[:1]
rows = np.load(path); folder = os.path.dirname(path)
os.makedirs(folder + "/rows", exist_ok=True); os.chdir(folder)
with open("rows/rows.inter", "w") as file:
    file.write("user_id:token\\titem_id:token\\ttimestamp:float\\n")
    file.writelines(f"{u}\\t{i}\\t{t}\\n" for u, i, t in zip(*(rows[n].tolist() for n in ("users", "items", "times"))))
config = Config(model="GRU4Rec", dataset="rows", config_dict=dict(data_path=folder, use_gpu=False, show_progress=False, state="ERROR",
    train_neg_sample_args=None, load_col=dict(inter=["user_id", "item_id", "timestamp"]), metrics=["NDCG"], topk=[10], valid_metric="NDCG@10",
    eval_args=dict(split=dict(LS="valid_and_test"), order="TO", group_by="user", mode="full")))
init_seed(0, True)
data = create_dataset(config); train, _, _ = data_preparation(config, data)
model = get_model("GRU4Rec")(config, train._dataset)
optimizer = get_trainer(config["MODEL_TYPE"], "GRU4Rec")(config, model).optimizer
model.train(); targets, began = 0, None
for at, batch in enumerate(train):
    if at == 3: began = time.perf_counter()
    optimizer.zero_grad(); loss = model.calculate_loss(batch); loss.backward(); optimizer.step()
    if began is not None:
        targets += len(batch)
        if time.perf_counter() - began > limit: break
print("RESULT", json.dumps(dict(rate=targets / (time.perf_counter() - began), examples=len(train._dataset), version=recbole.__version__)))
"""


def rows_of(data: Path) -> Interactions:
    """The file's rows; it is chronological, so that a row's number is its time."""
    with gzip.open(data / "sasrec-ml-1m" / "ml-1m.txt.gz") as file:
        rows = np.array(file.read().split(), dtype=np.int64).reshape(-1, 2)
    return Interactions.of(users=rows[:, 0], items=rows[:, 1], times=np.arange(len(rows)))


def epochs_of(fit: Callable[[Callable[[Any, int], None]], Recommender]) -> tuple[list[float], Recommender]:
    """Seconds of each epoch but the first, and the model."""
    ends: list[float] = []
    model = fit(lambda state, _: ends.append(state.seconds))
    return np.diff(ends).tolist(), model


def ours(recipe: Any, split: Split) -> tuple[list[float], Recommender]:
    """A fit of our own."""
    return epochs_of(lambda watch: recipe.fit(split.train, watch=watch))


class PlainBlock(nn.Module):
    """The same block, on padded rows."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.joint, self.join = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner, self.outer = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.joint(self.before(x)).unsqueeze(1).chunk(3, dim=-1)
        found = functional.scaled_dot_product_attention(*parts, is_causal=True).squeeze(1)
        x = x + self.drop(self.join(found))
        return x + self.drop(self.outer(functional.relu(self.inner(self.between(x)))))


class PlainNet(nn.Module):
    """SASRec as a reader of the paper would write it: padded rows, item 0 for padding."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, WIDTH, padding_idx=0)
        self.places = nn.Parameter(torch.randn(LENGTH, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(PlainBlock() for _ in range(2))
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(DROPOUT)
        nn.init.normal_(self.items.weight, std=0.02)
        with torch.no_grad():
            self.items.weight[0] = 0

    def forward(self, codes: Tensor) -> Tensor:
        x = self.drop(self.items(codes) * WIDTH**0.5 + self.places)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def padded(train: Interactions, steps: int) -> Tensor:
    """The last `steps` items of each user, plus 1, at the right of a row."""
    histories = train.histories
    made = np.zeros((train.n_users, steps), np.int64)
    items = histories.in_order()
    for user, (low, high) in enumerate(zip(histories.indptr[:-1], histories.indptr[1:], strict=True)):
        mine = items[max(low, high - steps) : high]
        made[user, steps - len(mine) :] = mine + 1
    return torch.from_numpy(made)


def plain(split: Split, loss: str, epochs: int) -> tuple[list[float], PlainNet]:
    """Seconds of each epoch but the first of a plain loop, and the net."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    rows, n = padded(split.train, LENGTH + 1), split.train.n_items
    net = PlainNet(n)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    spent = []
    for _ in range(epochs + 1):
        began = time.perf_counter()
        net.train()
        for part in torch.randperm(len(rows)).split(BATCH):
            codes, wanted = rows[part, :-1], rows[part, 1:]
            there = codes > 0
            h, wanted = net(codes)[there], wanted[there]
            if loss == "softmax":
                value = functional.cross_entropy(h @ net.items.weight.T, wanted)
            else:
                wrong = torch.randint(1, n + 1, wanted.shape)
                good, bad = ((h * net.items(j)).sum(-1) for j in (wanted, wrong))
                value = (functional.softplus(-good) + functional.softplus(bad)).mean()
            adam.zero_grad()
            value.backward()
            adam.step()
        spent.append(time.perf_counter() - began)
    return spent[1:], net


def plain_ranking(net: PlainNet, split: Split) -> float:
    """nDCG@10 of the validation items among all items."""
    assert split.valid is not None
    rows = padded(split.train, LENGTH)
    users, _ = split.train.users.encode(split.valid.users.decode(split.valid.user_codes))
    wanted, _ = split.train.items.encode(split.valid.items.decode(split.valid.item_codes))
    asked, items = (torch.tensor(codes, dtype=torch.int64) for codes in (users, wanted))
    total = 0.0
    net.eval()
    with torch.inference_mode():
        for start in range(0, len(users), 512):
            part = slice(start, start + 512)
            scores = net(rows[asked[part]])[:, -1] @ net.items.weight.T
            scores[:, 0] = -torch.inf
            mine = scores.gather(1, items[part, None] + 1)
            ahead = (scores > mine).sum(1)
            total += float(((ahead < 10) / torch.log2(ahead + 2.0)).sum())
    return total / len(users)


def peer(python: Path, code: str, *arguments: str) -> dict[str, Any] | None:
    """What a peer's script found in its own environment; None where that is absent."""
    if not python.exists():
        return None
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise SystemExit(f"{python} failed:\n{done.stderr[-2000:]}")
    return json.loads(found[0].removeprefix("RESULT "))


def stored(log: Interactions, file: Path) -> None:
    """The rows as the peers read them."""
    assert log.times is not None
    frame = log.to_frame("arrow")
    np.savez(file, users=np.asarray(frame["user"]), items=np.asarray(frame["item"]), times=log.times)


def emit(what: str, side: str, unit: str, values: list[float], **more: Any) -> float:
    """One line; its median."""
    found = median(values)
    load = round(os.getloadavg()[0], 2)
    line = {"what": what, "side": side, unit: round(found, 4), "all": [round(v, 4) for v in values]}
    print(json.dumps(line | more | {"threads": THREADS, "load": load, "cores": os.cpu_count()}), flush=True)
    return found


def sasrec(split: Split, loss: str, given: argparse.Namespace, file: Path) -> None:
    """Training of the three sides in turns, then the ranking of ours and the plain one."""
    per_epoch = int(np.minimum(split.train.histories.counts - 1, LENGTH).clip(min=0).sum())
    recipe = SASRec(
        rank=WIDTH, blocks=2, heads=1, output_layer=True, length=LENGTH, dropout=DROPOUT, loss=loss,
        batch_size=BATCH, epochs=given.epochs + 1, device="cpu",
    )  # fmt: skip
    python = given.peers / "rectools" / "bin" / "python"
    rates: dict[str, list[float]] = {"matweave": [], "plain torch": [], "RecTools": []}
    told, model, net = None, None, None
    for _ in range(given.rounds):
        spent, model = ours(recipe, split)
        rates["matweave"] += [per_epoch / s for s in spent]
        spent, net = plain(split, loss, given.epochs)
        rates["plain torch"] += [per_epoch / s for s in spent]
        told = peer(python, RECTOOLS, str(file), {"bce": "BCE"}.get(loss, loss), str(given.epochs))
        rates["RecTools"] += [per_epoch / s for s in (told or {}).get("seconds", [])]
    versions = {
        "matweave": version("matweave"),
        "plain torch": version("torch"),
        "RecTools": (told or {}).get("version"),
    }
    what, mine = f"SASRec {loss}, training", median(rates["matweave"])
    for side, found in rates.items():
        if found:
            more = {} if side == "matweave" else {"ratio": round(mine / median(found), 2)}
            emit(
                what,
                side,
                "targets_per_second",
                found,
                targets_per_epoch=per_epoch,
                version=versions[side],
                **more,
            )
        else:
            print(json.dumps({"what": what, "side": side, "measured": False}), flush=True)
    if loss != "softmax" or model is None or net is None:
        return
    measure = validation(split.valid).measure
    model.known(np.arange(BATCH))  # built once
    seconds: dict[str, list[float]] = {"matweave": [], "plain torch": []}
    values = {}
    sides = {"matweave": lambda: measure(model), "plain torch": lambda: plain_ranking(net, split)}
    for _ in range(2 * given.rounds + 1):
        for side, work in sides.items():
            began = time.perf_counter()
            values[side] = round(float(work()), 4)
            seconds[side].append(time.perf_counter() - began)
    mine = median(seconds["matweave"][1:])
    for side, found in seconds.items():
        more = {} if side == "matweave" else {"ratio": round(median(found[1:]) / mine, 2)}
        emit("SASRec, full ranking of 6,040 users", side, "seconds", found[1:], ndcg=values[side], **more)


def gru4rec(split: Split, given: argparse.Namespace, file: Path) -> None:
    """Ours and RecBole's in turns."""
    per_epoch = int(np.minimum(split.train.histories.counts - 1, LENGTH).clip(min=0).sum())
    recipe = GRU4Rec(
        rank=64,
        hidden=128,
        dropout=0.3,
        length=LENGTH,
        batch_size=BATCH,
        epochs=given.epochs + 1,
        device="cpu",
    )
    python = given.peers / "recbole" / "bin" / "python"
    mine, theirs, told = [], [], None
    for _ in range(given.rounds):
        spent, _ = ours(recipe, split)
        mine += [per_epoch / s for s in spent]
        told = peer(python, RECBOLE, str(file), str(given.seconds))
        theirs += [told["rate"]] if told else []
    what = "GRU4Rec softmax, training"
    rate = emit(
        what,
        "matweave",
        "targets_per_second",
        mine,
        targets_per_epoch=per_epoch,
        must=10_000,
        version=version("matweave"),
    )
    if told:
        ratio = round(rate / median(theirs), 2)
        more = {"targets_per_epoch": told["examples"], "version": told["version"], "ratio": ratio}
        emit(what, "RecBole", "targets_per_second", theirs, **more)
    else:
        print(json.dumps({"what": what, "side": "RecBole", "measured": False}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "peers")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="epochs that are counted in each round")
    parser.add_argument("--seconds", type=float, default=20.0, help="of RecBole's training in each round")
    parser.add_argument("--only", default="sasrec,gru4rec")
    given = parser.parse_args()
    set_threads(THREADS)
    torch.set_num_threads(THREADS)
    log = rows_of(given.data)
    split = split_leave_last_out(log)
    with tempfile.TemporaryDirectory() as folder:
        train, whole = Path(folder) / "train.npz", Path(folder) / "whole.npz"
        stored(split.train, train)
        stored(log, whole)  # RecBole leaves the last two out itself
        if "sasrec" in given.only:
            for loss in ("bce", "softmax"):
                sasrec(split, loss, given, train)
        if "gru4rec" in given.only:
            gru4rec(split, given, whole)


if __name__ == "__main__":
    main()
