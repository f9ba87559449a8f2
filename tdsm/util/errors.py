"""The one kind of error that a user can fix."""


class InputError(ValueError):
    """Invalid input from outside: a file, a field or an option.

    The message is one line that names the file (or option), the field in it, and the remedy. The command line prints only this line, without a
    traceback, and exits with code 2.

    Example:
        >>> raise InputError("clips.csv", "column file is missing", "add it")
        Traceback (most recent call last):
        ...
        tdsm.util.errors.InputError: clips.csv: column file is missing; add it
    """

    def __init__(self, where: object, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}; {remedy}".replace("\n", " "))
