"""Parameters beside content and recipients: what they ask of SES.

What lives here: the options that both APIs know by different names, and which of them keep
a message on SES. What must not: why the others do not; the table in ``parameters`` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mailbalance.dropin.calls import addresses
from mailbalance.dropin.calls.draft import Draft

#: Parameter to option of ``SesOptions``.
_OPTIONS = {
    "ConfigurationSetName": "configuration_set",
    "SourceArn": "source_arn",
    "FromArn": "from_arn",
    "ReturnPathArn": "return_path_arn",
    "FromEmailAddressIdentityArn": "from_arn",
    "FeedbackForwardingEmailAddressIdentityArn": "feedback_arn",
    "TenantName": "tenant",
}
_FEEDBACK = ("ReturnPath", "FeedbackForwardingEmailAddress")
_LIST = {"ContactListName": "contact_list", "TopicName": "topic"}
_TRACKING = {
    "OpenTrackingEnabled": "open_tracking",
    "ClickTrackingEnabled": "click_tracking",
}
_ANY = frozenset(
    {*_OPTIONS, *_FEEDBACK, "ListManagementOptions", "ConfigurationOverrides"}
)

#: Options that no other provider can honour, and that change who gets what.
ONLY_SES = {
    "tenant": "a tenant has its own reputation and suppressions, which others lack",
    "contact_list": "SES keeps the list, leaves out who unsubscribed, writes the link",
    "topic": "SES keeps the list, leaves out who unsubscribed, writes the link",
    "open_tracking": "Mailtrap switches tracking for a domain, not for a message",
    "click_tracking": "Mailtrap switches tracking for a domain, not for a message",
}


def read_settings(draft: Draft, params: Mapping[str, Any]) -> None:
    """Read every option a call may have; most have none."""
    if _ANY.isdisjoint(params):
        return
    for name, option in _OPTIONS.items():
        if name in params:
            draft.option(option, params[name], name)
    for name in _FEEDBACK:
        if params.get(name):
            _feedback(draft, params[name], name)
    _read_groups(draft, params)


def _read_groups(draft: Draft, params: Mapping[str, Any]) -> None:
    management = params.get("ListManagementOptions") or {}
    for name, option in _LIST.items():
        draft.option(option, management.get(name), f"ListManagementOptions.{name}")
    tracking = (params.get("ConfigurationOverrides") or {}).get("Tracking") or {}
    for name, option in _TRACKING.items():
        if name in tracking:
            place = f"ConfigurationOverrides.Tracking.{name}"
            draft.option(option, tracking[name] == "ENABLED", place)


def keep_what_only_ses_can(draft: Draft) -> None:
    """Keep a message on SES whose options no other provider can honour."""
    options = draft.fields["ses"]
    for name in ONLY_SES.keys() & options.keys():
        draft.keep(draft.places.get(f"ses.{name}", f"ses.{name}"), ONLY_SES[name])


def _feedback(draft: Draft, text: str, place: str) -> None:
    address = addresses.read(text)
    if address is None:
        draft.keep(place, addresses.UNREADABLE)
    else:
        draft.option("feedback_address", address.email, place)
