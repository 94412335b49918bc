"""The pipeline app."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    """The sequence of an engagement; it has the reports written when a run ends."""

    name = "workbench.pipeline"
    label = "pipeline"
    verbose_name = "Pipeline"

    def ready(self) -> None:
        """Write the reconciliation report whenever a phase closes."""
        from loads.reconciliation import phase_closed, run_finished  # noqa: PLC0415 - needs the models loaded
        from reports.documents import write_reconciliation  # noqa: PLC0415

        def report(sender, run=None, phase=None, **kwargs) -> None:
            write_reconciliation(run or phase.run)

        phase_closed.connect(report, weak=False, dispatch_uid="reconciliation per phase")
        run_finished.connect(report, weak=False, dispatch_uid="reconciliation of the run")
