"""How many cases each row of the security checklist is tried with.

Run: ``python -m tests.security.figures``.
"""

import json

from tests.security import test_addresses as addresses
from tests.security import test_file_names as names
from tests.security import test_header_injection as headers
from tests.security import test_local_sandbox as sandbox
from tests.security import test_log_content as logs
from tests.security import test_secrets as secrets
from tests.security import test_smtp_commands as commands
from tests.security import test_smuggling as smuggling
from tests.security import test_sources as sources
from tests.security import test_surroundings as surroundings
from tests.security import test_tls as tls
from tests.security.regexes import evil, expressions

#: Sync and async.
HOWS = 2


def figures() -> dict[str, int]:
    """Give the number of cases by row."""
    extensions = replies = 2
    found = expressions()
    return {
        "S1": len(headers.PAYLOADS) * len(headers.PLACES) * len(headers.WAYS),
        "S2": len(headers.NAMES),
        "S3": len(names.WRONG) + len(names.FINE),
        "S4": len(set(addresses.GOOD + addresses.BAD))
        + len(addresses.TEMPLATES) * len(addresses.CHARACTERS),
        "S5": len(commands.PAYLOADS) * 2 * (HOWS + 1),
        "S6": len(smuggling.ENDS) * len(smuggling.PLACES) * len(smuggling.KINDS) * HOWS,
        "S7": len(tls.BAD) * 3 * HOWS,
        "S9": len(secrets.BROKEN) * 4
        + len(secrets.CONSTRUCTORS)
        + len(secrets.HTTP) * replies * HOWS
        + len(secrets.SMTP_REPLIES) * extensions * HOWS
        + len(secrets.PROXIES) * HOWS
        + len(secrets.STRANGE) * 2 * HOWS,
        "S10": len(logs.WORDS) * 4 * 5 * HOWS,
        "S13": len(names.PATHS),
        "S15": len(sources.PAYLOADS) * len(sources.TEMPLATES),
        "S21": len(sandbox.HOSTS) * 4 + len(sandbox.ORIGINS) * len(sandbox.CHANGES),
        "S24": sum(1 for each in found for _ in evil(each.pattern, 8)),
        "S24 expressions": len(found),
        "S25 modules": len(sources.SOURCES),
        "S30": len(surroundings.FLAGS) + len(surroundings.ENVIRONS),
    }


if __name__ == "__main__":
    print(json.dumps(figures()))  # noqa: T201
