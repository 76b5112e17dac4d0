"""A conversation in the terminal: what was said, and the words that are about it rather than in it."""

from dataclasses import dataclass, field

from ftcore.deploy.tool_prompt import Message

HELP = "/reset forgets what was said, /system TEXT sets the system text (none takes it away), /quit ends"


@dataclass(slots=True)
class Conversation:
    """What one model has heard and said."""

    system: str = ""
    turns: list[Message] = field(default_factory=list)

    def asked(self, text: str) -> list[Message]:
        """The messages with which `text` is asked."""
        before = [{"role": "system", "content": self.system}] if self.system else []
        return [*before, *self.turns, {"role": "user", "content": text}]

    def answered(self, text: str, reply: str) -> None:
        """`text` was asked, and `reply` was the answer."""
        self.turns += [{"role": "user", "content": text}, {"role": "assistant", "content": reply}]


def command(line: str) -> tuple[str, str] | None:
    """The name and the words of a line that begins with `/`; None of one that is to be asked.

    Two slashes ask what follows the first.
    """
    text = line.strip()
    if not text.startswith("/") or text.startswith("//"):
        return None
    name, _, words = text[1:].partition(" ")
    return name, words.strip()


def obeyed(name: str, words: str, conversations: list[Conversation]) -> str:
    """Do what a command says to every conversation; what to tell of it. ValueError where there is none."""
    match name:
        case "reset":
            for one in conversations:
                one.turns.clear()
            return "forgotten"
        case "system":
            for one in conversations:
                one.system = words
                one.turns.clear()
            return "system text set, conversation begun anew" if words else "no system text"
        case "help":
            return HELP
    raise ValueError(f"no command /{name}; {HELP}; a line that begins with / is asked as //...")
