"""The whole road on the bundled sample with the smoke config: what comes out, and what a second run does."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pypdf
import pytest

from .conftest import ROOT, Project

RESULTS = Path("results/smoke")
CORPUS = Path("data/encyclopedia")
HAS_TEX = shutil.which("latexmk") is not None
tex = pytest.mark.skipif(not HAS_TEX, reason="latexmk is not installed")


def test_nothing_is_left_to_do(finished: Project) -> None:
    assert finished.planned() == {}


def test_selection_is_what_the_sample_expects(finished: Project) -> None:
    report = json.loads((finished.folder / CORPUS / "selection.json").read_text(encoding="utf-8"))
    dropped = {page["title"]: reason for reason, pages in report["examples"].items() for page in pages}
    with (ROOT / "data/sample/expected.csv").open(encoding="utf-8", newline="") as stream:
        expected = {row["title"]: row["expected"] for row in csv.DictReader(stream)}
    kept = pq.read_table(finished.folder / CORPUS / "articles.parquet", columns=["title"])["title"].to_pylist()
    assert dropped | dict.fromkeys(kept, "kept") == expected
    assert report["pages"] == len(expected)
    assert report["unrendered_templates"] == {}
    assert report["holed_sentences"] == 0


def test_splits_are_disjoint_and_sized(finished: Project) -> None:
    table = pq.read_table(finished.folder / CORPUS / "articles.parquet").to_pylist()
    by_split = {
        split: {row["page_id"] for row in table if row["split"] == split} for split in ("train", "validation", "test")
    }
    assert sum(map(len, by_split.values())) == len(table) == len({row["page_id"] for row in table})
    for split, share in (("train", 0.70), ("validation", 0.15), ("test", 0.15)):
        assert len(by_split[split]) == pytest.approx(share * len(table), abs=1.5)
    assert [row["page_id"] for row in table] == sorted(row["page_id"] for row in table)


def test_every_number_says_where_it_comes_from(finished: Project) -> None:
    with (finished.folder / RESULTS / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["model"] for row in rows if row["seed"]} == {"baseline", "unmasked", "improved"}
    for row in rows:
        assert row["source"] == "paired difference" or (finished.folder / row["source"]).is_file()
        assert (row["low"] == "") == (row["high"] == "") == (row["interval"] == "")
        if row["low"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"])


def test_the_leak_is_caught_and_only_there(finished: Project) -> None:
    checks = json.loads((finished.folder / RESULTS / "checks.json").read_text(encoding="utf-8"))
    assert checks["leaking"] == ["unmasked"]
    verdicts = {
        path.parts[-3]: json.loads(path.read_text(encoding="utf-8"))["leaks"]
        for path in (finished.folder / RESULTS / "metrics").glob("*/*/*/causality-verdict.json")
    }
    assert verdicts == {"baseline": False, "unmasked": True, "improved": False}


def test_the_manifest_lists_what_is_there(finished: Project) -> None:
    manifest = json.loads((finished.folder / RESULTS / "manifest.json").read_text(encoding="utf-8"))
    paths = [row["path"] for row in manifest["files"]]
    assert paths == sorted(paths)
    assert all((finished.folder / path).is_file() for path in paths)
    measured = {Path(row["path"]).name for row in manifest["files"] if row["measured"]}
    assert {"timing.csv", "cost.json", "cost.csv", "machine.json", "article.zip"} <= measured
    assert not {"metrics.csv", "model.safetensors", "history.csv", "articles.parquet"} & measured


def test_the_bundle_holds_all_that_latex_needs(finished: Project) -> None:
    with zipfile.ZipFile(finished.folder / RESULTS / "paper/article.zip") as archive:
        names = set(archive.namelist())
        article = archive.read("article.tex").decode()
    figures = {"training.pdf", "comparison.pdf", "bias.pdf", "leak.pdf", "reliability.pdf", "bleu.pdf", "novelty.pdf"}
    figures |= {"latency.pdf"}
    assert names == {"article.tex", "references.bib", *figures}
    assert "escritas por un modelo de lenguaje, que no proceden de Wikipedia y pueden contener errores" in article
    assert "licencia CC0 1.0" in article
    assert r"\VAR{" not in article
    assert r"\BLOCK{" not in article


@tex
def test_the_article_passes_its_checks(finished: Project) -> None:
    checks = json.loads((finished.folder / RESULTS / "paper/article-checks.json").read_text(encoding="utf-8"))
    assert [check for check in checks["checks"] if not check["passed"]] == []
    text = "".join(
        page.extract_text() for page in pypdf.PdfReader(finished.folder / RESULTS / "paper/article.pdf").pages
    )
    assert "MiniGPT sin máscara" in text
    assert "escrito por un modelo de lenguaje" in " ".join(text.split())


def test_hugging_face_computes_what_the_models_compute(finished: Project) -> None:
    """On the beginning of a test article, with the files of the run; the leaking model has no equal there."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from minillm.training.saved import load_model
    from minillm.vocabulary.tokenizer import BOS, encode, load_tokenizer

    models = finished.folder / RESULTS / "models/encyclopedia"
    assert {path.parts[-3] for path in models.glob("*/*/huggingface")} == {"baseline", "improved"}
    articles = pq.read_table(finished.folder / CORPUS / "articles.parquet").to_pylist()
    text = next(row["text"] for row in articles if row["split"] == "test")
    for model, vocabulary in (("baseline", "words"), ("improved", "bpe")):
        place = models / model / "seed-1"
        ours = load_model(place / "model.safetensors", place / "config.json", torch.device("cpu"))
        theirs = AutoModelForCausalLM.from_pretrained(place / "huggingface")
        tokenizer = AutoTokenizer.from_pretrained(place / "huggingface")
        inputs = tokenizer(text, return_tensors="pt", truncation=True)
        ids_BT = inputs["input_ids"]
        own = load_tokenizer(finished.folder / CORPUS / f"vocabulary/{vocabulary}/tokenizer.json")
        assert ids_BT.tolist() == [[BOS, *encode(own, text)][: ours.context]]
        with torch.no_grad():
            expected_BTV, found_BTV = ours(ids_BT), theirs(**inputs).logits
        torch.testing.assert_close(found_BTV, expected_BTV, rtol=0, atol=0 if model == "improved" else 2e-5)
        assert torch.equal(found_BTV.argmax(-1), expected_BTV.argmax(-1))


