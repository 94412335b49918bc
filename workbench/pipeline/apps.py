"""The pipeline app."""

from django.apps import AppConfig


class PipelineConfig(AppConfig):
    """Pipeline."""

    name = "workbench.pipeline"
    label = "pipeline"
    verbose_name = "Pipeline"
