"""A draft dialect from an XSD and messages: holes proposed by name, type and value, each marked with how sure it is.

Nothing is guessed silently. A place nobody understood keeps the text of the message as a literal, so that any other text is refused,
and is a question in ``draft.toml``; so is a kind of message that nobody showed. Answers are written there and the draft is made
again; an answer is never overruled.
"""

from gateway.onboarding.draft.files import as_toml, dialect_toml
from gateway.onboarding.draft.kinds import propose
from gateway.onboarding.draft.model import TOLD, Draft, Proposal, ServedKinds, Sure

__all__ = ["TOLD", "Draft", "Proposal", "ServedKinds", "Sure", "as_toml", "dialect_toml", "propose"]
