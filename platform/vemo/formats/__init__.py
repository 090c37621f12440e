"""How the site writes dates, where it is not as Django does for a language."""
