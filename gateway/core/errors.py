"""Refusal, and the closed list of codes it may carry.

A code is stable: partners' systems branch on it. Its row says at which stage it arises, which HTTP status carries it, whether
the very same bytes may be sent again later, and what the reader should do.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Any, NamedTuple


class RefusalStage(str, Enum):
    """Where along the way a refusal arises; the first failing stage speaks."""

    TRANSPORT = "transport"
    IDENTIFY = "identify"
    XML = "xml"
    SIGNATURE = "signature"
    CERTIFICATE = "certificate"
    ENVELOPE = "envelope"
    SCHEMA = "schema"
    TRANSLATE = "translate"
    BUSINESS = "business"
    QUESTION = "question"
    GATEWAY = "gateway"


class Row(NamedTuple):
    """What one code means. ``status`` is an HTTP status; ``retryable``: the same bytes may succeed later."""

    stage: RefusalStage
    status: int
    retryable: bool
    title: str
    remedy: str


_T, _I, _X, _S, _C = (
    RefusalStage.TRANSPORT,
    RefusalStage.IDENTIFY,
    RefusalStage.XML,
    RefusalStage.SIGNATURE,
    RefusalStage.CERTIFICATE,
)
_E, _D, _R, _B, _Q, _G = (
    RefusalStage.ENVELOPE,
    RefusalStage.SCHEMA,
    RefusalStage.TRANSLATE,
    RefusalStage.BUSINESS,
    RefusalStage.QUESTION,
    RefusalStage.GATEWAY,
)


class Code(Enum):
    """Every refusal code. ``str(code)`` is the wire form."""

    # fmt: off
    BODY_TOO_LARGE = "body-too-large", Row(_T, 413, False, "The message is larger than the limit.", "Send a larger list in parts.")
    BODY_INCOMPLETE = "body-incomplete", Row(_T, 400, True, "The message ended before it was complete.", "Send it again.")
    BODY_ENCODED = "body-encoded", Row(_T, 415, False, "Compressed or otherwise encoded bodies are not accepted.", "Send the XML as it is, without Content-Encoding.")
    MEDIA_TYPE = "media-type", Row(_T, 415, False, "The media type is not XML in UTF-8.", "Send Content-Type: application/xml.")
    HEAD_TOO_LARGE = "head-too-large", Row(_T, 431, False, "The head of the request is larger than the limit.", "Send at most 64 KiB of header lines.")
    HEAD_AMBIGUOUS = "head-ambiguous", Row(_T, 400, False, "The head of the request can be read in two ways.", "Send the header named once.")
    FORWARDED_IDENTITY = "forwarded-identity", Row(_T, 403, False, "A forwarded client certificate came from a host that may not forward one.", "Connect to the published address directly.")
    BUSY = "busy", Row(_T, 503, True, "The gateway cannot take the message now.", "Send the same bytes again after the time in Retry-After.")

    PARTNER_UNKNOWN = "partner-unknown", Row(_I, 403, False, "The sender is no partner of this gateway.", "Check the sender in the header; ask for onboarding if it is right.")
    PARTNER_SUSPENDED = "partner-suspended", Row(_I, 403, False, "Exchange with this partner is suspended.", "Ask your contact at the receiving administration.")
    IDENTITY_MISMATCH = "identity-mismatch", Row(_I, 403, False, "The transport identity and the sender in the header differ.", "Send with the client certificate of the sender.")

    XML_ENCODING = "xml-encoding", Row(_X, 400, False, "The document is not plain UTF-8.", "Encode in UTF-8 and declare no other encoding.")
    XML_MALFORMED = "xml-malformed", Row(_X, 400, False, "The document is not well-formed XML.", "Correct the XML at the line named.")
    XML_DOCTYPE = "xml-doctype", Row(_X, 400, False, "A document type declaration is not allowed.", "Remove the DOCTYPE; entities are never needed.")
    XML_COMMENT = "xml-comment", Row(_X, 400, False, "Comments are not allowed.", "Remove the comments before signing.")
    XML_INSTRUCTION = "xml-instruction", Row(_X, 400, False, "Processing instructions are not allowed.", "Remove them before signing.")
    XML_TOO_DEEP = "xml-too-deep", Row(_X, 400, False, "Elements are nested too deeply.", "Keep to the schema.")
    XML_TOO_MANY_ATTRIBUTES = "xml-too-many-attributes", Row(_X, 400, False, "An element has too many attributes.", "Keep to the schema.")
    XML_TOO_MANY_NAMESPACES = "xml-too-many-namespaces", Row(_X, 400, False, "The document declares too many namespaces.", "Declare each namespace once, on the root.")
    XML_NAMESPACE = "xml-namespace", Row(_X, 400, False, "A namespace is not an absolute URI.", "Use the namespaces of the agreed schema.")
    XML_ID = "xml-id", Row(_X, 400, False, "One identifier (Id, ID or xml:id) stands twice.", "Give each element an identifier of its own.")
    XML_INCLUDE = "xml-include", Row(_X, 400, False, "XInclude is not allowed.", "Send the complete document.")
    XML_INSTANCE = "xml-instance", Row(_X, 400, False, "xsi attributes are not allowed.", "Remove xsi:schemaLocation, xsi:type and xsi:nil.")

    SIGNATURE_MISSING = "signature-missing", Row(_S, 401, False, "The message is not signed.", "Sign the envelope; the signature is its last child.")
    SIGNATURE_MISPLACED = "signature-misplaced", Row(_S, 401, False, "A signature stands where none may stand.", "Exactly one signature, the last child of the envelope.")
    SIGNATURE_MALFORMED = "signature-malformed", Row(_S, 401, False, "The signature is not of the agreed profile.", "Follow the signature profile to the letter.")
    SIGNATURE_REFERENCE = "signature-reference", Row(_S, 401, False, "The signature must have one reference, to the whole envelope.", 'Use exactly one Reference with URI="".')
    SIGNATURE_TRANSFORM = "signature-transform", Row(_S, 401, False, "A transform or canonicalisation is not of the profile.", "Use enveloped-signature, then exclusive canonicalisation without comments.")
    SIGNATURE_ALGORITHM = "signature-algorithm", Row(_S, 401, False, "The algorithm is not agreed with this partner.", "Use an algorithm of the agreed policy.")
    SIGNATURE_KEY_SIZE = "signature-key-size", Row(_S, 401, False, "The key is smaller or larger than the policy allows.", "Use a key of the agreed size.")
    SIGNATURE_DIGEST = "signature-digest", Row(_S, 401, False, "The content is not what was signed.", "Do not change the message after signing; check for re-formatting on the way.")
    SIGNATURE_INVALID = "signature-invalid", Row(_S, 401, False, "No pinned key of the sender made this signature.", "Sign with the key whose certificate was announced.")

    CERTIFICATE_UNKNOWN = "certificate-unknown", Row(_C, 401, False, "No certificate of the sender is known for this moment.", "Announce the certificate first.")
    CERTIFICATE_EXPIRED = "certificate-expired", Row(_C, 401, False, "The certificate is expired.", "Sign with the current certificate.")
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid", Row(_C, 401, True, "The certificate is not yet valid.", "Send the same bytes again once it is, or sign with the current certificate.")
    CERTIFICATE_REVOKED = "certificate-revoked", Row(_C, 401, False, "The certificate is revoked.", "Sign with a certificate that is not revoked.")
    CERTIFICATE_UNSUITABLE = "certificate-unsuitable", Row(_C, 401, False, "The certificate may not be used for this.", "Use a certificate with the digitalSignature usage that is no CA.")
    CERTIFICATE_PATH = "certificate-path", Row(_C, 401, False, "The certificate does not lead to a trusted authority.", "Send the intermediate certificates to your contact.")
    REVOCATION_UNKNOWN = "revocation-unknown", Row(_C, 503, True, "Whether the certificate is revoked cannot be told now.", "Send the same bytes again later.")

    ENVELOPE_INVALID = "envelope-invalid", Row(_E, 422, False, "The envelope is not valid against its schema.", "Correct what is named.")
    WRONG_RECEIVER = "wrong-receiver", Row(_E, 422, False, "The message is addressed to somebody else.", "Check the receiver in the header.")
    WRONG_ENVIRONMENT = "wrong-environment", Row(_E, 422, False, "A test message in production, or the reverse.", "Send it to the other endpoint.")
    CREATED_IN_FUTURE = "created-in-future", Row(_E, 422, True, "The message says it was created in the future.", "Compare your clock with ours.")
    TOO_OLD = "too-old", Row(_E, 422, False, "The message is older than is accepted.", "Issue it again with a new id; compare the clocks.")
    ID_CONFLICT = "id-conflict", Row(_E, 409, False, "Another message with this id was received before.", "Never reuse an id for other content.")
    SCHEMA_NOT_AGREED = "schema-not-agreed", Row(_E, 422, False, "The schema or version is not agreed with this partner.", "Use a schema and version agreed for this day.")
    KIND_NOT_ACCEPTED = "kind-not-accepted", Row(_E, 422, False, "Messages of this kind are not accepted here.", "See the kinds in the partner kit.")
    REFERENCE_UNKNOWN = "reference-unknown", Row(_E, 422, False, "The message refers to one that this gateway does not know as yours.", "Check refers-to.")
    RECEIPT_MISMATCH = "receipt-mismatch", Row(_E, 422, False, "The receipt does not fit the message it names.", "Give a receipt for the bytes that were sent.")

    SCHEMA_INVALID = "schema-invalid", Row(_D, 422, False, "The document is not valid against the agreed schema.", "Correct what is named.")

    FIELD_UNEXPECTED = "field-unexpected", Row(_R, 422, False, "The document holds something that was not agreed.", "Remove it, or agree a new version.")
    FIELD_MISSING = "field-missing", Row(_R, 422, False, "A required value is missing.", "Supply it.")
    FIELD_REPEATED = "field-repeated", Row(_R, 422, False, "A value stands twice where one is expected.", "Keep one.")
    FIELD_INVALID = "field-invalid", Row(_R, 422, False, "A value does not have the agreed form.", "Correct the value named.")
    CODE_UNKNOWN = "code-unknown", Row(_R, 422, False, "A code is not in the agreed code list.", "Use an agreed code, or agree the new one first.")
    CHARACTERS = "characters", Row(_R, 422, False, "A code holds characters that it may not hold.", "Use plain letters and digits, without invisible or look-alike characters.")

    FOREIGN_OPERATOR = "foreign-operator", Row(_B, 422, False, "The message speaks of an operator that is not the sender's.", "State only your own operators.")
    CODE_FORM = "code-form", Row(_B, 422, False, "An operator's code does not have the sender's code form.", "Correct the code.")
    PERIOD_REVERSED = "period-reversed", Row(_B, 422, False, "A period ends before it begins.", "Correct the dates.")
    DATE_RANGE = "date-range", Row(_B, 422, False, "A date is outside the years that can be meant.", "Leave an open end out instead of writing a far date.")
    OPERATOR_REPEATED = "operator-repeated", Row(_B, 422, False, "One list says two things about one authorisation.", "State each authorisation once.")
    COUNT_MISMATCH = "count-mismatch", Row(_B, 422, False, "The number of operators is not the number announced.", "Correct the count, or complete the list.")
    LIST_INCOMPLETE = "list-incomplete", Row(_B, 422, False, "The list lacks its scope, its moment or its part numbers, or they contradict.", "Say as-of, scope, part and parts.")
    CANNOT_SAY = "cannot-say", Row(_B, 422, False, "Under this arrangement nothing can be said now of our operators.", "Do not ask again; ask your contact at the receiving administration.")
    TOO_MANY_STATEMENTS = "too-many-statements", Row(_B, 413, False, "The message holds more statements than are accepted.", "Send the list in parts.")

    CODES_COUNT = "codes-count", Row(_Q, 422, False, "A request holds between 1 and 3,000 codes.", "Split the request.")
    QUESTION_INVALID = "question-invalid", Row(_Q, 422, False, "The question cannot be understood.", "Correct what is named.")
    DECLARATION_INVALID = "declaration-invalid", Row(_Q, 422, False, "The document is not a WCO Data Model declaration.", "Send the declaration as XML.")
    NOT_FOUND = "not-found", Row(_Q, 404, False, "There is no such thing here.", "Check the name.")
    CURSOR_LOST = "cursor-lost", Row(_Q, 410, False, "Changes cannot be told from this cursor on.", "Begin the copy anew: GET /v1/operators/snapshot.")
    METHOD_NOT_ALLOWED = "method-not-allowed", Row(_Q, 405, False, "This cannot be done to what the address names.", "Use a method that the Allow header names.")
    UNAUTHENTICATED = "unauthenticated", Row(_Q, 401, False, "No valid token was presented.", "Present a bearer token: aeo-gateway token create.")
    FORBIDDEN = "forbidden", Row(_Q, 403, False, "The token does not carry the scope this needs.", "Ask an administrator for a token with the scope named.")
    TOO_MANY_REQUESTS = "too-many-requests", Row(_Q, 429, True, "Too many questions from this client.", "Wait as Retry-After says; ask for many codes in one request.")

    DATA_INVALID = "data-invalid", Row(_G, 422, False, "The data given is not acceptable.", "Correct what is named.")
    INTERNAL = "internal", Row(_G, 500, True, "The gateway failed; nothing was decided.", "Send the same bytes again later.")
    # fmt: on

    def __init__(self, wire: str, row: Row) -> None:
        self.wire = wire
        self.row = row

    def __str__(self) -> str:
        return self.wire


class Refusal(Exception):
    """The one way anything here says no.

    ``detail`` is a plain sentence naming the cause; it may be shown to whoever sent the input and so holds no secret.
    ``field``, ``value`` and ``line`` locate it in the sender's own document where that is known. ``facts`` are for our
    administrator only: what was expected, what came, both clocks.
    """

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        field: str | None = None,
        value: str | None = None,
        line: int | None = None,
        remedy: str | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        self.code = code
        self.detail = detail or code.row.title
        self.field = field
        self.value = value if value is None or len(value) <= 80 else value[:77] + "..."
        self.line = line
        self.remedy = remedy or code.row.remedy
        self.facts = facts or {}
        super().__init__(f"{code}: {self.detail}")

    def but(self, **parts: Any) -> Refusal:
        """The same refusal where more is known of it: of ``detail``, ``field``, ``value``, ``line`` and ``remedy`` those given are others."""
        mine = {"detail": self.detail, "field": self.field, "value": self.value, "line": self.line, "remedy": self.remedy}
        return Refusal(self.code, **(mine | parts), facts=self.facts)

    def __reduce__(self) -> tuple[partial[Refusal], tuple[Code, str]]:
        """A refusal pickles: it may have been a worker process that refused."""
        located = partial(Refusal, field=self.field, value=self.value, line=self.line, remedy=self.remedy, facts=self.facts)
        return located, (self.code, self.detail)
