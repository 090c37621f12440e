def run_export(export_id: int) -> None:
    raise NotImplementedError
