"""The fields the API accepts: one table, and the check of a JSON value against it.

The table follows Google's REST reference of v1beta (GenerateContentRequest and what it holds).
Names are camelCase; snake_case is accepted too, as Google does. What the reference leaves open
("any") is passed on unread.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any

from emulator.vertex_schema import VERTEX_MESSAGES

Json = dict[str, Any]

# Message -> field -> type. "[T]" is a list of T, "{T}" a map from string to T.
MESSAGES: dict[str, dict[str, str]] = VERTEX_MESSAGES | {
    "InputLine": {"key": "string", "metadata": "any", "request": "GenerateContentRequest"},
    "CreateBatch": {"batch": "Batch"},
    "Batch": {
        "name": "string",
        "model": "string",
        "displayName": "string",
        "inputConfig": "InputConfig",
        "priority": "int",
        "webhookConfig": "any",
    },
    "InputConfig": {"fileName": "string", "requests": "InlinedRequests"},
    "InlinedRequests": {"requests": "[InlinedRequest]"},
    "InlinedRequest": {"request": "GenerateContentRequest", "metadata": "any"},
    "CreateFile": {"file": "File"},
    "File": {
        "name": "string",
        "displayName": "string",
        "mimeType": "string",
        "sizeBytes": "int",
        "uri": "string",
    },
    "CachedContent": {
        "name": "string",
        "displayName": "string",
        "model": "string",
        "contents": "[Content]",
        "systemInstruction": "Content",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
        "ttl": "string",
        "expireTime": "string",
    },
    "GenerateContentRequest": {
        "model": "string",
        "contents": "[Content]",
        "systemInstruction": "Content",
        "generationConfig": "GenerationConfig",
        "safetySettings": "[SafetySetting]",
        "cachedContent": "string",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
        "serviceTier": "ServiceTier",
        "store": "bool",
    },
    "Content": {"role": "string", "parts": "[Part]"},
    "Part": {
        "text": "string",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "any",
        "functionResponse": "any",
        "executableCode": "any",
        "codeExecutionResult": "any",
        "toolCall": "any",
        "toolResponse": "any",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "videoMetadata": "any",
        "partMetadata": "any",
        "mediaResolution": "PartMediaResolution",
    },
    "Blob": {"mimeType": "string", "data": "bytes", "displayName": "string"},
    "FileData": {"mimeType": "string", "fileUri": "string", "displayName": "string"},
    "PartMediaResolution": {"level": "MediaResolution", "numTokens": "int"},
    "GenerationConfig": {
        "stopSequences": "[string]",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "responseJsonSchema": "any",
        "_responseJsonSchema": "any",
        "responseModalities": "[string]",
        "candidateCount": "int",
        "maxOutputTokens": "int",
        "temperature": "number",
        "topP": "number",
        "topK": "number",
        "seed": "int",
        "presencePenalty": "number",
        "frequencyPenalty": "number",
        "responseLogprobs": "bool",
        "logprobs": "int",
        "enableEnhancedCivicAnswers": "bool",
        "speechConfig": "any",
        "thinkingConfig": "ThinkingConfig",
        "imageConfig": "any",
        "mediaResolution": "MediaResolution",
    },
    "ThinkingConfig": {
        "includeThoughts": "bool",
        "thinkingBudget": "int",
        "thinkingLevel": "string",
    },
    "Schema": {
        "type": "Type",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "[string]",
        "maxItems": "int",
        "minItems": "int",
        "properties": "{Schema}",
        "required": "[string]",
        "minProperties": "int",
        "maxProperties": "int",
        "minLength": "int",
        "maxLength": "int",
        "pattern": "string",
        "example": "any",
        "anyOf": "[Schema]",
        "propertyOrdering": "[string]",
        "default": "any",
        "items": "Schema",
        "minimum": "number",
        "maximum": "number",
    },
    "SafetySetting": {"category": "string", "threshold": "string"},
    "ToolConfig": {
        "functionCallingConfig": "any",
        "retrievalConfig": "any",
        "includeServerSideToolInvocations": "bool",
    },
    "Tool": {
        "functionDeclarations": "any",
        "googleSearch": "any",
        "googleSearchRetrieval": "any",
        "codeExecution": "any",
        "urlContext": "any",
        "computerUse": "any",
        "fileSearch": "any",
        "googleMaps": "any",
        "mcpServers": "any",
    },
}
ENUMS = {
    "MediaResolution": {
        "MEDIA_RESOLUTION_UNSPECIFIED",
        "MEDIA_RESOLUTION_LOW",
        "MEDIA_RESOLUTION_MEDIUM",
        "MEDIA_RESOLUTION_HIGH",
        "MEDIA_RESOLUTION_ULTRA_HIGH",
    },
    "ServiceTier": {"UNSPECIFIED", "STANDARD", "FLEX", "PRIORITY"},
    "Type": {
        "TYPE_UNSPECIFIED",
        "STRING",
        "NUMBER",
        "INTEGER",
        "BOOLEAN",
        "ARRAY",
        "OBJECT",
        "NULL",
    },
}


@dataclass(frozen=True)
class Violation:
    """One thing wrong: `path` says where (`contents[0].parts`), `unknown` names a stray field."""

    path: str
    unknown: str | None
    description: str


def check(message: str, value: Any) -> tuple[Json, list[Violation]]:
    """Checks `value` against MESSAGES[message].

    Returns the value with camelCase names and without nulls, and everything wrong with it.
    """
    wrong: list[Violation] = []
    known = _message(message, value, "", wrong)
    return known, wrong


def _message(message: str, value: Any, path: str, wrong: list[Violation]) -> Json:
    if not isinstance(value, dict):
        wrong.append(_bad(path, message, value))
        return {}
    fields = MESSAGES[message]
    known: Json = {}
    for name, item in value.items():
        camel = _camel(name)
        if camel not in fields:
            at = f" at '{path}'" if path else ""
            text = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            wrong.append(Violation(path, name, text))
        elif item is not None:
            inner = f"{path}.{_snake(camel)}" if path else _snake(camel)
            known[camel] = _value(fields[camel], item, inner, wrong)
    return known


def _value(kind: str, value: Any, path: str, wrong: list[Violation]) -> Any:
    if kind == "any":
        return value
    if kind.startswith("["):
        # Google's own samples send a single object where a list is declared ("contents": {"parts":
        # ...})
        items = value if isinstance(value, list) else [value]
        return [_value(kind[1:-1], item, f"{path}[{i}]", wrong) for i, item in enumerate(items)]
    if kind.startswith("{") and isinstance(value, dict):
        return {
            name: _value(kind[1:-1], item, f"{path}[{name}]", wrong) for name, item in value.items()
        }
    if kind in MESSAGES:
        return _message(kind, value, path, wrong)
    if not _SCALARS[kind](value) if kind in _SCALARS else not _in_enum(kind, value):
        wrong.append(_bad(path, kind, value))
    return value


def _in_enum(kind: str, value: Any) -> bool:
    return isinstance(value, str) and value.upper() in ENUMS[kind]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    if isinstance(value, str):  # 64-bit numbers come as strings
        return re.fullmatch(r"-?\d+", value) is not None
    return _is_number(value) and value == int(value)


def _is_base64(value: Any) -> bool:
    try:
        decode_base64(value)
    except (ValueError, AttributeError):
        return False
    return True


def decode_base64(text: str) -> bytes:
    """Either alphabet, with or without padding, as protobuf's JSON allows. Raises ValueError."""
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("Base64 decoding failed") from error


_SCALARS = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "number": _is_number,
    "int": _is_int,
    "bytes": _is_base64,
}


def _bad(path: str, kind: str, value: Any) -> Violation:
    shown = repr(value) if not isinstance(value, str) else f'"{value[:60]}"'
    return Violation(path, None, f"Invalid value at '{path}' ({kind}), {shown[:80]}")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    if not head:
        return name
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
