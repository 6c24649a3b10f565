"""Requests made from the OpenAPI document: whatever is sent, the server has no error of its own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

import wavesep.web.urls  # noqa: F401 - it adds all routes to the interface
from wavesep.web.api import api

from .conftest import new_job

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(), default=str))
OPERATIONS = sorted(
    (path, method)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if not path.endswith("/events")  # it never ends
)
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
VALUES = st.one_of(TEXT, st.integers().map(str), st.floats().map(str))
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def fields(operation: dict[str, Any]) -> list[str]:
    """Return the names of the fields of the body of an operation."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return list(DOCUMENT["components"]["schemas"].get(name, {}).get("properties", {}))


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_no_request_is_an_error_of_the_server(
    owner: User, path: str, method: str, count: int
) -> None:
    @settings(max_examples=count)
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        answer = ask(owner, path, method, data)
        assert answer.status_code < 500, answer.content

    check()


def ask(owner: User, path: str, method: str, data: st.DataObject) -> Any:
    """Send any request to an operation; return the answer."""
    job = new_job(owner)
    client = Client(headers={"Host": "localhost"}, raise_request_exception=False)
    client.force_login(owner)
    operation = DOCUMENT["paths"][path][method]
    ours = {"job": str(job.pk), "song": str(job.song_id), "source": "vocals"}
    query, headers = {}, {}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        known = st.just(ours.get(name, "0")) | st.just(str(uuid4()))
        value = data.draw(known | VALUES, label=name)
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe="") or "x")
        elif parameter["in"] == "query":
            query[name] = value
        else:
            headers[name] = value.encode("ascii", "ignore").decode().replace("\n", "")
    body: Any = data.draw(BODIES)
    if names := fields(operation):
        body = {
            name: data.draw(st.just(ours.get(name)) | BODIES, label=name)
            for name in data.draw(st.lists(st.sampled_from(names), unique=True))
        }
    return client.generic(
        method.upper(), f"{path}?{urlencode(query)}", json.dumps(body), "application/json",
        headers=headers,
    )  # fmt: skip


def test_every_change_of_a_model_has_its_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
