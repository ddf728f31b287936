"""Losses and their gradients against NumPy in float64, and what would broadcast in silence refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_hand import losses as by_hand

from matweave.deep import Tensor, torch
from matweave.errors import ConfigError
from matweave.randomness import child
from matweave.train.losses import LOSSES, PADDING, balanced_weights, make_loss

N, K = 7, 4


def draws() -> np.random.Generator:
    return child(0, "losses")


def told(name: str, outputs: np.ndarray, y: np.ndarray, **settings: Any) -> tuple[float, np.ndarray]:
    """The loss, and its gradient with respect to the outputs."""
    z = torch.tensor(outputs, requires_grad=True)
    value = make_loss(name, **settings)(z, torch.tensor(y))
    value.backward()
    assert value.shape == ()
    assert z.grad is not None
    return value.item(), z.grad.numpy()


def agrees(found: tuple[float, np.ndarray], value: float, gradient: np.ndarray) -> None:
    assert found[0] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-6, atol=1e-9)


def cross_entropy(z: np.ndarray, t: np.ndarray, smoothing: float, w: np.ndarray) -> tuple[float, np.ndarray]:
    """From logits and probabilities t (n, k): the mean of w_t · loss, where an example counts its mean weight."""
    n, k = z.shape
    smooth = (1 - smoothing) * t + smoothing / k
    p = np.exp(by_hand.log_softmax(z))
    counts = (t @ w)[:, None]
    return -(counts * smooth * by_hand.log_softmax(z)).sum() / n, counts * (p - smooth) / n


# numbers


@pytest.mark.parametrize("shape", [(N, 1), (N, 3), (N, 2, 3)])
def test_mse(shape: tuple[int, ...]) -> None:
    p, y = draws().standard_normal((2, *shape))
    agrees(told("mse", p, y), by_hand.mse(p, y), by_hand.mse_backward(p, y))


@pytest.mark.parametrize("delta", [0.3, 1.0, 2.5])
def test_huber(delta: float) -> None:
    p, y = 2 * draws().standard_normal((2, N, 3))
    agrees(told("huber", p, y, delta=delta), by_hand.huber(p, y, delta), by_hand.huber_backward(p, y, delta))


@pytest.mark.parametrize("name", ["mse", "huber", "binary_cross_entropy"])
def test_one_column_takes_targets_without_a_column(name: str) -> None:
    p, y = draws().random((2, N, 1))
    assert told(name, p, y[:, 0])[0] == told(name, p, y)[0]
    steps = draws().random((2, 3, 1))
    assert told(name, steps, steps[..., 0])[0] == told(name, steps, steps)[0]


@pytest.mark.parametrize("name", ["mse", "huber", "binary_cross_entropy"])
@pytest.mark.parametrize(
    ("outputs", "y"),
    [((N, 1), (1,)), ((N, 3), (N,)), ((N, 3), (N, 1)), ((N,), (N, 1)), ((N, 1), (N, 3)), ((N, 2, 1), (N,))],
)
def test_what_would_broadcast_is_refused(name: str, outputs: tuple[int, ...], y: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="outputs are of shape"):
        make_loss(name)(torch.zeros(outputs), torch.zeros(y))


@pytest.mark.parametrize("name", ["mse", "huber"])
def test_targets_are_not_rounded_to_the_outputs_of_autocast(name: str) -> None:
    outputs = torch.zeros(1, 1, dtype=torch.bfloat16)
    value = make_loss(name)(outputs, torch.tensor([0.999]))
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(0.999**2 * (1 if name == "mse" else 0.5), rel=1e-6)


# classes


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weights", [None, (1.0, 1.0, 1.0, 1.0), (0.5, 0.0, 3.0, 1.0)])
def test_cross_entropy(smoothing: float, weights: tuple[float, ...] | None) -> None:
    z, y = 3 * draws().standard_normal((N, K)), draws().integers(K, size=N)
    w = np.ones(K) if weights is None else np.array(weights)
    settings = {"label_smoothing": smoothing, "class_weights": weights}
    agrees(told("cross_entropy", z, y, **settings), *cross_entropy(z, np.eye(K)[y], smoothing, w))
    t = draws().dirichlet(np.ones(K), size=N)
    agrees(told("cross_entropy", z, t, **settings), *cross_entropy(z, t, smoothing, w))


def test_cross_entropy_without_weights_is_the_twin_of_the_chapter() -> None:
    z, y = draws().standard_normal((N, K)), draws().integers(K, size=N)
    agrees(
        told("cross_entropy", z, y, label_smoothing=0.2),
        by_hand.cross_entropy(z, y, smoothing=0.2),
        by_hand.cross_entropy_backward(z, y, smoothing=0.2),
    )


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[1e4, 0.0, -1e4]])
    assert told("cross_entropy", z, np.array([1]))[0] == pytest.approx(1e4)
    assert told("binary_cross_entropy", z, np.array([[0.0, 1.0, 0.0]]))[0] == pytest.approx(
        (1e4 + np.log(2)) / 3
    )


@pytest.mark.parametrize("weights", [None, (0.5, 0.0, 3.0, 1.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_steps_that_are_padding_do_not_count(smoothing: float, weights: tuple[float, ...] | None) -> None:
    z, y = draws().standard_normal((3, 5, K)), draws().integers(K, size=(3, 5))
    real = np.arange(5) < np.array([5, 2, 0])[:, None]
    padded = np.where(real, y, PADDING)
    settings = {"label_smoothing": smoothing, "class_weights": weights}
    value, gradient = told("cross_entropy", z, padded, **settings)
    w = np.ones(K) if weights is None else np.array(weights)
    wanted, rows = cross_entropy(z[real], np.eye(K)[y[real]], smoothing, w)
    assert value == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(gradient[real], rows, rtol=1e-6, atol=1e-9)
    assert not gradient[~real].any()


def test_probabilities_of_steps() -> None:
    z, t = draws().standard_normal((3, 5, K)), draws().dirichlet(np.ones(K), size=(3, 5))
    found, gradient = told("cross_entropy", z, t)
    agrees(
        (found, gradient.reshape(-1, K)),
        *cross_entropy(z.reshape(-1, K), t.reshape(-1, K), 0.0, np.ones(K)),
    )


REFUSED: dict[str, tuple[tuple[int, ...], Tensor]] = {
    "a column of codes": ((N, K), torch.zeros(N, 1, dtype=torch.int64)),
    "codes of fewer": ((N, K), torch.zeros(1, dtype=torch.int64)),
    "codes of steps": ((N, K), torch.zeros(N, 5, dtype=torch.int64)),
    "codes for steps": ((N, 5, K), torch.zeros(N, dtype=torch.int64)),
    "steps and classes changed": ((N, K, 5), torch.zeros(N, 5, dtype=torch.int64)),
    "codes as numbers": ((N, K), torch.zeros(N)),
    "other probabilities": ((N, K), torch.zeros(N, K + 1)),
    "one set of probabilities": ((N, K), torch.zeros(1, K)),
    "outputs without classes": ((N,), torch.zeros(N)),
}


@pytest.mark.parametrize("weights", [None, (1.0,) * K])
@pytest.mark.parametrize("case", REFUSED)
def test_targets_of_another_shape_are_refused(case: str, weights: tuple[float, ...] | None) -> None:
    shape, y = REFUSED[case]
    with pytest.raises(ConfigError, match="outputs are of shape"):
        make_loss("cross_entropy", class_weights=weights)(torch.zeros(shape), y)


@pytest.mark.parametrize("given", [1, 3, 5])
def test_another_number_of_weights_is_refused(given: int) -> None:
    loss = make_loss("cross_entropy", class_weights=[1.0] * given)
    with pytest.raises(ConfigError, match=f"{given} class_weights and 4 outputs"):
        loss(torch.zeros(N, K), torch.zeros(N, dtype=torch.int64))


# yes and no


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, (0.5, 4.0)])
def test_binary_cross_entropy(smoothing: float, weights: tuple[float, float] | None) -> None:
    z, y = 3 * draws().standard_normal((N, 3)), draws().integers(2, size=(N, 3)).astype(float)
    low, high = weights or (1.0, 1.0)
    soft = (1 - smoothing) * y + smoothing / 2
    w = np.where(y == 1, high, low)
    value = (w * (soft * np.logaddexp(0, -z) + (1 - soft) * np.logaddexp(0, z))).mean()
    gradient = w * (1 / (1 + np.exp(-z)) - soft) / z.size
    settings = {"label_smoothing": smoothing, "class_weights": weights}
    agrees(told("binary_cross_entropy", z, y, **settings), value, gradient)


def test_binary_cross_entropy_is_the_twin_of_the_chapter() -> None:
    z, y = draws().standard_normal((N, 1)), draws().integers(2, size=(N, 1)).astype(float)
    found = told("binary_cross_entropy", z, y, class_weights=(1.0, 3.0))
    agrees(
        found,
        by_hand.binary_cross_entropy(z, y, positive_weight=3.0),
        by_hand.binary_cross_entropy_backward(z, y, positive_weight=3.0),
    )


def test_codes_may_be_the_targets_of_binary_cross_entropy() -> None:
    z, y = draws().standard_normal((N, 1)), draws().integers(2, size=N)
    assert told("binary_cross_entropy", z, y)[0] == told("binary_cross_entropy", z, y.astype(float))[0]


# weights


@pytest.mark.parametrize("counts", [[3, 3, 3], [90, 10], [1, 2, 97], [5, 0, 5]])
def test_balanced_classes_count_alike_and_average_one(counts: list[int]) -> None:
    weights, n = balanced_weights(np.array(counts)), np.array(counts)
    shares = weights * n
    np.testing.assert_allclose(shares[n > 0], shares.sum() / (n > 0).sum())
    assert shares.sum() / n.sum() == pytest.approx(1.0)
    assert (weights[n == 0] == 0).all()


# the table


def test_every_loss_is_lowest_at_the_truth() -> None:
    y = torch.tensor([0, 1, 1])
    for name in LOSSES:
        if name == "cross_entropy":
            right, target = 9.0 * torch.eye(2)[y], y
        else:
            target = y.float()
            right = target[:, None] if name in ("mse", "huber") else 18 * target[:, None] - 9
        loss = make_loss(name)
        assert loss(right, target) < 1e-3 < loss(0 * right + 0.4, target)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        make_loss("mse", label_smoothing=1.5, class_weights=[-1.0], delta=-2.0)
    assert error.value.what.splitlines() == [
        "mse takes no label_smoothing",
        "mse takes no class_weights",
        "mse takes no delta",
        "label_smoothing is 1.5, but must be in [0, 1)",
        "delta is -2.0, but must be a number > 0",
        "class_weights must be one finite number for each class, and none negative",
    ]


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("cross_entrpy", {}, "did you mean 'cross_entropy'"),
        ("huber", {"label_smoothing": 0.1}, "huber takes no label_smoothing"),
        ("cross_entropy", {"delta": 2.0}, "cross_entropy takes no delta"),
        ("cross_entropy", {"label_smoothing": 1.0}, "must be in"),
        ("cross_entropy", {"label_smoothing": float("nan")}, "must be in"),
        ("huber", {"delta": float("nan")}, "must be a number > 0"),
        ("huber", {"delta": float("inf")}, "must be a number > 0"),
        ("cross_entropy", {"class_weights": [1.0, float("nan")]}, "class_weights must be"),
        ("cross_entropy", {"class_weights": [[1.0, 2.0]]}, "class_weights must be"),
        ("binary_cross_entropy", {"class_weights": [1.0, 2.0, 3.0]}, "3 numbers, but must be two"),
    ],
)
def test_what_a_loss_cannot_use_is_refused(name: str, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        make_loss(name, **settings)
