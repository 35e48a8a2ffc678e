"""`python -m sweeper.embed`: a newer catalogue of the same model, beside the old."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import compose_config

from sweeper import embed as command
from sweeper import recommend
from sweeper.serving.export import export
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import Manifest, read_manifest
from sweeper.serving.versions import list_versions
from sweeper.two_tower.config import ColumnsConfig, FeatureConfig, FeaturesConfig, SideTableConfig
from sweeper.two_tower.trial.trial import run_trial

ROWS, USERS, ITEMS = 400, 30, 24
GENRES = ["a", "b", "a|b", ""]
WORDS = ["amber", "birch", "cedar", "delta"]
GONE, NEW = ["f03", "f11"], ["a new one", "f99"]


@dataclass(frozen=True)
class Shop:
    """An export, its catalogue, and a newer catalogue in another order."""

    output: Path
    old: list[dict[str, str]]
    newer: list[dict[str, str]]

    def copy(self, place: Path) -> Path:
        return Path(shutil.copytree(self.output, place / "shop"))


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """An export with an approximate index, of a model that reads ids, words, lists and numbers."""
    place, rng = tmp_path_factory.mktemp("shop"), np.random.default_rng(2)
    films = [
        {
            "id": f"f{index:02d}",
            "title": f"{WORDS[index % 4]} {WORDS[index // 4 % 4]}",
            "genres": GENRES[index % 4],
            "year": str(1990 + index),
        }
        for index in range(ITEMS)
    ]
    write_csv(place / "films.csv", films)
    rows = [
        {
            "user": f"u{rng.integers(USERS):02d}",
            "film": f"f{int(ITEMS * rng.random() ** 2):02d}",
            "time": str(1_700_000_000 + 60 * row),
        }
        for row in range(ROWS)
    ]
    config = compose_config(
        "data=table", f"data.path={write_csv(place / 'rows.csv', rows)}",
        f"data.cache_dir={place}/cache", "model.layer_sizes=[6]", "train=quick", "train.epochs=2",
        "train.eval_every_epochs=1", "train.xla=false", "evaluation.baselines=[]",
    )  # fmt: skip
    config.data.columns = ColumnsConfig("user", "film", "time")
    config.data.items = SideTableConfig(
        path=str(place / "films.csv"), key="id", lists={"genres": "|"}
    )
    config.features = FeaturesConfig(
        4,
        [FeatureConfig("user", "embedding")],
        [
            FeatureConfig("film", "embedding"),
            FeatureConfig("title", "text"),
            FeatureConfig("genres", "embedding"),
            FeatureConfig("year", "normalized"),
        ],
    )
    quiet = Console(quiet=True)
    run_trial(config, place / "run", console=quiet, draw=False)
    # Of so small a catalogue nothing is saved with more.
    export(place / "run", quiet, output=place / "export", recall=0.2)
    new = [{**films[5], "id": NEW[0]}, {**films[6], "id": NEW[1], "genres": "a|unheard of"}]
    kept = [film for film in films if film["id"] not in GONE]
    return Shop(place / "export", films, [new[1], *reversed(kept), new[0]])


@dataclass(frozen=True)
class Embedded:
    """The newer catalogue's version, and what the command printed."""

    version: Path
    manifest: Manifest
    lines: list[str]


def run(capsys, *arguments: object) -> list[str]:
    command.main([str(argument) for argument in arguments])
    return capsys.readouterr().out.splitlines()


