"""What each process of a check of several does: `torchrun … -m bench.card.processes DEVICE BACKEND FILE`."""

import copy
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.nn.modules._functions import SyncBatchNorm

from bench.card.ground import Found, Place, apart, in_32_bits, losses, stepper, strong, weights
from bench.training import made_network
from training.core.parallel import ALONE, World
from training.core.run_folder import write_json

_BATCH, _STEPS = 16, 3


def main() -> None:
    name, backend, file = sys.argv[1:]
    in_32_bits()
    place = Place(name, Path(file).parent)
    # Together as trainings do it, except that two processes on one card can only do it by gloo.
    dist.init_process_group("cpu:gloo,cuda:nccl" if backend == "nccl" else "gloo")
    size = dist.get_world_size()
    found = _one(place, backend) if size == 1 else _several(place, World(dist.get_rank(), size, 0))
    if dist.get_rank() == 0:
        write_json(Path(file), found)
    dist.barrier()
    dist.destroy_process_group()


def _one(place: Place, backend: str) -> Found:
    """What goes through the backend, which a world of one does not use by itself."""
    device = torch.device(place.device, 0) if place.card else torch.device("cpu")
    total = torch.arange(4.0, device=device)
    dist.all_reduce(total)
    box = ["told"]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    plain = made_network(strong("resnet18", place), device)
    twin = copy.deepcopy(plain)
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(twin) if place.card else twin
    wrapped = World(0, 2, 0).wrapped(shared, device)
    images = torch.rand(8, 3, 48, 48, device=device)
    for network in (plain, wrapped):
        torch.manual_seed(0)
        network(images).square().mean().backward()
    gradients = [[weight.grad.flatten() for weight in each.parameters()] for each in (shared, plain)]
    difference = apart(*(torch.cat(each).cpu() for each in gradients))
    holds = {
        f"{backend} adds and tells": total.tolist() == [0, 1, 2, 3] and box == ["told"],
        f"gradients through {backend} as without": difference < 1e-3,
    }
    if place.card:
        holds[f"batch norm through {backend} as without"] = _norm_apart(device) < 1e-4
    return {"holds": holds, f"gradients apart through {backend}": difference}


def _norm_apart(device: torch.device) -> float:
    """SyncBatchNorm takes the way of several processes only where there are several; so its function is called."""
    maps = torch.rand(4, 8, 5, 5, device=device)
    weight, bias = torch.rand(8, device=device), torch.rand(8, device=device)
    mean, variance = torch.zeros(8, device=device), torch.ones(8, device=device)
    there = SyncBatchNorm.apply(
        maps, weight, bias, mean.clone(), variance.clone(), 1e-5, 0.1, dist.group.WORLD, 1
    )
    here = functional.batch_norm(maps, mean, variance, weight, bias, training=True)
    return apart(there.cpu(), here.cpu())


def _several(place: Place, world: World) -> Found:
    """The steps of one training by all, and by this one alone: with synchronised batch norm the whole batch at once,
    else (on a processor, which has none) in as many parts.
    """
    config = strong("resnet18", place, device="cuda:0" if place.card else "cpu", dropout=0.0)
    network = made_network(config, torch.device(place.device))
    together = (
        nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network))
        if place.card
        else copy.deepcopy(network)
    )
    shared = stepper(config, 4 * _BATCH, network=together, world=world)
    said = torch.tensor(losses(shared, _STEPS, _BATCH))
    dist.all_reduce(said)
    parts = 1 if place.card else world.size
    own = strong("resnet18", place, device=config.device, dropout=0.0, accumulation=parts)
    alone = stepper(own, 4 * _BATCH, network=network, world=ALONE)
    told = losses(alone, _STEPS, _BATCH)
    difference = apart(weights(shared.judged), weights(alone.judged))
    holds = {
        f"losses of {world.size} as of one within 0.1 %": apart(said, told) < 1e-3,
        f"weights of {world.size} as of one within 0.1 %": difference < 1e-3,
    }
    return {"holds": holds, f"weights of {world.size} apart": difference}


if __name__ == "__main__":
    main()
