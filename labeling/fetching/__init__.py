"""Fetching from the network without being led astray. Knows no Django.

    with Fetcher(Rules(), Limits()) as fetcher:
        fetched = fetcher.fetch_file(url, to=path, most_bytes=most_bytes)

`targets` reads addresses strictly, `addresses` says where may be connected to, `connecting` holds every connection to
that, `fetcher` follows redirects and counts, `patience` waits and tries again.
"""
