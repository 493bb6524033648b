"""What keeps a bucket from being read or written; every message is one sentence or two, without a secret."""

from __future__ import annotations

from ...errors import ConsoleError


class BucketError(ConsoleError):
    """Whatever keeps a bucket from being used. `provider_code` is the provider's own word, empty where there is none."""

    status = 503
    provider_code = ""

    def __init__(self, message: str, provider_code: str = "") -> None:
        super().__init__(message)
        if provider_code:
            self.provider_code = provider_code


class BucketProblem(BucketError):
    """The storage's settings, or the provider's answer, make no sense; the message says which and why."""


class BucketBlocked(BucketProblem):
    """The network rules refuse the address that the storage names; the message says which setting allows it.

    `metadata`: the address is that of a cloud's metadata service, which no setting allows.
    """

    def __init__(self, message: str, *, metadata: bool = False) -> None:
        super().__init__(message)
        self.metadata = metadata


class BucketDenied(BucketError):
    """The provider refused. `statement` is what to add (a policy statement, a role, a permission), empty where none
    would help (wrong or missing credentials); `operation` is the method of Bucket that was refused."""

    def __init__(self, message: str, operation: str, provider_code: str, statement: str = "") -> None:
        super().__init__(message, provider_code)
        self.operation = operation
        self.statement = statement


class BucketUnreachable(BucketError):
    """No answer: name, network, TLS or time."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BucketMissing(BucketError):
    """There is no bucket of this name where the storage points."""


class ObjectMissing(BucketError):
    """There is no object of this key."""


class ObjectTooLarge(BucketError):
    """The object is larger than the caller takes."""


class Unsupported(BucketError):
    """The provider, or this version, knows no such thing."""

    status = 501
