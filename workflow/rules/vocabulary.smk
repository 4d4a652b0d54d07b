# Vocabulary: from articles to token ids.
# Reads: data/<corpus>/articles.parquet. Writes: data/<corpus>/vocabulary/ and data/<corpus>/tokens/.


rule build_vocabulary:
    """Build a vocabulary from the train split and measure how it covers every split."""
    input:
        articles="data/{corpus}/articles.parquet",
        code=code("minillm.vocabulary.build_vocabulary"),
    output:
        tokenizer="data/{corpus}/vocabulary/{vocabulary}/tokenizer.json",
        statistics="data/{corpus}/vocabulary/{vocabulary}/statistics.json",
    log:
        "logs/{corpus}/build_vocabulary-{vocabulary}.log",
    benchmark:
        "logs/{corpus}/build_vocabulary-{vocabulary}.benchmark.tsv"
    wildcard_constraints:
        vocabulary=one_of(SETTINGS.vocabularies),
    conda:
        "../../environment.yml"
    params:
        kind=lambda wildcards: SETTINGS.vocabularies[wildcards.vocabulary].kind,
        size=lambda wildcards: SETTINGS.vocabularies[wildcards.vocabulary].size,
    shell:
        "python -m minillm.vocabulary.build_vocabulary --articles {input.articles:q} --kind {params.kind:q}"
        " --size {params.size:q} --output {output.tokenizer:q} --statistics {output.statistics:q} 2> {log:q}"


rule adopt_vocabulary:
    """Take the vocabulary of a pretrained model and measure how it covers every split."""
    input:
        files=lambda wildcards: pretrained_files(wildcards.vocabulary),
        articles="data/{corpus}/articles.parquet",
        code=code("minillm.vocabulary.adopt_vocabulary"),
    output:
        tokenizer="data/{corpus}/vocabulary/{vocabulary}/tokenizer.json",
        statistics="data/{corpus}/vocabulary/{vocabulary}/statistics.json",
    log:
        "logs/{corpus}/adopt_vocabulary-{vocabulary}.log",
    benchmark:
        "logs/{corpus}/adopt_vocabulary-{vocabulary}.benchmark.tsv"
    wildcard_constraints:
        vocabulary=one_of(SETTINGS.pretrained()),
    conda:
        "../../environment.yml"
    params:
        pretrained=lambda wildcards: SETTINGS.models[wildcards.vocabulary].pretrained,
    shell:
        "python -m minillm.vocabulary.adopt_vocabulary --articles {input.articles:q}"
        " --pretrained {params.pretrained:q} --output {output.tokenizer:q}"
        " --statistics {output.statistics:q} 2> {log:q}"


rule encode_split:
    """Turn the texts of a split into token ids."""
    input:
        articles="data/{corpus}/articles.parquet",
        tokenizer="data/{corpus}/vocabulary/{vocabulary}/tokenizer.json",
        code=code("minillm.vocabulary.encode_split"),
    output:
        tokens="data/{corpus}/tokens/{vocabulary}/{split}.npy",
        offsets="data/{corpus}/tokens/{vocabulary}/{split}.offsets.npy",
    log:
        "logs/{corpus}/encode_split-{vocabulary}-{split}.log",
    benchmark:
        "logs/{corpus}/encode_split-{vocabulary}-{split}.benchmark.tsv"
    conda:
        "../../environment.yml"
    shell:
        "python -m minillm.vocabulary.encode_split --articles {input.articles:q} --tokenizer {input.tokenizer:q}"
        " --split {wildcards.split:q} --tokens {output.tokens:q} --offsets {output.offsets:q} 2> {log:q}"
