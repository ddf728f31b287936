"""Gradient rules against the gradient of the whole batch, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from by_hand.training import blobs, mlp
from hypothesis import given
from hypothesis import strategies as st

from matweave.deep import Tensor, nn, torch
from matweave.errors import ConfigError
from matweave.train.losses import balanced_weights, make_loss
from matweave.train.rules import Accumulated, Clipped, GradientRule, Plain
from matweave.train.task import Batch, Supervised


def task_of(loss: str = "cross_entropy", module: nn.Module | None = None, **settings: Any) -> Supervised:
    return Supervised(mlp().double() if module is None else module, make_loss(loss, **settings))


def batch_of(n: int) -> Batch:
    x, y = blobs(n)
    return x.double(), y


def gradients(rule: GradientRule, task: Supervised, batch: Batch) -> tuple[float, list[Tensor]]:
    task.module.zero_grad(set_to_none=True)
    value = rule(task, batch, task.loss)
    assert not value.requires_grad
    assert value.shape == ()
    return float(value), [p.grad for p in task.module.parameters() if p.grad is not None]


def length(found: list[Tensor]) -> float:
    return math.sqrt(sum(float((g.double() ** 2).sum()) for g in found))


def test_plain_is_the_gradient_of_the_mean_loss() -> None:
    task, batch = task_of(), batch_of(10)
    value, found = gradients(Plain(), task, batch)
    loss = task.loss(batch)
    wanted = torch.autograd.grad(loss, list(task.module.parameters()))
    assert value == loss.item()
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"class_weights": [0.3, 5.0, 1.0]},
    "both": {"label_smoothing": 0.1, "class_weights": [0.0, 2.0, 1.5]},
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("n", "pieces"), [(12, 1), (12, 2), (12, 5), (13, 3), (7, 3), (3, 8), (1, 2)])
def test_pieces_give_the_gradient_of_the_whole(settings: str, n: int, pieces: int) -> None:
    task, batch = task_of(**SETTINGS[settings]), batch_of(n)
    value, wanted = gradients(Plain(), task, batch)
    told, found = gradients(Accumulated(pieces=pieces), task, batch)
    assert told == pytest.approx(value, rel=1e-12, abs=1e-15)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-14)


def test_pieces_of_balanced_classes_give_the_gradient_of_the_whole() -> None:
    x, y = batch_of(30)
    weights = balanced_weights(np.bincount(y.numpy(), minlength=3))
    task = task_of(class_weights=weights)
    _, wanted = gradients(Plain(), task, (x, y))
    _, found = gradients(Accumulated(pieces=4), task, (x, y))
    np.testing.assert_allclose(found[0].numpy(), wanted[0].numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", ["mse", "huber", "binary_cross_entropy"])
def test_pieces_of_other_losses_give_the_gradient_of_the_whole(loss: str) -> None:
    task, (x, y) = task_of(loss), batch_of(9)
    batch = (x, nn.functional.one_hot(y, 3).double())
    _, wanted = gradients(Plain(), task, batch)
    _, found = gradients(Accumulated(pieces=4), task, batch)
    np.testing.assert_allclose(found[0].numpy(), wanted[0].numpy(), rtol=1e-10, atol=1e-14)


@given(st.integers(1, 50), st.integers(1, 20))
def test_pieces_are_all_and_alike_in_size(n: int, pieces: int) -> None:
    sizes: list[int] = []
    seen: list[int] = []
    scale = nn.Linear(1, 1)

    def loss(batch: Batch) -> Tensor:
        sizes.append(len(batch[0]))
        seen.extend(batch[1].tolist())
        return scale(batch[0]).mean()

    batch = (torch.ones(n, 1), torch.arange(n))
    Accumulated(pieces=pieces)(task_of(), batch, loss)
    assert seen == list(range(n))
    assert len(sizes) == min(n, pieces)
    assert max(sizes) - min(sizes) <= 1  # no piece of one that batch normalization could not train on


def test_pieces_train_batch_normalization_where_cutting_by_a_fixed_size_would_leave_one() -> None:
    task = task_of(module=mlp(dropout=0.1).double().train())
    gradients(Accumulated(pieces=3), task, batch_of(7))  # 2, 2 and 3, not 3, 3 and 1


# clipping


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", [1e-9, 1e-3, 0.1, 0.5])
def test_a_long_gradient_has_exactly_the_norm_and_its_direction(norm: float, dtype: str) -> None:
    kind = getattr(torch, dtype)
    task, (x, y) = task_of(module=mlp().to(kind)), blobs(10)
    batch = (x.to(kind), y)
    value, plain = gradients(Plain(), task, batch)
    plain = [g.clone() for g in plain]
    told, found = gradients(Clipped(norm=norm), task, batch)
    assert length(plain) > norm
    assert told == value
    exact = 20 * torch.finfo(kind).eps
    assert length(found) == pytest.approx(norm, rel=exact)
    for a, b in zip(found, plain, strict=True):
        torch.testing.assert_close(a, b * (norm / length(plain)), rtol=exact, atol=0)


def test_a_short_gradient_is_left_to_the_bit() -> None:
    task, batch = task_of(), batch_of(10)
    _, plain = gradients(Plain(), task, batch)
    plain = [g.clone() for g in plain]
    _, found = gradients(Clipped(norm=1.0001 * length(plain)), task, batch)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


def test_no_gradient_stays_none() -> None:
    task = task_of("mse", nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        task.module.weight.zero_()  # pyright: ignore[reportCallIssue, reportArgumentType]
    _, found = gradients(Clipped(norm=0.1), task, (torch.ones(3, 2), torch.zeros(3, 1)))
    assert found[0].tolist() == [[0.0, 0.0]]


def test_what_is_not_learned_is_not_asked_for_a_gradient() -> None:
    module = mlp().double()
    module[0].weight.requires_grad_(False)  # pyright: ignore[reportIndexIssue]
    _, found = gradients(Clipped(norm=0.01, rule=Accumulated(pieces=2)), task_of(module=module), batch_of(8))
    assert len(found) == 3
    assert length(found) == pytest.approx(0.01, rel=1e-12)


def test_the_whole_gradient_is_clipped_and_not_the_pieces() -> None:
    task, batch = task_of(), batch_of(11)
    _, wanted = gradients(Clipped(norm=0.2), task, batch)
    wanted = [g.clone() for g in wanted]
    _, found = gradients(Clipped(norm=0.2, rule=Accumulated(pieces=3)), task, batch)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(("rule", "setting"), [(Accumulated, {"pieces": 0}), (Clipped, {"norm": 0.0})])
def test_settings_out_of_range_are_refused(rule: Any, setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(setting))} is 0"):
        rule(**setting)
