"""Shots and tracks of real videos, where they are at hand."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from labeling.vision import detectors, shots, tracking, video
from labeling.vision.images import Pixels

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
VIDEOS = DATA / "videos"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"{VIDEOS} is not there; it holds real videos."),
]
SIGNERS = sorted(VIDEOS.glob("asl_*.mkv"))
SOMEBODY_SPEAKS = range(14, 36)
CLIP = VIDEOS / "short_hamilton_clip.mp4"


def linked(path: Path) -> tuple[list[int], list[list[int | None]]]:
    model = str(DATA / "detectors" / "face_detection_yunet_2023mar.onnx")
    detector = detectors.make("yunet", model=model)
    frames = list(video.frames(path))
    cuts = shots.cuts([shots.signature(one.image) for one in frames], [one.time_ms for one in frames])
    return cuts, tracking.link(
        [tracking.Seen(one.time_ms, detector.find(one.image, unsure=True)) for one in frames], cuts
    )


@pytest.mark.parametrize("path", SIGNERS, ids=[path.stem for path in SIGNERS])
def test_one_signer_is_one_track_whatever_the_hands_do(path: Path) -> None:
    cuts, tracks = linked(path)
    assert cuts == []
    assert [Counter(frame)[0] for frame in tracks] == [1] * len(tracks)
    assert {track for frame in tracks for track in frame} <= {0, None}


def test_a_clip_of_four_shots_is_cut_where_they_end_and_its_speaker_is_one_track() -> None:
    cuts, tracks = linked(CLIP)
    assert cuts == [4, 14, 36]
    speaker = {track for at in SOMEBODY_SPEAKS for track in tracks[at] if track is not None}
    assert len(speaker) == 1
    assert all(len(speaker & set(tracks[at])) == 1 for at in SOMEBODY_SPEAKS)
    assert not any(speaker & set(frame) for at, frame in enumerate(tracks) if at not in SOMEBODY_SPEAKS)


def cuts_of(images: list[Pixels]) -> list[int]:
    return shots.cuts([shots.signature(image) for image in images], [200 * at for at in range(len(images))])


def test_what_is_made_of_two_real_shots_is_cut_once_and_flashes_are_no_cuts() -> None:
    images = [frame.image for frame in video.frames(CLIP)]
    speaker, audience = images[14:36], images[36:]
    dissolve = [
        cv2.addWeighted(speaker[-2 + at], 2 / 3 - at / 3, audience[at], 1 / 3 + at / 3, 0) for at in (0, 1)
    ]
    assert cuts_of(speaker[:-2] + dissolve + audience[2:]) == [21]
    fade = [cv2.convertScaleAbs(speaker[-1], alpha=share) for share in (0.75, 0.5, 0.25, 0)]
    found = cuts_of(speaker + fade + [cv2.convertScaleAbs(audience[0], alpha=0.5)] + audience)
    assert found
    assert all(22 <= cut <= 27 for cut in found)
    for flash in (cv2.convertScaleAbs(speaker[10], alpha=2.5, beta=40), np.full_like(speaker[10], 255)):
        assert cuts_of([*speaker[:10], flash, *speaker[11:]]) == []
