"""What a study itself costs: the parts `overhead` and `thousand` of `benchmarks.study`."""

from __future__ import annotations

import json

from optuna.trial import TrialState

from benchmarks.measure import run_together
from benchmarks.sleep_study import SLEEP_SECONDS, TIMES
from benchmarks.study_figures import Overhead, Stay, account, overhead
from benchmarks.study_report import Limit, PartResult, ratio_text
from benchmarks.study_runs import Settings, StudyRun, files_with, run_study

WORKERS = 2
SLEEP_STUDY = [
    "-m",
    "benchmarks.sleep_study",
    "--multirun",
    "study.report=false",
    "optimizer.learning_rate=tag(log,interval(0.01,1))",
    f"study.workers={WORKERS}",
]
REAL_STUDY = ["-m", "sweeper", "study=architecture", "study.reference=null", "study.pruner=none"]

SECONDS_A_TRIAL, SHARE = 0.25, 0.05
LOCKED = "database is locked"


def overhead_part(settings: Settings) -> PartResult:
    """Trials that sleep, then real ones: what of the workers' time is not theirs."""
    seconds, trials = (0.2, 6) if settings.quick else (5.0, 12)
    run = run_study(
        "overhead_sleeping",
        [*SLEEP_STUDY, "study.sampler=tpe", f"study.n_trials={trials}"],
        settings,
        {SLEEP_SECONDS: str(seconds)},
    )
    figures = overhead(stays_of(run), WORKERS, run.started, run.ended)
    real = real_account(settings)
    result = overhead_result(figures, seconds)
    result.rows += real_rows(real)
    result.figures |= {"real": real}
    return result


