# The validated settings, and which files exist for which models; used by all the other files.
import os
import re
import shlex
import shutil
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

from snakemake.exceptions import WorkflowError

from minillm.closure import code
from minillm.corpus.read_multistream import index_beside
from minillm.model.config import HUB_NAME, export_obstacle
from minillm.paper.templates import layered
from minillm.settings import UNCLEANED, ConfigError, as_json, load_settings

try:
    SETTINGS = load_settings(config)
except ConfigError as error:
    raise WorkflowError(str(error))

# Jobs run the Python that runs Snakemake, whether or not its environment has been activated. The contact is no parameter
# of a rule: another person's address is no reason to download again.
shell.prefix(
    f"set -euo pipefail; export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
    f" CONTACT={shlex.quote(SETTINGS.contact or '')}; "
)

RUN = SETTINGS.run.name
CORPUS = SETTINGS.run.corpus
MODELS = SETTINGS.run.models
TRAINED = [model for model in MODELS if model not in SETTINGS.pretrained()]
EXPORTED = [
    model for model in MODELS if export_obstacle(SETTINGS.models[model]) is None
]
SEEDS = SETTINGS.run.seeds
HAS_TEX = subprocess.run(["./system-packages.sh", "check"]).returncode == 0

MARKS = {
    "xz": "compresor xz",
    **{
        f"{mark}-{name}": f"{of_the_mark} ({title})"
        for mark, of_the_mark in (("unigram", "unigrama"), ("ngram", "n-gramas"))
        for name, title in SETTINGS.vocabulary_titles().items()
    },
}
TITLES = as_json({model: SETTINGS.models[model].title for model in MODELS})

FIGURES = ["comparison", "bias", "leak", "reliability", "bleu", "novelty", "latency"]
if TRAINED:
    FIGURES = ["training", *FIGURES]

# What the report calls the figures of the rules that draw several, and the studies.
FIGURE_TITLES = {
    "bias": "Sesgo de recuentos",
    "leak": "Perplejidad en paralelo y paso a paso",
    "bleu": "BLEU entre suelo y techo",
    "novelty": "Novedad",
    "latency": "Latencia",
    "architecture": "Arquitectura",
    "attention": "Atención",
    "embeddings": "Embeddings",
}
STUDY_TITLES = {
    "hello_world": "Hola mundo",
    "proverbs": "Refranes",
    "shakespeare": "Shakespeare",
    "sentiment": "Sentimiento",
    "inside": "El interior de los modelos",
}

# The article's files by their path in its folder: one's own come before the scaffold's, and these before ours.
SCAFFOLD = "paper/scaffold"
PAPER_FOLDERS = [
    *([SETTINGS.paper.dir] if SETTINGS.paper.dir else []),
    *([SCAFFOLD] if SETTINGS.paper.scaffold else []),
    "paper",
]
if not Path(PAPER_FOLDERS[0]).is_dir():
    raise WorkflowError(
        f"paper.dir: there is no folder {SETTINGS.paper.dir}; make it and put the files there that take the place of"
        " those of paper/, or correct its name"
    )
PAPER_FILES = {
    name: str(path) for name, path in layered(list(map(Path, PAPER_FOLDERS))).items()
}

DOWNLOADS = set(map(SETTINGS.download_path, SETTINGS.datasets))


def lists_to_fetch(corpus):
    """The files that name what is downloaded, by the key that gives them."""
    fetch = SETTINGS.corpora[corpus].fetch
    lists = {"fetch.titles": fetch.titles, "fetch.lock": fetch.lock}
    return {key: path for key, path in lists.items() if path is not None}


if SETTINGS.corpora[CORPUS].source == "api":
    for key, path in lists_to_fetch(CORPUS).items():
        if not Path(path).exists():
            raise WorkflowError(f"corpora.{CORPUS}.{key}: there is no {path}")
        if Path(path).resolve() == Path(f"data/{CORPUS}/corpus.lock.csv").resolve():
            raise WorkflowError(
                f"corpora.{CORPUS}.{key}: the download itself writes {path}; copy it to another place"
            )
elif (
    SETTINGS.source_path(CORPUS) not in DOWNLOADS
    and not Path(SETTINGS.source_path(CORPUS)).exists()
):
    raise WorkflowError(
        f"corpora.{CORPUS}.path: there is no {SETTINGS.source_path(CORPUS)}; give the path of an export with"
        " --config dump=PATH"
    )

for path in SETTINGS.evaluation.gender_pairs:
    if not Path(path).exists():
        raise WorkflowError(f"evaluation.gender_pairs: there is no {path}")

