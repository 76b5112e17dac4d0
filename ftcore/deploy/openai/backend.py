"""What answers a conversation of texts: the model in memory, or another server."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ftcore.deploy.pieces import Piece
from ftcore.deploy.sampling import Sampling, sampling
from ftcore.deploy.tool_prompt import Message

if TYPE_CHECKING:
    from ftcore.deploy.engine import Engine


class Backend(Protocol):
    """Answers conversations. Raises BadRequest, or UpstreamError, before the first piece where it can."""

    def stream(self, body: Mapping[str, Any], messages: list[Message]) -> AsyncIterator[Piece]:
        """The reply to `messages`, drawn as `body` says."""


class InMemory:
    """A model of this process. Replies are made one after the other, each in a thread of its own."""

    def __init__(self, engine: "Engine", max_tokens: int) -> None:
        self.engine, self.max_tokens = engine, max_tokens

    async def stream(self, body: Mapping[str, Any], messages: list[Message]) -> AsyncIterator[Piece]:
        asked = sampling(body, self.max_tokens)
        pieces: asyncio.Queue[Piece | BaseException | None] = asyncio.Queue()
        gone = threading.Event()
        loop = asyncio.get_running_loop()

        def put(item: Piece | BaseException | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, item)

        threading.Thread(target=self._make, args=(messages, asked, gone, put), daemon=True).start()
        try:
            while (item := await pieces.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            gone.set()  # a client that has hung up: the next token is the last

    def _make(self, messages: list[Message], asked: Sampling, gone: threading.Event, put: Any) -> None:
        try:
            for piece in self.engine.stream(messages, asked, gone):
                put(piece)
            put(None)
        except RuntimeError as error:
            if "loop is closed" not in str(error):  # the server has ended meanwhile
                put(error)
        except Exception as error:
            put(error)
