"""What is found about predictions in words and as JSON: whole, in order, and without a NaN."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matweave.data.targets import Targets
from matweave.evaluation.predictions import judge_classes, judge_values
from matweave.evaluation.predictions_judged import MEASURES, ClassesJudged


def judged(k: int = 3, n: int = 60) -> ClassesJudged:
    """The last class has no example and is never predicted; class 0 is taken for class 1 five times."""
    codes = np.arange(n) % (k - 1)
    said = codes.copy()
    said[np.flatnonzero(codes == 0)[:5]] = 1
    said[np.flatnonzero(codes == 1)[:2]] = 0
    p = np.full((n, k), 0.1 / (k - 1))
    p[np.arange(n), said] = 0.9
    return judge_classes(p, Targets(values=codes, classes=tuple(f"c{c}" for c in range(k))))


def test_the_commonest_class_and_the_commonest_mistakes():
    found = judged()
    assert found.commonest == ("c0", 0.5)
    assert found.confused() == [("c0", "c1", 5), ("c1", "c0", 2)]
    assert found.confused(1) == [("c0", "c1", 5)]
    clean = judge_classes(np.eye(2), Targets.of_labels("ab"))
    assert clean.confused() == []
    assert not any("confused" in line for line in clean.lines())


def test_lines_hold_the_metrics_in_columns_and_what_they_are_read_against():
    lines = judged().lines()
    assert lines[0] == "60 examples of 3 classes"
    assert lines[1].startswith("accuracy           0.8833  0.")
    ends = {line.index("  0.") if "  0." in line else -1 for line in lines[1:7]}
    assert len(ends) == 1
    assert "always 'c0', the most common class: accuracy 0.5000" in lines
    assert lines[-1] == "most confused: 'c0' taken for 'c1' 5 times, 'c1' taken for 'c0' 2 times"
    assert [row[0] for row in judged().rows()] == list(judged().metrics)


def test_a_dict_is_strict_json_and_holds_everything():
    found = judged()
    again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert again["n"] == 60
    assert again["level"] == 0.95
    assert set(again["metrics"]) == set(found.metrics)
    assert again["metrics"]["accuracy"]["mean"] == found.metrics["accuracy"].mean
    assert again["confusion"] == [[25, 5, 0], [2, 28, 0], [0, 0, 0]]
    assert again["confused"][0] == {"truth": "c0", "predicted": "c1", "count": 5}
    assert again["per_class"][2] == {
        "class": "c2", "support": 0, "predicted": 0, "precision": None, "recall": None, "f1": None,
    }  # fmt: skip
    assert [b["count"] for b in again["calibration"]] == [0] * 13 + [60, 0]
    assert again["calibration"][13]["accuracy"] == pytest.approx(53 / 60)
    assert again["calibration"][0]["accuracy"] is None
    assert again["hardest"] == found.hardest.tolist()
    assert again["commonest"] == {"class": "c0", "accuracy": 0.5}


def test_many_classes_leave_the_matrix_out_and_keep_the_mistakes():
    assert judged(k=101, n=400).as_dict()["confusion"] is None
    assert len(judged(k=100, n=400).as_dict()["confusion"]) == 100
    assert judged(k=101, n=400).as_dict()["confused"]


def test_numbers_in_words_and_as_json():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, (200, 2))
    found = judge_values(values + rng.normal(0, 0.5, (200, 2)), values)
    assert found.constant == pytest.approx(values.std(axis=0).mean())
    lines = found.lines()
    assert lines[0] == "200 examples of 2 outputs"
    assert [line.split()[0] for line in lines[1:4]] == ["rmse", "mae", "r2"]
    assert lines[-1] == f"always the mean of these values: rmse {found.constant:.5g}"
    again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert len(again["outputs"]) == 2
    errors = again["outputs"][0]["errors"]
    assert list(errors) == ["0%", "5%", "50%", "95%", "100%"]
    assert list(errors.values()) == sorted(errors.values())
    assert again["outputs"][1]["r2"] == found.per_output["r2"][1]


def test_what_does_not_exist_is_none_in_json_and_said_in_words():
    alone = judge_values(np.array([2.0]), np.array([1.0]))
    again = json.loads(json.dumps(alone.as_dict(), allow_nan=False))
    assert again["metrics"]["r2"] == {"mean": None, "low": None, "high": None}
    assert again["metrics"]["rmse"] == {"mean": 1.0, "low": None, "high": None}
    assert ("r2", "none", "") in alone.rows()
    assert alone.lines()[:2] == ["1 example", "rmse  1.0000"]


def test_every_measure_is_explained():
    assert set(judged().metrics) < set(MEASURES)
    assert all(len(doc) > 30 for _, doc in MEASURES.values())
