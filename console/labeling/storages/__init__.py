"""Label Studio's storages as it reads, serves and writes them; knows nothing of HTTP requests that come in."""
