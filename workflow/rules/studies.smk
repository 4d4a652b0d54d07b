# The small studies that train models on texts of their own: with the rules of the main models, and what is added here.
# Reads: results/<run>/models/ and results/<run>/metrics/ of their corpora. Writes: results/<run>/studies/<study>/.


rule tabulate_hello_world:
    """Say what the models of a repetitive text lost by epoch, and what they write."""
    input:
        histories=of_study("hello_world", "models", "history.csv"),
        verdicts=of_study("hello_world", "metrics", "causality-verdict.json"),
        generations=of_study("hello_world", "metrics", "generations.json"),
        code=code("minillm.studies.hello_world"),
    output:
        losses="results/{run}/studies/hello_world/loss_values.txt",
        texts="results/{run}/studies/hello_world/generated.txt",
        study="results/{run}/studies/hello_world/study.json",
        records="results/{run}/studies/hello_world/records.json",
    log:
        "logs/{run}/studies/tabulate_hello_world.log",
    benchmark:
        "logs/{run}/studies/tabulate_hello_world.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=titles_of_study("hello_world"),
        corpus=SETTINGS.studies.hello_world.corpus,
        seed=SEEDS[0],
    shell:
        "python -m minillm.studies.hello_world --histories {input.histories:q} --verdicts {input.verdicts:q}"
        " --generations {input.generations:q} --titles {params.titles:q} --corpus {params.corpus:q}"
        " --seed {params.seed:q} --losses {output.losses:q} --texts {output.texts:q} --study {output.study:q} --records {output.records:q} 2> {log:q}"


rule plot_losses:
    """Draw the loss by epoch of the models of a repetitive text."""
    input:
        histories=of_study("hello_world", "models", "history.csv"),
        study="results/{run}/studies/hello_world/study.json",
        code=code("minillm.figures.loss_plot"),
    output:
        pdf="results/{run}/studies/hello_world/loss_plot.pdf",
        png=report(
            "results/{run}/studies/hello_world/loss_plot.png",
            caption="../report/loss_plot.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["hello_world"],
            labels={"contenido": "Hola mundo: pérdida por época"},
        ),
    log:
        "logs/{run}/studies/plot_losses.log",
    benchmark:
        "logs/{run}/studies/plot_losses.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.figures.loss_plot --histories {input.histories:q} --study {input.study:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule write_proverbs:
    """Let the model of proverbs write some, and say which of them are copied."""
    input:
        weights=of_study("proverbs", "models", "model.safetensors"),
        description=of_study("proverbs", "models", "config.json"),
        tokenizer=of_study("proverbs", "models", "tokenizer.json"),
        articles=f"data/{SETTINGS.studies.proverbs.corpus}/articles.parquet",
        code=code("minillm.studies.proverbs"),
    output:
        texts="results/{run}/studies/proverbs/proverbs.txt",
        study="results/{run}/studies/proverbs/study.json",
        records="results/{run}/studies/proverbs/records.json",
    log:
        "logs/{run}/studies/write_proverbs.log",
    benchmark:
        "logs/{run}/studies/write_proverbs.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    params:
        corpus=SETTINGS.studies.proverbs.corpus,
        model=SETTINGS.studies.proverbs.models[0],
        training_seed=SEEDS[0],
        max_tokens=SETTINGS.studies.proverbs.generation.max_tokens,
        temperature=SETTINGS.studies.proverbs.generation.temperature,
        seed=SETTINGS.studies.proverbs.generation.seed,
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.studies.proverbs --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --articles {input.articles:q} --corpus {params.corpus:q}"
        " --model {params.model:q} --training-seed {params.training_seed:q}"
        " --max-tokens {params.max_tokens:q} --temperature {params.temperature:q} --seed {params.seed:q}"
        " --threads {params.threads:q} --device {params.device:q} --texts {output.texts:q} --study {output.study:q} --records {output.records:q} 2> {log:q}"


rule list_parameters:
    """List every parameter tensor of the model of proverbs: name, shape, count and what it is."""
    input:
        weights=of_study("proverbs", "models", "model.safetensors"),
        description=of_study("proverbs", "models", "config.json"),
        code=code("minillm.studies.parameters"),
    output:
        parameters="results/{run}/studies/proverbs/parameters.txt",
    log:
        "logs/{run}/studies/list_parameters.log",
    benchmark:
        "logs/{run}/studies/list_parameters.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.studies.parameters --weights {input.weights:q} --description {input.description:q}"
        " --output {output.parameters:q} 2> {log:q}"


