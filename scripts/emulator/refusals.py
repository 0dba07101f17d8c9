"""Refusals of the Vertex door: those of its jobs and models, of its tokens, and of the bucket.

Marked as in `errors.py`: (recorded), (reported) or a guess in Google's style.
"""

from typing import Any

from emulator.errors import ApiError

CREDENTIALS = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)


class StorageError(ApiError):
    """A refusal of the bucket: `reason` in place of google.rpc's name, and the message twice."""

    def __init__(self, code: int, reason: str, message: str, **place: str) -> None:
        super().__init__(code, reason, message)
        self.place = place

    def body(self) -> dict[str, Any]:
        first = {"message": self.message, "domain": "global", "reason": self.status, **self.place}
        return {"error": {"code": self.code, "message": self.message, "errors": [first]}}


def no_model(model: str) -> ApiError:
    message = f"The PublisherModel {model} does not exist."  # (reported)
    return ApiError(404, "NOT_FOUND", message)


def no_model_to_ask(project: str, location: str, model: str) -> ApiError:
    place = f"projects/{project}/locations/{location}/publishers/google/models/{model}"
    message = (  # (reported)
        f"Publisher Model `{place}` was not found or your project does not have access to it. "
        "Please ensure you are using a valid model version. For more information, see: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
    )
    return ApiError(404, "NOT_FOUND", message)


def no_job() -> ApiError:
    return ApiError(404, "NOT_FOUND", "The BatchPredictionJob does not exist.")


def not_to_be_cancelled() -> ApiError:
    message = "The job is in a state in which it cannot be cancelled."  # its code was reported
    return ApiError(400, "FAILED_PRECONDITION", message)


def not_to_be_deleted(state: str) -> ApiError:
    message = f"The job is in state {state}, in which it cannot be deleted."
    return ApiError(400, "FAILED_PRECONDITION", message)


def may_not_create(project: str, location: str) -> ApiError:
    place = f"//aiplatform.googleapis.com/projects/{project}/locations/{location}"
    message = (  # (reported)
        f"Permission 'aiplatform.batchPredictionJobs.create' denied on resource '{place}'"
    )
    return ApiError(403, "PERMISSION_DENIED", message)


def not_enabled(project: str) -> ApiError:
    place = "https://console.developers.google.com/apis/api/aiplatform.googleapis.com/overview"
    message = (  # (reported)
        f"Vertex AI API has not been used in project {project} before or it is disabled. Enable it "
        f"by visiting {place}?project={project} then retry. If you enabled this API recently, wait "
        "a few minutes for the action to propagate to our systems and retry."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
    }
    return ApiError(403, "PERMISSION_DENIED", message, details=[info])


def vertex_quota() -> ApiError:
    message = (  # (reported)
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
    )
    return ApiError(429, "RESOURCE_EXHAUSTED", message)


def no_token() -> ApiError:
    message = f"Request is missing required authentication credential. {CREDENTIALS}"  # (reported)
    return ApiError(401, "UNAUTHENTICATED", message)


def wrong_token() -> ApiError:
    message = f"Request had invalid authentication credentials. {CREDENTIALS}"  # (reported)
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
    }
    return ApiError(401, "UNAUTHENTICATED", message, details=[info])


def anonymous() -> StorageError:
    message = "Anonymous caller does not have storage.objects.get access."  # (reported, shortened)
    return StorageError(401, "required", message, locationType="header", location="Authorization")


def wrong_storage_token() -> StorageError:
    message = "Invalid Credentials"  # (reported)
    return StorageError(401, "authError", message, locationType="header", location="Authorization")


def no_bucket() -> StorageError:
    return StorageError(404, "notFound", "The specified bucket does not exist.")  # (reported)


def no_object(bucket: str, name: str) -> StorageError:
    return StorageError(404, "notFound", f"No such object: {bucket}/{name}")  # (reported)


def bucket_forbidden(permission: str) -> StorageError:
    message = (  # (reported, shortened)
        f"Caller does not have {permission} access to the Google Cloud Storage bucket. "
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )
    return StorageError(403, "forbidden", message)


def condition_not_met() -> StorageError:
    message = "At least one of the pre-conditions you specified did not hold."  # (reported)
    return StorageError(412, "conditionNotMet", message, locationType="header", location="If-Match")


def storage_invalid(message: str) -> StorageError:
    return StorageError(400, "invalid", message)


def storage_unavailable() -> StorageError:
    message = "We encountered an internal error. Please try again."  # (reported)
    return StorageError(503, "backendError", message)


def no_such_range() -> StorageError:
    message = "The requested range cannot be satisfied."  # (reported)
    return StorageError(416, "requestedRangeNotSatisfiable", message)
