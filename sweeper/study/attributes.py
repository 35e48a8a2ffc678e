"""The names under which a study keeps what Optuna has no place for.

Everything that a leaderboard, a resumed study or another machine needs stands in
Optuna's own storage, as user attributes of the study and its trials.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# Of a trial.
DIRECTORY = "directory"  # relative to the study's directory: "trials/0007"
STEPS = "steps"  # how many epochs it may train, or how many seeds one after the other
OVERRIDES = "overrides"  # the searched Hydra overrides, a list of strings
RESULT = "result"  # what the trial's record holds, see `sweeper.two_tower.trial.summary.summarize`
UPLOAD_ERROR = "unsent"  # why its files couldn't be sent to the study's directory
REASON = "reason"  # why it failed or was cut short
INTERRUPTED = "interrupted"  # True: ended before its end, to be run again
DUPLICATE = "surplus"  # True: one too many, INTERRUPTED but not to be run again
RETRY_OF = "retry_of"  # the number of the trial that this one runs again
CRASH_COUNT = "deaths"  # how often a process died under this trial and those that it runs again
GRID_POINT = "grid_point"  # which combination of the grid it is
FIRST_SET = "first_set"  # which of the study's INITIAL_PARAMS it is
# [step, value, best value] where Optuna's own intermediate values don't tell it: of several
# objectives the first one's, and the mean over the seeds so far where each is a step. Studies
# older than the third have two.
PROGRESS = "progress"
DURATION = "took"  # seconds, of a trial without a record that tells them

# Of a study.
ID, PLACE = "id", "place"  # in a database of many: which it is, and where its directory lies
FINGERPRINT = "fingerprint"  # of the data that its trials are trained on
DATA_FILES = (
    "data_files"  # of a table, as they were when it began: `sweeper.two_tower.data.preview`
)
COMMAND = "command"  # that began it
SPACE = "space"
PROTOCOL = "protocol"
CONFIGS = "configs"  # of a retraining, by name
POINTS = "points"  # of a retraining, in order
REFERENCE = "reference"  # `name`, `metrics` and `runs` of what stands beside the trials
OBJECTIVES = "objectives"
THREADS = "threads"
INITIAL_PARAMS = "first"  # parameter sets that are tried before the sampler chooses any
SECONDS = "seconds"  # spent so far, over all its starts
STOP = "stop"  # NO_MORE: workers end after what they do now; AT_ONCE: their trials end too
NO_MORE, AT_ONCE = "no_more", "at_once"


def directory_of(number: int) -> str:
    """Where a trial lies by default, relative to the study's directory."""
    return f"trials/{number:04d}"


def place_of(trial: FrozenTrial) -> str:
    """Where a trial lies, relative to the study's directory, and never outside it.

    Whoever can write to the database could name any place.
    """
    noted = PurePosixPath(trial.user_attrs.get(DIRECTORY, ""))
    is_below = noted.parts and not noted.is_absolute() and ".." not in noted.parts
    return str(noted) if is_below else directory_of(trial.number)
