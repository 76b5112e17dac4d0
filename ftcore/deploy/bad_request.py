"""What is wrong with a client's request."""


class BadRequest(Exception):
    """Told to the client as HTTP 400, in OpenAI's form of an error."""

    def __init__(self, param: str, message: str, code: str = "invalid_value"):
        self.param, self.message, self.code = param, message, code
        super().__init__(f"{param}: {message}")
