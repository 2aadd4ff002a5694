"""All fuzz targets, by name.

What lives here: which modules hold them. What must not: a target.
"""

import importlib

from tests.fuzz.target import Target

#: A module for each family.
FAMILIES = (
    "smtp",
    "submission",
    "headers",
    "mail",
    "configuration",
    "providers",
    "http",
    "sandbox_smtp",
    "sandbox_http",
)


def all_targets() -> dict[str, Target]:
    """Give every target by its name, in the order of the families."""
    modules = [importlib.import_module(f"tests.fuzz.{name}") for name in FAMILIES]
    return {each.name: each for module in modules for each in module.TARGETS}
