"""What can go wrong, as one small tree of exceptions.

Every message is one line: what was wrong, the value seen, what to do. The command line prints it
as it is and exits with :attr:`DebiasError.exit_code`.
"""

from __future__ import annotations


class DebiasError(Exception):
    """Base of every error this library raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message in one line, whatever the names in it hold."""
        return super().__str__().replace("\n", r"\n").replace("\r", r"\r")


class DebiasWarning(UserWarning):
    """Something the user should know that does not stop the work."""


class UsageError(DebiasError, ValueError):
    """The request is wrong: a name, a path, a file or a combination of options."""

    exit_code = 2


class UnknownNameError(UsageError):
    """An unknown name; the message lists the known ones and the nearest."""


class BackboneError(UsageError):
    """A model that cannot be loaded, or whose text tower is not supported."""


class NoModelError(BackboneError):
    """Something that needs a model, asked of features that came without one."""


class DatasetError(UsageError):
    """A data set that is missing, incomplete or not what it claims to be."""


class FetchError(DatasetError):
    """A data set that could not be downloaded: the work failed, not the request."""

    exit_code = 1


class ImageError(DatasetError):
    """An image file that cannot be read; the message begins with its path."""


class FingerprintError(UsageError):
    """A cache, checkpoint or run that belongs to another model, data set or setting."""


class RunError(UsageError):
    """A run folder that is missing, unfinished, or in the way."""


class OutputError(UsageError):
    """A folder that cannot be written to: read-only, full, or not a folder."""


class WorkerError(DebiasError):
    """A process that reads images died."""


class NonFiniteError(DebiasError):
    """NaN or infinity in features, loss, weights or gradient."""
