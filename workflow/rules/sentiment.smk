# The sentiment study: a language model is fine-tuned to classify messages, with its pretrained weights and without.
# Reads: messages and the export of a model, or another pretrained one. Writes: results/<run>/studies/sentiment/.


rule prepare_messages:
    """Read messages with a sentiment and split them."""
    input:
        files=sentiment_data_files(),
        code=code("minillm.studies.prepare_messages"),
    output:
        messages="results/{run}/studies/sentiment/messages.csv",
    log:
        "logs/{run}/studies/prepare_messages.log",
    benchmark:
        "logs/{run}/studies/prepare_messages.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        data=SENTIMENT.data,
        text_column=SENTIMENT.text_column,
        label_column=SENTIMENT.label_column,
        train=SENTIMENT.train,
        test=SENTIMENT.test,
        seed=SENTIMENT.seed,
    shell:
        "python -m minillm.studies.prepare_messages --data {params.data:q} --text-column {params.text_column:q}"
        " --label-column {params.label_column:q} --train {params.train:q} --test {params.test:q}"
        " --seed {params.seed:q} --output {output.messages:q} 2> {log:q}"


rule finetune_sentiment:
    """Fine-tune a language model, or the same network without pretraining, to tell the sentiment of messages."""
    input:
        messages="results/{run}/studies/sentiment/messages.csv",
        files=sentiment_start_files(),
        code=code("minillm.studies.finetune"),
    output:
        history="results/{run}/studies/sentiment/{start}/seed-{seed}/history.csv",
        predictions="results/{run}/studies/sentiment/{start}/seed-{seed}/predictions.csv",
    log:
        "logs/{run}/studies/finetune_sentiment-{start}-{seed}.log",
    benchmark:
        "logs/{run}/studies/finetune_sentiment-{start}-{seed}.benchmark.tsv"
    wildcard_constraints:
        start="pretrained|untrained",
    conda:
        "../../environment.yml"
    threads: SETTINGS.evaluation.threads
    resources:
        gpu=gpus(SETTINGS.evaluation.device),
    params:
        pretrained=lambda wildcards: sentiment_start(),
        training=as_json(SENTIMENT.training),
        lora=lambda wildcards: (
            ["--lora", as_json(SENTIMENT.lora)]
            if SENTIMENT.lora is not None
            and wildcards.get("start", "pretrained") == "pretrained"
            else []
        ),
        start=lambda wildcards: wildcards.get("start", "pretrained"),
        seed=lambda wildcards: wildcards.get("seed", SENTIMENT.seeds[0]),
        folder=lambda wildcards, output: (
            ["--folder", Path(output.weights).parent]
            if "weights" in output.keys()
            else []
        ),
        threads=SETTINGS.evaluation.threads,
        device=SETTINGS.evaluation.device,
    shell:
        "python -m minillm.studies.finetune --messages {input.messages:q} --pretrained {params.pretrained:q}"
        " --start {params.start:q} --training {params.training:q} {params.lora:q} --seed {params.seed:q}"
        " --threads {params.threads:q} --device {params.device:q} --history {output.history:q}"
        " --predictions {output.predictions:q} {params.folder:q} 2> {log:q}"


use rule finetune_sentiment as finetune_sentiment_and_keep with:
    output:
        history=f"results/{{run}}/studies/sentiment/pretrained/seed-{SENTIMENT.seeds[0]}/history.csv",
        predictions=f"results/{{run}}/studies/sentiment/pretrained/seed-{SENTIMENT.seeds[0]}/predictions.csv",
        weights="results/{run}/studies/sentiment/model/model.safetensors",
        config="results/{run}/studies/sentiment/model/config.json",
        tokenizer="results/{run}/studies/sentiment/model/tokenizer.json",
        tokenizer_config="results/{run}/studies/sentiment/model/tokenizer_config.json",
    log:
        "logs/{run}/studies/finetune_sentiment_and_keep.log",
    benchmark:
        "logs/{run}/studies/finetune_sentiment_and_keep.benchmark.tsv"


ruleorder: finetune_sentiment_and_keep > finetune_sentiment


rule evaluate_sentiment:
    """Measure how well messages are classified, beside the majority label and TF-IDF with logistic regression."""
    input:
        messages="results/{run}/studies/sentiment/messages.csv",
        predictions=expand(
            "results/{run}/studies/sentiment/{start}/seed-{seed}/predictions.csv",
            start=["pretrained", "untrained"],
            seed=SENTIMENT.seeds,
            allow_missing=True,
        ),
        code=code("minillm.studies.sentiment"),
    output:
        records="results/{run}/studies/sentiment/records.json",
        study="results/{run}/studies/sentiment/study.json",
        confusion="results/{run}/studies/sentiment/confusion.csv",
    log:
        "logs/{run}/studies/evaluate_sentiment.log",
    benchmark:
        "logs/{run}/studies/evaluate_sentiment.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        title=(
            SETTINGS.models[SENTIMENT.pretrained].title
            if SENTIMENT.pretrained in SETTINGS.models
            else Path(SENTIMENT.pretrained).name
        ),
        data=[
            Path(name).name if Path(name).exists() else name for name in SENTIMENT.data
        ],
        # The bundled messages were written by a language model, which the article says.
        synthetic=all(
            Path(name).is_relative_to("data/sample") for name in SENTIMENT.data
        ),
        lora=SENTIMENT.lora is not None,
    shell:
        "python -m minillm.studies.sentiment --messages {input.messages:q} --predictions {input.predictions:q}"
        " --title {params.title:q} --data {params.data:q} --synthetic {params.synthetic:q}"
        " --lora {params.lora:q}"
        " --records {output.records:q} --study {output.study:q} --confusion {output.confusion:q} 2> {log:q}"


rule plot_sentiment:
    """Draw the confusion matrix of the fine-tuned model and the accuracies of all."""
    input:
        records="results/{run}/studies/sentiment/records.json",
        confusion="results/{run}/studies/sentiment/confusion.csv",
        histories=expand(
            "results/{run}/studies/sentiment/{start}/seed-{seed}/history.csv",
            start=["pretrained", "untrained"],
            seed=SENTIMENT.seeds,
            allow_missing=True,
        ),
        code=code("minillm.figures.sentiment"),
    output:
        pdf="results/{run}/studies/sentiment/sentiment.pdf",
        png=report(
            "results/{run}/studies/sentiment/sentiment.png",
            caption="../report/sentiment.rst",
            category="Estudios",
            subcategory=STUDY_TITLES["sentiment"],
            labels={"contenido": "Sentimiento: aciertos y confusiones"},
        ),
    log:
        "logs/{run}/studies/plot_sentiment.log",
    benchmark:
        "logs/{run}/studies/plot_sentiment.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.figures.sentiment --records {input.records:q} --confusion {input.confusion:q}"
        " --histories {input.histories:q} --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"
