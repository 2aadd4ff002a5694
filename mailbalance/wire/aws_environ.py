"""A botocore session that reads a given mapping instead of the process's environment.

What lives here: exchanging the environment in each of botocore's parts that look at it.
Some of these parts are botocore's own affair; ``tests/wire/test_aws.py`` fails when a new
botocore looks somewhere else. What must not: anything but that. Importing this module
imports botocore, so only ``aws.py`` does, when it must.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.configprovider import ConfigChainFactory, ConfiguredEndpointProvider
from botocore.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where botocore keeps its files in a home directory, by its names for the settings.
_FILES = {
    "config_file": ("AWS_CONFIG_FILE", ".aws/config"),
    "credentials_file": ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
}


def session_for(profile: str | None, environ: Mapping[str, str]) -> Session:
    """Make a session to which ``environ`` is the whole environment."""
    return _MappingSession(profile, environ)


class _MappingSession(Session):
    """Sees one mapping, and nothing of ``os.environ``."""

    def __init__(self, profile: str | None, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        super().__init__(profile=profile)
        store = self.get_component("config_store")
        factory = ConfigChainFactory(session=self, environ=self._environ)
        for name, (option, variable, default, convert) in _variables(self).items():
            store.set_config_provider(
                name,
                factory.create_config_chain(
                    instance_name=name,
                    env_var_names=variable,
                    config_property_names=option,
                    default=default,
                    conversion_func=convert,
                ),
            )
        for name, (variable, place) in _FILES.items():
            self.set_config_variable(name, self._file(variable, place))
        resolver = self.get_component("credential_provider")
        for provider in resolver.providers:
            _give(provider, self._environ, keep_out=profile is not None)

    def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
        """Make a client whose endpoint and proxies come from the mapping too."""
        ignored = self.get_config_variable("ignore_configured_endpoint_urls")
        if options.get("endpoint_url") is None and not ignored:
            options["endpoint_url"] = ConfiguredEndpointProvider(
                full_config=self.full_config,
                scoped_config=self.get_scoped_config(),
                client_name=service_name,
                environ=self._environ,
            ).provide()
        settings: dict[str, Any] = {
            "ignore_configured_endpoint_urls": True,
            "proxies": self._proxies(),
        }
        quiet = Config(**settings)
        given = options.get("config")
        options["config"] = quiet if given is None else quiet.merge(given)
        return super().create_client(service_name, *args, **options)

    def _file(self, variable: str, place: str) -> str:
        home = self._environ.get("HOME")
        nowhere = os.devnull if home is None else os.path.join(home, place)
        return self._environ.get(variable) or nowhere

    def _proxies(self) -> dict[str, str]:
        found = {
            scheme: self._environ.get(f"{scheme}_proxy")
            or self._environ.get(f"{scheme.upper()}_PROXY")
            for scheme in ("http", "https")
        }
        return {scheme: proxy for scheme, proxy in found.items() if proxy}


def _variables(session: Session) -> dict[str, Any]:
    return dict(session.SESSION_VARIABLES)


def _give(provider: Any, environ: dict[str, str], *, keep_out: bool) -> None:
    """Let one credential provider look at ``environ``, in the way it keeps it.

    With a profile given, botocore itself keeps the environment out of some of them.
    """
    if hasattr(provider, "environ"):
        provider.environ = environ
    if hasattr(provider, "_environ"):
        provider._environ = environ
    variables = getattr(provider, "_CONFIG_TO_ENV_VAR", None)
    if variables is not None and not keep_out:
        provider._get_env_config = lambda key: environ.get(variables.get(key, ""))
    fetcher = getattr(provider, "_role_fetcher", None)
    if fetcher is not None:
        off = environ.get("AWS_EC2_METADATA_DISABLED", "false").lower() == "true"
        fetcher._disabled = off
    sourcer = getattr(provider, "_credential_sourcer", None)
    for source in getattr(sourcer, "_providers", ()):
        _give(source, environ, keep_out=keep_out)
