"""``rules = "strict"``: the options that it needs and allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.keys import RSA_KEY, pem
from verifier.config import ConfigError, Problem, Settings, load

SECRET = "a-secret-of-more-than-thirty-two-bytes"
BASIC = f'app_id = "app"\napp_secret = "{SECRET}"\nmuc_mapper_domain_base = "meet.jitsi"\n'
STRICT = 'rules = "strict"\n'
PUBLIC = f"public_keys = {{ k = '''\n{pem(RSA_KEY)}''' }}\n"
EC = pem(ec.generate_private_key(ec.SECP256R1()).public_key())


def configured(text: str) -> Settings:
    return load({}, Path("/etc/v.toml"), read_file=lambda _path: text.encode())


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as error:
        configured(text)
    return error.value.problems


def test_strict_rules_work_with_jitsis_defaults() -> None:
    settings = configured(BASIC + STRICT)
    assert settings.policy().strict
    assert settings.policy().enable_domain_verification
    assert "Prosody accepts more" in settings.notices[0]
    assert not configured(BASIC).policy().strict


def test_strict_rules_need_the_domain() -> None:
    bare = f'app_id = "app"\napp_secret = "{SECRET}"\n'
    (problem,) = problems(bare + STRICT)
    assert str(problem) == (
        "muc_mapper_domain_base (XMPP_DOMAIN): found nothing; expected the XMPP domain"
        ' (XMPP_DOMAIN): rules = "strict" compares sub, tenant and domain'
    )
    (problem,) = problems(BASIC + STRICT + "enable_domain_verification = false\n")
    assert (problem.option, problem.found) == ("enable_domain_verification", "false")
    assert 'rules = "jitsi"' in problem.expected
    assert configured(BASIC + STRICT + "enable_domain_verification = true\n").strict


def test_strict_rules_refuse_a_short_secret() -> None:
    short = BASIC.replace(SECRET, "s" * 31)
    assert any("weak" in notice for notice in configured(short).notices)
    (problem,) = problems(short + STRICT)
    assert str(problem) == (
        "app_secret (/etc/v.toml): found the secret of 31 bytes;"
        ' expected 32 or more, for rules = "strict" (RFC 8725, section 3.5)'
    )
    assert configured(BASIC.replace(SECRET, "s" * 32) + STRICT)
    two = BASIC.replace(f'"{SECRET}"', f'["{SECRET}", "short"]')
    (problem,) = problems(two + STRICT)
    assert problem.found == "secret 2 of 2 of 5 bytes"
    assert "short" not in str(problem)


def test_strict_rules_count_for_every_host() -> None:
    table = '[hosts."meet.example.org"]\napp_secret = "short"\n'
    (problem,) = problems(BASIC + STRICT + table)
    assert "meet.example.org" in problem.origin
    (problem,) = problems(BASIC + '[hosts."meet.example.org"]\nrules = "strict"\n')
    assert "the whole service's" in problem.expected


def test_several_algorithms_need_strict_rules() -> None:
    several = 'signature_algorithm = ["RS256", "HS256", "RS256"]\n'
    settings = configured(BASIC + PUBLIC + STRICT + several)
    policy = settings.policy()
    assert (policy.signature_algorithm, policy.other_algorithms) == ("RS256", ("HS256",))
    assert settings.value("signature_algorithm") == ("RS256", "HS256")
    assert not any("not used" in notice for notice in settings.notices)
    (problem,) = problems(BASIC + PUBLIC + several)
    assert problem.found == "RS256, HS256"
    one = 'signature_algorithm = ["RS256"]\n'
    assert configured(BASIC + PUBLIC + one).policy().other_algorithms == ()
    environ = {"JWT_SIGN_TYPE": "RS256, HS256", "VERIFIER_RULES": "strict"}
    text = BASIC + PUBLIC
    assert load(environ, Path("/v"), read_file=lambda _path: text.encode()).other_algorithms


def test_each_algorithm_needs_its_own_kind_of_key() -> None:
    (problem,) = problems(BASIC + STRICT + 'signature_algorithm = ["HS256", "RS256"]\n')
    assert (problem.option, problem.found) == ("signature_algorithm", "RS256")
    both = 'signature_algorithm = ["HS256", "ES256"]\n'
    (problem,) = problems(BASIC + PUBLIC + STRICT + both)
    assert problem.found == "ES256"
    url = 'cache_keys_url = "https://keys.example.org/jwks"\n'
    (problem,) = problems(BASIC + url + STRICT + 'signature_algorithm = ["RS256", "HS256"]\n')
    assert "HS256 with a key URL" in problem.found
    public_secret = f"app_secret = '''\n{pem(RSA_KEY)}'''\n"
    text = BASIC.replace(f'app_secret = "{SECRET}"\n', public_secret) + STRICT
    found = problems(text + 'signature_algorithm = ["RS256", "HS256"]\n')
    assert found[0].found == "a public key, which is not secret"


def test_notice_names_a_key_that_no_algorithm_uses() -> None:
    keys = f"public_keys = {{ k = '''\n{pem(RSA_KEY)}''', e = '''\n{EC}''' }}\n"
    text = BASIC + keys + STRICT + 'signature_algorithm = ["RS256", "HS256"]\n'
    notices = " ".join(configured(text).notices)
    assert "key id 'e' is not used: it is for ES256, and RS256 or HS256 is accepted" in notices
    assert "key id 'k'" not in notices


def test_strict_rules_refuse_text_around_a_key() -> None:
    keys = f"public_keys = {{ k = '''\n{pem(RSA_KEY)}trailing''' }}\n"
    text = BASIC + keys + 'signature_algorithm = "RS256"\n'
    assert configured(text)
    (problem,) = problems(text + STRICT)
    assert "key id 'k'" in problem.found
    assert "outside of its PEM block" in problem.found
