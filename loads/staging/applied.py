"""What was last applied to rows: the staged rows of the runs that wrote them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from connectors.dataverse.metadata import Table
from loads import bindings, staged
from loads.models import Crosswalk, Run
from loads.staging import known
from loads.staging.context import StagingContext
from loads.staging.merging import Applied, read_key, read_value


class LastApplied:
    """Looks up rows of one object and table."""

    def __init__(self, context: StagingContext, object_name: str, table: Table) -> None:
        """Nothing is read before the first look."""
        self.context, self.object_name, self.table = context, object_name, table
        self._runs: dict[int, Run] = {}

    def of(self, row_ids: Sequence[str]) -> dict[str, Applied]:
        """Row id -> what it got last, of those of which it is known."""
        found: dict[str, Applied] = {}
        late = bindings.late(self.context.run.environment)
        for paths, wanted in self._files(row_ids):
            for row in staged.meant(paths, wanted, late=late):
                found[row["row_id"]] = self._applied(orjson.loads(row["values"]), orjson.loads(row["left"] or b"{}"))
        return found

    def _files(self, row_ids: Sequence[str]) -> Iterator[tuple[list[Path], list[str]]]:
        """(staged files of a run, row ids that it wrote last)."""
        if not self.context.objects[self.object_name]["record"]["crosswalk"]:
            for phase in known.last_phases(self.context, self.object_name):
                if phase.table == self.table.name and not known.outlived(phase):
                    yield staged.rows_of(phase), list(row_ids)
            return
        written = Crosswalk.objects.filter(
            environment=self.context.run.environment, table=self.table.name, alias=False,
            row_id__in=[UUID(row_id) for row_id in row_ids], applied_run__isnull=False,
        )  # fmt: skip
        of_run: dict[int, list[str]] = {}
        for run_id, row_id in written.values_list("applied_run", "row_id"):
            of_run.setdefault(run_id, []).append(str(row_id))
        for run_id, ids in of_run.items():
            yield staged.parts(self._run(run_id), self.object_name, self.table.name), ids

    def _run(self, run_id: int) -> Run:
        if run_id not in self._runs:
            self._runs[run_id] = Run.objects.select_related("engagement").get(pk=run_id)
        return self._runs[run_id]

    def _applied(self, values: Mapping[str, Any], left: Mapping[str, Sequence[Any]]) -> Applied:
        written = {read_key(self.table, key): read_value(key, value) for key, value in values.items()}
        meant = {name: pair[0] for name, pair in left.items()}
        there = {name: pair[1] for name, pair in left.items()}
        return Applied(meant={**meant, **written}, there={**there, **written})
