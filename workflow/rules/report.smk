# Report: what the run made, as pages to read and one self-contained HTML file to browse.
# Reads: result files and workflow/report/. Writes: results/<run>/report/*.html and results/<run>/report.html.


rule write_corpus_page:
    """Show the splits of the corpus, what was dropped and how the vocabularies cover it."""
    input:
        template="workflow/report/corpus.html",
        base="workflow/report/page.html",
        selection=f"data/{CORPUS}/selection.json",
        statistics=expand(
            "data/{corpus}/vocabulary/{vocabulary}/statistics.json",
            corpus=CORPUS,
            vocabulary=vocabularies_of_the_run(),
        ),
        code=code("minillm.report.corpus_page"),
    output:
        page=report(
            "results/{run}/report/corpus.html",
            caption="../report/corpus.rst",
            category="Datos",
            labels={"contenido": "Corpus y vocabularios"},
        ),
    log:
        "logs/{run}/report/write_corpus_page.log",
    benchmark:
        "logs/{run}/report/write_corpus_page.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        corpus=as_json(corpus_settings(CORPUS)),
    shell:
        "python -m minillm.report.corpus_page --template {input.template:q} --corpus {params.corpus:q}"
        " --selection {input.selection:q} --statistics {input.statistics:q} --output {output.page:q} 2> {log:q}"


rule write_history_page:
    """Show a table of numbers, such as the learning curves of a model."""
    input:
        template="workflow/report/table.html",
        base="workflow/report/page.html",
        tables=f"results/{{run}}/models/{CORPUS}/{{model}}/seed-{{seed}}/history.csv",
        code=code("minillm.report.table_page"),
    output:
        page=report(
            "results/{run}/report/history-{model}-{seed}.html",
            caption="../report/history.rst",
            category="Entrenamiento",
            labels={
                "contenido": "Curvas en cifras",
                "modelo": "{model}",
                "semilla": "{seed}",
            },
        ),
    log:
        "logs/{run}/report/write_history_page-{model}-{seed}.log",
    benchmark:
        "logs/{run}/report/write_history_page-{model}-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        title=lambda wildcards: f"Entrenamiento de {SETTINGS.models[wildcards.model].title}",
    shell:
        "python -m minillm.report.table_page --template {input.template:q} --tables {input.tables:q}"
        " --title {params.title:q} --output {output.page:q} 2> {log:q}"


use rule write_history_page as write_metrics_page with:
    input:
        template="workflow/report/table.html",
        base="workflow/report/page.html",
        tables=["results/{run}/metrics.csv", "results/{run}/cost.csv"],
        code=code("minillm.report.table_page"),
    output:
        page=report(
            "results/{run}/report/metrics.html",
            caption="../report/metrics.rst",
            category="Evaluación",
            labels={"contenido": "Todas las cifras"},
        ),
    log:
        "logs/{run}/report/write_metrics_page.log",
    benchmark:
        "logs/{run}/report/write_metrics_page.benchmark.tsv"
    params:
        title="Todas las cifras",


use rule write_history_page as write_study_metrics_page with:
    input:
        template="workflow/report/table.html",
        base="workflow/report/page.html",
        tables="results/{run}/studies/metrics.csv",
        code=code("minillm.report.table_page"),
    output:
        page=report(
            "results/{run}/report/study-metrics.html",
            caption="../report/metrics.rst",
            category="Estudios",
            subcategory="Todos",
            labels={"contenido": "Las cifras de los estudios"},
        ),
    log:
        "logs/{run}/report/write_study_metrics_page.log",
    benchmark:
        "logs/{run}/report/write_study_metrics_page.benchmark.tsv"
    params:
        title="Las cifras de los estudios",


