"""The configuration: every key, its type, its default and what it means.

Only the Snakefile imports this module; stages receive plain values. A wrong configuration is refused before the first
job, with one message that names every bad key, what was found and what is allowed.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from minillm.corpus.config import Fetch, Selection, check_address, check_contact
from minillm.model.config import MiniGPTConfig, ModuleConfig, QwenConfig, export_obstacle
from minillm.studies.config import Finetuning, Lora
from minillm.training.config import TrainingConfig

# Names become parts of paths.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


UNCLEANED = ("lines", "book", "phrase")  # sources of small corpora


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Run(_Strict):
    """What is run. These lists are replaced, not merged, by an overlay."""

    name: Name
    """Results go to results/<name>/."""
    corpus: Name
    """The corpus, one of `corpora`."""
    models: list[Name] = Field(min_length=1)
    """The models, among `models`; the first is the one that the others are compared with."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[1], min_length=1)
    """Training seeds; with several, the article shows means and intervals over seeds."""
    studies: list[Literal["hello_world", "proverbs", "shakespeare", "sentiment", "inside"]] = []
    """The small studies, in this order in the article's appendix; one whose data is not there is left out, and the
    article says so."""


class DataSet(_Strict):
    """A file on the web, fetched to data/downloads/<name>/ and verified; the registry is config/sources.yaml."""

    title: str
    """What it is."""
    url: str = Field(pattern=r"^https?://\S+/[A-Za-z0-9][\w.-]*$")
    """Its address, which ends in the name of the file."""
    version: str
    """Which version it is: a date, a number or the SHA-256's first digits where it has none."""
    licence: str
    """Its licence."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """The SHA-256 of the file, in hex."""

    @property
    def file(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.url).name


class Corpus(_Strict):
    """Where articles come from and which are kept."""

    source: Literal["dump", "wikitext", "texts", "api", "lines", "book", "phrase"]
    """`dump`: a MediaWiki XML export. `wikitext`: a folder of wikitext files, one a page. `texts`: plain text. `api`: a
    wiki, from which articles are downloaded. Only for studies, and neither cleaned nor selected: `lines`, a text file
    with a document a line; `book`, a text file with one text; `phrase`, one that is repeated."""
    path: str | None = None
    """The export (.xml, .xml.bz2, .xml.gz, .xml.xz), the folder of .wiki files, or the folder of .txt, .md, .jsonl and
    .parquet files or one of these; the text file of `lines` or `book`."""
    dataset: Name | None = None
    """One of `datasets`, in place of `path`."""
    index: str | None = None
    """Of a multistream dump, whose parts are then read side by side; found by itself under Wikimedia's name."""
    text_column: str = "text"
    """Of JSON lines and Parquet."""
    title_column: str = "title"
    """Of JSON lines and Parquet."""
    wiki: str | None = None
    """Of source `api`: the address of the folder of api.php, such as https://es.wikipedia.org/w/."""
    fetch: Fetch = Fetch()
    """What is downloaded from the wiki."""
    phrase: str = ""
    """Of source `phrase`: what the texts say again and again."""
    texts: int = Field(default=40, ge=3)
    """Of source `phrase`: how many there are."""
    language: str = "es"
    """ISO 639-1 code: the language that articles must have, and the wiki's templates and namespaces."""
    dropped_sections: list[str] | None = None
    """Titles of sections to leave out, in place of the language's list (references, see also, …); [] keeps all."""
    licence: str
    """Licence of the texts, as it is printed."""
    synthetic: bool = False
    """Whether a language model wrote the texts; the article then says so."""
    real_revision_ids: bool = False
    """Whether the export's revision ids are the wiki's own. If not, attribution is by title."""
    shards: int = Field(default=4, ge=1)
    """Parts that are cleaned in parallel."""
    select: Selection = Selection()
    """What an article must be to stay, and how articles are split."""


class Vocabulary(_Strict):
    """A vocabulary, built from the train split."""

    title: str
    """How the article calls its tokens, in the plural."""
    kind: Literal["words", "bpe", "characters"]
    """`words`: the most frequent words and [UNK]. `bpe`: byte-level byte-pair encoding, without unknown text.
    `characters`: the most frequent characters and [UNK]."""
    size: int = Field(ge=260)
    """Tokens at most, the four special ones included."""


