"""A finished run's merged model, served."""
