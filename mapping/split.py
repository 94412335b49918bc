"""Which table a person belongs to, by the matrix that the customer signed; never by a default of ours."""

from collections.abc import Mapping
from hashlib import sha1
from typing import Any, Literal, cast, get_args

from connectors.storable import storable
from mapping.jsontext import plain_text
from workbench.engagements.errors import BadInput

Outcome = Literal["lead", "contact", "review", "skip"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
STAGE_LIMIT, STAGE_SHOWN = 200, 150  # as long as a line of the matrix may be, and what is shown of a longer one


def normalise_stage(raw: Any) -> str:
    """A stage as the matrix is read: trimmed and case-folded; empty where there is none. The same again for what it gave.

    Characters that can't be stored stay visible as broken ones, so that such a stage is never taken for a signed one; what is longer than
    a line of the matrix ends in its hash.
    """
    if raw is None:
        return ""
    text = storable(plain_text(raw)).strip().casefold()
    if len(text) <= STAGE_LIMIT:
        return text
    return f"{text[:STAGE_SHOWN]} sha1:{sha1(text.encode(), usedforsecurity=False).hexdigest()}"


def matrix_from_content(content: Mapping[str, Any]) -> dict[str, Outcome]:
    """The matrix of the `split` plan part, its keys normalised: {"matrix": {"subscriber": "lead", "": "review"}}.

    Raises BadInput for an outcome that is none and for two stages that read the same.
    """
    matrix: dict[str, Outcome] = {}
    for stage, outcome in content.get("matrix", {}).items():
        if outcome not in OUTCOMES:
            raise BadInput(f"Stage {stage!r} has the outcome {outcome!r}.", remedy=f"Choose one of {', '.join(OUTCOMES)}.")
        key = normalise_stage(stage)
        if matrix.setdefault(key, cast(Outcome, outcome)) != outcome:
            raise BadInput(f"Stage {stage!r} is listed twice with different outcomes (upper and lower case are one).")
    return matrix
