"""The progress line: what it says, and when it stays away."""

from __future__ import annotations

import io

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
