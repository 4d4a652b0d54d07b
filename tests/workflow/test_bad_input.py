"""Bad input ends with one clear line, and loses nothing that was there."""

import bz2
import re
from pathlib import Path

import pytest

from .conftest import ROOT, Project

DUMP = "config/dump.yaml"


def line_about(output: str, pattern: str) -> str:
    """The only line of the output that matches."""
    lines = [line for line in output.splitlines() if re.search(pattern, line)]
    assert len(lines) == 1, output
    return lines[0]


def export(project: Project) -> Path:
    """The bundled sample as a MediaWiki export."""
    result = project.snakemake("data/encyclopedia/export.xml")
    assert result.returncode == 0, result.stdout
    return project.folder / "data/encyclopedia/export.xml"


def read(project: Project, dump: Path) -> str:
    """Try to read a dump; the output of the failed run."""
    result = project.snakemake("corpus", "--config", f"dump={dump}", overlay=DUMP)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout
    assert not list((project.folder / "data/eswiki/raw").glob("*"))
    return result.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("layers: 4", "layrs: 4", r"models\.improved\.layrs: unknown key; did you mean 'layers'\?"),
        ("  seeds: [1]", "  seeds: [one]", r"run\.seeds\.0: should be .*integer.*; found 'one'"),
        ("paper:\n", "papper:\n", r"papper: unknown key; did you mean 'paper'\?"),
        (
            "vocabulary: bpe",
            "vocabulary: bpee",
            r"models\.improved\.vocabulary: 'bpee' is not defined; did you mean 'bpe'\?",
        ),
    ],
)
def test_a_wrong_config_is_refused_before_the_first_job(empty: Project, old: str, new: str, message: str) -> None:
    empty.edit("config/config.yaml", old, new)
    result = empty.snakemake("all", "--dry-run")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    line_about(result.stdout, message)


def test_a_dump_that_does_not_exist(empty: Project) -> None:
    result = empty.snakemake("corpus", "--config", "dump=nowhere.xml.bz2", overlay=DUMP)
    assert result.returncode != 0
    line_about(result.stdout, r"there is no nowhere\.xml\.bz2; give the path of an export with --config dump=PATH")


def test_no_dump_at_all(empty: Project) -> None:
    result = empty.snakemake("corpus", overlay=DUMP)
    assert result.returncode != 0
    line_about(result.stdout, r"corpora\.eswiki\.path: missing; give it here or with --config dump=PATH")


def test_a_truncated_dump(empty: Project) -> None:
    whole = bz2.compress(export(empty).read_bytes())
    (empty.folder / "short.xml.bz2").write_bytes(whole[: len(whole) // 2])
    line_about(
        read(empty, empty.folder / "short.xml.bz2"),
        r"^miniLLM, read_dump: .*short\.xml\.bz2 ends in the middle, after \d+ pages",
    )


def test_a_dump_with_a_doctype(empty: Project) -> None:
    bomb = '<!DOCTYPE mediawiki [<!ENTITY a "aaaa">]>\n' + export(empty).read_text(encoding="utf-8")
    (empty.folder / "bomb.xml").write_text(bomb, encoding="utf-8")
    line_about(read(empty, empty.folder / "bomb.xml"), r"^miniLLM, read_dump: .*bomb\.xml has a DOCTYPE")


def test_a_page_whose_sha1_lies(empty: Project) -> None:
    text = export(empty).read_text(encoding="utf-8")
    assert "Ajedrez" in text
    lie = text.replace("El '''ajedrez'''", "El '''parchís'''", 1)
    assert lie != text
    (empty.folder / "lie.xml").write_text(lie, encoding="utf-8")
    line_about(
        read(empty, empty.folder / "lie.xml"),
        r"^miniLLM, read_dump: .*page \d+ «Ajedrez»: its text does not match its SHA-1",
    )


@pytest.mark.parametrize(
    ("articles", "message"), [(0, r"there are no \.wiki files in few"), (2, "only 2 distinct articles are left")]
)
def test_too_few_articles(empty: Project, articles: int, message: str) -> None:
    folder = empty.folder / "few"
    folder.mkdir()
    for name in ["Ajedrez.wiki", "Bicicleta.wiki"][:articles]:
        (folder / name).write_bytes((ROOT / "data/sample/articles" / name).read_bytes())
    result = empty.snakemake("corpus", "--config", "corpora={encyclopedia: {path: few}}")
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    line_about(result.stdout, message)


def test_a_folder_without_texts(empty: Project) -> None:
    (empty.folder / "few").mkdir()
    (empty.folder / "few/a.docx").touch()
    result = empty.snakemake("corpus", "--config", "corpora={encyclopedia: {source: texts, path: few}}")
    assert result.returncode != 0
    line_about(result.stdout, r"there are no \.txt or \.md or \.jsonl or \.parquet files in few")


def test_an_empty_corpus_after_filtering(empty: Project) -> None:
    empty.edit("config/config.yaml", "min_characters: 500", "min_characters: 500000")
    result = empty.snakemake("corpus")
    assert result.returncode != 0
    line_about(
        result.stdout,
        r"^miniLLM, select_articles: only 0 distinct articles are left after filtering \(dropped: .*short",
    )


def test_a_failed_stage_keeps_the_earlier_result(copy_of_finished: Project) -> None:
    articles = copy_of_finished.folder / "data/encyclopedia/articles.parquet"
    before = articles.read_bytes()
    copy_of_finished.edit("paper/sections/limites.tex", "\\section{", "\\VAR{no_such_name}\\section{")
    result = copy_of_finished.snakemake("all")
    assert result.returncode != 0
    line_about(result.stdout, r"^miniLLM, render_article: paper/sections/limites\.tex:1: 'no_such_name' is undefined")
    assert articles.read_bytes() == before
