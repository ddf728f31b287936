"""A training run that is killed again and again, wherever it happens to be, and ends with the bits of an unbroken one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from by_hand.training import busy_run, same_end
from matweave.randomness import child
from matweave.train.checkpoints import Checkpoints

store = Checkpoints(folder=Path(sys.argv[1]), fingerprint="walk")
settings = {"optimizer": sys.argv[2], "epochs": 12}

class Tell:
    each_step = True

    def __init__(self, pipe):
        self.pipe = pipe

    def __call__(self, moment):
        os.write(self.pipe, b".")

def going_on(watchers=()):
    resume = store.latest() if store.found() else None
    return busy_run(resume=resume, store=store, watchers=watchers, **settings)

def killed(moments, wait):
    # The program is forked, with one thread of work; the child trains, and is killed some microseconds after a moment.
    read, write = os.pipe()
    child_ = os.fork()
    if child_ == 0:
        os.close(read)
        going_on([Tell(write)])
        os._exit(0)
    os.close(write)
    for _ in range(moments):
        os.read(read, 1)
    end = time.perf_counter() + wait
    while time.perf_counter() < end:
        pass
    os.kill(child_, signal.SIGKILL)
    _, status = os.waitpid(child_, 0)
    os.close(read)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

whole = busy_run(**settings)  # first: what torch imports at its first step is imported once
rng = child(0, "kills", sys.argv[2])
steps, kills, torn = [], 0, 0
for _ in range(int(sys.argv[3])):
    kills += killed(int(rng.integers(1, 4)), float(rng.random()) * 0.008)
    folders = list(store.folder.iterdir()) if store.folder.exists() else []
    torn += any(not (f / "model.json").exists() or list(f.glob(".*")) for f in folders)
    steps.append(store.latest().step if store.found() else 0)
ended = going_on()
store.remove()
print(json.dumps({
    "kills": kills, "torn": torn, "steps": steps, "left": store.folder.exists(),
    "same": same_end(ended, whole), "epochs": len(whole.history.epochs),
}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_at_any_moment_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "kept"), "soap", "12"],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "MATWEAVE_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["same"], told
    assert told["kills"] >= 4, told
    assert told["steps"] == sorted(told["steps"])  # what was kept is never lost
    assert len(set(told["steps"])) >= 4, told  # and it got on from one kill to the next
    assert told["epochs"] >= 8
    assert not told["left"]
