"""A local server that speaks OpenAI's protocol, over the model in memory or over another server."""
