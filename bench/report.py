"""The table and the chart of everything that was measured."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.book import RESULTS, Figure

BAR_HEIGHT, GAP, LEFT, WIDTH = 22, 10, 430, 420
MOST = 3.0
"""Ratios above this are drawn as long as this, with the figure beside."""


def write_report(found: Mapping[str, Sequence[Figure]]) -> None:
    """`README.md` and `chart.svg` in the results' folder."""
    figures = [figure for group in found.values() for figure in group]
    (RESULTS / "README.md").write_text(_table(found))
    (RESULTS / "chart.svg").write_text(_chart([figure for figure in figures if figure.wanted is not None and figure.ratio is not None]))


def _table(found: Mapping[str, Sequence[Figure]]) -> str:
    lines = [
        "# What was measured",
        "",
        "Each figure beside a peer or limit of the same run, on the same machine: compare the ratios, not the figures. `make bench`",
        "measures anew.",
        "",
        "![How each ratio stands to the wanted one](chart.svg)",
        "",
        "| Work | Size | Ours | Peer or limit | Ratio | Wanted |",
        "| --- | ---: | ---: | --- | ---: | --- |",
    ]
    for figures in found.values():
        for figure in figures:
            peer = f"{figure.peer:,.1f} {figure.unit}, {figure.peer_is}" if figure.peer else "–"
            ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "–"
            sign = "≤" if figure.less_is_better else "≥"
            wanted = "–" if figure.wanted is None else f"{sign} {figure.wanted:g}: {'met' if figure.is_met else '**not met**'}"
            lines.append(f"| {figure.work} | {figure.size:,} | {figure.ours:,.1f} {figure.unit} | {peer} | {ratio} | {wanted} |")
    return "\n".join(lines) + "\n"


def _chart(figures: Sequence[Figure]) -> str:
    """Bars: how far each ratio is of the wanted one (1 is met), better to the right."""
    height = len(figures) * (BAR_HEIGHT + GAP) + 50
    mark = LEFT + WIDTH / MOST
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 90} {height}" role="img"',
        ' font-family="sans-serif" font-size="13">',
        "<title>How each measured ratio stands to the wanted one; 1 is the target, further right is better</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for row, figure in enumerate(figures):
        reached = (figure.wanted or 0) / (figure.ratio or 1) if figure.less_is_better else (figure.ratio or 0) / (figure.wanted or 1)
        y, length = 20 + row * (BAR_HEIGHT + GAP), min(reached, MOST) * WIDTH / MOST
        colour = "#005eb8" if figure.is_met else "#d5281b"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(f"{figure.work} ({figure.size:,})")}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" height="{BAR_HEIGHT}" fill="{colour}"/>',
            f'<text x="{LEFT + length + 6:.0f}" y="{y + 15}">{reached:.2f}</text>',
        ]
    parts += [
        f'<line x1="{mark:.0f}" x2="{mark:.0f}" y1="10" y2="{height - 30}" stroke="#212b32" stroke-dasharray="4 3"/>',
        f'<text x="{mark:.0f}" y="{height - 12}" text-anchor="middle">wanted</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
