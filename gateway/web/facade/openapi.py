"""The facade described for machines: an OpenAPI 3.1 document, made of what is published."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from gateway.web.facade import codes
from gateway.web.facade.access import Access
from gateway.web.facade.answers import JSON
from gateway.web.facade.endpoints import ENDPOINTS
from gateway.web.facade.members import MAY_BE_MISSING, MAY_BE_NULL, MEANINGS, WHOLE
from gateway.web.facade.outcomes import unsure
from gateway.web.facade.published import PUBLISHED, Parameter
from gateway.web.facade.refusals import refusal_of
from gateway.web.facade.requests import Body, Route

Json: TypeAlias = dict[str, Any]

FORM = "application/x-www-form-urlencoded"

_OF_EVERY_REQUEST = frozenset({codes.NOT_ALLOWED, codes.UNEXPECTED, codes.INVALID})
_OF_SIGNATURES = frozenset(
    {codes.NOT_PROVEN, codes.NO_TIMESTAMP, codes.WINDOW_PASSED, codes.MISSING}
)

_PUBLIC: list[Json] = [{}]
_PROVEN: list[Json] = [{"apiKey": []}, {"token": [], "account": []}]
_ABOUT = """\
The exchange's own REST protocol, spoken by the gateway. An existing client needs this address and a
key pair that the gateway issued. Every reply has a `code`; "00000" is success. A refusal comes with
status 200, as the exchange's own would, and says why in `code` and `msg`.

A signed request has the header `X-APNK-APIKEY` and the parameters `timestamp` and `signature`. The
signature is the HMAC-SHA256, by the pair's secret and in hex digits, of all parameters but itself,
`timestamp` among them, in the order and the spelling in which they are sent. Of a GET
they stand in the query string, of a POST in a form, as it is described here; a POST may also carry
them in the query string or in a JSON body, all in one place. In place of a signature a bearer token
does, with the account in `X-Gateway-Account`.

