from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.backends import _ses_tags

NAME = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text("_-05Fa")


def message(label: str | None = None, **metadata: str) -> Any:
    return SimpleNamespace(
        category=label, metadata=metadata, stamp=lambda: SimpleNamespace(id="0f")
    )


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
        ("mailbalance-id", "0f"),
    )
    assert _ses_tags.decode("_-63ategory") == "category"


@pytest.mark.parametrize(("count", "own"), [(0, 1), (48, 1), (49, 0), (60, 0)])
def test_our_own_id_takes_no_place_of_the_callers_tags(count: int, own: int) -> None:
    said = {f"k{n}": "v" for n in range(count)}

    found = dict(_ses_tags.tags(message("welcome", **said)))

    assert found == {"category": "welcome"} | said | (
        {"mailbalance-id": "0f"} if own else {}
    )


def test_the_callers_own_key_of_that_name_counts() -> None:
    own = {"mailbalance-id": "mine"}

    assert _ses_tags.tags(message(**own)) == (("mailbalance-id", "mine"),)


def test_whether_tags_fit_is_found_out_without_stamping_the_message() -> None:
    never_stamped = SimpleNamespace(category="x", metadata={})

    assert _ses_tags.problem(never_stamped) is None  # type: ignore[arg-type] # has no stamp()


def test_a_tag_that_grows_too_long_is_a_problem_and_names_its_key() -> None:
    assert _ses_tags.problem(message(note="ü" * 31)) is None
    assert "'note'" in str(_ses_tags.problem(message(note="ü" * 32)))
