"""The table of hostile files: archives, images, videos, tables; each taken in for real, in a cell.

A cell (`cell.py`) is a process of its own, forked for one row: a database and a storage that nobody else has, an end to
its address space, an alarm, and a filter in the kernel that kills it when it starts a program or opens a socket.
Whatever a row says, the good pictures beside the hostile file must come in, and nothing else may be stored.

Cases after: Fifield, "A better zip bomb" (WOOT 2019); 42.zip; Snyk's zip slip (2018); PKWARE's APPNOTE; Pillow's
advisories; "Two issues with the JPEG standard" (libjpeg-turbo, 2015); corkami's polyglots; Andreev and Ermishkin,
"Attacks on video converters" (2016/17); FFmpeg's own fuzzing; OWASP on CSV injection; and our own.
"""
