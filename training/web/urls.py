"""Pages."""

from django.urls import path

from training.web import compare, deleting, doubts, ensemble, run_files, run_list, runs

app_name = "training"
urlpatterns = [
    path("runs/", run_list.page, name="runs"),
    path("runs/new/", runs.new, name="run_new"),
    path("runs/compare/", compare.page, name="compare"),
    path("runs/ensemble/", ensemble.page, name="ensemble"),
    path("runs/<int:pk>/", runs.page, name="run"),
    path("runs/<int:pk>/live.json", runs.live, name="run_live"),
    path("runs/<int:pk>/log/", runs.log, name="run_log"),
    path("runs/<int:pk>/stop/", runs.stop, name="run_stop"),
    path("runs/<int:pk>/resume/", runs.resume, name="run_resume"),
    path("runs/<int:pk>/files/<str:name>", run_files.send, name="run_file"),
    path("runs/<int:pk>/delete/", deleting.page, name="run_delete"),
    path("runs/<int:pk>/predict/", runs.predict, name="run_predict"),
    path("runs/<int:pk>/mistakes/", runs.mistakes, name="run_mistakes"),
    path("runs/<int:pk>/doubts/", doubts.page, name="run_doubts"),
    path("runs/<int:pk>/doubts/open/", doubts.open_round, name="relabel_open"),
    path("relabel-rounds/", doubts.rounds, name="relabel_rounds"),
    path("relabel-rounds/<int:pk>/", doubts.round_page, name="relabel_round"),
]
