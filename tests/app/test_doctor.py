"""The doctor's report and self-test."""

from __future__ import annotations

import json

import pytest

from matweave.app import doctor


def test_environment_is_whole_and_jsonable() -> None:
    env = doctor.environment()
    assert env["threads"] >= 1
    assert env["versions"]["numpy"]
    assert set(env["extras"]) == set(doctor.EXTRAS)
    assert json.loads(json.dumps(env)) == env


def test_self_test_passes_here() -> None:
    assert [test["test"] for test in doctor.self_test() if not test["ok"]] == []


def test_self_test_reports_what_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    from matweave.factor.ease import EASE

    def broken(self: object, *args: object, **kwargs: object) -> None:
        raise RuntimeError("no BLAS")

    monkeypatch.setattr(EASE, "fit", broken)
    failed = [test for test in doctor.self_test() if not test["ok"]]
    assert [test["note"] for test in failed] == ["RuntimeError: no BLAS"]
