"""Names in six languages, each with what it may stand for."""

from __future__ import annotations

import pytest

from gateway.onboarding.glossary import meanings, one, words


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
    assert one([name], "statement") == meant


@pytest.mark.parametrize(("code", "meant"), [("SUSPENDU", "suspended"), ("ATIVO", "valid"), ("暂停", "suspended"), ("K4", None)])
def test_standing(code: str, meant: str | None) -> None:
    assert (meanings(code, "standing") or (None,))[0] == meant


def test_words() -> None:
    assert words("NUMERO_DE_CertificadoNovo") == ("numero", "certificado", "novo")
