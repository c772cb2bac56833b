"""Results over time: access, tables. Files: test_storage.py."""

from __future__ import annotations

import numpy as np
import pytest

from fsp.errors import ArgumentError
from fsp.ledger import Ledger
from fsp.results import TransientResult


def test_a_result_is_a_sequence_of_distributions(result):
    assert len(result) == 5
    assert [d.time for d in result] == result.times.tolist()
    assert result[-1] is result.final
    assert result[1:3] == [result[1], result[2]]
    assert result.at(0.5) is result[1]
    assert result.at(0.1 + 0.2 + 0.2) is result[1]
    assert result.error_bound == max(d.error_bound for d in result)
    assert result.certified
    with pytest.raises(ArgumentError, match=r"nearest are 0\.5, 1, 2"):
        result.at(1.1)


def test_courses_in_time(result):
    exact = 10.0 * -np.expm1(-result.times)
    assert result.mean("X") == pytest.approx(exact, abs=1e-9)
    assert result.std("X") == pytest.approx(np.sqrt(exact), abs=1e-6)
    assert result.mean().shape == result.std().shape == (5, 2)
    assert all(m in b for m, b in zip(exact, result.mean_bounds("X"), strict=True))
    assert result.probability("X == 0")[0].lower == pytest.approx(1.0)
    with pytest.raises(ArgumentError, match="did you mean 'Gene'"):
        result.mean("gene")


def test_tables(result):
    table = result.to_pandas()
    assert table["X"]["mean"].tolist() == result.mean("X").tolist()
    assert table.index.name == "time"
    data = result.to_xarray()
    assert data["mean"].sel(species="X", time=5.0).item() == result[-1].mean("X")
    assert data["marginal_Gene"].sum("count_Gene").values == pytest.approx(np.ones(5), abs=1e-10)
    assert "state" not in result.to_xarray(save="marginals")


def test_a_result_prints_a_table(result):
    text = repr(result)
    for piece in ("5 times", "mean X", "error bound", "uniformisation", "proven", "1e-08"):
        assert piece in text
    many = TransientResult(None, np.arange(100.0), [result[0]] * 100, Ledger(), "m", "e", {})
    assert len(repr(many).splitlines()) < 16


def test_times_and_distributions_must_fit(result):
    with pytest.raises(ArgumentError, match="as many times"):
        TransientResult(None, [0.0], list(result), Ledger(), "", "", {})