_MODEL = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_MODEL)
class MiniGPTModel(MiniGPTConfig):
    """A model of the baseline's family."""

    title: str
    """How the article calls it."""
    vocabulary: Name
    """One of `vocabularies`."""
    training: TrainingConfig
    """How it is trained."""


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_MODEL)
class QwenModel(QwenConfig):
    """A model of the improved family."""

    title: str
    """How the article calls it."""
    vocabulary: Name
    """One of `vocabularies`."""
    training: TrainingConfig
    """How it is trained."""


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_MODEL)
class ModuleModel(ModuleConfig):
    """A class of one's own, trained like the others."""

    module: str = Field(pattern=r"^.+\.py:[A-Za-z_]\w*$")
    """`path/file.py:Class`, from the project's folder; called as Class(vocabulary_size, **options)."""
    title: str
    """How the article calls it."""
    vocabulary: Name
    """One of `vocabularies`."""
    training: TrainingConfig
    """How it is trained."""


class PretrainedModel(_Strict):
    """A causal language model of Hugging Face's transformers, measured as it is, with its own vocabulary."""

    architecture: Literal["pretrained"] = "pretrained"
    pretrained: str = Field(min_length=1)
    """A folder that save_pretrained wrote, from the project's folder, or a name on the hub."""
    title: str
    """How the article calls it."""
    context: int | None = Field(default=None, ge=2)
    """Tokens that it sees at once; null: all that it has positions for."""
    causal: bool = True
    """Whether no position sees the future, as its author says; the audit finds out."""


Model = Annotated[MiniGPTModel | QwenModel | ModuleModel | PretrainedModel, Field(discriminator="architecture")]


class Continuations(_Strict):
    """Continuations of articles: compared with the true ones, searched for repetition and for copies."""

    prompts: int = Field(default=200, ge=2)
    """Test articles that are continued, and train articles, at most."""
    prompt_words: int = Field(default=16, ge=1)
    """Words of the article that the model reads."""
    continuation_words: int = Field(default=24, ge=4)
    """Words that it writes."""


class Generation(_Strict):
    """Texts that are printed in the article."""

    prompts: list[Annotated[str, Field(pattern=r"\S")]] = Field(min_length=1)
    """What the model continues."""
    max_tokens: int = Field(default=48, ge=1)
    """Length of a continuation."""
    temperature: float = Field(default=0.8, gt=0)
    """Of sampled continuations, those of articles too; the others are greedy."""
    seed: int = 1
    """Of the sampling."""


class Measured(_Strict):
    """How much of a corpus its models are measured on."""

    sample_articles: int = Field(default=50, ge=1)
    """Articles of the train and of the validation split that are measured; of the test split always all."""
    generation: Generation
    """Texts that are printed."""


class Evaluation(Measured):
    """How models are measured; threads and device also hold for the studies."""

    continuations: Continuations = Continuations()
    """Articles that are continued."""
    threads: int = Field(default=1, ge=1)
    """Computing threads of a CPU."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto` takes a GPU where there is one. Always in fp32."""
    gender_pairs: list[str] = Field(min_length=1, max_length=2)
    """Sentences that differ in gender alone: a CSV file with the columns masculine and feminine, or two files that are
    aligned by line, the masculine one first."""


class TextStudy(Measured):
    """A small language model on a corpus of its own, trained and measured like the others."""

    corpus: Name
    """One of `corpora`, of source `lines`, `book` or `phrase`."""
    models: list[Name] = Field(min_length=1)
    """Among `models`."""


class LearntByHeart(TextStudy):
    """A study of models that are meant to memorise: what they continue is searched for copies."""

    continuations: Continuations
    """Texts of the corpus that are continued."""


