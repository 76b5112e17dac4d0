"""A merged model on a running Xinference server."""
