# Evaluation: what the models can do, what they only seem to do, and what they cost.
# Reads: results/<run>/models/ and the test split. Writes: results/<run>/metrics/, metrics.csv and checks.json.


rule audit_causality:
    """Find out whether a model sees the future: edits, gradients, token by token, random tokens."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        articles="data/{corpus}/articles.parquet",
        code=code_with_model("minillm.evaluation.causality"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/causality.json",
        verdict="results/{run}/metrics/{corpus}/{model}/seed-{seed}/causality-verdict.json",
    log:
        "logs/{run}/{corpus}/{model}/audit_causality-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/audit_causality-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.evaluation.causality --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --articles {input.articles:q} --corpus {wildcards.corpus:q}"
        " --model {wildcards.model:q} --seed {wildcards.seed:q} --threads {params.threads:q} --device {params.device:q}"
        " --records {output.records:q} --verdict {output.verdict:q} 2> {log:q}"


rule evaluate_perplexity:
    """Measure perplexity, bits per byte and accuracy on the test split and on samples of the others."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        articles="data/{corpus}/articles.parquet",
        code=code_with_model("minillm.evaluation.perplexity"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/perplexity.json",
        documents="results/{run}/metrics/{corpus}/{model}/seed-{seed}/documents.csv",
        token_counts="results/{run}/metrics/{corpus}/{model}/seed-{seed}/token_counts.csv",
        confidences="results/{run}/metrics/{corpus}/{model}/seed-{seed}/confidences.parquet",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_perplexity-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_perplexity-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
        sample_articles=measured("sample_articles"),
    shell:
        "python -m minillm.evaluation.perplexity --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --articles {input.articles:q} --corpus {wildcards.corpus:q}"
        " --model {wildcards.model:q} --seed {wildcards.seed:q} --threads {params.threads:q} --device {params.device:q}"
        " --sample-articles {params.sample_articles:q} --records {output.records:q}"
        " --documents {output.documents:q} --token-counts {output.token_counts:q}"
        " --confidences {output.confidences:q} 2> {log:q}"


rule evaluate_bias:
    """Compare how often each token is predicted and expected with how often it occurs."""
    input:
        token_counts="results/{run}/metrics/{corpus}/{model}/seed-{seed}/token_counts.csv",
        code=code("minillm.evaluation.bias"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/bias.json",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_bias-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_bias-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.bias --token-counts {input.token_counts:q} --corpus {wildcards.corpus:q}"
        " --model {wildcards.model:q} --seed {wildcards.seed:q} --records {output.records:q} 2> {log:q}"


rule generate_continuations:
    """Continue the beginnings of articles, greedily and by sampling."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        articles="data/{corpus}/articles.parquet",
        code=code_with_model("minillm.evaluation.continuations"),
    output:
        texts="results/{run}/metrics/{corpus}/{model}/seed-{seed}/continuations.json",
    log:
        "logs/{run}/{corpus}/{model}/generate_continuations-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/generate_continuations-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
        prompts=measured("continuations.prompts"),
        prompt_words=measured("continuations.prompt_words"),
        continuation_words=measured("continuations.continuation_words"),
        temperature=measured("generation.temperature"),
        seed=measured("generation.seed"),
    shell:
        "python -m minillm.evaluation.continuations --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --articles {input.articles:q} --prompts {params.prompts:q}"
        " --prompt-words {params.prompt_words:q} --continuation-words {params.continuation_words:q}"
        " --temperature {params.temperature:q} --seed {params.seed:q} --threads {params.threads:q} --device {params.device:q}"
        " --output {output.texts:q} 2> {log:q}"


rule evaluate_bleu:
    """Score continuations of test articles with BLEU and chrF++, between a floor and a ceiling."""
    input:
        continuations="results/{run}/metrics/{corpus}/{model}/seed-{seed}/continuations.json",
        code=code("minillm.evaluation.bleu"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/bleu.json",
        signatures="results/{run}/metrics/{corpus}/{model}/seed-{seed}/bleu-signatures.json",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_bleu-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_bleu-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.bleu --continuations {input.continuations:q}"
        " --corpus {wildcards.corpus:q} --model {wildcards.model:q} --seed {wildcards.seed:q}"
        " --records {output.records:q} --signatures {output.signatures:q} 2> {log:q}"


rule evaluate_repetition:
    """Measure how much continuations repeat themselves and how far their words are from a person's."""
    input:
        continuations="results/{run}/metrics/{corpus}/{model}/seed-{seed}/continuations.json",
        code=code("minillm.evaluation.repetition"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/repetition.json",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_repetition-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_repetition-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.repetition --continuations {input.continuations:q}"
        " --corpus {wildcards.corpus:q} --model {wildcards.model:q} --seed {wildcards.seed:q}"
        " --records {output.records:q} 2> {log:q}"


rule evaluate_memorisation:
    """Measure how much of the generated texts is copied from the train split, and name the articles."""
    input:
        continuations="results/{run}/metrics/{corpus}/{model}/seed-{seed}/continuations.json",
        generations="results/{run}/metrics/{corpus}/{model}/seed-{seed}/generations.json",
        articles="data/{corpus}/articles.parquet",
        code=code("minillm.evaluation.memorisation"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/memorisation.json",
        copies="results/{run}/metrics/{corpus}/{model}/seed-{seed}/copies.json",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_memorisation-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_memorisation-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.memorisation --continuations {input.continuations:q} --generations {input.generations:q} --articles {input.articles:q}"
        " --corpus {wildcards.corpus:q} --model {wildcards.model:q} --seed {wildcards.seed:q}"
        " --records {output.records:q} --copies {output.copies:q} 2> {log:q}"


rule generate_texts:
    """Continue the prompts of the config, greedily and by sampling."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        code=code_with_model("minillm.evaluation.generation"),
    output:
        texts="results/{run}/metrics/{corpus}/{model}/seed-{seed}/generations.json",
    log:
        "logs/{run}/{corpus}/{model}/generate_texts-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/generate_texts-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
        prompts=measured("generation.prompts"),
        max_tokens=measured("generation.max_tokens"),
        temperature=measured("generation.temperature"),
        seed=measured("generation.seed"),
    shell:
        "python -m minillm.evaluation.generation --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --prompts {params.prompts:q} --max-tokens {params.max_tokens:q}"
        " --temperature {params.temperature:q} --seed {params.seed:q} --threads {params.threads:q} --device {params.device:q}"
        " --output {output.texts:q} 2> {log:q}"


rule evaluate_calibration:
    """Compare how sure the model is with how often it is right."""
    input:
        confidences="results/{run}/metrics/{corpus}/{model}/seed-{seed}/confidences.parquet",
        code=code("minillm.evaluation.calibration"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/calibration.json",
        reliability="results/{run}/metrics/{corpus}/{model}/seed-{seed}/reliability.csv",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_calibration-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_calibration-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.calibration --confidences {input.confidences:q} --corpus {wildcards.corpus:q}"
        " --model {wildcards.model:q} --seed {wildcards.seed:q} --records {output.records:q}"
        " --reliability {output.reliability:q} 2> {log:q}"


rule evaluate_gender_pairs:
    """Ask which of two sentences that differ in gender alone the model finds more probable."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        articles="data/{corpus}/articles.parquet",
        pairs=SETTINGS.evaluation.gender_pairs,
        code=code_with_model("minillm.evaluation.gender_pairs"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/gender_pairs.json",
        scores="results/{run}/metrics/{corpus}/{model}/seed-{seed}/gender_pairs.csv",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_gender_pairs-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_gender_pairs-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.evaluation.gender_pairs --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --articles {input.articles:q} --pairs {input.pairs:q}"
        " --corpus {wildcards.corpus:q} --model {wildcards.model:q} --seed {wildcards.seed:q}"
        " --threads {params.threads:q} --device {params.device:q} --records {output.records:q}"
        " --scores {output.scores:q} 2> {log:q}"


rule evaluate_cost:
    """Measure the time and memory that a model takes. Depends on the machine; marked so in the manifest."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        code=code_with_model("minillm.evaluation.cost"),
    output:
        records="results/{run}/metrics/{corpus}/{model}/seed-{seed}/cost.json",
        machine="results/{run}/metrics/{corpus}/{model}/seed-{seed}/machine.json",
    log:
        "logs/{run}/{corpus}/{model}/evaluate_cost-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/evaluate_cost-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: workflow.cores or 1  # alone on the machine: what runs beside it would be measured too
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.evaluation.cost --weights {input.weights:q} --description {input.description:q}"
        " --corpus {wildcards.corpus:q} --model {wildcards.model:q} --seed {wildcards.seed:q}"
        " --threads {params.threads:q} --device {params.device:q} --records {output.records:q}"
        " --machine {output.machine:q} 2> {log:q}"


rule measure_scale:
    """Bits per byte of what needs no network: n-grams and the xz compressor; and whether texts survive the vocabulary."""
    input:
        articles="data/{corpus}/articles.parquet",
        tokenizer="data/{corpus}/vocabulary/{vocabulary}/tokenizer.json",
        code=code("minillm.evaluation.scale"),
    output:
        records="results/{run}/metrics/{corpus}/scale-{vocabulary}.json",
    log:
        "logs/{run}/{corpus}/measure_scale-{vocabulary}.log",
    benchmark:
        "logs/{run}/{corpus}/measure_scale-{vocabulary}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.scale --articles {input.articles:q} --tokenizer {input.tokenizer:q}"
        " --vocabulary {wildcards.vocabulary:q} --corpus {wildcards.corpus:q}"
        " --records {output.records:q} 2> {log:q}"


rule measure_overlap:
    """The share of runs of 13 words of the test split that are in the train split too."""
    input:
        articles="data/{corpus}/articles.parquet",
        code=code("minillm.evaluation.overlap"),
    output:
        records="results/{run}/metrics/{corpus}/overlap.json",
    log:
        "logs/{run}/{corpus}/measure_overlap.log",
    benchmark:
        "logs/{run}/{corpus}/measure_overlap.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.evaluation.overlap --articles {input.articles:q} --corpus {wildcards.corpus:q}"
        " --records {output.records:q} 2> {log:q}"


rule summarise_metrics:
    """Collect all metrics in one table, with differences between models and means over seeds."""
    input:
        records=expand(
            of_each_model(
                "results/{run}/metrics/{corpus}/{model}/seed-{seed}/{{stage}}.json"
            ),
            stage=[
                "causality",
                "perplexity",
                "bias",
                "calibration",
                "gender_pairs",
                "bleu",
                "repetition",
                "memorisation",
            ],
        ),
        cost=of_each_model(
            "results/{run}/metrics/{corpus}/{model}/seed-{seed}/cost.json"
        ),
        scale=expand(
            "results/{run}/metrics/{corpus}/scale-{vocabulary}.json",
            run=RUN,
            corpus=CORPUS,
            vocabulary=vocabularies_of_the_run(),
        ),
        overlap=f"results/{{run}}/metrics/{CORPUS}/overlap.json",
        documents=of_each_model(
            "results/{run}/metrics/{corpus}/{model}/seed-{seed}/documents.csv"
        ),
        code=code("minillm.evaluation.summary"),
    output:
        metrics="results/{run}/metrics.csv",
        cost="results/{run}/cost.csv",
    log:
        "logs/{run}/summarise_metrics.log",
    benchmark:
        "logs/{run}/summarise_metrics.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        reference=MODELS[0],
    shell:
        "python -m minillm.evaluation.summary --records {input.records:q} {input.scale:q} {input.overlap:q}"
        " --cost {input.cost:q} --documents {input.documents:q} --reference {params.reference:q}"
        " --output {output.metrics:q} --cost-output {output.cost:q} 2> {log:q}"


rule tabulate_ablations:
    """Tell for each trained model what is changed, how well it does and what it took."""
    input:
        metrics="results/{run}/metrics.csv",
        descriptions=of_each_model(
            "results/{run}/models/{corpus}/{model}/seed-{seed}/config.json", TRAINED
        ),
        outcomes=of_each_model(
            "results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json", TRAINED
        ),
        timings=of_each_model(
            "results/{run}/models/{corpus}/{model}/seed-{seed}/timing.csv", TRAINED
        ),
        code=code("minillm.evaluation.ablations"),
    output:
        table="results/{run}/ablations.csv",
        markdown="results/{run}/ablations.md",
    log:
        "logs/{run}/tabulate_ablations.log",
    benchmark:
        "logs/{run}/tabulate_ablations.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        settings=as_json({model: SETTINGS.models[model] for model in MODELS}),
    shell:
        "python -m minillm.evaluation.ablations --metrics {input.metrics:q} --descriptions {input.descriptions:q}"
        " --outcomes {input.outcomes:q} --timings {input.timings:q} --settings {params.settings:q}"
        " --output {output.table:q} --markdown {output.markdown:q} 2> {log:q}"


rule check_results:
    """Hold the numbers against what must be true of honest ones."""
    input:
        metrics="results/{run}/metrics.csv",
        articles=f"data/{CORPUS}/articles.parquet",
        code=code("minillm.evaluation.gates"),
    output:
        checks="results/{run}/checks.json",
    log:
        "logs/{run}/check_results.log",
    benchmark:
        "logs/{run}/check_results.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        causal=as_json({model: SETTINGS.models[model].causal for model in MODELS}),
        vocabularies=as_json({model: SETTINGS.vocabulary_of(model) for model in MODELS}),
    shell:
        "python -m minillm.evaluation.gates --metrics {input.metrics:q} --articles {input.articles:q}"
        " --causal {params.causal:q} --vocabularies {params.vocabularies:q} --output {output.checks:q} 2> {log:q}"