rule tabulate_candidates:
    """Show the most probable letters at each step of a proverb."""
    input:
        weights=of_study("proverbs", "models", "model.safetensors"),
        description=of_study("proverbs", "models", "config.json"),
        tokenizer=of_study("proverbs", "models", "tokenizer.json"),
        code=code("minillm.studies.candidates"),
    output:
        table="results/{run}/studies/proverbs/table.txt",
    log:
        "logs/{run}/studies/tabulate_candidates.log",
    benchmark:
        "logs/{run}/studies/tabulate_candidates.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    params:
        prompt=SETTINGS.studies.proverbs.generation.prompts[0],
        max_tokens=SETTINGS.studies.proverbs.generation.max_tokens,
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.studies.candidates --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --prompt={params.prompt:q}"
        " --max-tokens {params.max_tokens:q} --threads {params.threads:q} --device {params.device:q}"
        " --output {output.table:q} 2> {log:q}"


rule draw_network:
    """Draw the weights of the model of proverbs as a network, at each epoch that was kept."""
    input:
        snapshots=of_study("proverbs", "models", "snapshots.safetensors"),
        history=of_study("proverbs", "models", "history.csv"),
        tokenizer=of_study("proverbs", "models", "tokenizer.json"),
        code=code("minillm.figures.network"),
    output:
        frames=expand(
            "results/{run}/studies/proverbs/epoch_{epoch}.png",
            epoch=drawn_epochs(),
            allow_missing=True,
        ),
        animation=report(
            "results/{run}/studies/proverbs/epochs.gif",
            caption="../report/epochs.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["proverbs"],
            labels={"contenido": "Refranes: los pesos, época a época"},
        ),
        pdf="results/{run}/studies/proverbs/network.pdf",
        png=report(
            "results/{run}/studies/proverbs/network.png",
            caption="../report/network.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["proverbs"],
            labels={"contenido": "Refranes: los pesos como red"},
        ),
    log:
        "logs/{run}/studies/draw_network.log",
    benchmark:
        "logs/{run}/studies/draw_network.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.figures.network --snapshots {input.snapshots:q} --history {input.history:q}"
        " --tokenizer {input.tokenizer:q} --frames {output.frames:q} --animation {output.animation:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule tabulate_shakespeare:
    """Measure the model of Shakespeare on all that nanoGPT validates on, and show a sample."""
    input:
        documents=of_study("shakespeare", "metrics", "documents.csv"),
        generations=of_study("shakespeare", "metrics", "generations.json"),
        articles=f"data/{SETTINGS.studies.shakespeare.corpus}/articles.parquet",
        code=code("minillm.studies.shakespeare"),
    output:
        texts="results/{run}/studies/shakespeare/sample.txt",
        study="results/{run}/studies/shakespeare/study.json",
        records="results/{run}/studies/shakespeare/records.json",
    log:
        "logs/{run}/studies/tabulate_shakespeare.log",
    benchmark:
        "logs/{run}/studies/tabulate_shakespeare.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        corpus=SETTINGS.studies.shakespeare.corpus,
        model=SETTINGS.studies.shakespeare.models[0],
        seed=SEEDS[0],
    shell:
        "python -m minillm.studies.shakespeare --documents {input.documents:q} --articles {input.articles:q}"
        " --generations {input.generations:q} --corpus {params.corpus:q} --model {params.model:q}"
        " --seed {params.seed:q} --texts {output.texts:q} --study {output.study:q} --records {output.records:q}"
        " 2> {log:q}"


use rule plot_training as plot_shakespeare with:
    input:
        histories=of_study("shakespeare", "models", "history.csv"),
        code=code("minillm.figures.training"),
    output:
        pdf="results/{run}/studies/shakespeare/shakespeare.pdf",
        png=report(
            "results/{run}/studies/shakespeare/shakespeare.png",
            caption="../report/shakespeare.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["shakespeare"],
            labels={"contenido": "Shakespeare: curvas de aprendizaje"},
        ),
    log:
        "logs/{run}/studies/plot_shakespeare.log",
    benchmark:
        "logs/{run}/studies/plot_shakespeare.benchmark.tsv"
    params:
        titles=titles_of_study("shakespeare"),


rule summarise_studies:
    """Collect all numbers of the studies in one table."""
    input:
        records=records_of_studies(STUDIES),
        code=code("minillm.studies.summary"),
    output:
        metrics="results/{run}/studies/metrics.csv",
    log:
        "logs/{run}/studies/summarise_studies.log",
    benchmark:
        "logs/{run}/studies/summarise_studies.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.studies.summary --records {input.records:q} --output {output.metrics:q} 2> {log:q}"
