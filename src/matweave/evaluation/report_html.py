"""The paper of a report: escaped text, tables, figures, and one page that needs nothing from outside.

Whatever is put in goes through `text`, so an id or a method name is shown and never becomes markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import final


@final
@dataclass(frozen=True)
class Html:
    """Markup made here; anything else is text and is escaped."""

    markup: str

    def __str__(self) -> str:
        return self.markup


def text(value: object) -> str:
    """Markup as it is, anything else escaped.

    >>> text("<b>"), text(Html("<b>"))
    ('&lt;b&gt;', '<b>')
    """
    return value.markup if isinstance(value, Html) else escape(str(value))


def table(
    heads: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    caption: str = "",
) -> Html:
    """A table; the first cell of a row names it. numbers: columns set flush right in figures of one width.

    >>> "<td class=n>1</td>" in table(["a", "b"], [["x", 1]], numbers=[1]).markup
    True
    """

    def cell(tag: str, at: int, value: object, more: str = "") -> str:
        return f"<{tag}{more}{' class=n' if at in numbers else ''}>{text(value)}</{tag}>"

    head = "".join(cell("th", at, value, " scope=col") for at, value in enumerate(heads))
    lines = [
        "<tr>"
        + "".join(
            cell("td" if at else "th", at, value, "" if at else " scope=row") for at, value in enumerate(row)
        )
        + "</tr>"
        for row in rows
    ]
    said = f"<caption>{text(caption)}</caption>" if caption else ""
    body = "\n".join(lines)
    return Html(
        f"<div class=scroll><table>{said}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def figure(svg: str, caption: object) -> Html:
    """A drawing with its caption; wide ones scroll on a narrow screen."""
    return Html(f"<figure><div class=scroll>{svg}</div><figcaption>{text(caption)}</figcaption></figure>")


def paragraph(*parts: object, kind: str = "") -> Html:
    """One paragraph of text and markup."""
    return Html(
        f"<p{f' class={kind}' if kind else ''}>" + " ".join(text(p) for p in parts if str(p)) + "</p>"
    )


def bullets(items: Sequence[object], *, ordered: bool = False) -> Html:
    """A list; an empty one is nothing.

    >>> bullets(["a & b"]).markup
    '<ul><li>a &amp; b</li></ul>'
    """
    tag = "ol" if ordered else "ul"
    return (
        Html(f"<{tag}>" + "".join(f"<li>{text(i)}</li>" for i in items) + f"</{tag}>") if items else Html("")
    )


def section(name: str, title: str, *parts: object) -> Html:
    """A section with a heading that can be linked to."""
    body = "\n".join(text(p) for p in parts)
    return Html(f"<section id={name}><h2>{text(title)}</h2>\n{body}\n</section>")


def page(title: str, head: Html, sections: Sequence[Html], foot: str) -> str:
    """The whole file: style inside, no script, no address."""
    body = "\n".join(text(s) for s in sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header>{head}</header>\n<main>\n{body}\n</main>\n<footer>{text(foot)}</footer>\n</body>\n</html>\n"
    )


_LIGHT = """
--paper:#fff; --tint:#f6f7f9; --ink:#16191d; --muted:#59626e; --line:#d8dce2; --accent:#0a5fc4; --wash:#e8f0fb;
--bad:#b3261e; --series-1:#0a5fc4; --series-2:#b8480f; --series-3:#157a55; --series-4:#7d44b5; --series-5:#8a6100;
--series-6:#0b7886; --series-7:#b02a78; --series-8:#555d68;"""
_DARK = """
--paper:#14171b; --tint:#1c2026; --ink:#e9ecf0; --muted:#a2abb7; --line:#39404a; --accent:#74b3f7; --wash:#1d2c40;
--bad:#ff8a80; --series-1:#74b3f7; --series-2:#f29a6e; --series-3:#63cd9f; --series-4:#c8a4f4; --series-5:#e2b755;
--series-6:#5fcbd8; --series-7:#f28fc2; --series-8:#b3bac4;"""

STYLE = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{color-scheme:light;{_LIGHT}}}}}
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%;scroll-behavior:smooth}}
body{{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;font-size:16px;
 font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif;
 -webkit-font-smoothing:antialiased;text-rendering:optimizeLegibility}}
