"""A check asks for fields of a case by name, and runs where it gets all that it needs."""

import inspect
from dataclasses import fields
from typing import Any

from infer.diagnosis.case import Case
from infer.diagnosis.registry import CHECKS, _given


def test_every_check_asks_for_fields_of_a_case() -> None:
    known = {field.name for field in fields(Case)}
    for check in CHECKS:
        assert set(inspect.signature(check).parameters) <= known, check
        assert check.__doc__
    assert len(set(CHECKS)) == len(CHECKS)


def test_a_check_runs_where_all_that_it_needs_is_there() -> None:
    def check(questions: Any, model: Any, videos: Any = None) -> Any:
        return questions, model, videos

    case: Any = type("Case", (), {"questions": [1], "model": None, "videos": None})
    assert _given(check, case) is None
    case.model = "m"
    assert _given(check, case) == {"questions": [1], "model": "m", "videos": None}