ENDINGS = {"wikitext": [".wiki"], "texts": [".txt", ".md", ".jsonl", ".parquet"]}


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
        f"corpora.{CORPUS}.path: there are no {endings} files in {SETTINGS.source_path(CORPUS)}"
    )


def one_of(names):
    """A pattern that matches these names, and nothing if there are none."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


def corpora_of(*sources):
    """A pattern that matches the corpora of these sources."""
    return one_of(
        name for name, corpus in SETTINGS.corpora.items() if corpus.source in sources
    )


def small_text(wildcards):
    """The text file that a study's corpus is made of."""
    if SETTINGS.corpora[wildcards.corpus].source == "phrase":
        return f"data/{wildcards.corpus}/lines.txt"
    return SETTINGS.source_path(wildcards.corpus)


def index_of(corpus):
    """The index of a multistream dump, given or beside it, or None."""
    source, path = SETTINGS.corpora[corpus].source, SETTINGS.source_path(corpus)
    if source != "dump" or path is None:
        return None
    return SETTINGS.corpora[corpus].index or index_beside(Path(path))


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


def siteinfo(wildcards):
    """What the wiki of a corpus says of itself; texts are on no wiki."""
    is_text = SETTINGS.corpora[wildcards.corpus].source == "texts"
    return [] if is_text else f"data/{wildcards.corpus}/siteinfo.json"


def dropped_sections(corpus):
    """The option that replaces the language's list of sections to leave out, if the config does."""
    titles = SETTINGS.corpora[corpus].dropped_sections
    return [] if titles is None else ["--dropped-sections", *titles]


def module_file(model):
    """The Python file that a model's class is in, as a list; most models have none."""
    place = getattr(SETTINGS.models[model], "module", None)
    return [] if place is None else [place.rpartition(":")[0]]


def code_with_model(stage):
    """The code of a stage that builds the model in the wildcards, the user's own file included."""
    return lambda wildcards: code(stage) + module_file(wildcards.model)


def keeps_snapshots(model):
    """Whether the training of a model keeps the weights at each measurement."""
    return (
        model not in SETTINGS.pretrained() and SETTINGS.models[model].training.snapshots
    )


def pretrained_files(model):
    """The files of a pretrained model's folder; a model of the hub has none here."""
    folder = Path(SETTINGS.models[model].pretrained)
    return sorted(str(path) for path in folder.glob("*") if path.is_file())


def context_of(model):
    """The option that sets the context of a pretrained model, if the config does."""
    context = SETTINGS.models[model].context
    return [] if context is None else ["--context", context]


for model in MODELS:
    for file in module_file(model):
        if not Path(file).is_file():
            raise WorkflowError(f"models.{model}.module: there is no {file}")
    if model in SETTINGS.pretrained():
        named = SETTINGS.models[model].pretrained
        if not Path(named).is_dir() and not HUB_NAME.fullmatch(named):
            raise WorkflowError(
                f"models.{model}.pretrained: there is no folder {named}, and no model of the hub is called so"
            )


def with_vocabulary(pattern):
    """The pattern's path with the vocabulary of the model in the wildcards."""
    return lambda wildcards: expand(
        pattern,
        corpus=wildcards.corpus,
        vocabulary=SETTINGS.vocabulary_of(wildcards.model),
    )


def of_each_model(pattern, models=MODELS):
    """The pattern's paths, one for each model and seed of the run."""
    return expand(pattern, run=RUN, corpus=CORPUS, model=models, seed=SEEDS)


def vocabularies_of_the_run(models=MODELS):
    """The vocabularies that the run's models use, in order of name."""
    return sorted(set(map(SETTINGS.vocabulary_of, models)))


def tokens_of_all_models():
    """The encoded splits that the run's models are trained on."""
    return expand(
        "data/{corpus}/tokens/{vocabulary}/{split}.npy",
        corpus=CORPUS,
        vocabulary=vocabularies_of_the_run(TRAINED),
        split=["train", "validation"],
    )


def measured(setting):
    """A setting of how the models of the corpus in the wildcards are measured, named from `evaluation` on."""
    return lambda wildcards: attrgetter(setting)(SETTINGS.measured(wildcards.corpus))


