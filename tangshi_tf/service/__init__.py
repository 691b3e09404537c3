"""A page to write poems on, and the API behind it; needs the extra `web`, and starts with `serve`."""
