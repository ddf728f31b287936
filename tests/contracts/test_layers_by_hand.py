"""Torch's layers and losses, forward and backward, against the definitions written out in NumPy, in float64.

The gradients of the definitions are themselves checked by numerical differences, so that nothing here trusts
torch alone or us alone.
"""

from __future__ import annotations

import by_hand.activations as act
import by_hand.convolution as conv
import by_hand.elman as recurrent
import by_hand.losses as losses
import by_hand.pooling as pool
import numpy as np
import pytest
from by_hand.dense import dense, dense_backward
from hypothesis import assume, given
from hypothesis import strategies as st

from matweave.deep import Tensor, functional, nn, seeded, torch


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def same(ours, theirs, error=1e-10):
    theirs = theirs.detach().numpy() if isinstance(theirs, Tensor) else theirs
    assert np.shape(ours) == np.shape(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=error, atol=error)


def tensors(*arrays):
    return [torch.from_numpy(np.array(a)).requires_grad_() for a in arrays]


def differences(f, x, step=1e-6):
    """∂f/∂x by (f(x + step) - f(x - step)) / (2 step) in every entry."""
    g = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[at] = step
        g[at] = (f(x + d) - f(x - d)) / (2 * step)
    return g


def check(ours, backward, theirs, *arrays, seed=9):
    """Values, and for a random g the gradients of Σ g·value: ours = theirs to 1e-10 = differences to 1e-7."""
    value, given_to = ours(*arrays), tensors(*arrays)
    their_value = theirs(*given_to)
    same(value, their_value)
    g = draw(seed, *np.shape(value))
    gradients = backward(*arrays, g)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    their_value.backward(torch.from_numpy(np.array(g)))
    for k, gradient in enumerate(gradients):
        same(gradient, given_to[k].grad)
        moved = differences(lambda a, k=k: (g * ours(*arrays[:k], a, *arrays[k + 1 :])).sum(), arrays[k])
        same(gradient, moved, error=1e-7)
    assert len(gradients) == len(arrays)


def check_loss(ours, backward, theirs, z, y, **how):
    [given_to] = tensors(z)
    value = theirs(given_to, torch.from_numpy(y))
    value.backward()
    same(ours(z, y, **how), value)
    same(backward(z, y, **how), given_to.grad)
    same(backward(z, y, **how), differences(lambda z: ours(z, y, **how), z), error=1e-7)


# dense, activations


@given(
    leading=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
)
def test_dense(leading, inputs, outputs):
    arrays = draw(0, *leading, inputs), draw(1, outputs, inputs), draw(2, outputs)
    check(dense, lambda x, w, b, g: dense_backward(x, w, g), functional.linear, *arrays)


THEIRS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


@pytest.mark.parametrize("name", act.FIXED)
def test_activations(name):
    f, slope = act.FIXED[name]
    check(f, lambda x, g: g * slope(x), THEIRS[name](), 3 * draw(3, 4, 7))


@pytest.mark.parametrize("name", act.FIXED)
def test_activations_far_from_zero_and_at_it(name):
    f, slope = act.FIXED[name]
    far = np.array([-700.0, -40.0, 0.0, 40.0, 700.0])
    [x] = tensors(far)
    value = THEIRS[name]()(x)
    value.sum().backward()
    same(f(far), value)
    same(slope(far), x.grad)


def test_softmax():
    check(act.softmax, act.softmax_backward, lambda x: functional.softmax(x, dim=-1), 3 * draw(4, 3, 2, 5))
    same(act.softmax(np.array([[1000.0, 1000.0]])), np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("slopes", [1, 3])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 4)])
def test_prelu(slopes, shape):
    check(act.prelu, act.prelu_backward, functional.prelu, draw(5, *shape), draw(6, slopes))


def test_prelu_at_zero():
    x, a = tensors(np.zeros((1, 1)), np.array([0.3]))
    functional.prelu(x, a).sum().backward()
    gx, ga = act.prelu_backward(np.zeros((1, 1)), np.array([0.3]), np.ones((1, 1)))
    same(gx, x.grad)
    same(ga, a.grad)


