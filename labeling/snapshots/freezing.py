def run_freeze(snapshot_id: int) -> None:
    raise NotImplementedError
