"""The report of a finished run, opened in a real browser: it is whole, it works, and no data in it is run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minillm.files import read_json, write_json
from minillm.report.texts_page import write_texts_page

from .chromium import PROGRAM, Page, chromium
from .conftest import ROOT, Project

REPORT = Path("results/smoke/report.html")
CATEGORIES = ["Artículo", "Datos", "Entrenamiento", "Evaluación"]
HOSTILE = "</script><script>alert(1)</script><!--<script><img src=x onerror=alert(2)>"
in_chromium = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def reported(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with its report. Do not change it."""
    folder = tmp_path_factory.mktemp("reported") / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = Project(folder)
    plan = project.planned("report")
    assert all(rule == "report" or (rule.startswith("write_") and "manifest" not in rule) for rule in plan), plan
    result = project.snakemake("report")
    assert result.returncode == 0, result.stdout
    return project


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        yield browser


def open_report(page: Page, report: Path, width: int = 1280) -> None:
    page.open(report, width)
    page.wait_for("document.querySelector('#rulegraph canvas, #rulegraph svg') !== null")


def in_category(page: Page, category: str) -> int:
    """Go to a category as a reader does; how many results it lists."""
    page.evaluate("document.querySelector('nav ol a').click()")
    item = f"[...document.querySelectorAll('nav li a')].find(link => link.textContent === {json.dumps(category)})"
    page.wait_for(f"{item} !== undefined")
    page.evaluate(f"{item}.click()")
    return int(page.wait_for("document.querySelectorAll('nav tbody tr').length"))


def show(page: Page, name: str) -> None:
    """Search for a file and look at the one result."""
    page.evaluate("document.querySelector('nav input').focus()")
    for key in [*name, "Enter"]:
        page.press(key)
    page.wait_for("document.querySelectorAll('nav tbody tr').length === 1")
    page.evaluate("document.querySelector('nav tbody a').click()")


def test_nothing_is_left_to_do(reported: Project) -> None:
    """Of the report or, with it, of the run."""
    assert reported.planned("report") == {}
    assert reported.planned() == {}


def test_the_config_of_the_call_is_passed_on_and_the_operator_is_not(reported: Project) -> None:
    options = ["--config", "paper={title: Otro título}", "contact=someone@example.org"]
    options += ["--dry-run", "--printshellcmds", "--quiet", "host", "--forcerun", "write_report"]
    result = reported.snakemake("report", *options)
    (command,) = [line for line in result.stdout.splitlines() if "minillm.report.build_report" in line]
    assert '--configfiles config/smoke.yaml --config \'paper={"title": "Otro título"}\' --stylesheet' in command
    assert "someone@example.org" not in command


@in_chromium
@pytest.mark.chromium
def test_the_landing_page_says_what_the_run_is(reported: Project, page: Page) -> None:
    open_report(page, reported.folder / REPORT)
    text = page.evaluate("document.querySelector('#app').innerText")
    digest = read_json(reported.folder / "results/smoke/provenance.json")["digest"]
    assert "miniLLM: ejecución «smoke»" in text
    assert digest[:12] in text
    files = [reported.folder / "results/smoke" / name for name in ("checks.json", "paper/article-checks.json")]
    checks = [check["passed"] for file in files if file.exists() for check in read_json(file)["checks"]]
    assert ("el artículo es un borrador" in text) == (not all(checks))
    assert page.evaluate("Object.keys(categories).sort()") == CATEGORIES
    assert page.complaints() == []


@in_chromium
@pytest.mark.chromium
def test_every_result_is_shown_and_explained(reported: Project, page: Page) -> None:
    open_report(page, reported.folder / REPORT)
    kinds: dict[str, int] = {}
    for category in CATEGORIES:
        for row in range(in_category(page, category)):
            button = f"document.querySelectorAll('nav tbody tr')[{row}].querySelector('a')"
            kind = "download" if page.evaluate(f"{button}.hasAttribute('download')") else ""
            if not kind and not page.evaluate(f"{button}.closest('tr').innerText.includes('PDF')"):
                page.evaluate(f"{button}.click()")
                image = "document.querySelector('#app img[src^=\"data:image/png\"]')"
                frame = "document.querySelector('iframe')"
                page.wait_for(f"({image} && {image}.naturalWidth > 0) || ({frame} && {frame}.src)")
                kind = "page" if page.evaluate(f"{frame} !== null") else "figure"
            kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds["figure"] == len(list((reported.folder / "results/smoke/figures").glob("*.png")))
    assert kinds["page"] == len(list((reported.folder / "results/smoke/report").glob("*.html")))
    assert kinds["download"] == 2
    assert page.evaluate("Object.values(results).filter(result => result.caption.length < 60)") == []
    assert page.complaints() == []


