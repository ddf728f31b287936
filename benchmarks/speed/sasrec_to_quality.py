"""SASRec beside RecTools 0.19: seconds of training until full-ranking nDCG@10 of the held-out item reaches 0.12 on sasrec-ml-1m.

    python benchmarks/speed/sasrec_to_quality.py [--data DIR] [--peers DIR] [--goal 0.12] [--losses softmax,gBCE,BCE]

Both train on all but each user's last two items and rank the last but one among all items that the user has not had: width 64,
2 blocks, 2 heads with an output layer, length 50, 128 users a batch, Adam at 0.001, dropout 0.2, two threads. Only training is
timed; the list is judged after each epoch by the same code. RecTools is run with each of its losses, and counts with its
quickest; ours with cross-entropy. One JSON line per side. The peer's environment is PEERS/rectools (see ../README.md).
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
from importlib.metadata import version
from pathlib import Path

import numpy as np

from matweave.data.interactions import Interactions
from matweave.data.split import split_leave_last_out
from matweave.deep import torch
from matweave.evaluation.evaluate import validation
from matweave.neural.sas_rec import SASRec
from matweave.threads import set_threads

PEER = """
import json, logging, sys, time, warnings
import numpy as np, pandas as pd, torch
warnings.simplefilter("ignore"); torch.set_num_threads(2)
logging.getLogger("lightning").setLevel(logging.ERROR)
from importlib.metadata import version
from lightning_fabric import seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel
z, loss, goal, most = np.load(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
seed_everything(0, verbose=False)
frame = pd.DataFrame(dict(user_id=z["users"], item_id=z["items"], weight=1.0,
                          datetime=pd.Timestamp("2000-01-01") + pd.to_timedelta(z["times"], unit="s")))
data = Dataset.construct(frame)
wanted = dict(zip(z["test_users"].tolist(), z["test_items"].tolist()))
model = SASRecModel(n_blocks=2, n_heads=2, n_factors=64, session_max_len=50, batch_size=128, epochs=1, loss=loss,
                    dropout_rate=0.2, lr=1e-3, deterministic=False)
spent, reached, trail = 0.0, None, []
for epoch in range(most):
    began = time.perf_counter()
    model.fit_partial(data, min_epochs=1, max_epochs=1)
    spent += time.perf_counter() - began
    lists = model.recommend(users=np.array(list(wanted)), dataset=data, k=10, filter_viewed=True)
    hit = lists[lists.item_id == lists.user_id.map(wanted)]
    trail.append(round(float((1 / np.log2(hit["rank"] + 1)).sum() / len(wanted)), 4))
    print("epoch", epoch + 1, trail[-1], round(spent, 1), file=sys.stderr, flush=True)
    if trail[-1] >= goal:
        reached = spent
        break
print("RESULT", json.dumps(dict(seconds=reached, epochs=len(trail), trail=trail, version=version("rectools"))))
"""


def sequences(data: Path) -> Interactions:
    """The file's rows; it is chronological, so that a row's number is its time."""
    with gzip.open(data / "sasrec-ml-1m" / "ml-1m.txt.gz") as file:
        rows = np.array(file.read().split(), dtype=np.int64).reshape(-1, 2)
    return Interactions.of(users=rows[:, 0], items=rows[:, 1], times=np.arange(len(rows)))


def ours(train: Interactions, test: Interactions, goal: float, most: int) -> dict:
    """Seconds of training alone until the goal: what validation takes is measured and left out."""
    spent_judging, trail = 0.0, []
    judged = validation(test, metric="ndcg@10")

    def watch(state, epochs) -> bool:
        nonlocal spent_judging
        trail.append(round(state.validation[-1][1], 4))
        return trail[-1] >= goal

    def measure(model) -> float:
        nonlocal spent_judging
        began = time.perf_counter()
        value = judged.measure(model)
        spent_judging += time.perf_counter() - began
        return value

    recipe = SASRec(
        rank=64,
        blocks=2,
        heads=2,
        output_layer=True,
        length=50,
        dropout=0.2,
        epochs=most,
        device="cpu",
        seed=0,
    )
    check = type(judged)(measure=measure, patience=most, name="ndcg@10")
    model = recipe.fit(train, validate=check, watch=watch)
    reached = trail[-1] >= goal
    seconds = model.history.seconds - spent_judging if reached else None
    return {"seconds": seconds, "epochs": len(trail), "trail": trail, "version": version("matweave")}


def peer(python: Path, file: Path, loss: str, goal: float, most: int) -> dict:
    """RecTools in its own environment."""
    command = [str(python), "-c", PEER, str(file), loss, str(goal), str(most)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=file.parent)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise SystemExit(f"RecTools failed:\n{done.stderr[-2000:]}")
    return json.loads(found[0].removeprefix("RESULT "))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "../peers")))
    parser.add_argument("--goal", type=float, default=0.12)
    parser.add_argument("--losses", default="softmax,gBCE,BCE")
    parser.add_argument("--most", type=int, default=60, help="epochs at most")
    given = parser.parse_args()
    set_threads(2)
    torch.set_num_threads(2)
    split = split_leave_last_out(sequences(given.data))
    assert split.valid is not None
    known = {"goal": given.goal, "threads": 2, "machine": platform.processor() or platform.machine()}
    print(
        json.dumps(
            {"side": "matweave softmax", **ours(split.train, split.valid, given.goal, given.most), **known}
        ),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        train, valid = (part.to_frame("arrow") for part in (split.train, split.valid))
        assert split.train.times is not None
        np.savez(
            file,
            users=np.asarray(train["user"]),
            items=np.asarray(train["item"]),
            times=split.train.times,
            test_users=np.asarray(valid["user"]),
            test_items=np.asarray(valid["item"]),
        )
        for loss in given.losses.split(","):
            found = peer(given.peers / "rectools" / "bin" / "python", file, loss, given.goal, given.most)
            print(json.dumps({"side": f"rectools {loss}", **found, **known}), flush=True)


if __name__ == "__main__":
    main()
