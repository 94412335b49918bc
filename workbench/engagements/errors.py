"""The errors raised on purpose: what happened, what to do, and whether the same call may succeed later.

WorkbenchError
├── Retryable     the same call may succeed later
└── BadInput      what a person or a file gave can't be used; nothing was changed
"""


class WorkbenchError(Exception):
    """Base of every error raised on purpose; `remedy` is shown to the consultant as it stands."""

    remedy = "Send the message and the run number to the engineer of the engagement."

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        """Keep the message for the log line and the remedy for the person who reads the page."""
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy


class Retryable(WorkbenchError):
    """The same call may succeed later; `retry_after_s` says when, where the service told us."""

    remedy = "Wait and resume; nothing was lost."

    def __init__(self, message: str = "", *, remedy: str | None = None, retry_after_s: float | None = None) -> None:
        """As WorkbenchError, with the seconds the service asked us to wait."""
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class BadInput(WorkbenchError):
    """What a person or a file gave can't be used; nothing was changed."""

    remedy = "Correct the value and try again."


def place_of(error: BaseException) -> str:
    """Where an error was raised, as file:line: what a log may say of an unexpected one, whose words may name a person."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