rule write_texts_page:
    """Show what a model wrote, and what it copied."""
    input:
        template="workflow/report/texts.html",
        base="workflow/report/page.html",
        generations=f"results/{{run}}/metrics/{CORPUS}/{{model}}/seed-{{seed}}/generations.json",
        continuations=f"results/{{run}}/metrics/{CORPUS}/{{model}}/seed-{{seed}}/continuations.json",
        copies=f"results/{{run}}/metrics/{CORPUS}/{{model}}/seed-{{seed}}/copies.json",
        code=code("minillm.report.texts_page"),
    output:
        page=report(
            "results/{run}/report/texts-{model}-{seed}.html",
            caption="../report/texts.rst",
            category="Evaluación",
            labels={
                "contenido": "Textos generados",
                "modelo": "{model}",
                "semilla": "{seed}",
            },
        ),
    log:
        "logs/{run}/report/write_texts_page-{model}-{seed}.log",
    benchmark:
        "logs/{run}/report/write_texts_page-{model}-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        title=lambda wildcards: f"Textos de {SETTINGS.models[wildcards.model].title}",
    shell:
        "python -m minillm.report.texts_page --template {input.template:q} --generations {input.generations:q}"
        " --continuations {input.continuations:q} --copies {input.copies:q} --title {params.title:q}"
        " --output {output.page:q} 2> {log:q}"


rule write_checks_page:
    """Show what was held against what must be true of honest numbers and of a finished PDF."""
    input:
        template="workflow/report/checks.html",
        base="workflow/report/page.html",
        results="results/{run}/checks.json",
        article=["results/{run}/paper/article-checks.json"] if HAS_TEX else [],
        code=code("minillm.report.checks_page"),
    output:
        page=report(
            "results/{run}/report/checks.html",
            caption="../report/checks.rst",
            category="Evaluación",
            labels={"contenido": "Comprobaciones"},
        ),
    log:
        "logs/{run}/report/write_checks_page.log",
    benchmark:
        "logs/{run}/report/write_checks_page.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.report.checks_page --template {input.template:q} --results {input.results:q}"
        " --article {input.article:q} --output {output.page:q} 2> {log:q}"


rule write_provenance_page:
    """Show text files: what the run was made from, or what a study wrote."""
    input:
        template="workflow/report/files.html",
        base="workflow/report/page.html",
        files="results/{run}/provenance.json",
        code=code("minillm.report.files_page"),
    output:
        page=report(
            "results/{run}/report/provenance.html",
            caption="../report/provenance.rst",
            category="Artículo",
            labels={"contenido": "Procedencia"},
        ),
    log:
        "logs/{run}/report/write_provenance_page.log",
    benchmark:
        "logs/{run}/report/write_provenance_page.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        title="Procedencia",
    shell:
        "python -m minillm.report.files_page --template {input.template:q} --files {input.files:q}"
        " --title {params.title:q} --output {output.page:q} 2> {log:q}"


use rule write_provenance_page as write_study_page with:
    input:
        template="workflow/report/files.html",
        base="workflow/report/page.html",
        files=lambda wildcards: texts_of_study(wildcards.study),
        code=code("minillm.report.files_page"),
    output:
        page=report(
            "results/{run}/report/study-{study}.html",
            caption="../report/study.rst",
            category="Estudios",
            subcategory=lambda wildcards: STUDY_TITLES[wildcards.study],
            labels=lambda wildcards: {
                "contenido": f"{STUDY_TITLES[wildcards.study]}: textos y tablas"
            },
        ),
    log:
        "logs/{run}/report/write_study_page-{study}.log",
    benchmark:
        "logs/{run}/report/write_study_page-{study}.benchmark.tsv"
    wildcard_constraints:
        study=one_of(STUDIES),
    params:
        title=lambda wildcards: STUDY_TITLES[wildcards.study],


rule write_report:
    """Gather figures, tables, texts and the article of the finished run in one HTML file."""
    input:
        files=results_of_the_run(),
        pages=report_pages(),
        captions=sorted(str(path) for path in Path("workflow/report").glob("*.rst")),
        stylesheet="workflow/report/style.css",
        code=code("minillm.report.build_report"),
    output:
        report="results/{run}/report.html",
    log:
        "logs/{run}/report/write_report.log",
    benchmark:
        "logs/{run}/report/write_report.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        # Snakemake is called anew and must read the config that this call has read. Nobody is written to meanwhile.
        configfiles=[os.path.relpath(path) for path in workflow.overwrite_configfiles],
        config=[
            f"{key}={as_json(value)}"
            for key, value in workflow.config_settings.config.items()
            if key != "contact"
        ],
    shell:
        "python -m minillm.report.build_report --targets {input.files:q} {input.pages:q}"
        " --configfiles {params.configfiles:q} --config {params.config:q} --stylesheet {input.stylesheet:q}"
        " --output {output.report:q} 2> {log:q}"
