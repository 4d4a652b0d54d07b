# Training: one rule for every model and seed.
# Reads: data/<corpus>/tokens/. Writes: results/<run>/models/<corpus>/<model>/seed-<seed>/.


rule train_model:
    """Train a model with a seed; a killed training goes on from its last checkpoint."""
    input:
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        train_tokens=with_vocabulary("data/{corpus}/tokens/{vocabulary}/train.npy"),
        train_offsets=with_vocabulary(
            "data/{corpus}/tokens/{vocabulary}/train.offsets.npy"
        ),
        validation_tokens=with_vocabulary(
            "data/{corpus}/tokens/{vocabulary}/validation.npy"
        ),
        validation_offsets=with_vocabulary(
            "data/{corpus}/tokens/{vocabulary}/validation.offsets.npy"
        ),
        code=code("minillm.training.train_model"),
    output:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        history="results/{run}/models/{corpus}/{model}/seed-{seed}/history.csv",
        timing="results/{run}/models/{corpus}/{model}/seed-{seed}/timing.csv",
        outcome="results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json",
    log:
        "logs/{run}/{corpus}/{model}/train_model-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/train_model-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: lambda wildcards: SETTINGS.models[wildcards.model].training.threads
    resources:
        gpu=lambda wildcards: gpus(SETTINGS.models[wildcards.model].training.device),
    params:
        model=lambda wildcards: as_json(SETTINGS.network(wildcards.model)),
        training=lambda wildcards: as_json(SETTINGS.models[wildcards.model].training),
    shell:
        "python -m minillm.training.train_model --name {wildcards.model:q} --tokenizer {input.tokenizer:q}"
        " --train-tokens {input.train_tokens:q} --train-offsets {input.train_offsets:q}"
        " --validation-tokens {input.validation_tokens:q} --validation-offsets {input.validation_offsets:q}"
        " --code {input.code:q} --model {params.model:q} --training {params.training:q} --seed {wildcards.seed:q}"
        " --weights {output.weights:q} --description {output.description:q} --history {output.history:q}"
        " --timing {output.timing:q} --outcome {output.outcome:q} 2> {log:q}"
