#include "report/parts.h"

namespace gfn::report {

// Hues after Okabe and Ito (2008), lighter in dark mode; h1 .. h7 in the order of enum Hue.
std::string_view StyleSheet() {
  return R"css(
:root{--bg:#fff;--ink:#1c2127;--muted:#5d6873;--line:#e3e7eb;--strong:#c3cad1;--panel:#f6f7f9;
--blue:#0072b2;--vermillion:#d55e00;--green:#009e73;--purple:#cc79a7;--orange:#e69f00;--sky:#56b4e9;--grey:#7b858f}
@media(prefers-color-scheme:dark){:root{--bg:#14181c;--ink:#e4e8ec;--muted:#97a3ae;--line:#2a3138;--strong:#4a545e;--panel:#1c2228;
--blue:#4ea3dc;--vermillion:#f0854a;--green:#2fc199;--purple:#e0a0c6;--orange:#f2b941;--sky:#a9dbfa;--grey:#98a3ad}}
.h1{--h:var(--blue)}.h2{--h:var(--vermillion)}.h3{--h:var(--green)}.h4{--h:var(--purple)}
.h5{--h:var(--orange)}.h6{--h:var(--sky)}.h7{--h:var(--grey)}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:868px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:21px;line-height:1.3;margin:44px 0 12px;padding-top:14px;border-top:1px solid var(--line)}
p{margin:0 0 14px;max-width:46em}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.87em}
code{background:var(--panel);border-radius:4px;padding:1px 4px}
pre{background:var(--panel);border-radius:8px;padding:12px 14px;margin:8px 0 18px;overflow-x:auto;line-height:1.45}
summary{cursor:pointer;color:var(--muted);font-size:15px}
.subtitle{color:var(--muted);font-size:17px}
.headlines{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:24px 0}
.headlines>div{background:var(--panel);border-radius:10px;padding:14px 16px;display:flex;flex-direction:column}
.headlines .label{font-size:13.5px;color:var(--muted);line-height:1.35}
.headlines .value{font-size:23px;font-weight:600;line-height:1.4;font-variant-numeric:tabular-nums}
.headlines .detail{font-size:13px;color:var(--muted);margin-top:auto}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:0 28px;margin:20px 0 0;font-size:14px}
.facts>div{display:flex;justify-content:space-between;gap:14px;padding:5px 0;border-bottom:1px solid var(--line)}
dt{color:var(--muted);white-space:nowrap}dd{margin:0;text-align:right;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin:24px 0 0;font-size:14.5px}
a{color:var(--blue);text-decoration:none}a:hover{text-decoration:underline}
.title{font-weight:600;font-size:15px;margin:0 0 6px}
.role{font-size:11.5px;font-weight:600;letter-spacing:.04em;text-transform:uppercase;color:var(--muted);margin-right:8px}
.note{border-left:3px solid var(--strong);padding:2px 0 2px 14px;margin:0 0 20px;color:var(--muted);font-size:14.5px;max-width:50em}
.note .role{display:block}
.remark{max-width:none;font-size:13px;color:var(--muted);margin:6px 0 0}
footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--line);font-size:13px;color:var(--muted)}
.tablebox{margin:18px 0 26px}.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;min-width:50%}
th{text-align:left;font-weight:600;font-size:13px;color:var(--muted);vertical-align:bottom;border-bottom:1.5px solid var(--strong)}
th,td{padding:6px 20px 6px 0}th:last-child,td:last-child{padding-right:0}
tbody td{vertical-align:top;border-bottom:1px solid var(--line)}
.num{text-align:right;white-space:nowrap}tbody td:first-child{white-space:nowrap}.pm{color:var(--muted)}
.glyph{width:72px;height:12px;display:block}
td .glyph{margin:1px 0 2px auto}
.reference{stroke:var(--muted);stroke-width:1}.track{stroke:var(--line);stroke-width:1}
figure{margin:22px 0 30px;min-width:0}
figcaption{font-size:14px;color:var(--muted);margin-top:10px;max-width:50em}
.sidebyside{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:0 24px}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:13.5px;margin:0 0 8px}
.legend span{display:inline-flex;align-items:center;gap:6px}
.swatch{width:26px;height:12px;flex:none}
.plot{width:100%;height:auto;display:block}
.narrow{display:none}
.plot text{font-size:12px;fill:var(--muted);font-variant-numeric:tabular-nums}
.plot .axis{font-size:12.5px;fill:var(--ink)}
.plot .marklabel,.plot .category,.plot .value{fill:var(--ink);paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}
.plot .mid{text-anchor:middle}.plot .end{text-anchor:end}
.grid{stroke:var(--line);stroke-width:1}.base{stroke:var(--strong);stroke-width:1}
.mark{stroke:var(--muted);stroke-width:1;stroke-dasharray:4 3}
.unit{stroke:var(--muted);stroke-width:1.4;stroke-dasharray:5 4;fill:none}
.line,.thin{fill:none;stroke:var(--h);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.thin{stroke-width:1;opacity:.35}.dashed{stroke-dasharray:6 5}
.band{fill:var(--h);opacity:.16}.whisker{fill:none;stroke:var(--h);stroke-width:1.6}.whisker.ink{stroke:var(--ink);stroke-width:1.3}
.dot{fill:var(--h)}.bar{fill:var(--h);opacity:.85}
.bars{fill:var(--h);fill-opacity:.22;stroke:var(--h);stroke-width:1.6;stroke-linejoin:round}
.cells rect{fill:var(--h);shape-rendering:crispEdges}.frame{fill:none;stroke:var(--strong);stroke-width:1}
.points{fill:var(--h);opacity:.85}.points.light .marker{opacity:.6}.points.sparse .marker{opacity:.38}
.card{border:1px solid var(--line);border-radius:12px;padding:16px 18px;margin:18px 0}
.given{font-size:15px}.given p{margin:0 0 6px;max-width:none}.given .hidden{color:var(--muted);font-style:italic}
.given .role{font-style:normal;display:inline-block;min-width:54px}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:14px 28px;margin-top:12px}
.column{border-top:3px solid var(--h);padding-top:8px;min-width:0}
.sampler{font-weight:600;font-size:14px;margin:0 0 4px}
ol{list-style:none;margin:0;padding:0}
li{padding:7px 0;border-bottom:1px solid var(--line);font-size:14.5px;line-height:1.4}li:last-child{border-bottom:0}
li p{margin:0;overflow-wrap:anywhere}
.numbers{display:flex;align-items:center;gap:14px;font-size:12.5px;color:var(--muted);font-variant-numeric:tabular-nums;margin-top:2px}
.balance{margin-left:auto}
@media(max-width:640px){main{padding:24px 16px 48px}h1{font-size:25px}.wide{display:none}.narrow{display:block}.narrow .plot{max-width:460px!important}
.headlines{grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}.headlines .value{font-size:22px}}
@media print{.card,figure,.tablebox{break-inside:avoid}}
)css";
}

}  // namespace gfn::report
