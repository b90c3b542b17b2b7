"""Style and script of the report's page. Nothing is loaded from elsewhere."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1f23; --soft: #5a626c; --line: #d9dde2; --band: #f4f6f8;
  --link: #0b57a4; --alarm: #a4262c; --alarm-ground: #fdf3f3; --heat: #2f6fd0; --cap: 60%;
  --c0: #0b62a8; --c1: #b4530a; --c2: #23803b; --c3: #a3327c; --c4: #6a4fb3; --c5: #7a6000; --c6: #0e7c86;
  --c7: #8a2b2b; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --ink: #e4e7ea; --soft: #a3adb8; --line: #343a41;
  --band: #1c2126; --link: #8ebdf5; --alarm: #ff9a94; --alarm-ground: #2a1a1b; --heat: #5b97ea; --cap: 50%;
  --c0: #6fb1f0; --c1: #f0a05a; --c2: #6cc784; --c3: #e88bc4; --c4: #b09cf0; --c5: #d6bd4c; --c6: #5cc6cf;
  --c7: #ee8a83; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2rem) 4rem; max-width: 78rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link);
  outline-offset: 2px; }
.lead, .note, figcaption, .under { color: var(--soft); }
.note { font-size: .85rem; line-height: 1.45; margin: .25rem 0; }
nav ul, .keys { display: flex; flex-wrap: wrap; padding: 0; list-style: none; }
nav ul { gap: .2rem 1rem; margin: .75rem 0; font-size: .95rem; }
.alarm { border-left: 4px solid var(--alarm); background: var(--alarm-ground); padding: .1rem .9rem .9rem;
  margin-top: 1rem; }
.alarm h2 { border: 0; margin: .6rem 0 .2rem; color: var(--alarm); }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
th, td { padding: .3rem .65rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
th { font-weight: 600; }
thead th { vertical-align: bottom; background: var(--band); border-bottom: 2px solid var(--line); }
th.w, td.w { text-align: left; max-width: 30rem; }
td, th.w { white-space: nowrap; }
td.long, th.long { white-space: normal; min-width: 13rem; overflow-wrap: anywhere; }
td.longer { min-width: 26rem; }
tbody th { font-weight: 500; position: sticky; left: 0; background: var(--ground); }
.alarm tbody th { background: var(--alarm-ground); }
.under { display: block; font-size: .78rem; line-height: 1.3; font-weight: 400; }
td.best { font-weight: 700; }
td.heat { background: color-mix(in srgb, var(--heat) calc(var(--s) * var(--cap)), transparent); text-align: center; }
.matrix td { padding: .25rem .3rem; min-width: 2.3rem; }
.matrix thead th:not(:first-child) { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
  padding: .4rem .3rem; }
.matrix th:first-child { white-space: normal; max-width: 8rem; }
th button { all: unset; cursor: pointer; font: inherit; }
th button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th button::after { content: "\\2195"; color: var(--soft); font-weight: 400; padding-left: .25em; font-size: .85em; }
th[aria-sort=ascending] button::after { content: "\\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\\2193"; color: var(--ink); }
details { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .45rem 0; font-weight: 500; }
details[open] > summary { margin-bottom: .3rem; }
.pictures { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(27rem, 100%), 1fr));
  margin: .5rem 0 1rem; }
.pictures > .wide { grid-column: 1 / -1; max-width: 60rem; }
figure { margin: 0; min-width: 0; }
figure svg, figure img { display: block; width: 100%; height: auto; max-width: 34rem; }
figure.wide img { max-width: 100%; }
figcaption { font-size: .88rem; line-height: 1.4; }
.keys { gap: .1rem .9rem; margin: .2rem 0; font-size: .85rem; }
.keys i { display: inline-block; width: 1.1em; border-top: 3px solid; margin-right: .35em; vertical-align: .25em; }
.line { fill: none; stroke-width: 1.7; stroke-linejoin: round; } .grid { stroke: var(--line); fill: none; }
.frame { stroke: var(--soft); fill: none; } .front { stroke: var(--c1); } .span { fill: var(--alarm); opacity: .16; }
.best { fill: var(--c1); } circle.other { fill: var(--ground); stroke: var(--c0); stroke-width: 1.6; }
svg text { fill: var(--ink); font: 12.5px system-ui, sans-serif; } svg .tick { fill: var(--soft); }
svg .name { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round; }
@media print { details > * { display: block; } .scroll { overflow: visible; } }
""" + "\n".join(
    f".s{number} {{ stroke: var(--c{number}); }} circle.s{number} {{ fill: var(--c{number}); }} "
    f"circle.s{number}.open {{ fill: var(--ground); }} "
    f"i.s{number} {{ border-color: var(--c{number}); }}"
    for number in range(8)
)

# A click on a head sorts by what the cells say in `data-v`, numbers first; a link into a closed part opens it.
SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.closest("th"), table = head.closest("table"), at = [...head.parentNode.children].indexOf(head);
  const down = head.getAttribute("aria-sort") !== "descending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.children[at].dataset.v ?? row.children[at].textContent;
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)], [p, q] = [parseFloat(x), parseFloat(y)];
    const known = [!Number.isNaN(p), !Number.isNaN(q)];
    if (known[0] !== known[1]) return known[0] ? -1 : 1;
    const order = known[0] ? p - q : x.localeCompare(y);
    return down ? -order : order;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
});
const open = () => { for (let at = document.getElementById(location.hash.slice(1)); at; at = at.parentElement)
  if (at.tagName === "DETAILS") at.open = true; };
addEventListener("hashchange", open);
open();
"""
