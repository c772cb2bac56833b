"""Ctrl-C is kept until it is asked for."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from fsp.interrupts import DelayedInterrupt


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_one_waits() -> None:
    with DelayedInterrupt() as interrupt:
        interrupt.check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
        interrupt.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_one_does_not() -> None:
    with DelayedInterrupt():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_handler_stays() -> None:
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    with DelayedInterrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        interrupt.check()
    assert seen == [1]