class Sentiment(_Strict):
    """A language model that learns to tell the sentiment of messages."""

    pretrained: str = Field(default="improved", min_length=1)
    """What is fine-tuned: one of `models`, of the run's first seed, or a folder that save_pretrained wrote, from the
    project's folder, or a name on the hub."""
    data: list[Annotated[str, Field(min_length=1)]] = Field(
        default=["data/sample/messages.csv"], min_length=1, max_length=2
    )
    """A CSV file, of which a part is kept for the test; two, the messages to train on first; or a data set of Hugging
    Face's, as its name on the hub or a folder."""
    text_column: str = "text"
    """Of the messages."""
    label_column: str = "label"
    """Of their sentiment: 0, 1, 2 or negative, neutral, positive, in English or Spanish."""
    train: int = Field(default=3000, ge=1)
    """Messages to train on at most; a fifth of them is the validation part."""
    test: int = Field(default=2000, ge=1)
    """Messages of the test at most."""
    seed: int = Field(default=1, ge=0)
    """Which messages go to which part."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[1, 2, 3], min_length=1)
    """Seeds of the fine-tuning; the model of the first is kept."""
    training: Finetuning = Finetuning()
    """How it learns."""
    lora: Lora | None = None
    """Low-rank adaptation, with the package peft; null trains all weights."""


class Inside(_Strict):
    """A look inside the run's causal models of the families minigpt and qwen, of the first seed."""

    prompt: str = Field(default="Durante la Edad Media, la ciudad", pattern=r"\S")
    """What is continued, and what attention is drawn on, up to 12 tokens."""
    temperatures: list[Annotated[float, Field(ge=0)]] = Field(default=[0, 0.5, 1, 1.5], min_length=1)
    """At which the prompt is continued; 0 takes the most probable token."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[1, 2, 3], min_length=1)
    """Of the sampling."""
    max_tokens: int = Field(default=24, ge=1)
    """Length of a continuation."""
    words: int = Field(default=200, ge=10)
    """The most frequent words, whose embeddings are drawn."""


class Studies(_Strict):
    """The small studies; which of them run is in `run.studies`."""

    hello_world: LearntByHeart
    """A repetitive text, learnt by heart with and without a mask."""
    proverbs: TextStudy
    """Spanish proverbs, with a look at every parameter."""
    shakespeare: TextStudy
    """Tiny Shakespeare, by characters."""
    sentiment: Sentiment
    """Fine-tuning."""
    inside: Inside
    """Positions, attention, embeddings, temperature, architecture."""


class Author(_Strict):
    """Who signs the article."""

    name: str
    """Name, as printed."""
    affiliation: str = ""
    """Institution, city, country."""
    email: str = ""
    """Address, as printed."""


class Paper(_Strict):
    """The article."""

    title: str
    """Its title."""
    authors: list[Author] = Field(min_length=1)
    """Who signs it."""
    keywords: list[str] = Field(min_length=1)
    """Index terms."""
    strict: bool = False
    """Whether a failed check is an error; otherwise the article is marked as a draft and lists them."""
    max_pages: Annotated[int, Field(gt=0)] | None = None
    """The last page on which the references may begin; without it, no limit."""
    dir: str | None = Field(default=None, min_length=1)
    """A folder of one's own, from the project's folder: its files take the place of those in paper/ called the same."""
    scaffold: bool = False
    """Whether the sections ask guiding questions, for a course where students write the text in `dir`."""


class Settings(_Strict):
    """The whole configuration."""

    run: Run
    dump: str | None = None
    """Path of the export that the run's corpus reads; for the command line: `--config dump=PATH`."""
    contact: str | None = None
    """An e-mail address or web page of who runs this, told to a wiki that is asked: `--config contact=ADDRESS`."""
    datasets: dict[Name, DataSet] = {}
    """The registry of files on the web."""
    corpora: dict[Name, Corpus]
    vocabularies: dict[Name, Vocabulary]
    models: dict[Name, Model]
    evaluation: Evaluation
    studies: Studies
    paper: Paper

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        references: list[tuple[str, str, Mapping[str, object]]] = [
            ("run.corpus", self.run.corpus, self.corpora),
            *(("run.models", name, self.models) for name in self.run.models),
            *(
                (f"models.{name}.vocabulary", model.vocabulary, self.vocabularies)
                for name, model in self.models.items()
                if not isinstance(model, PretrainedModel)
            ),
            *((f"corpora.{name}.dataset", c.dataset, self.datasets) for name, c in self.corpora.items() if c.dataset),
        ]
        problems = [
            f"{path}: {name!r} is not defined{_nearest(name, known)}"
            for path, name, known in references
            if name not in known
        ]
        inside = self.studies.inside
        for path, values in (
            ("run.models", self.run.models),
            ("run.seeds", self.run.seeds),
            ("run.studies", self.run.studies),
            ("studies.inside.temperatures", inside.temperatures),
            ("studies.inside.seeds", inside.seeds),
        ):
            if len(set(values)) < len(values):
                problems.append(f"{path}: {values} names one twice")
        for name, model in self.models.items():
            problems += [f"models.{name}: {problem}" for problem in _model_problems(name, model, self.vocabularies)]
        for name, corpus in self.corpora.items():
            if name in ("sample", "downloads"):
                problems.append(f"corpora.{name}: data/{name}/ is the project's own; give the corpus another name")
            problems += [f"corpora.{name}{problem}" for problem in _corpus_problems(corpus)]
        problems += _study_problems(self)
        problems += [f"studies.sentiment.{problem}" for problem in _sentiment_problems(self)]
        if self.contact is not None:
            problems += _found_by(check_contact, self.contact, "contact")
        if self.run.corpus in self.corpora:
            used = self.corpora[self.run.corpus]
            downloaded = used.source == "api"
            if downloaded and self.dump is not None:
                problems.append(f"dump: the corpus {self.run.corpus} is downloaded, and reads no dump")
            if not (downloaded or self.dump or used.path or used.dataset):
                problems.append(f"corpora.{self.run.corpus}.path: missing; give it here or with --config dump=PATH")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def download_path(self, dataset: str) -> str:
        """Where a data set is fetched to."""
        return f"data/downloads/{dataset}/{self.datasets[dataset].file}"

    def source_path(self, corpus: str) -> str | None:
        """Where a corpus is read from."""
        if self.dump is not None and corpus == self.run.corpus:
            return self.dump
        dataset = self.corpora[corpus].dataset
        return self.corpora[corpus].path if dataset is None else self.download_path(dataset)

    def network(self, model: str) -> dict[str, Any]:
        """The part of a model's settings that says what is built: plain values."""
        chosen = self.models[model]
        family = next(family for family in (MiniGPTConfig, QwenConfig, ModuleConfig) if isinstance(chosen, family))
        return {field.name: getattr(chosen, field.name) for field in dataclasses.fields(family)}

    def text_studies(self) -> dict[str, TextStudy]:
        """The studies that train models on a corpus of their own, by name."""
        return {name: study for name, study in self.studies if isinstance(study, TextStudy)}

    def measured(self, corpus: str) -> Measured:
        """How much is measured of the models of a corpus."""
        of_studies = {study.corpus: study for study in self.text_studies().values()}
        return of_studies.get(corpus, self.evaluation)

    def pretrained(self) -> dict[str, PretrainedModel]:
        """The models that are not trained, by name."""
        return {name: model for name, model in self.models.items() if isinstance(model, PretrainedModel)}

    def vocabulary_of(self, model: str) -> str:
        """The name of a model's vocabulary: a pretrained model's own has the model's name."""
        chosen = self.models[model]
        return model if isinstance(chosen, PretrainedModel) else chosen.vocabulary

    def vocabulary_titles(self) -> dict[str, str]:
        """How the article calls the tokens of each vocabulary, those of pretrained models included."""
        own = {name: vocabulary.title for name, vocabulary in self.vocabularies.items()}
        return own | {name: f"piezas de {model.title}" for name, model in self.pretrained().items()}


