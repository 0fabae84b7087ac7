"""Every operation of the OpenAPI document, called over real HTTP by each role with made-up input: no 5xx, every answer as documented.

`FUZZ_EXAMPLES` says how many calls per operation (default 6); `make fuzz` sets it high.
"""

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.auth.rules import Role
from service.bootstrap import open_parts
from service.settings import Settings
from tests.contract.served import Served, served
from tests.databases import SqliteTemplate
from tests.providers.sandboxed import running_sandbox

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("schemathesis")]
schema = schemathesis.openapi.from_dict(create_app(lambda: open_parts(Settings(_env_file=None))).openapi()).include(path_regex="^/api/v1/")  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def running(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with running_sandbox() as sandbox, sqlite_template.fresh() as url, served(url, folder, sandbox.port) as found:
        yield found


@schema.given(data=st.data())
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=timedelta(seconds=30),
    derandomize=EXAMPLES < 50,
    phases=[Phase.explicit, Phase.generate] if EXAMPLES < 50 else list(Phase),
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_every_operation_answers_as_documented(case: schemathesis.Case, running: Served, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from([Role.ADMIN, Role.FACILITATOR, Role.ADMIN, Role.VIEWER]), label="role")
    for name in case.path_parameters:
        if running.ids.get(name) and data.draw(st.booleans(), label=f"an existing {name}"):
            case.path_parameters[name] = data.draw(st.sampled_from(running.ids[name]), label=name)
    case.call_and_validate(base_url=running.base, headers=running.headers(role), checks=CHECKS, timeout=60)
