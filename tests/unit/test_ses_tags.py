from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.backends import _ses_tags

NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text("_-05Fa")


def message(label: str | None = None, **metadata: str) -> Any:
    return SimpleNamespace(category=label, metadata=metadata)


@given(TEXT)
@example("")
@example("_-")
@example("_-\0")
@example("a_-20")
@example("_é")
def test_any_text_comes_back_from_a_tag(text: str) -> None:
    name, value = _ses_tags.encode_name(text), _ses_tags.encode_value(text)

    assert set(name) <= NAME
    assert set(value) <= NAME | set(".@")
    assert name
    assert value
    assert _ses_tags.decode(name) == _ses_tags.decode(value) == text


@pytest.mark.parametrize("text", ["user_id", "order-no", "A1", "_", "-", "a__b--c"])
def test_common_keys_stay_as_they_are(text: str) -> None:
    assert _ses_tags.encode_name(text) == text


def test_a_metadata_key_called_category_is_not_the_category() -> None:
    found = _ses_tags.tags(message("welcome", category="x", user_id="ana@x.com"))

    assert found == (
        ("category", "welcome"),
        ("_-63ategory", "x"),
        ("user_id", "ana@x.com"),
    )
    assert _ses_tags.decode("_-63ategory") == "category"


def test_a_tag_that_grows_too_long_is_a_problem_and_names_its_key() -> None:
    assert _ses_tags.problem(message(note="ü" * 31)) is None
    assert "'note'" in str(_ses_tags.problem(message(note="ü" * 32)))
