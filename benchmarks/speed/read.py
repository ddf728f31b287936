"""A 20-million-row CSV to user-item CSR in both directions: ours against the plain pyarrow-to-SciPy route.

    python benchmarks/speed/read.py [--rows 20000000] [--repeats 3] [--ids text,numbers]

Ours checks every row, reads the times, removes duplicates and builds both directions; the plain route reads
user, item and rating, trusts the file, and builds one direction, in which SciPy adds duplicates up. Each run is a
fresh process, imports included; the routes take turns, two threads each. One JSON line a route: median seconds,
peak MB, and the ratio to the plain route. The files are made once, in the system's temporary folder
(138,493 users, 26,744 items, popularity skewed, as peers' reading times were measured).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.csv

USERS, ITEMS = 138_493, 26_744

START = "import json, resource, sys, time; start = time.perf_counter(); path, threads = sys.argv[1], int(sys.argv[2])\n"

END = """
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": round(seconds, 3), "peak_mb": round(peak), "entries": int(entries)}))
"""

OURS = """
import matweave as mw
mw.set_threads(threads)
log = mw.read_interactions(path)
entries = log.by_user.nnz
assert log.by_item.nnz == entries and log.times is not None
"""

PLAIN_TEXT = """
import numpy as np, pyarrow as pa, pyarrow.csv as csv, scipy.sparse as sp
pa.set_cpu_count(threads)
kind = pa.dictionary(pa.int32(), pa.string())
options = csv.ConvertOptions(include_columns=["user_id", "item_id", "rating"],
                             column_types={"user_id": kind, "item_id": kind, "rating": pa.float32()})
table = csv.read_csv(path, convert_options=options).unify_dictionaries()
codes = [np.concatenate([chunk.indices.to_numpy() for chunk in table[name].chunks]) for name in ("user_id", "item_id")]
shape = [len(table[name].chunk(0).dictionary) for name in ("user_id", "item_id")]
entries = sp.csr_matrix((table["rating"].to_numpy(), tuple(codes)), shape=shape).nnz
"""

PLAIN_NUMBERS = """
import pyarrow as pa, pyarrow.csv as csv, scipy.sparse as sp
pa.set_cpu_count(threads)
options = csv.ConvertOptions(include_columns=["user_id", "item_id", "rating"],
                             column_types={"user_id": pa.int32(), "item_id": pa.int32(), "rating": pa.float32()})
table = csv.read_csv(path, convert_options=options)
entries = sp.csr_matrix((table["rating"].to_numpy(), (table["user_id"].to_numpy(), table["item_id"].to_numpy()))).nnz
"""


def make(path: Path, rows: int, ids: str) -> None:
    """Write the file: popularity falls from the first ids on."""
    if path.exists():
        return
    rng = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {
        "text": (lambda k: f"u{k:07d}", lambda k: f"item-{k:06d}"),
        "numbers": (lambda k: k + 1, lambda k: k + 1),
    }[ids]
    users, items = (pa.array([f(k) for k in range(n)]) for f, n in zip(names, (USERS, ITEMS), strict=True))
    ratings = pa.array(["1.0", "2.0", "3.0", "3.5", "4.0", "5.0"])
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for begin in range(0, rows, 1_000_000):
            n = min(1_000_000, rows - begin)
            table = pa.table(
                {
                    "user_id": users.take(pa.array((USERS * rng.random(n) ** 2).astype(np.int32))),
                    "item_id": items.take(pa.array((ITEMS * rng.random(n) ** 3).astype(np.int32))),
                    "rating": ratings.take(pa.array(rng.integers(0, 6, n))),
                    "timestamp": pa.array(rng.integers(789_652_009, 1_427_784_002, n)),
                }
            )
            options = pyarrow.csv.WriteOptions(include_header=begin == 0, quoting_style="none")
            pyarrow.csv.write_csv(table, file, options)
    part.rename(path)


def once(code: str, path: Path, threads: int) -> dict:
    """One fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", START + code + END, str(path), str(threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ids", default="text,numbers")
    asked = parser.parse_args()
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "numpy": np.__version__,
    }
    for ids in asked.ids.split(","):
        path = Path(tempfile.gettempdir()) / "matweave-bench" / f"read-{ids}-{asked.rows}.csv"
        make(path, asked.rows, ids)
        routes = {"matweave": OURS, "pyarrow+scipy": PLAIN_TEXT if ids == "text" else PLAIN_NUMBERS}
        small = path.with_name(f"read-{ids}-20000.csv")
        make(small, 20_000, ids)
        for code in routes.values():
            once(code, small, asked.threads)  # compiled kernels are cached from here on
        runs: dict[str, list[dict]] = {name: [] for name in routes}
        for _ in range(asked.repeats):
            for name, code in routes.items():
                runs[name].append(once(code, path, asked.threads))
        plain = median(run["seconds"] for run in runs["pyarrow+scipy"])
        for name, found in runs.items():
            seconds = median(run["seconds"] for run in found)
            row = {
                "what": f"CSV with {ids} ids to CSR",
                "rows": asked.rows,
                "who": name,
                "seconds": seconds,
                "ratio": round(seconds / plain, 3),
                "peak_mb": max(run["peak_mb"] for run in found),
                "entries": found[0]["entries"],
                "all_seconds": [run["seconds"] for run in found],
                "load": round(os.getloadavg()[0], 2),
                "threads": asked.threads,
                "machine": machine,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
