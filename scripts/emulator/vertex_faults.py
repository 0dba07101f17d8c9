"""What goes wrong on command at the Vertex door and its bucket; `faults.py` says what kinds are."""

VERTEX_FAULTS: dict[str, tuple[str, str]] = {
    # the output of a job, when it is written
    "rows_in_order": ("switch", "the lines are in the order of the input"),
    "line_other_text": ("rows", "the row's line is there twice, with another text each"),
    "line_no_key": ("rows", "the line is without what stood beside the request"),
    "line_no_echo": ("rows", "the line is without the request"),
    "line_key_of_next": ("rows", "the line has the key of the row after it"),
    "line_response_empty": ("switch", "rows that failed have the response {}"),
    "job_shards": ("number", "the output is in so many files"),
    "job_incremental": (
        "number",
        "while it runs, incremental_predictions gets so many rows a file",
    ),
    "job_incremental_alone": ("switch", "the rows are in incremental_predictions alone"),
    "job_output_late": ("number", "listings of the bucket from which a job's output is missing"),
    "job_stranger": ("switch", "another job's output stands under the prefix, with unknown keys"),
    # rows and answers
    "line_deadline": ("rows", "not billed: the row's status is DEADLINE_EXCEEDED, code 4"),
    "answer_no_total": ("rows", "no totalTokenCount"),
    "answer_empty": ("rows", "no text, finishReason STOP, 1,416 tokens of thinking, billed"),
    # jobs; "after" so many rows: these are exported, and billed
    "job_failed": ("number", "FAILED with this code when it should start: 3, 8, 9, 13"),
    "job_failed_after": ("number", "FAILED, code 13, after so many rows"),
    "job_expired_after": ("number", "EXPIRED after so many rows"),
    "job_output_denied": ("switch", "it runs to its end, then FAILED, code 7, nothing is written"),
    "job_error_details": ("switch", "the error of a job that failed has objects in details"),
    "job_cancelling": ("switch", "it stays CANCELLING"),
    "job_cancelling_succeeds": (
        "switch",
        "a cancel shows CANCELLING, then SUCCEEDED with all rows",
    ),
    "job_exports_nothing": ("switch", "a job that ended early leaves no output"),
    "job_counts": ("switch", "completionStats while it runs, incompleteCount -1"),
    "create_403": ("times", "not created, no permission"),
    # the bucket and its tokens; faults named download_* are the bucket's as well
    "object_cut_after": (
        "times",
        "an upload is stored, connection cut: under a condition, then 412",
    ),
    "object_cut_before": ("times", "an upload or a chunk is thrown away, connection cut"),
    "object_503": ("times", "an upload or a chunk is thrown away, 503"),
    "bucket_503": ("times", "listing, metadata, download or deletion: 503"),
    "bucket_403": ("times", "any call of the bucket: 403"),
    "bearer_401": ("times", "a call of the Vertex door or the bucket: 401, its token is right"),
    "vertex_403": ("times", "a call of a project: 403, the API is not enabled there yet"),
    "token_400": ("times", "no token: the key was revoked"),
    "token_503": ("times", "no token: 503"),
    "token_seconds": ("number", "tokens end so soon; 3600 unless set"),
}