def _model_problems(name: str, model: Model, vocabularies: Mapping[str, Vocabulary]) -> list[str]:
    """What is wrong with the settings of a model."""
    if isinstance(model, PretrainedModel) and name in vocabularies:
        return [f"it brings its own vocabulary, and {name} is one of vocabularies; rename one of them"]
    if isinstance(model, MiniGPTModel | QwenModel):
        size = 2 if isinstance(model, QwenModel) else 1  # rotary positions turn pairs
        if model.width % (model.heads * size):
            even = " into heads of an even size" if size == 2 else ""
            return [f"width {model.width} cannot be divided by heads {model.heads}{even}"]
    return []


def _study_problems(settings: "Settings") -> list[str]:
    """What is wrong with the studies that train models on a corpus of their own."""
    problems = []
    taken = {settings.run.corpus: "run.corpus"}
    for name, study in settings.text_studies().items():
        place = f"studies.{name}"
        source = settings.corpora[study.corpus].source if study.corpus in settings.corpora else None
        if source is None:
            problems.append(
                f"{place}.corpus: {study.corpus!r} is not defined{_nearest(study.corpus, settings.corpora)}"
            )
        elif source not in UNCLEANED:
            problems.append(
                f"{place}.corpus: {study.corpus} has the source {source}; a study takes {', '.join(UNCLEANED)}"
            )
        if study.corpus in taken:
            problems.append(f"{place}.corpus: {study.corpus} is that of {taken[study.corpus]} already")
        taken[study.corpus] = place
        if name != "hello_world" and len(study.models) > 1:
            problems.append(f"{place}.models: {study.models} are several, and this study has one model")
        for model in study.models:
            if model not in settings.models:
                problems.append(f"{place}.models: {model!r} is not defined{_nearest(model, settings.models)}")
            elif model in settings.run.models or model in settings.pretrained():
                problems.append(f"{place}.models: {model} must be a model of its own, trained and not among run.models")
            elif settings.vocabularies[settings.vocabulary_of(model)].kind != "characters":
                problems.append(f"models.{model}.vocabulary: a study takes a vocabulary of kind characters")
    drawn = settings.studies.proverbs.models[0]
    if drawn in settings.models and not _can_be_drawn(settings.models[drawn]):
        problems.append(
            f"models.{drawn}: its weights are drawn by epoch, which takes the architecture minigpt and of its training "
            "counted_in: epochs, snapshots: true and no patience"
        )
    if settings.run.corpus in settings.corpora and settings.corpora[settings.run.corpus].source in UNCLEANED:
        problems.append(f"run.corpus: {settings.run.corpus} is neither cleaned nor selected and is for a study only")
    return problems


