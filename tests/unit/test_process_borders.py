"""Errors and receipts arrive whole: by pickle, by copy, and from another process."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from mailbalance import Attempt, Receipt, Refusal, errors
from mailbalance.dropin import UnknownSendError
from mailbalance.frozen import FrozenDict

#: From Python 3.12 on, a fork beside the threads of other tests is warned of.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

REFUSED = FrozenDict({"c@example.com": Refusal(550, "5.1.1 nobody")})
ATTEMPTS = (
    Attempt("ses", "not_accepted", "connect", "ECONNREFUSED", "refused", 0.25, 2),
    Attempt("mailtrap", "partial", "reply", "", "", 0.5, 2),
)
RECEIPT = Receipt(
    outcome="partial",
    backend="mailtrap",
    provider_ids=("1", "2"),
    message_id="<m@example.com>",
    accepted=("b@example.com",),
    refused=REFUSED,
    attempts=ATTEMPTS,
    assigned="ses",
    forced=True,
    possible_duplicate=True,
)


def full(kind):
    """Make an error of this class with something in every attribute."""
    if not issubclass(kind, errors.DeliveryError):
        problems = issubclass(kind, errors.ConfigError | errors.MessageError)
        made = kind(["one", "two"]) if problems else kind("closed")
        made.add_note("in the file of somebody")
        return made
    error = kind(
        "it failed", backend="ses", code="550", phase="dot", retry_after=2.5,
        refused=REFUSED, attempts=ATTEMPTS,
    )  # fmt: skip
    error.accepted = ("b@example.com",)
    error.message_id, error.mailbalance_id = "<m@example.com>", "5f0c"
    if isinstance(error, errors.UnknownOutcomeError):
        error.likely = "not_accepted"
    if isinstance(error, errors.UnavailableError):
        error.scope = "account"
    error.add_note("2 attempts")
    return error


KINDS = [*(getattr(errors, name) for name in errors.__all__), UnknownSendError]
KINDS = [kind for kind in KINDS if kind is not errors.DeliveryError]
ERRORS = [full(kind) for kind in KINDS]
VALUES = [*ERRORS, RECEIPT]


def facts(value):
    if isinstance(value, Receipt):
        return value, hash(value), type(value.refused)
    return type(value), str(value), value.args, vars(value)


def empty(error):
    return [name for name, fact in vars(error).items() if fact in ("", None, (), {})]


def echo(value):
    return value


def throw(error):
    raise error


def test_the_samples_leave_no_attribute_empty():
    assert not [found for error in ERRORS if (found := empty(error))]


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_they_come_whole_through_a_pickle(value, protocol):
    again = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - our own bytes

    assert facts(again) == facts(value)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_they_come_whole_through_a_copy(value, how):
    assert facts(how(value)) == facts(value)


@pytest.mark.parametrize("way", ["spawn", "fork", "forkserver"])
def test_they_come_whole_from_another_process(way):
    context = multiprocessing.get_context(way)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        returned = [pool.submit(echo, value) for value in VALUES]
        raised = [pool.submit(throw, error) for error in ERRORS]
        for value, future in zip(VALUES, returned, strict=True):
            assert facts(future.result(30)) == facts(value)
        for error, future in zip(ERRORS, raised, strict=True):
            assert facts(future.exception(30)) == facts(error)


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_they_come_whole_through_a_pool_and_a_pipe(way):
    with multiprocessing.get_context(way).Pool(1) as pool:
        returned = pool.map(echo, VALUES)
        with pytest.raises(errors.UnknownOutcomeError) as caught:
            pool.apply(throw, (full(errors.UnknownOutcomeError),))

    assert list(map(facts, returned)) == list(map(facts, VALUES))
    assert caught.value.mailbalance_id == "5f0c"
