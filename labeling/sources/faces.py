def find_faces(detection_id: int) -> None:
    raise NotImplementedError