@pytest.mark.parametrize("betas", [1, 3])
def test_swish(betas):
    def theirs(x, beta):
        return x * torch.sigmoid(beta.reshape(1, -1, 1) * x)

    check(act.swish, act.swish_backward, theirs, 2 * draw(7, 2, 3, 4), draw(8, betas))
    x = draw(7, 2, 3, 4)
    same(act.swish(x, np.ones(1)), act.silu(x))


def test_rational():
    def theirs(x, p, q):
        above = sum(p[i] * x**i for i in range(6))
        return above / (1 + sum(q[j] * x ** (j + 1) for j in range(4)).abs())

    check(act.rational, act.rational_backward, theirs, draw(9, 5, 4), draw(10, 6), draw(11, 4))
    x = draw(9, 5, 4)
    same(act.rational(x, np.array([0.0, 1, 0, 0, 0, 0]), np.zeros(4)), x)


# losses


def test_mse_and_huber():
    p, y = 2 * draw(12, 6, 2), draw(13, 6, 2)
    check_loss(losses.mse, losses.mse_backward, functional.mse_loss, p, y)
    for delta in (0.3, 1.0, 10.0):
        check_loss(losses.huber, losses.huber_backward, nn.HuberLoss(delta=delta), p, y, delta=delta)


@pytest.mark.parametrize("kind", ["codes", "probabilities"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(kind, smoothing, weighted):
    z = 3 * draw(14, 6, 4)
    y = np.array([0, 3, 1, 1, 2, 0]) if kind == "codes" else act.softmax(draw(15, 6, 4))
    w = np.array([1.0, 0.5, 2.0, 3.0]) if weighted else None
    theirs = nn.CrossEntropyLoss(weight=None if w is None else torch.from_numpy(w), label_smoothing=smoothing)
    how = dict(smoothing=smoothing, weights=w)
    check_loss(losses.cross_entropy, losses.cross_entropy_backward, theirs, z, y, **how)


def test_cross_entropy_is_that_of_softmax_and_holds_far_out():
    z, y = draw(16, 5, 3), np.array([0, 1, 2, 2, 1])
    same(losses.cross_entropy(z, y), -np.log(act.softmax(z)[np.arange(5), y]).mean())
    same(losses.cross_entropy(np.array([[0.0, 5000.0]]), np.array([0])), 5000.0)


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_binary_cross_entropy(weight):
    z, y = np.append(3 * draw(17, 7), [60.0, -60.0]), np.array([0, 1, 1, 0, 0.25, 1, 0, 0, 1])
    theirs = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight, dtype=torch.float64))
    back = losses.binary_cross_entropy_backward
    check_loss(losses.binary_cross_entropy, back, theirs, z, y, positive_weight=weight)


def test_binary_cross_entropy_is_cross_entropy_of_two_classes():
    z, y = draw(18, 6), np.array([0, 1, 1, 0, 1, 0])
    both = np.stack([np.zeros(6), z], axis=1)
    same(losses.binary_cross_entropy(z, y), losses.cross_entropy(both, y))


# convolution


