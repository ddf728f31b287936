"""The table of nets: what it names, what it refuses."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from matweave import nets
from matweave.errors import ConfigError
from matweave.nets.inputs import KINDS, Inputs
from matweave.nets.mlp import MLP
from matweave.nets.table import DEFAULTS, NETS, default_for, name_of, net


def test_every_spec_of_the_room_is_in_the_table():
    """A class that says what it accepts: found in the files, so that none is forgotten."""
    found = set()
    for path in Path(nets.__path__[0]).glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            marks = {getattr(d, "id", "") for d in getattr(node, "decorator_list", [])}
            names = {getattr(b, "id", "") for b in getattr(node, "bases", [])}
            says = any(
                isinstance(part, ast.AnnAssign) and getattr(part.target, "id", "") == "accepts"
                for part in getattr(node, "body", [])
            )
            if "final" in marks and (says or "_Recurrent" in names):
                found.add(getattr(node, "name", ""))
    assert found == {spec.__name__ for spec in NETS.values()}


@pytest.mark.parametrize("name", NETS)
def test_names_and_specs_go_both_ways(name):
    assert name_of(net(name)) == name
    assert NETS[name].accepts
    assert set(NETS[name].accepts) <= set(KINDS)


def test_every_kind_has_a_default_that_takes_it():
    assert set(DEFAULTS) == set(KINDS)
    for kind in KINDS:
        assert kind in NETS[default_for(kind)].accepts
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        default_for("imag")


def test_what_is_unknown_is_refused():
    with pytest.raises(ConfigError, match="no net is called 'lenet'; did you mean 'lenet5'"):
        net("lenet")
    with pytest.raises(ConfigError, match="unknown setting 'hiden'; did you mean 'hidden'"):
        net("mlp", {"hiden": [3]})
    with pytest.raises(ConfigError, match="Inputs is not in the table"):
        name_of(Inputs(kind="features", size=(1,)))
    assert net("mlp", {"hidden": [3]}) == MLP(hidden=(3,))
