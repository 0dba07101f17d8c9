"""The shape of a page: `PageReading`, which the model fills, and `PageResult`, the file on disk.

Descriptions here are part of the response schema that the model sees; the prompt says the same at
length (prompt.md).
"""

from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, Field, PrivateAttr, model_validator

POSITIONS = ("top_left", "top_right", "bottom_left", "bottom_right")

# The form has 21 rows a block, some other form may have more. A response with a row beyond this one
# is not a page, and the index takes every row up to it. The response schema does not say it: the
# model counts what it sees.
LAST_ROW = 999

Position = Literal["top_left", "top_right", "bottom_left", "bottom_right"]
Confidence = Literal["high", "medium", "low"]
Notes = Literal["continuation", "double_height", "crossed_out", "illegible", "other"]


class Entry(BaseModel):
    """One written row of a block."""

    row_index: int = Field(ge=0, description="Printed row in the block, from 0 at the top.")
    raw_text: str = Field(description="The row verbatim, without its type letter.")
    type_raw: str | None = Field(None, description="What stands in the type circle.")
    confidence: Confidence
    notes: Notes | None = None
    oddities: list[str] = []


class Quadrant(BaseModel):
    """One hour-block."""

    position: Position
    hour_raw: str | None = None
    jock_raw: str | None = None
    entries: list[Entry] = []
    oddities: list[str] = []


class PageReading(BaseModel):
    """What the model fills: the page without our own three fields. Four blocks, in order."""

    page_date_raw: str | None = None
    quadrants: list[Quadrant] = Field(min_length=4, max_length=4)
    comments_raw: str | None = None
    oddities: list[str] = []
    _forgiven: tuple[str, ...] = PrivateAttr(default=())

    @property
    def forgiven(self) -> tuple[str, ...]:
        """What was put right as the response was read, one sentence a kind; never on disk."""
        return self._forgiven

    def after(self, forgiven: tuple[str, ...]) -> Self:
        """This page, with what was forgiven."""
        self._forgiven = forgiven
        return self

    @model_validator(mode="after")
    def _one_block_each(self) -> Self:
        # Blocks are named, so another order is put right; one named twice is not a page.
        if sorted(q.position for q in self.quadrants) != sorted(POSITIONS):
            raise ValueError("the four blocks are not " + ", ".join(POSITIONS))
        self.quadrants.sort(key=lambda quadrant: POSITIONS.index(quadrant.position))
        return self


class PageResult(PageReading):
    """`results/…/page-NN.json`. `verified_by` is absent in files older than the field."""

    model_version: str
    extracted_at: AwareDatetime
    verified_by: dict[str, Any] | None = None

    def to_json(self) -> bytes:
        """The file's bytes: UTF-8, indented by 2, no newline at the end, as existing files are."""
        absent = set() if "verified_by" in self.model_fields_set else {"verified_by"}
        return self.model_dump_json(indent=2, exclude=absent).encode()


def result(reading: PageReading, model_version: str) -> PageResult:
    """The result of a page that was read just now; the reading was checked as it was read."""
    return PageResult.model_construct(
        **dict(reading),
        model_version=model_version,
        extracted_at=datetime.now(UTC),
        verified_by=None,
    )


def response_schema(lean: bool = False) -> dict[str, Any]:
    """`PageReading` as the REST API's `responseSchema`: an OpenAPI subset, types in capitals.

    Gemini takes no `$ref` and spells "or null" as `nullable`; every field is required, so that
    a missing text is a null that was meant. In the `lean` form what may be null or empty is not
    required, and nothing else differs: four blocks, and each entry's row, text and confidence, are
    there in both. Source: the `Schema` reference of the API; a test compares it with what
    google-genai itself makes of the class.
    """
    schema = PageReading.model_json_schema(mode="validation" if lean else "serialization")
    return _openapi(schema, schema.get("$defs", {}), lean)


def _openapi(node: dict[str, Any], definitions: dict[str, Any], lean: bool) -> dict[str, Any]:
    if "$ref" in node:
        return _openapi(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions, lean)
    out: dict[str, Any] = {}
    if "anyOf" in node:
        some, _null = node["anyOf"]
        out |= _openapi(some, definitions, lean) | {"nullable": True}
    if "type" in node:
        out["type"] = node["type"].upper()
    if "description" in node:
        out["description"] = node["description"]
    out |= {new: node[old] for old, new in _KEPT.items() if old in node}
    if "items" in node:
        out["items"] = _openapi(node["items"], definitions, lean)
    if "properties" in node:
        fields = node["properties"].items()
        out["properties"] = {k: _openapi(v, definitions, lean) for k, v in fields}
        out["propertyOrdering"] = list(node["properties"])
        # What has no default in the class cannot be left out.
        out["required"] = list(node["required"] if lean else node["properties"])
    return out


# JSON Schema's names for what the API takes over as it is -> the API's names.
_KEPT = {
    "enum": "enum",
    "minimum": "minimum",
    "minItems": "minItems",
    "maxItems": "maxItems",
}