def _sentiment_problems(settings: "Settings") -> list[str]:
    """What is wrong with the settings of the sentiment study, each with its key."""
    study, problems = settings.studies.sentiment, []
    model = settings.models.get(study.pretrained)
    if isinstance(model, MiniGPTModel | QwenModel | ModuleModel) and (obstacle := export_obstacle(model)):
        problems.append(f"pretrained: {study.pretrained} will not do ({obstacle}); name another model")
    if len(study.data) == 2 and not all(name.endswith(".csv") for name in study.data):
        problems.append(f"data: two of them must be .csv files, train and test; found {study.data}")
    if len(set(study.seeds)) < len(study.seeds):
        problems.append(f"seeds: {study.seeds} names one twice")
    if study.training.batch_size % study.training.micro_batches:
        problems.append(
            f"training.micro_batches: batch_size {study.training.batch_size} cannot be divided by "
            f"{study.training.micro_batches}"
        )
    return problems


def _can_be_drawn(model: Model) -> bool:
    """Whether there is a picture of the model's weights for each of so many epochs."""
    return isinstance(model, MiniGPTModel) and (
        model.training.counted_in,
        model.training.snapshots,
        model.training.patience,
    ) == ("epochs", True, None)


def _corpus_problems(corpus: Corpus) -> list[str]:
    """What is wrong with the settings of a corpus, each with its key."""
    problems = []
    shares = corpus.select.shares
    if set(shares) != {"train", "validation", "test"} or abs(sum(shares.values()) - 1) > 1e-9:
        problems.append(".select.shares: train, validation and test must sum to 1")
    if corpus.path and corpus.dataset:
        problems.append(": path and dataset exclude each other; give one of them")
    if corpus.source in ("lines", "book") and not (corpus.path or corpus.dataset):
        problems.append(".path: missing; give the text file or, in its place, a dataset")
    if corpus.source == "phrase" and not corpus.phrase.strip():
        problems.append(".phrase: missing; give the words to repeat")
    named = [key for key in ("category", "titles", "lock") if getattr(corpus.fetch, key) is not None]
    if len(named) > 1:
        problems.append(f".fetch: {' and '.join(named)} exclude each other; give one of them")
    if corpus.source != "api":
        return problems
    if corpus.wiki is None:
        return [*problems, ".wiki: missing; give the folder of api.php, such as https://es.wikipedia.org/w/"]
    return problems + _found_by(check_address, corpus.wiki, ".wiki")


def _found_by(check: Callable[[str], None], value: str, key: str) -> list[str]:
    try:
        check(value)
    except ValueError as error:
        return [f"{key}: {error}"]
    return []


class ConfigError(ValueError):
    """A configuration that cannot be run; the message is meant for the screen."""


