"""Every backend passes the contract, against the local sandbox."""

import pytest

from mailbalance import MemoryBackend, RejectedError, ThrottledError, TransientError
from mailbalance.assembly import make_entries
from mailbalance.backends.console import ConsoleBackend
from mailbalance.errors import UnknownOutcomeError
from mailbalance.sandbox import Sandbox
from mailbalance.testing import BackendContract

_FAULTS = {
    "refuses": "reject",
    "throttles": "throttle",
    "is gone": "refuse",
    "loses replies": "drop",
}


@pytest.fixture(scope="module")
def box():
    with Sandbox() as started:
        yield started


class Door(BackendContract):
    """A backend before its door in the local sandbox."""

    door = ""

    @pytest.fixture(autouse=True)
    def _use(self, box):
        self.box = box
        self.secret = box.credentials.token if "mailtrap" in self.door else "nothing"
        yield
        box.heal()

    def backend(self, scene):
        self.box.heal()
        if scene in _FAULTS:
            self.box.fault(self.door, _FAULTS[scene])
        self.before = self.box.counts()[self.door].accepted
        environ = self.box.environ(f"{self.door}=1")
        return make_entries({self.door: 1}, environ)[0].backend

    def received(self):
        return self.box.counts()[self.door].accepted - self.before


class TestSes(Door):
    door = "ses"


class TestSesSmtp(Door):
    door = "ses-smtp"


class TestMailtrap(Door):
    door = "mailtrap"


class TestMailtrapSmtp(Door):
    door = "mailtrap-smtp"


_ERRORS = {
    "refuses": RejectedError,
    "throttles": ThrottledError,
    "is gone": TransientError,
}


class TestMemory(BackendContract):
    def backend(self, scene):
        self.peer = MemoryBackend("memory")
        self.lost = 0
        if scene == "loses replies":
            self.lost = 1
            self.peer.answer(UnknownOutcomeError("the reply was lost"))
        elif scene in _ERRORS:
            self.peer.answer(_ERRORS[scene]("told to"))
        return self.peer

    def received(self):
        return len(self.peer.sent) + self.lost


class Paper:
    """A stream that counts what is printed on it."""

    def __init__(self):
        self.printed = 0

    def write(self, text):
        self.printed += text.count("Subject: Contract")

    def flush(self):
        pass


class TestConsole(BackendContract):
    """It has no peer that could refuse: those scenes do not exist for it."""

    def backend(self, scene):
        if scene != "accepts":
            pytest.skip("a console takes everything")
        self.paper = Paper()
        return ConsoleBackend(stream=self.paper)

    def received(self):
        return self.paper.printed
