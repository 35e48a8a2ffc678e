"""The names of the user attributes of studies and trials.

Everything that a leaderboard, a resumed study or another machine needs is stored in Optuna's
own storage, as user attributes of the study and its trials.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# Attributes of a trial.
DIRECTORY = "directory"  # relative to the study's directory: "trials/0007"
STEPS = "steps"  # the maximum number of epochs, or the number of sequential seeds
OVERRIDES = "overrides"  # the searched Hydra overrides, a list of strings
RESULT = (
    "result"  # the summary of the trial's record, see `sweeper.two_tower.trial.summary.summarize`
)
UPLOAD_ERROR = "unsent"  # why its files couldn't be sent to the study's directory
REASON = "reason"  # why it failed or was interrupted
INTERRUPTED = "interrupted"  # True: it was interrupted and is to be retried
DUPLICATE = "surplus"  # True: it is a duplicate: INTERRUPTED, but not to be retried
RETRY_OF = "retry_of"  # the number of the trial that this one retries
CRASH_COUNT = "deaths"  # how often a process died in this trial and in those that it retries
GRID_POINT = "grid_point"  # the index of its combination in the grid
FIRST_SET = "first_set"  # its index in the study's INITIAL_PARAMS
# [step, value, best value] if Optuna's own intermediate values don't hold it: for several
# objectives that of the first one, and for sequential seeds the mean over the seeds so far.
# Studies of earlier versions lack the third item.
PROGRESS = "progress"
DURATION = "took"  # in seconds, of a trial without a record that holds it

# Attributes of a study.
ID, PLACE = "id", "place"  # in a database of many studies: its ID and its directory
FINGERPRINT = "fingerprint"  # the fingerprint of the data that its trials are trained on
DATA_FILES = (
    "data_files"  # the states of a table's files when it began: `sweeper.two_tower.data.preview`
)
COMMAND = "command"  # the command that began it
SPACE = "space"
PROTOCOL = "protocol"
CONFIGS = "configs"  # the configurations of a fixed grid, by name
POINTS = "points"  # the points of a fixed grid, in order
REFERENCE = "reference"  # `name`, `metrics` and `runs` of the reference
OBJECTIVES = "objectives"
THREADS = "threads"
INITIAL_PARAMS = "first"  # parameter sets that are tried before the sampler chooses any
SECONDS = "seconds"  # the time spent so far, over all its starts
STOP = "stop"  # NO_MORE: workers finish their trials and end; AT_ONCE: trials end too
NO_MORE, AT_ONCE = "no_more", "at_once"


def directory_of(number: int) -> str:
    """Returns the default directory of a trial, relative to the study's directory."""
    return f"trials/{number:04d}"


def place_of(trial: FrozenTrial) -> str:
    """Returns the directory of a trial, relative to the study's directory.

    It is never outside the study's directory, although anyone who can write to the database
    could store any path.
    """
    noted = PurePosixPath(trial.user_attrs.get(DIRECTORY, ""))
    is_below = noted.parts and not noted.is_absolute() and ".." not in noted.parts
    return str(noted) if is_below else directory_of(trial.number)
