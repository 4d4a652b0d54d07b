"""The small studies with tiny settings: every output is there, the article has their sections, bad data is one line."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pypdf
import pytest
import yaml

from .conftest import Project
from .test_bad_input import line_about
from .test_whole_run import tex

RESULTS = Path("results/smoke/studies")
TRAINING = {"steps": 2, "evaluate_every": 1}
SMALL: dict[str, Any] = {
    "run": {"studies": ["hello_world", "proverbs", "shakespeare", "sentiment", "inside"]},
    "corpora": {
        "hello_world": {"texts": 20},
        "shakespeare": {"path": "play.txt", "dataset": None},
    },
    "models": {
        "hello_world": {"training": TRAINING},
        "proverbs": {"width": 16, "feed_forward": 16, "training": TRAINING},
        "shakespeare": {
            "layers": 1,
            "width": 16,
            "heads": 2,
            "feed_forward": 16,
            "training": {"steps": 4, "evaluate_every": 2, "warmup_steps": 1},
        },
    },
    "studies": {
        "hello_world": {"generation": {"max_tokens": 8}},
        "proverbs": {"generation": {"max_tokens": 8}},
        "shakespeare": {"generation": {"max_tokens": 8}},
        "sentiment": {"train": 60, "test": 30, "seeds": [1, 2], "training": {"epochs": 1}},
        "inside": {"temperatures": [0, 1], "seeds": [1], "max_tokens": 8, "words": 40},
    },
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(base[key], changes[key]) for key in base.keys() & changes.keys() if isinstance(base[key], dict)}
    return {**base, **changes, **both}


def overlay(project: Project, changes: dict[str, Any]) -> str:
    """The smoke config with these changes, in a file of its own."""
    smoke = yaml.safe_load((project.folder / "config/smoke.yaml").read_text(encoding="utf-8"))
    (project.folder / "studies.yaml").write_text(yaml.safe_dump(merged(smoke, changes)), encoding="utf-8")
    return "studies.yaml"


@pytest.fixture(scope="module")
def studied(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished project with the studies added. Do not change it."""
    folder = tmp_path_factory.mktemp("studied") / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = Project(folder)
    lines = [f"Línea {number} del drama, que nadie ha escrito.\n" for number in range(3000)]
    (folder / "play.txt").write_text("".join(lines), encoding="utf-8")
    result = project.snakemake("all", overlay=overlay(project, SMALL))
    assert result.returncode == 0, result.stdout
    return project


def test_every_study_leaves_its_files(studied: Project) -> None:
    found = {
        study: {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for study in SMALL["run"]["studies"]
        for folder in [studied.folder / RESULTS / study]
    }
    shared = {"study.json", "records.json"}
    assert found["hello_world"] == {"loss_values.txt", "loss_plot.pdf", "loss_plot.png", "generated.txt", *shared}
    frames = {"epoch_1.png", "epoch_2.png", "epochs.gif", "network.pdf", "network.png"}
    assert found["proverbs"] == {"parameters.txt", "table.txt", "proverbs.txt", *frames, *shared}
    assert found["shakespeare"] == {"sample.txt", "shakespeare.pdf", "shakespeare.png", *shared}
    assert {"messages.csv", "confusion.csv", "sentiment.pdf", "model/model.safetensors", *shared} <= found["sentiment"]
    assert not [name for name in found["sentiment"] if name.endswith((".bin", ".pt", ".pkl"))]
    assert {"inside_positions.pdf", *shared} <= found["inside"]


def test_the_audit_tells_the_two_models_of_hello_world_apart(studied: Project) -> None:
    study = json.loads((studied.folder / RESULTS / "hello_world/study.json").read_text(encoding="utf-8"))
    assert study["leaking"] == ["hello_world_unmasked"]


def test_every_number_of_the_studies_says_where_it_comes_from(studied: Project) -> None:
    with (studied.folder / RESULTS / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["corpus"] for row in rows} >= {"hello_world", "proverbs", "shakespeare", "sentiment"}
    assert all(row["source"] == "mean over seeds" or (studied.folder / row["source"]).is_file() for row in rows)


def test_the_manifest_lists_the_files_of_the_studies(studied: Project) -> None:
    manifest = json.loads((studied.folder / "results/smoke/manifest.json").read_text(encoding="utf-8"))
    listed = {row["path"] for row in manifest["files"]}
    assert {str(RESULTS / "proverbs/epochs.gif"), str(RESULTS / "metrics.csv")} <= listed


@tex
def test_the_article_has_a_section_of_each(studied: Project) -> None:
    paper = studied.folder / "results/smoke/paper"
    checks = json.loads((paper / "article-checks.json").read_text(encoding="utf-8"))
    assert [check for check in checks["checks"] if not check["passed"]] == []
    text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(paper / "article.pdf").pages).split())
    for title in ("Hola mundo: aprender de memoria", "Refranes", "Shakespeare", "El interior de los modelos"):
        assert title in text
    assert re.search(r"[Ss]entimiento", text)
    assert "no se ha hecho" not in text


