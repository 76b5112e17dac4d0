"""A channel of a running One-API, to what serves a merged model."""
