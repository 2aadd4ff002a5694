"""Calls to start from."""

from mailbalance.dropin.calls import read_call

TO = {"ToAddresses": ["Bo <bo@example.com>"]}
TEXT = {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}
RAW = (
    b"From: Ana <ana@example.com>\r\nTo: bo@example.com\r\nBcc: hidden@example.com\r\n"
    b"Subject: Hello\r\n\r\nHi\r\n"
)
UUID = "0f0e0d0c-0000-4000-8000-000000000000"


def v1(**more):
    return {"Source": "ana@example.com", "Destination": TO, "Message": TEXT} | more


def v2(content=None, **more):
    known = {"FromEmailAddress": "Ana <ana@example.com>", "Destination": TO}
    return known | {"Content": content or {"Simple": TEXT}} | more


def simple(**more):
    return v2({"Simple": TEXT | more})


def stored(**more):
    return v2({"Template": {"TemplateName": "welcome"} | more})


def raw_v1(data=RAW, **more):
    return {"RawMessage": {"Data": data}} | more


def raw_v2(data=RAW, **more):
    return {"Content": {"Raw": {"Data": data}}} | more


def bulk_v1(*entries, **more):
    known = {
        "Source": "ana@example.com",
        "Template": "welcome",
        "DefaultTemplateData": "{}",
    }
    return known | {"Destinations": [{"Destination": TO} | e for e in entries]} | more


def bulk_v2(*entries, template=None, **more):
    known = {"FromEmailAddress": "ana@example.com"}
    content = {"Template": {"TemplateName": "welcome"} | (template or {})}
    listed = [{"Destination": TO} | entry for entry in entries]
    return known | {"DefaultContent": content, "BulkEmailEntries": listed} | more


def operation_of(params):
    if "Content" in params:
        return "sesv2", "SendEmail"
    if "BulkEmailEntries" in params:
        return "sesv2", "SendBulkEmail"
    if "RawMessage" in params:
        return "ses", "SendRawEmail"
    if "Message" in params:
        return "ses", "SendEmail"
    bulk = "DefaultTemplateData" in params
    return "ses", "SendBulkTemplatedEmail" if bulk else "SendTemplatedEmail"


def parts(params, **templates):
    return read_call(*operation_of(params), params, templates=templates).parts


def part(params, **templates):
    (only,) = parts(params, **templates)
    return only
