"""A file that came with a record, by the name that its connector gave it when it was kept; see `connectors.files`."""

from typing import Any

from connectors.files import is_name
from mapping.transforms.base import EMPTY, Mapped, Target, Transform, lost


def compile_file(target: Target) -> Transform:
    """The file's name, which the load sends the content of."""

    def transform(value: Any) -> Mapped:
        if isinstance(value, str) and is_name(value):
            return Mapped(value)
        return EMPTY if value in (None, "") else lost("file.unreadable", target, "", None)

    return transform
