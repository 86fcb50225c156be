"""The style sheet of the report: colours that differ for people who see few of them, light and dark, narrow and wide."""

STYLE = """
:root { --ink:#1c2430; --soft:#5b6675; --page:#f6f7f9; --card:#fff; --rule:#d9dee5; --bad:#c2410c; --good:#0f766e;
  --s0:#d55e00; --s1:#b8860b; --s2:#a8327f; --s3:#0072b2; --s4:#009e73; --s5:#6b7280; --on:#fff }
@media (prefers-color-scheme: dark) {
  :root { --ink:#e6eaf0; --soft:#9aa6b5; --page:#12161c; --card:#1b212a; --rule:#323b48; --bad:#fb8a4c; --good:#3cc0b2;
    --s0:#ff8a3d; --s1:#e6b800; --s2:#e48bc4; --s3:#62b6ee; --s4:#3fd0a4; --s5:#aab2bf; --on:#12161c } }
* { box-sizing:border-box }
body { margin:0; background:var(--page); color:var(--ink); font:16px/1.5 system-ui, sans-serif }
main { max-width:64rem; margin:0 auto; padding:1rem }
h1 { font-size:1.7rem; line-height:1.2; margin:.5rem 0 } h2 { font-size:1.2rem; margin:0 0 .6rem }
header p, small, figcaption { color:var(--soft) }
section { background:var(--card); border:1px solid var(--rule); border-radius:.6rem; padding:1rem; margin:1rem 0 }
.words li { margin:.35rem 0 } .words li:first-child { font-weight:650 }
ul { padding-left:1.2rem; margin:.4rem 0 }
.wide { overflow-x:auto }
table { border-collapse:collapse; width:100% }
@media (max-width:34rem) { main { padding:.5rem } section { padding:.8rem .7rem }
  th, td { padding:.3rem .3rem !important } table { font-size:.88rem } }
th, td { padding:.35rem .6rem; border-bottom:1px solid var(--rule); text-align:right; font-variant-numeric:tabular-nums }
tbody th { text-align:left; font-weight:400 } tbody tr:nth-child(-n+3):not(:first-child) th { font-weight:650 }
article { border-top:1px solid var(--rule); padding:.7rem 0; overflow-wrap:anywhere } article p { margin:.3rem 0 }
blockquote { margin:.3rem 0; padding:.4rem .8rem; border-left:.25rem solid var(--rule); white-space:pre-wrap; font-size:1.05rem }
.tag { color:var(--on); background:var(--soft); border-radius:.3rem; padding:.1rem .45rem; font-size:.85rem }
.tag.bad { background:var(--bad) }
.plots { display:grid; grid-template-columns:repeat(auto-fit, minmax(17rem, 1fr)); gap:1rem } figure { margin:0 }
.legend { display:flex; flex-wrap:wrap; gap:.3rem 1rem } .legend i { display:inline-block; width:.8rem; height:.8rem;
  border-radius:50%; margin-right:.35rem }
svg { width:100%; height:auto; display:block; font:12px system-ui, sans-serif } svg text { fill:var(--ink) }
svg text.on { fill:var(--on) } svg text.strong { font-weight:700 }
.grid { stroke:var(--rule) } .ideal { stroke:var(--soft); stroke-dasharray:5 4 } .now { stroke:var(--soft); stroke-width:1.5 }
.cell { fill:none; stroke:var(--rule) } .hit { fill:var(--good) } .miss { fill:var(--s1) } .bad { fill:var(--bad) }
.line { fill:none; stroke-width:2 } .dot { fill:var(--s3); fill-opacity:.75 }
.s0 { stroke:var(--s0) } .s1 { stroke:var(--s1) } .s2 { stroke:var(--s2) } .s3 { stroke:var(--s3) } .s4 { stroke:var(--s4) }
.s5 { stroke:var(--s5) } .p5 { fill:var(--s5) } .b5 { background:var(--s5) }
.p0 { fill:var(--s0) } .p1 { fill:var(--s1) } .p2 { fill:var(--s2) } .p3 { fill:var(--s3) } .p4 { fill:var(--s4) }
.b0 { background:var(--s0) } .b1 { background:var(--s1) } .b2 { background:var(--s2) } .b3 { background:var(--s3) }
.b4 { background:var(--s4) }
@media print { section { break-inside:avoid } body { background:none } }
"""
