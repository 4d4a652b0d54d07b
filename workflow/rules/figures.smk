# Figures: drawn from result files, in the style of the article.
# Reads: histories and results/<run>/metrics.csv. Writes: results/<run>/figures/*.pdf and *.png.


rule plot_training:
    """Draw the learning curves: loss, perplexity, accuracy and learning rate."""
    input:
        histories=of_each_model(
            "results/{run}/models/{corpus}/{model}/seed-{seed}/history.csv", TRAINED
        ),
        code=code("minillm.figures.training"),
    output:
        pdf="results/{run}/figures/training.pdf",
        png=report(
            "results/{run}/figures/training.png",
            caption="../report/training.rst",
            category="Entrenamiento",
            labels={"contenido": "Curvas de aprendizaje"},
        ),
    log:
        "logs/{run}/plot_training.log",
    benchmark:
        "logs/{run}/plot_training.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=TITLES,
    shell:
        "python -m minillm.figures.training --histories {input.histories:q} --titles {params.titles:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule plot_comparison:
    """Draw bits per byte of all models with their intervals."""
    input:
        metrics="results/{run}/metrics.csv",
        checks="results/{run}/checks.json",
        code=code("minillm.figures.comparison"),
    output:
        pdf="results/{run}/figures/comparison.pdf",
        png=report(
            "results/{run}/figures/comparison.png",
            caption="../report/comparison.rst",
            category="Evaluación",
            labels={"contenido": "Bits por byte"},
        ),
    log:
        "logs/{run}/plot_comparison.log",
    benchmark:
        "logs/{run}/plot_comparison.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=TITLES,
        marks=as_json(MARKS),
    shell:
        "python -m minillm.figures.comparison --metrics {input.metrics:q} --checks {input.checks:q}"
        " --titles {params.titles:q} --marks {params.marks:q} --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule plot_reliability:
    """Draw how often each model is right where it is so sure."""
    input:
        reliability=of_each_model(
            "results/{run}/metrics/{corpus}/{model}/seed-{seed}/reliability.csv"
        ),
        code=code("minillm.figures.reliability"),
    output:
        pdf="results/{run}/figures/reliability.pdf",
        png=report(
            "results/{run}/figures/reliability.png",
            caption="../report/reliability.rst",
            category="Evaluación",
            labels={"contenido": "Calibración"},
        ),
    log:
        "logs/{run}/plot_reliability.log",
    benchmark:
        "logs/{run}/plot_reliability.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        titles=TITLES,
    shell:
        "python -m minillm.figures.reliability --reliability {input.reliability:q} --titles {params.titles:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"


rule plot_metrics:
    """Draw token-count bias, the leak, BLEU, novelty or latency from the tables of numbers."""
    input:
        metrics=lambda wildcards: f"results/{wildcards.run}/{'cost' if wildcards.figure == 'latency' else 'metrics'}.csv",
        code=lambda wildcards: code(f"minillm.figures.{wildcards.figure}"),
    output:
        pdf="results/{run}/figures/{figure}.pdf",
        png=report(
            "results/{run}/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Evaluación",
            labels=lambda wildcards: {"contenido": FIGURE_TITLES[wildcards.figure]},
        ),
    log:
        "logs/{run}/plot_{figure}.log",
    benchmark:
        "logs/{run}/plot_{figure}.benchmark.tsv"
    wildcard_constraints:
        figure="bias|leak|bleu|novelty|latency",
    conda:
        "../../environment.yml"
    params:
        titles=TITLES,
    shell:
        "python -m minillm.figures.{wildcards.figure} --metrics {input.metrics:q} --titles {params.titles:q}"
        " --pdf {output.pdf:q} --png {output.png:q} 2> {log:q}"
