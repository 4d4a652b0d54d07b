"""What runs again after a change: all that depends on it, and nothing else."""

from .conftest import Project

PAPER = {"render_article", "compile_article", "check_article", "write_manifest"}


def test_a_sentence_of_the_paper_remakes_the_paper_alone(copy_of_finished: Project) -> None:
    copy_of_finished.edit("paper/sections/limites.tex", "Los modelos son pequeños", "Son modelos pequeños")
    assert set(copy_of_finished.planned()) <= PAPER
    assert copy_of_finished.planned()["render_article"] == 1


def test_cleaning_code_reruns_from_cleaning(copy_of_finished: Project) -> None:
    copy_of_finished.edit("src/minillm/corpus/wikitext.py", '"""', '"""Changed. ')
    planned = copy_of_finished.planned()
    assert {"clean_articles", "select_articles", "build_vocabulary", "train_model", "audit_causality"} <= set(planned)
    assert not {"write_export", "read_dump"} & set(planned)


def test_figure_code_reruns_no_cleaning_and_no_training(copy_of_finished: Project) -> None:
    copy_of_finished.edit("src/minillm/figures/style.py", '"""', '"""Changed. ')
    planned = set(copy_of_finished.planned())
    plots = {"plot_training", "plot_comparison", "plot_reliability", "plot_metrics"}
    assert plots <= planned
    assert planned <= {*plots, "write_provenance", "list_values", *PAPER}


def test_a_learning_rate_retrains_that_model_alone(copy_of_finished: Project) -> None:
    copy_of_finished.edit("config/config.yaml", "learning_rate: 5.0e-3", "learning_rate: 2.0e-3")
    planned = copy_of_finished.planned()
    assert planned["train_model"] == 1
    assert planned["audit_causality"] == 1
    assert not {"clean_articles", "build_vocabulary", "encode_split"} & set(planned)


def test_touching_every_source_reruns_nothing(copy_of_finished: Project) -> None:
    for folder in ("src", "paper", "data/sample"):
        for path in (copy_of_finished.folder / folder).rglob("*.*"):
            path.touch()
    assert copy_of_finished.planned() == {}


def test_a_deleted_result_is_remade_alone(copy_of_finished: Project) -> None:
    (copy_of_finished.folder / "results/smoke/figures/leak.pdf").unlink()
    planned = copy_of_finished.planned()
    assert planned["plot_metrics"] == 1
    assert "train_model" not in planned


def test_two_runs_give_the_same_bytes(finished: Project, empty: Project) -> None:
    result = empty.snakemake("evaluate", "figures", "--cores", "1")
    assert result.returncode == 0, result.stdout
    compared = 0
    for pattern in ("data/encyclopedia/**/*", "results/smoke/**/*"):
        for path in sorted(empty.folder.glob(pattern)):
            name = path.relative_to(empty.folder)
            if path.is_file() and path.name not in (
                "timing.csv",
                "cost.json",
                "cost.csv",
                "latency.pdf",
                "latency.png",
            ):
                assert path.read_bytes() == (finished.folder / name).read_bytes(), name
                compared += 1
    assert compared > 60
