"""Pages of labeling: the annotators' room and the managers' room."""

from labeling.web import gold_urls, manage_urls, people_urls, vote_urls

app_name = "labeling"
urlpatterns = [
    *vote_urls.urlpatterns,
    *people_urls.urlpatterns,
    *gold_urls.urlpatterns,
    *manage_urls.urlpatterns,
]
