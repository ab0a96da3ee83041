"""The page of a run in a real browser, at a laptop's and a phone's width, light and dark."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from results import make_result

from squeezebert_mobile.benchmarks import page as pages
from squeezebert_mobile.benchmarks.page import charts
from squeezebert_mobile.benchmarks.results import Result, Sample

WIDTHS = (1280, 390)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Run inside the page; what it finds becomes the document's only text. Errors are caught from the first script on.
CATCH = "<script>window.faults=[];addEventListener('error',e=>faults.push(String(e.message)),true);</script>"
PROBE = """<script>addEventListener('load',()=>{
const dark=(image,left)=>{
  const canvas=document.createElement('canvas'), paint=canvas.getContext('2d');
  [canvas.width, canvas.height]=[image.naturalWidth, image.naturalHeight];
  paint.drawImage(image,0,0);
  const pixels=paint.getImageData(left,0,canvas.width-left,canvas.height).data;
  return pixels.filter((value,at)=>at%4<3&&value<128).length/pixels.length;
};
const frames=[...document.querySelectorAll('iframe')].map(frame=>{
  const page=frame.contentDocument, view=frame.contentWindow, root=page.documentElement;
  const look=figure=>{
    const image=figure.querySelector('img'), box=image.getBoundingClientRect(), width=image.naturalWidth;
    const drawn=width>0&&box.width>200&&box.height>80&&box.right<=root.clientWidth&&dark(image,0)>0.005;
    return [figure.id, drawn, drawn&&dark(image,width-1)>0, box.width/width];
  };
  return {faults:view.faults, overflow:root.scrollWidth-root.clientWidth, width:root.clientWidth,
    scheme:view.matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light',
    charts:[...page.querySelectorAll('figure')].map(look)};
});
document.body.textContent=JSON.stringify(frames);
});</script>"""
# Of the letters of a legend, in the drawing's own pixels: 7 points at 200 dots per inch.
SMALLEST = 7 / 72 * 200


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: install Debian's package chromium")
    return found


def wide_result() -> Result:
    """A run with every chart's data: two lengths of four cases, long names, a sustained scenario."""
    names = ("onnx", "executorch")
    made = make_result({f"{name} {precision}": [9_000_000] * 12 for name in names for precision in ("fp32", "int8")})
    cases = []
    for number, case in enumerate(made.cases):
        facts = {"model": "BERT-base" if number == 0 else "SqueezeBERT", "file_bytes": 10**7 * (number + 1)}
        facts |= {"runtime": names[number // 2], "precision": ("fp32", "int8")[number % 2], "agreement": 1.0}
        facts |= {"form": "quantize_dynamic, unsigned" if number == 3 else "bundle"}
        cases.append(case.model_copy(update=facts))
    taken = [
        sample.model_copy(update={"infer_ns": sample.infer_ns + 10**5 * (3 * n % 7), "at_ns": 10**9 * n})
        for n, sample in enumerate(made.samples)
    ]
    return Result(made.run, tuple(cases), tuple(taken), made.conditions)


def varied(result: Result, **changes: object) -> Result:
    """The same run, each case a second time under another protocol."""
    again = [
        case.model_copy(update={"name": f"{case.name} again", "protocol": case.protocol.model_copy(update=changes)})
        for case in result.cases
    ]
    tokens = changes.get("tokens", 8)
    copies = [
        Sample.model_validate(sample.model_dump() | {"case": f"{sample.case} again", "tokens": tokens})
        for sample in result.samples
    ]
    return Result(result.run, (*result.cases, *again), (*result.samples, *copies), result.conditions)


def sustained(result: Result) -> Result:
    cases = [
        case.model_copy(update={"protocol": case.protocol.model_copy(update={"scenario": "sustained"})})
        for case in result.cases
    ]
    return Result(result.run, tuple(cases), result.samples, result.conditions)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_drawn_at_both_widths(tmp_path: Path, scheme: str) -> None:
    plain = wide_result()
    results = [plain, varied(plain, tokens=16), varied(plain, threads=2), sustained(plain)]
    wanted = [chart.name for result in results for chart in charts(result)]
    assert set(wanted) == {"latency", "speed-up", "length", "threads", "size", "sustained"}
    page = tmp_path / "page.html"
    page.write_text(pages.page("Latency per snippet", results), encoding="utf-8")
    dark = ("--blink-settings=preferredColorScheme=0",) if scheme == "dark" else ()
    for width, found in zip(WIDTHS, look(page, *dark), strict=True):
        assert found["faults"] == []
        assert abs(found["width"] - width) <= 20, "an iframe's border and scroll bar"
        assert found["overflow"] <= 0
        assert len(found["charts"]) == len(wanted)
        for name, drawn, cut, scale in found["charts"]:
            assert drawn, name
            assert not cut, f"{name} goes beyond its right edge"
            assert SMALLEST * scale >= 8, "pixels: readable on a phone"
        assert found["scheme"] == scheme


def test_a_run_of_mixed_lengths_has_the_charts_of_its_main_length() -> None:
    plain = wide_result()
    short = varied(plain, tokens=16)
    kept = [case for case in short.cases if "again" not in case.name or "onnx" in case.name]
    names = {case.name for case in kept}
    mixed = replace(short, cases=tuple(kept), samples=tuple(s for s in short.samples if s.case in names))
    drawn = {chart.name: chart for chart in charts(mixed)}
    assert set(drawn) == {"latency", "speed-up", "length", "size"}
    assert "128 tokens" in drawn["latency"].words
    assert [chart.name for chart in charts(short)] == ["length"]


def test_padded_input_is_no_point_of_its_length() -> None:
    plain = wide_result()
    padded = varied(plain, tokens=8, pad_to=128)
    assert "length" not in [chart.name for chart in charts(padded)]


def test_the_page_fetches_nothing() -> None:
    page = pages.page("Latency per snippet", [wide_result()])
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "@import" not in page and "url(http" not in page


def test_a_fault_of_a_page_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html><head></head><body><script>throw new Error('x')</script>"
        '<div style="width:3000px">a</div><figure id="a"><img></figure></body></html>'
    )
    for found in look(page):
        assert found["faults"] and found["overflow"] > 0 and found["charts"][0][:3] == ["a", False, False]
