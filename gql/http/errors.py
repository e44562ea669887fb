"""What clients are told of errors: everything about their input, nothing about our insides.

Every error carries `extensions.code`:

- `GRAPHQL_PARSE_FAILED`: the document is not GraphQL;
- `BAD_USER_INPUT`: it does not fit the schema, or an argument is not allowed; the message names
  the argument, what is allowed and what arrived;
- `UNAVAILABLE`: a part that is needed is away;
- `INTERNAL`: our mistake. The message says nothing, `extensions.id` finds it in the log.
"""

import logging
import secrets
from typing import Final

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError

from cache import StoreUnavailable
from models.database import is_unavailable
from resolvers.errors import InvalidArgument, Refused

PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
BAD_USER_INPUT: Final = "BAD_USER_INPUT"
UNAVAILABLE: Final = "UNAVAILABLE"
INTERNAL: Final = "INTERNAL"

_log = logging.getLogger(__name__)


def present(error: GraphQLError) -> None:
    """Make `error` fit for clients, in place: its message and its `extensions`.

    In place, because every transport formats the errors of a result itself. A second call changes
    nothing, so errors of cached validations can be shown again.
    """
    if error.extensions and "code" in error.extensions:
        return
    cause = _cause(error)
    if isinstance(cause, InvalidArgument):
        error.extensions = {"code": BAD_USER_INPUT, "argument": cause.argument}
    elif isinstance(cause, Refused):
        error.extensions = {"code": str(cause.errors[0].code)}
    elif isinstance(cause, CannotGetOperationTypeError):
        _replace(error, cause.as_http_error_reason(), BAD_USER_INPUT)
    elif isinstance(cause, MissingQueryError):
        _replace(error, "The request has no query", PARSE_FAILED)
    elif cause is None:
        syntax = isinstance(error, GraphQLSyntaxError)
        error.extensions = {"code": PARSE_FAILED if syntax else BAD_USER_INPUT}
    elif isinstance(cause, StoreUnavailable) or is_unavailable(cause):
        _log.warning("A part that a request needs is away: %s", cause)
        _replace(error, "A database that this needs is away or too busy. Try again.", UNAVAILABLE)
    else:
        _mask(error, cause)


def _cause(error: GraphQLError) -> BaseException | None:
    """Return the exception that a resolver raised; None where graphql-core itself complains."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _mask(error: GraphQLError, cause: BaseException) -> None:
    identifier = secrets.token_hex(8)
    where = ".".join(map(str, error.path or ()))
    _log.error("Internal error %s at %s", identifier, where or "the operation", exc_info=cause)
    _replace(error, "Internal error", INTERNAL)
    error.extensions = {"code": INTERNAL, "id": identifier}


def _replace(error: GraphQLError, message: str, code: str) -> None:
    error.message = message
    error.extensions = {"code": code}
    # Other tools format an error's cause too: it must not leave this process.
    error.original_error = None
