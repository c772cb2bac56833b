"""The random numbers: published answers, the logarithm, uniformity, independence of the order."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from fsp.ssa.layout import BUFFER, DECK
from fsp.ssa.memory import pointer
from fsp.ssa.philox import philox4x32
from fsp.ssa.streams import deviates, fill, negative_log


@njit
def _philox(c0, c1, c2, c3, k0, k1):
    return philox4x32(c0, c1, c2, c3, k0, k1)


@njit
def _fill(deck, n, key, trajectory, block):
    fill(pointer(deck), 0, n, key, trajectory, block)


@njit
def _log(u):
    out = np.empty_like(u)
    for i in range(u.size):
        out[i] = negative_log(u[i])
    return out


def _plain(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as it is written in the paper, with Python's integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


# The known answers that the authors publish with their library Random123.
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([0] * 6, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 6, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(words: list[int], answer: list[int]) -> None:
    assert list(_philox(*map(np.uint64, words))) == answer
    assert _plain(words[:4], words[4:]) == answer


def test_blocks_become_deviates() -> None:
    deck = np.zeros(DECK)
    key, trajectory, block = 0x1234567890ABCDEF, 0xFEDCBA0987654321, 2**32 - 3  # words carry over
    _fill(deck, 8, np.uint64(key), np.uint64(trajectory), np.uint64(block))
    for i in range(8):
        b = block + i
        words = [b & 0xFFFFFFFF, b >> 32, trajectory & 0xFFFFFFFF, trajectory >> 32]
        w = _plain(words, [key & 0xFFFFFFFF, key >> 32])
        assert deck[BUFFER + i] == ((w[3] << 32 | w[2]) >> 11) * 2.0**-53
        u = (((w[1] << 32 | w[0]) >> 11) + 1) * 2.0**-53
        assert deck[i] == pytest.approx(-np.log(u), rel=4e-16)


def test_logarithm_is_within_one_unit() -> None:
    u = np.concatenate(
        [np.random.default_rng(1).random(200_000) + 2.0**-53, 2.0 ** -np.arange(0.0, 53.0), [2.0**-0.5]]
    )
    exact = -np.log(u.astype(np.longdouble))
    found = _log(u)
    assert found[u == 1.0] == 0.0
    error = np.abs(found - exact) / np.spacing(np.maximum(np.abs(exact).astype(float), 1e-300))
    assert error[u < 1.0].max() < 1.0


def test_deviates_have_their_laws() -> None:
    streams = np.arange(200_000, dtype=np.uint64)
    exponential, uniform = deviates(np.uint64(7), streams, np.uint64(5))
    assert stats.kstest(exponential, "expon").pvalue > 1e-6
    assert stats.kstest(uniform, "uniform").pvalue > 1e-6
    assert abs(np.corrcoef(exponential, uniform)[0, 1]) < 5 / np.sqrt(streams.size)
    assert stats.kstest(exponential * 1.03, "expon").pvalue < 1e-3  # the control
