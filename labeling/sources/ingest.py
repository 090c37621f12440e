def ingest(source_id: int) -> None:
    raise NotImplementedError
