"""The frame of reports: the page with its style, and what to cite for which method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["PAGE", "REFERENCES"]

#: Filled by ``str.format``; braces of the style sheet are doubled.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ --line: #d0d7de; --soft: #57606a; --accent: #0072b2; }}
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
       color: #1f2328; background: #fff; max-width: 62rem; margin: 0 auto; padding: 1.5rem; }}
h1 {{ font-size: 1.7rem; margin: 0 0 1rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--accent); }}
h3 {{ font-size: 1rem; margin: 1.3rem 0 .4rem; overflow-wrap: anywhere; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .4rem 0; }}
dt {{ color: var(--soft); }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.scroll {{ max-height: 30rem; overflow: auto; margin: .4rem 0; }}
table {{ border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .22rem .8rem .22rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top; overflow-wrap: anywhere; }}
th {{ position: sticky; top: 0; background: #fff; color: var(--soft); font-weight: 600; }}
.n {{ white-space: nowrap; }}
figure {{ margin: 1rem 0; }}
.row {{ display: flex; flex-wrap: wrap; gap: 0 1rem; }}
.row figure {{ flex: 1 1 24rem; }}
img {{ max-width: 100%; height: auto; }}
figcaption, .note {{ color: var(--soft); font-size: .9rem; }}
li {{ overflow-wrap: anywhere; margin: .25rem 0; }}
footer {{ margin-top: 2.5rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); }}
@media print {{ .scroll {{ max-height: none; overflow: visible; }} section {{ break-inside: auto; }}
               figure {{ break-inside: avoid; }} }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
<footer><p>Written by fsp {version}.</p></footer>
</body>
</html>
"""

_JENSEN = (
    "Uniformisation: A. Jensen, Markoff chains as an aid in the study of Markoff processes, Skandinavisk "
    "Aktuarietidskrift 36:87-91 (1953)."
)

#: What to cite beside the package: always, and by method. docs/citing.md says the same.
REFERENCES: Mapping[str, Sequence[str]] = {
    "always": (
        "The finite state projection: B. Munsky and M. Khammash, The finite state projection algorithm for the solution "
        "of the chemical master equation, J. Chem. Phys. 124:044104 (2006).",
        "The chemical master equation: D. T. Gillespie, A rigorous derivation of the chemical master equation, Physica A "
        "188:404-425 (1992).",
        "State sets that move with the probability: T. A. Henzinger, M. Mateescu and V. Wolf, Sliding window "
        "abstraction for infinite Markov chains, CAV 2009, LNCS 5643:337-352.",
    ),
    "uniformisation": (_JENSEN,),
    "chebyshev": (
        _JENSEN,
        "Chebyshev series: H. Tal-Ezer and R. Kosloff, An accurate and efficient scheme for propagating the time "
        "dependent Schrödinger equation, J. Chem. Phys. 81:3967-3971 (1984).",
        "Control of the defect: M. A. Botchev, V. Grimm and M. Hochbruck, Residual, restarting, and Richardson "
        "iteration for the matrix exponential, SIAM J. Sci. Comput. 35:A1376-A1397 (2013).",
    ),
    "inhomogeneous": (
        _JENSEN,
        "Rates that depend on time: N. M. van Dijk, Uniformization for nonhomogeneous Markov chains, Operations "
        "Research Letters 12:283-291 (1992).",
    ),
}
