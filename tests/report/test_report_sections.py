"""What a report says: each section where its data are, each sentence as the figures are."""

from __future__ import annotations

import pytest
from made_up_confirmations import made_up_confirmation
from made_up_studies import POPULARITY, StudyMaker, made_up_record, nothing

from sweeper.report.rendering.markdown import markdown_of
from sweeper.report.rendering.page import Code, Section, Table, Text
from sweeper.report.report import page_of
from sweeper.report.sections.answer import saturation_text
from sweeper.results.loading import load_results
from sweeper.results.seed_groups import seed_groups
from sweeper.results.statistics import summarize
from sweeper.study import attributes
from sweeper.study.outputs.result_files import BEST
from sweeper.two_tower import record as records


def sections_of(directory) -> dict[str, Section]:
    return {section.name: section for section in page_of([load_results(directory)]).sections}


def texts_of(section: Section) -> str:
    return "\n".join(block.text for block in section.blocks if isinstance(block, Text | Code))


def tables_of(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def test_a_search_has_every_section_in_order(searched_study):
    assert list(sections_of(searched_study)) == [
        "question", "protocol", "answer", "leaderboard", "curves", "history", "parameters",
        "architecture", "pruning", "times", "reproduce",
    ]  # fmt: skip


def test_a_run_has_what_a_run_has(tmp_path):
    records.write(tmp_path, made_up_record([0.3, 0.4]))
    sections = sections_of(tmp_path)
    assert list(sections) == ["question", "protocol", "answer", "curves", "times", "reproduce"]
    assert "single run" in texts_of(sections["question"])
    assert "This run has **top-100 accuracy 0.4000 on 100 validation rows**" in texts_of(
        sections["answer"]
    )
    names = [figure.name for figure in sections["curves"].blocks]
    assert names == ["validation_curves", "training_loss"]


def test_a_run_goes_by_its_own_metric(tmp_path):
    metric = "seen_filtered_top_10"
    records.write(tmp_path, made_up_record([0.3, 0.4], overrides=[f"evaluation.metric={metric}"]))
    page = page_of([load_results(tmp_path)])
    words = "seen-filtered top-10 accuracy"
    text = texts_of(page.sections[2])
    # As the made-up record has it: three tenths of top-100.
    assert f"This run has **{words} 0.1200 on 100 validation rows**, 0.0300 above" in text
    assert page.key_values[0].label == words
    assert (
        page.figures["validation_curves"].title
        == f"Seen-filtered{words[13:]} on validation rows, by epoch"
    )


def test_the_question_has_the_space_with_its_conditions(searched_study):
    section = sections_of(searched_study)["question"]
    assert "highest top-100 accuracy on validation rows?" in texts_of(section)
    assert "varied 3 parameters in 24 trials: 16 complete, 8 pruned." in texts_of(section)
    (table,) = tables_of(section)
    assert table.rows == [
        ["optimizer", "adagrad, adam", ""],
        [
            "adam_learning_rate (optimizer.learning_rate)",
            "0.0001 to 0.1, logarithmic",
            "optimizer adam",
        ],
        ["model.dropout", "0 to 0.4 in steps of 0.1", ""],
    ]


def test_towers_are_three_rows_of_the_space(tmp_path):
    towers = {
        "depth": {"type": "int", "low": 1, "high": 3, "step": None, "log": False},
        "width": {"choices": [32, 64]},
        "shape": ["constant", "free"],
    }
    space = {"model.layer_sizes": {"sets": "model.layer_sizes", "when": {}, "towers": towers}}
    StudyMaker(tmp_path, space=space).trial([0.3])
    (table,) = tables_of(sections_of(tmp_path)["question"])
    assert table.columns == ["parameter", "values"]
    assert table.rows == [
        ["model.layer_sizes: depth", "1 to 3"],
        ["model.layer_sizes: width", "32, 64"],
        ["model.layer_sizes: shape", "constant, free"],
    ]


def test_the_protocol_is_that_of_the_best_trial(searched_study):
    (table,) = tables_of(sections_of(searched_study)["protocol"])
    rows = dict(table.rows)
    assert rows["split"] == "random, seed 42: 700 train, 100 validation, 200 test"
    assert rows["training"].startswith("10 epochs in batches of")
    assert rows["seeds"] == "training seed 42"
    assert rows["baselines"].startswith("popularity, fitted")


def test_the_protocol_tells_of_a_precision_that_is_not_float32(tmp_path):
    texts = {}
    for name in ("float32", "mixed_bfloat16"):
        run = tmp_path / name
        run.mkdir()
        records.write(run, made_up_record([0.4], overrides=[f"train.precision={name}"]))
        (table,) = tables_of(sections_of(run)["protocol"])
        texts[name] = dict(table.rows)["training"]
    words = "every 2 epochs, dense layers in mixed_bfloat16; the best"
    assert words in texts["mixed_bfloat16"]
    assert texts["float32"] == texts["mixed_bfloat16"].replace(words, "every 2 epochs; the best")


def test_the_protocol_of_a_confirmed_study_calls_no_test_row_unseen(tmp_path):
    unseen = made_up_record([0.4], overrides=["evaluation.score_test=false"])
    StudyMaker(tmp_path).trial([0.4], record=unseen)

    def protocol() -> str:
        (table,) = tables_of(sections_of(tmp_path)["protocol"])
        return dict(table.rows)["protocol"]

    assert protocol() == "chooses on validation rows; the test rows stay unseen"
    made_up_confirmation(tmp_path)
    assert protocol() == (
        "chooses on validation rows; the test rows are scored by the confirmation alone"
    )


def test_the_time_in_all_is_of_reference_and_confirmations_too(tmp_path):
    maker = StudyMaker(tmp_path, seconds=100.0)
    for number in range(2):
        maker.trial([0.4 + number / 100])
    whole = "The study took {} in all, the starts of its workers included"
    assert f"{whole.format('1 min 40 s')}." in texts_of(sections_of(tmp_path)["times"])
    StudyMaker(tmp_path / "reference", seconds=5.0)
    StudyMaker(tmp_path / "reference_2", seconds=15.0)
    confirmation = made_up_confirmation(tmp_path)
    confirmation.set_user_attr(attributes.SECONDS, 300.0)
    page = page_of([load_results(tmp_path)])
    (times,) = [section for section in page.sections if section.name == "times"]
    assert (
        f"{whole.format('7 min 0 s')}: 1 min 40 s for the search, 20 s for the reference and "
        "5 min 0 s for the confirmation."
    ) in texts_of(times)
    wall = page.key_values[-1]
    assert (wall.label, wall.value) == ("wall time", "7 min 0 s")
    assert wall.note == "search 1 min 40 s, reference 20 s, confirmation 5 min 0 s"


def test_the_answer_names_the_best_against_the_baselines(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.4], params={"optimizer": "adagrad"})
    scores = {"top_100": 0.5}
    ease = made_up_record([0.45])
    ease.baselines["ease"] = {"validation": scores}
    maker.trial([0.45], params={"optimizer": "adam"}, record=ease)
    text = texts_of(sections_of(tmp_path)["answer"])
    assert (
        "Trial 1 is the best of 2 complete trials: **top-100 accuracy 0.4500 on 100 validation "
        "rows**, which does not beat the best baseline, EASE (0.5000); it is 0.1500 above "
        "popularity (0.3000)."
    ) in text
    assert "It has optimizer adam." in text
    assert "It was chosen from 2 trials by its value on these very rows, which" in text


