"""What slices of Iterable's objects hold: a window of time or things by name; and how they divide."""

from collections.abc import Iterable, Mapping

from connectors.base import Slice
from connectors.iterable.windows import Window


def named_slice(name: str, things: Iterable[str], params: Mapping[str, str] | None = None) -> Slice:
    """A slice of things, such as ids, or rows of a list as JSON; none of them holds a line feed."""
    return Slice(name, {**(params or {}), "items": "\n".join(things)})


def items(piece: Slice) -> list[str]:
    """The things of a slice."""
    return piece.params["items"].split("\n")


def halves(piece: Slice) -> tuple[Slice, Slice] | None:
    """Two slices that are this one together; None for a minute of time, for one thing, and for what is given whole only."""
    divided = _halves(piece)
    if divided is None:
        return None
    first, second = (Slice(f"{piece.name}.{number}", {**piece.params, **params}) for number, params in enumerate(divided, start=1))
    return first, second


def _halves(piece: Slice) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    if "startDateTime" in piece.params:
        windows = Window.of(piece).halves()
        return (windows[0].as_params(), windows[1].as_params()) if windows else None
    things = items(piece) if "items" in piece.params else []
    middle = len(things) // 2
    return ({"items": "\n".join(things[:middle])}, {"items": "\n".join(things[middle:])}) if middle else None
