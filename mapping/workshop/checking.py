"""Whether a field map could load: its column is there and can be written, its transform fits, and nothing else fills it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from mapping.schema import spec_from_dict, tracking_columns
from mapping.transforms import ColumnLike, compile_transform
from mapping.workshop import tables
from mapping.workshop.models import FieldMap
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement

Place = tuple[int, str, str, str]  # engagement, object, table, column


class Checker:
    """Checks maps of any engagements; each table's columns and the confirmed maps are read once."""

    def __init__(self, rows: Sequence[FieldMap]) -> None:
        """rows: all that are to be confirmed together, as they would be then; so two of them can't take one column."""
        self.rows = rows
        self._own = {row.pk for row in rows}
        self._columns: dict[tuple[int, str], Mapping[str, ColumnLike]] = {}

    def why_not(self, row: FieldMap) -> str:
        """Why a map can't be confirmed; empty where it can."""
        if not row.column:
            return "It has no column."
        if row.column in {spec.name for spec in tracking_columns(row.engagement.prefix)}:
            return f"{row.column} is filled by the load itself."
        if self.doubled(row):
            return f"Another field goes to {row.table}.{row.column} already."
        found = self._planned(row) or self.columns(row.engagement, row.table).get(row.column)
        if found is None:
            known = tables.was_read(row.engagement, row.table)
            return f"{row.table} has no column {row.column}; plan it as a new one or choose another." if known else ""
        if not getattr(found, "valid_for_create", True):
            return f"{row.table}.{row.column} can't be written."
        return transform_problem(row, found)

    def _planned(self, row: FieldMap) -> ColumnLike | None:
        """The column that the map itself would make, which may not be kept yet."""
        made = row.new_column if row.new_column and row.new_column.get("name") == row.column else None
        return spec_from_dict(made) if made else None

    def doubled(self, row: FieldMap) -> bool:
        """Whether another confirmed map, or another of those decided with it, has the same column."""
        place = _place(row)
        others = self._confirmed.get(place, set()) - self._own
        return bool(others) or self._together[place] > 1

    def columns(self, engagement: Engagement, table: str) -> Mapping[str, ColumnLike]:
        """A table's columns, read once."""
        key = (engagement.pk, table)
        if key not in self._columns:
            self._columns[key] = tables.columns(engagement, table)
        return self._columns[key]

    @cached_property
    def _together(self) -> Counter[Place]:
        return Counter(_place(row) for row in self.rows if row.column)

    @cached_property
    def _confirmed(self) -> dict[Place, set[int]]:
        found: dict[Place, set[int]] = {}
        engagements = {row.engagement_id for row in self.rows}
        confirmed = FieldMap.objects.filter(engagement__in=engagements, state=FieldMap.State.CONFIRMED)
        for pk, engagement, name, table, column in confirmed.values_list("pk", "engagement_id", "object_name", "table", "column"):
            found.setdefault((engagement, name, table, column), set()).add(pk)
        return found


def transform_problem(row: FieldMap, column: ColumnLike) -> str:
    """Why a map's transform can't fill a column; empty where it can."""
    try:
        compile_transform(row.transform, field=row.source, column=column, options=row.options)
    except BadInput as error:
        return f"{error} {error.remedy}" if error.remedy != WorkbenchError.remedy else str(error)
    return ""


def _place(row: FieldMap) -> Place:
    return row.engagement_id, row.object_name, row.table, row.column