def test_what_does_not_beat_popularity_is_said_and_marked(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([POPULARITY])
    maker.trial([0.1])
    sections = sections_of(tmp_path)
    assert "which does not beat popularity (0.3000)" in texts_of(sections["answer"])
    (table,) = tables_of(sections["leaderboard"])
    assert [row[2] for row in table.rows] == ["0.3000 ▾", "0.1000 ▾", "0.3000"]
    assert table.rows[-1] == ["–", "popularity", "0.3000", "–", "–"]
    assert "▾ no better than popularity (0.3000): 2 trials." in table.note


def test_the_leaderboard_has_states_reasons_and_deviations(tmp_path):
    maker = StudyMaker(tmp_path)
    deviating = made_up_record([0.4], deviations={"validation": {"top_100": 0.0123}})
    deviating.repeats = [
        {"split_seed": seed, "directory": f"split_seed_{seed}", "metrics": {}} for seed in (0, 1)
    ]
    maker.trial([0.4], record=deviating)
    maker.trial([0.35], "infeasible")
    maker.trial([0.2], "pruned")
    maker.trial([], "failed", write=nothing, reason="TrialError: the loss is not finite\nand so on")
    sections = sections_of(tmp_path)
    (table,) = tables_of(sections["leaderboard"])
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["state"] for row in rows] == [
        "complete", "infeasible", "pruned", "failed", "baseline",
    ]  # fmt: skip
    assert [row["rank"] for row in rows] == ["1", "–", "–", "–", "–"]
    assert rows[0]["top-100 accuracy"] == "0.4000 ± 0.0123"
    assert rows[3]["reason"] == "TrialError: the loss is not finite"
    assert table.strong == {0}
    assert "the mean of 2 splits" in texts_of(sections["answer"])


