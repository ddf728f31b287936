"""Measurements beside peers (speed) and against published figures (quality); see README.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy  # noqa: F401  its BLAS is told below
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info

PACKAGES = ("matweave", "numpy", "scipy", "numba", "pyarrow", "torch")


def run_all(main_file: str) -> None:
    """Run the modules beside `main_file` that are named on the command line, or all of them; exit 1 if one fails.

    Options after the names go to each of them, and lines are then added to what is there.

    Lines go to stdout and to results/KIND.jsonl beside this file, after a line that tells the machine.
    """
    folder = Path(main_file).parent
    known = sorted(p.stem for p in folder.glob("[a-z]*.py"))
    given = sys.argv[1:]
    first = next((at for at, text in enumerate(given) if text.startswith("-")), len(given))
    asked, options = given[:first] or known, given[first:]
    unknown = [name for name in asked if name not in known]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    data = Path(os.environ.get("MATWEAVE_DATA", "../shared/data"))
    if not data.is_dir():
        sys.exit(
            f"no data at {data}: set MATWEAVE_DATA to the folder of the public sets (matweave data list)"
        )
    # threads pinned for ours and peers alike; a scenario that pins its own goes before
    env = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MATWEAVE_THREADS": "2", **os.environ}
    out = Path(__file__).parent / "results" / f"{folder.name}.jsonl"
    out.parent.mkdir(exist_ok=True)
    failed = []
    with out.open("a" if options else "w") as kept:
        for line in [json.dumps(machine(env))]:
            print(line, flush=True)
            kept.write(line + "\n")
        for name in asked:
            print(f"== {name}", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, str(folder / f"{name}.py"), *options],
                env=env,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            print(done.stdout, end="", flush=True)
            kept.write(done.stdout)
            if done.returncode:
                failed.append(name)
    print(f"written: {out}", file=sys.stderr)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def machine(env: Mapping[str, str] = os.environ) -> dict[str, object]:
    """What the figures below it were measured on."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "variables": {
            k: v for k, v in env.items() if k.startswith(("OPENBLAS", "OMP", "MKL", "MATWEAVE_THREADS"))
        },
        "blas": [f"{b['internal_api']} {b['version']} {b.get('architecture')}" for b in threadpool_info()],
    }


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
