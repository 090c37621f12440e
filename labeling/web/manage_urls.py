"""The managers' room: sources, media, faces, snapshots."""

from django.urls import path

from labeling.web import faces, gallery, licences, media, snapshots, sources

urlpatterns = [
    path("sources/", sources.sources, name="sources"),
    path("sources/new/", sources.source_new, name="source_new"),
    path("sources/<int:pk>/", sources.source, name="source"),
    path("sources/<int:pk>/live.json", sources.source_live, name="source_live"),
    path("sources/<int:pk>/stop/", sources.source_stop, name="source_stop"),
    path("sources/<int:pk>/restart/", sources.source_restart, name="source_restart"),
    path("sources/<int:pk>/retry/", sources.source_retry, name="source_retry"),
    path("sources/<int:pk>/watch/", sources.source_watch, name="source_watch"),
    path("sources/<int:pk>/detect/", sources.source_detect, name="source_detect"),
    path("detections/<int:pk>/stop/", sources.detection_stop, name="detection_stop"),
    path("detections/<int:pk>/restart/", sources.detection_restart, name="detection_restart"),
    path("media/licences/", licences.licences_changed, name="licences_changed"),
    path("media/<int:pk>/", media.media, name="media"),
    path("media/<int:pk>/picture.jpg", media.thumbnail, name="thumbnail"),
    path("media/<int:pk>/draw/", media.draw, name="media_draw"),
    path("faces/", faces.faces, name="faces"),
    path("faces/act/", gallery.act, name="faces_act"),
    path("faces/undo/", gallery.undo, name="faces_undo"),
    path("faces/alike/", gallery.alike, name="faces_alike"),
    path("faces/alike/merge/", gallery.alike_merge, name="alike_merge"),
    path("faces/alike/part/", gallery.alike_part, name="alike_part"),
    path("faces/<int:pk>/remove/", media.remove, name="face_remove"),
    path("faces/<int:pk>/correct/", media.correct, name="face_correct"),
    path("faces/<int:pk>/uncorrect/", media.uncorrect, name="face_uncorrect"),
    path("faces/<int:pk>/", faces.face, name="face"),
    path("crops/<int:face_pk>.png", faces.crop, name="crop"),
    path("snapshots/", snapshots.snapshots, name="snapshots"),
    path("snapshots/new/", snapshots.snapshot_new, name="snapshot_new"),
    path("snapshots/<int:pk>/", snapshots.snapshot, name="snapshot"),
    path("snapshots/<int:pk>/live.json", snapshots.snapshot_live, name="snapshot_live"),
    path("snapshots/<int:pk>/stop/", snapshots.snapshot_stop, name="snapshot_stop"),
    path("snapshots/<int:pk>/restart/", snapshots.snapshot_restart, name="snapshot_restart"),
    path("snapshots/<int:pk>/verify/", snapshots.snapshot_verify, name="snapshot_verify"),
    path("snapshots/<int:pk>/export/", snapshots.snapshot_export, name="snapshot_export"),
    path("exports/<int:pk>/stop/", snapshots.export_stop, name="export_stop"),
    path("exports/<int:pk>/download/", snapshots.export_download, name="export_download"),
]
