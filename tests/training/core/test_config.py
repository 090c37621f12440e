"""A config holds what somebody reads, and nothing that contradicts itself."""

import dataclasses
import json
from pathlib import Path

import pytest

from training.core.config import FIELDS, PRESETS, Config, read_config, resolve
from training.core.networks import NETWORKS
from training.core.refusals import BadConfig


def test_every_setting_is_explained_in_a_sentence() -> None:
    assert all(setting.about.endswith(".") and len(setting.about.split()) > 3 for setting in FIELDS.values())


def test_every_preset_fits_every_network() -> None:
    resolved = [resolve(preset, name) for preset in PRESETS for name in NETWORKS]
    assert [config.network for config in resolved] == list(NETWORKS) * len(PRESETS)


def test_paper_code_is_the_authors_recipe() -> None:
    config = resolve("paper-code", "resmasking")
    assert (config.optimizer, config.learning_rate, config.weight_decay) == ("radam", 1e-4, 1e-3)
    assert (config.batch_size, config.epochs, config.image_size, config.dropout) == (48, 50, 224, 0.4)
    assert (config.schedule, config.plateau_patience, config.plateau_factor) == ("plateau", 2, 0.1)
    assert (config.early_stopping, config.flip, config.rotation) == (8, 0.5, 30.0)
    assert (config.normalisation, config.augment_order) == ("none", "resize-then-rotate")
    assert not config.bf16


def test_paper_text_is_the_papers_recipe() -> None:
    config = resolve("paper-text", "resmasking")
    assert (config.optimizer, config.momentum, config.learning_rate) == ("sgd", 0.9, 1e-4)


def test_the_network_brings_its_dropout_unless_one_is_given() -> None:
    assert resolve("quick", "resnet18").dropout == 0.0
    assert resolve("quick", "resmasking").dropout == 0.4
    assert resolve("quick", "resnet18", {"dropout": 0.2}).dropout == 0.2


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(BadConfig) as refused:
        resolve("quick", "resnet18", {"epoch": 3})
    assert str(refused.value) == "config has a setting nobody reads: epoch. Did you mean epochs?"


def test_typed_values_are_understood() -> None:
    config = resolve(
        "quick", "resnet18", {"epochs": "3", "learning_rate": "1e-3", "bf16": "true", "rotation": 5}
    )
    assert (config.epochs, config.learning_rate, config.bf16, config.rotation) == (3, 1e-3, True, 5.0)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"epochs": "many"}, "epochs is 'many'; it must be a whole number."),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number."),
        ({"epochs": True}, "epochs is True; it must be a whole number."),
        ({"epochs": 0}, "epochs is 0; it must be at least 1."),
        ({"bf16": "maybe"}, "bf16 is 'maybe'; it must be true or false."),
        ({"learning_rate": 0}, "learning_rate is 0.0; it must be above 0.0."),
        ({"learning_rate": "nan"}, "learning_rate is nan; it must be a finite number."),
        ({"flip": 1.5}, "flip is 1.5; it must be at most 1.0."),
        ({"optimizer": "lion"}, "optimizer is 'lion'; it must be one of radam, adamw, sgd."),
        ({"colour": "rgb", "in_channels": 1}, "colour is rgb, but in_channels is 1."),
        ({"image_size": 24}, "image_size is 24, but resnet18 needs at least 32"),
        ({"mask_activation": "sigmoid"}, "resnet18 has no masks"),
        ({"schedule": "plateau", "lowest_learning_rate": 1}, "lowest_learning_rate is 1.0, above"),
        ({"network": "resnet34"}, "The network is resnet18, but the setting network says resnet34."),
    ],
)
def test_a_wrong_or_contradictory_setting_is_refused(overrides: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve("quick", "resnet18", overrides)
    assert said in str(refused.value)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"no preset best\. Choose one of: paper-code, paper-text, strong"):
        resolve("best", "resnet18")


def test_a_config_survives_json_exactly() -> None:
    config = resolve("quick", "resnet34", {"learning_rate": 0.1 + 0.2, "seed": 7})
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_stored_config_must_be_whole() -> None:
    values = Config().to_json()
    del values["epochs"]
    with pytest.raises(BadConfig, match="config lacks settings: epochs"):
        Config.from_json(values)


def test_a_config_is_read_from_a_plain_file_and_from_a_run(tmp_path: Path) -> None:
    config = resolve("quick", "resnet18")
    plain, run = tmp_path / "plain.json", tmp_path / "config.json"
    plain.write_text(json.dumps(config.to_json()))
    run.write_text(json.dumps({"config": config.to_json(), "classes": ["happy"]}))
    assert read_config(plain) == read_config(run) == config


def test_a_file_that_is_no_config_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("epochs: 3")
    with pytest.raises(BadConfig, match="cannot be read as a config"):
        read_config(file)
    file.write_text("[1]")
    with pytest.raises(BadConfig, match="does not hold a JSON object"):
        read_config(file)


def test_a_preset_gives_a_network_images_it_can_take() -> None:
    assert resolve("quick", "inception_v3").image_size == 75
    assert resolve("paper-code", "inception_v3").image_size == 224
    with pytest.raises(BadConfig, match="image_size is 48, but inception_v3 needs at least 75"):
        resolve("quick", "inception_v3", {"image_size": 48})


@pytest.mark.parametrize(
    ("preset", "overrides", "said"),
    [
        (
            "paper-code",
            {"schedule": "cosine", "plateau_patience": 5},
            "plateau_patience is a setting of plateau, but",
        ),
        (
            "paper-code",
            {"schedule": "constant", "plateau_factor": 0.5},
            "plateau_factor is a setting of plateau, but",
        ),
        (
            "paper-code",
            {"warm_up": "0.5"},
            "warm_up is a setting of one-cycle and cosine, but schedule is plateau",
        ),
        (
            "quick",
            {"lowest_learning_rate": 0.5},
            "lowest_learning_rate is a setting of plateau and cosine, but",
        ),
    ],
)
def test_what_the_schedule_does_not_read_is_refused(
    preset: str, overrides: dict[str, object], said: str
) -> None:
    with pytest.raises(BadConfig) as refused:
        resolve(preset, "resnet18", overrides)
    assert said in str(refused.value)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("schedule", ["plateau", "one-cycle", "cosine", "constant"])
def test_every_preset_takes_every_schedule_and_what_was_saved_is_read(
    preset: str, schedule: str, tmp_path: Path
) -> None:
    config = resolve(preset, "resnet18", {"schedule": schedule, "weight_decay": 0.5})
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config.to_json()))
    assert resolve(saved=read_config(file)) == config
    again = resolve(saved=read_config(file), overrides={"seed": 7, "warm_up": config.warm_up})
    assert again == dataclasses.replace(config, seed=7)
