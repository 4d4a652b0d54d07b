# Paper: from numbers, texts and figures to the compiled and checked article, and the cards of models and corpus.
# Reads: paper/ and result files. Writes: results/<run>/provenance.json, paper/ and manifest.json, and README.md beside
# the articles and each exported model.


rule write_provenance:
    """Write down configuration, code, data, models and versions, and one digest of all of it."""
    input:
        code=sorted(
            str(path)
            for pattern in (
                "src/**/*.py",
                "src/**/*.toml",
                "workflow/**/*.smk",
                "workflow/Snakefile",
            )
            for path in Path().glob(pattern)
        )
        + [file for model in MODELS for file in module_file(model)],
        data=expand(
            [
                "data/{corpus}/articles.parquet",
                "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json",
            ],
            corpus=CORPUS,
            vocabulary=vocabularies_of_the_run(),
        ),
        models=of_each_model(
            "results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors"
        )
        + models_of_studies(),
    output:
        provenance="results/{run}/provenance.json",
    log:
        "logs/{run}/write_provenance.log",
    benchmark:
        "logs/{run}/write_provenance.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        # Where a dump or one's own text lies does not matter, and the operator's address is not published.
        config=as_json(
            SETTINGS.model_copy(
                update={
                    "dump": None,
                    "contact": None,
                    "paper": SETTINGS.paper.model_copy(update={"dir": None}),
                }
            )
        ),
    shell:
        "python -m minillm.paper.provenance --config {params.config:q} --code {input.code:q} --data {input.data:q}"
        " --models {input.models:q} --output {output.provenance:q} 2> {log:q}"


# What the article tells, and the options that pass it on.
RESULTS_TOLD = {
    "metrics": "results/{run}/metrics.csv",
    "cost": "results/{run}/cost.csv",
    "checks": "results/{run}/checks.json",
    "selection": f"data/{CORPUS}/selection.json",
    "statistics": expand(
        "data/{corpus}/vocabulary/{vocabulary}/statistics.json",
        corpus=CORPUS,
        vocabulary=vocabularies_of_the_run(),
    ),
    "descriptions": of_each_model(
        "results/{run}/models/{corpus}/{model}/seed-{seed}/config.json"
    ),
    "outcomes": of_each_model(
        "results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json", TRAINED
    ),
    "generations": of_each_model(
        "results/{run}/metrics/{corpus}/{model}/seed-{seed}/generations.json"
    ),
    "copies": of_each_model(
        "results/{run}/metrics/{corpus}/{model}/seed-{seed}/copies.json"
    ),
    "machine": f"results/{{run}}/metrics/{CORPUS}/{MODELS[0]}/seed-{SEEDS[0]}/machine.json",
    "provenance": "results/{run}/provenance.json",
    "studies": expand(
        "results/{run}/studies/{study}/study.json", study=STUDIES, allow_missing=True
    ),
    "study_metrics": ["results/{run}/studies/metrics.csv"] if STUDIES else [],
}
OPTIONS_TOLD = (
    " --settings {params.settings:q} --metrics {input.metrics:q} {input.cost:q} --checks {input.checks:q}"
    " --selection {input.selection:q} --statistics {input.statistics:q} --descriptions {input.descriptions:q}"
    " --outcomes {input.outcomes:q} --generations {input.generations:q} --copies {input.copies:q}"
    " --machine {input.machine:q} --provenance {input.provenance:q} --studies {input.studies:q}"
    " --study-metrics {input.study_metrics:q}"
)


rule render_article:
    """Fill the article's templates with the results and pack the LaTeX sources into one zip file."""
    input:
        **RESULTS_TOLD,
        templates=article_templates(),
        bibliography=PAPER_FILES["references.bib"],
        figures=expand(
            "results/{run}/figures/{figure}.pdf", figure=FIGURES, allow_missing=True
        )
        + figures_of_studies()
        + own_figures(),
        code=code("minillm.paper.render_article"),
    output:
        article="results/{run}/paper/article.tex",
        bundle=report(
            "results/{run}/paper/article.zip",
            caption="../report/bundle.rst",
            category="Artículo",
            labels={"contenido": "Fuentes LaTeX (se descargan)"},
        ),
        numbers="results/{run}/paper/numbers.json",
    log:
        "logs/{run}/render_article.log",
    benchmark:
        "logs/{run}/render_article.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        folders=PAPER_FOLDERS,
        settings=article_settings(),
    shell:
        "python -m minillm.paper.render_article --templates {params.folders:q} --bibliography {input.bibliography:q}"
        f" --figures {{input.figures:q}}{OPTIONS_TOLD}"
        " --article {output.article:q} --bundle {output.bundle:q} --numbers {output.numbers:q} 2> {log:q}"


