"""The admin's view of labeling: to look things up, and to mend a name or a licence; never to move a state."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from labeling import whose
from labeling.models import (
    Campaign,
    CampaignFace,
    Detection,
    Erasure,
    Export,
    Face,
    Item,
    Media,
    Snapshot,
    Source,
    Vote,
)
from labeling.rules import may_manage, may_see_labels


class LookUp(admin.ModelAdmin):  # type: ignore[type-arg]
    """Managers and ML staff look; managers change what `editable` names. Nothing is added or deleted here:
    states move through their verbs, and what people voted on stays."""

    editable: tuple[str, ...] = ()
    show_full_result_count = False
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_see_labels(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_see_labels(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(self.editable) and may_manage(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [field.name for field in self.opts.fields if field.name not in self.editable]


@admin.register(Source)
class SourceAdmin(LookUp):
    editable = ("name", "licence", "author")
    list_display = ("name", "kind", "state", "done", "total", "licence", "created_by", "created_at")
    list_filter = ("state", "kind")
    list_select_related = ("created_by",)
    search_fields = ("name", "location")


@admin.register(Item)
class ItemAdmin(LookUp):
    list_display = ("locator", "source", "state", "reason")
    list_filter = ("state",)
    list_select_related = ("source",)
    search_fields = ("locator",)


@admin.register(Media)
class MediaAdmin(LookUp):
    editable = ("licence", "author", "page_url")
    list_display = ("original_name", "kind", "width", "height", "bytes", "licence", "licence_code", "author")
    list_filter = ("kind",)
    search_fields = ("original_name", "sha256")

    def save_model(self, request: HttpRequest, obj: Media, form: object, change: bool) -> None:
        whose.write_down(media=obj, rights=whose.of_media(obj), by=request.user)


@admin.register(Detection)
class DetectionAdmin(LookUp):
    list_display = ("source", "detector", "state", "done", "total", "started_at", "ended_at")
    list_filter = ("state", "detector")
    list_select_related = ("source",)


@admin.register(Face)
class FaceAdmin(LookUp):
    list_display = ("pk", "media", "detector", "score", "time_ms", "width", "height")
    list_filter = ("detector",)
    list_select_related = ("media",)
    search_fields = ("crop_sha256",)


@admin.register(Campaign)
class CampaignAdmin(LookUp):
    """To be changed on its own page, where the change goes on record."""

    list_display = ("name", "state", "votes_per_face", "rule", "created_by", "created_at")
    list_filter = ("state",)
    list_select_related = ("created_by",)
    search_fields = ("name",)


@admin.register(CampaignFace)
class CampaignFaceAdmin(LookUp):
    list_display = ("face", "campaign", "state", "round", "votes", "wanted", "outcome", "label", "agreement")
    list_filter = ("state", "outcome")
    list_select_related = ("campaign", "face")


@admin.register(Snapshot)
class SnapshotAdmin(LookUp):
    editable = ("name",)
    list_display = ("name", "campaign", "state", "digest", "bytes", "created_by", "created_at")
    list_filter = ("state",)
    list_select_related = ("campaign", "created_by")
    search_fields = ("name", "digest")


@admin.register(Export)
class ExportAdmin(LookUp):
    list_display = ("snapshot", "format", "state", "bytes", "sha256", "created_at")
    list_filter = ("state", "format")
    list_select_related = ("snapshot",)


@admin.register(Erasure)
class ErasureAdmin(LookUp):
    list_display = ("pk", "scope", "reason", "state", "by", "created_at", "ended_at")
    list_filter = ("state", "scope")
    list_select_related = ("by",)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return may_manage(request.user)


@admin.register(Vote)
class VoteAdmin(LookUp):
    """Who answered what: the integrity of the votes is an admin's business alone."""

    list_display = ("campaign_face", "annotator", "answer", "round", "took_ms", "cast_at")
    list_filter = ("answer",)
    list_select_related = ("campaign_face__face", "campaign_face__campaign", "annotator")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)
