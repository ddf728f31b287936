"""`matweave doctor`: what this machine and installation are, and a self-test of a few seconds."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.util import find_spec
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from matweave.evaluation.machine import versions
from matweave.threads import cores, threads

EXTRAS = {
    "deep": ("torch",),
    "report": ("matplotlib",),
    "serve": ("fastapi", "uvicorn"),
    "ann": ("faiss",),
    "tune": ("optuna",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "privacy": ("opacus", "cryptography"),
}
VARIABLES = (
    "MATWEAVE_DATA",
    "MATWEAVE_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def environment() -> dict[str, Any]:
    """Platform, versions, cores, threads, BLAS libraries, GPU, extras and the variables that matter."""
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "executable": sys.executable,
        "versions": versions(),
        "cores_allowed": cores(),
        "cores_present": os.cpu_count(),
        "threads": threads(),
        "memory_gb": _memory_gb(),
        "blas": [
            {k: entry.get(k) for k in ("internal_api", "version", "num_threads", "architecture")}
            for entry in threadpool_info()
            if entry.get("user_api") == "blas"
        ],
        "gpu": _gpu(),
        "extras": {extra: all(find_spec(m) for m in modules) for extra, modules in EXTRAS.items()},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def self_test() -> list[dict[str, Any]]:
    """Small jobs with known answers, each with its seconds and whether the answer was right."""
    from matweave.data.simulate import simulate_log
    from matweave.factor.biased_mf import BiasedMF
    from matweave.factor.ease import EASE
    from matweave.factor.implicit_als import ImplicitALS

    log = simulate_log(users=300, items=120, interactions=9_000, seed=0).log

    def ranks(recipe: Any) -> bool:
        model = recipe.fit(log)
        rows = model.known(np.arange(log.n_users))
        matrix = log.by_user
        users = np.repeat(np.arange(log.n_users), matrix.counts)
        seen = model.pair_scores(rows, users, matrix.indices)
        return bool(np.isfinite(seen).all() and seen.mean() > model.scores(rows).mean())

    jobs = {
        "implicit_als ranks seen items above others": lambda: ranks(ImplicitALS(rank=8, epochs=5)),
        "ease ranks seen items above others": lambda: ranks(EASE()),
        "biased_mf lowers its objective": lambda: _falls(
            BiasedMF(rank=8, epochs=5).fit(log).history.objective
        ),
    }
    if find_spec("torch") is not None:
        jobs["a network lowers its loss"] = _network_learns
    results = []
    for name, job in jobs.items():
        began = time.perf_counter()
        try:
            good, note = job(), ""
        except Exception as error:  # a self-test reports whatever breaks
            good, note = False, f"{type(error).__name__}: {error}"
        results.append({"test": name, "ok": good, "seconds": time.perf_counter() - began, "note": note})
    return results


def _falls(objective: tuple[float, ...]) -> bool:
    return objective[-1] < objective[0]


def _network_learns() -> bool:
    from matweave.data.images import Images
    from matweave.nets.network import Network

    stripes = np.zeros((40, 8, 8), np.float32)
    stripes[::2, ::2], stripes[1::2, :, ::2] = 1, 1
    images = Images.of(stripes, ["across" if i % 2 == 0 else "down" for i in range(40)])
    past = (
        Network(net="cnn", settings={"channels": [4], "dense": []}, epochs=5, device="cpu")
        .fit(images)
        .history
    )
    return past.epochs[-1].loss < past.epochs[0].loss


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _gpu() -> str:
    if find_spec("torch") is None:
        return "not looked for (the extra 'deep' is not installed)"
    import importlib

    torch = importlib.import_module("torch")
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    mps = getattr(torch.backends, "mps", None)
    return "Apple MPS" if mps is not None and mps.is_available() else "none"
