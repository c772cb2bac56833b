"""Antimony files that are no models."""

from __future__ import annotations

from collections.abc import Iterator

from malformed_sbml import sbml

__all__ = ["wrong_antimony"]


def wrong_antimony() -> Iterator[tuple[str, str]]:
    def model(text: str, before: str = "") -> str:
        return f"{before}model m()\n  species A; A = 1; k = 2;\n  {text}\nend\n"

    bad = {
        "not closed": "R: A => ; k*A;",
        "unknown parameter": "R: A => ; q*A;",
        "no law": "R: A => ;",
        "event": "R: A => ; k*A; at A > 3: k = 7;",
        "rate rule": "R: A => ; k*A; k' = 3;",
        "rule of itself": "R: A => ; x*A; x := x + 1;",
        "cyclic rules": "R: A => ; x*A; x := y + 1; y := x;",
        "cyclic starts": "R: A => ; x*A; x = y + 1; y = x;",
        "1e999": "R: A => ; 1e999*A;",
        "start 1e999": "A = 1e999; R: A => ; A;",
        "start -1": "A = -1; R: A => ; A;",
        "start 0.5": "A = 0.5; R: A => ; A;",
        "start nan": "A = nan; R: A => ; A;",
        "10^(10^10)": "R: A => ; 10^(10^10)*A;",
        "tower": "R: A => ; 9^9^9^9^9^9*A;",
        "factorial": "R: A => ; factorial(factorial(99))*A;",
        "stoichiometry 0.5": "R: 0.5 A => ; A;",
        "stoichiometry 1e30": "R: 1e30 A => ; A;",
        "stoichiometry -1": "R: -1 A => ; A;",
        "unknown function": "R: A => ; f(A);",
        "too many arguments": "R: A => ; exp(A, A);",
        "unbalanced": "R: A => ; k*(A;",
        "too many brackets": "R: A => ; k*A);",
        "quotes": 'R: A => ; "k*A;',
        "comment": "R: A => ; k*A; /* no end",
        "unknown units": "R: A => ; k*A; A has furlong;",
        "moles": "R: A => ; k*A; unit substance = 1 mole;",
        "reversible": "B = 1; R: A -> B; k*A - B*exp(A)/7 + sin(B);",
        "delay": "R: A => ; delay(A, 3);",
        "assignment to a reaction": "R: A => ; k*A; R = 7;",
        "species and reaction": "A: A => ; k*A;",
        "reserved": "species = 3; R: A => ; A;",
        "delete": "R: A => ; k*A; delete R;",
        "negative rate": "R: A => ; -1;",
        "one over zero": "R: A => ; A/0;",
        "no such module": "S: nothing(A);",
        "module of itself": "S: m();",
        "import of nothing": 'R: A => ; q*A; import "nowhere.ant";',
        "percent": "R: A => ; A % 2;",
        "assignment by ==": "A == 3; R: A => ;;;; ;",
        "many signs": "R: A => ; k*" + "-" * 3000 + "A*q;",
        "10,000 brackets": "R: A => ; " + "(" * 10_000 + "A" + ")" * 10_000 + ";",
        "10,000 nested functions": "R: A => ; " + "exp(" * 10_000 + "A" + ")" * 10_000 + ";",
        "100,000 brackets that stay open": "R: A => ; " + "(" * 100_000,
        "10,000 powers": "R: A => ; 2" + "^2" * 10_000 + ";",
        "10,000 nots": "R: A => ; piecewise(1, " + "!" * 10_000 + "(A > 1), 2);",
        "5,000 terms": "R: A => ; q + " + " + ".join(["A"] * 5000) + ";",
        "10 MB name": f"R: A => ; {'x' * 10_000_000}*A;",
        "10 MB species": f"species {'x' * 10_000_000}; R: A => ; q;",
        "10 MB number": f"R: A => ; {'1' * 10_000_000}*A;",
        "10 MB without a line end": "; " * 5_000_000 + "R: A => ; q*A",
        "10 MB text": f'A is "{"x" * 10_000_000}"; R: A => ; q*A;',
        "rules that double": "R: A => ; p63; p0 := exp(A); "
        + " ".join(f"p{i} := p{i - 1}*p{i - 1};" for i in range(1, 64)),
        "ring of rules": "R: A => ; p0; " + " ".join(f"p{i} := p{(i + 1) % 300};" for i in range(300)),
    }
    for name, text in bad.items():
        yield name, model(text)
    yield "function of itself", model("R: A => ; f(A);", "function f(x)\n f(x) + 1\nend\n")
    yield (
        "functions of one another",
        model("R: A => ; f(A);", "function f(x)\n g(x)\nend\nfunction g(x)\n f(x)\nend\n"),
    )
    yield (
        "functions that double",
        model(
            "R: A => ; f40(A);",
            "function f0(x)\n x\nend\n"
            + "".join(f"function f{i}(x)\n f{i - 1}(x) + f{i - 1}(x)\nend\n" for i in range(1, 41)),
        ),
    )
    yield (
        "modules that double",
        "model m0()\n species A; A = 1; R: A => ; q*A;\nend\n"
        + "".join(f"model m{i}()\n a: m{i - 1}(); b: m{i - 1}();\nend\n" for i in range(1, 40)),
    )
    yield "modules of one another", "model a()\n x: b();\nend\nmodel b()\n x: a();\nend\n"
    yield "model twice", model("R: A => ; A;") * 2
    yield "no end", model("R: A => ; k*A;").removesuffix("end\n") + "model"
    yield "only a name", "model m"
    yield "SBML", sbml()
    yield "python", "import os\nos.system('true')\n"
    yield "import of itself", 'import "here.ant"\n' + model("R: A => ; q*A;")
    yield "import of a folder", 'import "/etc"\n' + model("R: A => ; q*A;")
    yield "import of a device", 'import "/dev/zero"\n' + model("R: A => ; q*A;")
    yield "import of a file that is no model", 'import "/etc/hostname"\n' + model("R: A => ; q*A;")
