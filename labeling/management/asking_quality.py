"""What commands ask of how well faces can be seen."""

from django.core.management.base import CommandParser

from labeling.management.named_numbers import named_number
from labeling.quality_rule import REASONS


def add_quality(parser: CommandParser) -> None:
    """--quality, whose value is a list of (name, number)."""
    parser.add_argument(
        "--quality",
        action="append",
        default=[],
        type=named_number,
        metavar="NAME=NUMBER",
        help="Only faces that reach this, such as min_side=48; several times. There are "
        + ", ".join(REASONS),
    )
