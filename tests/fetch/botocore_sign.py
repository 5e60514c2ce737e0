"""Signs the requests on standard input with botocore; exit 77 where there is none."""
import datetime
import json
import sys

try:
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
except ImportError:
    sys.exit(77)


class Moment(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def utcnow(cls):
        return cls(2026, 11, 23, 1, 2, 3)

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 23, 1, 2, 3, tzinfo=tz)


# Versions differ in which of the two they ask.
botocore.auth.datetime = type("datetime", (), {"datetime": Moment, "timezone": datetime.timezone})
if hasattr(botocore.auth, "get_current_datetime"):
    botocore.auth.get_current_datetime = lambda **_: Moment(2026, 11, 23, 1, 2, 3)

signatures = []
for case in json.load(sys.stdin):
    keys = botocore.credentials.Credentials(case["id"], case["secret"], case["session"] or None)
    request = botocore.awsrequest.AWSRequest(
        method=case["method"], url=case["url"], data=case["body"].encode(), headers={"X-Amz-Meta-A": case["meta"]})
    request.context["payload_signing_enabled"] = True
    kind = botocore.auth.S3SigV4Auth if case["service"] == "s3" else botocore.auth.SigV4Auth
    kind(keys, case["service"], "eu-west-1").add_auth(request)
    signatures.append(request.headers["Authorization"].split("Signature=")[1])
json.dump(signatures, sys.stdout)
