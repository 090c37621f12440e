"""All that is to be done on a machine with a card, by one command: `python -m bench.card`."""
