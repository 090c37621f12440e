"""Take over what people labelled in Label Studio: its JSON or JSON-MIN export, with the pictures already taken in here.

A task is about a picture we know by its name in a source, by its content, or by the address it was fetched from. With
one annotation a task, these are labels somebody gave (labels.py). With several, they are votes: everybody gets an
account without a password, and a campaign that only these may answer gets each person's answer by the verb people use.
Started again it goes on.

reading.py knows the file, matching.py the pictures, taking.py does it; imports.py is the work of a worker.
"""

from labeling.label_studio.reading import CannotTakeIn, Read, Task, read
from labeling.label_studio.taking import COLUMN, Plan, Taken, guess, plan, take_in

__all__ = ["COLUMN", "CannotTakeIn", "Plan", "Read", "Taken", "Task", "guess", "plan", "read", "take_in"]
