# Which studies can be made, and which files they consist of. Helpers only; the rules are in studies.smk, sentiment.smk
# and inside.smk.

# What is measured of the models of a study, besides its own numbers.
MEASURED = {
    "hello_world": ["causality", "perplexity", "memorisation"],
    "proverbs": ["causality", "perplexity"],
    "shakespeare": ["causality", "perplexity"],
}

for study, settings in SETTINGS.text_studies().items():
    given = SETTINGS.corpora[settings.corpus].path
    if study in SETTINGS.run.studies and given and not Path(given).exists():
        raise WorkflowError(
            f"corpora.{settings.corpus}.path: there is no {given}; mend it or take {study} out of run.studies"
        )


SENTIMENT = SETTINGS.studies.sentiment

if "sentiment" in SETTINGS.run.studies:
    for name in SENTIMENT.data:
        if not Path(name).exists() and (
            name.endswith(".csv") or not HUB_NAME.fullmatch(name)
        ):
            raise WorkflowError(
                f"studies.sentiment.data: there is no {name}; mend it or take sentiment out of run.studies"
            )
    name = SENTIMENT.pretrained
    if (
        name not in SETTINGS.models
        and not Path(name).is_dir()
        and not HUB_NAME.fullmatch(name)
    ):
        raise WorkflowError(
            f"studies.sentiment.pretrained: there is no model and no folder {name}, and no model of the hub is called so"
        )


SENTIMENT_FILES = [
    "messages.csv",
    *expand(
        "{start}/seed-{seed}/{file}.csv",
        start=["pretrained", "untrained"],
        seed=SENTIMENT.seeds,
        file=["history", "predictions"],
    ),
    *expand(
        "model/{file}",
        file=[
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        ],
    ),
    "confusion.csv",
    "sentiment.pdf",
    "sentiment.png",
]


def sentiment_start():
    """The folder, or the name on the hub, of what is fine-tuned."""
    name = SENTIMENT.pretrained
    if name in SETTINGS.pretrained():
        return SETTINGS.models[name].pretrained
    if name in SETTINGS.models:
        return f"results/{RUN}/models/{CORPUS}/{name}/seed-{SEEDS[0]}/huggingface"
    return name


def sentiment_start_files():
    """The files of that folder; a model of the hub has none here."""
    if sentiment_start().startswith(f"results/{RUN}/"):
        return expand(
            "{folder}/{file}",
            folder=sentiment_start(),
            file=[
                "model.safetensors",
                "config.json",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
        )
    return sorted(
        str(path) for path in Path(sentiment_start()).glob("*") if path.is_file()
    )


def sentiment_data_files():
    """The CSV files, or the files of a data set's folder; a data set of the hub has none here."""
    paths = [Path(name) for name in SENTIMENT.data]
    return [
        str(file)
        for path in paths
        for file in ([path] if path.suffix == ".csv" else sorted(path.rglob("*")))
        if file.is_file()
    ]


INSIDE_MODELS = [
    model
    for model in MODELS
    if SETTINGS.models[model].architecture in ("minigpt", "qwen")
    and SETTINGS.models[model].causal
]
INSIDE_FILES = [
    "temperatures.txt",
    *expand("inside_positions.{kind}", kind=["pdf", "png"]),
    *expand(
        "inside_{figure}_{model}.{kind}",
        figure=["architecture", "attention", "embeddings"],
        model=INSIDE_MODELS,
        kind=["pdf", "png"],
    ),
    *expand(
        "{model}/{file}",
        model=INSIDE_MODELS,
        file=[
            "positions.npy",
            "attention.csv",
            "embeddings.csv",
            "architecture.json",
            "facts.json",
            "records.json",
        ],
    ),
]


def of_each_inside(file):
    """A file of each model that is looked into."""
    return expand(
        "results/{run}/studies/inside/{model}/{file}",
        model=INSIDE_MODELS,
        file=file,
        allow_missing=True,
    )


def study_obstacle(study):
    """Why a study cannot be made here, in English for the screen and in Spanish for the article, or None."""
    if study == "sentiment":
        name = SENTIMENT.pretrained
        if name not in SETTINGS.models or name in MODELS:
            return None
        return (
            f"{name} is not among run.models",
            f"el modelo que se ajustaría, {SETTINGS.models[name].title}, no está en esta ejecución",
        )
    if study == "inside":
        if INSIDE_MODELS:
            return None
        return (
            "no causal model of minigpt or qwen runs",
            "ningún modelo de esta ejecución es de los que se dejan mirar",
        )
    path = SETTINGS.source_path(SETTINGS.text_studies()[study].corpus)
    if path is None or Path(path).exists():
        return None
    return (
        f"{path} is not there; snakemake {study} fetches it",
        f"falta su texto, que trae la orden snakemake {study}",
    )


def of_study(study, kind, file):
    """A file of each model of a study: kind is `models` or `metrics`."""
    settings = SETTINGS.text_studies()[study]
    return expand(
        "results/{run}/{kind}/{corpus}/{model}/seed-{seed}/{file}",
        kind=kind,
        corpus=settings.corpus,
        model=settings.models,
        seed=SEEDS[0],
        file=file,
        allow_missing=True,
    )


def titles_of_study(study):
    """How the article calls the models of a study."""
    models = SETTINGS.text_studies()[study].models
    return as_json({model: SETTINGS.models[model].title for model in models})


def drawn_epochs():
    """The epochs at which the weights of the model of proverbs are kept."""
    training = SETTINGS.models[SETTINGS.studies.proverbs.models[0]].training
    every, last = training.evaluate_every, training.steps
    return [*range(every, last + 1, every)] or [last]


def records_of_studies(studies):
    """All numbers of some studies."""
    return [
        path
        for study in studies
        for path in (
            f"results/{{run}}/studies/{study}/records.json",
            *(
                file
                for stage in MEASURED.get(study, [])
                for file in of_study(study, "metrics", f"{stage}.json")
            ),
        )
    ]


def files_of_study(study):
    """Every file that a study leaves for its user."""
    files = {
        "hello_world": [
            "loss_values.txt",
            "loss_plot.pdf",
            "loss_plot.png",
            "generated.txt",
        ],
        "proverbs": [
            "parameters.txt",
            "table.txt",
            "proverbs.txt",
            "epochs.gif",
            "network.pdf",
            "network.png",
            *(f"epoch_{epoch}.png" for epoch in drawn_epochs()),
        ],
        "shakespeare": ["sample.txt", "shakespeare.pdf", "shakespeare.png"],
        "sentiment": SENTIMENT_FILES,
        "inside": INSIDE_FILES,
    }
    own = [*files[study], "study.json"]
    return [
        *expand("results/{run}/studies/{study}/{file}", run=RUN, study=study, file=own),
        *expand(records_of_studies([study]), run=RUN),
    ]


def models_of_studies():
    """The weights of the models that the studies train on texts of their own."""
    return [
        path
        for study in STUDIES
        if study in SETTINGS.text_studies()
        for path in of_study(study, "models", "model.safetensors")
    ]


def figures_of_studies():
    """The figures of the studies, as PDF."""
    return [
        file
        for study in STUDIES
        for file in files_of_study(study)
        if file.endswith(".pdf")
    ]


OBSTACLES = {study: study_obstacle(study) for study in SETTINGS.run.studies}
STUDIES = [study for study, obstacle in OBSTACLES.items() if obstacle is None]
LEFT_OUT = {study: obstacle for study, obstacle in OBSTACLES.items() if obstacle}


onstart:
    for study, (reason, _) in LEFT_OUT.items():
        print(
            f"The study {study} is no part of this run: {reason}", file=sys.stderr
        )
