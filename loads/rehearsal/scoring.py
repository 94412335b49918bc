"""How right a prediction was: its rows against those that the ledger has, whole and per reason."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from connectors import store
from loads.models import LedgerEntry, Phase, Rehearsal, Run
from loads.rehearsal.predicting import EXAMPLES, files

CLOSED = (Phase.State.BALANCED, Phase.State.UNBALANCED)
FOUND = pa.schema(
    [("phase_id", pa.int64()), ("row_id", pa.string()), ("source_id", pa.string()), ("outcome", pa.string()), ("code", pa.string())]
)
OUTCOMES = ("refused", "waiting")
FIGURES = ("predicted", "found", "hit", "precision", "recall")


def keep(run: Run) -> None:
    """Score a run that is done, and keep it."""
    rehearsal = Rehearsal.objects.filter(run=run).exclude(made_at=None).first()
    if rehearsal and not rehearsal.problem:
        Rehearsal.objects.filter(pk=rehearsal.pk).update(score=score(run))


def score(run: Run) -> dict[str, Any]:
    """{"refused", "waiting": figures, "reasons": [{"code", "outcome", **figures, "missed", "unfounded"}]} of the phases that are closed.

    figures: {"predicted", "found", "hit" (in both), "precision" (hit of predicted), "recall" (hit of found)}, None where there is nothing
    to divide by. Refused is what the service refused; what the workbench itself kept back is known beforehand and not counted.
    Per reason a row that came to be refused for one of the reasons predicted counts as that one; else as the first of them.
    missed, unfounded: source ids of a few rows of either kind.
    """
    phases = list(run.phases.filter(state__in=CLOSED).values_list("pk", flat=True))
    with store.database() as con:
        entries = LedgerEntry.objects.filter(run=run, phase__in=phases, outcome__in=OUTCOMES, row_id__isnull=False)
        rows = entries.values_list("phase_id", "row_id", "source_id", "outcome", "code").iterator(chunk_size=2_000)
        store.fill(con, "found", FOUND, ((phase, str(row_id), *rest) for phase, row_id, *rest in rows))
        con.execute(
            """CREATE TABLE predicted AS SELECT phase_id, row_id, source_id, outcome, code,
               json_extract_string(decode(faults), '$[*][0]') AS codes
               FROM read_parquet($paths) WHERE phase_id IN (SELECT unnest($phases))"""
            if files(run)
            else "CREATE TABLE predicted AS SELECT *, [code] AS codes FROM found LIMIT 0",
            {"paths": files(run), "phases": phases} if files(run) else {},
        )
        con.execute(_JOINED)
        whole = {outcome: _figures(*con.execute(_WHOLE, {"outcome": outcome}).fetchall()[0]) for outcome in OUTCOMES}
        reasons = list(_reasons(con.execute(_BY_REASON).fetchall()))
    return {**whole, "reasons": reasons}


_SERVICE = "(code LIKE '0x%' OR code LIKE 'http.%')"
# A row per predicted or found row; own: kept back by the workbench itself.
_JOINED = f"""
    CREATE TABLE joined AS
    SELECT coalesce(f.source_id, p.source_id) AS source_id, p.outcome AS p_outcome, f.outcome AS f_outcome, f.code AS f_code,
           CASE WHEN p.code IS NULL THEN NULL WHEN list_contains(p.codes, f.code) AND p.outcome = f.outcome THEN f.code
                ELSE p.code END AS p_code,
           p.outcome = 'refused' AND NOT {_SERVICE.replace("code", "p.code")} AS p_own,
           f.outcome = 'refused' AND NOT {_SERVICE.replace("code", "f.code")} AS f_own
    FROM predicted p FULL JOIN found f ON f.phase_id = p.phase_id AND f.row_id = p.row_id
    WHERE p.outcome IS DISTINCT FROM 'kept'
"""  # noqa: S608 - names of our own
_WHOLE = """
    SELECT count(*) FILTER (p_outcome = $outcome AND NOT p_own), count(*) FILTER (f_outcome = $outcome AND NOT f_own),
           count(*) FILTER (p_outcome = $outcome AND f_outcome = $outcome AND NOT p_own AND NOT f_own) FROM joined
"""
_BY_REASON = """
    WITH each AS (
        SELECT p_outcome AS outcome, p_code AS code, 1 AS predicted, 0 AS found,
               coalesce(p_code = f_code AND p_outcome = f_outcome, false)::INTEGER AS hit, source_id FROM joined WHERE p_code IS NOT NULL
        UNION ALL SELECT f_outcome, f_code, 0, 1, coalesce(p_code = f_code AND p_outcome = f_outcome, false)::INTEGER, source_id
        FROM joined WHERE f_code IS NOT NULL)
    SELECT code, outcome, sum(predicted), sum(found), sum(hit) FILTER (predicted = 1),
           list(source_id ORDER BY source_id) FILTER (found = 1 AND hit = 0),
           list(source_id ORDER BY source_id) FILTER (predicted = 1 AND hit = 0)
    FROM each GROUP BY code, outcome ORDER BY outcome, sum(found) DESC, code
"""


def _figures(predicted: int, found: int, hit: int) -> dict[str, Any]:
    precision, recall = (round(hit / of, 4) if of else None for of in (predicted, found))
    return dict(zip(FIGURES, (predicted, found, hit, precision, recall), strict=True))


def _reasons(rows: list[tuple]) -> Iterator[dict[str, Any]]:
    for code, outcome, predicted, found, hit, missed, unfounded in rows:
        lists = {"missed": (missed or [])[:EXAMPLES], "unfounded": (unfounded or [])[:EXAMPLES]}
        yield {"code": code, "outcome": outcome, **_figures(int(predicted), int(found), int(hit or 0)), **lists}


def content(run: Run) -> Mapping[str, Any] | None:
    """The prediction with its score as pages and the reconciliation show it; None where the run was never rehearsed."""
    rehearsal = Rehearsal.objects.filter(run=run).first()
    if rehearsal is None:
        return None
    scored = run.state in Run.FINISHED and rehearsal.made_at is not None and not rehearsal.problem
    return {
        "made_at": rehearsal.made_at.isoformat() if rehearsal.made_at else None,
        "seconds": round(rehearsal.seconds, 2),
        "rows": rehearsal.rows,
        "refused": rehearsal.refused,
        "waiting": rehearsal.waiting,
        "problem": rehearsal.problem,
        "reasons": rehearsal.reasons,
        "remarks": rehearsal.remarks,
        "score": (rehearsal.score or score(run)) if scored else None,
    }
