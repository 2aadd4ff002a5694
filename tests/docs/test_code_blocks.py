"""Every code block of the README and the docs does what its page says."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailbalance.sandbox import Sandbox
from tests.docs.blocks import PAGES, name_of
from tests.docs.runner import SPLIT, PageRun, clear_environment

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageRun]:
    """A folder, a local sandbox and an environment that points at it."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    with Sandbox() as box:
        clear_environment()
        os.environ.update(box.environ(SPLIT))
        run = PageRun(tmp_path)
        yield run
        run.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_of_a_page_does_what_the_page_says(
    page: Path, page_run: PageRun
) -> None:
    page_run.run_page(page)


BROKEN = {
    "an exception": "```python\n1 / 0\n```",
    "a wrong output": "```python\nprint(1)\n```\n\n```text\n2\n```",
    "output of nothing": "```text\n2\n```",
    "a wrong json": '```python\nprint(\'{"a": 1}\')\n```\n\n```json\n{"a": 2}\n```',
    "a language nobody runs": "```ruby\nputs 1\n```",
    "no language": "```\nmailbalance check\n```",
    "a block never closed": "```python\nprint(1)\n",
    "a command nobody knows": "```sh\nfrobnicate\n```",
    "a command that fails": "```sh\npython -c 'raise SystemExit(3)'\n```",
    "a wrong exit code": "```console\n$ python -c 'exit(3)'\n$ echo $?\n4\n```",
    "an extra that is not there": "```sh\npip install 'mailbalance[moon]'\n```",
    "a variable that is not there": "```ini\nMAILBALANCE_SPILT=ses=60\n```",
    "a wrong split": "```ini\nMAILBALANCE_SPLIT=ses=60%,mailtrap=60%\n```",
    "a wrong scheme": "```dsn\nmailtrap+fax://TOKEN@default\n```",
    "a wrong option": "```dsn\nconsole://?colour=1\n```",
    "a failing test": "```python\n# test_it.py\ndef test_it(): assert False\n```",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_block_is_seen(fault: str, tmp_path: Path, page_run: PageRun) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BROKEN[fault]}\n", encoding="utf-8")

    with pytest.raises(Exception) as caught:
        page_run.run_page(page)

    told = f"{caught.value} {getattr(caught.value, '__notes__', '')}"
    assert "page.md:" in told


def test_no_page_is_forgotten() -> None:
    named = {name_of(page) for page in PAGES}

    assert {"README.md", "docs/index.md", "docs/tutorial/first-mail.md"} <= named
