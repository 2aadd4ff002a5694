"""Message tags to category and metadata, the reverse of ``backends._ses_tags``.

What lives here: which tags win, and what each becomes. What must not: rules about their
characters; ``fault_of`` has them.

The tag ``category`` becomes the category, which is Mailtrap's own, except beside a
template, where Mailtrap allows none. All others become metadata: Mailtrap's custom
variables. A value that this library encoded for SES is decoded; any other stays literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mailbalance.backends import _ses_tags
from mailbalance.dropin.calls.draft import Draft

#: Characters. Source: Mailtrap's API, field "category".
_LONGEST_CATEGORY = 255

Tag = Mapping[str, str]

#: How a metadata key ``category`` is written as a tag (see ``_ses_tags.tags``).
_METADATA_CATEGORY = f"_-{ord('c'):02X}ategory"


def read_tags(draft: Draft, *groups: tuple[Iterable[Tag] | None, str]) -> None:
    """Read tags; those of a later group replace those of the same name.

    Args:
        draft: Gets category and metadata. A template must be there already.
        *groups: Each with the parameter it comes from.
    """
    pairs: dict[str, str] = {}
    for tags, place in groups:
        if tags:
            pairs |= _group(draft, tags, place)
            draft.places |= {"metadata": place, "category": place}
    if pairs:
        draft.fields.pop("category", None)
        take(draft, pairs)


def take(draft: Draft, pairs: Mapping[str, str]) -> None:
    """Put tags into the message's category and metadata, in place of earlier ones."""
    metadata = dict(draft.base.metadata) if draft.base is not None else {}
    templated = "mailtrap" in draft.fields
    for name, value in pairs.items():
        text = _plain(value, encode=_ses_tags.encode_value)
        if name == _ses_tags.CATEGORY and text and not templated:
            draft.fields["category"] = text
        elif name == _METADATA_CATEGORY:
            metadata[_ses_tags.CATEGORY] = text
        else:
            metadata[_plain(name, encode=_ses_tags.encode_name)] = text
    draft.fields["metadata"] = metadata


def take_x_tags(draft: Draft) -> None:
    """Put ``X-Tag`` headers into category and metadata, as far as these are free.

    A category holds one tag, and none beside a template; the others become ``tag_2``,
    ``tag_3`` and so on. SES sends the headers as they are.
    """
    tags = dict(enumerate(filter(None, draft.x_tags), 1))
    if not tags:
        return
    said = draft.fields.get("category") or getattr(draft.base, "category", None)
    fits = len(tags[1]) <= _LONGEST_CATEGORY and tags[1].isprintable()
    if fits and not said and "mailtrap" not in draft.fields:
        draft.put("category", tags.pop(1), draft.places.get("headers", "X-Tag"))
    known = draft.fields.get("metadata") or dict(getattr(draft.base, "metadata", {}))
    named = {f"tag_{at}": tag for at, tag in tags.items()}
    if named:
        draft.fields["metadata"] = {**named, **known}


def _group(draft: Draft, tags: Iterable[Tag], place: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for at, tag in enumerate(tags):
        name, value = tag.get("Name", ""), tag.get("Value", "")
        if pairs.setdefault(name, value) != value:
            draft.keep(
                f"{place}[{at}].Name",
                "it is there twice, and custom variables hold one",
            )
    return pairs


def _plain(text: str, *, encode: Callable[[str], str]) -> str:
    """Decode what this library encoded, and nothing else."""
    try:
        decoded = _ses_tags.decode(text)
    except UnicodeDecodeError:
        return text
    return decoded if encode(decoded) == text and decoded.isprintable() else text