def load_settings(config: Mapping[str, Any]) -> Settings:
    """Validate a configuration as Snakemake has read and merged it.

    Raises ConfigError with a line for each bad key.
    """
    plain = json.loads(json.dumps(config, default=str))  # no dates or other YAML objects, and a copy
    try:
        if isinstance(plain.get("models"), dict):
            plain["models"] = _kinds_named(_copies_resolved(plain["models"]))
        return Settings.model_validate(plain)
    except ValidationError as error:
        lines = sorted({line for problem in error.errors() for line in _explain(problem).split("\n")})
        head = "config: 1 problem" if len(lines) == 1 else f"config: {len(lines)} problems"
        raise ConfigError("\n".join([head, *(f"  {line}" for line in lines)])) from None


def as_json(value: Any) -> str:
    """A setting as the command line of a stage takes it."""
    return json.dumps(pydantic.TypeAdapter(type(value)).dump_python(value, mode="json"), ensure_ascii=False)


def _copies_resolved(models: dict[str, Any]) -> dict[str, Any]:
    """Models with `like: other` filled up with the other's keys, mappings merged."""

    def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        both = {key: merged(base[key], changes[key]) for key in base if _mappings(base[key], changes.get(key))}
        return {**base, **changes, **both}

    resolved = {}
    for name, model in models.items():
        if isinstance(model, dict) and "like" in model:
            original = models.get(str(model["like"]))
            if not isinstance(original, dict) or "like" in original:
                choices = [key for key, value in models.items() if isinstance(value, dict) and "like" not in value]
                raise ConfigError(
                    f"config: 1 problem\n  models.{name}.like: {model['like']!r} is not one of {', '.join(choices)}"
                )
            resolved[name] = merged(original, {key: value for key, value in model.items() if key != "like"})
        else:
            resolved[name] = model
    return resolved


def _kinds_named(models: dict[str, Any]) -> dict[str, Any]:
    """Models with the `architecture` that their key `module` or `pretrained` stands for."""
    named = {}
    for name, model in models.items():
        kinds = [key for key in ("architecture", "module", "pretrained") if isinstance(model, dict) and key in model]
        if len(kinds) > 1:
            raise ConfigError(
                f"config: 1 problem\n  models.{name}: {' and '.join(kinds)} exclude each other; give one of them"
            )
        named[name] = {**model, "architecture": kinds[0]} if kinds in (["module"], ["pretrained"]) else model
    return named


def _mappings(a: object, b: object) -> bool:
    return isinstance(a, dict) and isinstance(b, dict)


def _explain(problem: Any) -> str:
    """What pydantic found: one line, or several where our own checks found several problems."""
    location = problem["loc"]
    if problem["type"] == "value_error":  # our own, which names its place
        return str(problem["ctx"]["error"])
    keys, path = _keys_at(location[:-1])
    name = ".".join([*path, str(location[-1])])
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{name}: unknown key{_nearest(str(location[-1]), keys)}"
    if problem["type"] == "missing":
        return f"{name}: missing"
    if problem["type"] in ("union_tag_not_found", "union_tag_invalid"):
        found = problem["input"].get("architecture")
        hint = "" if found else "; or give module or pretrained in its place"
        return f"{name}.architecture: should be one of 'minigpt', 'qwen'; found {found!r}{hint}"
    name = name.removesuffix(".[key]")
    message = re.sub(r"^\w+ (?=should )", "", problem["msg"]).partition(" after validation")[0]
    return f"{name}: {message}; found {problem['input']!r}"


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"; did you mean {close[0]!r}?" if close else "") + f" (known: {', '.join(sorted(known))})"


def _keys_at(location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The keys allowed at a place of the configuration, and the place as a user writes it.

    Follows the JSON schema; pydantic's locations also hold the tag of a union, which no user writes.
    """
    schema = Settings.model_json_schema()
    node, path = schema, []
    for part in location:
        node = _resolved(schema, node)
        if "discriminator" in node and part in node["discriminator"]["mapping"]:
            node = {"$ref": node["discriminator"]["mapping"][part]}
            continue
        path.append(str(part))
        named = [*node.get("patternProperties", {}).values(), {}]  # of mappings whose keys are names
        node = node.get("properties", {}).get(part) or node.get("items") or named[0]
    return sorted(_resolved(schema, node).get("properties", {})), path


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][PurePosixPath(node["$ref"]).name]
    return node
