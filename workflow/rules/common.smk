# The validated settings, and which files exist for which models; used by all the other files.
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Jobs run the Python that runs Snakemake, whether or not its environment has been activated.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
)

from minillm.closure import code
from minillm.settings import ConfigError, as_json, load_settings

try:
    SETTINGS = load_settings(config)
except ConfigError as error:
    raise WorkflowError(str(error))

RUN = SETTINGS.run.name
CORPUS = SETTINGS.run.corpus
MODELS = SETTINGS.run.models
SEEDS = SETTINGS.run.seeds
HAS_TEX = subprocess.run(["./system-packages.sh", "check"]).returncode == 0

MARKS = {
    "xz": "compresor xz",
    **{
        f"unigram-{name}": f"unigrama ({vocabulary.title})"
        for name, vocabulary in SETTINGS.vocabularies.items()
    },
}
TITLES = as_json({model: SETTINGS.models[model].title for model in MODELS})

FIGURES = ["training", "comparison", "bias", "leak", "bleu", "latency"]

SOURCE = Path(SETTINGS.source_path(CORPUS))
if not SOURCE.exists():
    raise WorkflowError(
        f"corpora.{CORPUS}.path: there is no {SOURCE}; give the path of an export with --config dump=PATH"
    )

ENDINGS = {"wikitext": [".wiki"], "texts": [".txt", ".jsonl", ".parquet"]}


def source_files(corpus):
    """The files that a corpus of wikitext or texts is read from, in order of name."""
    path = Path(SETTINGS.source_path(corpus))
    return [
        file
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if file.suffix in ENDINGS[SETTINGS.corpora[corpus].source]
    ]


if SETTINGS.corpora[CORPUS].source in ENDINGS and not source_files(CORPUS):
    endings = " or ".join(ENDINGS[SETTINGS.corpora[CORPUS].source])
    raise WorkflowError(
        f"corpora.{CORPUS}.path: there are no {endings} files in {SOURCE}"
    )


def corpora_of(*sources):
    """A pattern that matches the corpora of these sources."""
    names = [
        name for name, corpus in SETTINGS.corpora.items() if corpus.source in sources
    ]
    return "|".join(names) or "(?!)"


def shards(pattern):
    """The pattern's paths, one for each shard of the corpus in the wildcards."""
    return lambda wildcards: expand(
        pattern,
        corpus=wildcards.corpus,
        shard=range(SETTINGS.corpora[wildcards.corpus].shards),
    )


def exports(wildcards):
    """The export that a corpus is read from: given, or made from wikitext files."""
    if SETTINGS.corpora[wildcards.corpus].source == "wikitext":
        return f"data/{wildcards.corpus}/export.xml"
    return SETTINGS.source_path(wildcards.corpus)


def with_vocabulary(pattern):
    """The pattern's path with the vocabulary of the model in the wildcards."""
    return lambda wildcards: expand(
        pattern,
        corpus=wildcards.corpus,
        vocabulary=SETTINGS.models[wildcards.model].vocabulary,
    )


def of_each_model(pattern):
    """The pattern's paths, one for each model and seed of the run."""
    return expand(pattern, run=RUN, corpus=CORPUS, model=MODELS, seed=SEEDS)


def vocabularies_of_the_run():
    """The vocabularies that the run's models use, in order of name."""
    return sorted({SETTINGS.models[model].vocabulary for model in MODELS})


def tokens_of_all_models():
    """The encoded splits that the run's models read."""
    return expand(
        "data/{corpus}/tokens/{vocabulary}/{split}.npy",
        corpus=CORPUS,
        vocabulary=vocabularies_of_the_run(),
        split=["train", "validation"],
    )


def article_files():
    """What the article consists of on this machine: without TeX there is no PDF, and article.zip is the result."""
    files = [f"results/{RUN}/paper/article.zip"]
    if HAS_TEX:
        files += [
            f"results/{RUN}/paper/article.pdf",
            f"results/{RUN}/paper/article-checks.json",
        ]
    return files


def results_of_the_run():
    """Every file that a finished run leaves for its user."""
    corpus = [
        "articles.parquet",
        "selection.json",
        *(
            f"vocabulary/{vocabulary}/{file}"
            for vocabulary in vocabularies_of_the_run()
            for file in ("tokenizer.json", "statistics.json")
        ),
    ]
    model = [
        "model.safetensors",
        "config.json",
        "history.csv",
        "timing.csv",
        "outcome.json",
    ]
    stages = [
        "causality",
        "causality-verdict",
        "perplexity",
        "bias",
        "bleu",
        "bleu-texts",
        "cost",
        "generations",
    ]
    metrics = [
        *(f"{stage}.json" for stage in stages),
        "documents.csv",
        "token_counts.csv",
    ]
    tables = ["metrics.csv", "cost.csv", "checks.json", "provenance.json"]
    return [
        *expand("data/{corpus}/{file}", corpus=CORPUS, file=corpus),
        *expand(
            of_each_model("results/{run}/models/{corpus}/{model}/seed-{seed}/{{file}}"),
            file=model,
        ),
        *expand(
            of_each_model(
                "results/{run}/metrics/{corpus}/{model}/seed-{seed}/{{file}}"
            ),
            file=metrics,
        ),
        *expand("results/{run}/{file}", run=RUN, file=tables),
        *figures_of_the_run(),
        *article_files(),
    ]


def figures_of_the_run():
    """The figures, as PDF and PNG."""
    return expand(
        "results/{run}/figures/{figure}.{kind}",
        run=RUN,
        figure=FIGURES,
        kind=["pdf", "png"],
    )


def gpus(device):
    """How many GPUs a job with this device setting uses: asking for one on a machine without would queue CPU jobs."""
    return int(
        device == "cuda"
        or (device == "auto" and shutil.which("nvidia-smi") is not None)
    )


def article_settings():
    """The settings that the article prints or chooses words by."""
    corpus = SETTINGS.corpora[CORPUS]
    return as_json(
        {
            "run": RUN,
            "seeds": SEEDS,
            "paper": SETTINGS.paper.model_dump(),
            "corpus": {"name": CORPUS, **corpus.model_dump(mode="json")},
            "models": {
                model: {
                    "title": SETTINGS.models[model].title,
                    "vocabulary": SETTINGS.models[model].vocabulary,
                }
                for model in MODELS
            },
            "vocabularies": {
                name: vocabulary.title
                for name, vocabulary in SETTINGS.vocabularies.items()
            },
            "marks": MARKS,
            "bleu": SETTINGS.evaluation.bleu.model_dump(),
            "temperature": SETTINGS.evaluation.generation.temperature,
        }
    )
