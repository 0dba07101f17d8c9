"""Google's error bodies.

Wordings marked (recorded) were copied from replies of the real API; (reported) ones from what
people quoted of its replies, so that a word may differ; the others are guesses in its style.
"""

from typing import Any

# gRPC codes, as the result lines of a batch have them
CANCELLED = 1
GRPC = {
    "INVALID_ARGUMENT": 3,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}
INTERNAL_MESSAGE = (  # (recorded)
    "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)


class ApiError(Exception):
    """A refusal: HTTP `code`, its name in google.rpc, and `extra` keys of the error object."""

    def __init__(self, code: int, status: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                **self.extra,
                "status": self.status,
            }
        }


def invalid(message: str, **extra: Any) -> ApiError:
    return ApiError(400, "INVALID_ARGUMENT", message, **extra)


def not_found() -> ApiError:
    return ApiError(404, "NOT_FOUND", "Requested entity was not found.")  # (recorded)


def file_gone(file_id: str) -> ApiError:
    message = f"You do not have permission to access the File {file_id} or it may not exist."
    return ApiError(403, "PERMISSION_DENIED", message)  # (recorded)


def cache_gone() -> ApiError:
    return ApiError(
        403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"
    )  # (reported)


def no_key() -> ApiError:
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    return ApiError(403, "PERMISSION_DENIED", message)  # (reported)


def wrong_key() -> ApiError:
    message = "API key not valid. Please pass a valid API key."  # (reported)
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    return invalid(message, details=[info])


def unknown_model(model: str, method: str, version: str) -> ApiError:
    message = (
        f"models/{model} is not found for API version {version}, or is not supported for {method}. "
        "Call ListModels to see the list of available models and their supported methods."
    )
    return ApiError(404, "NOT_FOUND", message)  # (reported)


def too_large() -> ApiError:
    return invalid("Request payload size exceeds the limit: 20971520 bytes.")  # (recorded)


def unavailable() -> ApiError:
    message = "The service is currently unavailable."
    reason = {"message": message, "domain": "global", "reason": "backendError"}
    return ApiError(503, "UNAVAILABLE", message, errors=[reason])  # (recorded)


def internal() -> ApiError:
    return ApiError(500, "INTERNAL", INTERNAL_MESSAGE)


def place_not_supported() -> ApiError:
    message = "User location is not supported for the API use."  # (reported)
    return ApiError(400, "FAILED_PRECONDITION", message)


def schema_too_complex() -> ApiError:
    return invalid(  # (reported, shortened)
        "The specified schema produces a constraint that has too many states for serving. Typical "
        "causes of this error are schemas with lots of text (for example, very long property or "
        "enum names), schemas with long array length limits (especially when nested), or schemas "
        "using complex value matchers."
    )


def spend_cap_reached() -> ApiError:
    message = (  # (reported)
        "Your project has exceeded its monthly spending cap. Please go to AI Studio at "
        "https://ai.studio/spend to manage your project spend cap."
    )
    return ApiError(429, "RESOURCE_EXHAUSTED", message)


def storage_full() -> ApiError:
    """The 20 GB of stored files: the quota's name is at the message's end, and in the details."""
    metric = "generativelanguage.googleapis.com/file_storage_bytes"
    refusal = quota_exceeded()
    refusal.message += f"\n* Quota exceeded for metric: {metric}, limit: 21474836480"  # (reported)
    violation = {"quotaMetric": metric, "quotaId": "FileStorageBytesPerProject"}
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    refusal.extra["details"].insert(0, failure)
    return refusal


def name_too_long(file_id: str) -> ApiError:
    # (reported) for result files, whose names are longer than an upload's may be
    return invalid(f"* GetFileRequest.name: files/{file_id} is not a valid file name.")


def quota_exceeded() -> ApiError:
    message = (  # (recorded)
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
        "To monitor your current usage, head to: https://ai.dev/rate-limit. "
    )
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    help_ = {"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}
    return ApiError(429, "RESOURCE_EXHAUSTED", message, details=[help_])
