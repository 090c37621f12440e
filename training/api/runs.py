"""Trainings, their opinions and the rounds these open."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.asking import asked
from labeling.api.going_on import ResumeMixin, StopMixin
from labeling.api.paging import NewestFirst
from labeling.api.permissions import those_who
from labeling.api.schema import RefusedSerializer
from labeling.api.serializers.common import MOST, WORK
from labeling.models import Campaign, Snapshot
from training import deleting, ensembles, predictions, queries, relabeling, runs
from training.core.ensembles import MOST_MEMBERS
from training.models import Evaluation, Prediction, RelabelRound, TrainingRun
from training.rules import may_train

Trainers = those_who(may_train)


class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    class Meta:
        model = Evaluation
        fields = ("split", "images", "accuracy", "macro_f1", "figures")


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    evaluations = EvaluationSerializer(many=True, read_only=True)

    class Meta:
        model = TrainingRun
        fields = (
            "id", "name", "snapshot", "network", "preset", "config", "fast", "epoch", "epochs",
            "validation_accuracy", "created_at", "evaluations", "taken_up", "weights_deleted_at", *WORK,
        )  # fmt: skip


class StartSerializer(serializers.Serializer[Any]):
    snapshot = serializers.PrimaryKeyRelatedField(queryset=Snapshot.objects.filter(state="done"))
    network = serializers.CharField(max_length=40)
    preset = serializers.CharField(max_length=40)
    settings = serializers.DictField(required=False, default=dict, help_text="What differs from the preset.")
    fast = serializers.BooleanField(
        required=False,
        default=False,
        help_text="bf16 and channels_last as the machine that trains is quickest with them.",
    )
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)


class AskPredictionSerializer(serializers.Serializer[Any]):
    campaign = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), required=False, default=None, allow_null=True
    )


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    class Meta:
        model = Prediction
        fields = ("id", "run", "campaign", "created_at", *WORK)


class AskEnsembleSerializer(serializers.Serializer[Any]):
    run = serializers.PrimaryKeyRelatedField(
        queryset=queries.runs_for_list(),
        many=True,
        help_text=f"Finished runs of one snapshot, two to {ensembles.MOST_RUNS}, named again for each.",
    )
    choose = serializers.ChoiceField(
        choices=["given", "validation"],
        default="given",
        help_text="given: all are members. validation: those are whose mean is best on the validation faces.",
    )
    most = serializers.IntegerField(
        min_value=1, max_value=ensembles.MOST_RUNS, default=MOST_MEMBERS, help_text="Members at most."
    )


class ChosenSerializer(serializers.Serializer[Any]):
    on = serializers.ChoiceField(choices=["validation"], allow_null=True)
    how = serializers.ChoiceField(choices=["given", "every subset", "greedy"])
    most = serializers.IntegerField(allow_null=True)


class CandidateSerializer(serializers.Serializer[Any]):
    run = serializers.IntegerField()
    member = serializers.BooleanField()
    validation_accuracy = serializers.FloatField()
    validation_nll = serializers.FloatField()
    alone = serializers.DictField(
        help_text="Split → figures of the run by itself; empty for one that is neither a member nor the best."
    )


class EnsembleSerializer(serializers.Serializer[Any]):
    members = serializers.ListField(child=serializers.IntegerField())
    chosen = ChosenSerializer()
    candidates = CandidateSerializer(many=True)
    snapshot = serializers.IntegerField()
    snapshot_digest = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())
    splits = serializers.DictField(help_text="Split → figures, as in a run folder's result.json.")
    groups = serializers.DictField(help_text="Split → trait → figures of each of its values.")
    best = serializers.IntegerField(help_text="The run that is best on validation.")
    against_best = serializers.DictField(
        allow_null=True,
        help_text="The ensemble, as second, against the best on the test faces; null where that is the only member.",
    )
    erased = serializers.IntegerField(help_text="Test faces that were erased since the runs were judged.")
    command = serializers.CharField(
        help_text="What writes the file that judges new faces, in a shell; empty where a member's weights were deleted."
    )


class RoundSerializer(serializers.ModelSerializer[RelabelRound]):
    class Meta:
        model = RelabelRound
        fields = ("id", "run", "campaign", "votes_per_face", "opened_at")


class OpenRoundSerializer(serializers.Serializer[Any]):
    run = serializers.PrimaryKeyRelatedField(queryset=TrainingRun.objects.all())
    campaign_faces = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=MOST),
        allow_empty=False,
        min_length=1,
        max_length=10_000,
    )
    votes_per_face = serializers.IntegerField(min_value=1, max_value=1000, default=5)


@extend_schema_view(
    stop=extend_schema(description="Checkpoint and stop."),
    resume=extend_schema(description="Go on from the last checkpoint."),
)
class RunViewSet(
    StopMixin[TrainingRun],
    ResumeMixin[TrainingRun],
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    viewsets.GenericViewSet[TrainingRun],
):
    queryset = TrainingRun.objects.prefetch_related("evaluations")
    serializer_class = RunSerializer
    permission_classes = [Trainers]
    pagination_class = NewestFirst

    @extend_schema(request=StartSerializer, responses={201: RunSerializer})
    def create(self, request: Request) -> Response:
        """Start a training; a worker on the gpu queue takes it up."""
        run = runs.start(**asked(StartSerializer, request), created_by=request.user)
        return Response(RunSerializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: {"type": "array", "items": {"type": "object"}}})
    @action(detail=True, pagination_class=None)
    def curves(self, request: Request, pk: str) -> Response:
        """One object per finished epoch, as in the run folder's metrics.jsonl."""
        return Response(runs.curves(self.get_object()))

    @extend_schema(
        parameters=[AskEnsembleSerializer], responses={200: EnsembleSerializer, 409: RefusedSerializer}
    )
    @action(detail=False, pagination_class=None)
    def ensemble(self, request: Request) -> Response:
        """Hear several finished runs of one snapshot as one: the mean of their probabilities, judged on test."""
        wanted = asked(AskEnsembleSerializer, request)
        heard = ensembles.hear(
            members=wanted["run"], choose=wanted["choose"] == "validation", most=wanted["most"]
        )
        return Response(EnsembleSerializer(heard.to_json()).data)

    def go_on(self, row: TrainingRun) -> None:
        runs.resume(run=row)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a run that is over, with its folder and its opinions, unless relabel rounds came of it."""
        deleting.delete(run=self.get_object(), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="delete-weights")
    def delete_weights(self, request: Request, pk: str) -> Response:
        """Delete the weights of a run that is over; figures, curves and opinions stay."""
        run = self.get_object()
        deleting.delete_weights(run=run, by=request.user)
        return Response(RunSerializer(run).data)

    @extend_schema(request=AskPredictionSerializer, responses={201: PredictionSerializer})
    @action(detail=True, methods=["post"])
    def predict(self, request: Request, pk: str) -> Response:
        """Let the network look at every face of a campaign (its own, if none is named)."""
        prediction = predictions.predict(run=self.get_object(), **asked(AskPredictionSerializer, request))
        return Response(PredictionSerializer(prediction).data, status=status.HTTP_201_CREATED)


class RoundViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[RelabelRound]):
    queryset = RelabelRound.objects.all()
    serializer_class = RoundSerializer
    permission_classes = [Trainers]
    pagination_class = NewestFirst

    @extend_schema(request=OpenRoundSerializer, responses={201: RoundSerializer})
    def create(self, request: Request) -> Response:
        """Put faces back before annotators for fresh votes."""
        wanted = asked(OpenRoundSerializer, request)
        opened = relabeling.open_round(
            run=wanted["run"],
            campaign_face_ids=wanted["campaign_faces"],
            votes_per_face=wanted["votes_per_face"],
            opened_by=request.user,
        )
        return Response(RoundSerializer(opened).data, status=status.HTTP_201_CREATED)
