"""`python -m sweeper.inspect`: real processes, what it prints, writes and ends with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from inspected_data import own_interactions
from processes import run_fresh, run_module

from sweeper.inspect import __main__ as command
from sweeper.inspect.__main__ import main

SMALL = [
    "data=synthetic", "data.synthetic.num_users=100", "data.synthetic.num_items=60",
    "data.synthetic.num_interactions=1000",
]  # fmt: skip
TEMPORAL = [*SMALL, "data.split=temporal"]


def test_what_is_printed_can_be_pasted_and_trained(tmp_path):
    done = run_module(tmp_path, "sweeper.inspect", *SMALL)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("data     synthetic: 100 users x 60 items, 1,000 interactions")
    for words in ("rows used", "density", "Gini coefficient", "cold item", "user_rating"):
        assert words in done.stdout
    assert lines[-1] == "picture  outputs/inspect/synthetic.png"
    assert (tmp_path / "outputs/inspect/synthetic.png").read_bytes().startswith(b"\x89PNG")
    assert "TensorFlow shuffles the rows; it takes seconds to start" in done.stderr
    # As a user would: the YAML into a file, the command into the shell.
    first = next(at for at, line in enumerate(lines) if line.startswith("# Save as DIRECTORY/"))
    (tmp_path / "DIRECTORY" / "features").mkdir(parents=True)
    pasted = "\n".join(lines[first : lines.index("", first)])
    (tmp_path / "DIRECTORY" / "features" / "mine.yaml").write_text(pasted)
    (train,) = (line.removeprefix("command  python ") for line in lines if "command  " in line)
    assert "metric   top_10 (60 items: the largest k that is at most a fifth" in done.stdout
    assert train.endswith(" features=mine task=full_softmax evaluation.metric=top_10")
    quick = ["train=quick", "train.epochs=1", "train.eval_every_epochs=1", "train.xla=false"]
    _, module, *overrides = train.split()
    trained = run_module(tmp_path, module, *overrides, *quick)
    assert trained.returncode == 0, trained.stderr
    assert "Metrics on" in trained.stdout


def test_a_split_that_needs_no_tensorflow_loads_none_and_json_is_alone(tmp_path):
    program = (
        "import sys; from sweeper.inspect.__main__ import main; main(sys.argv[1:]); "
        "print('tensorflow' in sys.modules, file=sys.stderr)"
    )
    done = run_fresh(tmp_path, "-c", program, "--json", *TEMPORAL, "--output", "a/b.png")
    assert (done.returncode, done.stderr.splitlines()) == (0, ["False"])
    found = json.loads(done.stdout)
    assert (found["rows"], found["users"], found["items"]) == (1_000, 100, 60)
    assert {name: part["rows"] for name, part in found["parts"].items()} == {
        "train": 700, "validation": 100, "test": 200,
    }  # fmt: skip
    of_splits = found["splits"]["known"]
    assert of_splits["temporal"]["cold_user"] == found["parts"]["test"]["cold_user"]
    assert (of_splits["random"]["rows"], of_splits["random"]["is_trials"]) == (200, False)
    assert found["suggestion"]["task"] == "full_softmax"
    assert found["suggestion"]["metric"] == "top_10"
    assert found["picture"] == "a/b.png"
    assert [path.name for path in tmp_path.rglob("*.png")] == ["b.png"]


WRONG = [
    (["data=synthetik"], ["data: got 'synthetik'; must be one of"]),
    (["data.splitt=temporal"], ["data.splitt: is not a key of the configuration"]),
    (
        [*SMALL, "data.test_size=0", "data.split=x"],
        ["data.split: got 'x'; must be one of random", "data.test_size: got 0; must be"],
    ),
    ([*SMALL, "data.split_seed=1,2"], ["data.split_seed=1,2: has several values; must be one"]),
    ([*SMALL, "--config-dir", "nowhere"], ["--config-dir: got nowhere, which is not a directory"]),
    ([*SMALL, "--output", "a.pdf"], ["--output: got a.pdf; must end in .png"]),
    (["data=synthetic", "data.synthetic.num_interactions=600000"], [
        "data.synthetic.num_interactions: got 600000; must be at most the 500000 pairs",
    ]),
    ([*TEMPORAL, "--output", "file/a.png"], ["file/a.png: can't be written (File exists)"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "lines"), WRONG, ids=lambda value: str(value)[-40:])
def test_each_error_is_told_and_ends_with_2(tmp_path, monkeypatch, capsys, arguments, lines):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    told = printed.err.splitlines()
    assert len(told) == len(lines)
    for line, words in zip(told, lines, strict=True):
        assert line.startswith(f"error: {words}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_directory_of_ones_own_goes_first(tmp_path, monkeypatch, capsys):
    """As for a trial; and a single file of another name may begin it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "data").mkdir(parents=True)
    (tmp_path / "own" / "data" / "tiny.yaml").write_text(
        "name: synthetic\nsplit: temporal\nsynthetic: {num_users: 7, num_interactions: 30}\n"
    )
    main(["data=tiny", "features=rich", "--config-dir", "own", "task=corrected_softmax"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("data     synthetic: 7 users")
    train = next(line for line in lines if line.startswith("command"))
    assert train == (
        "command  python -m sweeper --config-dir own data=tiny features=mine task=full_softmax"
    )


def test_dropped_rows_are_told_by_reason_and_many_as_they_are_counted(
    tmp_path, monkeypatch, capsys
):
    interactions = replace(own_interactions(), dropped={"rated below 4": 1_200, "no user": 3})
    monkeypatch.setattr(command, "load_interactions", lambda config, say: interactions)
    monkeypatch.setattr(command, "MANY_ROWS", 40)
    overrides = ["data=table", f"data.path={tmp_path}", "data.columns.timestamp=when"]
    main([*overrides, "data.split=leave_last_out", "--output", str(tmp_path / "a.png")])
    printed = capsys.readouterr()
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    at = lines.index("rows read 1,243")
    assert lines[at + 1 : at + 4] == [
        "dropped 1,200 rated below 4", "dropped 3 no user", "rows used 40",
    ]  # fmt: skip
    assert printed.err.splitlines() == [
        "Splitting 40 rows …", "Counting 40 rows …", "Drawing 40 rows …",
    ]  # fmt: skip