def test_a_leaderboard_ends_after_twenty(searched_study):
    section = sections_of(searched_study)["leaderboard"]
    (table,) = tables_of(section)
    assert [row[1] for row in table.rows[-2:]] == ["17", "popularity"]
    assert len(table.rows) == 20 + 1
    assert "… and 4 more in `leaderboard.csv`." in texts_of(section)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["running", "waiting"], "feasible yet (1 running, 1 waiting): no answer so far."),
        (["failed"], "No trial is complete and feasible (1 failed): there is no answer."),
        (["failed", "running"], "feasible yet (1 running, 1 failed): no answer so far."),
        (["infeasible", "running"], "feasible yet (1 infeasible, 1 running): no answer so far."),
        (["infeasible", "failed"], "complete and feasible (1 infeasible, 1 failed): there is no"),
        (["infeasible"], "No trial is feasible"),
    ],
)
def test_without_a_finished_trial_there_is_a_report_without_an_answer(tmp_path, states, words):
    maker = StudyMaker(tmp_path)
    for state in states:
        maker.trial([0.2] if state == "infeasible" else [], state, write=nothing)
    page = page_of([load_results(tmp_path)])
    sections = {section.name: section for section in page.sections}
    assert words in texts_of(sections["answer"])
    assert "leaderboard" in sections
    assert any("no trial is complete and feasible" in problem for problem in page.problems)


def test_a_study_whose_trials_all_failed_says_why(tmp_path):
    maker = StudyMaker(tmp_path)
    for reason in ("ValueError: no such column\n  at line 3", "TrialError: another"):
        maker.trial([], "failed", write=nothing, reason=reason)
    assert texts_of(sections_of(tmp_path)["answer"]) == (
        "No trial is complete and feasible (2 failed): there is no answer. Trial 0 failed with: "
        "ValueError: no such column."
    )


def test_a_study_whose_trials_were_all_pruned_has_no_best_so_far(tmp_path):
    maker = StudyMaker(tmp_path)
    for top in (0.2, 0.25):
        maker.trial([top], "pruned")
    section = sections_of(tmp_path)["history"]
    (figure,) = section.blocks
    assert figure.numbers is None
    assert "none is complete" in figure.caption
    assert {trace.name for trace in figure.plot.data} == {"pruned", "popularity 0.3000"}


@pytest.mark.parametrize(
    ("candidates", "tops", "words"),
    [
        (100, [1.0], "tells no model from another**: all 100 candidates are among the first 100"),
        (
            101,
            [0.4, 0.4],
            "**All 2 complete trials have the same top-100 accuracy**: it ranks none",
        ),
        (101, [0.4], ""),
        (101, [0.4, 0.3], ""),
    ],
)
def test_a_figure_that_tells_nothing_is_said_to(tmp_path, candidates, tops, words):
    maker = StudyMaker(tmp_path)
    for number, top in enumerate(tops):
        record = made_up_record([top])
        record.data["candidates"] = candidates
        maker.trial([top], params={"model.dropout": number / 10}, record=record)
    results = load_results(tmp_path)
    text = saturation_text(results, results.best)
    assert words in text
    assert bool(words) == bool(text)
    assert text in texts_of(sections_of(tmp_path)["answer"])


