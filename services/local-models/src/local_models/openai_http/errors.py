"""The errors of the OpenAI wire: an HTTP status and the JSON that the `openai` package expects."""

from typing import Any


class ApiError(Exception):
    """A request that is refused. `code` and `kind` are stable; the message is safe to show."""

    status = 400
    kind = "invalid_request_error"
    code: str | None = None

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        """Give the JSON body of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class BadRequestError(ApiError):
    """The request does not follow the protocol."""


class UnsupportedError(ApiError):
    """The request follows the protocol but asks for what this server does not do."""

    code = "unsupported_parameter"


class RefusedByModelError(ApiError):
    """The model cannot take the request, nearly always because it is too long for its context."""

    code = "context_length_exceeded"


class ModelNotFoundError(ApiError):
    status = 404
    code = "model_not_found"


class UnknownUrlError(ApiError):
    status = 404
    code = "unknown_url"


class MethodNotAllowedError(ApiError):
    status = 405
    code = "method_not_allowed"


class BodyTooLargeError(ApiError):
    status = 413
    code = "request_too_large"


class BusyError(ApiError):
    status = 503
    kind = "overloaded_error"
    code = "server_overloaded"


class NotReadyError(ApiError):
    status = 503
    kind = "server_error"
    code = "not_ready"


class InternalError(ApiError):
    status = 500
    kind = "server_error"
    code = "internal_error"
