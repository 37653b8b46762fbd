/** The style of `report.html`, light and dark. It is embedded in XML unescaped: use no ampersand and no angle bracket. */
export const STYLE = `
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1b1f27; --muted: #566070; --line: #d5dae2;
  --link: #1d4ed8; --pass: #1f7a43; --fail: #b42318; --known: #7a3fb0; --warn: #8a5a00; --rest: #68727f;
  --glow: #fdecea; --fill-pass: #35a063; --fill-fail: #d63a2d; --fill-known: #9a63cf; --fill-warn: #d9982b; --fill-rest: #b3bac5; }
@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1a1f28; --text: #e5e9f0; --muted: #9aa5b5;
  --line: #323a47; --link: #8ab4ff; --pass: #6bd394; --fail: #ff8a7d; --known: #cba3f5; --warn: #f0be66; --rest: #9aa5b5;
  --glow: #3d2020; --fill-pass: #2f9a5c; --fill-fail: #e0574a; --fill-known: #9a63cf; --fill-warn: #c98f2c; --fill-rest: #556070; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: clamp(1.6rem, 6vw, 2.4rem); line-height: 1.15; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.3rem; }
h3 { margin: 0; font-size: 1.1rem; }
a { color: var(--link); }
small { display: block; color: var(--muted); font-size: .8rem; font-weight: 400; }
code, svg text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; }
.suite { margin: 0 0 .5rem; color: var(--muted); }
.who { margin: .25rem 0 1rem; font-size: 1.1rem; }
.lab { color: var(--warn); }
.hint { margin: 0 0 1rem; color: var(--muted); }
h1.conformant { color: var(--pass); }
h1.violation, h1.stale-baseline { color: var(--fail); }
h1.as-baseline { color: var(--known); }
h1.incomplete { color: var(--warn); }
dl { margin: 0; }
header dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
dt { color: var(--muted); font-size: .8rem; }
dd { margin: 0; }
ul { margin: 0; padding-left: 1.2rem; }
ul.counts, ul.chapters, ul.aside { padding: 0; list-style: none; }
ul.counts { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1.25rem; }
ul.counts li { padding: .3rem .75rem; border: 1px solid var(--line); border-left: 5px solid; border-radius: 6px; background: var(--card); }
ul.counts .pass { border-left-color: var(--fill-pass); }
ul.counts .fail { border-left-color: var(--fill-fail); }
ul.counts .known { border-left-color: var(--fill-known); }
ul.counts .warn, ul.counts .not-observed, ul.counts .inconclusive { border-left-color: var(--fill-warn); }
ul.counts .not-applicable, ul.counts .excluded { border-left-color: var(--fill-rest); }
ul.chapters b { white-space: nowrap; }
ul.chapters li { display: grid; grid-template-columns: 5.5rem minmax(6rem, 1fr) minmax(12rem, 1fr); gap: 1rem; align-items: center; padding: .25rem 0; }
.bar { display: flex; gap: 2px; height: 14px; border-radius: 4px; overflow: hidden; }
.bar i { flex-basis: 0; background: var(--fill-rest); }
.bar .pass { background: var(--fill-pass); }
.bar .fail { background: var(--fill-fail); }
.bar .known { background: var(--fill-known); }
.bar .warn, .bar .not-observed, .bar .inconclusive { background: var(--fill-warn); }
.mark { display: inline-block; padding: 0 .5rem; border: 1px solid; border-radius: 999px; color: var(--rest); font-size: .8rem; font-weight: 600; white-space: nowrap; }
.mark.pass { color: var(--pass); }
.mark.fail { color: var(--fail); }
.mark.known { color: var(--known); }
.mark.warn, .mark.not-observed, .mark.inconclusive { color: var(--warn); }
article { margin: 0 0 1.25rem; padding: 1rem 1.25rem; border: 1px solid var(--line); border-left: 5px solid var(--fill-fail); border-radius: 8px; background: var(--card); }
details { margin: 0 0 1.25rem; padding: .5rem 0 0 1rem; border-left: 2px solid var(--line); }
summary { padding: .25rem 0 .75rem; font-weight: 600; cursor: pointer; }
.mutants details { margin: 0; padding: 0; border: 0; }
.mutants summary { padding: 0; font-weight: 400; }
ul.folded { margin-bottom: 1rem; }
.next li { margin: .35rem 0; }
article.known { border-left-color: var(--fill-known); }
article.warn { border-left-color: var(--fill-warn); }
article p { margin: .5rem 0; }
.found { margin: .75rem 0; }
.found div { display: grid; grid-template-columns: 6rem 1fr; gap: .5rem; }
.found dt { padding-top: .15rem; }
.found dd { white-space: pre-wrap; }
.found .whole { color: var(--muted); font: .8rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
ul.aside { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; color: var(--muted); font-size: .9rem; }
.scroll { margin-top: .75rem; overflow-x: auto; border-top: 1px solid var(--line); }
svg { display: block; max-width: none; }
svg text { fill: var(--text); font-size: 12.5px; white-space: pre; }
svg .lifeline { stroke: var(--line); stroke-width: 1.5; stroke-dasharray: 4 4; }
svg .lane rect { fill: var(--card); stroke: var(--muted); }
svg .lane text { text-anchor: middle; font-weight: 600; }
svg path { fill: none; stroke: var(--muted); stroke-width: 1.4; }
svg .came path { stroke-dasharray: 6 4; }
svg .tip, svg .came .tip { fill: var(--muted); stroke: none; }
svg .body, svg .time { fill: var(--muted); font-size: 11px; }
svg .note .what { fill: var(--muted); font-style: italic; }
svg circle { fill: var(--muted); }
svg .evidence rect { fill: var(--glow); }
svg .evidence path { stroke: var(--fill-fail); stroke-width: 2.4; }
svg .evidence .tip { fill: var(--fill-fail); stroke: none; }
svg .evidence .what { font-weight: 700; }
svg .evidence .body { fill: var(--text); }
table { width: 100%; border-collapse: collapse; background: var(--card); font-size: .9rem; }
th, td { padding: .5rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--muted); font-weight: 600; }
tbody th { white-space: nowrap; }
.number { white-space: nowrap; }
td small { margin-top: .15rem; }
.mutants { min-width: 9.5rem; }
.mutants li { font-size: .8rem; }
code { font-size: .9em; }
td:nth-child(3) { min-width: 8.5rem; }
@media (max-width: 42rem) {
  body { padding: 1rem .9rem 3rem; }
  ul.chapters li { grid-template-columns: 5.5rem 1fr; gap: 0 .75rem; padding: .4rem 0; }
  ul.chapters li span:last-child { grid-column: 2; font-size: .9rem; }
  article { padding: .9rem; }
  .found div { grid-template-columns: 1fr; gap: 0; margin-bottom: .5rem; }
  thead { display: none; }
  table, tbody, tr, th, td { display: block; }
  tr { padding: .6rem 0; border-bottom: 1px solid var(--line); }
  th, td { padding: .1rem .75rem; border: 0; }
  tbody th small { display: inline; margin-left: .75rem; }
  .number::before { content: "Held "; color: var(--muted); }
  .mutants::before { content: "Mutants "; color: var(--muted); }
  .mutants details { display: inline-block; vertical-align: top; }
}
`;
