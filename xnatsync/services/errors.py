"""The errors that services raise, under the names of the founding document.

They are the classes of `xnatsync.core.errors`: each has `code`, `exit_code`, and `remedy` (what to do about it).
"""

from __future__ import annotations

from xnatsync.core.errors import (
    AccessDenied,
    AccessError,
    AlreadyThere,
    ConfigError,
    CredentialsMissing,
    CredentialsRefused,
    DeliveryError,
    EffectMissing,
    NotEmpty,
    NotThere,
    OutcomeUnknown,
    RequestRefused,
    ServerError,
    ServerUnreachable,
    Stopped,
    Usage,
    XnatsyncError,
)

XNATError = XnatsyncError
AuthenticationError = AccessError
PermissionDeniedError = AccessDenied
ConfigurationError = ConfigError
InvalidInputError = Usage
ResourceNotFoundError = NotThere
ServerConnectionError = ServerUnreachable
OperationError = ServerError  # a job that failed, an effect whose outcome is unknown, a server that refused
OperationCancelled = Stopped

__all__ = [
    "AccessDenied",
    "AlreadyThere",
    "AuthenticationError",
    "ConfigurationError",
    "CredentialsMissing",
    "CredentialsRefused",
    "DeliveryError",
    "EffectMissing",
    "InvalidInputError",
    "NotEmpty",
    "OperationCancelled",
    "OperationError",
    "OutcomeUnknown",
    "PermissionDeniedError",
    "RequestRefused",
    "ResourceNotFoundError",
    "ServerConnectionError",
    "XNATError",
]
