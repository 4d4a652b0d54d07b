"""Runs that are not the default one: other models, several seeds."""

import csv
import json
import zipfile

import pyarrow.parquet as pq

from .conftest import Project


def test_one_model_and_two_seeds(empty: Project) -> None:
    empty.edit("config/smoke.yaml", "  name: smoke\n", "  name: smoke\n  models: [improved]\n  seeds: [1, 2]\n")
    empty.edit("config/smoke.yaml", "  improved:\n", "  improved:\n    title: Único\n")
    result = empty.snakemake("all")
    assert result.returncode == 0, result.stdout
    results = empty.folder / "results/smoke"
    with (results / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = {
            (row["metric"], row["split"], row["seed"]): row
            for row in csv.DictReader(stream)
            if row["model"] == "improved"
        }
    one, two, mean = (rows["bits_per_byte", "test", seed] for seed in ("1", "2", "all"))
    assert one["value"] != two["value"]
    assert float(mean["value"]) == (float(one["value"]) + float(two["value"])) / 2
    assert mean["interval"] == "95 %, Student's t over 2 seeds"
    assert json.loads((results / "checks.json").read_text(encoding="utf-8"))["leaking"] == []
    with zipfile.ZipFile(results / "paper/article.zip") as archive:
        article = archive.read("article.tex").decode()
    assert "medias de 2 semillas" in article
    assert "Único" in article
    assert "MiniGPT sin máscara" not in article


def test_texts_of_ones_own_in_three_lines_of_config(finished: Project, empty: Project) -> None:
    articles = pq.read_table(finished.folder / "data/encyclopedia/articles.parquet").to_pylist()
    for row in articles:
        path = empty.folder / "mine" / (row["title"].replace(" ", "_") + ".txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text(row["text"], encoding="utf-8")
    with (empty.folder / "config/smoke.yaml").open("a", encoding="utf-8") as overlay:
        overlay.write("corpora:\n  mine: {source: texts, path: mine, licence: CC0 1.0}\n")
    empty.edit("config/smoke.yaml", "  name: smoke\n", "  name: smoke\n  corpus: mine\n")
    assert "write_export" not in empty.planned()
    for target in ("corpus", "results/smoke/paper/article.zip"):
        result = empty.snakemake(target)
        assert result.returncode == 0, result.stdout
    read = pq.read_table(empty.folder / "data/mine/articles.parquet").to_pylist()
    assert {row["title"]: row["text"] for row in read} == {row["title"]: row["text"] for row in articles}
    with zipfile.ZipFile(empty.folder / "results/smoke/paper/article.zip") as archive:
        article = archive.read("article.tex").decode()
    assert "procede de ficheros de texto llano (licencia CC0 1.0)" in article
    assert "los textos del corpus «mine»" in article
    assert "SHA-1" not in article.partition("section{Modelos}")[0]
