"""The book: its numbers are those of lib/, its pages are whole and need no other host.

The book is a small one, of made-up results (small_book.py). What only a browser can tell is in test_browser.py.
"""

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
import torch
from docutils import nodes
from docutils.core import publish_doctree
from PIL import Image
from py_mini_racer import MiniRacer
from small_book import FEW, IMAGES, SAMPLES, WORDS, N, make_values
from sphinx.errors import ExtensionError

from book.builder import (
    cite,
    downloads,
    front,
    glossary,
    links,
    matrix,
    narrow,
    pages,
    panels,
    provenance,
    site,
    typeset,
    webp,
)
from lib import claims, disentangle, experiments, play, strengths, subsets, tables, theory
from lib.experiments import ROOT


class Page(HTMLParser):
    """What a page links to and loads, its anchors, and its text."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors, self.images, self.text = [], [], set(), [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")} - {None}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        loads = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
        if tag in loads and attributes.get(loads[tag]) and attributes.get("rel") not in ("canonical", "author"):
            self.loads.append(attributes[loads[tag]])

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="session")
def parsed(small_book):
    return {path: Page(path) for path in small_book.rglob("*.html")}


def test_there_is_a_page_for_each_part(small_book):
    found = {str(path.relative_to(small_book)) for path in small_book.rglob("*.html")}
    expected = {"index", "paper", "claims", "play", "search", "experiments/index"}
    expected |= {"chapters/4_decompose", "chapters/5_disentangle", f"experiments/{IMAGES}", f"experiments/{WORDS}"}
    assert {f"{name}.html" for name in expected} <= found


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_another_host(small_book, parsed):
    for path, page in parsed.items():
        for target in (*page.links, *page.loads):
            parts = urlsplit(target)
            if parts.scheme in ("http", "https") and target in page.links and target not in page.loads:
                continue  # where a reader may go, not what the page needs
            if parts.scheme == "data":
                continue
            assert not parts.scheme and not parts.netloc, f"{path.name} loads {target}"
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert file.is_file(), f"{path.name}: {target}"
            if file.name == "play.html" and "=" in parts.fragment:
                continue  # a state of the page, read by its script
            if parts.fragment and file in parsed:
                assert unquote(parts.fragment) in parsed[file].anchors, f"{path.name}: {target}"
    for sheet in small_book.rglob("*.css"):
        for target in re.findall(r"url\(\s*[\"']?([^)\"']+)", sheet.read_text(encoding="utf-8")):
            if not target.startswith(("data:", "#")):
                assert (sheet.parent / urlsplit(target).path).is_file(), f"{sheet.name}: {target}"


def test_every_equation_of_the_paper_stands_typeset_under_its_number(small_book, parsed):
    html = (small_book / "paper.html").read_text(encoding="utf-8")
    assert {f"eq-{number}" for number in range(1, 13)} <= parsed[small_book / "paper.html"].anchors
    for number in range(1, 13):
        block = html[html.index(f'id="eq-{number}"') :].split("</div>")[0]
        assert 'class="katex-html"' in block and "<math" in block
    for path, page in parsed.items():
        outside = re.sub(r"<annotation.*?</annotation>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "\\frac" not in outside and "\\text{" not in outside and "$$" not in page.text, path.name


def test_mentions_of_equations_lead_to_them_and_choices_are_marked(small_book):
    html = (small_book / "chapters" / "5_disentangle.html").read_text(encoding="utf-8")
    assert 'href="../paper.html#eq-6"' in html and 'href="../paper.html#eq-9"' in html
    assert re.search(r'<span class="ours"><strong>Our choice:</strong>', html)
    assert "(Eq. 9)</mtext>" not in html and 'id="eq-9"' in html  # a number in the margin, not in words


def test_an_equation_leads_back_to_the_chapters_that_use_it(small_book):
    html = (small_book / "paper.html").read_text(encoding="utf-8")
    below = html[html.index('id="eq-8"') : html.index('id="eq-9"')]
    assert re.search(r'<p class="used-in">Used in .*href="chapters/5_disentangle.html"', below)


def test_figures_and_notebooks_that_are_named_are_linked(small_book, parsed):
    page = (small_book / "experiments" / f"{IMAGES}.html").read_text(encoding="utf-8")
    assert re.search(r'<figure[^>]* id="figure-2"', page)
    under_its_name = (small_book / "chapters" / "generalisation.html").read_text(encoding="utf-8")
    assert re.search(r'<figure[^>]* id="figure-6"', under_its_name)
    assert '<section id="about-figure-6"' in under_its_name and 'href="#about-figure-6"' in under_its_name
    assert re.search(r'<a class="figure-link[^"]*" href="#figure-6"', under_its_name)
    chapter = (small_book / "chapters" / "4_decompose.html").read_text(encoding="utf-8")
    assert re.search(r'<a class="notebook-link[^"]*" href="5_disentangle.html"><code', chapter)
    assert 'class="notebook-link' not in (small_book / "choices.html").read_text(encoding="utf-8")  # of no chapter here


@pytest.mark.parametrize(
    "words, expected",
    [("Figure 4", ["Figure 4→figure-4a"]), ("Figs. 2 to 5", ["Figs. 2→figure-2", "5→figure-5"]), ("Figure 9", []),
     ("Figure 4b", ["Figure 4b→figure-4b"]), ("Configure 2", [])],
)  # fmt: skip
def test_a_mention_of_figures_links_those_that_are_there(words, expected):
    names = {"figure-2", "figure-4a", "figure-4b", "figure-5"}
    document = publish_doctree(words)
    links._link(document, links._FIGURE, lambda number: links.called(number, names), "figure-link")
    found = [f"{node.astext()}→{node['refuri']}" for node in document.findall(nodes.reference)]
    assert found == expected and document.astext() == words


def test_chapters_are_numbered_and_lead_to_play(small_book):
    html = (small_book / "chapters" / "5_disentangle.html").read_text(encoding="utf-8")
    assert f'href="../play.html#experiment={IMAGES}&amp;timepoint=D&amp;part=disentangle"' in html
    assert ">5 · Disentangle" in html
    for title, number, expected in (("# 7 · The claims", "7", "# 7 · The claims"), ("# Why?", "4a", "# 4a · Why?")):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"{title}\n\n# 1 · not this")])
        pages.number(notebook, number)
        assert notebook.cells[0].source == f"{expected}\n\n# 1 · not this"


def test_a_word_is_explained_once_in_a_chapter_where_it_is_first_used(small_book):
    html = (small_book / "chapters" / "5_disentangle.html").read_text(encoding="utf-8")
    explained = re.findall(r'<button type="button"(?: aria-label="[^"]+")? aria-describedby="(term-\d+)">', html)
    assert len(explained) == len(set(explained)) >= 3
    for identity in explained:
        assert f'role="tooltip" id="{identity}">' in html
    assert "aria-describedby" not in (small_book / "faults.html").read_text(encoding="utf-8")


def test_every_word_of_the_glossary_is_used_and_matches_what_it_is_of():
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb"))
    for term in glossary.terms():
        assert re.search(term["text"], text) or f"${term.get('formula')}$" in text, term["text"]
    (unit,) = (term["text"] for term in glossary.terms() if term.get("formula") == "Z")
    assert re.search(unit, "in units of Z.") and not re.search(unit, "Zhang, A_Z, ZIP")


def test_figures_have_captions_texts_and_their_origin(small_book, parsed):
    for name in ("chapters/5_disentangle.html", f"experiments/{IMAGES}.html"):
        html = (small_book / name).read_text(encoding="utf-8")
        figures = html.count("<figcaption>")
        assert figures and html.count('class="provenance"') == figures
        assert all(len(image.get("alt", "")) > 20 for image in parsed[small_book / name].images)
    html = (small_book / "chapters" / "5_disentangle.html").read_text(encoding="utf-8")
    assert "make paper RUN=digits-vgg" in html
    assert "alpha_range = [0.5, 1.5]" in html and "epochs = 96" in html


def test_every_figure_that_ships_has_a_caption():
    captions = pages.Captions(site.yaml.safe_load((site.BOOK / "figures.yaml").read_text(encoding="utf-8")))
    named = []
    for path in [ROOT / "results" / "claims.ipynb", *sorted((ROOT / "results").glob("*/notebooks/*.ipynb"))]:
        chapter = pages.chapter(nbformat.read(path, as_version=4), path.stem, path.parts[-3], path, captions)
        if path.parts[-3] in (IMAGES, ROOT.name):  # the chapters of one book
            figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in chapter.cells]
            named += [figure["name"] for figure in figures if "name" in figure]
    assert len(named) == len(set(named)) >= 9 and "figure-4a" in named and "figure-9" in named
    for path in (ROOT / "results").rglob("figure-*.png"):
        captions.of(path.stem)
    assert captions.missing == []


@pytest.mark.parametrize("value", [None, -0.9])
def test_what_an_experiment_has_not_measured_is_not_pictured(tmp_path, value):
    captions = pages.Captions({"notebooks": {}, "figures": {"figure-6": {"caption": "Claim 1.", "alt": "Curves."}}})
    (tmp_path / "figure-6.png").write_bytes(b"a picture")
    (tmp_path / "verdicts").mkdir()
    rows = [claims.judged("similarity", IMAGES, value)]
    claims.write(rows, tmp_path / "verdicts" / "generalisation.json")
    claims.write(rows, tmp_path / "claims.json")
    page, files = pages.experiment(IMAGES, tmp_path, captions)
    pictured = value is not None
    assert ("figure-6" in [path.stem for path in files]) == pictured == ("figure-6.png" in page)
    assert ("not measured" in page) != pictured and ("−0.9" in page) == pictured


def test_each_claim_is_a_mark_that_leads_to_its_row(small_book, parsed):
    page = parsed[small_book / "claims.html"]
    assert page.text.index("Fig. 4") < page.text.index("Fig. 10") and "grows | a lot" in page.text
    html = (small_book / "claims.html").read_text(encoding="utf-8")
    cells = re.findall(r'<td><a class="verdict-([\w-]+)" href="([^"#]+)#([^"]+)" title="([^"]+)"', html)
    assert [cell[0] for cell in cells] == ["does-not-hold", "not-measured"]
    assert "0.25 [0.1, 0.4]" in cells[0][3] and "0 of 1" in page.text
    for _, file, row, _ in cells:
        assert f'id="{row}"' in (small_book / file).read_text(encoding="utf-8")


def test_the_matrix_says_where_a_claim_holds_and_in_what_share_of_choices(tmp_path):
    for name, value in (("mnist-lenet", -0.9), ("digits-vgg", -0.1), ("digits-vgg-seed-1", -0.9)):
        (tmp_path / name).mkdir()
        rows = [claims.judged("decays", name, value, (value - 0.05, value + 0.05)),
                claims.judged("emerged", name, None, later="D")]  # fmt: skip
        claims.write(rows, tmp_path / name / "claims.json")
    share = [{"claim": "decays", "measured": 16, "share": 0.875}, {"claim": "emerged D", "measured": 0, "share": None}]
    (tmp_path / "mnist-lenet" / "choices.json").write_text(json.dumps({"claims": share}))
    names = ["mnist-lenet", "digits-vgg", "digits-vgg-seed-1", "of-no-block"]
    text = matrix.matrix(tmp_path, names)
    assert re.findall(r'class="mark">(.)<', text) == ["●", "◐", "·", "·"] and "1 of 2" in text
    assert re.findall(r'class="share">([^<]+)<', text) == ["88", "–", "–", "–"]
    assert "LeNet, MNIST" in text and "VGG-4, digits" in text and "seed-1" not in text
    files = {name: tmp_path / name / "claims.json" for name in names}
    table = list(csv.DictReader(io.StringIO(matrix.table(matrix.gathered(files)))))
    assert len(table) == 6 and table[0]["measured"] == "-0.9" and float(table[0]["low"]) == pytest.approx(-0.95)
    assert "No experiment" in matrix.matrix(tmp_path, ["of-no-block"])


def test_the_names_of_claims_are_those_of_the_sweep():
    swept, judged = set(), set()
    for path in (ROOT / "results").glob("*/choices.json"):
        swept |= {row["claim"] for row in json.loads(path.read_text(encoding="utf-8"))["claims"]}
        judged |= {matrix.label(row) for row in claims.read(path.with_name("claims.json"))}
    assert swept and swept <= judged


def test_a_claim_without_a_field_is_refused_by_name(tmp_path):
    (tmp_path / "claims.json").write_text('[{"claim": "it grows", "interval": null}]')
    with pytest.raises(ValueError, match="digits-vgg/claims.json has rows that are no claims: .*key"):
        matrix.gathered({"digits-vgg": tmp_path / "claims.json"})
    assert matrix.gathered({"digits-vgg": tmp_path / "absent.json"}) == []


def test_a_formula_that_cannot_be_read_is_shown_in_the_error():
    katex = typeset.Katex()
    assert "katex-display" in katex.render(r"a \tag{3}", display=True)
    with pytest.raises(ExtensionError, match="nonsense"):
        katex.render(r"\nonsense{a}")


def test_nothing_to_show_is_said_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="nothing to show"):
        site.collect(tmp_path)


def test_a_figure_is_traced_to_its_stage_and_all_parameters_behind_it():
    assert provenance.stage_of("5_disentangle") == "disentangle"
    assert provenance.maker_of("figures/figure-2.png") == "figures"
    assert provenance.maker_of("values.nc") == "extract"
    assert provenance.maker_of("unheard-of.png") == ""
    used = provenance.parameters_of("figures", IMAGES)
    assert "network = vgg4" in used and "zeta = 0.02" in used and "bootstrap = 200" in used


def test_a_page_offers_its_notebook_and_its_tables(small_book, small_results, tmp_path):
    chapter = (small_book / "chapters" / "5_disentangle.html").read_text(encoding="utf-8")
    assert '<a href="../_static/downloads/notebooks/5_disentangle.ipynb" download>' in chapter
    taken = small_book / "_static" / "downloads" / "notebooks" / "5_disentangle.ipynb"
    assert taken.read_bytes() == (small_results / IMAGES / "notebooks" / "5_disentangle.ipynb").read_bytes()
    for name in ("curves.csv", "other.nc"):
        (tmp_path / name).write_text("a")
    offered = downloads.offer(downloads.of_experiment(tmp_path), tmp_path / "static", "one")
    assert re.findall(r'href="([^"]+)"', offered) == ["../_static/downloads/one/curves.csv"]
    assert (tmp_path / "static" / "downloads" / "one" / "curves.csv").read_text() == "a"


def test_a_figure_names_the_files_that_have_its_numbers(small_book, tmp_path):
    page = (small_book / "experiments" / f"{IMAGES}.html").read_text(encoding="utf-8")
    assert f'href="../_static/downloads/{IMAGES}/overfitting.csv" download' in page  # links are followed elsewhere
    for name in ("curves.csv", "overfitting.json", "claims.json", "generalisation.json", "labels.json"):
        (tmp_path / name).write_text("a")
    assert re.findall(r">([^<]+)</a>", downloads.numbers("figure-2", tmp_path, "one")) == ["curves.csv"]
    assert re.findall(r">([^<]+)</a>", downloads.numbers("figure-overfitting", tmp_path, "one")) == ["overfitting.json"]
    assert downloads.numbers("figure-3", tmp_path, "one") == downloads.numbers(None, tmp_path, "one") == ""
    offered = [path.name for path in downloads.of_experiment(tmp_path)]
    assert offered == ["curves.csv", "claims.json", "generalisation.json", "overfitting.json"]
    made = {stem for stem in downloads.NUMBERS if provenance.maker_of(f"{stem}.png")}
    made |= {stem for stem in downloads.NUMBERS if (ROOT / "results" / IMAGES / "figures" / f"{stem}.png").exists()}
    assert made == set(downloads.NUMBERS)  # each is a figure of an experiment


def test_figures_over_all_experiments_name_one_table_of_all(tmp_path):
    names = ["cifar10-vgg11", "digits-vgg"]
    downloads.write_all_fits(ROOT / "results", [*names, "digits-vgg-noise-0-seed-0"], tmp_path)
    rows = list(csv.DictReader((tmp_path / "downloads" / downloads.ALL / "fits.csv").open()))
    own = list(csv.DictReader(io.StringIO(downloads.fits_table(ROOT / "results" / "digits-vgg" / "fits.nc"))))
    assert list(dict.fromkeys(row.pop("experiment") for row in rows)) == names
    ours = rows[-len(own) :]
    for name in own[0]:
        if name in ("condition", "sign"):
            assert [row[name] for row in ours] == [row[name] for row in own]
        else:
            assert [float(row[name] or "nan") for row in ours] == pytest.approx(
                [float(row[name] or "nan") for row in own], rel=1e-5, nan_ok=True
            )
    link = downloads.numbers("figure-9", ROOT / "results", "")
    assert f"downloads/{downloads.ALL}/fits.csv" in link and not downloads.numbers("figure-9", tmp_path, "")


@pytest.mark.parametrize("figure, count", [("figure-5", 4), ("figure-3", 12), ("figure-4a", 7), ("figure-2", 6)])
def test_a_phone_gets_the_panels_of_a_wide_figure(figure, count):
    folder = ROOT / "results" / IMAGES
    html, fits = narrow.of_figure(figure, folder), tables.read(folder / "fits.nc")
    assert html.count("<svg") == count == html.count("highest: ")
    if figure == "figure-5":
        for name in "ABCD":
            low, high = fits.spindle_strength_interval.sel(condition=name).values
            told = f"{name}: spindle {float(fits.spindle_strength.sel(condition=name)):.2f} [{low:.2f}, {high:.2f}]"
            assert told in html
        bars = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', html)][
            :20
        ]  # of A: 10 up, 10 down
        strength = fits.strength.sel(condition="A").values.ravel()
        assert bars == pytest.approx(strength * bars[0] / strength[0], abs=0.01 + 1e-3 * max(bars))
    assert narrow.of_figure("figure-6", folder) == narrow.of_figure(figure, folder.parent) == ""


def test_pictures_of_the_site_keep_every_pixel(tmp_path):
    (tmp_path / "_images").mkdir()
    shown = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(shown).save(tmp_path / "_images" / "a.png")
    (tmp_path / "b.html").write_text('<a href="downloads/c.png"><img src="../_images/a.png"></a>')
    webp.convert(tmp_path)
    assert (tmp_path / "b.html").read_text() == '<a href="downloads/c.png"><img src="../_images/a.webp"></a>'
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "_images" / "a.webp").convert("RGB")), shown)
    assert [path.name for path in (tmp_path / "_images").iterdir()] == ["a.webp"]


def test_the_table_of_fits_has_their_numbers(tmp_path):
    folder = ROOT / "results" / "digits-vgg"
    rows = list(csv.DictReader(io.StringIO(downloads.fits_table(folder / "fits.nc"))))
    fits = tables.read(folder / "fits.nc")
    assert len(rows) == fits.strength.size
    place = {(row["condition"], row["sign"], int(row["order"])): row for row in rows}
    for key, row in place.items():
        at = dict(zip(("condition", "sign", "order"), key, strict=True))
        total = sum(float(row[part]) for part in ("decay", "spindle", "residual"))
        assert total == pytest.approx(float(row["strength"]), abs=1e-4)
        assert float(row["strength"]) == pytest.approx(float(fits.strength.sel(at)), rel=1e-5)
        assert float(row["decay_low"]) <= float(row["decay_high"])
    assert place["B", "+", 1]["emerged"] == "" and float(place["D", "-", 3]["emerged"]) == pytest.approx(
        float(fits.emerged.sel(emergence="D", sign="-", order=3)), rel=1e-5
    )
    assert downloads.write_fits(tmp_path, tmp_path, "one") == []


def test_the_book_says_how_to_cite_it_and_its_version(small_book, tmp_path):
    html = (small_book / "cite.html").read_text(encoding="utf-8")
    assert "2502.10162" in html and f"version <strong>{cite.citation()['version']}</strong>" in html
    assert 'href="changelog.html"' in html and "Unreleased" in (small_book / "changelog.html").read_text(
        encoding="utf-8"
    )
    headings = re.findall(
        r"^## (\S+)(?: \((\d{4}-\d\d-\d\d)\))?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings[0] == ("Unreleased", "") and headings[1][0] == str(cite.citation()["version"])
    dates = [date for _, date in headings[1:]]
    assert all(dates) and dates == sorted(dates, reverse=True)
    assert "- **v1** (2026-01-02): first" in cite.page(cite.citation(), [("v1", "2026-01-02", "first")])
    (tmp_path / "CITATION.cff").write_text("title: a\nversion: 1\n")
    with pytest.raises(ValueError, match="CITATION.cff has no license"):
        cite.citation(tmp_path / "CITATION.cff")


# The browser's arithmetic, run here by the engine that typesets the equations.


@pytest.fixture(scope="session")
def engine():
    racer = MiniRacer()
    racer.eval((play.VIEWS / "theory.js").read_text(encoding="utf-8"))
    return racer


def ask(engine, expression, **names):
    values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in names.items())
    prelude = f"let {values};" if values else ""
    return json.loads(engine.eval(f"(() => {{ {prelude} return JSON.stringify({expression}, plain); }})()"))


@pytest.fixture(scope="session", autouse=True)
def _plain(engine):
    engine.eval("const plain = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);")


def test_the_browsers_spindle_is_libs(engine):
    for alpha in (0.31, 0.5, 0.8724, 1.0, 1.37, 2.0):
        ours = torch.tensor(ask(engine, f"spindle({alpha}, 0.7, {N})"), dtype=torch.float64)
        torch.testing.assert_close(ours, theory.spindle(alpha, 0.7, N), rtol=1e-10, atol=1e-14)


def test_the_browsers_decay_between_the_grid_is_libs(engine):
    draw = torch.Generator().manual_seed(3)
    pair = torch.randn(2, 3, 2**N, generator=draw, dtype=torch.float64)
    pair[..., 0] = 0
    fields = play.disentangle_fields({"A": tuple(pair)}, {"A": 0.5})
    z = float(strengths.normaliser(*pair, 0.5))
    bars = torch.frombuffer(bytearray(fields["strength"]), dtype=torch.float64).view(2, N)
    torch.testing.assert_close(bars, strengths.by_order(*pair, 0.5).mean(0) / z)
    decays = np.frombuffer(fields["decays"]).tolist()
    for delta in (1e-6, 1e-5, 1e-3, 0.0123, 1.0, 10.0):  # A(m) has kinks in δ: it is near, not equal
        asked = f"decayBetween(decays, deltas, {delta}, {N})"
        ours = torch.tensor(ask(engine, asked, decays=decays, deltas=fields["deltas"]), dtype=torch.float64)
        torch.testing.assert_close(
            ours, theory.decay(*pair, delta, 1.0).mean(0) / z, rtol=1e-3, atol=1e-4
        )  # A(m) has kinks in δ


def test_the_browsers_logical_model_is_libs(engine):
    draw = torch.Generator().manual_seed(4)
    pair = torch.randn(2, 2**5, generator=draw, dtype=torch.float64)
    expected = subsets.logical_model(*pair, torch.tensor(0.3, dtype=torch.float64))
    merged = "mergeSingletons(Float64Array.from(a), Float64Array.from(o))"
    states = f"Array.from({{ length: 32 }}, (_, present) => logicalModel({merged}, 0.3, present))"
    ours = torch.tensor(ask(engine, states, a=pair[0].tolist(), o=pair[1].tolist()), dtype=torch.float64)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_the_browsers_best_pair_is_libs(engine):
    draw = np.random.default_rng(5)
    for _ in range(20):
        a, d, s = draw.normal(size=(2, 6)), draw.uniform(size=(2, 6)), draw.uniform(size=6)
        ours = ask(engine, "bestPair(a, s, d)", a=a.tolist(), s=s.tolist(), d=d.tolist())
        products = 2 * s @ s, (d * d).sum(), (d * s).sum(), (a * s).sum(), (a * d).sum()
        beta, gamma, _ = disentangle.nonnegative_pair(*(torch.tensor(x, dtype=torch.float64) for x in products))
        assert (ours["beta"], ours["gamma"]) == pytest.approx((float(beta), float(gamma)), rel=1e-9, abs=1e-12)


def test_the_browsers_least_squares_is_libs(engine):
    draw = torch.Generator().manual_seed(6)
    for k in range(4):
        pair = torch.randn(2, 1, 2**N, generator=draw, dtype=torch.float64) * 0.5 ** subsets.orders(N)
        log_deltas, curves = disentangle.decay_curves(*pair, (1e-6, 10.0), 4)
        hump = theory.spindle(1.0, 0.1 * k, N)
        strength = (strengths.by_order(*pair, 0.05) + hump) * (1 + 0.1 * torch.rand(1, 2, N, generator=draw))
        for least in (1e-6, 1e-3, 1e-2):
            ranges = [((least, 10.0), (0.5, 1.5))]
            ours = disentangle.resplit(
                strength[None], (log_deltas, curves), torch.ones(1, 1, dtype=torch.float64), ranges
            )
            names = {"a": strength[0].tolist(), "d": curves.flatten().tolist(), "g": [1e-6, 10.0, len(log_deltas)]}
            asked = f"leastSquares(a, d, g, {least}, [0.5, 1.5], {N})"
            found = ask(engine, asked, **names)
            told = ask(engine, f"split(a, decayBetween(d, g, f.delta, {N}), f, {N})", **names, f=found)
            assert least * (1 - 1e-9) <= found["delta"] <= 10 * (1 + 1e-9) and 0.5 <= found["alpha"] <= 1.5
            assert told["relativeResidual"] <= float(ours.relative_residual) * (1 + 1e-4) + 1e-9
            share = told["spindleStrength"] / float(strength.sum())
            assert share == pytest.approx(float(ours.spindle_strength / ours.strength), abs=1e-3)


def test_half_floats_are_read_as_they_were_written(engine):
    numbers = np.array([0, 1, -2.5, 6.1e-5, 3e-7, 0.3333, 65504, 1e-3], "<f2")
    got = ask(engine, "bits.map(half)", bits=numbers.view("<u2").tolist())
    assert got == numbers.astype(float).tolist()


def test_other_extractions_are_packed_in_units_of_the_default_z(small_results):
    setting = experiments.load(IMAGES)
    fields = play.of_experiment(small_results / IMAGES, setting)["disentangle"]
    few, table = fields["few"], tables.read(small_results / IMAGES / "choices.nc")
    assert few["conditions"] == [*"ABCD", "parameters 30"] and few["labels"][-1] == "B, noise of 30 % on parameters"
    assert (few["samples"], few["of"], few["zetas"], few["ties"]) == (FEW, SAMPLES, [0.0, 0.02], ["low", "high"])
    z = [row["z"] for row in fields["conditions"]]
    unit = np.array([*z, z[1]])[:, None, None]
    packed = np.frombuffer(fields["few_strength"], "<f2").reshape(2, 2, 5, 2, N)
    np.testing.assert_allclose(packed * unit, table.strength.mean("sample"), rtol=1e-3, atol=1e-6)
    assert np.frombuffer(fields["few_decays"], "<f2").size == 2 * 2 * 5 * few["deltas"][2] * 2 * N
    assert play.of_experiment(small_results / WORDS, experiments.load(WORDS))["disentangle"]["few"] is None


def test_tables_survive_their_way_into_the_page(small_book, small_results):
    text = (small_book / "_static" / "tables" / f"{IMAGES}.js").read_text(encoding="utf-8")
    shown = play.unpage(text)["players"]
    packed = np.frombuffer(base64.b64decode(shown["values"]), "<f4").reshape(4, SAMPLES, 2**N)
    values = tables.read(small_results / IMAGES / "values.nc")["values"].values
    np.testing.assert_allclose(packed, values, rtol=1e-6)
    assert [bool(sample["image"]) for sample in shown["samples"]] == [True] * 4 + [False] * 2  # as many as there are
    assert shown["samples"][0]["patches"] == tables.read(small_results / IMAGES / "values.nc").patch.values[0].tolist()


def test_a_page_leaves_out_only_interactions_below_the_precision_of_its_numbers():
    values = make_values(samples=2, n=5)[0]
    pair = tuple(torch.where(torch.rand(2, 32, dtype=torch.float64) < 0.5, 1e-12, x) for x in (values, -values))
    samples = [play.Sample(str(k), words=[*"abcde"]) for k in range(2)]
    of_page, whole = (
        play.players_fields({"A": values}, {"A": pair}, samples, precision=kind) for kind in (np.float32, np.float64)
    )
    page = np.frombuffer(of_page["tables"], "<f4").reshape(2, 2, 32).astype(float)
    exact = np.frombuffer(whole["tables"], "<f8").reshape(2, 2, 32)
    np.testing.assert_array_equal(exact, torch.stack(pair).numpy())
    least = np.finfo(np.float32).eps * values.abs().amax(-1).numpy()[:, None]
    assert (page == 0).sum() > 30 and (np.abs(page - exact) <= least).all()


def test_samples_say_their_class_and_what_the_network_took_them_for(small_book):
    for experiment, names in ((IMAGES, ["0", "1"]), (WORDS, ["negative", "positive"])):
        text = (small_book / "_static" / "tables" / f"{experiment}.js").read_text(encoding="utf-8")
        shown = play.unpage(text)["players"]["samples"]
        assert [sample["truth"] for sample in shown[:2]] == names
        assert shown[1]["guesses"] == [names[(1 + k) % 2] for k in range(4)]


def test_a_training_is_packed_checkpoint_by_checkpoint(small_results, tmp_path):
    folder = small_results / IMAGES
    fields = play.training_fields(folder, 4)
    rows = list(csv.DictReader((folder / "overfitting.csv").open()))
    assert [one["epoch"] for one in fields["checkpoints"]] == [0, 1, 3, 8, 20] and fields["checkpoint"] == 4
    assert fields["timepoints"] == {"A": 0, "B": 2, "C": 3, "D": 4} and (fields["n"], fields["samples"]) == (N, 4)
    for name, part in (("strength", ""), ("decays", "decay_")):
        packed = np.frombuffer(fields[name], "<f8").reshape(5, 2, N)
        assert packed[3, 1, 2] == float(rows[3][f"{part}minus_3"]) and packed[4, 0, 0] == float(
            rows[4][f"{part}plus_1"]
        )
    assert play.training_fields(small_results / WORDS, 4) is None
    lines = (folder / "overfitting.csv").read_text().splitlines()
    (tmp_path / "overfitting.csv").write_text(lines[0] + "\n")
    assert play.training_fields(tmp_path, 4) is None  # no checkpoint was measured
    (tmp_path / "overfitting.csv").write_text("epoch,train_loss\n0,1.0\n")
    with pytest.raises(ValueError, match=r"overfitting.csv, columns of it that lack, is \['test_loss', "):
        play.training_fields(tmp_path, 4)


def test_an_experiment_without_checkpoints_has_no_training_to_drag_along(small_book, parsed):
    assert "Along the training" in parsed[small_book / "experiments" / f"{IMAGES}.html"].text
    assert "Along the training" not in parsed[small_book / "experiments" / f"{WORDS}.html"].text
    text = (small_book / "_static" / "tables" / f"{WORDS}.js").read_text(encoding="utf-8")
    assert play.unpage(text)["training"] is None


def test_fields_that_do_not_fit_are_refused_by_name():
    values = make_values(samples=1, n=3)[0]
    pair = (values, values * 0)
    with pytest.raises(ValueError, match="has 2 players; allowed: 3"):
        play.players_fields({"A": values}, {"A": pair}, [play.Sample("one", words=["a", "b"])])
    with pytest.raises(ValueError, match="reference is 'E'; allowed: A"):
        play.disentangle_fields({"A": pair}, {"A": 0.0}, reference="E")
    with pytest.raises(ValueError, match="before is 'E'; allowed: A"):
        play.disentangle_fields({"A": pair}, {"A": 0.0}, before="E")
    with pytest.raises(ValueError, match=r"conditions is \['B'\]; allowed: those of values, A"):
        play.players_fields({"A": values}, {"B": pair}, [])


def test_the_front_page_tells_what_was_found_and_moves_only_where_that_is_wanted(small_book, parsed, tmp_path):
    page = (small_book / "index.html").read_text(encoding="utf-8")
    assert "What was found" in page and "Where to go" in page
    assert "&lt;&lt;" not in page, "a mark of the source was not filled in"
    drawn = front.picture(ROOT / "results" / "digits-vgg", "vgg4 on <digits>")
    assert drawn.count("<svg") == 1 + 3 and 'aria-label="A: untrained, spindle ' in drawn
    still = drawn[drawn.index("front-still") :]
    assert "<animate" not in still and "<animate" in drawn
    assert "vgg4 on &lt;digits&gt;" in drawn
    assert front.picture(tmp_path, "") == ""


def test_the_front_pages_bars_are_the_shares_of_all_strength():
    fits = tables.read(ROOT / "results" / "digits-vgg" / "fits.nc")
    shares = front._shares(fits, "D")
    assert shares["strength"].sum() == pytest.approx(1)
    middle, unit = scale = panels.scale_of([shares])
    y, height = panels._y(shares["strength"][0, 2], scale, up=True)
    assert height == pytest.approx(float(shares["strength"][0, 2]) * unit, abs=0.01)
    assert y + height == pytest.approx(middle, abs=0.02)
    ends = [panels._y(abs(part[sign]).max(), scale, up=not sign) for part in shares.values() for sign in (0, 1)]
    assert min(y for y, _ in ends) == pytest.approx(panels.TITLE, abs=0.02)
    assert max(y + height for y, height in ends) == pytest.approx(panels.HEIGHT, abs=0.02)


def test_findings_count_the_experiments_on_which_a_claim_holds(tmp_path):
    row = {"key": "decays", "claim": "it decays", "where": "Fig. 2, B", "statistic": "ρ", "predicted": "", "note": "",
           "measured": -0.9, "interval": [-1.0, -0.8], "verdict": "holds"}  # fmt: skip
    for name, verdict in (("one", "holds"), ("two", "does not hold"), ("one-seed-1", "holds")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "claims.json").write_text(json.dumps([{**row, "experiment": name, "verdict": verdict}]))
    (line,) = front.findings(tmp_path, "one").splitlines()
    assert "holds in 1 of 2 experiments" in line and "−0.9 [−1, −0.8]" in line
    assert "no claims" in front.findings(tmp_path, "three")


@pytest.mark.case("B12")
def test_the_book_does_without_git(tmp_path, monkeypatch):
    """Where git does not know the folder, as in a ZIP, and where there is none."""
    assert provenance.commit_of(ROOT / "README.md") != "not committed" or not (ROOT / ".git").exists()
    for folder in (cite, provenance):
        monkeypatch.setattr(folder, "ROOT", tmp_path)
    for _ in range(2):
        assert cite.tags() == [] and provenance.commit_of(tmp_path / "README.md") == "not committed"
        monkeypatch.setenv("PATH", str(tmp_path))