def article_files():
    """What the article consists of on this machine: without TeX there is no PDF, and article.zip is the result."""
    files = [f"results/{RUN}/paper/article.zip", f"results/{RUN}/paper/values.md"]
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
        "attribution.csv",
        "README.md",
        *(["corpus.lock.csv"] if SETTINGS.corpora[CORPUS].source == "api" else []),
        *(
            f"vocabulary/{vocabulary}/{file}"
            for vocabulary in vocabularies_of_the_run()
            for file in ("tokenizer.json", "statistics.json")
        ),
    ]
    model = ["model.safetensors", "config.json", "tokenizer.json"]
    training = ["history.csv", "timing.csv", "outcome.json"]
    export = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "README.md",
    ]
    stages = [
        "causality",
        "causality-verdict",
        "perplexity",
        "bias",
        "calibration",
        "gender_pairs",
        "continuations",
        "bleu",
        "bleu-signatures",
        "repetition",
        "memorisation",
        "copies",
        "cost",
        "machine",
        "generations",
    ]
    metrics = [
        *(f"{stage}.json" for stage in stages),
        "documents.csv",
        "token_counts.csv",
        "confidences.parquet",
        "reliability.csv",
        "gender_pairs.csv",
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
                "results/{run}/models/{corpus}/{model}/seed-{seed}/{{file}}", TRAINED
            ),
            file=training,
        ),
        *expand(
            of_each_model(
                "results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/{{file}}",
                EXPORTED,
            ),
            file=export,
        ),
        *expand(
            of_each_model(
                "results/{run}/metrics/{corpus}/{model}/seed-{seed}/{{file}}"
            ),
            file=metrics,
        ),
        *expand(
            "results/{run}/metrics/{corpus}/{file}.json",
            run=RUN,
            corpus=CORPUS,
            file=[
                "overlap",
                *(f"scale-{vocabulary}" for vocabulary in vocabularies_of_the_run()),
            ],
        ),
        *expand("results/{run}/{file}", run=RUN, file=tables),
        *figures_of_the_run(),
        *(file for study in STUDIES for file in files_of_study(study)),
        *([f"results/{RUN}/studies/metrics.csv"] if STUDIES else []),
        *article_files(),
    ]


def texts_of_study(study):
    """The text files that a study leaves for its user."""
    return [file for file in files_of_study(study) if file.endswith(".txt")]


def report_pages():
    """The pages that are made for the report alone."""
    pages = ["corpus", "metrics", "checks", "provenance"]
    pages += [f"study-{study}" for study in STUDIES if texts_of_study(study)]
    pages += ["study-metrics"] if STUDIES else []
    return [
        *expand("results/{run}/report/{page}.html", run=RUN, page=pages),
        *of_each_model("results/{run}/report/texts-{model}-{seed}.html"),
        *of_each_model("results/{run}/report/history-{model}-{seed}.html", TRAINED),
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


def corpus_settings(corpus):
    """The settings of a corpus, with its name: plain values."""
    return {"name": corpus, **SETTINGS.corpora[corpus].model_dump(mode="json")}


def article_templates():
    """The files that the article is written in, and whatever else is in a folder of one's own."""
    others = ("README.md", "model-card.md", "data-card.md")
    return [
        path
        for name, path in PAPER_FILES.items()
        if name not in others and not name.startswith("scaffold/")
    ]


def own_figures():
    """The pictures in a folder of one's own."""
    return [
        path for path in article_templates() if path.endswith((".pdf", ".png", ".jpg"))
    ]


def unwritten_sections():
    """The sections of the scaffold that nobody has written yet."""
    return [name for name, path in PAPER_FILES.items() if path == f"{SCAFFOLD}/{name}"]


def card_settings(model):
    """The settings that a model's card prints or chooses words by."""
    vocabulary = SETTINGS.vocabulary_of(model)
    return as_json(
        {
            "run": RUN,
            "seeds": SEEDS,
            "title": SETTINGS.models[model].title,
            "vocabulary": {
                "name": vocabulary,
                "title": SETTINGS.vocabularies[vocabulary].title,
            },
            "corpus": corpus_settings(CORPUS),
            "prompt": SETTINGS.evaluation.generation.prompts[0],
        }
    )


def article_settings():
    """The settings that the article prints or chooses words by."""
    return as_json(
        {
            "run": RUN,
            "seeds": SEEDS,
            "paper": SETTINGS.paper.model_dump(exclude={"dir"}),
            "unwritten": unwritten_sections(),
            "corpus": corpus_settings(CORPUS),
            "models": {
                model: {
                    "title": SETTINGS.models[model].title,
                    "vocabulary": SETTINGS.vocabulary_of(model),
                }
                for model in MODELS
            },
            "vocabularies": SETTINGS.vocabulary_titles(),
            "marks": MARKS,
            "continuations": SETTINGS.evaluation.continuations.model_dump(),
            "temperature": SETTINGS.evaluation.generation.temperature,
            "left_out": {study: reason for study, (_, reason) in LEFT_OUT.items()},
        }
    )
