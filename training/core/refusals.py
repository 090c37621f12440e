"""What the core raises when it will not, or cannot, do what was asked."""


class Refusal(Exception):
    """The text says what happened and what to do. Nothing was changed; the command exits with 2."""


class BadConfig(Refusal):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""


class BadSnapshot(Refusal):
    """A snapshot folder cannot be read, or cannot be learnt from."""


class BadRunFolder(Refusal):
    """A run folder is in use, was made otherwise, or lacks what is asked of it."""


class BadImages(Refusal):
    """A file of images to predict cannot be read."""


class TrainingFailed(Exception):
    """Training began and broke. The command exits with 1; `facts` go into the run's error event."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class Stopped(Exception):
    """Somebody asked the training to stop; it can go on later. The command exits with 75."""