@pytest.fixture(scope="module")
def embedded(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """To be read only."""
    place = tmp_path_factory.mktemp("embedded")
    output, items = shop.copy(place), write_csv(place / "new.csv", shop.newer)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr(command, "make_console", lambda: Printed(printed))
        command.main([str(output), f"items={items}"])
    assert {path: path.read_bytes() for path in before} == before
    return Embedded(output / "2", read_manifest(output / "2"), printed)


class Printed(Console):
    """A console that keeps the lines."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(quiet=True)
        self.lines = lines

    def print(self, text: str, **options: object) -> None:  # type: ignore[override]
        self.lines.append(text.replace("[bold]", "").replace("[/bold]", ""))


def table(version: Path) -> dict[str, dict]:
    rows = pq.read_table(version / "candidates.parquet").to_pylist()
    return {row["film"]: row for row in rows}


def test_the_manifest_says_what_is_new_and_what_is_gone(shop: Shop, embedded: Embedded) -> None:
    manifest = embedded.manifest
    known = {title for user in LoadedExport(shop.output).users for title in titles(shop, user)}
    assert manifest.candidates == ITEMS
    assert manifest.catalogue is not None
    source = manifest.catalogue.pop("source")
    assert source.endswith("/new.csv")
    dropped = manifest.catalogue.pop("dropped_seen")
    assert manifest.catalogue == {
        "of": "1",
        "items": ITEMS,
        "new": 2,
        "gone": 2,
        "new_items": NEW,
        "gone_items": GONE,
        "known_ids": len(known - set(GONE)),
        "unknown_words": {"genres": 1},
        "reads_ids_alone": False,
    }
    manifest.catalogue.update(source=source, dropped_seen=dropped)
    before = read_manifest(shop.output / "1")
    assert before.catalogue is None
    assert before.candidate_inputs == {
        "film": "string", "title": "string", "genres": "strings", "year": "number",
    }  # fmt: skip
    assert (manifest.made_of, manifest.data) == (before.made_of, before.data)


def titles(shop: Shop, user: str) -> list[str]:
    """What the user has seen by the first version."""
    export = LoadedExport(shop.output, 1)
    return [export.titles[item] for item in export.seen(user)]


def test_known_items_keep_their_embedding_and_new_ones_have_their_features(
    shop: Shop, embedded: Embedded
) -> None:
    old, new = table(shop.output / "1"), table(embedded.version)
    assert list(new) == sorted(set(old) - set(GONE) | set(NEW))
    assert {row["title"] for row in new.values()} <= {row["title"] for row in old.values()}
    for item in set(old) & set(new):
        assert {**new[item], "embedding": 0} == {**old[item], "embedding": 0}
        np.testing.assert_allclose(
            new[item]["embedding"], old[item]["embedding"], rtol=1e-5, atol=1e-6
        )
    # "a new one" differs from film 5 by its id alone.
    assert new[NEW[0]]["embedding"] != new["f05"]["embedding"]
    np.testing.assert_array_equal(
        np.load(embedded.version / "candidates.npy"), [row["embedding"] for row in new.values()]
    )


def test_the_same_catalogue_again_has_the_same_bits(shop: Shop, tmp_path: Path, capsys) -> None:
    """From the trial's own file, and from the export's own candidates."""
    output = shop.copy(tmp_path)
    for items in (write_csv(tmp_path / "films.csv", shop.old), output / "1" / "candidates.parquet"):
        run(capsys, output, f"items={items}")
    for version in ("2", "3"):
        for name in ("candidates.parquet", "users.parquet"):
            again, before = (pq.read_table(output / each / name) for each in (version, "1"))
            assert again.equals(before)
    assert list_versions(output) == [1, 2, 3]
    assert read_manifest(output / "3").catalogue["of"] == "1"  # type: ignore[index]


def test_what_users_have_seen_is_the_same_but_for_what_is_gone(
    shop: Shop, embedded: Embedded
) -> None:
    before, now = LoadedExport(shop.output, 1), LoadedExport(embedded.version)
    assert before.users == now.users
    dropped = 0
    for user in before.users:
        kept = [title for title in titles(shop, user) if title not in GONE]
        dropped += len(titles(shop, user)) - len(kept)
        assert [now.titles[item] for item in now.seen(user)] == kept
        assert now.user(user) == before.user(user)
    assert dropped > 0
    assert embedded.manifest.catalogue["dropped_seen"] == dropped  # type: ignore[index]


def test_the_saved_model_recommends_the_new_items_and_none_that_is_gone(
    shop: Shop, embedded: Embedded
) -> None:
    old, new = (tf.saved_model.load(str(each)) for each in (shop.output / "1", embedded.version))
    user = max(LoadedExport(shop.output).users, key=lambda each: len(titles(shop, each)))
    asked = {"user": tf.constant([user]), "k": tf.constant(ITEMS)}
    every = new.signatures["serving_default"](**asked)
    found = [title.decode() for title in every["titles"].numpy()[0]]
    assert sorted(found) == list(table(embedded.version))
    before = old.signatures["serving_default"](**asked)
    scores = {title.decode(): score for title, score in zip(
        before["titles"].numpy()[0], before["scores"].numpy()[0], strict=True
    )}  # fmt: skip
    for title, score in zip(found, every["scores"].numpy()[0], strict=True):
        if title in scores:
            assert score == pytest.approx(scores[title], rel=1e-4, abs=1e-5)
    unseen = new.signatures["unseen"](**asked, exclude=tf.constant([[NEW[0], GONE[0]]]))
    left = {title.decode() for title in unseen["titles"].numpy()[0]} - {""}
    assert left == set(found) - set(titles(shop, user)) - {NEW[0]}
    for name in ("query_tower", "candidate_tower"):
        files = [path for path in (embedded.version / name).rglob("*") if path.is_file()]
        assert files
        for path in files:
            was = shop.output / "1" / path.relative_to(embedded.version)
            assert path.read_bytes() == was.read_bytes()


def test_it_is_asked_by_recommend(embedded: Embedded, capsys) -> None:
    directory = embedded.version.parent
    recommend.main([str(directory), "user=u03", f"k={ITEMS}", "--with-seen", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["export"] == str(embedded.version)
    found = {each["title"]: each for each in answer["answers"][0]["recommendations"]}
    assert set(found) == set(table(embedded.version))
    assert found[NEW[0]]["display_title"] == "birch birch"
    recommend.main([str(directory), f"similar={NEW[0]}", "k=1", "--json"])
    assert json.loads(capsys.readouterr().out)["titles"][0]["title"] not in GONE


def test_the_index_is_built_anew_with_the_recall_that_was_wanted(
    shop: Shop, embedded: Embedded, capsys
) -> None:
    before, now = read_manifest(shop.output / "1").index, embedded.manifest.index
    assert before is not None
    assert now is not None
    assert now["least"] == before["least"] == 0.2
    assert now["recall"] >= 0.2
    assert now["queries"] == len(LoadedExport(shop.output).users)
    recommend.main([str(embedded.version), "user=u03", "k=5", "--json"])
    approximate = json.loads(capsys.readouterr().out)
    assert approximate["index"] == now
    recommend.main([str(embedded.version), "user=u03", "k=5", "--json", "--exact"])
    exact = json.loads(capsys.readouterr().out)
    assert approximate["answers"] == exact["answers"]


def test_the_model_card_says_first_what_the_catalogue_is(shop: Shop, embedded: Embedded) -> None:
    card = (embedded.version / "model_card.md").read_text()
    title, section, *_ = card.split("\n\n")
    assert (title, section) == ("# Model card: run", "## Catalogue of this version")
    opening, _, rest = card.partition("## Model\n\n")
    assert "which was not trained again" in opening
    assert "2 are new, 2 of version 1 are gone" in opening
    assert (shop.output / "1" / "model_card.md").read_text() == f"{title}\n\n{rest}"
    assert "`python -m sweeper.embed` embeds a newer catalogue without training" in rest


def test_it_prints_what_is_new_and_where_it_lies_last(embedded: Embedded) -> None:
    lines = [line for line in embedded.lines if "..." not in line]
    assert [line.split()[0] for line in lines] == [
        "model", "items", "ids", "words", "seen", "index", "output",
    ]  # fmt: skip
    assert lines[1].endswith(
        "new.csv: 2 are new, 2 of version 1 are gone and no longer recommended"
    )
    assert lines[-1].startswith(f"output   {embedded.version} (")


def test_a_newer_catalogue_is_of_the_newest_trained_version(
    shop: Shop, embedded: Embedded, tmp_path: Path, capsys
) -> None:
    """So that what users have seen of an item that was gone in between comes back."""
    output = Path(shutil.copytree(embedded.version.parent, tmp_path / "shop"))
    items = write_csv(tmp_path / "films.csv", shop.old)
    run(capsys, output, f"items={items}")
    assert pq.read_table(output / "3" / "users.parquet").equals(
        pq.read_table(output / "1" / "users.parquet")
    )
    # Unless it is asked for: then the catalogue before it is the newer one.
    run(capsys, output, f"items={items}", "version=2", f"output={tmp_path / 'other'}")
    changes = read_manifest(tmp_path / "other" / "1").catalogue
    assert changes is not None
    assert (changes["of"], changes["new_items"], changes["gone_items"]) == ("2", GONE, NEW)
    card = (tmp_path / "other" / "1" / "model_card.md").read_text()
    assert card.count("## Catalogue of this version") == 1


def test_a_copied_version_alone_needs_an_output(shop: Shop, tmp_path: Path, capsys) -> None:
    version = shutil.copytree(shop.output / "1", tmp_path / "mine")
    items = write_csv(tmp_path / "films.csv", shop.old)
    with pytest.raises(SystemExit) as ended:
        command.main([str(version), f"items={items}"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: output: is not given, and {version} is not one of an export's versions 1, 2, …; "
        "must be given, as output=DIRECTORY\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{shop}"], "items: is missing; must be given as items=FILE"),
        (["{shop}", "items="], "items: got ''; must be given, not empty"),
        (["{shop}", "item=x.csv"], "item: is not a setting; must be one of items, items.format"),
        (["{shop}", "items=none.csv"], "items.path: got 'none.csv', where there is no file or"),
        (["{shop}", "items=good.csv", "version=7"], "version: got 7; must be one that"),
        (["nowhere", "items=good.csv"], "nowhere: holds no export (manifest.json)"),
        (["{shop}", "items=bad.csv"], "items (bad.csv): has no column 'title'; must have id, tit"),
        (["{shop}", "items=good.csv", "output=good.csv"], "output: got good.csv: "),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    shop: Shop, tmp_path: Path, monkeypatch, capsys, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "good.csv", shop.newer)
    write_csv(tmp_path / "bad.csv", [{"id": "f01", "genres": "a", "year": "1990"}])
    with pytest.raises(SystemExit) as ended:
        command.main([argument.format(shop=shop.output) for argument in arguments])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {words}")
    assert list_versions(shop.output) == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "good.csv"]


def test_an_export_without_a_candidate_tower_is_refused(shop: Shop, tmp_path: Path, capsys) -> None:
    output = shop.copy(tmp_path)
    path = output / "1" / "manifest.json"
    content = json.loads(path.read_text())
    items = write_csv(tmp_path / "films.csv", shop.old)
    added = ("candidate_inputs", "candidate_input_names", "no_candidate_tower", "catalogue")
    older = {name: value for name, value in content.items() if name not in added}
    writer = content["sweeper_version"]
    reasons = {
        f"sweeper {writer}, which exported it, exported none": {**older, "format_version": 2},
        "own:Feature has no graph": {**older, "no_candidate_tower": "own:Feature has no graph"},
    }
    for reason, written in reasons.items():
        path.write_text(json.dumps(written))
        with pytest.raises(SystemExit) as ended:
            command.main([str(output), f"items={items}"])
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith(
            f"error: {output}/1: has no candidate tower ({reason}); must have one to embed new item"
        )