@in_chromium
@pytest.mark.chromium
def test_search_finds_a_figure(reported: Project, page: Page) -> None:
    open_report(page, reported.folder / REPORT)
    show(page, "reliability")
    assert "Calibración" in page.evaluate("document.querySelector('nav tbody').innerText")
    page.wait_for("document.querySelector('#app img[src^=\"data:image/png\"]')?.naturalWidth > 0")
    assert page.complaints() == []


@in_chromium
@pytest.mark.chromium
def test_the_table_of_metrics_is_sorted_and_narrowed_down(reported: Project, page: Page) -> None:
    open_report(page, reported.folder / REPORT)
    show(page, "report/metrics")
    page.wait_for("document.querySelector('h1')?.textContent === 'Todas las cifras'", in_frame=True)

    def column(name: str) -> list[str]:
        heads = page.evaluate("[...document.querySelectorAll('th')].map(head => head.textContent)", in_frame=True)
        cells = f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{heads.index(name)}])"
        shown = f"{cells}.filter(cell => cell.parentNode.checkVisibility())"
        return page.evaluate(f"{shown}.map(cell => cell.dataset.value ?? cell.textContent)", in_frame=True)

    def click(name: str) -> None:
        head = f"[...document.querySelectorAll('th button')].find(head => head.textContent === '{name}')"
        page.evaluate(f"{head}.click()", in_frame=True)

    lines = (reported.folder / "results/smoke/metrics.csv").read_text(encoding="utf-8").splitlines()
    costs = (reported.folder / "results/smoke/cost.csv").read_text(encoding="utf-8").splitlines()
    assert len(column("valor")) == len(lines) + len(costs) - 2
    click("desde")
    bounds = column("desde")
    given = [float(bound) for bound in bounds if bound]
    assert given == sorted(given)
    assert bounds[: len(given)] == [bound for bound in bounds if bound]  # what has no interval comes last
    click("desde")
    assert [float(bound) for bound in column("desde") if bound] == given[::-1]
    assert column("desde")[-1] == ""
    click("métrica")
    assert column("métrica")[0] == "accuracy"
    page.evaluate("document.querySelector('input').focus()", in_frame=True)
    for key in "leaks improved":
        page.press(key)
    page.wait_for("document.querySelector('[role=status]').textContent.startsWith('1 de ')", in_frame=True)
    assert (column("métrica"), column("modelo"), column("valor")) == (["leaks"], ["improved"], ["0.0"])
    assert page.complaints() == []


@in_chromium
@pytest.mark.chromium
def test_nothing_is_wider_than_a_telephone(reported: Project, page: Page) -> None:
    open_report(page, reported.folder / REPORT, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    text = "document.querySelector('#app .prose').getBoundingClientRect()"
    assert page.evaluate(f"{text}.left >= 0 && {text}.right <= 390")


@in_chromium
@pytest.mark.chromium
def test_no_data_is_run(reported: Project, page: Page, tmp_path: Path) -> None:
    """A title in the settings, which Snakemake writes into the page, and a text that a model wrote."""
    folder = tmp_path / "project"
    shutil.copytree(reported.folder, folder, symlinks=True)
    place = folder / "results/smoke/metrics/encyclopedia/baseline/seed-1"
    generations: dict[str, Any] = read_json(place / "generations.json")
    generations["texts"][0] |= {"prompt": HOSTILE, "greedy": HOSTILE}
    write_json(place / "generations.json", generations)
    copies: dict[str, Any] = read_json(place / "copies.json")
    copies["printed"][0]["greedy"] |= {"title": HOSTILE, "words": 9}
    write_json(place / "copies.json", copies)
    texts = folder / "results/smoke/report/texts-baseline-1.html"
    paths = (place / f"{name}.json" for name in ("generations", "continuations", "copies"))
    write_texts_page(ROOT / "workflow/report/texts.html", *paths, HOSTILE, texts)
    command = [sys.executable, "-m", "minillm.report.build_report", "--targets", str(texts.relative_to(folder))]
    command += ["results/smoke/figures/comparison.png", "--configfiles", "config/smoke.yaml"]
    command += ["--config", f"models={json.dumps({'baseline': {'title': HOSTILE}})}"]
    command += ["--stylesheet", "workflow/report/style.css", "--output", "hostile.html"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    open_report(page, folder / "hostile.html")
    parameters = page.evaluate("results['results/smoke/figures/comparison.png'].job_properties.params")
    assert HOSTILE in parameters
    show(page, "texts-baseline")
    page.wait_for(f"document.querySelector('h1')?.textContent === {json.dumps(HOSTILE)}", in_frame=True)
    assert page.evaluate("document.body.innerText", in_frame=True).count(HOSTILE) == 4
    assert page.evaluate("document.querySelectorAll('script, img').length", in_frame=True) == 0
    assert page.complaints() == []
