"""Pictures, videos and the faces in them. Pure: numpy, Pillow, OpenCV and PyAV; no database, no Django."""