def test_the_code_in_the_cards_and_in_the_readme_works(finished: Project) -> None:
    """As it stands, from the project's folder."""
    readme, leeme = (code_in(ROOT / name) for name in ("README.md", "LEEME.md"))
    assert readme == leeme
    model = code_in(finished.folder / RESULTS / "models/encyclopedia/improved/seed-1/huggingface/README.md")
    data = code_in(finished.folder / CORPUS / "README.md")
    codes = {"El agua es": readme.replace("results/sample", str(RESULTS)), "En el año 1492,": model, "": data}
    for start, code in codes.items():
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(start)


def code_in(path: Path) -> str:
    """The one block of Python in a Markdown file."""
    _, block = path.read_text(encoding="utf-8").split("```python\n")
    return block.split("```")[0]


def test_every_job_leaves_a_log_and_a_benchmark(finished: Project) -> None:
    logs = {path.relative_to(finished.folder) for path in (finished.folder / "logs").rglob("*.log")}
    benchmarks = {path.relative_to(finished.folder) for path in (finished.folder / "logs").rglob("*.benchmark.tsv")}
    assert len(logs) >= 40
    assert {str(path).removesuffix(".log") for path in logs} == {
        str(path).removesuffix(".benchmark.tsv") for path in benchmarks
    }


def test_results_copied_into_a_fresh_clone_are_up_to_date(finished: Project, empty: Project) -> None:
    for name in ("data/encyclopedia", "results", "logs", ".snakemake"):
        shutil.copytree(finished.folder / name, empty.folder / name, dirs_exist_ok=True)
    for path in (empty.folder / "src").rglob("*.py"):
        path.touch()
    assert empty.planned() == {}
