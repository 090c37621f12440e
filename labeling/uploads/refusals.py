"""Why a file from a browser is not taken, or not given up."""

from labeling.refusals import Refusal


class NotThere(Refusal):
    """There is no such upload, or it is somebody else's."""


class TooLong(Refusal):
    """The file, or what was sent of it, is longer than allowed."""


class OverQuota(Refusal):
    """One person may not have so much lying about."""


class Clash(Refusal):
    """Something else has this name in these files."""


class WrongOffset(Refusal):
    """What was sent does not begin where the file ends."""


class AlreadySource(Refusal):
    """The files have become a source; nothing is added to or taken from them any more."""


class Unfinished(Refusal):
    """Not all files have come yet."""


class Mangled(Refusal):
    """What came is not what was sent: its checksum is another. Nothing of it was kept."""
