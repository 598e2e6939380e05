"""The parts of the OpenAPI document that are the same for every contract: headers, problems, security."""

from crm_gateway.json_schema.rules import Schema

INTRODUCTION = """\
An open, API-first CRM platform.

**Names.** JSON keys are snake_case. Every field is in every answer; what is not set is null. Enum values have no
prefix (`PERSON`); the contract's `KIND_PERSON` is accepted too. 64-bit integers are text, instants are RFC 3339 in UTC.
A key or parameter that does not exist is an error.

**Changes.** PATCH changes the keys that are in the body and leaves all others; `null` clears. An `update_mask`
parameter wins over the keys. Read-only keys in a body are ignored, so an answer may be sent back as it came;
an `id` that is not the one in the path is refused.

**Concurrency.** Send the `ETag` of what you read as `If-Match`; a resource that has changed since is answered with 412.

**Repetition.** Send an `Idempotency-Key` with a POST; a repetition gets the first answer with
`Idempotent-Replayed: true`.

**Lists.** Pass `next_page_token` as `page_token` until it is null, with the same filter and order; `prev_page_token`
leads back.

**Fields.** `fields=id,display_name` on a GET leaves all other fields out, in a list those of each record;
`include=owner` puts the records that an answer refers to beside it.

**Headers.** Every answer has `X-Request-Id`, which finds the request in the logs, and `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset`. Limits hold for each gateway process: behind a load balancer several of
them admit more.

**Errors.** RFC 9457 problem documents; `reason` is for programs, `detail` for people, `errors` names each field.
`title` and `detail` are in the language of `Accept-Language`, English or Chinese.
"""

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}

PARAMETERS: dict[str, Schema] = {
    "XRequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Finds the request in the logs; made when not given.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"},
    },
    "XRequestTimeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "Seconds to wait for the answer, less than the default of 10.",
        "schema": {"type": "string", "pattern": r"^[1-9][0-9]{0,5}(\.[0-9]{1,3})?$"},
        "example": "2.5",
    },
    "Fields": {
        "name": "fields",
        "in": "query",
        "description": "Only these fields, separated by commas; of each record of a list. Nested ones with dots. "
        "The others are left out of the answer.",
        "schema": {"type": "string", "pattern": r"^[a-z0-9_.]+(,[a-z0-9_.]+)*$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The etag, in double quotes, the resource must still have; `*` for any.",
        "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]*")$'},
        "example": '"v3"',
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An etag you have already: when it still holds, the answer is 304 without body.",
        "schema": {"type": "string"},
        "example": '"v3"',
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A new random text per intended effect, the same on every repetition.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "example": "7c0b8a9e-5f7e-4a57-9d3a-6f1f4a0e9f55",
    },
}

PARAMETERS |= {
    name.title().replace("-", ""): {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
    }
    for name, description in (
        ("webhook-id", "The id of the delivery, the same however often it is sent."),
        ("webhook-timestamp", "When it was signed, in seconds since 1970; refused when more than five minutes off."),
        ("webhook-signature", "`v1,` and the HMAC-SHA256 of id, timestamp and body, as Standard Webhooks has it."),
    )
}

# What a program signs: which data there are is told by the operation.
SIGNED_BODY: Schema = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "What is brought.", "examples": ["message.received"]},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it happened; not looked at."},
        "data": {"type": "object", "description": "What there is, as its type has it."},
    },
    "required": ["type", "data"],
}

HEADERS: dict[str, Schema] = {
    "XRequestId": {"description": "Finds the request in the logs.", "schema": _TEXT},
    "ETag": {
        "description": "What is shown of the resource, for If-None-Match, and its version, for If-Match.",
        "schema": _TEXT,
    },
    "Location": {"description": "Where the new resource is.", "schema": {"type": "string", "format": "uri-reference"}},
    "SetCookie": {"description": "The session's cookie, which no script can read.", "schema": _TEXT},
    "IdempotentReplayed": {
        "description": "`true` when this is the first answer again.",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimitLimit": {"description": "Requests that may come at once.", "schema": _COUNT},
    "RateLimitRemaining": {"description": "Requests that may still come now.", "schema": _COUNT},
    "RateLimitReset": {"description": "Seconds until all may come again.", "schema": _COUNT},
    "RetryAfter": {"description": "Seconds to wait before trying again.", "schema": _COUNT},
}

SECURITY_SCHEMES: dict[str, Schema] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the built-in issuer, or of another one that the tenant trusts.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-guanxi_session",
        "description": "The cookie of a browser's session, which begins with BeginSession or BeginProviderSession. "
        "Without `__Host-` where the issuer's address is http, as on a developer's machine.",
    },
}

# What each status means, for all operations alike.
STATUSES: dict[int, str] = {
    400: "The request cannot be read: malformed JSON, unknown or wrongly typed fields.",
    401: "There is no token, or one that does not hold.",
    403: "The caller may not do this.",
    404: "It does not exist, or the caller may not know that it does.",
    408: "The body did not arrive in time.",
    409: "The state of things does not allow it.",
    412: "The resource has changed since the etag was read.",
    413: "The body is larger than allowed.",
    415: "The body has a media type that is not taken here.",
    422: "A field breaks its rule; `errors` names it.",
    429: "Too many requests; `Retry-After` says when to come back.",
    500: "A failure of ours; the request id finds it in the logs.",
    503: "A part of the platform does not answer; `Retry-After` says when to try again.",
    504: "The answer was not ready in time.",
}


_ON_FAILURE = ("X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def _failure(description: str, hundred: int) -> Schema:
    lines = [f"- {status}: {text}" for status, text in STATUSES.items() if status // 100 == hundred]
    return {
        "description": "\n".join([description, "", *lines]),
        "headers": {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in _ON_FAILURE},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


FAILURES: dict[str, Schema] = {
    "Refused": _failure("The request is refused; `reason` and `detail` say why.", 4),
    "Failed": _failure("The request could not be answered; trying again may help.", 5),
}
NOT_MODIFIED: Schema = {
    "description": "Not changed since the etag of If-None-Match.",
    "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
}

_VALUES: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 wants it.",
    "required": ["type", "title", "status", "detail", "instance", "reason", "metadata", "errors", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Where the reason is explained."},
        "title": {"type": "string", "description": "The reason in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time, for people."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
        "reason": {"type": "string"},
        "metadata": _VALUES | {"description": "The values that `detail` names."},
        "errors": {
            "type": "array",
            "description": "Each field that breaks a rule.",
            "items": {
                "type": "object",
                "required": ["field", "rule", "detail", "metadata"],
                "properties": {
                    "field": {"type": "string", "description": "Its path in the body, or the parameter or header."},
                    "rule": {"type": "string", "description": "The rule it breaks."},
                    "detail": {"type": "string", "description": "What was expected."},
                    "metadata": _VALUES | {"description": "The values that `detail` names, such as a limit."},
                },
            },
        },
        "request_id": {"type": "string", "description": "Finds the request in the logs."},
    },
    "examples": [
        {
            "type": "/docs/errors#account-not-found",
            "title": "Account not found",
            "status": 404,
            "detail": "The account does not exist, or you may not know that it does.",
            "instance": "/v1/accounts/01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90",
            "reason": "ACCOUNT_NOT_FOUND",
            "metadata": {},
            "errors": [],
            "request_id": "7c0b8a9e-5f7e-4a57-9d3a-6f1f4a0e9f55",
        }
    ],
}
LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
