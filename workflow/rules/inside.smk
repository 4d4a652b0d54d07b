# A look inside the run's models: positions, attention, embeddings, temperature, architecture.
# Reads: results/<run>/models/ and the train and test splits. Writes: results/<run>/studies/inside/.

INSIDE = SETTINGS.studies.inside
INSIDE_TITLES = as_json(
    {model: SETTINGS.models[model].title for model in INSIDE_MODELS}
)


rule look_inside:
    """Read what is inside a model, of the run's first seed, and let it write at several temperatures."""
    input:
        weights=f"results/{{run}}/models/{CORPUS}/{{model}}/seed-{SEEDS[0]}/model.safetensors",
        description=f"results/{{run}}/models/{CORPUS}/{{model}}/seed-{SEEDS[0]}/config.json",
        tokenizer=lambda wildcards: f"data/{CORPUS}/vocabulary/{SETTINGS.vocabulary_of(wildcards.model)}/tokenizer.json",
        tokens=lambda wildcards: f"data/{CORPUS}/tokens/{SETTINGS.vocabulary_of(wildcards.model)}/train.npy",
        articles=f"data/{CORPUS}/articles.parquet",
        code=code("minillm.studies.look_inside"),
    output:
        positions="results/{run}/studies/inside/{model}/positions.npy",
        attention="results/{run}/studies/inside/{model}/attention.csv",
        embeddings="results/{run}/studies/inside/{model}/embeddings.csv",
        architecture="results/{run}/studies/inside/{model}/architecture.json",
        facts="results/{run}/studies/inside/{model}/facts.json",
        records="results/{run}/studies/inside/{model}/records.json",
    log:
        "logs/{run}/studies/look_inside-{model}.log",
    benchmark:
        "logs/{run}/studies/look_inside-{model}.benchmark.tsv"
    wildcard_constraints:
        model=one_of(INSIDE_MODELS),
    conda:
        "../../environment.yml"
    params:
        seed=SEEDS[0],
        prompt=INSIDE.prompt,
        temperatures=INSIDE.temperatures,
        seeds=INSIDE.seeds,
        max_tokens=INSIDE.max_tokens,
        words=INSIDE.words,
    shell:
        "python -m minillm.studies.look_inside --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --tokens {input.tokens:q} --articles {input.articles:q}"
        " --model {wildcards.model:q} --seed {params.seed:q} --prompt {params.prompt:q}"
        " --temperatures {params.temperatures:q} --seeds {params.seeds:q} --max-tokens {params.max_tokens:q}"
        " --words {params.words:q} --positions {output.positions:q} --attention {output.attention:q}"
        " --embeddings {output.embeddings:q} --architecture {output.architecture:q} --facts {output.facts:q}"
        " --records {output.records:q} 2> {log:q}"


rule summarise_inside:
    """Collect what was found inside the models: numbers, and what they write at each temperature."""
    input:
        records=of_each_inside("records.json"),
        facts=of_each_inside("facts.json"),
        code=code("minillm.studies.summarise_inside"),
    output:
        records="results/{run}/studies/inside/records.json",
        study="results/{run}/studies/inside/study.json",
        texts="results/{run}/studies/inside/temperatures.txt",
    log:
        "logs/{run}/studies/summarise_inside.log",
    benchmark:
        "logs/{run}/studies/summarise_inside.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=INSIDE_TITLES,
    shell:
        "python -m minillm.studies.summarise_inside --records {input.records:q} --facts {input.facts:q}"
        " --titles {params.titles:q} --output {output.records:q} --study {output.study:q}"
        " --texts {output.texts:q} 2> {log:q}"


rule plot_positions:
    """Draw how the models know where a token stands: each kind of positions once."""
    input:
        positions=of_each_inside("positions.npy"),
        architectures=of_each_inside("architecture.json"),
        code=code("minillm.figures.positions"),
    output:
        pdf="results/{run}/studies/inside/inside_positions.pdf",
        png=report(
            "results/{run}/studies/inside/inside_positions.png",
            caption="../report/positions.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["inside"],
            labels={"contenido": "Posiciones"},
        ),
    log:
        "logs/{run}/studies/plot_positions.log",
    benchmark:
        "logs/{run}/studies/plot_positions.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=INSIDE_TITLES,
    shell:
        "python -m minillm.figures.positions --positions {input.positions:q} --architectures {input.architectures:q}"
        " --titles {params.titles:q} --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule plot_inside:
    """Draw the architecture, the attention or the embeddings of a model."""
    input:
        data=lambda wildcards: "results/{run}/studies/inside/{model}/{figure}"
        + (".json" if wildcards.figure == "architecture" else ".csv"),
        code=lambda wildcards: code(f"minillm.figures.{wildcards.figure}"),
    output:
        pdf="results/{run}/studies/inside/inside_{figure}_{model}.pdf",
        png=report(
            "results/{run}/studies/inside/inside_{figure}_{model}.png",
            caption="../report/inside.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["inside"],
            labels=lambda wildcards: {
                "contenido": FIGURE_TITLES[wildcards.figure],
                "modelo": wildcards.model,
            },
        ),
    log:
        "logs/{run}/studies/plot_inside-{figure}-{model}.log",
    benchmark:
        "logs/{run}/studies/plot_inside-{figure}-{model}.benchmark.tsv"
    wildcard_constraints:
        figure="architecture|attention|embeddings",
        model=one_of(INSIDE_MODELS),
    conda:
        "../../environment.yml"
    params:
        title=lambda wildcards: SETTINGS.models[wildcards.model].title,
    shell:
        "python -m minillm.figures.{wildcards.figure} --{wildcards.figure} {input.data:q} --title {params.title:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"