header,main,footer{{max-width:66rem;margin:0 auto;padding:0 1.75rem}}
header{{padding-top:3.5rem}}
h1{{font-size:2.1rem;line-height:1.15;letter-spacing:-.02em;font-weight:680;margin:0 0 .6rem;text-wrap:balance}}
h2{{font-size:1.25rem;line-height:1.3;letter-spacing:-.01em;font-weight:650;margin:0 0 .7rem}}
h3{{font-size:1rem;font-weight:650;margin:1.6rem 0 .4rem}}
section{{margin:3.2rem 0 0;padding-top:1.6rem;border-top:1px solid var(--line)}}
p{{margin:.5rem 0 .9rem;max-width:46rem;text-wrap:pretty}}
p.lead{{font-size:1.12rem;line-height:1.5;max-width:50rem}}
p.note,figcaption,footer,caption{{color:var(--muted);font-size:.875rem;line-height:1.5}}
ul,ol{{margin:.4rem 0 1rem;padding-left:1.25rem;max-width:46rem}} li{{margin:.2rem 0}}
td ul,td ol{{margin:0;font-size:.9rem}} td li{{margin:0}}
b,strong,th{{font-weight:620}}
code{{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}}
.facts{{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:1.6rem 0 0;padding:0;
 background:var(--tint);border:1px solid var(--line);border-radius:10px;overflow:hidden}}
.facts div{{background:var(--tint);padding:.75rem .95rem;box-shadow:0 0 0 1px var(--line)}}
.facts dt{{color:var(--muted);font-size:.8rem}}
.facts dd{{margin:.05rem 0 0;font-size:1.12rem;font-weight:620;font-variant-numeric:tabular-nums;line-height:1.3}}
nav{{margin:1.3rem 0 0;font-size:.9rem;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem}}
a{{color:var(--accent);text-decoration:none}} a:hover,a:focus-visible{{text-decoration:underline}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:.92rem;margin:.4rem 0 .6rem}}
caption{{text-align:left;padding:0 0 .4rem}}
th,td{{padding:.5rem .8rem .5rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}}
th:last-child,td:last-child{{padding-right:.2rem}}
thead th{{color:var(--muted);font-size:.82rem;font-weight:600;vertical-align:bottom;white-space:normal;
 border-bottom:1.5px solid var(--muted)}}
tbody th{{white-space:nowrap}}
th:first-child{{position:sticky;left:0;background:var(--paper)}}
.n{{text-align:right;font-variant-numeric:tabular-nums lining-nums;white-space:nowrap}}
.n small{{display:block;color:var(--muted);font-size:.76rem;line-height:1.35}}
.best{{color:var(--accent);font-weight:680}} .mark{{display:inline-block;width:.85em;text-align:left;color:var(--accent)}}
.bad{{color:var(--bad)}} mark{{background:var(--wash);color:inherit;border-radius:3px;padding:0 .25em;font-weight:620}}
figure{{margin:1rem 0 0}} figcaption{{margin-top:.5rem;max-width:46rem}}
svg{{display:block;width:100%;min-width:40rem;height:auto}}
svg *{{stroke-linejoin:round;stroke-linecap:butt}} svg text{{font-family:inherit!important;font-variant-numeric:tabular-nums}}
dl.read{{display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.4rem;margin:.6rem 0;font-size:.94rem}}
dl.read dt{{font-weight:620}} dl.read dd{{margin:0;color:var(--muted);max-width:44rem}}
footer{{margin-top:3.5rem;padding-top:1.2rem;padding-bottom:3rem;border-top:1px solid var(--line)}}
@media (max-width:40rem){{header,main,footer{{padding-left:1.1rem;padding-right:1.1rem}} h1{{font-size:1.7rem}}
 .facts{{grid-template-columns:repeat(2,1fr)}}
 dl.read{{grid-template-columns:1fr;gap:.1rem}} dl.read dd{{margin-bottom:.6rem}}}}
@media print{{body{{font-size:10pt}} header{{padding-top:0}} nav{{display:none}} svg{{min-width:0}}
 .scroll{{overflow:visible}} figure,tr,dl div{{break-inside:avoid}} h2,h3{{break-after:avoid}}
 section{{margin-top:1.6rem}} @page{{margin:16mm}}}}
"""