def test_of_several_trials_with_the_best_figure_none_is_named_alone(tmp_path):
    maker = StudyMaker(tmp_path)
    for number, top in enumerate([0.4, 0.4, 0.4, 0.35]):
        maker.trial([top], params={"model.dropout": number / 10})
    maker.trial([0.5], "pruned", params={"model.dropout": 0.4})
    text = texts_of(sections_of(tmp_path)["answer"])
    assert (
        "Trial 0 is, with 2 others of the same value, the best of 4 complete trials: **top-100 "
        "accuracy 0.4000"
    ) in text
    assert "It was chosen from 5 trials, 1 of them pruned, by its value on these very rows" in text


@pytest.mark.parametrize("state", ["failed", "running", "interrupted", "pruned"])
def test_a_run_that_did_not_end_well(tmp_path, state):
    record = made_up_record([0.3, 0.4], state, reason="TrialError: why", metrics={}, baselines={})
    records.write(tmp_path, record)
    page = page_of([load_results(tmp_path)])
    assert page.problems == [f"{tmp_path}: the run is {state}, not completed"]
    (answer,) = [section for section in page.sections if section.name == "answer"]
    assert texts_of(answer) == f"The run is {state}: TrialError: why; there is no answer."
    (line, *_) = page.figures["validation_curves"].plot.data
    assert line.y.tolist() == [0.3, 0.4]


def several_objectives(directory) -> None:
    maker = StudyMaker(directory, top_100="maximize", num_parameters="minimize")
    for top, parameters in [(0.4, 1000), (0.45, 90_000), (0.35, 2000), (0.2, 500)]:
        maker.trial([top], params={"optimizer": "adam"}, objectives=[top, parameters])


def test_several_objectives_have_a_front(tmp_path):
    several_objectives(tmp_path)
    sections = sections_of(tmp_path)
    assert "high top-100 accuracy and few parameters" in texts_of(sections["question"])
    text = texts_of(sections["answer"])
    assert "3 of 4 complete trials are on the Pareto front" in text
    assert "; 1 of them no better than popularity (0.3000)." in text
    (table,) = tables_of(sections["answer"])
    assert [row[1] for row in table.rows] == ["1", "0", "3"]
    (figure,) = sections["pareto"].blocks
    assert [row[0] for row in figure.numbers.rows] == ["3", "0", "1"]
    assert figure.plot.layout.xaxis.type == "log"


def test_a_grid_over_seeds_is_answered_by_means(tmp_path):
    maker = StudyMaker(tmp_path)
    # The best single trial is of the worse configuration.
    for model, tops in {"one_layer": [0.40, 0.42], "two_layer": [0.25, 0.45]}.items():
        for seed, top in enumerate(tops):
            maker.trial([top], params={"model": model, "data.split_seed": seed})
    page = page_of([load_results(tmp_path)])
    sections = {section.name: section for section in page.sections}
    text = texts_of(sections["answer"])
    assert "`model one_layer` has the best mean of 2 configurations" in text
    assert "**top-100 accuracy 0.4100 ± 0.0141** over 2 trials with different seeds" in text
    (table,) = tables_of(sections["answer"])
    assert [row[0] for row in table.rows] == ["model one_layer", "model two_layer", "popularity"]
    # 100 validation rows and 700 to train on.
    low, high = summarize([0.40, 0.42], test_to_train=100 / 700).interval
    assert table.rows[0][3:] == [f"{low:.4f} to {high:.4f}", "–"]
    assert table.rows[1][4] == "not distinguishable"
    assert table.rows[2] == [
        "popularity",
        "–",
        "0.3000 ± 0.0000",
        "0.3000 to 0.3000",
        "not distinguishable",
    ]
    # Trials on different rows are not compared with each other.
    (leaderboard,) = tables_of(sections["leaderboard"])
    assert "beside the best" not in leaderboard.columns
    assert "Trials with different seeds are not ranked" in texts_of(sections["leaderboard"])
    split = dict(tables_of(sections["protocol"])[0].rows)["split"]
    assert split.startswith("random, seeds 0, 1:")
    assert table.rows[1][2] == "0.3500 ± 0.1414"
    assert page.key_values[0].value == "0.4100"
    # A seed is nothing that could be chosen.
    parameters = sections["parameters"].blocks[-1]
    assert [figure.title for figure in parameters.figures] == ["model"]


