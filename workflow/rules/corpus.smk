# Corpus: from an export of a wiki, or texts, to articles in three splits.
# Reads: the export or folder of the config. Writes: data/<corpus>/articles.parquet and selection.json.

RAW_SHARDS = [
    f"data/{{corpus}}/raw/{shard}.parquet"
    for shard in range(SETTINGS.corpora[CORPUS].shards)
]


rule write_export:
    """Make a MediaWiki XML export from a folder of wikitext files."""
    input:
        articles=lambda wildcards: source_files(wildcards.corpus),
        code=code("minillm.corpus.write_export"),
    output:
        export="data/{corpus}/export.xml",
    log:
        "logs/{corpus}/write_export.log",
    benchmark:
        "logs/{corpus}/write_export.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.corpus.write_export --articles {input.articles:q} --output {output.export:q} 2> {log:q}"


rule read_dump:
    """Read a MediaWiki XML export of any size into shards of raw pages, SHA-1 sums verified."""
    input:
        dump=exports,
        code=code("minillm.corpus.read_dump"),
    output:
        raw=RAW_SHARDS,
    log:
        "logs/{corpus}/read_dump.log",
    benchmark:
        "logs/{corpus}/read_dump.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of("dump", "wikitext"),
    conda:
        "../../environment.yml"
    params:
        licence=lambda wildcards: SETTINGS.corpora[wildcards.corpus].licence,
        real_revision_ids=lambda wildcards: SETTINGS.corpora[
            wildcards.corpus
        ].real_revision_ids,
    shell:
        "python -m minillm.corpus.read_dump --dump {input.dump:q} --licence {params.licence:q}"
        " --real-revision-ids {params.real_revision_ids:q} --output {output.raw:q} 2> {log:q}"


rule read_texts:
    """Read plain text, JSON lines or Parquet into shards of raw pages."""
    input:
        texts=lambda wildcards: source_files(wildcards.corpus),
        code=code("minillm.corpus.read_texts"),
    output:
        raw=RAW_SHARDS,
    log:
        "logs/{corpus}/read_texts.log",
    benchmark:
        "logs/{corpus}/read_texts.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of("texts"),
    conda:
        "../../environment.yml"
    params:
        licence=lambda wildcards: SETTINGS.corpora[wildcards.corpus].licence,
        text_column=lambda wildcards: SETTINGS.corpora[wildcards.corpus].text_column,
        title_column=lambda wildcards: SETTINGS.corpora[wildcards.corpus].title_column,
    shell:
        "python -m minillm.corpus.read_texts --texts {input.texts:q} --text-column {params.text_column:q}"
        " --title-column {params.title_column:q} --licence {params.licence:q} --output {output.raw:q} 2> {log:q}"


rule clean_articles:
    """Turn the wikitext of a shard into plain, normalised text."""
    input:
        raw="data/{corpus}/raw/{shard}.parquet",
        code=code("minillm.corpus.clean_articles"),
    output:
        clean="data/{corpus}/clean/{shard}.parquet",
    log:
        "logs/{corpus}/clean_articles-{shard}.log",
    benchmark:
        "logs/{corpus}/clean_articles-{shard}.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        language=lambda wildcards: SETTINGS.corpora[wildcards.corpus].language,
    shell:
        "python -m minillm.corpus.clean_articles --raw {input.raw:q} --language {params.language:q}"
        " --output {output.clean:q} 2> {log:q}"


rule select_articles:
    """Drop what is no article, too short, not in the language or a copy, and split the rest 70 / 15 / 15."""
    input:
        clean=shards("data/{corpus}/clean/{shard}.parquet"),
        code=code("minillm.corpus.select_articles"),
    output:
        articles="data/{corpus}/articles.parquet",
        report="data/{corpus}/selection.json",
    log:
        "logs/{corpus}/select_articles.log",
    benchmark:
        "logs/{corpus}/select_articles.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        language=lambda wildcards: SETTINGS.corpora[wildcards.corpus].language,
        selection=lambda wildcards: as_json(SETTINGS.corpora[wildcards.corpus].select),
    shell:
        "python -m minillm.corpus.select_articles --clean {input.clean:q} --language {params.language:q}"
        " --selection {params.selection:q} --output {output.articles:q} --report {output.report:q} 2> {log:q}"
