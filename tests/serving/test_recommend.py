"""`python -m sweeper.recommend`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from processes import run_fresh

from sweeper import recommend as command
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.recommendations import similar
from sweeper.serving.request_values import time, users_in


def output(exported, capsys, *arguments: str) -> str:
    command.main([str(exported.output), *arguments])
    return capsys.readouterr().out


def as_json(exported, capsys, *arguments: str) -> dict:
    return json.loads(output(exported, capsys, *arguments, "--json"))


def failure(exported, capsys, *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        command.main([str(exported.output), *arguments])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def user(exported, name: str) -> dict:
    rows = pq.read_table(exported.version / "users.parquet").to_pylist()
    return next(row for row in rows if row["user_id"] == name)


def titles(exported) -> list[str]:
    return pq.read_table(exported.version / "candidates.parquet")["movie_title"].to_pylist()


def test_a_known_user_is_asked_for_as_last_known_and_now(exported, capsys) -> None:
    found = as_json(exported, capsys, "user_id=user_07", "k=5")
    (answer,) = found["answers"]
    row = user(exported, "user_07")
    newest = max(each["timestamp"] for each in
                 pq.read_table(exported.version / "users.parquet").to_pylist())  # fmt: skip
    assert (answer["user"], answer["known"]) == ("user_07", True)
    assert answer["columns"]["timestamp"] == {
        "value": newest, "is": "the newest of the training rows",
    }  # fmt: skip
    assert answer["columns"]["user_gender"] == {"value": row["user_gender"], "is": "as last known"}
    seen = [titles(exported)[item] for item in row["seen"]]
    assert answer["seen"] == seen[::-1]
    model = tf.saved_model.load(str(exported.version)).signatures["unseen"]
    expected = model(
        user_id=tf.constant(["user_07"]),
        timestamp=tf.constant([newest], tf.float64),
        raw_user_age=tf.constant([row["raw_user_age"]], tf.float64),
        user_gender=tf.constant([row["user_gender"]]),
        user_occupation_text=tf.constant([row["user_occupation_text"]]),
        exclude=tf.fill([1, 0], ""),
        k=tf.constant(5),
    )
    recommended = answer["recommendations"]
    assert [each["title"].encode() for each in recommended] == expected["titles"].numpy()[
        0
    ].tolist()
    assert [each["score"] for each in recommended] == expected["scores"].numpy()[0].tolist()
    assert [each["rank"] for each in recommended] == [1, 2, 3, 4, 5]
    assert not {each["title"] for each in recommended} & set(seen)


def test_the_table_has_what_was_chosen_before_beside_it(exported, capsys) -> None:
    lines = output(exported, capsys, "user_id=user_07", "k=3").splitlines()
    (answer,) = as_json(exported, capsys, "user_id=user_07", "k=3")["answers"]
    assert lines[0].strip() == "For 'user_07'"
    assert f"chosen before ({len(answer['seen'])}), the last first" in lines[1]
    rows = zip(lines[2:5], answer["recommendations"], answer["seen"][:3], strict=True)
    for line, each, before in rows:
        assert line.split()[0] == str(each["rank"])
        assert each["title"] in line
        assert f"{each['score']:.4f}" in line
        assert before in line
    (newest,) = LoadedExport(exported.output).manifest.newest.values()
    date = f"{np.datetime64(int(newest), 's')} UTC".replace("T", " ", 1)
    assert f"asked    timestamp {date} (the newest of the training rows)" in lines
    assert lines[1].split()[:3] == ["rank", "movie_title", "score"]
    assert lines[-1] == f"export   {exported.version}"


def test_all_titles_with_what_was_seen_or_fewer_without(exported, capsys) -> None:
    (answer,) = as_json(exported, capsys, "user_id=user_07", "k=120", "--with-seen")["answers"]
    recommended = answer["recommendations"]
    assert sorted(each["title"] for each in recommended) == titles(exported)
    assert {each["title"] for each in recommended if each["seen"]} == set(answer["seen"])
    (fewer,) = as_json(exported, capsys, "user_id=user_07", "k=120")["answers"]
    unseen = [each["title"] for each in recommended if not each["seen"]]
    assert [each["title"] for each in fewer["recommendations"]] == unseen
    text = output(exported, capsys, "user_id=user_07", "k=120")
    line = f"fewer    {len(unseen)} of 120: the others have been chosen before; --with-seen recomm"
    assert line in text


def test_a_user_with_all_candidates_is_told_how_to_have_them_again(
    exported, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(LoadedExport, "seen", lambda export, user: list(range(120)))
    (answer,) = as_json(exported, capsys, "user_id=user_07", "k=5")["answers"]
    assert answer["recommendations"] == []
    text = (
        "'user_07' has all 120 candidates in the training rows; --with-seen recommends these, too"
    )
    assert answer["notices"] == {"nothing": text}
    assert f"nothing  {text}" in output(exported, capsys, "user_id=user_07", "k=5").splitlines()
    again = output(exported, capsys, "user_id=user_07", "k=5", "--with-seen")
    assert "nothing" not in again
    assert again.count("yes") == 5


def test_a_given_word_that_no_training_row_has_is_told(exported, capsys) -> None:
    known = LoadedExport(exported.output).manifest.known_words
    assert "user_id" not in known
    assert known["user_gender"] == ["False", "True"]
    (answer,) = as_json(exported, capsys, "user_id=user_07", "user_gender=Tru")["answers"]
    assert answer["notices"] == {
        "values": "user_gender 'Tru' is in no training row, and counts as an unknown one. Did you "
        "mean 'True'?"
    }
    for value in ("True", "null", ""):
        found = as_json(exported, capsys, "user_id=user_07", f"user_gender={value}")
        assert found["answers"][0]["notices"] == {}


@pytest.mark.parametrize("name", ["nobody", "", "  user_07"])
def test_an_unknown_user_gets_the_cold_start_and_is_told(exported, capsys, name: str) -> None:
    (answer,) = as_json(exported, capsys, f"user_id={name}", "k=4")["answers"]
    (nobody,) = as_json(exported, capsys, "user_id=another", "k=4")["answers"]
    assert answer["known"] is False
    assert answer["recommendations"] == nobody["recommendations"]
    assert answer["columns"]["raw_user_age"] == {"value": None, "is": "missing"}
    assert list(answer["notices"]) == ["unknown"]
    text = output(exported, capsys, f"user_id={name}", "k=4")
    assert f"unknown  {name!r} has no training rows: this is the answer for any unknown" in text
    (line,) = failure(exported, capsys, f"user_id={name}", "--known-only")
    assert line.startswith(f"error: user_id: got {name!r}, who has no training rows; must have")


def test_a_misspelt_user_is_suggested_the_nearest(exported, capsys) -> None:
    (line,) = failure(exported, capsys, "--known-only", "user_id=user-07")
    assert line.endswith("Did you mean 'user_07'?")


def test_given_columns_change_the_answer(exported, capsys) -> None:
    (answer,) = as_json(
        exported, capsys, "user_id=user_07", "timestamp=1600000000.5", "raw_user_age=null"
    )["answers"]
    assert answer["columns"]["timestamp"] == {"value": 1600000000.5, "is": "as given"}
    assert answer["columns"]["raw_user_age"] == {"value": None, "is": "as given"}
    (usual,) = as_json(exported, capsys, "user_id=user_07")["answers"]
    assert len(usual["recommendations"]) == 10
    scores = [[each["score"] for each in found["recommendations"]] for found in (answer, usual)]
    assert scores[0] != scores[1]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("1998-04-01", 891_388_800.0),
        ("1998-04-01 12:30", 891_433_800.0),
        ("1998-04-01T12:30:00+02:00", 891_426_600.0),
        ("1998-04-01T12:30:00Z", 891_433_800.0),
        ("1969-12-31T23:59:59.5", -0.5),
        ("893286638", 893_286_638.0),
        ("1600000000.5", 1_600_000_000.5),
        ("-5", -5.0),
    ],
)
def test_a_time_is_asked_for_as_a_date_or_in_seconds(given: str, seconds: float) -> None:
    assert time(given) == seconds


@pytest.mark.parametrize(
    "given",
    ["19980401", "19980401123000", "1998-13-01", "01.04.1998", "1e15", "now", "", "inf", "nan",
     "1700000000000000", "1998-04-01 12:30 PM"],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"must be an ISO date such as 1998-04-01, .* since 1970"):
        time(given)


def test_a_date_is_asked_for_in_seconds(exported, capsys) -> None:
    given = "timestamp=2020-09-13T14:26:40+02:00"
    (answer,) = as_json(exported, capsys, "user_id=user_07", "k=1", given)["answers"]
    assert answer["columns"]["timestamp"] == {"value": 1_600_000_000.0, "is": "as given"}


def test_several_users_from_a_file_are_answered_in_order(exported, tmp_path, capsys) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("user_07\nnobody\nuser_01\n")
    answers = as_json(exported, capsys, f"users={path}", "k=2")["answers"]
    assert [answer["user"] for answer in answers] == ["user_07", "nobody", "user_01"]
    assert [answer["known"] for answer in answers] == [True, False, True]
    (alone,) = as_json(exported, capsys, "user_id=user_01", "k=2")["answers"]
    pairs = zip(answers[2]["recommendations"], alone["recommendations"], strict=True)
    for together, by_itself in pairs:
        assert together["title"] == by_itself["title"]
        assert together["score"] == pytest.approx(by_itself["score"], rel=1e-5)
    text = output(exported, capsys, f"users={path}", "k=2")
    assert text.count("For ") == 3


def test_a_file_of_windows_and_unusual_ids_are_read_as_they_are(tmp_path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffuser_07\r\na\u2028b\r\n".encode())
    assert users_in(path) == ["user_07", "a\u2028b"]


def test_an_input_is_given_with_a_prefix_too(exported, capsys) -> None:
    (answer,) = as_json(exported, capsys, "input.user_id=user_07", "input.raw_user_age=30")[
        "answers"
    ]
    assert answer["user"] == "user_07"
    assert answer["columns"]["raw_user_age"] == {"value": 30, "is": "as given"}


def test_null_is_missing_in_any_column_but_the_users(exported, capsys) -> None:
    (answer,) = as_json(exported, capsys, "user_id=null", "user_gender=null", "timestamp=null")[
        "answers"
    ]
    assert answer["user"] == "null"
    assert answer["columns"]["user_gender"] == {"value": "", "is": "as given"}
    assert answer["columns"]["timestamp"] == {"value": None, "is": "as given"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\n\nb\n", "line 2 is empty; must be one id a line"),
        ("", "the file is empty; must be one id a line"),
        (None, "which can't be read"),
        (b"\xff\xfe", "which can't be read"),
        ('["user_07", "user_08"]', "it is JSON; must be one id a line"),
        ('[\n  "user_07"\n]\n', "it is JSON; must be one id a line"),
        ('{"user_id": "user_07"}\n{"user_id": "user_08"}\n', "it is JSON; must be one id a line"),
        ("user_id\nuser_07\n", "line 1 is a header (user_id); must be one id a line"),
        ('"user_id",age\nuser_07,3\n', 'line 1 is a header ("user_id",age); must be one'),
        ("user_07\nu\0\n", "line 2 has a NUL in it; must be one id a line"),
    ],
)
def test_a_file_of_users_that_is_none_is_refused(exported, tmp_path, capsys, content, words):
    path = tmp_path / "ids.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (line,) = failure(exported, capsys, f"users={path}")
    assert line.startswith(f"error: users: got {path}")
    assert words in line


def test_a_user_may_be_called_like_json_or_as_the_column(tmp_path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("[1]\nuser_id\n[a\n")
    assert users_in(path, "user_id", ["[1]"]) == ["[1]", "user_id", "[a"]
    path.write_text("[a\n[1]\n")
    assert users_in(path, "user_id") == ["[a", "[1]"]


def test_like_a_title_by_cosines_of_what_titles_do_not_share(exported, capsys) -> None:
    export = LoadedExport(exported.output)
    export.titles = ["a", "b", "c", "d"]
    # Less their mean (1, 1): (2, 0), (-2, 0), (0, 3), (0, -3); then b is a's opposite.
    export.embeddings = np.array([[3, 1], [-1, 1], [1, 4], [1, -2]], np.float32)
    assert similar(export, "a", 3) == [("c", 0.0), ("d", 0.0), ("b", -1.0)]
    assert similar(export, "c", 1) == [("a", 0.0)]
    title = titles(exported)[3]
    found = as_json(exported, capsys, f"similar={title}", "k=5")
    assert found["similar_to"] == title
    cosines = [each["cosine"] for each in found["titles"]]
    assert cosines == sorted(cosines, reverse=True)
    assert len(cosines) == 5
    assert title not in [each["title"] for each in found["titles"]]
    lines = output(exported, capsys, f"similar={title}", "k=5").splitlines()
    assert lines[0].strip() == f"Like {title!r}"
    assert lines[2].split()[-1] == f"{cosines[0]:.4f}"


def test_a_misspelt_title_is_suggested_the_nearest(exported, capsys) -> None:
    title = titles(exported)[3]
    for misspelt in (title.upper(), title[:-1], title[:9]):
        (line,) = failure(exported, capsys, f"similar={misspelt}")
        assert line.startswith(f"error: similar: got {misspelt!r}, which is none of the 120 titles")
        assert repr(title) in line
    (line,) = failure(exported, capsys, "similar=§§§§")
    assert line.endswith("must be one of them, as in candidates.parquet")


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (["user_id=a", "k=0"], ["k: got '0'; must be a whole number from 1 to 120"]),
        (["user_id=a", "k=121"], ["k: got '121'; must be a whole number from 1 to 120"]),
        (["user_id=a", "k=ten"], ["k: got 'ten'; must be a whole number from 1 to 120"]),
        (["user_id=a", "k=1e1"], ["k: got '1e1'; must be a whole number from 1 to 120"]),
        ([], ["user_id: is missing; must be given as user_id=ID, or users=FILE instead"]),
        (
            ["user_id=a", "users=b"],
            ["user_id: is given with users; must be given as user_id=ID, or users=FILE instead"],
        ),
        (
            ["user_id=a", "timestamp=now", "raw_user_age=nan", "user_gendre=x"],
            [
                "timestamp: got 'now'; must be an ISO date such as 1998-04-01, 1998-04-01 12:30:00",
                "raw_user_age: got 'nan'; must be a finite number, or null where it is missing",
                "user_gendre: is not a setting; must be one of user_id, ",
            ],
        ),
        (
            ["similar=a", "user_id=b"],
            ["user_id: cannot be combined with similar; must be left out"],
        ),
        (
            ["history=[]"],
            ["history: is given, but the model of this export reads none; ask it by "],
        ),
        (
            ["user_id=a", "seconds_since_last=5"],
            ["seconds_since_last: is given, but the model of this export has no time gap (a fea"],
        ),
        (["similar=a", "--with-seen"], ["--with-seen: cannot be combined with similar"]),
        (["user_id=a", "version=7"], ["version: got 7; must be one that "]),
        (["user_id=a", "version=new"], ["version: got 'new'; must be a whole number of at least"]),
    ],
)
def test_what_is_wrong_is_a_line_each(exported, capsys, arguments, problems) -> None:
    lines = failure(exported, capsys, *arguments)
    assert len(lines) == len(problems)
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(f"error: {problem}")


def test_a_study_is_no_export(exported, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([str(exported.run), "user_id=a"])
    assert ended.value.code == 2
    assert "holds no export (manifest.json); must be a dir" in capsys.readouterr().err
    assert not (Path(exported.run) / "manifest.json").exists()


def test_a_process_of_its_own_prints_the_answer_and_nothing_of_tensorflows(exported, tmp_path):
    program = ("-m", "sweeper.recommend", str(exported.output))
    done = run_fresh(tmp_path, *program, "user_id=user_07", "k=3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("For 'user_07'")
