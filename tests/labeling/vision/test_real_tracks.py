"""Shots and tracks of real videos, where they are at hand."""

from collections import Counter
from pathlib import Path

import pytest

from labeling.vision import detectors, shots, tracking, video

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
VIDEOS = DATA / "videos"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"{VIDEOS} is not there; it holds real videos."),
]
SIGNERS = sorted(VIDEOS.glob("asl_*.mkv"))
SOMEBODY_SPEAKS = range(14, 36)


def linked(path: Path) -> tuple[list[int], list[list[int | None]]]:
    model = str(DATA / "detectors" / "face_detection_yunet_2023mar.onnx")
    detector = detectors.make("yunet", {"score_threshold": 0.4}, model=model)
    frames = list(video.frames(path))
    cuts = shots.cuts([shots.signature(one.image) for one in frames], [one.time_ms for one in frames])
    return cuts, tracking.link([tracking.Seen(one.time_ms, detector.find(one.image)) for one in frames], cuts)


@pytest.mark.parametrize("path", SIGNERS, ids=[path.stem for path in SIGNERS])
def test_one_signer_is_one_track_whatever_the_hands_do(path: Path) -> None:
    cuts, tracks = linked(path)
    assert cuts == []
    assert [Counter(frame)[0] for frame in tracks] == [1] * len(tracks)
    assert {track for frame in tracks for track in frame} <= {0, None}


def test_a_clip_of_four_shots_is_cut_where_they_end_and_its_speaker_is_one_track() -> None:
    cuts, tracks = linked(VIDEOS / "short_hamilton_clip.mp4")
    assert cuts == [4, 14, 36]
    speaker = {track for at in SOMEBODY_SPEAKS for track in tracks[at] if track is not None}
    assert len(speaker) == 1
    assert all(len(speaker & set(tracks[at])) == 1 for at in SOMEBODY_SPEAKS)
    assert not any(speaker & set(frame) for at, frame in enumerate(tracks) if at not in SOMEBODY_SPEAKS)
