"""Pages in a real browser, at a laptop's and a phone's width, light and dark."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

WIDTHS = (1280, 390)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Run inside the page; what it finds becomes the document's only text. Errors are caught from the first script on.
CATCH = "<script>window.faults=[];addEventListener('error',e=>faults.push(String(e.message)),true);</script>"
PROBE = """<script>addEventListener('load',()=>{
const rgb=colour=>colour.match(/[\\d.]+/g).slice(0,3).map(Number);
const light=colour=>rgb(colour).map(v=>(v/=255)<=.04045?v/12.92:((v+.055)/1.055)**2.4)
  .reduce((sum,v,n)=>sum+v*[.2126,.7152,.0722][n],0);
const contrast=(one,other)=>{const [a,b]=[light(one),light(other)].sort((a,b)=>b-a); return (a+.05)/(b+.05);};
const frames=[...document.querySelectorAll('iframe')].map(frame=>{
  const page=frame.contentDocument, view=frame.contentWindow, root=page.documentElement;
  const paper=view.getComputedStyle(page.body).backgroundColor;
  const look=figure=>{
    const svg=figure.querySelector('svg'), box=svg?.getBoundingClientRect();
    if(!box) return [figure.id,false,[],0,0];
    const marks=[...svg.querySelectorAll('.ours,.peer,.ink,.muted')];
    const cut=marks.filter(mark=>{const m=mark.getBoundingClientRect();
      return m.left<-1||m.right>root.clientWidth+1||m.bottom>box.bottom+1;}).map(mark=>mark.textContent);
    const weakest=Math.min(...marks.map(mark=>{const style=view.getComputedStyle(mark);
      return contrast(style.fill=='none'||style.fill==paper?style.stroke:style.fill,paper);}));
    const letters=parseFloat(view.getComputedStyle(svg).fontSize)*box.width/svg.viewBox.baseVal.width;
    return [figure.id, marks.length>2&&box.width>200&&box.height>80, cut, weakest, letters];
  };
  return {faults:view.faults, overflow:root.scrollWidth-root.clientWidth, width:root.clientWidth,
    scheme:view.matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light',
    beyond:[...page.querySelectorAll('body :not(thead *)')]
      .filter(e=>e.getBoundingClientRect().right>root.clientWidth+1).length,
    small:[...page.querySelectorAll('td,th,p,figcaption')]
      .filter(e=>parseFloat(view.getComputedStyle(e).fontSize)<12).length,
    cards:[...page.querySelectorAll('table.wide tr')].filter(e=>view.getComputedStyle(e).display=='flex').length,
    charts:[...page.querySelectorAll('figure')].map(look)};
});
document.body.textContent=JSON.stringify(frames);
});</script>"""


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: install Debian's package chromium")
    return found


def look(page: Path, *arguments: str) -> list[dict]:
    """What the browser finds in the page at each width."""
    page.write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{CATCH}"), encoding="utf-8")
    frames = "".join(f'<iframe src="{page.name}" width="{width}" height="900"></iframe>' for width in WIDTHS)
    outer = page.with_name("outer.html")
    outer.write_text(f"<!doctype html><html><body>{frames}{PROBE}</body></html>", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += ["--allow-file-access-from-files", f"--user-data-dir={page.parent / 'profile'}", *arguments]
    command = [browser(), *options, "--virtual-time-budget=4000", "--dump-dom", outer.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"\[\{.*\}\]", html.unescape(done.stdout), flags=re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
    return list(json.loads(found.group()))


def assert_readable(page: Path, scheme: str, names: list[str]) -> None:
    """Check what the browser finds in a page: these figures, all of them whole, and nothing beside the screen."""
    dark = ("--blink-settings=preferredColorScheme=0",) if scheme == "dark" else ()
    for width, found in zip(WIDTHS, look(page, *dark), strict=True):
        assert found["faults"] == []
        assert abs(found["width"] - width) <= 20, "an iframe's border and scroll bar"
        assert found["overflow"] <= 0
        assert found["beyond"] == 0, "nothing lies beyond the right edge, not even where it would scroll by itself"
        assert found["small"] == 0
        assert (found["cards"] > 0) == (width == min(WIDTHS)), "rows stack where the page is narrow"
        assert [name for name, *_ in found["charts"]] == names
        for name, drawn, cut, contrast, letters in found["charts"]:
            assert drawn, name
            assert cut == [], name
            assert contrast >= 3, name
            assert letters >= 12, "pixels: readable on a phone"
        assert found["scheme"] == scheme
