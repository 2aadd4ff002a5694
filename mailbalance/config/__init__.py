"""Environment variables and DSNs to settings.

What lives here: reading, checking and merging what the user wrote, all problems found at
once, secrets never shown. What must not: making a backend, or reading anything but the
mapping it is given.
"""

from mailbalance.config.backend import BackendSettings, variable
from mailbalance.config.dsn import parse_dsn
from mailbalance.config.settings import BUILT_IN, Settings, read_backend, read_settings
from mailbalance.config.templates import read_templates
from mailbalance.config.weights import Weight, parse_split, parse_weights

__all__ = [
    "BUILT_IN",
    "BackendSettings",
    "Settings",
    "Weight",
    "parse_dsn",
    "parse_split",
    "parse_weights",
    "read_backend",
    "read_settings",
    "read_templates",
    "variable",
]
