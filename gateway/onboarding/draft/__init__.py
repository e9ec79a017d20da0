"""A draft dialect from an XSD and messages: holes proposed by name, type and value, each marked with how sure it is.

Nothing is guessed silently. A place nobody understood keeps the text of the message as a literal, so that any other text is refused,
and is a question in ``draft.toml``; so is a kind of message that nobody showed. Answers are written there and the draft is made
again; an answer is never overruled.

``kinds.py`` goes through the kinds of message and ``sample.py`` through the passes that make one sample of one message; what each pass
does stands in its own file. ``document.py``, ``declared.py``, ``structure.py`` and ``groups.py`` find out what the message and its XSD
hold, ``guess.py`` what a place means; ``files.py`` writes down what is left to a person.
"""

from gateway.onboarding.draft.files import as_toml, dialect_toml
from gateway.onboarding.draft.kinds import propose
from gateway.onboarding.draft.model import TOLD, Draft, Proposal, ServedKinds, Sure

__all__ = ["TOLD", "Draft", "Proposal", "ServedKinds", "Sure", "as_toml", "dialect_toml", "propose"]
