"""A budget ends a fit after an epoch, and only one that had more to come."""

from __future__ import annotations

import pytest

from matweave.evaluation.budget import Budget, spell
from matweave.factor.loop import FitState


def state(epoch: int) -> FitState:
    return FitState(epoch=epoch, arrays={})


def test_without_an_end_it_only_passes_on() -> None:
    seen: list[int] = []
    budget = Budget(None, lambda now, total: seen.append(now.epoch) or now.epoch == 2)
    assert [budget(state(e), 5) for e in (1, 2)] == [False, True]
    assert (seen, budget.ended, budget.told(1e9)) == ([1, 2], None, "")


def test_it_ends_after_the_epoch_that_passes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 9.9, 10.0])
    monkeypatch.setattr("matweave.evaluation.budget.time.perf_counter", lambda: next(clock))
    budget = Budget(10.0)
    assert [budget(state(e), 9) for e in (1, 2, 3)] == [False, False, True]
    assert budget.told(10.1) == "ended by the budget of 10 s, after epoch 3 of 9"


def test_the_last_epoch_is_not_ended_but_told_as_over() -> None:
    budget = Budget(0.0)
    assert budget(state(9), 9) is False
    assert budget.told(3.0) == "took 3.0 s, over the budget of 0 s: it has no epoch to end after"


def test_another_watchers_stop_is_not_the_budgets() -> None:
    budget = Budget(0.0, lambda now, total: True)
    assert budget(state(1), 9) is True
    assert budget.ended is None


def test_minutes_are_spelled_as_minutes() -> None:
    assert [spell(s) for s in (60.0, 61.0, 0.5)] == ["1 min", "61 s", "0.5 s"]
