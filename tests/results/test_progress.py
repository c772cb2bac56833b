"""The progress line: what it says, and when it stays away."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

import fsp
from fsp.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def report(progress):
    progress.update(time=2.5, states=12345, lost=1e-9, products=40)
    progress.close()


def test_it_says_where_the_run_is():
    stream = io.StringIO()
    report(Progress(10.0, enabled=True, stream=stream))
    for piece in ("2.5 of 10", "12,345 states", "lost 1.0e-09", "40 products"):
        assert piece in stream.getvalue()


def test_it_stays_away_when_it_is_not_wanted():
    silent = [(io.StringIO(), None, 0.0), (Terminal(), False, 0.0), (Terminal(), None, 100.0)]
    for stream, enabled, delay in silent:
        report(Progress(10.0, enabled, stream=stream, delay=delay))
        assert stream.getvalue() == ""
    stream = Terminal()  # control: a terminal and no delay
    report(Progress(10.0, None, stream=stream, delay=0.0))
    assert "12,345 states" in stream.getvalue()


def test_reports_after_the_end_are_ignored():
    stream = io.StringIO()
    with Progress(1.0, enabled=True, stream=stream) as progress:
        report(progress)
    before = stream.getvalue()
    progress.update(time=1.0, states=1, lost=0.0, products=1)
    assert stream.getvalue() == before


def test_an_end_at_time_zero_is_no_trouble():
    stream = io.StringIO()
    progress = Progress(0.0, enabled=True, stream=stream)
    progress.update(time=0.0, states=1, lost=0.0, products=0)
    progress.close()
    assert "nan" not in stream.getvalue()


def test_the_speed_is_that_of_the_moment(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("fsp.progress.clock.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(10.0, enabled=True, stream=stream)
    for second, products in ((0.5, 1000), (1.5, 1040), (2.5, 1044), (3.5, 4)):
        now[0] = second
        progress.update(time=second, states=10, lost=0.0, products=products)
    progress.close()
    for piece in ("2,000/s", "40/s", "4/s", "0/s"):
        assert f" {piece}" in stream.getvalue()


def test_a_run_reports_within_its_steps():
    """Steps on large sets are long: their products report, and time never runs backwards or past the end."""
    network = fsp.gallery.toggle_switch()
    seen = []

    class Line(Progress):
        def update(self, **report):
            seen.append(report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsp.transient_run.Progress", Line)
        patch.setattr("fsp.generator.fibre_generator.ONE_BY_ONE", 1000)
        patch.setattr("fsp.generator.select.LISTED_BYTES", 0)
        result = fsp.solve_transient(network, [0.2, 0.5], tolerance=1e-4, bounds={"U": 250, "V": 250})
    assert len(seen) > 2 * result.statistics["steps"]
    times = [report["time"] for report in seen]
    assert times == sorted(times)
    assert times[-1] <= 0.5 * (1 + 1e-12)
    products = [report["products"] for report in seen]
    assert products == sorted(products)
    assert products[-1] == result.statistics["products"]
    assert all(0.0 <= report["lost"] <= 1e-4 and report["states"] <= 251**2 for report in seen)


def test_the_whole_command_is_silent_in_a_pipe_and_speaks_when_told_to():
    words = [sys.executable, "-m", "fsp", "transient", "gallery:birth_death", "-t", "1"]
    quiet = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    assert quiet.stderr == ""
    loud = subprocess.run([*words, "--progress"], capture_output=True, text=True, check=True, timeout=120)
    assert "states, lost" in loud.stderr
    assert loud.stdout.splitlines()[:2] == quiet.stdout.splitlines()[:2]