def test_an_easy_split_makes_no_configuration_the_best(tmp_path):
    """Seed 1 is easy, and only the trial of depth 2 on it has come to its end."""
    maker = StudyMaker(tmp_path)
    for depth, seed, top in [
        (1, 0, 0.40), (2, 0, 0.35), (2, 1, 0.60),
    ]:  # fmt: skip
        maker.trial([top], params={"model.layer_sizes.depth": depth, "data.split_seed": seed})
    first, second = seed_groups(load_results(tmp_path))
    assert (first.label, first.mean) == ("depth 1", 0.40)
    assert (second.label, second.mean) == ("depth 2", pytest.approx(0.475))
    (table,) = tables_of(sections_of(tmp_path)["answer"])
    assert (
        "Not every configuration has every seed: the order is by the 1 seed that all" in table.note
    )
    # Without a seed that all have, those with the most come first.
    maker.trial([0.9], params={"model.layer_sizes.depth": 3, "data.split_seed": 2})
    assert [each.label for each in seed_groups(load_results(tmp_path))] == [
        "depth 2", "depth 3", "depth 1",
    ]  # fmt: skip


def test_configurations_that_look_alike_are_told_apart(tmp_path):
    maker = StudyMaker(tmp_path)
    for rate in (0.01, 0.010001):
        for seed in (0, 1):
            params = {"adam_learning_rate": rate, "data.split_seed": seed}
            maker.trial([0.4 + rate], params=params)
    found = seed_groups(load_results(tmp_path))
    assert [(each.label, len(each.rows)) for each in found] == [
        ("adam_learning_rate 0.010001", 2), ("adam_learning_rate 0.01", 2),
    ]  # fmt: skip


def test_conditional_parameters_are_told_of(searched_study):
    section = sections_of(searched_study)["parameters"]
    assert "Only some of the 24 trials have `adam_learning_rate` (12)" in texts_of(section)
    importance, *_ = section.blocks
    assert {row[0] for row in importance.numbers.rows} == {
        "optimizer", "adam_learning_rate", "model.dropout",
    }  # fmt: skip
    assert importance.numbers.columns == ["parameter", "importance", "trials with it"]
    assert {row[0]: row[2] for row in importance.numbers.rows}["adam_learning_rate"] == "12"


def test_few_trials_tell_no_importance(tmp_path):
    maker = StudyMaker(tmp_path)
    for number in range(4):
        params = {"optimizer": ["adagrad", "adam"][number % 2], "model.dropout": number / 10}
        maker.trial([0.3 + number / 100], params=params)
    section = sections_of(tmp_path)["parameters"]
    assert "4 trials with a value are too few" in texts_of(section)


def test_commands_configuration_and_versions(searched_study, tmp_path):
    records.write(tmp_path, made_up_record([0.3]))
    (tmp_path / "study").mkdir()
    maker = StudyMaker(tmp_path / "study")
    maker.trial([0.4])
    (tmp_path / "study" / BEST).write_text("data: {}\n")
    section = sections_of(tmp_path / "study")["reproduce"]
    text = texts_of(section)
    assert f"python -m sweeper --config-dir {tmp_path}/study --config-name best" in text
    assert "python -m sweeper -m model=one_layer,two_layer" in text
    assert "split_seed: 42" in text
    (table,) = tables_of(section)
    assert ["python", "3.11.7"] in table.rows
    assert ["git commit", "0" * 40 + ", with changes"] in table.rows
    assert "--config-name best" not in texts_of(sections_of(searched_study)["reproduce"])


def test_a_study_is_started_by_its_own_command_whatever_its_launcher_ran(tmp_path):
    maker = StudyMaker(tmp_path)
    submitted = ["/site/submitit/core/_submit.py", "/tmp/jobs"]
    maker.trial([0.4], record=made_up_record([0.4], command=submitted))
    maker.study.set_user_attr(attributes.COMMAND, "python -m sweeper study=architecture")
    codes = [b.text for b in sections_of(tmp_path)["reproduce"].blocks if isinstance(b, Code)]
    assert "python -m sweeper study=architecture" in codes
    assert not any("submitit" in code for code in codes)


def test_every_text_is_in_the_markdown(searched_study):
    page = page_of([load_results(searched_study)])
    text = markdown_of(page)
    for section in page.sections:
        assert f"## {section.title}" in text
    for figure in page.figures.values():
        if figure.numbers:
            assert f"### {figure.title}" in text
            assert f"| {' | '.join(figure.numbers.columns)} |" in text
