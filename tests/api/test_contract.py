"""The API against its own OpenAPI document: hundreds of generated requests, none of them answered with a surprise.

schemathesis makes valid and invalid requests from the document. Ids of the dump are put into half of the paths, so that
requests reach what is behind them and not only "not found".
"""

from __future__ import annotations

import random
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from console.service import Console
from tests.api_client import token_of

EXAMPLES = 6
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
#: Deletes last: they take away what others look at.
ORDER = ("get", "post", "put", "patch", "delete")


def test_no_request_is_answered_with_a_surprise(app: Flask, console: Console) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/schema/", app)
    headers = {"Authorization": f"Token {token_of(console, 'alice')}"}
    operations = [result.ok() for result in schema.get_all_operations()]
    operations.sort(key=lambda one: ORDER.index(one.method.lower()))
    surprises: list[str] = []
    asked = 0
    for operation in operations:
        if operation.path in {"/api/current-user/reset-token/", "/api/jwt/settings", "/logout/"}:
            continue  # would end the token this test asks with

        @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            if asked % 2:
                case.path_parameters = {name: random.Random(asked).randint(1, 5) if isinstance(value, int) else value
                                        for name, value in (case.path_parameters or {}).items()}  # fmt: skip
            asked += 1
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS, headers=headers)

        try:
            ask()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            surprises.append(f"{operation.method.upper()} {operation.path}: {str(error)[:1500]}")
    assert asked > len(operations)
    assert not surprises, "\n\n".join(surprises)
