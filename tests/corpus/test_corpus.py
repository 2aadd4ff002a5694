"""What arrives at four endpoints says what the mail said, to two other parsers."""

import base64
from itertools import chain
from pathlib import Path

import pytest

from mailbalance.mime import reader, transfer
from tests.corpus import __main__ as command
from tests.corpus import mails
from tests.corpus.run import ENDPOINTS, run

SEED = 0


def test_generated_and_damaged_mails_arrive_as_they_were() -> None:
    report = run(chain(mails.generated(25, SEED), mails.mutated(25, SEED)))

    assert report.differences == []
    assert report.mails == 50
    assert all(report.counts[way, "same"] for way in ("memory", *ENDPOINTS))


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_many_mails_and_those_of_cpython_arrive_as_they_were() -> None:
    found = chain(
        mails.of_cpython(), mails.generated(700, SEED), mails.mutated(700, SEED)
    )
    report = run(found)

    assert report.differences == []
    assert report.mails >= 1400


def test_a_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path
    for name, data in mails.generated(2, SEED):
        (folder / f"{name}.eml").write_bytes(data)
    (folder / "notes.pdf").write_bytes(b"no mail")
    monkeypatch.setattr("sys.argv", ["corpus", str(folder)])

    assert command.main() == 0
    assert [name for name, _ in mails.of_folder(folder)] == [
        "generated-0.eml",
        "generated-1.eml",
    ]


# Controls: a library that is broken on purpose is found out


def _swapped(data: bytes, end: bytes = b"") -> bytes:
    digits = base64.b64encode(data[::-1])
    return digits + end


@pytest.mark.parametrize("way", ["read", "written", "eligible"])
def test_a_fault_of_ours_is_found(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "read":
        sound = reader.structure.Part.decoded
        monkeypatch.setattr(
            reader.structure.Part,
            "decoded",
            lambda part: (sound(part)[0][:-1], sound(part)[1]),
        )
    elif way == "written":
        monkeypatch.setattr(transfer, "base64", _swapped)
    else:
        monkeypatch.setattr(
            "mailbalance.backends._ses_form.fault", lambda message: None
        )

    report = run(mails.generated(40, SEED))

    assert report.differences
