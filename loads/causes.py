"""What failures mean for a run, in words and by their kind: what may pass, what concerns the whole run, and what one phase alone."""

from django.db import InterfaceError, OperationalError
from django_q.exceptions import TimeoutException

from connectors.http_errors import Throttled, Unauthorized, Unreachable, Untrusted
from connectors.store import StoreFull, StoreUnwritable
from loads.ledger import LeaseLost
from workbench.engagements.errors import Retryable, WorkbenchError
from workbench.engagements.secrets import SecretUnreadable

DATABASE = (OperationalError, InterfaceError)
# Whatever phase it is met in, all others would meet it too.
OF_THE_RUN = (
    *DATABASE, LeaseLost, MemoryError, OSError, SecretUnreadable, StoreFull, StoreUnwritable, Throttled, Unauthorized, Unreachable,
    Untrusted,
)  # fmt: skip
PASSING = (*DATABASE, OSError, Retryable)


def concerns_phase(error: Exception, *, last_try: bool) -> bool:
    """Whether it is the matter of the phase in which it was met, so that others may go on. last_try: what may pass had its tries."""
    if isinstance(error, OF_THE_RUN):
        return False
    return last_try or not isinstance(error, Retryable)


def told(error: BaseException) -> str:
    """What happened and what to do, for people. An error that nobody foresaw says no more than its type: its words may name a person."""
    return " ".join(said(error))


def said(error: BaseException) -> tuple[str, str]:
    """What happened, and what to do where it doesn't pass."""
    if isinstance(error, WorkbenchError):
        return str(error), error.remedy
    if isinstance(error, TimeoutException):
        return "A task of the run reached its time limit.", "Raise TASK_TIMEOUT_S and TASK_RETRY_S, then resume the run."
    if of_machine := met(error):
        return of_machine[0], f"{of_machine[1]}, then resume the run: nothing was lost."
    return f"An unexpected error ({type(error).__name__}).", "Send the run's number to the engineer, or resume the run."


def met(error: BaseException) -> tuple[str, str] | None:
    """What happened to the machine's database or disk, and what to look at, as the beginning of a sentence; None for any other error."""
    if isinstance(error, DATABASE):
        return "The database didn't answer.", "See that it runs and has room"
    if isinstance(error, OSError):
        return f"A file couldn't be used: {error.strerror}.", "Look at this machine's disk"
    return None
