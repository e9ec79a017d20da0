"""Names in six languages, each with what it may stand for."""

from __future__ import annotations

import pytest

from gateway.onboarding.glossary import exact_meaning, first_meaning, meanings, words


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NumeroCertificado", "number"),
        ("numéro-de-certificat", "number"),
        ("RaisonSociale", "name"),
        ("validUntil", "expires"),
        ("ДатаВыдачи", "granted"),
        ("Статус", "standing"),
        ("企业名称", "name"),
        ("发证日期", "granted"),
        ("Vencimento", None),
        ("MSG", None),
    ],
)
def test_statement(name: str, meant: str | None) -> None:
    assert first_meaning([name], "statement") == meant


@pytest.mark.parametrize(("code", "meant"), [("SUSPENDU", "suspended"), ("ATIVO", "valid"), ("暂停", "suspended"), ("K4", None)])
def test_standing(code: str, meant: str | None) -> None:
    assert (meanings(code, "standing") or (None,))[0] == meant


@pytest.mark.parametrize(
    "name", ["NOT_ACTIVE", "NonActifs", "no vigente", "não ativo", "не действует", "未有效", "FormerlyValid", "PlusEnVigueur"]
)
def test_a_standing_that_is_denied_is_no_standing(name: str) -> None:
    assert meanings(name, "standing") == ()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("En vigueur", "valid"),
        ("Retiré", "revoked"),
        ("Действует", "valid"),
        ("Valid until revoked", ""),
        ("Suspendu par décision", ""),
        ("", ""),
    ],
)
def test_a_text_is_taken_only_where_it_is_nothing_but_a_phrase(text: str, meant: str) -> None:
    assert exact_meaning(text, "standing") == meant


def test_words() -> None:
    assert words("NUMERO_DE_CertificadoNovo") == ("numero", "certificado", "novo")
