"""SASRec beside RecTools 0.19: seconds of training until full-ranking nDCG@10 of the held-out item reaches 0.12 on sasrec-ml-1m.

    python benchmarks/speed/sasrec_to_quality.py [--data DIR] [--peers DIR] [--goal 0.12] [--losses softmax,gBCE,BCE,sampled_softmax]

Both train on all but each user's last two items and rank the last but one among all items that the user has not had: width 64,
2 blocks, 2 heads with an output layer, length 50, 128 users a batch, Adam at 0.001, dropout 0.2, two threads. Only training is
timed; lists are judged after each epoch, a hit at rank r counts 1 / log2(r + 1). RecTools is run with each loss of
--losses and its default number of negatives; ours with cross-entropy. One JSON line per side; `seconds` is null where the goal
was not reached within --most epochs, which took `spent`. The peer's environment is PEERS/rectools (see ../README.md).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from sequences import peer, rows_of, stored  # beside this file

from matweave.data.interactions import Interactions
from matweave.data.split import split_leave_last_out
from matweave.deep import torch
from matweave.evaluation.evaluate import validation
from matweave.factor.loop import FitState, Validation
from matweave.factor.recommender import Recommender
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
z, held, loss, goal, most = np.load(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
seed_everything(0, verbose=False)
frame = pd.DataFrame(dict(user_id=z["users"], item_id=z["items"], weight=1.0,
                          datetime=pd.Timestamp("2000-01-01") + pd.to_timedelta(z["times"], unit="s")))
data = Dataset.construct(frame)
wanted = dict(zip(held["users"].tolist(), held["items"].tolist()))
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
print("RESULT", json.dumps(dict(seconds=reached, spent=spent, epochs=len(trail), trail=trail, version=version("rectools"))))
"""


def ours(train: Interactions, test: Interactions, goal: float, most: int) -> dict:
    """Seconds of training alone until the goal: what validation takes is measured and left out."""
    judging, trail = [], []
    judged = validation(test, metric="ndcg@10")

    def watch(state: FitState, epochs: int) -> bool:
        trail.append(round(state.validation[-1][1], 4))
        return trail[-1] >= goal

    def measure(model: Recommender) -> float:
        began = time.perf_counter()
        value = judged.measure(model)
        judging.append(time.perf_counter() - began)
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
    check = Validation(measure=measure, patience=most, name="ndcg@10")
    model = recipe.fit(train, validate=check, watch=watch)
    reached = trail[-1] >= goal
    spent = model.history.seconds - sum(judging)
    return {
        "seconds": spent if reached else None,
        "spent": spent,
        "epochs": len(trail),
        "trail": trail,
        "version": version("matweave"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--peers", type=Path, default=Path(os.environ.get("MATWEAVE_PEERS", "../peers")))
    parser.add_argument("--goal", type=float, default=0.12)
    parser.add_argument("--losses", default="softmax,gBCE,BCE,sampled_softmax")
    parser.add_argument("--most", type=int, default=60, help="epochs at most")
    given = parser.parse_args()
    set_threads(2)
    torch.set_num_threads(2)
    split = split_leave_last_out(rows_of(given.data))
    assert split.valid is not None
    known = {"goal": given.goal, "threads": 2, "machine": platform.processor() or platform.machine()}
    print(
        json.dumps(
            {"side": "matweave softmax", **ours(split.train, split.valid, given.goal, given.most), **known}
        ),
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file, wanted = Path(folder) / "rows.npz", Path(folder) / "wanted.npz"
        stored(split.train, file)
        stored(split.valid, wanted)
        for loss in given.losses.split(","):
            python = given.peers / "rectools" / "bin" / "python"
            found = peer(python, PEER, str(file), str(wanted), loss, str(given.goal), str(given.most))
            if found is None:
                continue
            print(json.dumps({"side": f"rectools {loss}", **found, **known}), flush=True)


if __name__ == "__main__":
    main()
