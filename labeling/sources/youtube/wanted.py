"""What is wanted of YouTube, and how far it may go."""

from dataclasses import dataclass

DEFAULT_HEIGHT = 720
LEAST_HEIGHT, GREATEST_HEIGHT = 144, 4320
"""Pixels."""


@dataclass(frozen=True)
class Wanted:
    height: int = DEFAULT_HEIGHT
    """The tallest picture taken, in pixels."""
    most: int | None = None
    """So many videos of a list; None: all."""
    most_bytes: int = 4 * 1024**3
    most_s: float = 4 * 3600.0
    """The longest video taken, in seconds."""
    total_s: float = 3600.0
    """Seconds that one video may take to fetch."""
    bytes_per_s: int = 0
    """The fastest it is fetched; 0: as fast as it comes."""
    pause_s: float = 1.0
    """Seconds between two requests that are not the video itself."""
    proxy: str = ""
    js_runtime: str = ""
    """Path of deno, with which yt-dlp solves what YouTube's player asks; empty: no program is started."""
    stand_in: str = ""
    """Address of a server that stands in for YouTube in trials; empty: none."""
