"""Runs and what came of them; what belongs to one part of the load stands beside it."""

from loads.delta.models import Conflict, Departed
from loads.losses.models import Loss, LossDecision
from loads.models.outcomes import Crosswalk, LedgerEntry, QualityGroup, VerifiedRow
from loads.models.plans import Binding, SchemaPlan
from loads.models.runs import Caller, CallSize, Chunk, Phase, Run, StagingRange, _run_key
from loads.rehearsal.models import Rehearsal
from loads.removal.models import SchemaRemoval
from loads.scans.models import Scan

__all__ = [
    "Binding", "CallSize", "Caller", "Chunk", "Conflict", "Crosswalk", "Departed", "LedgerEntry", "Loss", "LossDecision", "Phase",
    "QualityGroup", "Rehearsal", "Run", "Scan", "SchemaPlan", "SchemaRemoval", "StagingRange", "VerifiedRow", "_run_key",
]  # fmt: skip
