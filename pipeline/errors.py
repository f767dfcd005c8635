"""Errors a person can cause and mend."""


class NamebrushError(ValueError):
    """Something a person can put right: a bad photo, an empty list of names, weights that are not here.

    The message is one clear line that says what is wrong and what to do. The page shows it, the command line prints it
    on standard error and exits with status 2, Python raises it.
    """


class FetchError(NamebrushError):
    """Weights that are not on this machine could not be fetched; what is loaded stays loaded."""


class Cancelled(Exception):
    """The person stopped the work. What was on the screen before stays as it was."""
