# Corpus: from a wiki, an export of one, or texts, to articles in three splits.
# Reads: what the config names as source. Writes: data/<corpus>/articles.parquet, selection.json and attribution.csv.

RAW_SHARDS = [
    f"data/{{corpus}}/raw/{shard}.parquet"
    for shard in range(SETTINGS.corpora[CORPUS].shards)
]


rule fetch_dataset:
    """Fetch a file of the registry of data sets (config/sources.yaml), SHA-256 verified."""
    input:
        code=code("minillm.corpus.fetch_dataset"),
    output:
        file=ensure(
            "data/downloads/{dataset}/{file}",
            sha256=lambda wildcards: SETTINGS.datasets[wildcards.dataset].sha256,
        ),
    log:
        "logs/downloads/{dataset}/{file}.log",
    benchmark:
        "logs/downloads/{dataset}/{file}.benchmark.tsv"
    wildcard_constraints:
        dataset=one_of(SETTINGS.datasets),
        file=one_of(dataset.file for dataset in SETTINGS.datasets.values()),
    retries: 3
    conda:
        "../../environment.yml"
    params:
        url=lambda wildcards: SETTINGS.datasets[wildcards.dataset].url,
        sha256=lambda wildcards: SETTINGS.datasets[wildcards.dataset].sha256,
    shell:
        'python -m minillm.corpus.fetch_dataset --url {params.url:q} --sha256 {params.sha256} --contact="$CONTACT"'
        " --output {output.file:q} 2> {log:q}"


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


rule download_articles:
    """Download articles from a wiki, and list their revisions so that others can fetch the same."""
    input:
        lists=lambda wildcards: lists_to_fetch(wildcards.corpus).values(),
        code=code("minillm.corpus.download_articles"),
    output:
        raw=RAW_SHARDS,
        corpus_lock="data/{corpus}/corpus.lock.csv",
        siteinfo="data/{corpus}/siteinfo.json",
    log:
        "logs/{corpus}/download_articles.log",
    benchmark:
        "logs/{corpus}/download_articles.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of("api"),
    conda:
        "../../environment.yml"
    params:
        wiki=lambda wildcards: SETTINGS.corpora[wildcards.corpus].wiki,
        fetch=lambda wildcards: as_json(SETTINGS.corpora[wildcards.corpus].fetch),
        language=lambda wildcards: SETTINGS.corpora[wildcards.corpus].language,
        dropped_sections=lambda wildcards: dropped_sections(wildcards.corpus),
        selection=lambda wildcards: as_json(SETTINGS.corpora[wildcards.corpus].select),
        licence=lambda wildcards: SETTINGS.corpora[wildcards.corpus].licence,
    shell:
        'python -m minillm.corpus.download_articles --wiki {params.wiki:q} --contact="$CONTACT"'
        " --fetch {params.fetch:q} --language {params.language:q} {params.dropped_sections:q}"
        " --selection {params.selection:q}"
        " --licence {params.licence:q} --cache data/{wildcards.corpus}/cache --output {output.raw:q}"
        " --corpus-lock {output.corpus_lock:q} --siteinfo {output.siteinfo:q} 2> {log:q}"


rule read_multistream:
    """Read one part of a multistream dump by its index, SHA-1 sums verified."""
    input:
        dump=exports,
        index=lambda wildcards: index_of(wildcards.corpus),
        code=code("minillm.corpus.read_multistream"),
    output:
        raw="data/{corpus}/raw/{shard}.parquet",
    log:
        "logs/{corpus}/read_multistream-{shard}.log",
    benchmark:
        "logs/{corpus}/read_multistream-{shard}.benchmark.tsv"
    wildcard_constraints:
        corpus=one_of(filter(index_of, SETTINGS.corpora)),
    conda:
        "../../environment.yml"
    params:
        shards=lambda wildcards: SETTINGS.corpora[wildcards.corpus].shards,
        licence=lambda wildcards: SETTINGS.corpora[wildcards.corpus].licence,
        real_revision_ids=lambda wildcards: SETTINGS.corpora[
            wildcards.corpus
        ].real_revision_ids,
    shell:
        "python -m minillm.corpus.read_multistream --dump {input.dump:q} --index {input.index:q}"
        " --shard {wildcards.shard} --shards {params.shards} --licence {params.licence:q}"
        " --real-revision-ids {params.real_revision_ids:q} --output {output.raw:q} 2> {log:q}"


