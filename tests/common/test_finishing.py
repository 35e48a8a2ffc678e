"""What fails while a failure is cleared up does not hide it."""

from __future__ import annotations

import pytest

from sweeper.common.errors import DataError, OutputError, TrialPruned, finishing
from sweeper.common.exit_codes import exit_codes


def fail(error: BaseException):
    def step() -> None:
        raise error

    return step


def test_all_steps_are_called_in_order_whatever_fails():
    called = []
    steps = [lambda: called.append(1), fail(OutputError("full")), lambda: called.append(2)]
    with pytest.raises(OutputError, match="full"), finishing(*steps):
        called.append(0)
    assert called == [0, 1, 2]


def test_the_blocks_own_error_is_raised_and_notes_the_others():
    own = DataError("no rows")
    with pytest.raises(DataError) as raised, finishing(fail(OutputError("full")), fail(KeyError())):
        raise own
    assert raised.value is own
    assert own.__notes__ == ["afterwards: OutputError: full", "afterwards: KeyError: "]


def test_of_several_steps_the_first_error_is_raised():
    with (
        pytest.raises(OutputError) as raised,
        finishing(fail(OutputError("full")), fail(DataError("gone"))),
    ):
        pass
    assert raised.value.__notes__ == ["afterwards: DataError: gone"]


def test_a_pruned_trial_is_no_error_that_could_hide_one():
    with pytest.raises(TrialPruned), finishing(lambda: None):
        raise TrialPruned
    with pytest.raises(OutputError), finishing(fail(OutputError("full"))):
        raise TrialPruned


def test_an_interrupt_stays_one():
    with pytest.raises(KeyboardInterrupt), finishing(fail(OutputError("full"))):
        raise KeyboardInterrupt


def test_both_are_printed(capsys):
    with pytest.raises(SystemExit) as ended, exit_codes(), finishing(fail(OutputError("full"))):
        raise DataError("no rows")
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: no rows", "error: afterwards: OutputError: full"]
