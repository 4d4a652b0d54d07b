"""What a rule lists as its code: all that the stage runs, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from minillm.closure import code

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the project's root, where Snakemake runs."""
    monkeypatch.chdir(ROOT)


def test_cleaning_depends_on_the_renderer_and_its_data() -> None:
    files = code("minillm.corpus.clean_articles")
    for name in (
        "corpus/clean_articles",
        "corpus/wikitext",
        "corpus/templates",
        "corpus/tables",
        "stage",
        "text",
        "files",
    ):
        assert f"src/minillm/{name}.py" in files
    assert "src/minillm/corpus/wiki_es.toml" in files
    assert "src/minillm/corpus/select_articles.py" not in files
    others = ("evaluation", "figures", "model", "paper", "training", "vocabulary", "settings")
    assert not [file for file in files if file.startswith(tuple(f"src/minillm/{other}" for other in others))]


@pytest.mark.parametrize("stage", ["vocabulary.build_vocabulary", "vocabulary.encode_split", "corpus.select_articles"])
def test_a_stage_that_reads_no_wikitext_does_not_depend_on_its_data(stage: str) -> None:
    """These read tables, of the same package as the data."""
    files = code(f"minillm.{stage}")
    assert "src/minillm/corpus/tables.py" in files
    assert not [file for file in files if file.endswith(".toml")]


@pytest.mark.parametrize("stage", ["corpus.clean_articles", "corpus.write_export", "vocabulary.encode_split"])
def test_the_closure_is_what_the_interpreter_loads(stage: str) -> None:
    program = (
        f"import sys, minillm.{stage}\n"
        "for name, module in sys.modules.items():\n"
        "    if name.startswith('minillm.') and not hasattr(module, '__path__'):\n"
        "        print(module.__file__)\n"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    modules = {str(Path(file).relative_to(ROOT)) for file in loaded.splitlines()}
    listed = {file for file in code(f"minillm.{stage}") if file.endswith(".py") and not file.endswith("__init__.py")}
    assert listed == modules


def test_the_list_is_sorted_relative_and_of_files_that_exist() -> None:
    files = code("minillm.training.train_model")
    assert files == sorted(set(files))
    assert all(not Path(file).is_absolute() and Path(file).is_file() for file in files)
    assert "src/minillm/model/minigpt.py" in files
    assert "src/minillm/model/qwen.py" in files
    assert not [file for file in files if "/evaluation/" in file or "/figures/" in file]


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(ValueError, match=r"no module minillm\.corpus\.cook in src"):
        code("minillm.corpus.cook")


def test_the_corpus_the_settings_the_figures_and_the_article_do_without_torch() -> None:
    """Every module of these packages is imported where importing torch is an error."""
    program = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['torch'] = None\n"
        "import minillm, minillm.corpus, minillm.figures, minillm.paper\n"
        "importlib.import_module('minillm.corpus.clean_articles')\n"
        "for package in (minillm.corpus, minillm.figures, minillm.paper):\n"
        "    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "for name in ('settings', 'closure', 'results'):\n"
        "    importlib.import_module(f'minillm.{name}')\n"
        "print(sum(name.startswith('minillm.corpus.') for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 7


@pytest.mark.parametrize("stage", ["corpus.clean_articles", "evaluation.summary", "evaluation.scale"])
def test_what_needs_no_torch_does_not_load_it(stage: str) -> None:
    program = f"import sys, minillm.{stage}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("stage", ["evaluation.summary", "evaluation.scale"])
def test_what_needs_no_torch_does_not_depend_on_models(stage: str) -> None:
    files = code(f"minillm.{stage}")
    assert "src/minillm/evaluation/sums.py" in files
    assert "src/minillm/evaluation/perplexity.py" not in files
    assert not [file for file in files if file.startswith(("src/minillm/model/", "src/minillm/training/"))]
