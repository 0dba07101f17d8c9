"""The fields that the Vertex door accepts besides those of `schema.py`, read as it says there.

From Google's REST reference (BatchPredictionJob, GenerateContentRequest). A batch there takes no
`cachedContent` (documented).
"""

VERTEX_MESSAGES: dict[str, dict[str, str]] = {
    "VertexRequest": {
        "contents": "[Content]",
        "systemInstruction": "Content",
        "generationConfig": "GenerationConfig",
        "safetySettings": "[SafetySetting]",
        "labels": "{string}",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
    },
    "BatchPredictionJob": {
        "name": "string",
        "displayName": "string",
        "model": "string",
        "inputConfig": "JobInput",
        "outputConfig": "JobOutput",
        "instanceConfig": "any",
        "labels": "{string}",
    },
    "JobInput": {"instancesFormat": "string", "gcsSource": "GcsSource", "bigquerySource": "any"},
    "GcsSource": {"uris": "[string]"},
    "JobOutput": {
        "predictionsFormat": "string",
        "gcsDestination": "GcsDestination",
        "bigqueryDestination": "any",
    },
    "GcsDestination": {"outputUriPrefix": "string"},
}
