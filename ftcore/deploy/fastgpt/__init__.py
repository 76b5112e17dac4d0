"""A merged model in FastGPT's configuration."""
