"""What all estimators share: one import of scikit-learn, parameters kept as given, labels and their classes."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError

import matweave.sklearn as facade
from matweave.errors import ConfigError, DataError
from matweave.sklearn.base import Estimator, class_names, classes_of, plain, plain_targets, unplain

ESTIMATORS = [
    thing
    for thing in (getattr(facade, name) for name in facade.__all__)
    if inspect.isclass(thing) and issubclass(thing, Estimator)
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_package_lists_what_it_has():
    assert len(ESTIMATORS) == 23
    assert set(facade._FILES) == set(facade.__all__) <= set(dir(facade))
    for name in facade.__all__:
        assert getattr(facade, name).__module__ == f"matweave.sklearn.{facade._FILES[name]}"
    with pytest.raises(AttributeError, match="no attribute 'SVC'"):
        facade.SVC  # noqa: B018


def test_the_package_loads_nothing_and_recommenders_need_no_torch():
    code = "import sys; import matweave.sklearn as m; print({}); print(*sorted({{'torch', 'sklearn'}} & set(sys.modules)))"
    assert run(code.format("0")) == "0"
    assert run(code.format("m.EASE().fit, m.LinearRegressor().fit([[0.], [1.]], [0., 1.]).coef_")).endswith(
        "\nsklearn"
    )


def test_without_scikit_learn_the_mend_is_told():
    code = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name == "sklearn":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import matweave.sklearn
try:
    matweave.sklearn.EASE
except ImportError as error:
    print(error)
"""
    assert "pip install 'matweave[sklearn]'" in run(code)


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_parameters_are_kept_as_given_and_cloned(kind):
    defaults = {name: one.default for name, one in inspect.signature(kind).parameters.items()}
    assert all(one is not inspect.Parameter.empty for one in defaults.values())
    made = kind()
    assert made.get_params() == defaults == {n: v for n, v in vars(made).items() if n in defaults}
    assert set(vars(made)) == set(defaults)
    other = {name: object() for name in defaults}  # nothing is looked at before fit
    assert all(kind(**other).get_params()[name] is given for name, given in other.items())
    changed = kind().set_params(**dict.fromkeys(defaults, 7))
    assert clone(changed).get_params() == dict.fromkeys(defaults, 7)


@pytest.mark.parametrize("kind", ESTIMATORS, ids=lambda kind: kind.__name__)
def test_every_estimator_is_explained_with_an_example_and_says_when_it_is_not_fitted(kind, tmp_path):
    assert ">>>" in inspect.getdoc(kind)
    with pytest.raises(NotFittedError):
        kind().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_parameter_that_is_no_text_is_named_and_nothing_is_written(tmp_path):
    fitted = facade.LinearRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).set_params(seed=print)
    with pytest.raises(ConfigError, match="seed is a builtin_function_or_method"):
        fitted.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_parameters_go_to_json_and_back():
    given = {"a": (1, (2.5, None)), "b": True, "c": "x", "d": {"e": (1,)}}
    assert plain(given, "x") == {"a": [1, [2.5, None]], "b": True, "c": "x", "d": {"e": [1]}}
    assert [unplain(plain(v, "x")) for v in ((64, (32,)), 0.5, np.float32(2), np.arange(2))] == [
        (64, (32,)),
        0.5,
        2.0,
        (0, 1),
    ]
    for strange in ({1: 2}, {1, 2}, print):
        with pytest.raises(ConfigError, match="nets is a"):
            plain([strange], "nets")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 2, 10], ("2", "10")),
        (["item2", "item10"], ("item10", "item2")),  # scikit-learn's order, not a reader's
        ([True, False], ("False", "True")),
        ([1.0, -3.0], ("-3", "1")),
        (np.array(["b", "a"], object), ("a", "b")),
    ],
)
def test_classes_are_sorted_and_named_as_models_name_them(labels, names):
    y = np.asarray(labels)
    classes, codes = classes_of(y)
    assert class_names(classes) == names
    np.testing.assert_array_equal(classes[codes], y)
    assert codes.dtype == np.int64


def test_numbers_on_a_scale_and_empty_names_are_no_classes():
    with pytest.raises(ValueError, match="continuous"):
        classes_of(np.array([0.5, 1.5]))
    with pytest.raises(DataError, match="missing"):
        class_names(np.array(["", "a"]))


def test_targets_are_checked_without_looking_at_the_inputs():
    X = [[1], [2, 3]]
    assert plain_targets(X, ("a", "b")).tolist() == ["a", "b"]
    with pytest.warns(DataConversionWarning):
        assert plain_targets(X, [[1], [2]]).tolist() == [1, 2]
    for y, match in (
        (None, "requires y to be passed"),
        ([1.0, np.nan], "NaN"),
        ([1, 2, 3], "inconsistent"),
        ([[1, 2], [3, 4]], "1d array"),
    ):
        with pytest.raises(ValueError, match=match):
            plain_targets(X, y)