def stays_of(run: StudyRun) -> list[Stay]:
    """What each trial of `benchmarks.sleep_study` has noted."""
    paths = run.directory.glob(f"trials/*/{TIMES}")
    return [Stay(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]


def overhead_result(figures: Overhead, seconds: float) -> PartResult:
    """The rows, the ratio and the limits of the trials that sleep."""
    gaps, idle = figures.gaps or (0.0,), figures.idle_at_end
    return PartResult(
        ratio=(
            "workers' time / that inside the objective, from the first trial's start",
            ratio_text(figures.worker_seconds, figures.inside),
        ),
        rows=[
            (f"{figures.trials} trials that sleep {seconds:g} s, {WORKERS} workers: start-up",
             f"{figures.start_up:.2f} s"),
            ("overhead of a trial", f"{figures.per_trial:.3f} s"),
            ("overhead of a trial, up to the last trial's end",
             f"{figures.per_trial_until_the_last:.3f} s"),
            ("overhead, share of the workers' time", f"{figures.share:.1%}"),
            ("  between two trials of a worker, mean", f"{sum(gaps) / len(gaps):.3f} s"),
            ("  between two trials of a worker, longest", f"{max(gaps):.3f} s"),
            ("  later first trials of the other workers", f"{figures.late:.3f} s"),
            ("  idle at the end until the last trial has ended, longest", f"{max(idle):.3f} s"),
            ("  from the last trial's end to the command's", f"{figures.closing:.3f} s"),
        ],
        limits=[
            Limit(
                f"overhead of a trial at most {SECONDS_A_TRIAL} s",
                f"{figures.per_trial:.3f} s",
                figures.per_trial <= SECONDS_A_TRIAL,
            ),
            Limit(
                f"overhead at most {SHARE:.0%} of the workers' time",
                f"{figures.share:.1%}",
                figures.share <= SHARE,
            ),
            Limit(
                f"no worker waits longer than {SECONDS_A_TRIAL} s between two trials",
                f"{max(gaps):.3f} s",
                max(gaps) <= SECONDS_A_TRIAL,
            ),
        ],
        figures={"start_up": figures.start_up, "per_trial": figures.per_trial,
                 "share": figures.share, "gaps": gaps, "idle_at_end": idle,
                 "closing": figures.closing, "late": figures.late},
    )  # fmt: skip


def real_account(settings: Settings) -> dict[str, float]:
    """Where the workers' time goes in a short study of real trials, in seconds."""
    trials, epochs = (3, 3) if settings.quick else (12, 6)
    run = run_study(
        "overhead_real",
        [*REAL_STUDY, *settings.of_real_trials(), f"study.n_trials={trials}",
         f"train.epochs={epochs}", "train.eval_every_epochs=3", f"study.workers={WORKERS}"],
        settings,
    )  # fmt: skip
    return account(
        [record.seconds for record in run.records()],
        [end - start for start, end in run.spans],
        WORKERS,
        run.first_ask - run.started,
        run.wall,
    )


def real_rows(seconds: dict[str, float]) -> list[tuple[str, str]]:
    """Each stage with its share; then what is left beside the trials, and beside training."""
    whole = sum(seconds.values())
    outside = ("start-up", "around the trials", "between trials and at the end")
    trials = sum(value for name, value in seconds.items() if name not in outside)
    training = seconds.get("train", 0.0) + seconds.get("evaluate", 0.0)
    texts = {"  " + name: value for name, value in seconds.items()}
    texts["workers' time less the trials' own total"] = whole - trials
    texts["workers' time less training and evaluation"] = whole - training
    return [
        ("real trials: workers' time", f"{whole:.1f} s"),
        *((name, f"{value:.2f} s {value / whole:>6.1%}") for name, value in texts.items()),
    ]


def thousand(settings: Settings) -> PartResult:
    """Many trials of no work, two workers, one SQLite file; each sampler in turn."""
    results = [thousand_with(sampler, settings) for sampler in settings.samplers]
    first = results[0]
    for other in results[1:]:
        first.rows += [*other.rows, other.ratio]
        first.limits += other.limits
        first.figures |= other.figures
    return first


def thousand_with(sampler: str, settings: Settings) -> PartResult:
    trials = 6 if settings.quick else 1_000
    run = run_study(
        f"thousand_{sampler}",
        [*SLEEP_STUDY, f"study.sampler={sampler}", f"study.n_trials={trials}"],
        settings,
        {SLEEP_SECONDS: "0"},
    )
    reference = optuna_alone(sampler, trials, settings)
    seconds = max(end for _, end in run.spans) - run.first_ask
    return PartResult(
        ratio=(
            f"{sampler}: seconds of Optuna alone in two processes / of the study",
            ratio_text(reference, seconds),
        ),
        rows=[
            (f"{sampler}: trials a second", f"{trials / seconds:.1f}"),
            (f"{sampler}: from the first trial's start to the last one's end", f"{seconds:.1f} s"),
            (f"{sampler}: the whole command", f"{run.wall:.1f} s"),
            (f"{sampler}: Optuna alone, trials a second", f"{trials / reference:.1f}"),
        ],
        limits=count_limits(run, trials),
        figures={sampler: {"seconds": seconds, "optuna_alone_seconds": reference}},
    )


def optuna_alone(sampler: str, trials: int, settings: Settings) -> float:
    """Seconds that `benchmarks.plain_optuna` takes for as many trials."""
    settings.console.print(f"thousand: Optuna alone, {trials} trials, {sampler}")
    directory = settings.folder / f"optuna_alone_{sampler}"
    (figures,) = run_together(
        [
            ["benchmarks.plain_optuna", "--directory", str(directory), "--sampler", sampler,
             "--trials", str(trials), "--workers", str(WORKERS)]
        ]
    )  # fmt: skip
    return figures["seconds"]


def count_limits(run: StudyRun, trials: int) -> list[Limit]:
    """That no trial is lost, doubled or too many, and no process was refused the database."""
    complete = sum(trial.state == TrialState.COMPLETE for trial in run.trials)
    numbers = sorted(trial.number for trial in run.trials)
    directories = sorted(path.name for path in (run.directory / "trials").iterdir())
    locked = run.output.count(LOCKED) + len(files_with(LOCKED, run.directory))
    checks = {
        f"{trials:,} trials are complete": (f"{complete:,}", complete == trials),
        f"numbers 0 to {trials - 1} once each": (
            f"{len(numbers):,} numbers, {len(set(numbers)):,} distinct",
            numbers == list(range(trials)),
        ),
        f"{trials:,} directories": (
            f"{len(directories):,}",
            directories == [f"{number:04d}" for number in range(trials)],
        ),
        f"nowhere '{LOCKED}'": (f"{locked} times", locked == 0),
    }
    return [Limit(text, *figure, is_a_count=True) for text, figure in checks.items()]
