"""Stub until the embedded broker is written."""