The exchange's streams are at `/v3`, by WebSocket; OpenAPI has no words for them.
"""
_TYPES: Mapping[str, Json] = {
    "STRING": {"type": "string"},
    "LONG": {"type": "integer", "format": "int64"},
    "INT": {"type": "integer"},
    "FLOAT": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**12},
}
_SYMBOL: Json = {"type": "string", "pattern": "^[A-Z0-9]{2,20}$"}
_SIGNING = (
    Parameter("timestamp", "LONG", "When it was signed, in ms since 1970.", "1578398112000"),
    Parameter(
        "windowSize",
        "INT",
        "For how many ms after `timestamp` it is good: 10000 when nothing is said, at most 60000.",
        "10000",
        required=False,
    ),
    Parameter(
        "signature",
        "STRING",
        "HMAC-SHA256 of the other parameters by the key pair's secret, as hex digits.",
        "c9445c8f619a64524d58378dbc40d9bfa5148de895cd8c7df8ae769630c5b67c",
    ),
)


def document(base_url: str = "/") -> Json:
    """Describe every endpoint; `base_url` is where '/v3/api/…' is found, a URL or a path.

    Numbers are Decimal or int: write it as JSON with `answers.encode`'s kind of encoder.
    """
    paths: dict[str, Json] = {}
    for route in ENDPOINTS:
        method, path = route
        paths.setdefault(path, {})[method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The exchange's API, served by the gateway",
            "version": "3",
            "description": _ABOUT,
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(map(_tag, ENDPOINTS))],
        "paths": paths,
        "components": {
            "securitySchemes": _schemes(),
            "parameters": {one.name: _in_query(one, signs=True) for one in _SIGNING},
            "headers": _headers(),
        },
    }


def codes_of(route: Route) -> list[str]:
    """The codes that an endpoint refuses with, of those that are known, in their order."""
    published = PUBLISHED[route]
    told = {*published.codes} - codes.OF_THE_REAL_KEY | _OF_EVERY_REQUEST | _OF_SIGNATURES
    if _is_signed(route):
        told.add(codes.NO_KEY)
    if any(parameter.name == "symbol" for parameter in published.parameters):
        told.add(codes.NOT_A_SYMBOL)
    return sorted(told)


def _is_signed(route: Route) -> bool:
    return ENDPOINTS[route].access is not Access.PUBLIC


def _operation(route: Route) -> Json:
    method, path = route
    published = PUBLISHED[route]
    operation: Json = {
        "operationId": f"{method.lower()}-{path.rpartition('/')[2]}",
        "tags": [_tag(route)],
        "summary": published.heading,
        "description": published.summary,
        "security": _PROVEN if _is_signed(route) else _PUBLIC + _PROVEN,
        "responses": {
            "200": _reply(route),
            "404": _invalid("There is no such path, or it takes another method."),
            "413": _invalid("The body has more than 64 KiB."),
        },
    }
    # One place for the parameters: who fills in two, or has two filled in, is refused.
    if method == "POST":
        operation["requestBody"] = _form(published.parameters)
    else:
        operation["parameters"] = _query(published.parameters)
    return operation


def _tag(route: Route) -> str:
    group = route[1].split("/")[3]
    if not _is_signed(route):
        return "Market Endpoints" if group == "market" else "General Endpoints"
    return f"Signed {group.title()} Endpoints"


def _query(parameters: Iterable[Parameter]) -> list[Json]:
    signing = [{"$ref": f"#/components/parameters/{signing.name}"} for signing in _SIGNING]
    return [_in_query(parameter) for parameter in parameters] + signing


def _in_query(parameter: Parameter, *, signs: bool = False) -> Json:
    # A page that shows this sends what an example says.
    required = parameter.required and not signs
    example = {"example": parameter.example} if required else {}
    return {
        "name": parameter.name,
        "in": "query",
        "required": required,
        "description": parameter.meaning,
        "schema": _schema_of_parameter(parameter),
        **example,
    }


def _schema_of_parameter(parameter: Parameter) -> Json:
    if parameter.name == "symbol":
        return _SYMBOL
    if parameter.values:
        return {"type": "string", "enum": list(parameter.values)}
    return _TYPES[parameter.type]


def _form(parameters: Collection[Parameter]) -> Json:
    # No example: a page that shows this would send it, and an order must be somebody's own words.
    properties = {
        parameter.name: {
            **_schema_of_parameter(parameter),
            "description": f"{parameter.meaning} Such as `{parameter.example}`.",
        }
        for parameter in (*parameters, *_SIGNING)
    }
    required = [parameter.name for parameter in parameters if parameter.required]
    schema = {"type": "object", "required": required, "properties": properties}
    return {
        "description": "All parameters, signed in the order in which they stand here.",
        "required": bool(required),
        "content": {FORM: {"schema": schema}},
    }


def _reply(route: Route) -> Json:
    sample = PUBLISHED[route].sample
    # No name is a number: a browser would put those first, the smallest at the head.
    examples = {"success": {"summary": "Success", "value": {"code": codes.SUCCESS, **sample}}}
    for code in codes_of(route):
        refusal = refusal_of(code)
        told = {"code": code, "msg": refusal.msg}
        examples[f"code-{code}"] = {"summary": f"{code} {refusal.msg}", "value": told}
    access = ENDPOINTS[route].access
    if access.mutates:
        unknown = unsure(access)
        told = {"code": unknown.code, "msg": unknown.msg}
        examples["outcome-unknown"] = {"summary": unknown.msg, "value": told}
    return {
        "description": "The reply, or a refusal: read `code`.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _headers()},
        "content": {
            JSON: {"schema": {"oneOf": [_success(sample), _refusal()]}, "examples": examples}
        },
    }


def _invalid(why: str) -> Json:
    told = refusal_of(codes.INVALID)
    return {
        "description": why,
        "content": {
            JSON: {"schema": _refusal(), "example": {"code": told.code, "msg": told.msg}},
        },
    }


def _success(sample: Body) -> Json:
    schema = _schema_of("reply", sample)
    schema["properties"] = {"code": {"const": codes.SUCCESS}, **schema["properties"]}
    schema["required"] = ["code", *schema["required"]]
    return schema


def _refusal() -> Json:
    code = {"type": "string", "pattern": "^(?!00000)[0-9]{5}$"}
    return {
        "type": "object",
        "required": ["code", "msg"],
        "properties": {"code": code, "msg": {"type": "string"}},
        "additionalProperties": False,
    }


def _schema_of(name: str, sample: object, within: str = "") -> Json:
    """What a member is, told by its sample and by the object that it is `within`."""
    said = MEANINGS.get(f"{within}.{name}", MEANINGS.get(name))
    meaning = {} if said is None else {"description": said}
    match sample:
        case dict():
            return {"type": "object", **_members_of(name, sample), **meaning}
        case list():
            return {"type": "array", "items": _schema_of(name, sample[0], within), **meaning}
        case bool() | str():
            return {"type": "boolean" if isinstance(sample, bool) else "string", **meaning}
    number = "integer" if name in WHOLE else "number"
    return {"type": [number, "null"] if name in MAY_BE_NULL else number, **meaning}


def _members_of(name: str, sample: Mapping[str, object]) -> Json:
    return {
        "properties": {member: _schema_of(member, sample[member], name) for member in sample},
        "required": [member for member in sample if f"{name}.{member}" not in MAY_BE_MISSING],
    }


def _schemes() -> Json:
    return {
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-APNK-APIKEY",
            "description": "The key of a pair that the gateway issued; `timestamp` and `signature` "
            "belong to it.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of the gateway, in place of key, timestamp and signature.",
        },
        "account": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Gateway-Account",
            "description": "The account that the bearer of a token asks for.",
        },
    }


def _headers() -> Json:
    return {
        "x-trace-id": {
            "description": "Names this request in the gateway's log.",
            "schema": {"type": "string"},
        },
        "retry-after": {
            "description": "After how many seconds a refused request may pass.",
            "schema": {"type": "integer"},
        },
        "x-gateway-stale": {
            "description": '"true" where a value may be out of date.',
            "schema": {"const": "true"},
        },
        "x-gateway-as-of": {
            "description": "When the oldest such value came from the exchange, in ms.",
            "schema": {"type": "integer"},
        },
    }
