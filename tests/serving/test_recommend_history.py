"""`python -m sweeper.recommend` of a model that reads what was chosen before."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from test_recommend import as_json, failure, output, titles

from sweeper.common.errors import ConfigError
from sweeper.recommend import _check_reads
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.queries import find_history, make_queries
from sweeper.serving.recommendations import recommend
from sweeper.serving.request_values import seconds, titles_in
from sweeper.serving.retrained_model import recorded_config
from sweeper.serving.titles import DisplayTitles
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions


def history_setting(*names: str) -> str:
    return f"history={json.dumps(names, ensure_ascii=False)}"


def data_of(exported) -> Interactions:
    return load_interactions(recorded_config(exported.record).data, lambda text: None)


def test_anybody_is_asked_for_by_titles_alone(exported_sequence, capsys) -> None:
    first, second = titles(exported_sequence)[3:5]
    found = as_json(exported_sequence, capsys, history_setting(first, second, first), "k=120")
    (answer,) = found["answers"]
    assert (answer["user"], answer["known"], answer["notices"]) == (None, False, {
        "fewer": "118 of 120: the others have been chosen before; --with-seen recommends these, too"
    })  # fmt: skip
    assert answer["history"] == {"value": [first, second, first], "is": "as given"}
    assert answer["seconds_since_last"] == {"value": None, "is": "missing"}
    assert answer["seen"] == [first, second]
    model = tf.saved_model.load(str(exported_sequence.version)).signatures["unseen"]
    expected = model(
        history=tf.constant([[first, second, first]]),
        seconds_since_last=tf.constant([math.nan], tf.float64),
        exclude=tf.constant([[""]]),
        k=tf.constant(118),
    )
    recommended = answer["recommendations"]
    assert [each["title"].encode() for each in recommended] == expected["titles"].numpy()[
        0
    ].tolist()
    scores = [each["score"] for each in recommended]
    assert scores == pytest.approx(expected["scores"].numpy()[0].tolist(), rel=1e-5, abs=1e-6)
    lines = output(exported_sequence, capsys, history_setting(first, second), "k=2").splitlines()
    assert lines[0].strip() == "For a history of 2 titles"
    assert lines[1].split()[:3] == ["rank", "movie_title", "score"]
    assert lines[2].rstrip().endswith(second)
    assert lines[3].rstrip().endswith(first)
    assert "asked    history 2 titles (as given)" in lines


def test_a_users_history_is_all_rows_by_time_whether_trained_on_or_not(
    exported_sequence, capsys
) -> None:
    users = pq.read_table(exported_sequence.version / "users.parquet").to_pylist()
    row = next(each for each in users if 0 < each["training_rows"] < len(each["history"]))
    name, data = row["user_id"], data_of(exported_sequence)
    own = np.flatnonzero(data.users == data.query_columns["user_id"].categories.index(name))
    own = own[np.argsort(data.timestamps[own], kind="stable")]
    history = [data.item_names[item] for item in data.items[own]]
    (answer,) = as_json(exported_sequence, capsys, f"user_id={name}", "k=4")["answers"]
    assert answer["known"] is True
    assert answer["history"] == {"value": history, "is": "all rows of the user"}
    assert set(answer["seen"]) == set(history)
    seconds = data.timestamps.max() - data.timestamps[own[-1]]
    gap = {"value": seconds, "is": "since the user's last row"}
    assert answer["seconds_since_last"] == gap
    given = as_json(
        exported_sequence,
        capsys,
        history_setting(*history),
        f"seconds_since_last={gap['value']}",
        "k=4",
    )
    assert given["answers"][0]["recommendations"] == answer["recommendations"]
    other = as_json(
        exported_sequence, capsys, f"user_id={name}", history_setting(*history[-3:]), "k=4"
    )
    (answer,) = other["answers"]
    assert (answer["user"], answer["history"]["value"]) == (name, history[-3:])
    # What the user has in other rows isn't recommended again either.
    assert set(answer["seen"]) == set(history)


def test_unknown_titles_are_told_with_the_nearest_left_out_and_counted(
    exported_sequence, capsys
) -> None:
    first, second = titles(exported_sequence)[3:5]
    (answer,) = as_json(
        exported_sequence, capsys, history_setting(first.upper(), first, "§§§§", second), "k=3"
    )["answers"]
    (same,) = as_json(exported_sequence, capsys, history_setting(first, second), "k=3")["answers"]
    assert answer["recommendations"] == same["recommendations"]
    assert answer["unknown_history"] == [first.upper(), "§§§§"]
    told = answer["notices"]["titles"]
    assert told.startswith("the catalogue lacks 2 of 4 titles in the history, left out here: ")
    assert f"{first.upper()!r} (did you mean {first!r}" in told
    assert told.endswith("'§§§§'")
    (many,) = as_json(exported_sequence, capsys, history_setting(*"§¶¤¢£¥¬", first))["answers"]
    assert many["notices"]["titles"].endswith("'£' and 2 more")


def test_nothing_known_has_the_cold_answer_and_is_told(exported_sequence, capsys) -> None:
    answers = [
        as_json(exported_sequence, capsys, each, "k=3")["answers"][0]
        for each in ("history=[]", history_setting("§§§§"), "user_id=nobody")
    ]
    empty, unknown, nobody = answers
    assert empty["recommendations"] == unknown["recommendations"] == nobody["recommendations"]
    cold = "this is the answer where nothing was chosen before"
    assert empty["notices"] == {"cold": f"the history is empty: {cold}"}
    assert unknown["notices"]["cold"] == f"no title of the history is known: {cold}"
    assert nobody["notices"] == {
        "unknown": "'nobody' has no rows in the data: this is the answer for any unknown user"
    }
    text = output(exported_sequence, capsys, history_setting("§§§§"), "k=3")
    assert f"cold     no title of the history is known: {cold}" in text.splitlines()


def test_several_users_are_answered_each_by_a_history_of_its_own(
    exported_sequence, tmp_path, capsys
) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("user_07\nnobody\n")
    both = as_json(exported_sequence, capsys, f"users={path}", "k=3")["answers"]
    for answer, name in zip(both, ("user_07", "nobody"), strict=True):
        (alone,) = as_json(exported_sequence, capsys, f"user_id={name}", "k=3")["answers"]
        assert answer["history"] == alone["history"]
        assert [each["title"] for each in answer["recommendations"]] == [
            each["title"] for each in alone["recommendations"]
        ]


FORM = """must be a list of titles in quotes, such as 'history=["TITLE","TITLE"]', or history=[]"""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "history: is missing, and so is user_id; must be given as 'history=["),
        (["history=Fargo (1996)"], f"history: got 'Fargo (1996)'; {FORM}"),
        (["history=[Fargo]"], f"history: got '[Fargo]'; {FORM}"),
        (["history=[1,2]"], f"history: got '[1,2]'; {FORM}"),
        (['history="Fargo"'], f"""history: got '"Fargo"'; {FORM}"""),
        (["history="], f"history: got ''; {FORM}"),
        (["history=null"], f"history: got 'null'; {FORM}"),
        (['history=["a",["b"]]'], f"""history: got '["a",["b"]]'; {FORM}"""),
        (['history=["a",""]'], """history: got '["a",""]'; must hold no empty title"""),
        ([r'history=["\u0000"]'], r"""history: got '["\\u0000"]'; each title must be a text"""),
        (["history=[]", "history=[]"], "history: is given twice"),
        (["history=[]", "--known-only"], "--known-only: needs a user, but only history is given"),
        (["user_id=nobody", "--known-only"], "user_id: got 'nobody', who has no rows in the data"),
        (["similar=a", "history=[]"], "history: cannot be combined with similar"),
        (["user_id=a", "seconds_since_last=-1"], "seconds_since_last: got '-1'; must be at"),
        (["user_id=a", "timestamp=5"], "timestamp: is not a setting; must be one of user_id, "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(exported_sequence, capsys, arguments, problem) -> None:
    (line,) = failure(exported_sequence, capsys, *arguments)
    assert line.startswith(f"error: {problem}")


def test_seconds_are_refused_for_a_model_that_reads_titles_without_a_time_gap(
    exported_sequence,
) -> None:
    manifest = replace(LoadedExport(exported_sequence.output).manifest, reads=["history"])
    settings = ["user_id=a", "history=[]", "seconds_since_last=5"]
    with pytest.raises(ConfigError) as caught:
        _check_reads(manifest, {"user_id": "user_id"}, settings)
    assert caught.value.problems == [
        "seconds_since_last: is given, but the model of this export has no time gap (a feature of "
        "kind time_gap); must be left out"
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('["a, b","c"]', ["a, b", "c"]),
        ("['a, b', \"it's\"]", ["a, b", "it's"]),
        (r'["say \"hi\": (1996)", "[x]", "Amélie", "\u00e9=1"]',
         ['say "hi": (1996)', "[x]", "Amélie", "é=1"]),
        (' [ "a" ] ', ["a"]),
        ("[]", []),
    ],
)  # fmt: skip
def test_titles_may_hold_anything(value: str, found: list[str]) -> None:
    assert titles_in(value) == found


@pytest.mark.parametrize(
    "value", ["[" * 9_000, "['a'", '{"a": 1}', "('a',)", "[b'a']", "['a'] + []"]
)
def test_what_is_no_list_of_titles_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must be a list of titles in quotes"):
        titles_in(value)


def test_seconds_are_a_number_or_not_known() -> None:
    assert seconds("3.5") == 3.5
    assert math.isnan(seconds("null"))
    with pytest.raises(ValueError, match="must be at least 0"):
        seconds("-0.1")


def test_candidates_that_are_ids_are_found_by_their_titles(exported_sequence) -> None:
    export = LoadedExport(exported_sequence.output)
    shown = [f"Film {place // 2}" if place < 4 else f"Film {place}" for place in range(120)]
    export.display_titles = DisplayTitles(
        "movie_title", "film", dict(zip(export.titles, shown, strict=True))
    )
    history = find_history(
        export, None, {"history": ["Film 7", export.titles[5], "Film"]}, later=0.0
    )
    assert (history.candidates, history.unknown) == ([7, 5], ["Film"])
    with pytest.raises(ConfigError, match="history: got 'Film 1', which 2 candidates have as"):
        find_history(export, None, {"history": ["Film 1"]}, later=0.0)


def test_a_model_that_sees_the_user_says_whom_it_was_not_trained_on(exported_sequence) -> None:
    export = LoadedExport(exported_sequence.output)
    export.manifest = replace(export.manifest, inputs={"user_id": "string"})
    export.training_rows = {"user_07": 0, "user_08": 3}.get  # type: ignore[method-assign]
    new, old, nobody = make_queries(export, ["user_07", "user_08", None], {}, known_only=True)
    assert new.notices == {
        "unknown": "'user_07' has no training rows: the model knows this user by what was done "
        "before alone"
    }
    assert old.notices == {}
    assert (nobody.inputs["user_id"], nobody.origins) == ("", {"user_id": "missing"})


def test_a_bias_on_what_was_seen_is_added_where_it_may_be_shown(exported_sequence) -> None:
    export = LoadedExport(exported_sequence.output)
    history = {"history": [export.titles[place] for place in (7, 5, 7)]}
    queries = make_queries(export, [None], {}, known_only=False, history=history)
    (plain,) = recommend(export, queries, 120, with_seen=True)
    export.manifest = replace(export.manifest, seen_bias=5.0)
    (biased,) = recommend(export, queries, 120, with_seen=True)
    without = dict(zip(plain.titles, plain.scores, strict=True))
    for title, score in zip(biased.titles, biased.scores, strict=True):
        expected = without[title] + (5 if title in history["history"] else 0)
        assert score == pytest.approx(expected, abs=1e-5)
    assert set(biased.titles[:2]) == set(history["history"])
    assert len(biased.titles) == 120
    (unseen,) = recommend(export, queries, 118, with_seen=False)
    assert unseen.titles == [title for title in plain.titles if title not in history["history"]]


def test_the_time_that_is_asked_for_counts_from_the_users_last_row(exported_sequence) -> None:
    export = LoadedExport(exported_sequence.output)
    known = export.seconds_since_last("user_07")
    assert find_history(export, "user_07", {}, later=10.0).seconds == known + 10
    before = find_history(export, "user_07", {}, later=-known - 1)
    assert math.isnan(before.seconds)
    assert before.origins["seconds_since_last"] == "missing"


def test_the_cards_program_runs_where_the_export_lies(
    exported_sequence, monkeypatch, capsys
) -> None:
    card = (exported_sequence.version / "model_card.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0]
    asked = titles(exported_sequence)[:2]
    assert json.dumps([asked]) in program
    monkeypatch.chdir(exported_sequence.version)
    exec(program, {})
    found = capsys.readouterr().out.splitlines()[-1]
    assert sum(repr(title) in found for title in titles(exported_sequence)) == 10
    assert not any(repr(title) in found for title in asked)
    assert "It reads what was chosen before." in card
    assert "The model reads the last 50 known values." in card
    assert "The number of known values in the request is the length" in card
