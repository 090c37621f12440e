"""What every verb raises when it will not do what was asked."""


class Refusal(Exception):
    """The text says what happened and what to do, for people; pages show it, the API answers 409 with it."""
