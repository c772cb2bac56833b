"""Reports: complete, self-contained, and inert whatever a model is called."""

from __future__ import annotations

import errno
import html.parser
import json
import re

import numpy as np
import pytest

import fsp
from fsp import cli, storage
from fsp.errors import ArgumentError, StorageError
from fsp.ledger import MEANINGS, Ledger
from fsp.report import _bounds, html_report, write_report
from fsp.results import TransientResult

EVIL = "<script>alert(1)</script>\"'&{0}<img src=x onerror=alert(2)>"
VOID = {"meta", "img", "link", "br", "hr", "input", "base"}


class Page(html.parser.HTMLParser):
    """What a browser would find in a page: tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.texts = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, tag
        if self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def faults(text):
    """Return what makes a page not self-contained or not inert."""
    page = Page(text)
    found = [
        tag
        for tag in page.tags
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form", "svg")
    ]
    for tag, name, value in page.attributes:
        if name.startswith("on"):
            found.append(f"{tag} {name}")
        if name in ("src", "href", "action", "data", "srcset") and not value.startswith(
            "data:image/png;base64,"
        ):
            found.append(f"{tag} {name}={value[:40]}")
    style = text[text.index("<style>") : text.index("</style>")]
    found += re.findall(r"url\(|@import|expression\(", style)
    if page.open:
        found.append(f"left open: {page.open}")
    return found


@pytest.fixture(scope="module")
def solved():
    network = fsp.gallery.toggle_switch()
    return fsp.solve_transient(network, np.linspace(0.0, 1.0, 6), tolerance=1e-6)


@pytest.fixture(scope="module")
def page(solved):
    return html_report(solved)


def test_a_report_says_everything(page, solved):
    seen = Page(page).text
    network = solved.network
    for piece in (
        *network.species_names,
        *network.parameters,
        *(r.name for r in network.reactions),
        *(str(r.propensity) for r in network.reactions),
        network.source[:40],
        f"{solved.error_bound:.3g} in the 1-norm",
        "proven",
        solved.explanation,
        *MEANINGS.values(),
        f"{solved.ledger.total:.3e}",
        f"{solved.final.n_states:,}",
        f"{solved.mean('U')[-1]:.7g}",
        _bounds(solved.final.mean_bounds("U")),
        "95 %",
        "Munsky",
        "Jensen",
        f"fsp {fsp.__version__}",
        "domination",
        "restarts",
        *solved.ledger.leaks,
    ):
        assert " ".join(piece.split()) in seen, piece
    assert page.count("data:image/png;base64,") == 5
    # The error bound of every time is there.
    for law in solved:
        assert f"{law.error_bound:.3e}" in seen


def test_a_report_loads_nothing(page):
    assert faults(page) == []
    assert "default-src 'none'" in page
    assert len(page) < 3_000_000


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<img src="http://example.org/x.png">',
        '<p onclick="alert(1)">x</p>',
        '<link rel="stylesheet" href="x.css">',
        "<p>",
    ],
)
def test_control_a_page_that_is_not_inert_is_noticed(page, evil):
    assert faults(page.replace("</body>", evil + "</body>"))


def test_texts_from_models_are_inert(result, tmp_path):
    network = fsp.ReactionNetwork(
        {"X": 0, "Gene": 1}, [f"{EVIL.replace(':', '')}: 0 -> X @ 1"], name=EVIL, source=EVIL, notes=EVIL
    )
    ledger = Ledger({**dict(result.ledger), EVIL: 0.0}, {EVIL: 1e-12})
    made = TransientResult(
        network, result.times, list(result), ledger, EVIL, EVIL, {EVIL: 1}, status=EVIL, version=EVIL
    )
    made.save(tmp_path / "evil.nc")
    text = html_report(fsp.load_result(tmp_path / "evil.nc"))
    assert faults(text) == []
    assert "<script" not in text
    assert " ".join(EVIL.split()) in Page(text).text  # shown as it is


def test_what_was_not_kept_is_not_claimed(solved, result, tmp_path):
    for save in ("marginals", "moments"):
        solved.save(tmp_path / "kept.nc", save=save)
        text = html_report(fsp.load_result(tmp_path / "kept.nc"), ["V"])
        assert faults(text) == []
        assert ("95 %" in Page(text).text) == (save == "marginals")
        assert f"kept {save}" in Page(text).text
    alone = TransientResult(None, result.times[:1], [result[0]], Ledger(), "m", "e", {})
    for save in ("distributions", "moments"):
        alone.save(tmp_path / "alone.nc", save=save)
        text = html_report(fsp.load_result(tmp_path / "alone.nc"))
        assert "was not stored" in text
        assert faults(text) == []
    with pytest.raises(ArgumentError, match="no output times"):
        html_report(TransientResult(None, [], [], Ledger(), "m", "e", {}))
    with pytest.raises(ArgumentError, match="did you mean"):
        html_report(result, ["gene"])


def test_long_courses_are_thinned_openly(result):
    many = TransientResult(None, np.arange(1000.0), [result[0]] * 1000, Ledger(), "m", "e", {})
    text = html_report(many, ["X"])
    assert "101 of 1000 times" in text
    assert text.count("<tr>") < 300


def test_reports_are_complete_or_not_there(solved, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            write_report(solved, path)
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    write_report(solved, path)
    assert faults(path.read_text(encoding="utf-8")) == []


def test_the_command(solved, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solved.save("run.nc")

    def run(*words):
        code = cli.main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert run("report", "run.nc") == (0, "wrote run.html\n", "")
    code, out, err = run("report", "run.nc", "-o", "other.html", "--species", "V", "--json")
    data = json.loads(out)
    assert (code, err) == (0, "")
    assert (data["report"], data["species"]) == ("other.html", ["V"])
    assert faults((tmp_path / "other.html").read_text(encoding="utf-8")) == []
    (tmp_path / "broken.nc").write_bytes((tmp_path / "run.nc").read_bytes()[:-5])
    for words, problem in (
        (["absent.nc"], "no file"),
        (["broken.nc"], "checksum"),
        (["run.nc", "-o", "no/such/folder.html"], "no folder"),
        (["run.nc", "-o", "run.nc"], "take the place"),
        (["run.nc", "--species", "W"], "W"),
        ([], "RESULT"),
    ):
        code, out, err = run("report", *words)
        assert (code, out) == (2, "")
        assert problem in err
        assert "Traceback" not in err
    assert run("report", "--help")[0] == 0


def test_printed_enclosures_are_enclosures():
    rng = np.random.default_rng(5)
    for _ in range(2000):
        lower = float(10.0 ** rng.uniform(-12, 12))
        interval = fsp.Interval(lower, lower * float(1.0 + 10.0 ** rng.uniform(-18, 1)))
        printed = re.fullmatch(r"\[(\S+), (\S+)\]", _bounds(interval))
        assert float(printed[1]) <= interval.lower <= interval.upper <= float(printed[2])
        assert len(_bounds(interval)) <= 36


def test_every_method_has_its_references():
    from fsp.report_texts import REFERENCES
    from fsp.transient.protocol import STEPPERS

    assert set(STEPPERS) <= set(REFERENCES)