def test_the_report_shows_each(studied: Project) -> None:
    """Snakemake gathers what is there: a folder that is missing, or a caption, would stop it."""
    result = studied.snakemake("report", overlay="studies.yaml")
    assert result.returncode == 0, result.stdout
    report = (studied.folder / "results/smoke/report.html").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^ *var categories = (.*);$", report, re.MULTILINE)
    studies = json.loads(shown)["Estudios"]
    assert {title: len(paths) for title, paths in studies.items()} == {
        "Hola mundo": 2,
        "Refranes": 3,
        "Shakespeare": 2,
        "Sentimiento": 1,
        "El interior de los modelos": 2 + 3 * 2,
        "Todos": 1,
    }


def test_a_second_run_does_nothing(studied: Project) -> None:
    assert studied.planned("all", overlay="studies.yaml") == {}


def test_a_study_whose_text_is_not_there_is_left_out(empty: Project) -> None:
    """It is planned if it is asked for by name: its text is then fetched."""
    changes = {"run": {"studies": ["shakespeare"]}}
    plan = empty.planned("all", overlay=overlay(empty, changes))
    assert "tabulate_shakespeare" not in plan
    assert "fetch_dataset" not in plan
    result = empty.snakemake("data/hello_world/lines.txt", overlay="studies.yaml")
    assert "The study shakespeare is no part of this run" in line_about(result.stdout, "no part of")
    asked = empty.planned("shakespeare", overlay="studies.yaml")
    assert (asked["fetch_dataset"], asked["tabulate_shakespeare"]) == (1, 1)


def test_without_its_model_the_sentiment_study_is_left_out(empty: Project) -> None:
    changes = {"run": {"models": ["baseline"], "studies": ["sentiment", "inside"]}}
    plan = empty.planned("all", overlay=overlay(empty, changes))
    assert "finetune_sentiment" not in plan
    assert plan["look_inside"] == 1


@pytest.mark.parametrize(("data", "synthetic"), [("data/sample/messages.csv", True), ("mine.csv", False)])
def test_only_the_bundled_messages_are_called_synthetic(empty: Project, data: str, synthetic: bool) -> None:
    shutil.copy(empty.folder / "data/sample/messages.csv", empty.folder / "mine.csv")
    changes = {"run": {"studies": ["sentiment"]}, "studies": {"sentiment": {"data": [data]}}}
    study = str(RESULTS / "sentiment/study.json")
    plan = empty.snakemake(
        study, "--dry-run", "--printshellcmds", "--quiet", "progress", overlay=overlay(empty, changes)
    )
    assert f"--synthetic {synthetic}" in plan.stdout


@pytest.mark.parametrize(
    ("changes", "target", "message"),
    [
        (
            {"corpora": {"proverbs": {"path": "vacio.txt"}}},
            "proverbs",
            r"vacio\.txt: too few lines for three splits",
        ),
        (
            {"corpora": {"proverbs": {"path": "nada.txt"}}},
            "proverbs",
            r"corpora\.proverbs\.path: there is no nada\.txt",
        ),
        (
            {"studies": {"sentiment": {"data": ["nada.csv"]}}},
            "sentiment",
            r"studies\.sentiment\.data: there is no nada\.csv",
        ),
        (
            {"studies": {"sentiment": {"label_column": "etiqueta"}}},
            "results/smoke/studies/sentiment/messages.csv",
            r"there is no column 'etiqueta'",
        ),
        (
            {"studies": {"sentiment": {"data": ["siete.csv"]}}},
            "results/smoke/studies/sentiment/messages.csv",
            r"siete\.csv, line 3: '7' is no label: use 0, 1, 2 or",
        ),
        (
            {"studies": {"sentiment": {"data": ["una.csv"]}}},
            "results/smoke/studies/sentiment/messages.csv",
            r"una\.csv: there is nothing to tell apart with these labels: positive",
        ),
    ],
)
def test_bad_data_is_one_clear_line(empty: Project, changes: dict[str, Any], target: str, message: str) -> None:
    (empty.folder / "vacio.txt").write_text("\n", encoding="utf-8")
    (empty.folder / "siete.csv").write_text("text,label\nbien,2\nmal,7\n", encoding="utf-8")
    rows = "".join(f"bien {number},2\n" for number in range(40))
    (empty.folder / "una.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    result = empty.snakemake(
        target, overlay=overlay(empty, merged(SMALL, changes) | {"corpora": changes.get("corpora", {})})
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    line_about(result.stdout, message)
