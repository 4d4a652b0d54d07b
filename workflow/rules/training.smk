# Training: one rule for every model and seed, and one for those that come trained.
# Reads: data/<corpus>/tokens/ or a pretrained model. Writes: results/<run>/models/<corpus>/<model>/seed-<seed>/.


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
        code=code_with_model("minillm.training.train_model"),
    output:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer="results/{run}/models/{corpus}/{model}/seed-{seed}/tokenizer.json",
        history="results/{run}/models/{corpus}/{model}/seed-{seed}/history.csv",
        timing="results/{run}/models/{corpus}/{model}/seed-{seed}/timing.csv",
        outcome="results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json",
    log:
        "logs/{run}/{corpus}/{model}/train_model-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/train_model-{seed}.benchmark.tsv"
    wildcard_constraints:
        model=one_of(
            model
            for model in SETTINGS.models
            if model not in SETTINGS.pretrained() and not keeps_snapshots(model)
        ),
    conda:
        "../../environment.yml"
    threads: lambda wildcards: SETTINGS.models[wildcards.model].training.threads
    resources:
        gpu=lambda wildcards: gpus(SETTINGS.models[wildcards.model].training.device),
    params:
        model=lambda wildcards: as_json(SETTINGS.network(wildcards.model)),
        training=lambda wildcards: as_json(SETTINGS.models[wildcards.model].training),
        snapshots=lambda wildcards, output: (
            ["--snapshots", output.snapshots] if "snapshots" in output.keys() else []
        ),
    shell:
        "python -m minillm.training.train_model --name {wildcards.model:q} --tokenizer {input.tokenizer:q}"
        " --train-tokens {input.train_tokens:q} --train-offsets {input.train_offsets:q}"
        " --validation-tokens {input.validation_tokens:q} --validation-offsets {input.validation_offsets:q}"
        " --code {input.code:q} --model {params.model:q} --training {params.training:q} --seed {wildcards.seed:q}"
        " --weights {output.weights:q} --description {output.description:q} --history {output.history:q}"
        " --timing {output.timing:q} --outcome {output.outcome:q} {params.snapshots:q} 2> {log:q}"


use rule train_model as train_and_keep with:
    output:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer="results/{run}/models/{corpus}/{model}/seed-{seed}/tokenizer.json",
        history="results/{run}/models/{corpus}/{model}/seed-{seed}/history.csv",
        timing="results/{run}/models/{corpus}/{model}/seed-{seed}/timing.csv",
        outcome="results/{run}/models/{corpus}/{model}/seed-{seed}/outcome.json",
        snapshots="results/{run}/models/{corpus}/{model}/seed-{seed}/snapshots.safetensors",
    wildcard_constraints:
        model=one_of(filter(keeps_snapshots, SETTINGS.models)),


rule adopt_model:
    """Take a pretrained model as it is, in place of training one."""
    input:
        files=lambda wildcards: pretrained_files(wildcards.model),
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        code=code("minillm.training.adopt_model"),
    output:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer="results/{run}/models/{corpus}/{model}/seed-{seed}/tokenizer.json",
    log:
        "logs/{run}/{corpus}/{model}/adopt_model-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/adopt_model-{seed}.benchmark.tsv"
    wildcard_constraints:
        model=one_of(SETTINGS.pretrained()),
    conda:
        "../../environment.yml"
    params:
        pretrained=lambda wildcards: SETTINGS.models[wildcards.model].pretrained,
        causal=lambda wildcards: SETTINGS.models[wildcards.model].causal,
        context=lambda wildcards: context_of(wildcards.model),
    shell:
        "python -m minillm.training.adopt_model --pretrained {params.pretrained:q} --causal {params.causal:q}"
        " {params.context:q} --tokenizer {input.tokenizer:q} --weights {output.weights:q}"
        " --description {output.description:q} 2> {log:q}"


rule export_model:
    """Export a model and its tokenizer to Hugging Face."""
    input:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/model.safetensors",
        description="results/{run}/models/{corpus}/{model}/seed-{seed}/config.json",
        tokenizer=with_vocabulary(
            "data/{corpus}/vocabulary/{vocabulary}/tokenizer.json"
        ),
        code=code("minillm.training.export"),
    output:
        weights="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/model.safetensors",
        config="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/config.json",
        generation="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/generation_config.json",
        tokenizer="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/tokenizer.json",
        tokenizer_config="results/{run}/models/{corpus}/{model}/seed-{seed}/huggingface/tokenizer_config.json",
    log:
        "logs/{run}/{corpus}/{model}/export_model-{seed}.log",
    benchmark:
        "logs/{run}/{corpus}/{model}/export_model-{seed}.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output.weights, parent=True),
    shell:
        "python -m minillm.training.export --weights {input.weights:q} --description {input.description:q}"
        " --tokenizer {input.tokenizer:q} --folder {params.folder:q} 2> {log:q}"
