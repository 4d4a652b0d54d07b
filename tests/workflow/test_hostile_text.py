"""Hostile text where the article prints what others wrote: titles, prompts, what models say. It is printed, no more."""

import json
import re

import pypdf
from hostile import hostile_strings

from .conftest import Project
from .test_studies import overlay
from .test_whole_run import tex

RESULTS = "results/smoke"
# Of models, in headings, cells, captions and figures; of the article, of its authors and of what it is about.
TITLES = [r"\input{|ls}$&", "中 😀\x07]*_^", "^^5c{}}% #1"]


@tex
def test_hostile_text_is_printed_and_does_nothing(copy_of_finished: Project) -> None:
    project, strings = copy_of_finished, hostile_strings()
    assert len(strings) > 200
    place = project.folder / RESULTS / "metrics/encyclopedia/baseline/seed-1"
    texts = [{"prompt": text, "greedy": text, "sampled": text} for text in strings]
    copies = [{way: {"title": text, "page_id": 1, "words": 9} for way in ("greedy", "sampled")} for text in strings]
    # JSON has a way to write half of a surrogate pair, UTF-8 has none.
    (place / "generations.json").write_text(json.dumps({"texts": texts}))
    (place / "copies.json").write_text(json.dumps({"printed": copies, "continuations": []}))
    changes = {
        "models": dict(zip(("baseline", "unmasked", "improved"), ({"title": title} for title in TITLES), strict=True)),
        "paper": {"title": TITLES[0], "authors": [{"name": TITLES[1], "affiliation": TITLES[2]}], "keywords": TITLES},
    }
    rules = ("plot_comparison", "render_article", "compile_article")
    result = project.snakemake(
        f"{RESULTS}/paper/article.pdf", "--allowed-rules", *rules, overlay=overlay(project, changes)
    )
    assert result.returncode == 0, result.stdout

    paper = project.folder / RESULTS / "paper"
    log = (paper / "article.log").read_text(encoding="utf-8")
    sizes = re.findall(r"Overfull \\[hv]box \(([\d.]+)pt", log)
    assert [size for size in sizes if float(size) > 1] == []
    assert not re.search(r"Missing character|inputenc Error|runsystem|write18 enabled", log)
    assert not list(project.folder.rglob("executed*"))
    pdf = pypdf.PdfReader(paper / "article.pdf")
    assert pdf.metadata is not None
    assert pdf.metadata.title == TITLES[0]
    assert TITLES[0] in " ".join(pdf.pages[0].extract_text().split())