# What has an index is read by it.
ruleorder: read_multistream > read_dump


rule read_siteinfo:
    """Read from the head of an export what the wiki says of itself."""
    input:
        dump=exports,
        code=code("minillm.corpus.read_siteinfo"),
    output:
        siteinfo="data/{corpus}/siteinfo.json",
    log:
        "logs/{corpus}/read_siteinfo.log",
    benchmark:
        "logs/{corpus}/read_siteinfo.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of("dump", "wikitext"),
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.corpus.read_siteinfo --dump {input.dump:q} --output {output.siteinfo:q} 2> {log:q}"


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
        siteinfo=siteinfo,
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
        dropped_sections=lambda wildcards: dropped_sections(wildcards.corpus),
    shell:
        "python -m minillm.corpus.clean_articles --raw {input.raw:q} --siteinfo {input.siteinfo:q}"
        " --language {params.language:q} {params.dropped_sections:q} --output {output.clean:q} 2> {log:q}"


rule repeat_phrase:
    """Write texts that repeat a phrase, one a line."""
    input:
        code=code("minillm.corpus.repeat_phrase"),
    output:
        lines="data/{corpus}/lines.txt",
    log:
        "logs/{corpus}/repeat_phrase.log",
    benchmark:
        "logs/{corpus}/repeat_phrase.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of("phrase"),
    conda:
        "../../environment.yml"
    params:
        phrase=lambda wildcards: SETTINGS.corpora[wildcards.corpus].phrase,
        texts=lambda wildcards: SETTINGS.corpora[wildcards.corpus].texts,
    shell:
        "python -m minillm.corpus.repeat_phrase --phrase {params.phrase:q} --texts {params.texts:q}"
        " --output {output.lines:q} 2> {log:q}"


rule split_text:
    """Make the small corpus of a study: the lines or the pieces of a text file, in three splits."""
    input:
        text=small_text,
        code=code("minillm.corpus.split_text"),
    output:
        articles="data/{corpus}/articles.parquet",
    log:
        "logs/{corpus}/split_text.log",
    benchmark:
        "logs/{corpus}/split_text.benchmark.tsv"
    wildcard_constraints:
        corpus=corpora_of(*UNCLEANED),
    conda:
        "../../environment.yml"
    params:
        source=lambda wildcards: SETTINGS.corpora[wildcards.corpus].source,
        licence=lambda wildcards: SETTINGS.corpora[wildcards.corpus].licence,
        shares=lambda wildcards: as_json(
            SETTINGS.corpora[wildcards.corpus].select.shares
        ),
        seed=lambda wildcards: SETTINGS.corpora[wildcards.corpus].select.seed,
    shell:
        "python -m minillm.corpus.split_text --text {input.text:q} --source {params.source:q}"
        " --licence {params.licence:q} --shares {params.shares:q} --seed {params.seed:q}"
        " --output {output.articles:q} 2> {log:q}"


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
    wildcard_constraints:
        corpus=corpora_of("dump", "wikitext", "texts", "api"),
    conda:
        "../../environment.yml"
    params:
        language=lambda wildcards: SETTINGS.corpora[wildcards.corpus].language,
        selection=lambda wildcards: as_json(SETTINGS.corpora[wildcards.corpus].select),
    shell:
        "python -m minillm.corpus.select_articles --clean {input.clean:q} --language {params.language:q}"
        " --selection {params.selection:q} --output {output.articles:q} --report {output.report:q} 2> {log:q}"


rule write_attribution:
    """List where each article came from, who wrote it, its licence and what was changed."""
    input:
        articles="data/{corpus}/articles.parquet",
        code=code("minillm.corpus.attribution"),
    output:
        attribution=report(
            "data/{corpus}/attribution.csv",
            caption="../report/attribution.rst",
            category="Datos",
            labels={"contenido": "Atribución (CSV, se descarga)"},
        ),
    log:
        "logs/{corpus}/write_attribution.log",
    benchmark:
        "logs/{corpus}/write_attribution.benchmark.tsv"
    conda:
        "../../environment.yml"
    params:
        plain_text=lambda wildcards: SETTINGS.corpora[wildcards.corpus].source
        == "texts",
    shell:
        "python -m minillm.corpus.attribution --articles {input.articles:q} --plain-text {params.plain_text:q}"
        " --output {output.attribution:q} 2> {log:q}"
