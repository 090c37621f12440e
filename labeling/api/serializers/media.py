"""Media and their faces as JSON."""

from rest_framework import serializers

from labeling.models import Face, Media, Scan


class ScanSerializer(serializers.ModelSerializer[Scan]):
    class Meta:
        model = Scan
        fields = ("detector", "frames", "faces", "milliseconds", "problem")


class MediaSerializer(serializers.ModelSerializer[Media]):
    scans = ScanSerializer(many=True, read_only=True)

    class Meta:
        model = Media
        fields = (
            "id", "sha256", "kind", "mime", "bytes", "width", "height", "duration_ms", "fps", "original_name",
            "licence", "licence_code", "licence_now", "licence_checked_at", "author", "page_url", "fetched_at",
            "scans",
        )  # fmt: skip


class FaceSerializer(serializers.ModelSerializer[Face]):
    class Meta:
        model = Face
        fields = (
            "id", "media", "detector", "score", "frame", "time_ms", "x", "y", "width", "height", "row",
            "crop_sha256", "crop_width", "crop_height", "given", "left_out", "replaced_by",
        )  # fmt: skip
