"""What every net in the table must do, for every kind of inputs that it accepts."""

from __future__ import annotations

import json

import pytest

from matweave.config import settings_of
from matweave.deep import functional, nn, seeded, torch
from matweave.errors import ConfigError
from matweave.nets.inputs import KINDS, Inputs
from matweave.nets.table import NETS, net

SIZES = {"features": (5,), "image": (2, 17, 19), "sequence": (3,), "tokens": (7,)}
SMALL = {
    "fcn": {"channels": [8, 6], "kernels": [8, 3]},
    "cnn1d": {"channels": [8, 6], "dense": [5]},
    "rnn": {"hidden": 6},
    "gru": {"hidden": 6},
    "lstm": {"hidden": 6},
    "transformer": {"width": 8, "heads": 2},
    "cnn": {"norm": "batch", "dropout": 0.2},
    "mlp": {"hidden": [8, 4], "dropout": 0.2, "norm": "layer"},
}
"""Settings that keep the battery quick, and some that are not the defaults."""
CASES = [(name, kind) for name, spec in NETS.items() for kind in spec.accepts]
LENGTHS = torch.tensor([4, 9, 1, 6])

pytestmark = pytest.mark.parametrize(("name", "kind"), CASES)


def inputs_of(kind):
    return Inputs(kind=kind, size=SIZES[kind])


def made(name, kind, outputs=3, seed=0):
    with seeded(seed, "weights"):
        return net(name, SMALL.get(name)).build(inputs_of(kind), outputs)


def batch(kind, n=4, seed=0, dtype=torch.float32):
    """The tensors that forward takes: x, and lengths where there are any."""
    draws = torch.Generator().manual_seed(seed)
    if kind == "tokens":
        x = torch.randint(1, SIZES[kind][0], (n, 9), generator=draws)
    else:
        shape = (n, 9, *SIZES[kind]) if kind == "sequence" else (n, *SIZES[kind])
        x = torch.randn(shape, generator=draws, dtype=dtype)
    if kind not in ("sequence", "tokens"):
        return (x,)
    lengths = LENGTHS[:n]
    x[torch.arange(9) >= lengths[:, None]] = 0
    return x, lengths


@pytest.fixture(autouse=True)
def _own_draws():
    with seeded(0, "test"):
        yield


@pytest.mark.parametrize("outputs", [1, 3])
def test_it_builds_in_training_mode_and_answers_in_its_shape(name, kind, outputs):
    built = made(name, kind, outputs)
    assert all(part.training for part in built.modules())
    found = built(*batch(kind))
    assert found.shape == (4, outputs)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


def test_gradients_reach_every_parameter(name, kind):
    built = made(name, kind)
    functional.cross_entropy(built(*batch(kind)), torch.tensor([0, 1, 0, 0])).backward()
    for key, parameter in built.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.any(), key
        assert torch.isfinite(parameter.grad).all(), key


def test_a_few_steps_lower_the_loss(name, kind):
    built, given, truth = made(name, kind), batch(kind), torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.Adam(built.parameters(), 0.01)
    losses = []
    with seeded(0, "dropout"):
        for _ in range(25):
            optimizer.zero_grad()
            loss = functional.cross_entropy(built(*given), truth)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_evaluation_is_deterministic_and_no_example_sees_another(name, kind):
    built, given = made(name, kind).eval(), batch(kind)
    first = built(*given)
    assert torch.equal(built(*given), first)
    for i in range(4):
        torch.testing.assert_close(built(*(t[i : i + 1] for t in given))[0], first[i], atol=1e-5, rtol=1e-4)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(name, kind):
    one, same, other = (list(made(name, kind, seed=s).parameters()) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    if name != "linear":  # which starts at zero
        assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_training_with_the_same_seed_gives_the_same_bits(name, kind):
    found = []
    for _ in range(2):
        built = made(name, kind)
        with seeded(5, "dropout"):
            built(*batch(kind)).square().sum().backward()
        found.append([p.grad for p in built.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_what_it_is_given_is_left_alone(name, kind):
    built, given = made(name, kind), batch(kind)
    before = [t.clone() for t in given]
    built(*given).sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


def test_it_works_in_float64(name, kind):
    built = made(name, kind).eval()
    wide = made(name, kind).double().eval()
    found = wide(*batch(kind, dtype=torch.float64))
    assert found.dtype == torch.float64
    assert built(*batch(kind)).shape == found.shape


def test_padding_changes_nothing(name, kind):
    if kind not in ("sequence", "tokens"):
        assert not inputs_of(kind).has_lengths
        return
    built = made(name, kind).eval()
    x, lengths = batch(kind)
    wanted = built(x, lengths)
    longer = functional.pad(x, (0, 6) if kind == "tokens" else (0, 0, 0, 6))
    torch.testing.assert_close(built(longer, lengths), wanted, atol=1e-6, rtol=1e-5)
    rubbish = longer.clone()
    rubbish[torch.arange(15) >= lengths[:, None]] = 3
    torch.testing.assert_close(built(rubbish, lengths), wanted, atol=1e-6, rtol=1e-5)
    full = torch.full((4,), 9)
    torch.testing.assert_close(built(x), built(x, full), atol=1e-6, rtol=1e-5)


def test_images_may_lie_channels_last(name, kind):
    if kind != "image":
        return
    built = made(name, kind).eval()
    (x,) = batch(kind)
    wanted = built(x)
    built.to(memory_format=torch.channels_last)
    torch.testing.assert_close(built(x.to(memory_format=torch.channels_last)), wanted, atol=1e-5, rtol=1e-4)


def test_other_kinds_are_refused(name, kind):
    for other in set(KINDS) - set(NETS[name].accepts):
        with pytest.raises(ConfigError, match=f"not {other}") as caught:
            net(name).build(inputs_of(other), 3)
        assert name not in caught.value.mend.removeprefix(f"for {other} use one of: ").split(", ")


def test_settings_come_back_from_json(name, kind):
    spec = net(name, SMALL.get(name))
    again = net(name, json.loads(json.dumps(settings_of(spec))))
    assert again == spec
    with seeded(0, "weights"):
        one = spec.build(inputs_of(kind), 2)
    with seeded(0, "weights"):
        two = again.build(inputs_of(kind), 2)
    assert str(one) == str(two)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_weights_come_back_from_a_state(name, kind):
    one, two = made(name, kind, seed=0), made(name, kind, seed=1)
    one(*batch(kind))  # running statistics too
    two.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(*batch(kind)), two.eval()(*batch(kind)))


def test_its_weights_are_those_of_plain_layers(name, kind):
    """So that compression can put thin layers in their place."""
    plain = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, nn.RNNBase)
    built = made(name, kind)
    known = {id(p) for part in built.modules() if isinstance(part, plain) for p in part.parameters()}
    assert {key for key, p in built.named_parameters() if p.dim() > 1 and id(p) not in known} == set()
