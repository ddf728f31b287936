"""Ctrl-C as a flag: the first is noted, the second raises, and the caller's handler comes back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from matweave.interrupt import polite_interrupt


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def handler() -> Iterator[Any]:
    def mine(number: int, frame: object) -> None:
        raise AssertionError("the caller's handler was called inside the block")

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    signal.signal(signal.SIGINT, before)


def test_the_first_is_a_flag(handler: Any) -> None:
    with polite_interrupt() as interrupted:
        assert not interrupted()
        press()
        assert interrupted()
        assert interrupted()  # it stays up
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_second_raises_at_once_and_the_handler_comes_back(handler: Any) -> None:
    later: list[int] = []

    def pressed_twice() -> None:
        with polite_interrupt():
            press()
            later.append(1)
            press()
            later.append(2)

    with pytest.raises(KeyboardInterrupt):
        pressed_twice()
    assert later == [1]
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_comes_back_after_an_error(handler: Any) -> None:
    with pytest.raises(KeyError), polite_interrupt():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is handler


def test_blocks_may_nest_and_follow_each_other(handler: Any) -> None:
    with polite_interrupt() as outer:
        with polite_interrupt() as inner:
            press()
            assert inner()
        assert not outer()  # it was the inner one's
        press()
        assert outer()
    with polite_interrupt() as again:
        assert not again()


def test_a_handler_set_outside_python_becomes_the_default(
    handler: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with polite_interrupt():
        pass
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_another_thread_leaves_signals_alone(handler: Any) -> None:
    seen: list[object] = []

    def work() -> None:
        with polite_interrupt() as interrupted:
            seen.extend((interrupted(), signal.getsignal(signal.SIGINT)))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [False, handler]
