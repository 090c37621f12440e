"""Options of commands of the form NAME=NUMBER."""

from argparse import ArgumentTypeError


def named_number(text: str) -> tuple[str, float]:
    """The name and the number, a whole one as an int. Raises ArgumentTypeError."""
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is not of the form NAME=NUMBER.") from error
    return name, int(number) if number.is_integer() else number
