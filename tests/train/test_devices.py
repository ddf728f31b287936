"""Which device and precision a name means on which machine; machines are pretended."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand.training import cnn, images, mlp

from matweave.deep import nn, torch
from matweave.errors import ConfigError, TooBig
from matweave.train.devices import (
    PRECISIONS,
    autocast,
    compiled,
    place,
    precision_of,
    resolve_device,
    told_when_full,
    work_of,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def pretend(*, cuda: int = 0, mps: bool = False, capability: tuple[int, int] = (8, 0)) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("there", "device"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": 1}, "cuda"), ({"cuda": 2, "mps": True}, "cuda")],
)
def test_auto_takes_the_fastest_there_is(machine: Any, there: dict[str, Any], device: str) -> None:
    machine(**there)
    assert resolve_device("auto") == torch.device(device)
    assert resolve_device("cpu") == torch.device("cpu")


def test_a_card_by_its_number(machine: Any) -> None:
    machine(cuda=2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    assert resolve_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize(
    "name", ["cuda", "cuda:0", "cuda:2", "cuda:-1", "cuda:", "cuda:x", "mps", "cpu:1", "cpu:"]
)
def test_what_is_not_there_is_refused(machine: Any, name: str) -> None:
    machine(cuda=0 if name in ("cuda", "cuda:0") else 2)
    with pytest.raises(ConfigError, match="is not on this machine"):
        resolve_device(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [("coda", "did you mean 'cuda'"), ("autos", "did you mean 'auto'"), ("", ""), (0, ""), (None, "")],
)
def test_an_unknown_name_is_refused(name: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown device .*{told}"):
        resolve_device(name)


# precision


@pytest.mark.parametrize(
    ("name", "kind", "capability", "dtype"),
    [
        ("auto", "cpu", (8, 0), "float32"),
        ("auto", "mps", (8, 0), "float32"),
        ("auto", "cuda", (8, 0), "bfloat16"),
        ("auto", "cuda", (9, 0), "bfloat16"),
        ("auto", "cuda", (7, 5), "float32"),
        ("float32", "cuda", (9, 0), "float32"),
        ("bfloat16", "cpu", (8, 0), "bfloat16"),
    ],
)
def test_precision(machine: Any, name: str, kind: str, capability: tuple[int, int], dtype: str) -> None:
    machine(cuda=1, capability=capability)
    assert precision_of(name, torch.device(kind)) is getattr(torch, dtype)


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'bfloat16'") as error:
        precision_of("float16", torch.device("cpu"))
    assert all(name in error.value.mend for name in PRECISIONS)


def test_autocast_computes_in_the_type_and_keeps_the_weights() -> None:
    module, x, cpu = nn.Linear(3, 2), torch.ones(1, 3), torch.device("cpu")
    with autocast(cpu, torch.bfloat16):
        assert module(x).dtype is torch.bfloat16
    with autocast(cpu, torch.float32):
        assert module(x).dtype is torch.float32
    assert module.weight.dtype is torch.float32


# place


def test_images_are_computed_in_channels_last_memory_with_the_same_numbers() -> None:
    module, (x, _) = cnn().eval(), images(5)
    with torch.no_grad():
        before = module(x)
        assert place(module, torch.device("cpu")) is module
        after = module(x)
        inside = module[0](x)  # pyright: ignore[reportIndexIssue]
    assert inside.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 2), nn.ConvTranspose2d(3, 4, 2)])
def test_every_kind_of_convolution_counts(layer: nn.Module) -> None:
    place(nn.Sequential(nn.Sequential(layer)), torch.device("cpu"))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    assert not layer.weight.is_contiguous()  # pyright: ignore[reportCallIssue]


def test_other_networks_stay_as_they_are() -> None:
    module = mlp()
    place(module, torch.device("cpu"))
    assert all(p.is_contiguous() for p in module.parameters())
    four = nn.ParameterList([nn.Parameter(torch.rand(2, 3, 4, 5))])
    assert place(four, torch.device("cpu"))[0].is_contiguous()  # pyright: ignore[reportIndexIssue]


def test_a_module_is_moved() -> None:
    assert next(place(mlp(), torch.device("meta")).parameters()).device.type == "meta"


def test_work_grows_with_examples_weights_and_numbers() -> None:
    net = nn.Linear(4, 2)
    one, ten = (work_of(net, [torch.zeros(n, 4)]) for n in (1, 10))
    assert ten == 10 * one == 10 * (10 + 32 * 4)
    assert work_of(nn.Linear(400, 2), [torch.zeros(1, 4)]) > one


def test_forward_is_compiled_inside_the_block_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def compile(forward: Any) -> Any:
        def counted(*inputs: Any) -> Any:
            calls.append(len(inputs))
            return forward(*inputs)

        return counted

    monkeypatch.setattr(torch, "compile", compile)
    net, x = nn.Sequential(nn.Linear(2, 1)), torch.zeros(3, 2)
    with compiled(net, False):
        net(x)
    assert calls == []
    with compiled(net, True):
        net(x)
    with pytest.raises(KeyError), compiled(net, True):
        raise KeyError
    net(x)
    assert calls == [1]
    assert list(net.state_dict()) == ["0.weight", "0.bias"]


def test_a_failed_compilation_and_a_full_card_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward: forward)
    failure: Any = type("InductorError", (Exception,), {"__module__": "torch._inductor.exc"})
    with pytest.raises(ConfigError, match=r"torch\.compile failed: no compiler"), compiled(mlp(), True):
        raise failure("no compiler\nand more")
    with pytest.raises(TooBig, match="out of memory") as error, told_when_full():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried ...")
    assert "batch_size" in error.value.mend
