"""Which parameters are matrices: every kind of layer, the output layer, shared and frozen weights."""

from __future__ import annotations

import pytest

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError
from matweave.train.routing import route


class Mixed(nn.Module):
    """A convolution, a recurrence, a table of positions and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 8, 5)
        self.second = nn.Conv1d(8, 8, 3, groups=2)
        self.depthwise = nn.Conv1d(8, 8, 3, groups=8)
        self.norm = nn.BatchNorm1d(8)
        self.cell = nn.LSTM(8, 6, proj_size=4)
        self.position = nn.Parameter(torch.zeros(9, 8))
        self.hidden = nn.Linear(4, 7, bias=False)
        self.act = nn.PReLU()
        self.head = nn.Linear(7, 5)
        self.pool = nn.Linear(4, 4, bias=False)  # registered last, but not what answers


def rules(module: nn.Module, **settings) -> dict[str, tuple[str, int]]:
    return {r.name: (r.rule, r.blocks) for r in route(module, **settings).routes}


def test_a_net_of_convolutions_and_recurrence_printed():
    told = route(Mixed()).lines()
    assert told[0] == "muon 452 weights in 6; adamw 345 weights in 13"
    for line in [
        "adamw   first.weight  8 x 3 x 5: first layer, a convolution",
        "muon    second.weight  8 x 4 x 3, as 2 of 4 x 12: convolution, by group",
        "adamw   depthwise.weight  8 x 1 x 3: convolution, by group, but of vectors",
        "adamw   norm.weight  8: one dimension",
        "muon    cell.weight_ih_l0  24 x 8, as 4 of 6 x 8: recurrent, by gate",
        "muon    cell.weight_hh_l0  24 x 4, as 4 of 6 x 4: recurrent, by gate",
        "muon    cell.weight_hr_l0  4 x 6: recurrent",
        "adamw   position  9 x 8: of Mixed, not known to be a linear map",
        "muon    hidden.weight  7 x 4: linear",
        "adamw   act.weight  1: one dimension",
        "adamw   head.weight  5 x 7: output layer",
        "muon    pool.weight  4 x 4: linear",
    ]:
        assert line in told
    assert len(told) == 1 + len(list(Mixed().parameters()))


def test_every_parameter_has_one_route_in_order():
    module = Mixed()
    routing = route(module)
    assert [r.name for r in routing.routes] == [name for name, _ in module.named_parameters()]
    assert len(routing.of("muon")) + len(routing.of("adamw")) == len(routing.routes)


def test_attention_and_embedding():
    net = nn.ModuleDict(
        {
            "words": nn.Embedding(30, 8),
            "layer": nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
            "cross": nn.MultiheadAttention(8, 2, kdim=4, vdim=6),
            "out": nn.Linear(8, 3),
        }
    )
    found = rules(net)
    assert found["words.weight"] == ("adamw", 1)
    assert found["layer.self_attn.in_proj_weight"] == ("muon", 3)
    assert found["layer.self_attn.out_proj.weight"] == ("muon", 1)
    assert found["cross.k_proj_weight"] == ("muon", 1)
    assert found["layer.linear1.weight"] == ("muon", 1)
    assert found["layer.norm1.weight"] == ("adamw", 1)
    assert found["out.weight"] == ("adamw", 1)


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4), (nn.GRUCell, 3)])
def test_gates(kind, gates):
    found = rules(kind(5, 4))
    weights = {name: where for name, where in found.items() if name.startswith("weight")}
    assert len(weights) == 2
    assert set(weights.values()) == {("muon", gates)}


def test_a_convolution_after_an_embedding_is_not_the_first_layer():
    net = nn.Sequential(nn.Embedding(9, 8), nn.Conv1d(8, 8, 3), nn.Linear(8, 2))
    assert rules(net)["1.weight"] == ("muon", 1)


def test_the_output_layer_may_be_named():
    net = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 2))
    assert [r.name for r in route(net).of("muon")] == ["0.weight", "1.weight"]
    assert [r.name for r in route(net, head="1").of("muon")] == ["0.weight", "2.weight"]
    with pytest.raises(ConfigError, match="there is no layer 'haed'; did you mean 'head'"):
        route(Mixed(), head="haed")


def test_only_the_last_layer_of_a_head_is_the_output_layer():
    net = nn.ModuleDict({"head": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "body": nn.Linear(3, 4)})
    assert [r.name for r in route(net).of("muon")] == ["head.0.weight", "body.weight"]


def test_weights_shared_with_an_embedding_are_adamws():
    net = nn.ModuleDict({"out": nn.Linear(8, 9), "hidden": nn.Linear(8, 8), "words": nn.Embedding(9, 8)})
    net["out"].weight = net["words"].weight
    found = route(net, head="hidden").routes
    assert [r.name for r in found] == ["out.weight", "out.bias", "hidden.weight", "hidden.bias"]
    assert (found[0].rule, found[0].why) == ("adamw", "embedding")


def test_frozen_weights_are_told():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].weight.requires_grad_(False)
    told = route(net).lines()
    assert told[0].endswith("frozen 12 weights in 1")
    assert told[1] == "frozen  0.weight  4 x 3: needs no gradient"


def test_a_module_says_itself_what_its_matrices_are():
    class Thin(nn.Module):
        matrix_blocks = {"left": 1, "gates": 2}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.left, self.gates = nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(6, 4))
            self.knots = nn.Parameter(torch.zeros(3, 7))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.left

    stacked = nn.Linear(4, 12, bias=False)
    stacked.matrix_blocks = {"weight": 3}  # type: ignore[assignment]
    assert rules(nn.Sequential(stacked, nn.Linear(12, 2, bias=False)))["0.weight"] == ("muon", 3)
    assert rules(Thin()) == {"left": ("muon", 1), "gates": ("muon", 2), "knots": ("adamw", 1)}
