"""Answers in Iterable's shapes: the envelope of errors, and single files as they lie in the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

# HTTP status -> the code that Iterable's envelope carries.
CODES: Mapping[int, str] = {
    400: "BadParams", 401: "BadApiKey", 403: "Forbidden", 404: "NotFound", 405: "NotFound", 429: "RateLimitExceeded",
}  # fmt: skip


class Json(JSONResponse):
    """A JSON answer in ASCII: half surrogate pairs stay the escapes that they were."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


class Refused(Exception):
    """A request that Iterable answers with an error."""

    def __init__(self, status: int, message: str, *, code: str | None = None, params: Any = None) -> None:
        """status: of HTTP; code: Iterable's own, that of the status when left out."""
        super().__init__(message)
        self.status, self.code, self.params = status, code or CODES.get(status, "GenericError"), params

    def answer(self) -> Response:
        """The error as Iterable sends it, JSON on text and CSV endpoints too."""
        body = injected(429) if self.status == 429 else envelope(str(self), self.code, self.params)
        return JSONResponse(body, status_code=self.status)


def envelope(message: str, code: str = "Success", params: Any = None) -> dict[str, Any]:
    """{"msg", "code", "params"}."""
    return {"msg": message, "code": code, "params": params}


def injected(status: int, code: str | None = None) -> dict[str, Any]:
    """The body of an injected status; code: Iterable's own, that of the status when left out."""
    if status == 429:
        return {"msg": "Exceeded rate limit.", "code": code or "RateLimitExceeded"}
    message = "An error occurred. Please try again later." if status >= 500 else "Injected fault."
    return envelope(message, code or CODES.get(status, "GenericError"))


def raw_json(body: bytes) -> Response:
    """A JSON body that is sent as it is."""
    return Response(body, media_type="application/json")
