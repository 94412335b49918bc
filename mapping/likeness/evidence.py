"""What a field's values say about the columns that could take it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mapping.fieldprofiles import FieldProfile
from mapping.transforms import ColumnLike, choice_key
from mapping.transforms.moments import MOMENT

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")
WEB = re.compile(r"(https?://|www\.)\S+|[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}(/\S*)?", re.IGNORECASE)
PHONE = re.compile(r"\+?[\d\s()./-]{6,20}(\s*(x|ext\.?)\s*\d+)?")
MOST = 0.8
SAYS_YES = 1.08
SAYS_NO = 0.6
CANT_HOLD = 0.25
NUMBERS = ("Integer", "BigInt", "Decimal", "Double", "Money")
YES_NO = {"true", "false", "yes", "no", "y", "n", "0", "1", "ja", "nein", "oui", "non", "si"}
LOOKS: Mapping[str, Callable[[str], object]] = {
    "e-mail addresses": EMAIL.fullmatch,
    "web addresses": WEB.fullmatch,
    "dates": lambda text: MOMENT.fullmatch(text),
    "yes and no": lambda text: text.casefold() in YES_NO,
    "phone numbers": lambda text: PHONE.fullmatch(text) and sum(map(str.isdigit, text)) >= 6,
}
# Column names, beginnings of them, that are meant for such values.
MEANT_FOR = {
    "e-mail addresses": re.compile(r"email|sender|torecipients"),
    "web addresses": re.compile(r"website|url|ftpsite"),
    "phone numbers": re.compile(r".*phone|fax|pager|callback|business2|home2|company$|.*_fax|.*telephone"),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a profile says: what most values look like, whether they are numbers, the commonest texts, the longest."""

    looks: str
    numeric: bool
    boolean: bool
    structured: bool
    texts: tuple[str, ...]
    longest: int
    whole: bool

    def judge(self, column: ColumnLike) -> tuple[float, list[str]]:
        """A factor for the likeness of a column, above 1 where the values speak for it; and why, in sentences."""
        reasons: list[str] = []
        factor = 1.0
        for judgement in (self._of_kind(column), self._of_looks(column), self._of_options(column), self._of_length(column)):
            if judgement:
                factor *= judgement[0]
                reasons.append(judgement[1])
        return factor, reasons

    def _of_kind(self, column: ColumnLike) -> tuple[float, str] | None:
        if self.structured and column.kind not in ("Memo", "String", "MultiChoice"):
            return CANT_HOLD, f"Its values are lists or objects, and the column is a {column.kind}."
        if column.kind in ("String", "Memo") and (self.boolean or self.looks == "dates"):
            return SAYS_NO, f"Its values are {'yes or no' if self.boolean else 'dates'}, and the column is text."
        if column.kind == "DateTime" and self.numeric and self.looks != "dates":
            return 0.9, "Its numbers may be dates."
        asked = {"DateTime": ("read as dates", self.looks == "dates"), "Boolean": ("say yes or no", self._says_yes_or_no)}
        asked |= dict.fromkeys(NUMBERS, ("count as numbers", self.numeric))
        what, so = asked.get(column.kind, ("", True))
        return ((SAYS_YES, f"Its values {what}.") if so else (CANT_HOLD, f"Its values don't {what}.")) if what else None

    @property
    def _says_yes_or_no(self) -> bool:
        return self.boolean or self.looks == "yes and no"

    def _of_looks(self, column: ColumnLike) -> tuple[float, str] | None:
        meant = [looks for looks, names in MEANT_FOR.items() if names.match(column.name)]
        if column.kind not in ("String", "Memo") or not self.texts:
            return None
        if self.looks in MEANT_FOR:
            return (
                (SAYS_YES, f"Its values look like {self.looks}.")
                if self.looks in meant
                else (SAYS_NO, f"Its values look like {self.looks}.")
            )
        return (SAYS_NO, f"Its values don't look like {meant[0]}.") if meant else None

    def _of_options(self, column: ColumnLike) -> tuple[float, str] | None:
        labels = {choice_key(label) for label in labels_of(column).values()}
        if column.kind not in ("Choice", "MultiChoice", "Status") or not self.texts:
            return None
        same = sum(choice_key(text) in labels for text in self.texts)
        if same:
            return 1 + 0.1 * same / len(self.texts), f"{same} of its {len(self.texts)} commonest values are labels of the column's options."
        return 0.85, "None of its commonest values is a label of the column's options."

    def _of_length(self, column: ColumnLike) -> tuple[float, str] | None:
        if column.kind != "String" or not column.max_length or self.longest <= column.max_length:
            return None
        return 0.85, f"Its longest value has {self.longest} characters; the column takes {column.max_length}."


def labels_of(column: ColumnLike) -> Mapping[int, str]:
    """Option value -> label; empty where the column has none."""
    options = getattr(column, "options", None) or {}
    return dict(options) if isinstance(options, Mapping) else {int(value): str(label) for value, label in options}


def evidence_of(profile: FieldProfile) -> Evidence | None:
    """What a profile says; None where no record holds a value."""
    held = {kind: count for kind, count in profile.types.items() if kind != "null"}
    total = sum(held.values())
    if not profile.filled or not total:
        return None
    numbers = held.get("integer", 0) + held.get("number", 0)
    texts = tuple(str(value).strip() for value, _ in profile.top if held.get("string"))
    return Evidence(
        looks=_looks(profile),
        numeric=numbers / total >= MOST or _numeric_texts(texts),
        boolean=held.get("boolean", 0) / total >= MOST,
        structured=(held.get("array", 0) + held.get("object", 0)) / total >= MOST,
        texts=texts,
        longest=profile.max_length or 0,
        whole=not profile.decimals,
    )


def _looks(profile: FieldProfile) -> str:
    """What most of the commonest values look like, weighed by their records; empty where nothing stands out."""
    shown = [(str(value).strip(), count) for value, count in profile.top]
    total = sum(count for _, count in shown)
    for name, test in LOOKS.items():
        if total and sum(count for text, count in shown if test(text)) / total >= MOST:
            return name
    return ""


def _numeric_texts(texts: tuple[str, ...]) -> bool:
    return bool(texts) and all(re.fullmatch(r"[+-]?\d{1,15}([.,]\d+)?", text) for text in texts)