@st.composite
def convolutions(draws):
    """(image, kernel's shape, how) with at least one place for the kernel."""
    few = st.integers(1, 2)
    kernel = draws(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    how = dict(
        stride=draws(st.one_of(few, st.tuples(few, st.integers(1, 3)))),
        padding=draws(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        dilation=draws(st.one_of(few, st.tuples(few, few))),
    )
    size = draws(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    assume(min(conv.output_size(size, kernel, **how)) > 0)
    return (draws(few), draws(few), *size), (draws(few), *kernel), how


@given(convolutions())
def test_sliding_sum_and_matrix_product_are_torchs_convolution(drawn):
    image, (outputs, *kernel), how = drawn
    x, w, b = draw(19, *image), draw(20, outputs, image[1], *kernel), draw(21, outputs)
    slid, multiplied = conv.sliding_sum(x, w, b, **how), conv.matrix_product(x, w, b, **how)
    same(slid, multiplied)
    given_to = tensors(x, w, b)
    theirs = functional.conv2d(*given_to, **how)
    same(slid, theirs)
    g = draw(22, *slid.shape)
    theirs.backward(torch.from_numpy(g))
    for back in (conv.sliding_sum_backward, conv.matrix_product_backward):
        for gradient, their in zip(back(x, w, g, **how), given_to, strict=True):
            same(gradient, their.grad)


def test_gradients_of_a_convolution_by_differences():
    how = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    arrays = draw(23, 2, 2, 4, 3), draw(24, 2, 2, 3, 2), draw(25, 2)
    for ours, back in (
        (conv.sliding_sum, conv.sliding_sum_backward),
        (conv.matrix_product, conv.matrix_product_backward),
    ):
        check(
            lambda x, w, b, f=ours: f(x, w, b, **how),
            lambda x, w, b, g, f=back: f(x, w, g, **how),
            lambda x, w, b: functional.conv2d(x, w, b, **how),
            *arrays,
        )


@given(convolutions())
def test_col2im_is_the_transpose_of_im2col(drawn):
    image, (_, *kernel), how = drawn
    x = draw(26, *image)
    columns = conv.im2col(x, kernel, **how)
    other = draw(27, *columns.shape)
    same((columns * other).sum(), (x * conv.col2im(other, x.shape, kernel, **how)).sum())


def test_a_convolution_along_one_axis_is_conv1d():
    x, w, b = draw(28, 2, 3, 9), draw(29, 4, 3, 3), draw(30, 4)
    ours = conv.sliding_sum(x[:, :, None], w[:, :, None], b, stride=(1, 2), padding=(0, 1), dilation=(1, 2))
    same(ours[:, :, 0], functional.conv1d(*tensors(x, w, b), stride=2, padding=1, dilation=2))


# pooling


@st.composite
def poolings(draws):
    kernel = draws(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draws(st.sampled_from([None, 1, 2, (2, 1)]))
    padding = tuple(draws(st.integers(0, k // 2)) for k in kernel)  # torch takes no more
    size = draws(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    assume(min(conv.output_size(size, kernel, stride=stride or kernel, padding=padding)) > 0)
    return (2, 2, *size), kernel, dict(stride=stride, padding=padding)


@given(poolings(), st.booleans())
def test_max_pooling_gives_the_gradient_to_the_first_of_equals(drawn, tied):
    shape, kernel, how = drawn
    x = np.random.default_rng(31).integers(0, 2, shape) / 2 if tied else draw(31, *shape)
    largest, index = pool.max_pool(x, kernel, **how)
    [given_to] = tensors(x)
    theirs, their_index = functional.max_pool2d(given_to, kernel, **how, return_indices=True)
    same(largest, theirs)
    assert (index == their_index.numpy()).all()
    g = draw(32, *largest.shape)
    theirs.backward(torch.from_numpy(g))
    gradient = pool.max_pool_backward(index, g, x.shape)
    same(gradient, given_to.grad)
    if not tied:
        moved = differences(lambda x: (g[:1, :1] * pool.max_pool(x, kernel, **how)[0]).sum(), x[:1, :1])
        same(gradient[:1, :1], moved, error=1e-7)


@given(poolings())
def test_average_pooling(drawn):
    shape, kernel, how = drawn
    x = draw(33, *shape)
    [given_to] = tensors(x)
    ours, theirs = pool.average_pool(x, kernel, **how), functional.avg_pool2d(given_to, kernel, **how)
    same(ours, theirs)
    g = draw(34, *ours.shape)
    theirs.backward(torch.from_numpy(g))
    gradient = pool.average_pool_backward(g, shape, kernel, **how)
    same(gradient, given_to.grad)
    same((ours * g).sum(), (x * gradient).sum())  # linear: the backward is the transpose


# recurrence


@st.composite
def padded(draws):
    """(lengths, steps, inputs, hidden)"""
    lengths = draws(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    return np.array(lengths), max(lengths), draws(st.integers(1, 3)), draws(st.integers(1, 4))


def parameters(layer):
    return [p.detach().numpy() for p in layer.parameters()]


def run(layer, x, lengths, *first):
    packed = nn.utils.rnn.pack_padded_sequence(
        x, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    states, last = layer(packed, *first)
    return nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0], last


@given(padded(), st.sampled_from(["tanh", "relu"]))
def test_elman_forward_and_back_through_time(drawn, f):
    lengths, steps, inputs, hidden = drawn
    with seeded(0, "layer"):
        layer = nn.RNN(inputs, hidden, nonlinearity=f, batch_first=True, dtype=torch.float64)
    w_xh, w_hh, b_xh, b_hh = parameters(layer)
    x, h = draw(35, len(lengths), steps, inputs), draw(36, len(lengths), hidden)
    states, last = recurrent.elman(x, lengths, w_xh, w_hh, b_xh + b_hh, f=f, h=h)
    t_x, t_h = tensors(x, h)
    t_states, t_last = run(layer, t_x, lengths, t_h[None])
    same(states, t_states)
    same(last, t_last[0])

    w_hy, c, target = draw(37, 2, hidden), draw(38, 2), draw(39, len(lengths), steps, 2)
    t_w, t_c = tensors(w_hy, c)
    on = torch.from_numpy(recurrent.going(lengths, steps))[:, :, None]
    t_y = functional.linear(t_states, t_w, t_c) * on
    y = recurrent.read_out(states, lengths, w_hy, c)
    same(y, t_y)
    (functional.mse_loss(t_y, torch.from_numpy(target)) + t_last.sum()).backward()
    g_states, g_w, g_c = recurrent.read_out_backward(states, lengths, w_hy, losses.mse_backward(y, target))
    gx, *g_layer, gh = recurrent.elman_backward(
        x, lengths, w_xh, w_hh, b_xh + b_hh, g_states, np.ones_like(last), f=f, h=h
    )
    theirs = [t_x, *list(layer.parameters())[:3], t_h, t_w, t_c]
    for ours, their in zip([gx, *g_layer, gh, g_w, g_c], theirs, strict=True):
        same(ours, their.grad)


def test_gradients_through_time_by_differences():
    lengths = np.array([4, 1, 3])
    arrays = draw(40, 3, 4, 2), draw(41, 3, 2), draw(42, 3, 3), draw(43, 3), draw(44, 3, 3)
    g_states, g_last = draw(45, 3, 4, 3), draw(46, 3, 3)

    def objective(x, w_xh, w_hh, b, h):
        states, last = recurrent.elman(x, lengths, w_xh, w_hh, b, h=h)
        return (g_states * states).sum() + (g_last * last).sum()

    # states past the end are zeros whatever the parameters: their share of g_states must not count
    gradients = recurrent.elman_backward(arrays[0], lengths, *arrays[1:4], g_states, g_last, h=arrays[4])
    for k, gradient in enumerate(gradients):
        moved = differences(lambda a, k=k: objective(*arrays[:k], a, *arrays[k + 1 :]), arrays[k])
        same(gradient, moved, error=1e-7)


def test_padding_changes_nothing():
    lengths, x = np.array([3, 2]), draw(47, 2, 3, 2)
    arrays = draw(48, 4, 2), draw(49, 4, 4), draw(50, 4)
    states, last = recurrent.elman(x, lengths, *arrays)
    longer = np.concatenate([x, draw(51, 2, 2, 2)], axis=1)
    more, same_last = recurrent.elman(longer, lengths, *arrays)
    assert (more[:, :3] == states).all()
    assert (more[:, 3:] == 0).all()
    assert (same_last == last).all()
    assert (last[1] == states[1, 1]).all()


@given(padded(), st.sampled_from([nn.GRU, nn.LSTM]))
def test_gru_and_lstm_in_torchs_gate_order(drawn, kind):
    lengths, steps, inputs, hidden = drawn
    with seeded(0, "layer"):
        layer = kind(inputs, hidden, batch_first=True, dtype=torch.float64)
    x = draw(52, len(lengths), steps, inputs)
    h, cell = draw(53, 2, len(lengths), hidden)
    t_x, t_h, t_cell = tensors(x, h[None], cell[None])
    if kind is nn.GRU:
        ours = recurrent.gru(x, lengths, *parameters(layer), h=h)
        states, last = run(layer, t_x, lengths, t_h)
        theirs = [states, last[0]]
    else:
        ours = recurrent.lstm(x, lengths, *parameters(layer), h=h, cell=cell)
        states, (last, last_cell) = run(layer, t_x, lengths, (t_h, t_cell))
        theirs = [states, last[0], last_cell[0]]
    for our, their in zip(ours, theirs, strict=True):
        same(our, their)
