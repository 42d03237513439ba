"""The book and JupyterLab in a real browser: `make test-browser`, with Chromium on the PATH.

Pages are opened from the disk with the network off: those of a small book, and those of build/book if it was made.
Without a browser these tests fail; the plain `make test` leaves them out.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import axe_playwright_python
import pandas as pd
import pytest
import torch
from small_book import FEW, IMAGES, SAMPLES, WORDS, N

from lib import disentangle, experiments, strengths, subsets, tables, theory
from lib.choices import ends as choice_ends
from lib.experiments import ROOT
from lib.sparsest import sparsest

pytestmark = pytest.mark.browser
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
READY = ".play-here[data-ready] .play"


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"no browser: none of {', '.join(BROWSERS)} is on the PATH (Debian: apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path)
        yield browser
        browser.close()


class Watched:
    """A page whose console errors, exceptions, failed requests and requests to elsewhere are collected."""

    def __init__(self, context):
        self.page, self.troubles = context.new_page(), []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"exception: {error}"))
        self.page.on("requestfailed", lambda request: self.troubles.append(f"failed: {request.url}"))
        self.page.on("request", self._request)

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(f"console: {message.text}")

    def _request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:")):
            self.troubles.append(f"elsewhere: {request.url}")

    def open(self, address):
        self.page.goto(address)
        for view in self.page.query_selector_all(".play-here[data-view]"):
            self.page.wait_for_function("view => view.dataset.ready", arg=view)
        return self.page


def every_page(small_book):
    made = ROOT / "build" / "book"
    return [path for folder in (small_book, made) if folder.exists() for path in sorted(folder.rglob("*.html"))]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_whole_without_a_network(browser, small_book, size, scheme):
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
    for path in every_page(small_book):
        watched = Watched(context)
        page = watched.open(path.as_uri())
        for image in page.query_selector_all("img:visible"):  # on a phone, panels stand in place of some
            image.scroll_into_view_if_needed()
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0, path.name
        heights = "formulas => formulas.map(formula => formula.getBoundingClientRect().height)"
        assert all(page.locator(".katex:visible").evaluate_all(heights)), path.name
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path.name
        assert "error" not in page.evaluate("document.fonts.ready.then(fonts => [...fonts].map(font => font.status))")
        assert watched.troubles == [], path
        page.close()
    context.close()


@pytest.mark.parametrize("size, scheme", [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
def test_axe_finds_nothing_serious_on_any_page(browser, small_book, size, scheme):
    axe = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    context, found = browser.new_context(viewport=size, color_scheme=scheme, offline=True), []
    for path in every_page(small_book):
        page = Watched(context).open(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        page.evaluate(axe)
        for rule in page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]:
            if rule["impact"] in ("serious", "critical"):
                found += [f"{path.name}: {rule['id']}: {node['html'][:200]}" for node in rule["nodes"][:2]]
        page.close()
    context.close()
    assert found == []


@pytest.fixture
def page(browser, small_book):
    context = browser.new_context(viewport=WIDE, offline=True)
    watched = Watched(context)
    yield watched.open((small_book / "play.html").as_uri())
    assert watched.troubles == []
    context.close()


def number(view, name):
    return float(view.locator(f"[data-number={name}]").get_attribute("data-value"))


def reading(view, field):
    """The number beside a slider."""
    return float(view.locator(f"[data-shows={field}]").text_content().replace("\N{MINUS SIGN}", "-"))


def pairs_of(small_results, name, timepoint):
    """The tables that lib/ finds for itself, and τ."""
    setting, values = experiments.load(name), tables.read(small_results / name / "values.nc")["values"]
    v = torch.from_numpy(values.sel(timepoint=timepoint).values)
    solved = sparsest(v, setting.zeta * float(strengths.swing(v)), setting.gap)
    return v, solved.i_and, solved.i_or, setting.tau * float(strengths.swing(v)), setting


def test_disentangling_by_hand_gives_the_numbers_of_lib(page, small_results):
    view = page.locator(".disentangle")
    for timepoint in "DA":
        page.locator(".play-menu select").nth(1).select_option(label=timepoint)
        _, i_and, i_or, tau, setting = pairs_of(small_results, IMAGES, timepoint)
        z = strengths.normaliser(i_and, i_or, tau)
        strength, pair = strengths.by_order(i_and, i_or, tau) / z, (i_and / z, i_or / z)
        limits = {"alpha_range": setting.alpha_range, "delta_range": (setting.delta_min, 10.0)}
        fit = disentangle.disentangle(strength, *pair, **limits)
        assert number(view, "residual") == pytest.approx(fit.relative_residual, rel=1e-3)
        assert number(view, "decay") == pytest.approx(fit.decay_strength, rel=1e-3)
        assert number(view, "spindle") == pytest.approx(fit.spindle_strength, rel=1e-3, abs=1e-6)

    before = view.locator("svg").first.inner_html()
    moved = {}
    for field, place in (("alpha", 4321), ("beta", 3000), ("delta", 5000), ("gamma", 2500)):
        slider = view.locator(f"input[data-field={field}]")
        slider.evaluate(f"slider => {{ slider.value = {place}; slider.dispatchEvent(new Event('input')); }}")
        moved[field] = float(view.locator(f"[data-shows={field}]").text_content())
    assert view.locator("svg").first.inner_html() != before
    alpha, delta = 0.3 + 1.7 * 0.4321, 1e-6 * 1e7**0.5
    assert (moved["alpha"], moved["delta"]) == pytest.approx((alpha, delta), rel=1e-3)  # as shown, four digits
    view.locator("button[data-action=pair]").click()
    unit = theory.decay(*pair, delta, 1.0).mean(0)
    shape, target = theory.spindle(alpha, 1.0, N), strength.mean(0)
    products = 2 * shape @ shape, (unit**2).sum(), (unit * shape).sum(), (target * shape).sum(), (target * unit).sum()
    beta, gamma, _ = disentangle.nonnegative_pair(*products)
    left = target - gamma * unit - beta * shape
    assert number(view, "residual") == pytest.approx(float(left.norm() / target.norm()), rel=1e-3)
    assert number(view, "decay") == pytest.approx(float(gamma * unit.sum()), rel=1e-3)
    assert number(view, "spindle") == pytest.approx(float(beta * 2 * shape.sum()), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", [IMAGES, WORDS])
def test_switching_players_off_gives_the_numbers_of_lib(page, small_results, name):
    page.locator(".play-menu select").first.select_option(label=name)
    page.wait_for_selector(f".play-here[data-view=players][data-ready={name}]")
    view = page.locator(".play-here[data-view=players] .players")
    view.locator("select").select_option(index=1)
    page.locator(".play-menu select").nth(1).select_option(label="C")
    v, i_and, i_or, _, _ = pairs_of(small_results, name, "C")
    h = subsets.logical_model(i_and, i_or, v[:, 0])
    present = 2**N - 1
    before = view.locator(".play-stage").inner_html()
    for player in (0, 3, 4, 3):
        view.locator(f"[data-player='{player}']").click()
        present ^= 1 << player
        assert number(view, "v") == pytest.approx(float(v[1, present]), rel=1e-6)
        assert number(view, "h") == pytest.approx(float(h[1, present]), rel=1e-6, abs=1e-6)
        switched = view.locator(f"[data-player='{player}']").get_attribute("aria-checked")
        assert switched == ("true" if present >> player & 1 else "false")
    assert view.locator(".play-stage").inner_html() != before
    rows = view.locator(".play-effects li")
    listed = rows.evaluate_all("rows => rows.map(row => [row.dataset.kind, Number(row.dataset.subset)])")
    fires = [bool(s & present) if kind == "OR" else s & present == s for kind, s in listed]
    assert number(view, "out") == fires.count(False) == view.locator(".play-effects li.out").count() > 0
    merged = strengths.merge_singletons(i_and, i_or)
    strongest = torch.cat([table[1, 1:].abs() for table in merged]).sort(descending=True).values[: len(listed)]
    shown = rows.evaluate_all("rows => rows.map(row => Math.abs(row.dataset.value))")
    assert shown == pytest.approx(strongest.tolist(), rel=1e-6)


def test_a_slider_moves_by_visible_steps_and_says_its_value_and_no_line_moves_the_axis(page):
    view = page.locator(".disentangle")
    ticks = "svg => [...svg.querySelectorAll('.tick')].map(tick => tick.textContent)"
    before = view.locator("svg").first.evaluate(ticks)
    slider = view.locator("input[data-field=delta]")
    mark = view.locator(".play-mark").get_attribute("style")
    assert float(mark.removeprefix("--at: ")) == pytest.approx(3 / 7)  # 1e-3 between 1e-6 and 10
    slider.press("Home")
    assert reading(view, "delta") == pytest.approx(1e-6)
    slider.press("ArrowRight")
    assert reading(view, "delta") == pytest.approx(1e-6 * 10**0.07, rel=1e-3)
    assert slider.get_attribute("aria-valuetext") == f"δ = {view.locator('[data-shows=delta]').text_content()}"
    view.locator("input[data-field=gamma]").press("End")  # a decay far above the bars
    assert view.locator("svg").first.evaluate(ticks) == before
    assert "B → D" in view.locator(".play-task").text_content() and view.locator(".bar.before").count() == 2 * N


def switch(page, name, label):
    page.locator(f".disentangle [data-switch={name}] select").select_option(label=label)


def test_switches_show_the_other_extractions_and_their_least_squares(page, small_results, small_book):
    view, table = page.locator(".disentangle"), tables.read(small_results / IMAGES / "choices.nc")
    assert f"mean over {SAMPLES} samples" in view.text_content()
    z = {name: strengths.normaliser(*pairs_of(small_results, IMAGES, name)[1:4]).item() for name in "BD"}
    setting = experiments.load(IMAGES)

    def shares(**chosen):
        at = choice_ends.splits(table, alpha_range=setting.alpha_range, **chosen).sel(zeta=0.0)
        unit = table.swing.mean("sample")
        return at, {name: float(unit.sel(condition=name)) / z[name] for name in "BD"}

    switch(page, "zeta", "0 %")
    for ties in ("low", "high"):
        switch(page, "ties", f"to {ties} orders")
        at, unit = shares(delta_min=setting.delta_min)
        at = at.sel(ties=ties, condition="D")
        assert f"mean over {FEW} of {SAMPLES} samples" in view.text_content()
        assert number(view, "residual") == pytest.approx(float(at.relative_residual), rel=0.02, abs=2e-3)
        total = number(view, "decay") + number(view, "spindle")
        assert total == pytest.approx(float(at.decay_strength + at.spindle_strength) * unit["D"], rel=0.03)
    switch(page, "delta_min", "0.01")
    mark = view.locator(".play-mark").get_attribute("style")
    assert float(mark.removeprefix("--at: ")) == pytest.approx(4 / 7)
    assert reading(view, "delta") >= 0.01 * (1 - 1e-3)
    switch(page, "reference", "of the converged network")
    page.locator(".play-menu select").nth(1).select_option(label="B, noise of 30 % on parameters")
    at, unit = shares(delta_min=0.01, reference="converged")
    at = at.sel(ties="high", condition="parameters 30")
    assert number(view, "residual") == pytest.approx(float(at.relative_residual), rel=0.02, abs=2e-3)
    page.wait_for_function("location.hash.includes('reference')")
    parts = ("zeta=0", "ties=high", "reference=converged", "delta_min=0.01", "timepoint=parameters+30")
    assert all(part in page.url for part in parts)
    address, told = page.url, view.locator(".play-numbers").text_content()
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(READY)
    assert view.locator(".play-numbers").text_content() == told
    assert page.locator(".players").locator("[data-number=v]").count() == 1, "players are shown at B"
    page.locator(".play-menu select").first.select_option(label=WORDS)
    page.wait_for_selector(f".play-here[data-view=disentangle][data-ready={WORDS}]")
    assert page.locator("[data-switch=zeta]").count() == 0 and page.locator("[data-switch=delta_min]").count() == 1


def test_the_address_holds_what_is_shown_and_brings_it_back(page, small_book):
    page.locator(".play-menu select").first.select_option(label=WORDS)
    page.wait_for_selector(f".play-here[data-view=players][data-ready={WORDS}]")
    page.locator(".play-menu select").nth(1).select_option(label="B")
    page.locator(".players select").select_option(index=2)
    page.locator(".players [data-player='3']").click()
    page.locator("input[data-field=delta]").press("Home")
    page.wait_for_function("location.hash.includes('delta') && location.hash.includes('off')")
    address, v = page.url, page.locator(".players [data-number=v]").text_content()
    assert all(part in address for part in (f"experiment={WORDS}", "timepoint=B", "sample=3", "off=4"))
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(f".play-here[data-view=players][data-ready={WORDS}]")
    assert page.locator(".players [data-number=v]").text_content() == v
    assert reading(page, "delta") == pytest.approx(1e-6)
    page.evaluate(f"location.hash = 'experiment={IMAGES}&timepoint=nonsense&sample=99&off=0.77&alpha=x'")
    page.wait_for_selector(f".play-here[data-view=players][data-ready={IMAGES}]")
    assert page.locator(".play-menu select").nth(1).input_value() == "3"  # what is not there is not gone to


def test_a_training_is_dragged_along_by_checkpoints(page, small_results, browser, small_book):
    view, rows = page.locator(".training"), pd.read_csv(small_results / IMAGES / "overfitting.csv")
    slider, last = view.locator("input[type=range]"), len(rows) - 1
    names = {0: "A", 2: "B", 3: "C", 4: "D"}
    ticks = "svg => [...svg.querySelectorAll('.tick')].map(tick => tick.textContent)"
    axes = {}
    for k in range(last, -1, -1):
        row, place = rows.loc[k], f", {names[k]}" if k in names else ""
        said = slider.get_attribute("aria-valuetext")
        assert said.startswith(f"epoch {row.epoch:.0f}{place}, loss gap ") and said.endswith(" nats")
        gap = said.removesuffix(" nats").rpartition(" ")[2].replace("\N{MINUS SIGN}", "-")
        assert float(gap) == pytest.approx(row.loss_gap, rel=0.06, abs=1e-9)
        for name in ("decay", "spindle"):
            assert number(view, name) == pytest.approx(row[name], rel=1e-5, abs=1e-6)
        assert (number(view, "gap"), number(view, "order")) == pytest.approx((row.loss_gap, row.mean_order), rel=1e-5)
        cells = view.locator("tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(c => c.dataset.value))"
        )
        strength = [row[f"{sign}_{m + 1}"] for sign in ("plus", "minus") for m in range(N)]
        assert [float(cell[2]) for cell in cells] == pytest.approx(strength, rel=1e-5)
        assert view.locator(".bar.strength").count() == 2 * N
        assert view.locator(".bar.before").count() == (0 if k == 2 else 2 * N)
        axes[k] = view.locator("svg").evaluate(ticks)
        slider.press("ArrowLeft")
    assert axes[2] == axes[3] == axes[4] != axes[0]  # one axis from B on; the untrained network is far above it
    marks = view.locator(".play-marks span").evaluate_all("marks => marks.map(mark => mark.textContent)")
    assert marks == ["A0", "D20", "B3", "C8"]
    middle = "span => { const box = span.getBoundingClientRect(); return box.x + box.width / 2; }"
    bars = [bar.evaluate(middle) for bar in view.locator(".play-gaps span").all()]
    assert bars[2] == pytest.approx(view.locator(".play-marks span").nth(2).evaluate(middle), abs=1)
    assert view.locator(".play-gaps [data-now]").count() == 1

    slider.press("ArrowRight")
    page.wait_for_function("location.hash.includes('epoch=1')")
    address, told = page.url, view.locator(".play-numbers").text_content()
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(READY)
    assert view.locator(".play-numbers").text_content() == told
    page.locator(".play-menu select").nth(1).select_option(label="C")
    assert slider.input_value() == "3"  # the epoch of C
    page.wait_for_function("!location.hash.includes('epoch')")
    assert (
        "from −0.10 to 0.30" not in view.text_content()
        and "the loss gap goes from 0.10 to 0.30 nats" in view.text_content()
    )
    page.locator(".play-menu select").first.select_option(label=WORDS)
    page.wait_for_selector(f".play-here[data-view=players][data-ready={WORDS}]")
    assert not page.get_by_role("heading", name="Along the training").is_visible() and not slider.is_visible()
    page.locator(".play-menu select").first.select_option(label=IMAGES)
    slider.wait_for(state="visible")


def test_interactions_are_shown_one_at_a_time(page):
    view, sizes = page.locator(".players"), []
    for button in ("next", "next", "previous"):
        view.locator(f"[data-action={button}]").click()
        assert view.locator(".play-image .effect").count() == 1
        sizes.append(abs(float(view.locator("li.chosen").get_attribute("data-value"))))
    assert sizes[0] == sizes[2] > sizes[1]
    view.locator("[data-action=together]").click()
    assert view.locator(".play-image .effect").count() == 5 and view.locator("li.chosen").count() == 0


def test_on_a_phone_v_and_h_stand_in_sight_above_the_image(browser, small_book):
    watched = Watched(browser.new_context(viewport=NARROW, offline=True))
    page = watched.open((small_book / "play.html").as_uri() + "#part=players")
    tops = [
        page.locator(f".players {what}").bounding_box()
        for what in ("[data-number=v]", "[data-number=h]", ".play-image")
    ]
    menu = page.locator(".play-menu").bounding_box()
    assert menu["y"] + menu["height"] <= tops[0]["y"] < tops[2]["y"] and tops[1]["y"] < tops[2]["y"]
    assert tops[2]["y"] + tops[2]["height"] <= NARROW["height"]
    assert watched.troubles == []


def test_players_can_be_switched_by_keyboard(page):
    view = page.locator(".players")
    view.locator("[data-player='2']").press("Enter")
    assert view.locator("[data-player='2']").get_attribute("aria-checked") == "false"
    page.keyboard.press("Space")  # it still has the focus
    assert view.locator("[data-player='2']").get_attribute("aria-checked") == "true"


def test_a_word_is_explained_on_focus(browser, small_book):
    page = Watched(browser.new_context(viewport=NARROW, offline=True)).open(
        (small_book / "chapters" / "5_disentangle.html").as_uri()
    )
    term = page.locator(".term").first
    assert not term.locator(".term-says").is_visible()
    term.locator("button").focus()
    assert term.locator(".term-says").is_visible()
    box = term.locator(".term-says").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= NARROW["width"]


def test_search_finds_from_a_disk(browser, small_book):
    watched = Watched(browser.new_context(offline=True))
    page = watched.open((small_book / "search.html").as_uri() + "?q=spindle")
    page.wait_for_selector("#search-results li a")
    hrefs = page.locator("#search-results li a").evaluate_all("links => links.map(link => link.href)")
    assert any("5_disentangle" in href for href in hrefs)
    page.wait_for_selector("#search-results .excerpt mark")
    assert set(
        page.locator(".excerpt mark").evaluate_all("marks => marks.map(mark => mark.textContent.toLowerCase())")
    ) == {"spindle"}
    assert watched.troubles == []


@pytest.mark.parametrize("name", ["paper", "chapters/5_disentangle", f"experiments/{IMAGES}"])
def test_a_page_prints_on_a4_without_half_empty_pages(browser, small_book, tmp_path, name):
    page = Watched(browser.new_context(offline=True, viewport={"width": 718, "height": 1047})).open(  # A4 less 1 cm
        (small_book / f"{name}.html").as_uri()
    )
    page.emulate_media(media="print")
    heights = page.evaluate(
        """() => [...document.querySelectorAll("article *")]
            .filter(one => getComputedStyle(one).breakInside === "avoid")
            .map(one => [one.className.baseVal ?? one.className, one.getBoundingClientRect().height])"""
    )
    assert heights and all(height <= 1047 / 2 for _, height in heights), max(heights, key=lambda row: row[1])
    page.pdf(path=tmp_path / "page.pdf", format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "1cm"))
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes()))
    full = page.evaluate("document.querySelector('article').getBoundingClientRect().height") / 1047
    assert full <= pages <= 1.5 * full + 1  # pages that were left half empty would be twice as many


@pytest.fixture
def lab(tmp_path, small_results):
    """The address of a JupyterLab on a copy of notebooks/play.ipynb that reads the small results."""
    text = (ROOT / "notebooks" / "play.ipynb").read_text(encoding="utf-8")
    folder = f'folder = \\"{small_results}\\"'
    changed = text.replace('folder = \\"results\\"', folder)
    assert folder in changed
    (tmp_path / "play.ipynb").write_text(changed, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--allow-root", "--IdentityProvider.token=", f"--notebook-dir={tmp_path}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                    break
                except OSError:
                    assert server.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/lab/tree/play.ipynb"
        finally:
            server.terminate()
            server.wait(30)


def test_the_widgets_work_in_jupyterlab(browser, lab):
    tall = {"width": 1280, "height": 6000}  # JupyterLab makes only those cells that are on the screen
    page = browser.new_context(viewport=tall).new_page()
    page.set_default_timeout(120_000)
    page.goto(lab)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_text("| Idle").wait_for()  # before the kernel is there, running is forgotten
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_selector(".play.players >> nth=1")
    page.wait_for_selector(".play.disentangle >> nth=1")
    page.wait_for_selector(".play.training")
    view = page.locator(".play.disentangle").first
    slider = view.locator("input[data-field=delta]")
    slider.evaluate("slider => { slider.value = 5000; slider.dispatchEvent(new Event('input')); }")
    assert view.locator("[data-shows=delta]").text_content() == "0.003162"
    cell = page.locator(".jp-CodeCell", has_text="by_hand.delta = 0.1").first
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")  # the kernel knows where the slider is
    page.locator(".jp-OutputArea", has_text="δ = 0.003162,").first.wait_for()
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