rule list_values:
    """List every name that the article's templates know, with its value: what to write in a text of one's own."""
    input:
        **RESULTS_TOLD,
        code=code("minillm.paper.list_values"),
    output:
        values="results/{run}/paper/values.md",
    log:
        "logs/{run}/list_values.log",
    benchmark:
        "logs/{run}/list_values.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=article_settings(),
    shell:
        "python -m minillm.paper.list_values"
        + OPTIONS_TOLD
        + " --output {output.values:q} 2> {log:q}"


rule compile_article:
    """Compile the article's zip file with LaTeX, in a folder of its own and without a shell."""
    input:
        bundle="results/{run}/paper/article.zip",
        code=code("minillm.paper.compile"),
    output:
        pdf=report(
            "results/{run}/paper/article.pdf",
            caption="../report/article.rst",
            category="Artículo",
            labels={"contenido": "El artículo (PDF)"},
        ),
        latex_log="results/{run}/paper/article.log",
        bibtex_log="results/{run}/paper/article.blg",
        files_read="results/{run}/paper/article.fls",
    log:
        "logs/{run}/compile_article.log",
    benchmark:
        "logs/{run}/compile_article.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.paper.compile --bundle {input.bundle:q} --pdf {output.pdf:q}"
        " --latex-log {output.latex_log:q} 2> {log:q}"


rule check_article:
    """Read the article back: sources, fonts, pictures, language, references, and every number that was printed."""
    input:
        pdf="results/{run}/paper/article.pdf",
        latex_log="results/{run}/paper/article.log",
        bibtex_log="results/{run}/paper/article.blg",
        files_read="results/{run}/paper/article.fls",
        bundle="results/{run}/paper/article.zip",
        numbers="results/{run}/paper/numbers.json",
        sections=[
            path
            for name, path in PAPER_FILES.items()
            if name.startswith(("sections/", "floats/")) and name.endswith(".tex")
        ],
        code=code("minillm.paper.check"),
    output:
        checks="results/{run}/paper/article-checks.json",
    log:
        "logs/{run}/check_article.log",
    benchmark:
        "logs/{run}/check_article.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        strict=SETTINGS.paper.strict,
        max_pages=(
            ["--max-pages", SETTINGS.paper.max_pages]
            if SETTINGS.paper.max_pages
            else []
        ),
    shell:
        "python -m minillm.paper.check --pdf {input.pdf:q} --latex-log {input.latex_log:q} --bundle {input.bundle:q}"
        " --numbers {input.numbers:q} --sections {input.sections:q} --strict {params.strict:q} {params.max_pages:q}"
        " --output {output.checks:q} 2> {log:q}"


rule write_model_card:
    """Describe an exported model: how to load it, what it learnt from, how good it is, whether it leaks."""
    input:
        template=PAPER_FILES["model-card.md"],
        metrics="results/{run}/metrics.csv",
        checks="results/{run}/checks.json",
        verdict="results/{run}/metrics/{corpus}/{model}/seed-{seed}/causality-verdict.json",
        selection="data/{corpus}/selection.json",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        outcome="results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json",
        code=code("minillm.paper.model_card"),
    output:
        card="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/README.md",
    log:
        "logs/{run}/{corpus}/{model}/write_model_card-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/write_model_card-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=lambda wildcards: card_settings(wildcards.model),
    shell:
        "python -m minillm.paper.model_card --template {input.template:q} --settings {params.settings:q}"
        " --model {wildcards.model:q} --seed {wildcards.seed:q} --metrics {input.metrics:q} --checks {input.checks:q}"
        " --verdict {input.verdict:q} --selection {input.selection:q} --description {input.description:q}"
        " --outcome {input.outcome:q} --output {output.card:q} 2> {log:q}"


rule write_data_card:
    """Describe a corpus: where its articles come from, which were kept and why, and whose they are."""
    input:
        template=PAPER_FILES["data-card.md"],
        selection="data/{corpus}/selection.json",
        code=code("minillm.paper.data_card"),
    output:
        card="data/{corpus}/README.md",
    log:
        "logs/{corpus}/write_data_card.log",
    benchmark:
        "logs/{corpus}/write_data_card.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        corpus=lambda wildcards: as_json(corpus_settings(wildcards.corpus)),
    shell:
        "python -m minillm.paper.data_card --template {input.template:q} --corpus {params.corpus:q}"
        " --selection {input.selection:q} --output {output.card:q} 2> {log:q}"


rule write_manifest:
    """List the files of the run with their SHA-256, and say which hold measured times or memory."""
    input:
        files=results_of_the_run(),
        code=code("minillm.paper.manifest"),
    output:
        manifest="results/{run}/manifest.json",
    log:
        "logs/{run}/write_manifest.log",
    benchmark:
        "logs/{run}/write_manifest.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.paper.manifest --files {input.files:q} --output {output.manifest:q} 2> {log:q}"
